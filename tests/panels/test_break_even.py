"""The panel of the break-even."""

import re

import numpy as np
import pytest

from helpers import use_a_panel
from ncv_lab.panels.break_even import BreakEvenPanel, BreakEvenState, times_to_error

STATE = BreakEvenState((8, 4), m2=0.3, lam=0.5, n_configs=400, t=4)


def test_the_panel_can_do_what_every_panel_can():
    use_a_panel(BreakEvenPanel(STATE))


def check_errors(update, times):
    "Errors of the break-even and of the final gain, against numerical derivatives."
    raw, ratio = update.result.raw, update.error_ratio
    p, q = np.ravel(raw.error_error)[4] / np.ravel(raw.error)[4], update.error_ratio_error / ratio

    def break_even(log_raw, log_ratio):
        return (
            times.break_even
            * np.exp(log_raw)
            * np.sqrt((1 - np.exp(-2 * log_ratio) / times.final_gain) / (1 - 1 / times.final_gain))
        )

    h = 1e-6
    slopes = [(break_even(h, 0) - break_even(-h, 0)) / 2 / h, (break_even(0, h) - break_even(0, -h)) / 2 / h]
    assert times.break_even_error == pytest.approx(np.hypot(p * slopes[0], q * slopes[1]), rel=1e-5)
    assert times.final_gain_error == pytest.approx(2 * q * times.final_gain)


def half_of_the_last_digit(number):
    return 0.5 * 10.0 ** -len(number.partition(".")[2])


def test_times_are_equal_at_break_even(capsys):
    panel = BreakEvenPanel(STATE)
    panel.start()
    assert panel.runner.join(60)
    update = panel.runner.last
    times = times_to_error(update, cost=0.01, evaluating=1e-5)
    at_break_even = [np.interp(-np.log(times.break_even), -np.log(times.error), np.log(s)) for s in times[1:3]]
    assert at_break_even[0] == pytest.approx(at_break_even[1], abs=0.01)
    panel.buttons["Code"].click()
    exec(panel.code.value, {})
    printed = re.search(r"relative error of ([\d.]+) %", capsys.readouterr().out)[1]
    shown = panel.board.readout["number"]
    assert abs(float(printed) - float(shown)) <= half_of_the_last_digit(printed) + half_of_the_last_digit(shown)
    check_errors(update, times)
    assert re.fullmatch(r"\(\d+\) %", panel.board.readout["plusminus"]) and "(" in panel.board.readout["claim"]
    never = times_to_error(update, cost=0.01, evaluating=1e9)
    assert np.isnan(never.break_even), "an evaluation that takes ages never pays"
    assert never.final_gain < 1 < times.final_gain

    panel.controls["cost"].value = 100.0
    assert panel.runner.join(60)
    last = panel.runner.last
    assert last.fit is update.fit and last.evaluating == update.evaluating and last.times.raw[0] > update.times.raw[0]
    panel.close()

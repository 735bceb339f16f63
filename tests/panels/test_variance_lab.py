"""The main panel by its widgets, without a browser."""

import json

import numpy as np
import pytest

from helpers import LAB_STATE, move_two_hundred_times, use_a_panel, wait
from ncv_lab.panels.base import as_json
from ncv_lab.panels.variance_lab import VarianceLab, number


@pytest.fixture
def lab():
    panel = VarianceLab(LAB_STATE)
    yield panel
    panel.close()
    assert panel.runner.join(60)


def test_the_lab_can_do_what_every_panel_can():
    use_a_panel(VarianceLab(LAB_STATE))


def test_controls_act_while_the_fit_runs(lab):
    lab.start()
    wait(lambda: lab.board.readout["stage"] == "fitting")
    lab.controls["lam"].value = 5.0
    wait(lambda: lab.board.readout["stage"] != "fitting")
    wait(lambda: lab.board.readout["stage"] == "fitting" and lab.board.readout["number"] != "–")
    assert lab.runner.last.sampled.ensemble.theory.lam == 5.0
    lab.controls["depth"].value = 2
    wait(lambda: lab.runner.last.fit_state.depth == 2 and lab.runner.last.fit.control.field.depth == 2)
    lab.controls["family"].value = "linear"
    wait(lambda: lab.board.readout["stage"] == "finished")
    assert lab.controls["width"].disabled and not lab.controls["t"].disabled


def test_the_time_ends_at_half_the_extent(lab):
    lab.controls["shape"].value = "4x4"
    assert lab.controls["t"].max == 2 and lab.state.t == 2
    lab.controls["shape"].value = "8 by 8"
    assert "write the extents as 20x20" in lab.board.readout["error"]


def test_what_is_saved_is_what_is_shown(lab):
    lab.controls["family"].value = "linear"
    lab.start()
    assert lab.runner.join(60)
    update = lab.runner.last
    arrays = json.loads(as_json(lab, update))["arrays"]
    assert arrays["sigma_ratio"] == update.sigma_ratio and arrays["raw_t"] == [0, 1, 2, 3]
    np.testing.assert_array_equal(arrays["improved_error"], update.result.error)
    assert lab.board.readout["number"] == number(update.sigma_ratio)
    assert f"worth {number(update.error_ratio**2)} times" in lab.board.readout["claim"]


def test_code_is_that_of_the_state(lab):
    lab.buttons["Code"].click()
    assert "ncv.Phi4((6, 4), m2=0.3, lam=1.0)" in lab.code.value


def test_two_hundred_moves_leave_no_thread_behind(lab):
    move_two_hundred_times(lab)


def test_large_numbers_are_short():
    shown = [number(value) for value in (np.nan, 3.14159, 161.3, 12_345.6, 3.2e12)]
    assert shown == ["–", "3.14", "161", "12,346", "3.2·10¹²"]

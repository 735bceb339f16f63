"""The main panel by its widgets, without a browser."""

import io
import json

import numpy as np
import pytest

from helpers import LAB_STATE, ensemble, move_two_hundred_times, use_a_panel, wait
from ncv_lab.panels.base import as_json
from ncv_lab.panels.state import PRESETS, WHAT_TO_SEE
from ncv_lab.panels.tour import FIRST, TOUR
from ncv_lab.panels.variance_lab import (
    FORMULAS,
    VarianceLab,
    claim,
    large_number,
    number,
    ratio_shown,
    relative,
    with_error,
)


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
    assert lab.board.readout["number"] == with_error(update.sigma_ratio, update.sigma_ratio_error).split("(")[0]
    assert lab.board.readout["claim"] == claim(update)


def test_code_is_that_of_the_state(lab):
    lab.buttons["Code"].click()
    assert "ncv.Phi4((6, 4), m2=0.3, lam=1.0)" in lab.code.value


def test_two_hundred_moves_leave_no_thread_behind(lab):
    move_two_hundred_times(lab)


def test_large_numbers_are_short():
    shown = [number(value) for value in (np.nan, 3.14159, 161.3, 12_345.6, 3.2e12)]
    assert shown == ["–", "3.14", "161", "12,346", "3.2·10¹²"]


def test_a_ratio_has_as_many_digits_as_its_error_allows():
    pairs = [
        (8.123, 0.31), (8.123, 0.114), (64.8, 17.2), (123_456.0, 31_234.0),
        (3.2e12, 1e11), (2.5, 0.0), (1.0, np.nan),
    ]
    shown = [with_error(value, error) for value, error in pairs]
    assert shown == ["8.1(3)", "8.12(11)", "65(17)", "120000(30000)", "3.2·10¹²", "2.5", "1"]
    assert large_number(97.96, 0.31, " %") == {"number": "98.0", "plusminus": "(3) %"}
    assert large_number(2.5, np.nan) == {"number": "2.5", "plusminus": ""}


def test_each_error_is_divided_by_the_mean_that_it_belongs_to():
    t, error = np.arange(2), np.array([1.0, 2.0])
    curves = {"raw": (t, np.array([2.0, -4.0]), error), "raw_error": (t, error)}
    alone = relative(curves)["raw_error"][1]
    both = relative(curves | {"improved": (t[:1], np.array([5.0]), error[:1]), "improved_error": (t[:1], error[:1])})
    np.testing.assert_array_equal(alone, [0.5, 0.5])
    np.testing.assert_array_equal(both["raw_error"][1], alone, "the raw points do not move while f is learned")
    np.testing.assert_array_equal(both["improved_error"][1], [0.2])


def test_the_panel_starts_by_itself_unless_somebody_wants_something_else():
    touched, unwanted, given = VarianceLab(), VarianceLab(start=False), VarianceLab(LAB_STATE)
    assert touched.state == FIRST and touched.starts_itself
    touched.controls["lam"].value = 2.0
    for panel in (touched, unwanted, given):
        panel.hear(panel.board, {"shown": True, "fragment": ""}, [])
        assert not panel.runner.running and panel.board.readout["number"] == "–"
        panel.close()


def test_the_panel_starts_when_it_is_shown(lab):
    lab.starts_itself = True
    lab.hear(lab.board, {"shown": True, "fragment": ""}, [])
    assert lab.runner.running
    lab.stop()
    lab.hear(lab.board, {"shown": True, "fragment": ""}, [])
    assert not lab.runner.running, "once is enough"


def test_every_preset_and_every_number_explains_itself(lab):
    assert WHAT_TO_SEE.keys() == PRESETS.keys() and all(text.endswith(".") for text in WHAT_TO_SEE.values())
    assert lab.preset.sentences == WHAT_TO_SEE
    lab.controls["family"].value = "linear"
    lab.start()
    assert lab.runner.join(60)
    words = lab.board.readout
    assert set(words["facts"]) <= set(FORMULAS) and {"number", "claim", "bars"} <= set(FORMULAS)
    assert words["note"].endswith("all 4 times are improved at once.")
    assert "so the two numbers may differ" in words["note"]
    assert words["facts"]["configurations"] == "100 to learn + 100 to test"


def test_the_tour_sets_the_controls_and_can_be_left(lab):
    lab.hear(lab.board, {"tour": "0"}, [])
    assert lab.board.tour["title"] == TOUR[0].title and lab.state == TOUR[0].state == lab.read() and lab.live
    assert lab.runner.join(60) and lab.runner.last.fit is None, "before the fourth station nothing is fitted"
    assert sorted(lab.board.frame) == ["cloud", "phi", "raw", "raw_error"] and lab.board.readout["number"] == "–"
    sampled = lab.runner.last.sampled
    lab.hear(lab.board, {"tour": "next"}, [])
    assert lab.board.tour["answer"] == TOUR[0].answer and lab.board.tour["answered"]
    lab.hear(lab.board, {"tour": "3"}, [])
    wait(lambda: lab.runner.last.result is not None)
    assert lab.runner.last.sampled is sampled
    lab.hear(lab.board, {"tour": "jump"}, [])
    assert "a tour goes next or back" in lab.board.readout["error"] and lab.board.tour["number"] == 3
    lab.hear(lab.board, {"tour": "skip"}, [])
    assert lab.board.tour == {} and lab.runner.running, "what runs goes on"
    lab.stop()


def sent(lab, monkeypatch):
    "What is sent to the browser from now on."
    messages = []
    monkeypatch.setattr(lab.board, "send", lambda message, buffers=None: messages.append(message))
    return messages


def test_a_link_opens_the_same_number(lab, monkeypatch):
    messages = sent(lab, monkeypatch)
    lab.start()
    wait(lambda: lab.runner.last is not None and len(lab.runner.last.curve.others) > 2)
    lab.stop()
    ratio, shown = lab.runner.last.sigma_ratio, lab.board.readout["number"]
    lab.hear(lab.board, {"link": True}, [])
    assert "clipboard" in lab.board.readout["status"]
    link = f"http://127.0.0.1/#ncv={messages[-1]['link']}"
    lab.hear(lab.board, {"open": "#ncv=damaged"}, [])
    assert "this link cannot be opened" in lab.board.readout["error"] and lab.board.readout["number"] == shown
    with monkeypatch.context() as few:
        few.setattr("ncv_lab.panels.travel.MOST_PARTS", 1)  # as after a long history, which can be saved all the same
        assert json.loads(as_json(lab, lab.runner.last))["link"] == ""
    other = VarianceLab()
    other.hear(other.board, {"shown": True, "fragment": link}, [])
    assert other.runner.join(60) and other.state == LAB_STATE
    assert other.runner.last.sigma_ratio == pytest.approx(ratio, rel=1e-9)
    other.start()
    wait(lambda: other.runner.last.fit_made.resumed and len(other.runner.last.curve.others) > 1)
    other.close()
    assert other.runner.join(60)


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_configurations_from_a_file_take_the_place_of_the_sampler(lab, monkeypatch):
    configs = np.random.default_rng(0).normal(size=(4, 60, 6, 4))
    content = npy(configs)
    lab.controls["family"].value = "linear"
    for last, part in ((False, content[:1000]), (True, content[1000:])):
        lab.hear(lab.board, {"file": "mine.npy", "last": last}, [memoryview(part)])
    assert lab.runner.join(60)
    update = lab.runner.last
    np.testing.assert_array_equal(update.sampled.ensemble.configs, configs)
    assert "mine.npy" in lab.board.readout["facts"]["source"] and lab.controls["lam"].disabled
    assert "np.load('mine.npy')" in lab.code_of(update)
    messages = sent(lab, monkeypatch)
    lab.hear(lab.board, {"link": True}, [])
    assert not messages and "a link cannot hold them" in lab.board.readout["error"]
    lab.hear(lab.board, {"file": "bad.npy", "last": True}, [b"no array"])
    assert "bad.npy is no NumPy array" in lab.board.readout["error"]
    assert lab.runner.last is update and lab.board.readout["number"] == ratio_shown(update)["number"], "nothing is lost"
    with pytest.raises(ValueError, match="is neither an ensemble"):
        lab.use(__file__)
    lab.reset()
    assert not lab.controls["lam"].disabled and lab.source is None


@pytest.mark.filterwarnings("ignore:these configurations do not look like those of the action")
@pytest.mark.filterwarnings("ignore:the mean of f for")
def test_an_ensemble_at_hand_is_used(lab):
    lab.controls["family"].value = "linear"
    lab.use(ensemble(n_chains=10, n_draws=24))
    assert lab.runner.join(60)
    assert (lab.state.lam, lab.state.m2, lab.state.n_configs) == (0.5, 0.3, 100)
    assert lab.board.readout["note"].startswith("Beware: "), "the configurations are random numbers"
    names = {"ensemble": lab.source.ensemble}
    exec(lab.code_of(lab.runner.last), names)
    assert names["sigma_ratio"] == pytest.approx(lab.runner.last.sigma_ratio, rel=1e-9)
    source = lab.runner.last.sampled
    lab.preset.value = "solved, λ = 24"
    assert lab.source is None
    lab.stop()
    assert lab.runner.join(60)
    assert lab.runner.last.sampled is source or not lab.runner.last.sampled.made.source


def test_a_saved_state_is_opened_from_its_file(lab):
    lab.controls["family"].value = "linear"
    lab.start()
    assert lab.runner.join(60)
    update, content = lab.runner.last, as_json(lab, lab.runner.last)
    lab.reset()
    lab.open_file("VarianceLab.json", content)
    assert lab.runner.join(60) and lab.runner.last is not update and lab.state.family == "linear"
    assert lab.runner.last.sigma_ratio == pytest.approx(update.sigma_ratio, rel=1e-9)

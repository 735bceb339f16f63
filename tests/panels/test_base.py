"""What all panels have in common, with a panel that counts and computes nothing."""

import asyncio
import io
import json
import time
from dataclasses import dataclass, fields

import h5py
import ipywidgets as widgets
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import move_two_hundred_times, use_a_panel, wait
from ncv_lab.panels.base import Panel, as_hdf5, as_json, as_list, picture, show_value, steps, theory_controls
from ncv_lab.panels.controls import Control, integers, select
from ncv_lab.panels.plot_widget import Board, Plot, Series
from ncv_lab.panels.serve import panel_names
from ncv_lab.panels.state import TheoryState, check_range
from ncv_lab.panels.updates import Update


@dataclass(frozen=True)
class CountState(TheoryState):
    shape: tuple[int, ...] = (6, 4)
    n: int = 5

    def __post_init__(self):
        super().__post_init__()
        check_range("n", self.n, 1, 10**6)


@dataclass(frozen=True, eq=False)
class CountUpdate(Update):
    numbers: np.ndarray | None = None


def count(state, last):
    if state.seed == 13:
        raise RuntimeError("out of luck")
    for k in range(1, state.n + 1):
        time.sleep(1e-3)
        yield CountUpdate(state, "counting", k / state.n, numbers=np.arange(k))
    yield CountUpdate(state, "finished", 1.0, numbers=np.arange(state.n))


class CountPanel(Panel):
    def __init__(self, state=None):
        controls = theory_controls() | {"n": select("n", (5, 10**6), "how far")}
        plot = Plot("numbers", "k", "number", (Series("numbers", "numbers"),), tooltip="The numbers so far.")
        formulas = {"number": "How many numbers there are.", "claim": "None.", "last": "The last number."}
        board = Board(plot, formulas=formulas)
        presets = {"far": CountState(n=10**6), "unknown lam": CountState(lam=3.3), "large": CountState((40, 10))}
        super().__init__(count, state or CountState(), controls, board, presets)

    def read(self):
        self.limit_times("seed")
        return super().read()

    def curves(self, update):
        return {"numbers": (update.numbers, update.numbers)}

    def readout(self, update):
        return {"number": str(len(update.numbers)), "facts": {"last": str(update.numbers[-1])}}

    def arrays(self, update):
        return {"numbers": update.numbers, "unknown": np.array(np.nan)}

    def code_of(self, update):
        return f"print({self.state.n})"


@pytest.fixture
def panel():
    panel = CountPanel()
    yield panel
    panel.close()
    assert panel.runner.join(10)


def test_a_panel_can_do_what_every_panel_can():
    use_a_panel(CountPanel())


def test_start_works_and_stop_stops(panel):
    panel.controls["n"].value = 10**6
    assert not panel.runner.running, "a panel that was not started does not start by itself"
    panel.buttons["Start"].click()
    wait(lambda: panel.board.readout["number"] not in ("–", "0"))
    assert panel.board.readout["stage"] == "counting" and panel.runner.running
    panel.buttons["Stop"].click()
    assert panel.board.readout["stage"] == "stopped" and panel.runner.join(10)
    before = panel.board.data
    panel.controls["lam"].value = 2.0
    assert panel.board.data == before and not panel.runner.running, "a stopped panel does not start by itself"


def test_controls_act_while_the_panel_is_live(panel):
    panel.start()
    assert panel.runner.join(10) and panel.board.readout["stage"] == "finished"
    panel.controls["lam"].value = 2.0
    assert panel.runner.join(10) and panel.runner.last.state.lam == 2.0


def test_the_message_of_an_impossible_setting_is_shown_and_goes(panel):
    panel.start()
    panel.controls["shape"].value = "6 by 4"
    assert "write the extents as 20x20" in panel.board.readout["error"] and not panel.runner.running
    panel.controls["shape"].value = "4x4"
    assert panel.runner.join(10) and "error" not in panel.board.readout and panel.state.shape == (4, 4)


def test_an_exception_in_the_work_is_shown(panel):
    panel.limit_times = lambda name: None
    panel.controls["seed"].value = 13
    panel.start()
    assert panel.runner.join(10)
    assert panel.board.readout["error"] == "RuntimeError: out of luck" and not panel.runner.running


def test_a_time_ends_at_half_the_extent(panel):
    panel.controls["shape"].value = "8x4"
    assert panel.controls["seed"].max == 4 and panel.state.shape == (8, 4)


def test_presets_and_reset(panel):
    for name, state in panel.presets.items():
        panel.preset.value = name
        assert panel.state == panel.read() == state, name
    panel.buttons["Reset"].click()
    assert panel.state == panel.read() == CountState() and panel.board.readout["stage"] == "ready"
    assert panel.runner.last is None


def test_a_preset_leaves_the_page_in_place():
    panel = ncv.VarianceLab(start=False)
    parts = [panel, panel.layout, panel.board, panel.board.layout, *panel.children]
    changed = []
    for part in parts:
        part.observe(lambda change: changed.append(change["name"]))
    for name in panel.presets:
        panel.preset.value = name
    assert set(changed) <= {"readout"}, "nothing is built anew, so the size of the text stays"
    panel.close()


def test_files_hold_state_code_versions_and_numbers(panel):
    panel.start()
    assert panel.runner.join(10)
    update = panel.runner.last
    document = json.loads(as_json(panel, update))
    assert CountState.from_json(json.dumps(document["state"])) == CountState() and document["versions"]["ncv-lab"]
    assert document["arrays"] == {"numbers": [0, 1, 2, 3, 4], "unknown": None} and document["code"] == "print(5)"
    with h5py.File(io.BytesIO(as_hdf5(panel, update))) as file:
        assert json.loads(file.attrs["ncv_lab"])["panel"] == "CountPanel"
        np.testing.assert_array_equal(file["numbers"], update.numbers)
    assert picture(panel, update, "png", words=True).startswith(b"\x89PNG")
    assert picture(panel, update, "pdf").startswith(b"%PDF")


def test_files_go_to_the_browser(panel, monkeypatch):
    sent = []
    monkeypatch.setattr(panel.board, "send", lambda message, buffers: sent.append((message, buffers)))
    panel.start()
    assert panel.runner.join(10)
    for name in ("PNG", "PDF", "JSON", "HDF5"):
        panel.buttons[name].click()
    names = [message["name"] for message, _ in sent]
    assert names == ["CountPanel.png", "CountPanel.pdf", "CountPanel.json", "CountPanel.h5"]
    assert sent[0][1][0].startswith(b"\x89PNG")


def test_saving_nothing_says_so(panel):
    panel.buttons["PNG"].click()
    assert "press Start" in panel.board.readout["error"]


def test_code_is_shown_and_hidden(panel):
    panel.buttons["Code"].click()
    assert panel.code.value == "print(5)" and panel.code.layout.display is None
    panel.buttons["Code"].click()
    assert panel.code.layout.display == "none"


def test_two_hundred_moves_leave_no_thread_behind(panel):
    panel.controls["n"].value = 10**6
    move_two_hundred_times(panel)


def test_what_a_subclass_must_say_is_asked_for():
    panel = Panel(count, CountState(), {}, Board(), {})
    for method in (panel.curves, panel.readout, panel.arrays, panel.code_of):
        with pytest.raises(NotImplementedError, match=rf"Panel must have a method {method.__name__}\(update\) that"):
            method(Update(CountState()))
    panel.close()


def test_sliders_move_by_equal_factors():
    assert steps(0.1, 10.0, 2, 0.0) == (0.0, 0.1, 0.32, 1.0, 3.2, 10.0)


def test_a_control_is_extended_by_a_value_that_it_cannot_show():
    slider = select("λ", (0.5, 24.0), "")
    show_value(slider, 3.0)
    assert slider.value == 3.0 and slider.options == [0.5, 3.0, 24.0]


@pytest.mark.parametrize("m2", [-1.5, 2.0, 0.3])
def test_a_slider_is_extended_by_a_value_beyond_its_ends(m2):
    panel = CountPanel(CountState(m2=m2))
    assert panel.state == panel.read() == CountState(m2=m2) and panel.controls["m2"].value == m2
    panel.close()


def test_an_integer_slider_is_extended_at_both_ends():
    slider = integers("width", 1, 4, "")
    show_value(slider, 7)
    assert (slider.value, slider.min, slider.max) == (7, 1, 7)
    show_value(slider, 0)
    assert (slider.value, slider.min, slider.max) == (0, 0, 7)


def test_a_widget_of_ipywidgets_may_be_a_control_too():
    slider = widgets.IntSlider(min=1, max=4)
    show_value(slider, 7)
    assert (slider.value, slider.max) == (7, 7)


TYPED = {
    "a coupling beside the list of the slider": ("lam", 0.7, 0.7, ""),
    "an integer for a real number": ("lam", 24, 24.0, ""),
    "rounding of a step": ("m2", 0.1 + 9e-17, 0.1, ""),
    "a seed in powers of ten": ("seed", 100_000, 100_000, ""),
    "a negative seed": ("seed", -5, 0, "seed = -5 must lie between 0 and 2147483648"),
    "half a seed": ("seed", 2.5, 0, "seed must be an integer, got 2.5"),
    "no number": ("lam", "abc", 0.5, "lambda must be a number such as 500, got 'abc'"),
    "nothing": ("m2", "", 0.1, "m2 must be a number such as 0, got ''"),
    "a chain": ("shape", 16, (16,), ""),
}


@pytest.mark.parametrize("name", TYPED)
def test_what_is_typed_is_taken_as_it_is_or_refused_in_words(name):
    field, typed, expected, message = TYPED[name]
    panel = CountPanel()
    panel.limit_times = lambda name: None
    panel.controls[field].value = typed
    assert panel.board.readout.get("error", "") == message
    assert getattr(panel.state, field) == expected and type(getattr(panel.state, field)) is type(expected)
    panel.close()


def test_an_error_goes_as_soon_as_it_is_mended(panel):
    panel.runner.start = lambda state: None  # whatever the work takes, the message does not wait for it
    panel.start()
    panel.controls["shape"].value = "6 by 4"
    assert panel.board.readout["error"]
    panel.controls["shape"].value = "4x4"
    assert panel.board.readout["error"] == "" and panel.board.readout["stage"] == "starting"


def test_every_control_and_button_explains_itself():
    for name in panel_names():
        panel = getattr(ncv, name)()
        for control in (panel.preset, *panel.controls.values()):
            assert isinstance(control, Control) and control.name and len(control.explanation) > 10, control.name
        assert all(button.tooltip for button in panel.buttons.values())
        panel.close()


def test_presets_say_what_to_see_and_change_nothing_that_has_no_control():
    for name in panel_names():
        panel = getattr(ncv, name)()
        assert panel.preset.sentences.keys() == panel.presets.keys(), name
        for preset, state in panel.presets.items():
            hidden = {field.name for field in fields(state)} - set(panel.controls)
            for field in hidden:
                assert getattr(state, field) == getattr(panel.first, field), f"{name}, {preset}: {field} is hidden"
        panel.close()


def test_a_saved_notebook_shows_a_picture(panel, monkeypatch):
    shown = []

    class Handle:
        def update(self, html):
            shown.append(html.data)

    def display(html, display_id):
        shown.append(html.data)
        return Handle()

    monkeypatch.setattr("ncv_lab.panels.base.display", display)
    bundle = panel._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in (bundle[0] if isinstance(bundle, tuple) else bundle)
    assert "run the cell" in shown[0] and "ncv-static" in shown[0]
    panel.start()
    assert panel.runner.join(10)
    panel.stop()
    assert "data:image/png;base64," in shown[-1]
    hides = ".jp-OutputArea:has(.ncv-board) .ncv-static { display: none; }"
    assert hides in Board._css and hides in shown[-1], "the live panel hides the picture"
    assert (bundle[0] if isinstance(bundle, tuple) else bundle)["text/html"] == "<span></span>"


def test_five_curves_are_pinned_and_taken_away(panel):
    panel.pin()
    assert "there is no curve to pin yet" in panel.board.readout["error"]
    panel.pinnable = ("numbers",)
    panel.curves = lambda update: {"numbers": (np.arange(2), np.arange(2))}
    panel.start()
    assert panel.runner.join(10)
    for lam in (1.0, 2.0, 3.0, 4.0, 5.0):
        panel.controls["lam"].value = lam
        assert panel.runner.join(10)
        panel.buttons["Pin"].click()
    panel.pin(name="mine")
    assert panel.board.readout["pins"] == ["λ = 2", "λ = 3", "λ = 4", "λ = 5", "mine"], "of six the oldest one goes"
    assert sorted(panel.board.frame) == ["numbers", *(f"numbers@{k}" for k in range(1, 6))]
    assert [pin.state.lam for pin in panel.pins] == [2.0, 3.0, 4.0, 5.0, 5.0]
    panel.hear(panel.board, {"unpin": 1}, [])
    assert panel.board.readout["pins"] == ["λ = 2", "λ = 4", "λ = 5", "mine"]
    panel.unpin()
    assert panel.pins == [] and sorted(panel.board.frame) == ["numbers"]


def test_the_code_goes_to_the_clipboard(panel, monkeypatch):
    sent = []
    monkeypatch.setattr(panel.board, "send", lambda message, buffers=None: sent.append(message))
    panel.buttons["Copy"].click()
    assert sent == [{"copy": "print(5)"}]


def test_json_has_no_nan():
    assert as_list(np.array([[1.0, np.nan], [np.inf, 2.0]])) == [[1.0, None], [None, 2.0]]
    assert as_list(np.arange(2)) == [0, 1] and as_list(np.array(0.5)) == 0.5


def test_a_panel_pauses_when_its_page_is_gone(panel, monkeypatch):
    monkeypatch.setattr("ncv_lab.panels.base.UNSEEN", 0.05)
    panel.controls["n"].value = 10**6
    panel.start()

    async def page():
        assert not panel.runner.paused, "without a page that ever spoke nothing pauses"
        panel.hear(panel.board, {"shown": True}, [])
        for _ in range(4):
            await asyncio.sleep(0.02)
            panel.hear(panel.board, {"alive": True}, [])
            assert not panel.runner.paused
        await asyncio.sleep(0.2)
        assert panel.runner.paused and panel.runner.running
        panel.hear(panel.board, {"alive": True}, [])
        assert not panel.runner.paused

    asyncio.run(page())

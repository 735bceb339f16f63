"""The panels without a browser: states, work, runner, and the main panel by its widgets."""

import json
import threading
import time

import h5py
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import compilations, wait
from ncv_lab.fitting.ladder import LADDER
from ncv_lab.panels.base import as_hdf5, as_json, picture
from ncv_lab.panels.plot_widget import Board, Plot, Series, pack_curves, thinned
from ncv_lab.panels.runner import Runner
from ncv_lab.panels.serve import one_cell
from ncv_lab.panels.state import FAMILIES, PRESETS, LabState, TheoryState, code, make_method, parse_shape
from ncv_lab.panels.updates import lab_updates
from ncv_lab.panels.variance_lab import VarianceLab

STATE = LabState((6, 4), m2=0.3, lam=1.0, n_configs=100, t=2, width=3, learning_rate=1e-2, batch_size=4)


def until(state, before=None, measured=3):
    "The first update with some measurements of a new curve, or the last one."
    for update in lab_updates(state, before):
        if update.stage == "fitting" and len(update.curve["others"]) >= measured:
            return update
    return update


@pytest.fixture(autouse=True, scope="module")
def short_ladder():
    "The first two rungs are enough to see that a ladder is climbed."
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ncv_lab.panels.state.SchwingerDyson", lambda: ncv.SchwingerDyson(ladder=LADDER[:2]))
        yield


@pytest.fixture(scope="module")
def begun():
    return until(STATE)


@pytest.fixture
def lab():
    panel = VarianceLab(STATE)
    yield panel
    panel.close()
    assert panel.runner.join(60)


# ---- state ----


@pytest.mark.parametrize("state", [STATE, *PRESETS.values()])
def test_states_survive_json(state):
    assert LabState.from_json(state.to_json()) == state
    compile(code(state), "a cell", "exec")


BAD = {
    "a free theory without mass": ({"lam": 0.0, "m2": 0.0}, "the free theory exists only for m2 > 0"),
    "negative coupling": ({"lam": -1.0}, "lambda = -1 must lie between"),
    "time": ({"t": 4}, "t = 4 must lie between 0 and 3"),
    "lattice": ({"shape": (6, 1)}, "drop that axis"),
    "too large": ({"shape": (256, 256), "n_configs": 10_000}, "too many for a live panel"),
    "family": ({"family": "Fourier"}, "family 'Fourier' is unknown"),
    "loss": ({"loss": "L1"}, "loss 'L1' is unknown"),
    "width": ({"width": 0}, "width = 0 must lie between 1 and 64"),
    "odd number": ({"n_configs": 101}, "must be a multiple of 10"),
    "learning rate": ({"learning_rate": float("nan")}, "the learning rate = nan"),
}


@pytest.mark.parametrize("name", BAD)
def test_impossible_states_are_refused(name):
    changes, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        STATE.replace(**changes)


def test_damaged_documents_are_refused():
    with pytest.raises(ValueError, match="is a JSON object"):
        TheoryState.from_json("[1]")
    with pytest.raises(ValueError, match="knows no spin"):
        TheoryState.from_json('{"spin": 1}')
    assert parse_shape("8x4 x 4") == (8, 4, 4)


def test_l2_is_the_penalty_of_every_trained_family():
    mlp, neural = (STATE.replace(family=family, l2=0.05) for family in ("OddMLP", "NeuralSchwingerDyson"))
    assert make_method(mlp).loss.l2 == make_method(neural).ridge == 0.05 and "ridge=0.05" in code(neural)
    assert make_method(neural.replace(l2=0.0)).ridge == ncv.VariableProjection().ridge


@pytest.mark.filterwarnings("ignore:the kurtosis of O - f")  # of the few configurations here
@pytest.mark.parametrize("family", FAMILIES)
def test_the_code_of_a_state_runs(family, capsys):
    exec(code(STATE.replace(family=family, n_configs=200), steps=4), {})
    assert "error_ratio" in capsys.readouterr().out


# ---- work ----


def test_the_number_is_measured_on_the_other_half(begun):
    *_, last = lab_updates(STATE.replace(family="linear"), begun)
    train, others = last.sampled.ensemble.split(100)
    assert last.stage == "finished" and last.result.n_configs == 100
    assert not np.isin(others.fingerprints(), last.fit.seen).any()
    assert np.isin(train.fingerprints(), last.fit.seen).all()
    raw = ncv.measure(ncv.Correlator(), others.configs, STATE.shape)
    improved = raw - last.fit.evaluate(others).reshape(raw.shape)
    flat = (-1, raw.shape[-1])
    np.testing.assert_allclose(
        last.result.sigma_ratio, ncv.sigma_ratio(raw.reshape(flat), improved.reshape(flat)), rtol=1e-9
    )
    assert last.ratios == (last.result.sigma_ratio[2], last.result.error_ratio[2])


def test_a_network_is_measured_with_the_fit_that_it_belongs_to(begun):
    _, others = begun.sampled.ensemble.split(100)
    assert 0.7 < begun.curve["others"][0] < 1.4 and (np.diff(begun.curve["step"]) > 0).all()
    assert begun.result.raw.n_configs == begun.result.n_configs == others.n_configs


def test_a_new_coupling_starts_from_the_configurations_and_the_network_at_hand(begun):
    first, *_ = updates = [next(lab_updates(STATE.replace(lam=2.0), begun))]
    assert first.stage == "thermalising" and first.progress == 0.25, "100 trajectories where configurations are at hand"
    assert updates[0].fit is begun.fit and not len(first.curve["step"])
    moved = until(STATE.replace(lam=2.0), begun, measured=1)
    assert moved.sampled is not begun.sampled and moved.sampled.ensemble.theory.lam == 2.0
    assert moved.curve["others"][0] > 1.5, "the network at hand is good at the new coupling from the first step on"


def test_width_and_depth_restart_on_the_same_ensemble(begun):
    for change in ({"width": 2}, {"depth": 2}):
        other = until(STATE.replace(**change), begun, measured=1)
        assert other.sampled is begun.sampled and 0.7 < other.curve["others"][0] < 1.4


def test_learning_rate_and_penalty_go_on_with_the_same_fit(begun):
    steps = begun.fit.diagnostics["step"]
    later = until(STATE.replace(learning_rate=1e-3, l2=1e-3), begun, measured=len(begun.curve["others"]) + 1)
    assert later.fit.diagnostics["step"] > steps and later.curve["step"][0] == begun.curve["step"][0]


def test_a_solved_fit_serves_every_time(begun):
    *_, solved = lab_updates(STATE.replace(family="SchwingerDyson"), begun)
    (again,) = lab_updates(STATE.replace(family="SchwingerDyson", t=0), solved)
    assert again.fit is solved.fit and again.ratios[0] == solved.result.sigma_ratio[0]


def test_neural_schwinger_dyson_fields_are_trained_for_every_time(begun):
    state = STATE.replace(family="NeuralSchwingerDyson", n_configs=200)
    first = until(state, begun, measured=2)
    assert first.result.labels == ("C(0)", "C(1)", "C(2)", "C(3)") and first.ratios[0] > 1
    assert (np.diff(first.curve["step"]) > 0).all()


def test_another_seed_or_lattice_begins_anew(begun):
    for change in ({"seed": 1}, {"shape": (4, 4)}):
        first = next(lab_updates(STATE.replace(**change), begun))
        assert first.stage == "thermalising" and first.progress == 0.05


@pytest.mark.parametrize("family", ["linear", "OddMLP", "SchwingerDyson"])
def test_couplings_times_rates_and_penalties_compile_nothing(family, begun):
    state, update = STATE.replace(family=family), begun
    for change in ({"lam": 0.5}, {"lam": 0.6}, {"t": 1}, {"learning_rate": 2e-3}, {"l2": 0.05}):
        state = state.replace(**change)
        update = until(state, update, measured=2)
    with compilations() as found:
        for change in ({"lam": 3.0}, {"lam": 0.0}, {"m2": 0.5}, {"t": 0}, {"learning_rate": 3e-3}, {"l2": 0.1}):
            state = state.replace(**change)
            update = until(state, update, measured=2)
    assert len(found) == 0, f"{len(found)} compilations"


# ---- runner ----


def count_to(n, last):
    for k in range(n):
        time.sleep(1e-3)
        yield k


def test_the_newest_work_wins_and_stale_updates_die():
    shown, errors = [], []
    runner = Runner(count_to, shown.append, errors.append, rate=1e6)
    for _ in range(50):
        runner.start(10**9)
    assert runner.running
    runner.start(5)
    assert runner.join(10) and not runner.running and not errors
    assert shown[-5:] == [0, 1, 2, 3, 4]
    runner.start(10**9)
    runner.stop()
    seen = len(shown)
    assert runner.join(10) and len(shown) == seen


def test_exceptions_are_handed_over_and_the_runner_lives_on():
    def work(state, last):
        yield 1
        raise ValueError(state)

    errors = []
    runner = Runner(work, lambda update: None, errors.append)
    runner.start("impossible")
    assert runner.join(10) and str(errors[0]) == "impossible" and not runner.running


def test_work_that_does_not_yield_is_not_waited_for():
    gate = threading.Event()

    def work(state, last):
        if state == "stuck":
            gate.wait(30)
        yield state

    shown = []
    runner = Runner(work, shown.append, shown.append)
    runner.start("stuck")
    wait(lambda: runner.busy == 1)
    runner.start("quick")
    wait(lambda: shown == ["quick"], 5)
    gate.set()
    assert runner.join(10) and shown[-1] == "quick"


def test_not_more_updates_are_shown_than_asked_for():
    shown = []
    runner = Runner(count_to, shown.append, shown.append, rate=20)
    begin = time.monotonic()
    runner.start(200)
    assert runner.join(30) and len(shown) <= 20 * (time.monotonic() - begin) + 2 and shown[-1] == 199


# ---- board ----


def test_curves_travel_as_one_block():
    index, block = pack_curves({"a": ([1, 2, 3], [4, 5, 6]), "b": np.zeros((2, 0))})
    numbers = np.frombuffer(block, "<f4")
    offset, rows, columns = index["a"]
    np.testing.assert_array_equal(numbers[offset:].reshape(rows, columns), [[1, 2, 3], [4, 5, 6]])
    assert index["b"] == (6, 2, 0)
    assert thinned([], []).shape == (2, 0) and thinned([1], [2, 3]).tolist() == [[1.0], [2.0]]


def test_one_message_for_each_update():
    board = Board(Plot("p", "x", "y", (Series("a", "a"),)))
    seen = []
    board.observe(lambda change: seen.append(change["name"]), ["frame", "data", "readout"])
    board.show({"a": ([1], [2])}, {"number": "1"})
    assert sorted(seen) == ["data", "frame", "readout"]


# ---- the panel ----


def test_start_fits_and_stop_stops(lab):
    lab.buttons["Start"].click()
    wait(lambda: lab.board.readout["stage"] == "fitting" and lab.board.readout["number"] != "–")
    lab.buttons["Stop"].click()
    assert lab.board.readout["stage"] == "stopped"
    assert lab.runner.join(10)
    before = lab.board.data
    lab.controls["lam"].value = 2.0
    assert lab.board.data == before and not lab.runner.running, "a stopped panel does not start by itself"


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


def test_the_message_of_an_impossible_setting_is_shown_and_goes(lab):
    lab.start()
    lab.controls["shape"].value = "6 by 4"
    assert "write the extents as 20x20" in lab.board.readout["error"] and not lab.runner.running
    lab.controls["shape"].value = "4x4"
    wait(lambda: lab.board.readout["stage"] == "fitting")
    assert "error" not in lab.board.readout and lab.controls["t"].max == 2


def test_an_exception_in_the_work_is_shown(lab, monkeypatch):
    def broken(state, last):
        raise RuntimeError("out of luck")
        yield

    monkeypatch.setattr(lab.runner, "work", broken)
    lab.start()
    assert lab.runner.join(10)
    assert lab.board.readout["error"] == "RuntimeError: out of luck"


def test_presets_and_reset(lab):
    for name, state in PRESETS.items():
        lab.preset.value = name
        assert lab.state == state.replace(seed=lab.state.seed), name
    lab.buttons["Reset"].click()
    assert lab.state == STATE and lab.board.readout["stage"] == "ready" and lab.runner.last is None


def test_exports(lab):
    lab.start()
    wait(lambda: lab.runner.last is not None and lab.runner.last.result is not None)
    lab.stop()
    update = lab.runner.last
    document = json.loads(as_json(lab, update))
    assert LabState(**document["state"] | {"shape": (6, 4)}) == STATE and document["versions"]["ncv-lab"]
    assert document["arrays"]["sigma_ratio"] == update.ratios[0] and document["arrays"]["raw_t"] == [0, 1, 2, 3]
    with h5py.File(__import__("io").BytesIO(as_hdf5(lab, update))) as file:
        assert json.loads(file.attrs["ncv_lab"])["panel"] == "VarianceLab"
        np.testing.assert_array_equal(file["train"], update.curve["train"])
    assert picture(lab, update, "png").startswith(b"\x89PNG") and picture(lab, update, "pdf").startswith(b"%PDF")


def test_saving_nothing_says_so(lab):
    lab.buttons["PNG"].click()
    assert "press Start" in lab.board.readout["error"]


def test_code_is_shown_and_hidden(lab):
    lab.buttons["Code"].click()
    assert "ncv.Phi4((6, 4), m2=0.3, lam=1.0)" in lab.code.value and lab.code.layout.display is None
    lab.buttons["Code"].click()
    assert lab.code.layout.display == "none"


def test_two_hundred_moves_leave_no_thread_behind(lab):
    lab.start()
    for k in range(200):
        lab.controls["m2"].value = 0.1 + (k % 20) / 40
    assert sum(thread.name == "ncv-panel" for thread in threading.enumerate()) < 10
    lab.stop()
    assert lab.runner.join(30)
    assert not [thread for thread in threading.enumerate() if thread.name == "ncv-panel"]


def test_the_page_of_a_panel_is_a_notebook():
    import nbformat

    nbformat.validate(nbformat.from_dict(one_cell("1 + 1")))

"""The work of a panel without a widget: what is kept when the state changes, and on what the numbers are measured."""

import numpy as np
import pytest

import ncv_lab as ncv
from helpers import CORR, KEY, LAB_STATE, QUICK, THEORY, compilations, ensemble, net
from ncv_lab.fitting.data import validation_rows
from ncv_lab.panels.travel import again, from_code, to_code
from ncv_lab.panels.updates import Curve, Shared, begin_measurement, lab_updates, paced
from ncv_lab.panels.variance_lab import fit_code


def until(state, before=None, measured=3):
    "The first update with some measurements of a new curve, or the last one."
    for update in lab_updates(state, before):
        if update.stage == "fitting" and len(update.curve.others) >= measured:
            return update
    return update


@pytest.fixture(autouse=True, scope="module")
def short_ladder():
    "Few recipes are enough to see that they are tried."
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ncv_lab.panels.state.SchwingerDyson", lambda: QUICK)
        patch.setattr(ncv, "SchwingerDyson", lambda: QUICK)
        yield


@pytest.fixture(scope="module")
def begun():
    return until(LAB_STATE)


def test_the_number_is_measured_on_the_other_half(begun):
    *_, last = lab_updates(LAB_STATE.replace(family="linear"), begun)
    train, others = last.sampled.ensemble.split(100, gap=2)
    assert last.stage == "finished" and last.result.n_configs == 100
    assert not np.isin(others.fingerprints(), last.fit.seen).any()
    assert np.isin(train.fingerprints(), last.fit.seen).all()
    raw = ncv.measure(ncv.Correlator(), others.configs, LAB_STATE.shape)
    improved = raw - last.fit.evaluate(others).reshape(raw.shape)
    flat = (-1, raw.shape[-1])
    np.testing.assert_allclose(
        last.result.sigma_ratio, ncv.sigma_ratio(raw.reshape(flat), improved.reshape(flat)), rtol=1e-9
    )
    assert (last.sigma_ratio, last.error_ratio) == (last.result.sigma_ratio[2], last.result.error_ratio[2])


def test_a_network_is_measured_with_the_fit_that_it_belongs_to(begun):
    _, others = begun.sampled.ensemble.split(100, gap=2)
    assert 0.7 < begun.curve.others[0] < 1.4 and (np.diff(begun.curve.step) > 0).all()
    assert begun.result.raw.n_configs == begun.result.n_configs == others.n_configs


def test_the_raw_estimate_is_that_of_the_library(begun):
    _, others = begun.sampled.ensemble.split(100, gap=2)
    direct = ncv.estimate(others.theory, ncv.Correlator(), others, errors="jackknife")
    np.testing.assert_allclose(begun.sampled.raw.value, direct.value, rtol=1e-12)
    np.testing.assert_allclose(begun.sampled.raw.error, direct.error, rtol=1e-12)


def test_a_new_coupling_starts_from_the_configurations_and_the_network_at_hand(begun):
    first = next(lab_updates(LAB_STATE.replace(lam=2.0), begun))
    assert first.stage == "thermalising" and first.progress == 0.25, "100 trajectories where configurations are at hand"
    assert first.fit is begun.fit and not len(first.curve.step)
    moved = until(LAB_STATE.replace(lam=2.0), begun, measured=1)
    assert moved.sampled is not begun.sampled and moved.sampled.ensemble.theory.lam == 2.0
    assert moved.curve.others[0] > 1.5, "the network at hand is good at the new coupling from the first step on"


def test_width_and_depth_restart_on_the_same_ensemble(begun):
    for change in ({"width": 2}, {"depth": 2}):
        other = until(LAB_STATE.replace(**change), begun, measured=1)
        assert other.sampled is begun.sampled and 0.7 < other.curve.others[0] < 1.4


def test_no_configuration_of_one_half_is_the_neighbour_of_one_of_the_other(begun):
    ensemble = begun.sampled.ensemble
    assert begun.sampled.train.n_configs == begun.sampled.others.n_configs == 100
    assert ensemble.n_configs == 200 + 2 * ensemble.n_chains, "two draws of each chain are in neither half"


def test_both_curves_are_those_of_the_same_weights(begun):
    fitted = ncv.Fit.evaluate(begun.fit, begun.sampled.train)
    assert len(begun.curve.fitted) == len(begun.curve.others) == len(begun.curve.others_error)
    assert np.isfinite(fitted).all() and np.isfinite(begun.curve.others_error).all()
    *_, linear = lab_updates(LAB_STATE.replace(family="linear"), begun)
    raw = np.asarray(linear.sampled.train.values)
    ratio = raw.std(axis=0) / (raw - linear.fit.evaluate(linear.sampled.train)).std(axis=0)
    np.testing.assert_allclose(linear.curve.fitted[-1], ratio[2], rtol=1e-6)


def test_where_a_network_has_learned_is_without_what_was_set_aside(begun):
    measurement = begin_measurement(begun)
    measurement.finish()
    aside = validation_rows(begun.sampled.train, begun.fit.method.validation)
    raw = np.asarray(begun.sampled.train.values)[~aside, 2]
    ratio = raw.std() / (raw - begun.fit.evaluate(begun.sampled.train)[~aside].ravel()).std()
    measurement.f_train[aside] = np.nan
    np.testing.assert_allclose(measurement.train_ratio(2), ratio, rtol=1e-9)


def test_sampling_goes_on_when_a_control_is_moved_that_has_nothing_to_do_with_it():
    work = lab_updates(LAB_STATE)
    seen = [next(work) for _ in range(8)]
    work.close()
    after = next(lab_updates(LAB_STATE.replace(t=1, width=2), seen[-1]))
    assert after.sampling is seen[-1].sampling and after.stage == seen[-1].stage
    assert after.progress > seen[-1].progress
    other = next(lab_updates(LAB_STATE.replace(lam=2.0), seen[-1]))
    assert other.sampling is not seen[-1].sampling and other.progress == 0.05


@pytest.mark.slow
def test_a_fit_to_all_times_goes_on_when_the_time_is_moved(begun):
    state = LAB_STATE.replace(family="NeuralSchwingerDyson", n_configs=200)
    first = until(state, begun, measured=2)
    later = until(state.replace(t=1), first, measured=2)
    assert later.fitting is first.fitting and later.curve.step[0] >= first.curve.step[-1]


def test_a_shared_generator_that_failed_is_not_taken_again():
    def steps():
        yield 1
        raise RuntimeError("out of luck")

    shared = Shared("settings", steps())
    assert shared.advance() and shared.last == 1
    with pytest.raises(RuntimeError):
        shared.advance()
    assert shared.settings is None


def the_code_finds(update):
    "The ratio that the script of an update finds."
    names = {}
    exec(fit_code(update.state, update), names)
    return names["sigma_ratio"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the kurtosis of O - f")  # of the few configurations here
def test_script_and_link_find_the_number_again_whatever_was_moved(begun, capsys):
    other = until(LAB_STATE.replace(lam=2.0), begun)
    resumed = until(LAB_STATE.replace(lam=2.0, learning_rate=3e-3), other, measured=6)
    deep = until(LAB_STATE.replace(lam=2.0, depth=2), resumed)
    last_weights = until(LAB_STATE.replace(lam=2.0, keep_best=False), resumed, measured=6)
    *_, linear = lab_updates(LAB_STATE.replace(lam=2.0, t=1, family="linear"), deep)
    solved = until(LAB_STATE.replace(family="SchwingerDyson"), linear, measured=1)
    neural = until(LAB_STATE.replace(family="NeuralSchwingerDyson"), linear, measured=2)
    for update in (begun, resumed, deep, last_weights, linear, solved, neural):
        assert the_code_finds(update) == pytest.approx(update.sigma_ratio, rel=1e-9), update.state
        *_, found = again(from_code(to_code(update.state, update.result_made)))
        assert found.sigma_ratio == pytest.approx(update.sigma_ratio, rel=1e-9), update.state
        assert found.error_ratio == pytest.approx(update.error_ratio, rel=1e-9) and found.stage == "finished"


def test_learning_rate_and_penalty_go_on_with_the_same_fit(begun):
    steps = begun.fit.diagnostics["step"]
    later = until(LAB_STATE.replace(learning_rate=1e-3, l2=1e-3), begun, measured=len(begun.curve.others) + 1)
    assert later.fit.diagnostics["step"] > steps and later.curve.step[0] == begun.curve.step[0]


def test_the_last_weights_are_measured_where_the_state_says_so(begun):
    last = until(LAB_STATE.replace(keep_best=False, lam=1.0), begun, measured=len(begun.curve.others) + 1)
    assert np.isfinite(last.curve.others).all() and last.fit.diagnostics["step"] > begun.fit.diagnostics["step"]


def test_a_solved_fit_serves_every_time(begun):
    *_, solved = lab_updates(LAB_STATE.replace(family="SchwingerDyson"), begun)
    (again,) = lab_updates(LAB_STATE.replace(family="SchwingerDyson", t=0), solved)
    assert again.fit is solved.fit and again.sigma_ratio == solved.result.sigma_ratio[0]


def test_neural_schwinger_dyson_fields_are_trained_for_every_time(begun):
    state = LAB_STATE.replace(family="NeuralSchwingerDyson", n_configs=200)
    first = until(state, begun, measured=2)
    assert first.result.labels == ("C(0)", "C(1)", "C(2)", "C(3)") and first.sigma_ratio > 1
    assert (np.diff(first.curve.step) > 0).all()


def test_another_seed_or_lattice_begins_anew(begun):
    for change in ({"seed": 1}, {"shape": (4, 4)}):
        first = next(lab_updates(LAB_STATE.replace(**change), begun))
        assert first.stage == "thermalising" and first.progress == 0.05


@pytest.mark.slow
@pytest.mark.parametrize("family", ["linear", "OddMLP", "SchwingerDyson"])
def test_couplings_times_rates_and_penalties_compile_nothing(family, begun):
    state, update = LAB_STATE.replace(family=family), begun
    # The couplings are those of below, because improved legs of another recipe are compiled when they first win.
    warm_up = ({"lam": 3.0}, {"lam": 0.0}, {"lam": 0.6}, {"t": 1}, {"learning_rate": 2e-3}, {"l2": 0.05})
    for change in warm_up:
        state = state.replace(**change)
        update = until(state, update, measured=2)
    with compilations() as found:
        for change in ({"lam": 3.0}, {"lam": 0.0}, {"m2": 0.5}, {"t": 0}, {"learning_rate": 3e-3}, {"l2": 0.1}):
            state = state.replace(**change)
            update = until(state, update, measured=2)
    assert len(found) == 0, f"{len(found)} compilations"


def test_a_curve_grows_and_leaves_the_old_one_alone():
    empty = Curve()
    curve = empty.add_train(10, 1.5).add_train(20, 2.0).add_others(20, 1.8)
    assert curve.step.tolist() == [10, 20] and curve.train.tolist() == [1.5, 2.0]
    assert curve.measured.tolist() == [20] and curve.others.tolist() == [1.8] and not len(empty.step)


def test_a_paced_training_reports_often_and_visits_the_same_configurations():
    data = ncv.Data.measure(THEORY, CORR, ensemble())
    method = ncv.Adam(steps=300, check_every=50, learning_rate=1e-2)
    fits = list(paced(method.begin(net(), data, key=KEY), seconds=1e-4))
    steps = [fit.diagnostics["step"] for fit in fits]
    assert len(fits) > len(fits[-1].history["step"]) >= 2 and steps == sorted(set(steps)) and steps[-1] == 300
    assert np.isfinite([fit.diagnostics["loss"] for fit in fits]).all()
    *_, whole = method.run(net(), data, key=KEY)
    for mine, reference in zip(fits[-1].state["leaves"], whole.state["leaves"], strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-9, atol=1e-12)


def test_a_training_that_no_longer_improves_ends_by_itself(monkeypatch):
    data = ncv.Data.measure(THEORY, CORR, ensemble())
    method = ncv.Adam(steps=10**6, check_every=10, learning_rate=1e-30, batch_size=4)  # no weight moves
    training = method.begin(net(), data, key=KEY)
    *_, last = paced(training, seconds=1e-4, patience=40)
    best = last.diagnostics["best_step"]
    assert last.status == "running" and training.step - best >= 40 and training.step < 10**5
    first = training.step
    *_, last = paced(training, seconds=1e-4, patience=40)
    assert training.step >= first + 40, "whoever starts it again gets as many steps"
    monkeypatch.setattr("ncv_lab.panels.updates.MOST_STEPS", 20)
    first = training.step
    *_, last = paced(training, seconds=1e-4)
    assert first + 20 <= training.step < first + 40

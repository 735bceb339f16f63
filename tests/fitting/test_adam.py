"""Adam: the schedule, the order of visits, checks, resuming, stopping, and what is compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ncv_lab as ncv
from helpers import CORR, KEY, THEORY, assert_same_run, ensemble, field, leaves, net
from ncv_lab.fields.control_variates import control_variate_from_gradient
from ncv_lab.fitting.adam import descend, visiting_order
from ncv_lab.fitting.data import Data, validation_rows


@pytest.fixture(scope="module")
def data():
    return Data.measure(THEORY, CORR, ensemble())


def run(data, key=KEY, resume=None, start=None, **options):
    "All fits that Adam yields, with 60 steps in checks of 20 unless told otherwise."
    options = {"steps": 60, "check_every": 20, "learning_rate": 1e-2} | options
    return list(ncv.Adam(**options).run(start or net(), data, key=key, resume=resume))


# ---- learning rate ----


def test_the_schedule_of_the_paper():
    schedule = ncv.PaperSchedule()
    assert float(schedule(0)) == 1e-3
    np.testing.assert_allclose([schedule(n) for n in (1000, 100_000)], [0.99e-3, 1e-3 * 0.99**100], rtol=1e-12)
    # The two pieces of Eq. (16) meet where 0.99^(n / 1000) = 1e-3.
    n0 = 1000 * np.log(1e-3) / np.log(0.99)
    assert 6.8e5 < n0 < 6.9e5
    assert float(schedule(int(n0) - 100)) > 1e-6 and float(schedule(int(n0) + 100)) == 1e-6 == float(schedule(10**8))


def test_any_function_of_the_step_is_a_learning_rate(data):
    constant = run(data, learning_rate=1e-2)[-1]
    schedule = run(data, learning_rate=lambda n: 1e-2 + 0.0 * n)[-1]
    np.testing.assert_allclose(leaves(schedule)[0], leaves(constant)[0], rtol=1e-12)
    halved = run(data, learning_rate=optax.piecewise_constant_schedule(1e-2, {30: 0.0}))
    # The rate is 0 from step 30 on, so nothing moves after the second check.
    np.testing.assert_array_equal(halved[-1].state["leaves"][0], halved[-2].state["leaves"][0])
    assert (halved[0].state["leaves"][0] != halved[1].state["leaves"][0]).any()


# ---- order of visits ----


@given(st.integers(1, 30), st.integers(0, 200), st.integers(1, 100), st.integers(0, 100))
def test_visits_can_be_cut_anywhere(n, start, count, cut):
    seed = np.array([0, 7], np.uint32)
    whole, cut = visiting_order(seed, n, start, count), min(cut, count)
    assert whole.shape == (count,)
    if 0 < cut < count:
        parts = visiting_order(seed, n, start, cut), visiting_order(seed, n, start + cut, count - cut)
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@given(st.integers(1, 30), st.integers(0, 20))
def test_every_epoch_visits_every_configuration_once(n, epoch):
    visits = visiting_order(np.array([3, 4], np.uint32), n, epoch * n, n)
    np.testing.assert_array_equal(np.sort(visits), np.arange(n))


def test_epochs_and_seeds_differ():
    a, b = (np.array(seed, np.uint32) for seed in ([0, 1], [0, 2]))
    order = visiting_order(a, 50, 0, 100)
    assert (order[:50] != order[50:]).any() and (order[:50] != visiting_order(b, 50, 0, 50)).any()


# ---- one step is what optax does ----


@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("loss", [ncv.SecondMoment(0.1), ncv.FixedShift(), ncv.LearnedShift(0.1)])
def test_steps_against_plain_optax(data, loss, batch_size):
    fits = run(data, steps=12, check_every=12, batch_size=batch_size, loss=loss)
    inside = np.flatnonzero(~validation_rows(data, 0.1))
    visits = visiting_order(np.asarray(jax.random.key_data(KEY)), len(inside), 0, 12 * batch_size)
    start = data.values[inside, 0]
    trained = (net(), loss.initial_shift(start))
    optimiser = optax.adam(1e-2)
    memory = optimiser.init(trained)

    @jax.jit
    def step(trained, memory, rows):
        def objective(trained):
            field, shift = trained
            f = jnp.stack([control_variate_from_gradient(field, data.phi[i], data.dS[i]) for i in rows])
            shift = shift if loss.learns_shift else jax.lax.stop_gradient(shift)
            penalty = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(field))
            return jnp.mean((data.values[rows, 0] - f - shift) ** 2) + loss.l2 * penalty

        update, memory = optimiser.update(jax.grad(objective)(trained), memory)
        return optax.apply_updates(trained, update), memory

    for rows in inside[visits].reshape(12, batch_size):
        trained, memory = step(trained, memory, jnp.asarray(rows))
    for mine, reference in zip(fits[-1].state["leaves"], jax.tree.leaves(trained), strict=False):
        np.testing.assert_allclose(mine, reference, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(fits[-1].diagnostics["shift"], trained[1], rtol=1e-9)


# ---- checks ----


def test_every_check_is_reported(data):
    fits = run(data, steps=50)
    assert [fit.status for fit in fits] == ["running", "running", "finished"]
    np.testing.assert_array_equal(fits[-1].history["step"][-3:], [20, 40, 50])
    assert {"step", "loss", "train_ratio", "validation_ratio"} == set(fits[-1].history)
    assert all(fit.method.steps == 50 and fit.n_configs == 100 for fit in fits)
    assert np.diff([fit.wall_time for fit in fits]).min() > 0


def test_the_best_field_is_kept(data):
    fits = run(data, steps=400)
    ratios = fits[-1].history["validation_ratio"]
    best = int(np.argmax(ratios))
    assert best < len(ratios) - 1 and fits[-1].diagnostics["best_step"] == fits[-1].history["step"][best]
    assert fits[-1].validation_ratio == ratios[best] and fits[-1].train_ratio == fits[-1].history["train_ratio"][best]
    aside = validation_rows(data, 0.1)
    values = np.asarray(data.values[:, 0])
    improved = values - fits[-1].evaluate(np.asarray(data.phi))
    np.testing.assert_allclose(ncv.sigma_ratio(values[aside], improved[aside]), ratios[best], rtol=1e-10)


@pytest.mark.parametrize("learning_rate", [1e-2, 10.0])
def test_the_result_is_never_worse_than_the_start(data, learning_rate):
    # The untrained network has f = 0 and the ratio 1; a fit that only spoils it returns it.
    fit = run(data, learning_rate=learning_rate)[-1]
    assert fit.validation_ratio[0] >= 1
    resumed = run(data, steps=80, learning_rate=learning_rate, resume=fit)[-1]
    assert resumed.validation_ratio[0] >= fit.validation_ratio[0]


def test_patience_stops_early(data):
    fits = run(data, steps=10_000, learning_rate=0.3, patience=3)
    ratios = fits[-1].history["validation_ratio"]
    assert fits[-1].status == "stopped early" and len(ratios) <= int(np.argmax(ratios)) + 4 < 500


def test_the_last_checks_are_shorter(data):
    assert run(data, steps=7)[-1].history["step"].tolist()[-1:] == [7]


def test_training_reduces_the_variance_it_is_judged_by():
    theory = ncv.Phi4((6, 4), 0.3, 0.0)
    data = Data.measure(theory, CORR, ensemble(8, 100, theory=theory))
    fit = run(data, steps=3000, check_every=1000, learning_rate=3e-3, start=net(depth=1))[-1]
    assert fit.validation_ratio[0] > 1.3 and fit.train_ratio[0] > 1.3


def test_shift_fixed_or_learned(data):
    inside = ~validation_rows(data, 0.1)
    mean = float(data.values[inside, 0].mean())
    assert run(data, loss=ncv.SecondMoment())[-1].diagnostics["shift"] == 0
    np.testing.assert_allclose(run(data, loss=ncv.FixedShift())[-1].diagnostics["shift"], mean, rtol=1e-12)
    assert abs(run(data, loss=ncv.LearnedShift())[-1].diagnostics["shift"] - mean) > 1e-3


# ---- resuming ----


@pytest.mark.parametrize("batch_size", [1, 7])
def test_resumed_is_uninterrupted(data, tmp_path, batch_size):
    whole = run(data, batch_size=batch_size, steps=100)
    for stopped in whole[:-1]:
        assert_same_run(run(data, batch_size=batch_size, steps=100, resume=stopped)[-1], whole[-1])
    whole[1].save(tmp_path / "fit.safetensors")
    loaded = ncv.load_fit(tmp_path / "fit.safetensors")
    resumed = run(data, batch_size=batch_size, steps=100, resume=loaded)[-1]
    assert_same_run(resumed, whole[-1])
    assert resumed.wall_time > loaded.wall_time


def test_a_finished_fit_goes_on_with_more_steps(data):
    first = run(data, steps=40)[-1]
    assert_same_run(run(data, steps=80, resume=first)[-1], run(data, steps=80)[-1])


def test_resuming_a_finished_fit_returns_it(data):
    first = run(data)[-1]
    assert_same_run(run(data, resume=first)[-1], first)


def test_resuming_needs_the_same_configurations_and_field(data):
    first = run(data)[0]
    with pytest.raises(ValueError, match="resumes on the 100 configurations it began with"):
        run(Data.measure(THEORY, CORR, ensemble(seed=5)), resume=first)
    with pytest.raises(ValueError, match="made by another method or with a field of another size"):
        run(data, resume=first, start=net(depth=2))
    solved = next(ncv.LeastSquares().run(ncv.OddMLP((6, 4), depth=0), data))
    with pytest.raises(ValueError, match="made by another method"):
        run(data, resume=solved)


def test_the_key_decides(data):
    one, same, other = (run(data, key=jax.random.key(seed))[-1] for seed in (0, 0, 1))
    assert_same_run(one, same)
    assert (one.state["leaves"][0] != other.state["leaves"][0]).any()


# ---- divergence ----


def test_divergence_is_reported_and_the_best_so_far_returned(data):
    fits = run(data, learning_rate=lambda n: jnp.where(n < 30, 1e-2, jnp.nan))
    assert [fit.status for fit in fits] == ["running", "diverged"]
    assert all(np.isfinite(leaf).all() for leaf in leaves(fits[-1]))
    assert np.isfinite(fits[-1].evaluate(np.asarray(data.phi))).all()
    assert fits[-1].diagnostics["best_step"] <= 20 and np.isfinite(fits[-1].validation_ratio).all()


def test_divergence_at_once_returns_the_field_it_was_given(data):
    (fit,) = run(data, learning_rate=lambda n: jnp.nan)
    assert fit.status == "diverged"
    assert np.abs(fit.evaluate(np.asarray(data.phi))).max() == 0  # the untrained network


# ---- what is compiled ----


def test_new_couplings_rates_and_penalties_compile_nothing(data):
    def size():
        return descend._cached._cache_size()

    run(data, loss=ncv.LearnedShift(0.1))
    before = size()
    run(data, loss=ncv.LearnedShift(0.2), learning_rate=0.5)
    run(data, key=jax.random.key(9))
    for theory in (ncv.Phi4((6, 4), 0.7, 0.5), ncv.Phi4((6, 4), 0.1, 24.0)):
        run(Data.measure(theory, CORR, ensemble(theory=theory)))
    assert size() == before


def test_the_number_of_steps_compiles_nothing(data):
    run(data)
    before = descend._cached._cache_size()
    run(data, steps=30)
    run(data, patience=50, validation=0.1)
    assert descend._cached._cache_size() == before


def test_posing_a_problem_for_new_couplings_compiles_nothing():
    from ncv_lab.utils.batching import map_configs

    Data.measure(THEORY, CORR, ensemble())
    before = map_configs._cached._cache_size()
    Data.measure(ncv.Phi4((6, 4), 0.7, 24.0), CORR, ensemble(theory=ncv.Phi4((6, 4), 0.7, 24.0)))
    assert map_configs._cached._cache_size() == before


@pytest.mark.parametrize("values", [{"batch_size": 100}, {"batch_size": 1000}, {"validation": 0.9}, {"batch_size": 13}])
def test_any_batch_and_any_split(data, values):
    fits = run(data, **values)
    assert fits[-1].status == "finished" and np.isfinite(fits[-1].history["loss"]).all()


def test_three_dimensions_and_one():
    for shape in ((5,), (3, 2, 2)):
        theory = ncv.Phi4(shape, 0.1, 0.5)
        configs = ncv.Ensemble.from_configs(np.asarray(field((2, 20, *shape))), theory)
        start = ncv.OddMLP(shape, width=2, depth=1, key=jax.random.key(0))
        fits = list(ncv.Adam(steps=5).run(start, Data.measure(theory, ncv.MeanSquare(), configs), key=KEY))
        assert fits[-1].status == "finished"


# ---- a training that is driven by hand ----


def test_the_length_of_a_piece_does_not_matter(data):
    whole = run(data, steps=300, check_every=50)[-1]
    training = ncv.Adam(steps=300, check_every=50, learning_rate=1e-2).begin(net(), data, key=KEY)
    for n_steps in (1, 7, 50, 1000, 50, 50, 50, 50, 50):
        training.advance(n_steps)
    assert training.step == 300 and training.must_check
    training.check()
    assert training.status == "finished" and len(training.history["step"]) == 2
    for mine, reference in zip(training.fit().state["leaves"], whole.state["leaves"], strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-9, atol=1e-12)


def test_a_training_resumes_between_checks(data):
    method = ncv.Adam(steps=300, check_every=50, learning_rate=1e-2)
    training = method.begin(net(), data, key=KEY)
    training.advance(13)
    between = training.fit()
    assert between.diagnostics["step"] == 13 and between.history["step"][-1] == 0
    resumed = list(method.run(net(), data, key=KEY, resume=between))[-1]
    np.testing.assert_allclose(
        resumed.state["leaves"][0], run(data, steps=300, check_every=50)[-1].state["leaves"][0], rtol=1e-9, atol=1e-12
    )


def test_one_time_of_a_problem_is_the_problem_of_that_time():
    whole, one = (Data.measure(THEORY, corr, ensemble()) for corr in (ncv.Correlator(), CORR))
    part = whole.at(2)
    assert (part.labels, part.times, part.scalar, part.observable) == (one.labels, one.times, True, CORR)
    np.testing.assert_array_equal(part.values, one.values)

"""Networks inside solved fields: exact divergences, variable projection, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ncv_lab as ncv
from ncv_lab.fitting.fit import default_method
from ncv_lab.fitting.ridge import held_out_variance, moments
from ncv_lab.fitting.variable_projection import held_out
from ncv_lab.utils.checkpoint import Checkpoint

SHAPE = (6, 4)
THEORY = ncv.Phi4(SHAPE, 0.1, 24.0)


@pytest.fixture(scope="module")
def halves():
    return ncv.sample(THEORY, 800, jax.random.key(0), progress=False).split(400)


def net(shape=SHAPE, seed=1, **options):
    return ncv.NeuralSchwingerDyson(shape, width=4, n_functions=3, key=jax.random.key(seed), **options)


def test_the_loss_is_the_held_out_variance_and_its_slope_is_right():
    rng = np.random.default_rng(0)
    q, y = jnp.asarray(rng.normal(size=(30, 4))), jnp.asarray(rng.normal(size=(30, 1)))
    loss = lambda q: held_out(jnp.concatenate([q, y], axis=1), 5, 0.1)  # noqa: E731
    numbers = np.concatenate([q, y], axis=1)
    np.testing.assert_allclose(loss(q), held_out_variance(moments(numbers, 5), np.array([0.1]), 1).mean(), rtol=1e-10)
    direction, step = jnp.asarray(rng.normal(size=q.shape)), 1e-5
    slope = (loss(q + step * direction) - loss(q - step * direction)) / (2 * step)
    np.testing.assert_allclose(jnp.vdot(jax.grad(loss)(q), direction), slope, rtol=1e-6)


@pytest.mark.slow
def test_training_helps_on_others(halves):
    train, rest = halves
    values, corr = ncv.measure(ncv.Correlator(), rest.flat, SHAPE), ncv.Correlator()
    ratio = []
    for method in (ncv.LeastSquares(decay_rates=(0.2, 0.6, 2.0, np.inf)), ncv.VariableProjection(40, check_every=20)):
        fit = ncv.fit(net(), THEORY, corr, train, method=method, progress=False)
        ratio.append(np.exp(np.log(ncv.sigma_ratio(values, values - fit.evaluate(rest))).mean()))
    assert fit.status == "finished" and fit.history["step"].tolist() == [0, 20, 40]
    assert ratio[1] > 1.3 * ratio[0] > 10


@pytest.mark.slow
def test_solved_parts_stand_beside_networks(halves):
    train, _ = halves
    polynomial = ncv.Gated(net().fields[0].smearing, ncv.Polynomials(4, (0, 2), jnp.ones(4)))
    method = ncv.VariableProjection(2, check_every=1)
    steps = list(ncv.fit_steps(ncv.SumField(polynomial, net()), THEORY, ncv.Correlator(), train, method=method))
    assert [fit.status for fit in steps] == ["running", "running", "running", "finished"]
    assert steps[-1].evaluate(train).shape == (400, 4)


@pytest.mark.slow
def test_any_optimiser_of_optax(halves):
    train, _ = halves
    search = optax.scale_by_backtracking_linesearch(max_backtracking_steps=15)  # calls the loss again in each step
    method = ncv.VariableProjection(6, check_every=2, optimiser=optax.lbfgs(linesearch=search))
    fit = ncv.fit(net(), THEORY, ncv.Correlator(), train, method=method, progress=False)
    assert (np.diff(fit.history["loss"][1:]) < 0).all()
    assert fit.history["validation_ratio"][-1] > 1.5 * fit.history["validation_ratio"][0]


def test_one_key_one_fit_and_scalars(halves):
    train, _ = halves
    options = {"method": ncv.VariableProjection(3, check_every=3), "key": jax.random.key(7), "progress": False}
    fits = [ncv.fit(net(), THEORY, ncv.Correlator().at(2), train, **options) for _ in "ab"]
    np.testing.assert_array_equal(fits[0].evaluate(train), fits[1].evaluate(train))
    assert fits[0].evaluate(train).shape == (400,)


def test_saved_loaded_and_resumed(halves, tmp_path):
    train, rest = halves
    fit = ncv.fit(
        net(), THEORY, ncv.Correlator(), train, method=ncv.VariableProjection(2, check_every=2), progress=False
    )
    fit.save(tmp_path / "fit.safetensors")
    loaded = ncv.load_fit(tmp_path / "fit.safetensors")
    np.testing.assert_array_equal(loaded.evaluate(rest), fit.evaluate(rest))
    method = ncv.VariableProjection(2, check_every=2)
    more = ncv.fit(net(seed=2), THEORY, ncv.Correlator(), train, method=method, resume=loaded, progress=False)
    np.testing.assert_allclose(more.history["validation_ratio"][0], fit.history["validation_ratio"][-1], rtol=1e-6)


def test_killed_and_gone_on_to_the_same_weights(halves, tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoint, "is_due", True)
    args = (net(), THEORY, ncv.Correlator(), halves[0])
    options = {"method": ncv.VariableProjection(6, check_every=2), "key": jax.random.key(3)}
    whole = ncv.fit(*args, progress=False, **options)
    for stop in (1, 0):
        for i, _ in enumerate(ncv.fit_steps(*args, checkpoint=tmp_path / "c", **options)):
            if i == stop:
                break
    again = ncv.fit(*args, checkpoint=tmp_path / "c", progress=False, **options)
    leaves = [jax.tree.leaves((fit.control, fit.history)) for fit in (again, whole)]
    for a, b in zip(*leaves, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (again.status, repr(again.diagnostics)) == (whole.status, repr(whole.diagnostics))


def test_networks_inside_are_trained_by_default():
    assert isinstance(default_method(net()), ncv.VariableProjection)


def test_a_stubborn_fit_stops_early(halves):
    train, _ = halves
    method = ncv.VariableProjection(50, learning_rate=1e-12, check_every=1, patience=2)
    fit = ncv.fit(net(), THEORY, ncv.Correlator(), train, method=method, progress=False)
    assert fit.status == "stopped early" and fit.history["step"][-1] < 50


@pytest.mark.parametrize(
    "options", [{"steps": 0}, {"folds": 1}, {"learning_rate": 0.0}, {"ridge": -1.0}, {"validation": 1.0}]
)
def test_settings_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError, match="got"):
        ncv.VariableProjection(**options)


def test_a_field_without_networks_is_refused(halves):
    with pytest.raises(TypeError, match="has none: use LeastSquares or Adam"):
        ncv.fit(
            ncv.OddMLP(SHAPE, depth=0),
            THEORY,
            ncv.Correlator(),
            halves[0],
            method=ncv.VariableProjection(),
            progress=False,
        )


@pytest.mark.slow
def test_a_cross_fit_of_networks_knows_what_its_folds_share(halves):
    train, _ = halves
    method = ncv.VariableProjection(2, check_every=1)
    found = ncv.estimate(THEORY, ncv.Correlator(), train, net(), method=method, progress=False)
    assert found.inflation.shape == (4,) and (abs(found.inflation - 1) > 1e-6).all()
    assert all(fit.features is None for fit in found.fits)

"""Improved legs, solved: exact answers, files, few configurations, and what is refused."""

import itertools
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import QUICK_LEGS, SHORT_LADDER, compilations
from helpers import field as random_field
from ncv_lab.fitting.data import Data
from ncv_lab.fitting.least_squares import feature_matrix, influence
from ncv_lab.fitting.legs import LEGS, TOUCHING, LegSums, best_legs, decays, solve_legs

LONG_CASES = [pytest.param(shape, lam, marks=pytest.mark.long) for shape, lam in (((8,), 0.5), ((6, 2), 24.0))]


def strip_correlator(extent, m2, lam, points=40, edge=5.0):
    """The exact C(t) on the lattice (extent, 2), by a transfer matrix between slices of two sites."""
    phi = np.linspace(-edge, edge, points)
    two = np.array(list(itertools.product(phi, phi)))
    potential = (m2 * two**2 / 2 + lam * two**4 / 24).sum(axis=1)
    in_slice = (two[:, 0] - two[:, 1]) ** 2  # both links between the two sites of a periodic slice
    weight = np.exp(-(potential + in_slice) / 2)
    links = ((two[:, None] - two[None, :]) ** 2).sum(axis=-1) / 2
    eigenvalues, states = np.linalg.eigh(weight[:, None] * np.exp(-links) * weight[None, :])
    decay = eigenvalues / eigenvalues[-1]
    elements = (states.T * two.mean(axis=1)) @ states
    traces = [decay**t @ elements**2 @ decay ** (extent - t) for t in range(extent // 2 + 1)]
    return np.array(traces) / sum(decay**extent)


def on_others(theory, n, *, strategy=QUICK_LEGS, observable=None, others=2000, seed=0):
    """A fit to n configurations, O and O - f on others."""
    observable = ncv.Correlator() if observable is None else observable
    train, rest = ncv.sample(theory, n + others, jax.random.key(seed), n_chains=20, progress=False).split(n)
    fit = ncv.fit(strategy, theory, observable, train, progress=False)
    values = ncv.measure(observable, rest.flat, theory.shape)
    return fit, values, values - fit.evaluate(rest)


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "lam"), [((8,), 24.0), ((6, 2), 0.5), *LONG_CASES], ids=str)
def test_means_are_those_of_the_transfer_matrix(shape, lam):
    exact = ncv.chain_correlator(8, 0.1, lam) if len(shape) == 1 else strip_correlator(6, 0.1, lam)
    _, values, improved = on_others(ncv.Phi4(shape, 0.1, lam), 400)
    error = improved.std(axis=0) / len(improved) ** 0.5
    assert (abs(improved.mean(axis=0) - exact) < 4.5 * error).all()
    assert (values.std(axis=0) > 8 * improved.std(axis=0)).all()


def test_the_strip_agrees_with_the_free_theory():
    np.testing.assert_allclose(strip_correlator(6, 1.0, 0.0), ncv.free_correlator((6, 2), 1.0), rtol=1e-5)


def test_a_cross_fitted_estimate_is_right():
    theory = ncv.Phi4((8,), 0.1, 24.0)
    ensemble = ncv.sample(theory, 800, jax.random.key(5), n_chains=20, progress=False)
    best = ncv.estimate(theory, ncv.Correlator(), ensemble, control=QUICK_LEGS, progress=False)
    exact = ncv.chain_correlator(8, 0.1, 24.0)
    assert (abs(best.value - exact) < 4.5 * best.error).all() and best.error_ratio.min() > 8


def test_the_free_theory_is_solved_exactly():
    theory = ncv.Phi4((6, 4), 0.3, 0.0)
    linear = ncv.ImprovedLegs(recipes=LEGS[:1], touching=TOUCHING[:1])
    fit, _, improved = on_others(theory, 200, strategy=linear)
    assert fit.diagnostics["one_leg_ratio"] > 1e5
    np.testing.assert_allclose(improved.mean(axis=0), ncv.free_correlator(theory.shape, 0.3), rtol=1e-6)


STRONG_THEORY = ncv.Phi4((10, 4), 0.1, 24.0)


@pytest.fixture(scope="module")
def strong():
    legs = ncv.ImprovedLegs(recipes=LEGS[4:5], touching=TOUCHING[1:2])
    return on_others(STRONG_THEORY, 600, strategy=ncv.SchwingerDyson(ladder=SHORT_LADDER, legs=legs))


def test_the_ratio_goes_beyond_that_of_one_leg(strong):
    fit, values, improved = strong
    ratio = ncv.sigma_ratio(values, improved)
    assert ratio.min() > fit.diagnostics["one_leg_ratio"] > 400
    assert ratio[-1] > 20 * fit.diagnostics["one_leg_ratio"]


def test_the_ladder_takes_legs_where_they_win_and_can_do_without(strong):
    fit, _, improved = strong
    assert isinstance(fit.method, ncv.SchwingerDyson)
    alone, _, without = on_others(STRONG_THEORY, 600, strategy=ncv.SchwingerDyson(ladder=SHORT_LADDER, legs=None))
    assert "one_leg_ratio" not in alone.diagnostics
    assert (improved.std(axis=0) < without.std(axis=0) / 3).all()


def test_evaluation_compiles_nothing_new():
    "The legs and the second solve are evaluated one by one, by functions of the fit. Their sum is f of the field."
    theory = ncv.Phi4((8,), 0.1, 24.0)
    train, rest = ncv.sample(theory, 400, jax.random.key(0), n_chains=20, progress=False).split(200)
    strategy = ncv.SchwingerDyson(ladder=SHORT_LADDER, legs=QUICK_LEGS)
    fit = ncv.fit(strategy, theory, ncv.Correlator(), train, progress=False)
    assert isinstance(fit.control.field, ncv.SumField) and not fit.control.field.is_linear
    with compilations() as found:
        f = fit.evaluate(rest)
    assert not found
    np.testing.assert_allclose(f[3], fit.control(jnp.asarray(rest.flat[3])), rtol=1e-9)


@pytest.mark.slow
def test_one_time_and_a_momentum():
    theory = ncv.Phi4((6, 4), 0.1, 2.0)
    fit, _, improved = on_others(theory, 200, observable=ncv.Correlator(2, momentum=(1,)))
    assert improved.ndim == 1 and fit.validation_ratio.shape == (1,)
    _, values, every = on_others(theory, 200, observable=ncv.Correlator(momentum=(1,)))
    assert (ncv.sigma_ratio(values, every) > 5).all()
    g, div = eqx.filter_jit(fit.control.field)(random_field((6, 4)))
    assert g.shape == (6, 4) and div.shape == ()


@pytest.mark.slow
@pytest.mark.parametrize("theory", [ncv.Phi4((6, 4), 0.3, 6.0), "function"], ids=["Phi4", "function"])
def test_saved_and_loaded(tmp_path, theory):
    mine = ncv.as_theory(ncv.Phi4((6, 4), 0.3, 6.0).action, (6, 4)) if theory == "function" else theory
    fit, _, _ = on_others(mine, 200, others=20)
    fit.save(tmp_path / "fit.safetensors")
    parts = {"theory": mine} if theory == "function" else {}
    loaded = ncv.load_fit(tmp_path / "fit.safetensors", **parts)
    configs = ncv.sample(mine, 20, jax.random.key(8), progress=False)
    np.testing.assert_array_equal(loaded.evaluate(configs), fit.evaluate(configs))
    assert loaded.validation_ratio.tolist() == fit.validation_ratio.tolist()


def test_no_further_recipe_is_tried_beyond_the_budget():
    theory = ncv.Phi4((8,), 0.1, 24.0)
    train = ncv.sample(theory, 400, jax.random.key(0), n_chains=20, progress=False)
    strategy = ncv.SchwingerDyson(budget=1e-9, ladder=SHORT_LADDER, legs=QUICK_LEGS)
    fit = ncv.fit(strategy, theory, ncv.Correlator(), train, progress=False)
    assert list(fit.diagnostics["tried_touching"]) == ["near"] and "tried" not in fit.diagnostics


def test_where_a_fit_does_not_help_it_owes_nothing():
    theory = ncv.Phi4((8,), 0.1, 24.0)
    train = ncv.sample(theory, 400, jax.random.key(0), n_chains=20, progress=False)
    data = Data.measure(theory, ncv.Correlator(), train)
    *_, fit = QUICK_LEGS.run(data)
    weights = np.array(fit.solved.weights)
    total = np.asarray(feature_matrix(fit.solved, data)).sum(axis=0)
    owed = influence(fit, data, total)
    weights[:, 2] = 0.0
    products, solved = fit.control.field.fields
    without_one = ncv.SumField(products, solved.with_weights(jnp.asarray(weights)))
    without = replace(fit, control=ncv.ControlVariate(without_one, theory))
    expected = owed.copy()
    expected[:, 2] = 0.0
    assert abs(owed).min(axis=0).all()
    np.testing.assert_array_equal(influence(without, data, total), expected)


def test_weights_of_a_solve_are_those_of_least_squares():
    theory = ncv.Phi4((6, 4), 0.1, 2.0)
    data = Data.measure(theory, ncv.Correlator(), ncv.sample(theory, 100, jax.random.key(0), progress=False))
    legs = LEGS[1].legs(data.phi)
    solution = solve_legs(LegSums.gather(legs, data), slowest=0.5)
    means = np.asarray(jax.vmap(legs.slice_means)(data.phi, data.dS))[:, 0]
    s = np.asarray(jax.vmap(legs.means)(data.phi))[:, 0]
    basis = decays(6, 0.5)
    distance = np.minimum(np.arange(6), 6 - np.arange(6))
    columns = []
    for y in range(6):
        moved = np.roll(means, -y, axis=1)
        columns.append(np.einsum("num,ur->nmr", moved, basis[distance]).reshape(len(s), -1))
    columns = np.concatenate(columns)
    best = np.linalg.lstsq(columns, s.T.reshape(-1), rcond=None)[0]
    residual = np.var(s.T.reshape(-1) - columns @ best)
    coefficients = np.linalg.lstsq(basis, solution.weights, rcond=None)[0].T.reshape(-1)
    # The ridge costs a little where it is fitted.
    assert np.var(s.T.reshape(-1) - columns @ coefficients) < 1.01 * residual


def test_the_sums_do_not_depend_on_the_chunks():
    theory = ncv.Phi4((6, 4), 0.1, 2.0)
    data = Data.measure(theory, ncv.Correlator(), ncv.sample(theory, 50, jax.random.key(0), progress=False))
    legs = LEGS[1].legs(data.phi)
    whole = LegSums.gather(legs, data)
    np.testing.assert_allclose(LegSums.gather(legs, data, chunk=7).gram, whole.gram, rtol=1e-10, atol=1e-12)


def test_a_fast_decay_is_taken_where_it_costs_nothing():
    theory = ncv.Phi4((10, 4), 0.1, 24.0)
    data = Data.measure(theory, ncv.Correlator(), ncv.sample(theory, 300, jax.random.key(0), progress=False))
    legs, solution, tried = best_legs(data, LEGS[:2])
    assert solution.slowest > 0.5 and list(tried) == ["linear", "quadratic"] and tried["quadratic"] > tried["linear"]
    assert abs(np.asarray(legs.weights)[-1]).max() < 1e-2 * abs(np.asarray(legs.weights)[0]).max()


def test_what_cannot_be_is_refused():
    theory = ncv.Phi4((6, 4), 0.3, 6.0)
    ensemble = ncv.sample(theory, 50, jax.random.key(0), progress=False)
    with pytest.raises(ValueError, match="are for a Correlator or a CorrelatorMatrix, not for MeanSquare"):
        ncv.fit(ncv.ImprovedLegs(), theory, ncv.MeanSquare(), ensemble)
    with pytest.raises(ValueError, match="at least one recipe"):
        ncv.ImprovedLegs(recipes=())

"""The default control variate: what it reaches, that it is honest, and that it gives way where it cannot help."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ncv_lab as ncv
from ncv_lab.fitting.ladder import LADDER

SHORT = LADDER[:2]


def ratio_on_others(theory, observable, n, *, seed=0, others=2000, **options):
    train, rest = ncv.sample(theory, n + others, jax.random.key(seed), progress=False).split(n)
    fit = ncv.fit(ncv.SchwingerDyson(legs=None, **options), theory, observable, train, progress=False)
    values = ncv.measure(observable, rest.flat, theory.shape)
    return fit, ncv.sigma_ratio(values, values - fit.evaluate(rest))


def test_strong_coupling_all_times_at_once():
    fit, ratio = ratio_on_others(ncv.Phi4((20, 20), 0.1, 24.0), ncv.Correlator(), 1000, ladder=(LADDER[0], LADDER[-2]))
    assert ratio.min() > 500 and ratio[10] > 600
    assert next(iter(fit.diagnostics["tried"])) == "linear" and isinstance(fit.method, ncv.SchwingerDyson)


@pytest.mark.parametrize("shape", [(64,), (6, 6, 4), (4, 4, 4, 4)], ids=str)
def test_other_dimensions(shape):
    _, ratio = ratio_on_others(ncv.Phi4(shape, 0.5, 2.0), ncv.Correlator(), 300, others=600, ladder=SHORT)
    assert ratio.min() > 8


@pytest.mark.parametrize("theory", [ncv.Phi4((8,), 0.1, 24.0), ncv.Phi4((6, 4), 0.3, 0.0)], ids=["chain", "free"])
def test_cross_fitted_estimate_is_right(theory):
    ensemble = ncv.sample(theory, 1000, jax.random.key(11), progress=False)
    control = ncv.SchwingerDyson(ladder=SHORT, legs=None)
    best = ncv.estimate(theory, ncv.Correlator(), ensemble, control=control, folds=3, progress=False)
    if theory.is_free:
        np.testing.assert_allclose(best.value, ncv.free_correlator(theory.shape, float(theory.m2)), rtol=1e-4)
    else:
        exact = ncv.chain_correlator(8, 0.1, 24.0)
        assert (abs(best.value - exact) < 4.5 * best.error).all() and best.error_ratio.min() > 10


def test_a_rung_that_does_half_as_well_in_the_middle_is_not_solved_for_all_times():
    theory = ncv.Phi4((8, 8), 0.1, 24.0)
    fit, ratio = ratio_on_others(theory, ncv.Correlator(), 300, ladder=(LADDER[2], LADDER[0]))
    assert [len(tried) for tried in fit.diagnostics["tried"].values()] == [5, 1]
    assert fit.labels == ncv.Correlator().labels(theory.shape) and ratio.min() > 10


def test_it_gives_way_where_it_cannot_help():
    "White noise is no function of this theory: nothing correlates with it, and f is 0."
    theory = ncv.Phi4((6, 4), 0.3, 6.0)
    noise = ncv.as_observable(lambda phi: jnp.sin(1e4 * phi[0, 0]), name="noise")
    _, ratio = ratio_on_others(theory, noise, 200, ladder=SHORT)
    assert ratio > 0.97


def test_momentum_and_local_observables():
    theory = ncv.Phi4((8, 8), 0.1, 6.0)
    _, ratio = ratio_on_others(theory, ncv.Correlator(momentum=(1,)), 500, ladder=SHORT)
    assert ratio.min() > 10
    local = ncv.as_observable(lambda phi: jnp.stack([(phi**2).mean(), theory.action(phi) / phi.size, abs(phi.mean())]))
    _, ratio = ratio_on_others(theory, local, 500, ladder=SHORT)
    assert (ratio > np.array([20, 50, 3])).all()  # the quadratic functions without a bound make the action better known


def test_a_strategy_takes_no_method():
    theory = ncv.Phi4((6, 4), 0.3, 6.0)
    ensemble = ncv.sample(theory, 100, jax.random.key(0), progress=False)
    with pytest.raises(ValueError, match="chooses field and method itself"):
        ncv.fit(ncv.SchwingerDyson(), theory, ncv.Correlator(), ensemble, method=ncv.LeastSquares())


def test_saved_and_loaded(tmp_path):
    theory = ncv.Phi4((6, 4), 0.3, 6.0)
    ensemble = ncv.sample(theory, 200, jax.random.key(0), progress=False)
    fit = ncv.fit(ncv.SchwingerDyson(ladder=SHORT, legs=None), theory, ncv.Correlator(), ensemble, progress=False)
    fit.save(tmp_path / "fit.safetensors")
    np.testing.assert_array_equal(ncv.load_fit(tmp_path / "fit.safetensors").evaluate(ensemble), fit.evaluate(ensemble))


COUPLINGS = {"strong": (0.1, 24.0), "broken": (-1.0, 4.0), "near": (-1.0, 6.0), "long": (0.015, 0.001)}


# Near the transition, seed 12 has configurations far beyond those fitted.
SHORT_CASES = {("strong", 0), ("near", 12)}
CASES = [
    pytest.param(name, seed, id=f"{name}, seed {seed}", marks=[] if (name, seed) in SHORT_CASES else pytest.mark.long)
    for name in COUPLINGS
    for seed in (0, 12)
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), CASES)
def test_it_does_no_harm_with_a_hundred_configurations(name, seed):
    theory = ncv.Phi4((8, 8), *COUPLINGS[name])
    train, rest = ncv.sample(theory, 1100, jax.random.key(seed), n_chains=20, progress=False).split(100)
    for observable in (ncv.Correlator(), ncv.AbsMagnetisation(), ncv.MagnetisationSquared()):
        fit = ncv.fit(ncv.SchwingerDyson(), theory, observable, train, progress=False)
        values = ncv.measure(observable, rest.flat, theory.shape)
        assert ncv.sigma_ratio(values, values - fit.evaluate(rest)).min() > 0.98

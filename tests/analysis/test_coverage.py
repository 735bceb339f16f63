"""Are the errors right? Pulls (value - exact) / error over independent ensembles, raw and cross-fitted.

`make coverage` runs the same with more ensembles, and for fields that take longer to fit.
"""

import warnings

import jax
import numpy as np
import pytest

import ncv_lab as ncv
from ncv_lab.fitting.ladder import LADDER

MASSES = (0.2, 0.6, 2.0, np.inf)


def neural(shape):
    return ncv.NeuralSchwingerDyson(shape, 4, n_functions=3, key=jax.random.key(0))


def pulls(extent, lam, n_chains, n_draws, control, times, *, n_ensembles=300, seed=0, sampling=None, **options):
    """The pulls (ensembles, times) of the raw and of the cross-fitted estimate, and the median sigma ratio."""
    theory, exact = ncv.Phi4((extent,), 0.1, lam), ncv.chain_correlator(extent, 0.1, lam)[times]
    n_all = n_ensembles * n_chains
    how = {"n_chains": n_all, "thin": 6, "progress": False} | (sampling or {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # tau_int may be large on purpose
        everything = ncv.sample(theory, n_all * n_draws, jax.random.key(seed), **how)
    corr, results = ncv.Correlator().at(times), []
    for chains in np.array_split(np.arange(n_all), n_ensembles):
        with warnings.catch_warnings():
            # In 300 ensembles some have a z-score above 3, or too noisy an autocorrelation, by chance.
            warnings.simplefilter("ignore", UserWarning)
            one = everything.select(chains=chains)
            results.append(ncv.estimate(theory, corr, one, control, progress=False, **options))
    raw, improved = ([(e.value - exact) / e.error for e in found] for found in ([e.raw for e in results], results))
    return np.array(raw), np.array(improved), np.median([e.sigma_ratio for e in results], axis=0)


def check(pull):
    """Mean 0 and standard deviation 1, to some three standard errors of 300 ensembles or of fewer."""
    wider = (300 / len(pull)) ** 0.5
    assert (abs(pull.mean(axis=0)) < 0.2 * wider).all(), pull.mean(axis=0)
    assert (abs(pull.std(axis=0) - 1) < 0.12 * wider).all(), pull.std(axis=0)


ALL = [0, 1, 2, 3, 4]


FOLDS = [
    pytest.param(8, 60, id="folds of chains"),
    pytest.param(8, 300, id="folds of chains, 300 ensembles", marks=pytest.mark.long),
    pytest.param(4, 300, id="folds of draws, 300 ensembles", marks=pytest.mark.long),
]


@pytest.mark.slow
@pytest.mark.parametrize(("n_chains", "n_ensembles"), FOLDS)
def test_pulls_are_unit_normal(n_chains, n_ensembles):
    linear = ncv.OddMLP((8,), depth=0, symmetric=True)
    raw, improved, ratio = pulls(8, 24.0, n_chains, 400 // n_chains, linear, ALL, n_ensembles=n_ensembles)
    check(raw)
    check(improved)
    assert ratio.min() > 2.5


@pytest.mark.slow
def test_pulls_of_correlated_configurations():
    """tau_int of about 10 draws; benchmarks/bench_pulls.py does it with 300 ensembles of as many draws."""
    short = {"thin": 1, "method": ncv.HMC(trajectory_length=0.3), "n_thermal": 300}
    linear = ncv.OddMLP((8,), depth=0, symmetric=True)
    raw, improved, ratio = pulls(8, 0.5, 5, 800, linear, [0, 4], n_ensembles=20, sampling=short)
    check(raw)
    check(improved)
    assert ratio.min() > 2.5


@pytest.mark.long
def test_pulls_are_unit_normal_with_nearly_as_many_weights_as_configurations():
    raw, improved, ratio = pulls(40, 24.0, 5, 20, ncv.OddMLP((40,), depth=0), [0, 2, 5, 20])
    check(raw)
    check(improved)
    assert ratio.min() > 1.5


@pytest.mark.slow
@pytest.mark.parametrize("family", ["SchwingerDyson", pytest.param("NeuralSchwingerDyson", marks=pytest.mark.long)])
def test_pulls_of_nonlinear_fields(family):
    """A rung of the ladder, and random networks, solved; 40 ensembles, since each estimate has five fits."""
    control = ncv.SchwingerDyson(ladder=LADDER[1:2], legs=None) if family == "SchwingerDyson" else neural((8,))
    options = {} if family == "SchwingerDyson" else {"method": ncv.LeastSquares(decay_rates=MASSES)}
    raw, improved, ratio = pulls(8, 24.0, 8, 50, control, ALL, n_ensembles=40, **options)
    check(raw)
    check(improved)
    assert ratio.min() > 8


@pytest.mark.long
@pytest.mark.parametrize("lam", [0.5, 24.0])
@pytest.mark.parametrize("family", ["SchwingerDyson", "NeuralSchwingerDyson"])
def test_pulls_of_rich_fields(family, lam):
    """The whole ladder, and trained networks, on 400 configurations."""
    control = ncv.SchwingerDyson() if family == "SchwingerDyson" else neural((8,))
    options = {} if family == "SchwingerDyson" else {"method": ncv.VariableProjection(10, check_every=10)}
    raw, improved, ratio = pulls(8, lam, 20, 20, control, ALL, **options)
    print(f"{family}, lam = {lam}: sigma ratio {ratio.round(1)}, pulls of mean {improved.mean(axis=0).round(2)} and")
    print(f"standard deviation {improved.std(axis=0).round(2)}; raw {raw.std(axis=0).round(2)}")
    check(raw)
    check(improved)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["SchwingerDyson", "NeuralSchwingerDyson"])
def test_the_free_theory_in_two_dimensions(family):
    """All variance goes but for the ridge and rounding; what is left agrees with the exact answer within its error."""
    theory = ncv.Phi4((6, 4), 0.3, 0.0)
    exact, off = np.asarray(ncv.free_correlator(theory.shape, 0.3)), []
    control = ncv.SchwingerDyson(ladder=LADDER[:2], legs=None) if family == "SchwingerDyson" else neural(theory.shape)
    options = {} if family == "SchwingerDyson" else {"method": ncv.LeastSquares(decay_rates=MASSES)}
    for seed in range(10):
        ensemble = ncv.sample(theory, 400, jax.random.key(seed), n_chains=8, progress=False)
        found = ncv.estimate(theory, ncv.Correlator(), ensemble, control, progress=False, **options)
        assert found.sigma_ratio.min() > 1e3
        off.append((found.value - exact) / np.hypot(found.error, 1e-12 * exact))
    off = np.array(off)
    assert (abs(off.mean(axis=0)) < 4 / 10**0.5).all() and (off.std(axis=0) < 2.0).all(), (off.mean(0), off.std(0))

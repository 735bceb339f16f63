"""Are the errors right? Pulls (value - exact) / error over 300 independent ensembles, raw and cross-fitted."""

import warnings

import jax
import numpy as np
import pytest

from ncv_lab.action import Phi4
from ncv_lab.analysis import estimate
from ncv_lab.network import OddMLP
from ncv_lab.observables import Correlator, chain_correlator
from ncv_lab.sampler import sample

N_ENSEMBLES = 300


def pulls(extent, lam, n_chains, n_draws, symmetric, times, seed):
    """The pulls (300, times) of the raw and of the cross-fitted estimate, and the median sigma ratio."""
    theory, exact = Phi4((extent,), 0.1, lam), chain_correlator(extent, 0.1, lam)[times]
    n_all = N_ENSEMBLES * n_chains
    everything = sample(theory, n_all * n_draws, jax.random.key(seed), n_chains=n_all, thin=6, progress=False)
    field, corr, results = OddMLP(theory.shape, depth=0, symmetric=symmetric), Correlator().at(times), []
    for chains in np.array_split(np.arange(n_all), N_ENSEMBLES):
        with warnings.catch_warnings():
            # In 300 ensembles some have a z-score above 3, or too noisy an autocorrelation, by chance.
            warnings.simplefilter("ignore", UserWarning)
            results.append(estimate(theory, corr, everything.select(chains=chains), field, progress=False))
    raw, improved = ([(e.value - exact) / e.error for e in found] for found in ([e.raw for e in results], results))
    return np.array(raw), np.array(improved), np.median([e.sigma_ratio for e in results], axis=0)


def check(pull):
    assert (abs(pull.mean(axis=0)) < 0.2).all(), pull.mean(axis=0)
    assert (abs(pull.std(axis=0) - 1) < 0.12).all(), pull.std(axis=0)


@pytest.mark.slow
@pytest.mark.parametrize("n_chains", [8, 4], ids=["folds of chains", "folds of draws"])
def test_pulls_are_unit_normal(n_chains):
    raw, improved, ratio = pulls(8, 24.0, n_chains, 400 // n_chains, True, [0, 1, 2, 3, 4], seed=0)
    check(raw)
    check(improved)
    assert ratio.min() > 2.5


@pytest.mark.slow
def test_pulls_are_unit_normal_with_nearly_as_many_weights_as_configurations():
    raw, improved, ratio = pulls(40, 24.0, 5, 20, False, [0, 2, 5, 20], seed=0)
    check(raw)
    check(improved)
    assert ratio.min() > 1.5

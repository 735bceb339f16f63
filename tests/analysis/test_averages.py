"""Averages: zero variance, covariance, what folds share, and tails."""


import jax
import numpy as np
import pytest

from ncv_lab.analysis.averages import Estimate
from ncv_lab.analysis.estimate import estimate
from ncv_lab.fields.control_variates import ControlVariate
from ncv_lab.fields.exact_field import free_field
from ncv_lab.sampling.hmc import sample
from ncv_lab.theory.action import Phi4
from ncv_lab.theory.observables import Correlator


def correlated(a, n_chains, n_draws, seed=0):
    """Chains x' = a x + noise of unit variance, (chain, draw, 1): tau_int = (1 + a) / (2 (1 - a))."""
    x = np.random.default_rng(seed).normal(size=(n_chains, n_draws, 1))
    for i in range(1, n_draws):
        x[:, i] = a * x[:, i - 1] + np.sqrt(1 - a**2) * x[:, i]
    return x


@pytest.mark.parametrize("errors", ["gamma", "jackknife"])
def test_free_field_has_no_error_at_all(errors):
    theory = Phi4((6, 4), 0.3, 0.0)
    ensemble = sample(theory, 200, jax.random.key(0), n_chains=4, progress=False)
    f = ControlVariate(free_field(theory.shape, 0.3, 2), theory)
    result = estimate(theory, Correlator().at(2), ensemble, f, errors=errors)
    assert result.value == pytest.approx(0.10390126669, abs=1e-11)
    assert result.error == 0 and result.sigma_ratio == np.inf and result.error_ratio == np.inf
    assert "0.10390126669" in str(result)
    assert (result.covariance() == 0).all()


def test_covariance_has_the_errors_on_its_diagonal(theory, ensemble):
    raw = estimate(theory, Correlator(), ensemble)
    covariance = raw.covariance()
    assert np.allclose(np.sqrt(np.diag(covariance)), raw.error)
    assert np.linalg.eigvalsh(covariance).min() > 0
    gvar = pytest.importorskip("gvar")
    assert np.allclose(gvar.evalcov(raw.to_gvar()), covariance)


def test_time_of_an_estimate(theory):
    """21 times on 2000 configurations, after the import of pyerrors."""
    import time

    samples = np.random.default_rng(0).normal(size=(20, 100, 21))
    Estimate.from_samples(Phi4((40, 4), 0.1, 1.0), Correlator(), samples)
    start = time.perf_counter()
    Estimate.from_samples(Phi4((40, 4), 0.1, 1.0), Correlator(), samples)
    assert time.perf_counter() - start < 1.0


def test_errors_contain_what_folds_share():
    rng = np.random.default_rng(0)
    r, c = rng.normal(size=(2, 10, 40, 3))
    c += r * [0.0, 0.21, -0.9]
    theory, corr = Phi4((4, 4), 0.3, 1.0), Correlator()
    plain, more = Estimate.from_samples(theory, corr, r), Estimate.from_samples(theory, corr, r, influence=c)
    assert np.allclose(more.inflation, [1.0, 1.1, 0.5**0.5], atol=0.05) and plain.inflation is None
    assert np.allclose(more.error, plain.error * more.inflation) and np.array_equal(more.value, plain.value)
    assert np.allclose(np.diag(more.covariance()), more.error**2)
    assert np.allclose([obs.dvalue for obs in more.to_pyerrors()], more.error)
    assert np.allclose(more.leave_one_out() - more.value, (plain.leave_one_out() - plain.value) * more.inflation)

"""Estimates: what they measure, refuse, warn of, and repeat."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers import QUICK
from ncv_lab.analysis.estimate import estimate, estimate_including_training
from ncv_lab.sampling.ensemble import Ensemble
from ncv_lab.sampling.hmc import sample
from ncv_lab.theory.action import Phi4, as_theory
from ncv_lab.theory.observables import Correlator, MeanSquare


def test_averaging_over_training_configurations_has_its_own_name(theory, ensemble, solved):
    result = estimate_including_training(theory, Correlator(), ensemble, solved)
    assert result.n_configs == 1000 and "biased" in str(result)


def test_a_wrong_control_variate_is_flagged(theory, ensemble):
    with pytest.warns(UserWarning, match="errors away from 0"):
        estimate(theory, MeanSquare(), ensemble, lambda phi: (phi**2).mean())


def test_jackknife_agrees_with_gamma_and_may_repeat_the_fits(theory, ensemble, field):
    options = {"control": field, "progress": False}
    gamma = estimate(theory, Correlator(), ensemble, **options)
    knife = estimate(theory, Correlator(), ensemble, errors="jackknife", **options)
    again = estimate(theory, Correlator(), ensemble, errors="jackknife", refit=True, **options)
    assert (abs(gamma.error - knife.error) < 4 * knife.error_error).all()
    assert (abs(gamma.error - again.error) < 4 * again.error_error).all()
    assert "fits repeated" in again.method and again.replicates.shape == (10, 5)
    assert np.allclose(np.sqrt(np.diag(again.covariance())), again.error)


def test_a_field_without_weights_changes_nothing(theory, ensemble):
    raw = estimate(theory, Correlator(), ensemble)
    same = estimate(theory, Correlator(), ensemble, lambda phi: 0 * phi[:5])
    assert (same.value == raw.value).all() and (same.z_score == 0).all() and (same.sigma_ratio == 1).all()


def bad_input(theory, ensemble, field, solved):
    corr, other = Correlator(), Phi4((8,), 0.2, 24.0)
    short = ensemble.select(chains=[0], draws=slice(0, 12))
    yield "theory is a string", lambda: estimate("phi4", corr, ensemble), TypeError, "must be a Theory|theory"
    yield "array for ensemble", lambda: estimate(theory, corr, ensemble.configs), TypeError, "from_configs|ensemble"
    yield "other lattice", lambda: estimate(Phi4((6,), 0.1, 24.0), corr, ensemble), ValueError, r"shape \(6,\)"
    yield "other coupling", lambda: estimate(other, corr, ensemble), ValueError, "one and the same action"
    yield "time", lambda: estimate(theory, corr.at(8), ensemble), ValueError, "out of range"
    yield "errors", lambda: estimate(theory, corr, ensemble, errors="bootstrap"), ValueError, "'gamma' or 'jackknife'"
    yield "few", lambda: estimate(theory, corr, short.select(draws=slice(0, 5))), ValueError, "5 configurations are too"
    yield "folds", lambda: estimate(theory, corr, ensemble, field, folds=1), ValueError, "2 or more"
    yield "folds type", lambda: estimate(theory, corr, ensemble, field, folds=2.5), (ValueError, TypeError), "folds"
    yield "short chain", lambda: estimate(theory, corr, short, field), ValueError, "cannot be cut into 5 folds"
    yield "no control", lambda: estimate(theory, corr, ensemble, "linear"), TypeError, "field"
    yield "no method", lambda: estimate(theory, corr, ensemble, field, method="ridge"), TypeError, "method"
    yield (
        "refit of a fit",
        lambda: estimate(theory, corr, ensemble.select(draws=slice(40, 100)), solved, refit=True, errors="jackknife"),
        ValueError,
        "something to fit",
    )
    yield "refit gamma", lambda: estimate(theory, corr, ensemble, field, refit=True), ValueError, "jackknife"
    yield "other observable", lambda: estimate(theory, MeanSquare(), ensemble, solved), ValueError, "but not phi"
    yield "shape of f", lambda: estimate(theory, corr, ensemble, lambda phi: phi), ValueError, "must agree"


def test_bad_input(theory, ensemble, field, solved):
    for name, call, kind, message in bad_input(theory, ensemble, field, solved):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(kind, match=message) as raised:
                call()
        assert str(raised.value), name


def test_infinite_observables_are_refused(theory, ensemble):
    broken = Ensemble.from_configs(np.array(ensemble.configs), theory)
    with pytest.raises(ValueError, match="not finite"):
        estimate(theory, lambda phi: 1 / (phi.sum() * 0), broken)


def test_errors_that_few_configurations_make_are_known_badly():
    theory = as_theory(lambda phi: (phi**2).sum() / 2, (4, 4))
    configs = np.random.default_rng(0).normal(size=(10, 40, 4, 4))
    ensemble = Ensemble.from_configs(configs, theory)
    spike = lambda phi: jnp.where(phi[0, 0] == configs[3, 7, 0, 0], 100.0, 1e-3 * phi.sum())  # noqa: E731
    with pytest.warns(UserWarning, match=r"the kurtosis of O - f for .* is 39\d"):
        found = estimate(theory, spike, ensemble, lambda phi: 0.0 * phi.sum())
    assert 0.4 < found.error_error / found.error < 0.8


@pytest.mark.slow
def test_an_estimate_measures_each_configuration_once(monkeypatch):
    counts = {"observable": 0, "gradient": 0}

    def count(name):
        counts[name] += 1

    class Counted(Phi4):
        def gradient(self, phi):
            jax.debug.callback(lambda _: count("gradient"), phi[0, 0])
            return super().gradient(phi)

    def observed(phi):
        jax.debug.callback(lambda _: count("observable"), phi[0, 0])
        return jnp.mean(phi**2)

    theory = Counted((4, 4), 0.3, 1.0)
    # 320 configurations are whole chunks of 64 and batches of 32, so that none is evaluated twice to fill one up.
    ensemble = sample(theory, 320, 0, n_chains=10, progress=False)
    counts.update(observable=0, gradient=0)
    result = estimate(theory, observed, ensemble, control=QUICK, progress=False)
    jax.effects_barrier()
    assert len(result.fits) == 5 and counts == {"observable": 320, "gradient": 320}


def test_the_theory_comes_with_the_ensemble(theory, ensemble, field):
    named = estimate(theory, Correlator(), ensemble, field, progress=False)
    unnamed = estimate(None, Correlator(), ensemble, field, progress=False)
    assert np.array_equal(named.value, unnamed.value) and np.array_equal(named.error, unnamed.error)

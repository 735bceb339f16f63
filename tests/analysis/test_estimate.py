"""Errors and estimates: known autocorrelations, exact zero variance, configurations a fit has seen, bad input."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncv_lab.analysis.averages import Estimate
from ncv_lab.analysis.errors import format_error, gamma_errors, jackknife_errors, mean_errors, to_obs
from ncv_lab.analysis.estimate import estimate, estimate_including_training
from ncv_lab.fields.control_variates import ControlVariate, control_variate
from ncv_lab.fields.exact_field import free_field
from ncv_lab.fields.odd_mlp import OddMLP
from ncv_lab.fields.schwinger_dyson import Direct
from ncv_lab.fitting.data import Data
from ncv_lab.fitting.fit import fit
from ncv_lab.fitting.ladder import SchwingerDyson
from ncv_lab.fitting.least_squares import LeastSquares, influence
from ncv_lab.sampling.ensemble import Ensemble
from ncv_lab.sampling.hmc import sample
from ncv_lab.theory.action import Phi4
from ncv_lab.theory.exact import free_correlator
from ncv_lab.theory.observables import Correlator, MeanSquare
from ncv_lab.utils.batching import map_cores


def correlated(a, n_chains, n_draws, seed=0):
    """Chains x' = a x + noise of unit variance, (chain, draw, 1): tau_int = (1 + a) / (2 (1 - a))."""
    x = np.random.default_rng(seed).normal(size=(n_chains, n_draws, 1))
    for i in range(1, n_draws):
        x[:, i] = a * x[:, i - 1] + np.sqrt(1 - a**2) * x[:, i]
    return x


@pytest.fixture(scope="module")
def theory():
    return Phi4((8,), 0.1, 24.0)


@pytest.fixture(scope="module")
def ensemble(theory):
    return sample(theory, 1000, jax.random.key(3), n_chains=10, thin=5, progress=False)


@pytest.fixture(scope="module")
def field(theory):
    return OddMLP(theory.shape, depth=0, symmetric=True)


@pytest.fixture(scope="module")
def solved(theory, ensemble, field):
    return fit(field, theory, Correlator(), ensemble.select(draws=slice(0, 40)), progress=False)


@pytest.mark.parametrize("a", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("method", ["gamma", "jackknife"])
def test_errors_of_data_with_known_autocorrelation(a, method):
    samples, tau = correlated(a, 10, 1000), (1 + a) / (2 * (1 - a))
    found = mean_errors(samples, method)
    exact = np.sqrt(2 * tau / samples.size)
    assert abs(found.error[0] - exact) < 4 * found.error_error[0] + 0.1 * exact
    assert abs(found.tau_int[0] - tau) < 4 * found.tau_int_error[0] + 0.2 * tau


def test_gamma_method_is_the_one_of_pyerrors():
    import pyerrors

    samples = correlated(0.5, 1, 2000)
    obs = pyerrors.Obs([samples[0, :, 0]], ["ensemble"])
    obs.gamma_method()
    found = gamma_errors(samples)
    assert np.isclose(found.error[0], obs.dvalue, rtol=1e-12)
    assert np.isclose(found.tau_int[0], obs.e_tauint["ensemble"], rtol=1e-12)


def test_many_short_chains_do_not_make_errors_small():
    # Deviations from the mean of each chain would give about 0.75 here.
    found = [gamma_errors(correlated(0.0, 50, 20, seed)).error[0] for seed in range(20)]
    assert abs(np.mean(found) * np.sqrt(1000) - 1) < 0.08


def test_pyerrors_objects_carry_value_error_and_history():
    import pyerrors

    samples = correlated(0.5, 4, 100) + 3.0
    (obs,) = to_obs(samples)
    double = 2 * obs
    double.gamma_method()
    obs.gamma_method()
    assert np.isclose(double.value, 2 * samples.mean()) and np.isclose(double.dvalue, 2 * obs.dvalue)
    assert isinstance(obs, pyerrors.Obs) and obs.N == 400


def test_gaps_do_not_change_what_is_averaged():
    samples = correlated(0.3, 4, 300)
    samples[0, 100:110] = np.nan
    samples[2, ::7] = np.nan
    gamma, knife = gamma_errors(samples), jackknife_errors(samples)
    assert to_obs(samples)[0].value == pytest.approx(np.nanmean(samples))
    assert abs(gamma.error - knife.error) < 4 * knife.error_error


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


def test_free_field_is_solved_by_cross_fitting():
    theory = Phi4((6, 4), 0.3, 0.0)
    ensemble = sample(theory, 500, jax.random.key(1), n_chains=5, progress=False)
    result = estimate(theory, Correlator(), ensemble, OddMLP(theory.shape, depth=0, symmetric="time"), progress=False)
    assert np.allclose(result.value, free_correlator(theory.shape, 0.3), rtol=1e-6)
    assert result.sigma_ratio.min() > 1e4


def test_cross_fitting_never_uses_a_fit_on_what_it_has_seen(theory, ensemble, field):
    result = estimate(theory, Correlator(), ensemble, field, folds=5, progress=False)
    assert len(result.fits) == 5 and result.n_configs == ensemble.n_configs
    seen = np.array([np.isin(ensemble.fingerprints(), fit.seen) for fit in result.fits])
    assert (seen.sum(axis=0) == 4).all()
    values = result.raw.samples - result.samples
    for fit_, was_seen in zip(result.fits, seen, strict=True):
        held_out = ~was_seen.reshape(values.shape[:2])
        assert np.allclose(values[held_out], fit_.evaluate(ensemble.flat[held_out.reshape(-1)]))
    assert result.sigma_ratio.min() > 2 and abs(result.z_score).max() < 4
    assert set(result.seconds) == {"sampling", "fitting", "evaluating"} and result.speedup.shape == (5,)


def test_folds_of_draws_keep_a_gap(theory, ensemble, field):
    few = ensemble.select(chains=[0, 1])
    result = estimate(theory, Correlator(), few, field, folds=4, progress=False)
    seen = np.array([np.isin(few.fingerprints(), fit.seen).reshape(2, 100) for fit in result.fits])
    assert (seen[0] == seen[0][:1]).all() and "gaps of" in result.control
    held_out = np.arange(25)
    assert not seen[0][:, held_out].any() and not seen[0][:, 25:27].any() and seen[0][:, 50:].all()


def test_configurations_a_fit_has_seen_are_left_out(theory, ensemble, solved):
    with pytest.warns(UserWarning, match="400 of 1000 configurations have been used for the fit"):
        result = estimate(theory, Correlator(), ensemble, solved)
    assert result.n_configs == 600 and result.samples.shape == (10, 60, 5)
    rest = estimate(theory, Correlator(), ensemble.select(draws=slice(40, 100)), solved)
    assert np.allclose(result.value, rest.value) and np.allclose(result.error, rest.error)
    with pytest.raises(ValueError, match="all 400 configurations were used"):
        estimate(theory, Correlator(), ensemble.select(draws=slice(0, 40)), solved)


def test_scattered_seen_configurations_leave_gaps(theory, ensemble, field):
    odd = fit(field, theory, Correlator(), ensemble.select(draws=slice(1, 100, 2)), progress=False)
    # A draw for which every trajectory was rejected equals the one before, which may be among the seen.
    with pytest.warns(UserWarning, match=r"50\d of 1000"):
        result = estimate(theory, Correlator(), ensemble, odd)
    assert 490 <= result.n_configs <= 500 and np.isnan(result.samples[:, 1]).all()
    assert np.allclose(result.value, np.nanmean(result.samples, axis=(0, 1)))


def test_averaging_over_training_configurations_has_its_own_name(theory, ensemble, solved):
    result = estimate_including_training(theory, Correlator(), ensemble, solved)
    assert result.n_configs == 1000 and "biased" in str(result)


def test_numbers_are_looked_up_by_label(theory, ensemble, solved):
    rest = ensemble.select(draws=slice(40, 100))
    every, one = (estimate(theory, corr, rest, solved) for corr in (Correlator(), Correlator().at(3)))
    assert one.value.shape == () and one.value == pytest.approx(every.value[3])
    assert one.sigma_ratio == pytest.approx(every.sigma_ratio[3])


def test_a_fit_for_one_time_serves_others_with_a_warning(theory, ensemble, field):
    one = fit(field, theory, Correlator().at(4), ensemble.select(draws=slice(0, 40)), progress=False)
    with pytest.warns(UserWarning, match=r"fitted for C\(4\) and is used as it is for C\(3\)"):
        estimate(theory, Correlator().at(3), ensemble.select(draws=slice(40, 100)), one)


def test_a_wrong_control_variate_is_flagged(theory, ensemble):
    with pytest.warns(UserWarning, match="errors away from 0"):
        estimate(theory, MeanSquare(), ensemble, lambda phi: (phi**2).mean())


def test_your_own_function_is_a_control_variate(theory, ensemble, solved):
    def f(phi):
        return control_variate(free_field((8,), 0.5, 4), theory, phi)

    result = estimate(theory, Correlator().at(4), ensemble, f)
    assert result.control == "f in closed form" and result.fits == ()


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


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.19403, 0.00041, "0.1940(4)"),
        (1.0882e-4, 1.83e-6, "1.088(18)e-4"),
        (123.4, 5.2, "123(5)"),
        (12345, 170, "12340(170)"),
        (0.0, 0.3, "0.0(3)"),
        (-0.5, 0.0996, "-0.50(10)"),
        (0.1, 0.0, "0.1(0)"),
        (0.0, 0.0, "0(0)"),
        (np.inf, np.nan, "inf(nan)"),
    ],
)
def test_printing(value, error, text):
    assert format_error(value, error) == text


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


def test_a_linear_field_without_weights_is_cross_fitted():
    theory = Phi4((6, 4), 0.3, 0.5)
    ensemble = sample(theory, 200, 0, n_chains=10, progress=False)
    found = estimate(theory, Correlator(), ensemble, control=Direct(theory.shape), progress=False)
    assert (found.sigma_ratio > 1).all() and "cross-fitted" in found.control


# ---- what the folds share, and tails ----


def test_the_influence_is_what_leaving_out_does():
    theory = Phi4((6, 4), 0.3, 4.0)
    ensemble = sample(theory, 120, 0, n_chains=12, progress=False)
    data = Data.measure(theory, Correlator(), ensemble)
    (whole,) = LeastSquares(ridge=1e-2).run(OddMLP((6, 4), depth=0, symmetric=True), data)
    others = np.random.default_rng(1).normal(size=(40, 6, 4))
    features = whole.control.field.with_weights(None).features
    total = map_cores(features, others, map_cores(theory.gradient, others)).sum(axis=0)
    owed, left_out = influence(whole, data, total), []
    for i in range(0, 120, 10):
        (without,) = whole.method.run(whole.control.field, data.select(np.arange(120) != i))
        left_out.append((whole.evaluate(others) - without.evaluate(others)).sum(axis=0))
    assert np.corrcoef(owed[::10].ravel(), np.ravel(left_out))[0, 1] > 0.99
    assert np.allclose(owed[::10], left_out, atol=0.1 * np.abs(owed).max())


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


def test_errors_that_few_configurations_make_are_known_badly():
    theory = Phi4((4, 4), 0.3, 1.0)
    configs = np.random.default_rng(0).normal(size=(10, 40, 4, 4))
    ensemble = Ensemble.from_configs(configs, theory)
    spike = lambda phi: jnp.where(phi[0, 0] == configs[3, 7, 0, 0], 100.0, 1e-3 * phi.sum())  # noqa: E731
    with pytest.warns(UserWarning, match=r"the kurtosis of O - f for .* is 39\d"):
        found = estimate(theory, spike, ensemble, lambda phi: 0.0 * phi.sum())
    assert 0.4 < found.error_error / found.error < 0.8


# ---- what is measured, and how often ----


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
    result = estimate(theory, observed, ensemble, control=SchwingerDyson(), progress=False)
    jax.effects_barrier()
    assert len(result.fits) == 5 and counts == {"observable": 320, "gradient": 320}


def test_the_theory_comes_with_the_ensemble(theory, ensemble, field):
    named = estimate(theory, Correlator(), ensemble, field, progress=False)
    unnamed = estimate(None, Correlator(), ensemble, field, progress=False)
    assert np.array_equal(named.value, unnamed.value) and np.array_equal(named.error, unnamed.error)

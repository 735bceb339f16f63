"""Correlated fits on synthetic data of known covariance, effective masses, and bad input."""

import jax
import numpy as np
import pytest

import ncv_lab as ncv
from ncv_lab.analysis.averages import Estimate
from ncv_lab.analysis.estimate import estimate
from ncv_lab.analysis.spectrum import effective_mass, fit_mass, usable_times
from ncv_lab.sampling.hmc import sample
from ncv_lab.theory.action import Phi4
from ncv_lab.theory.observables import Correlator, MeanSquare, Observable


def cosh(t, extent, A=0.25, m=0.194):
    return A * (np.exp(-m * t) + np.exp(-m * (extent - t)))


def synthetic(extent, rng, size=(20, 50), noise=0.05):
    """An estimate of Eq. (17) with relative noise that is strongly correlated in t."""
    t = np.arange(extent // 2 + 1)
    exact = cosh(t, extent)
    factor = np.linalg.cholesky(0.9 ** abs(t[:, None] - t[None, :]))
    samples = exact * (1 + noise * rng.normal(size=(*size, len(t))) @ factor.T)
    return Estimate.from_samples(Phi4((extent, 4), 0.1, 1.0), Correlator(), samples, errors="jackknife")


@pytest.mark.parametrize("extent", [20, 21])
def test_pulls_of_the_mass_and_chi2(extent):
    rng = np.random.default_rng(extent)
    fits = [fit_mass(synthetic(extent, rng)) for _ in range(200)]
    pulls = np.array([[(fit.m - 0.194) / fit.m_error, (fit.A - 0.25) / fit.A_error] for fit in fits])
    assert (abs(pulls.mean(axis=0)) < 0.25).all() and (abs(pulls.std(axis=0) - 1) < 0.15).all()
    assert np.mean([fit.chi2 / fit.dof for fit in fits]) == pytest.approx(1, abs=0.15)
    assert np.mean([fit.p_value for fit in fits]) == pytest.approx(0.5, abs=0.1)
    assert (fits[0].t_min, fits[0].t_max, fits[0].dof) == (5, 10, 4)


def test_pulls_of_two_states():
    """Two states from t = 0 with their errors; one state then does not fit."""
    rng, t = np.random.default_rng(0), np.arange(11)
    exact = cosh(t, 20) + 0.2 * (np.exp(-0.9 * t) + np.exp(-0.9 * (20 - t)))
    samples = exact * (1 + 0.01 * rng.normal(size=(200, 20, 50, 11)))
    theory = Phi4((20, 4), 0.1, 1.0)
    found = [Estimate.from_samples(theory, Correlator(), each, errors="jackknife") for each in samples]
    fits = [fit_mass(each, 0, states=2) for each in found]
    light = np.array([[(fit.m - 0.194) / fit.m_error, (fit.A - 0.25) / fit.A_error] for fit in fits])
    heavy = np.array([[(s.m - 0.9) / s.m_error, (s.A - 0.2) / s.A_error] for fit in fits for s in fit.higher])
    for pulls in (light, heavy):
        assert (abs(pulls.mean(axis=0)) < 0.25).all() and (abs(pulls.std(axis=0) - 1) < 0.15).all()
    assert np.mean([fit.p_value for fit in fits]) == pytest.approx(0.5, abs=0.1)
    assert fit_mass(found[0], 0).p_value < 1e-10 and "m2 = 0.9" in str(fits[0])


def test_states_that_the_errors_do_not_resolve():
    estimate = synthetic(20, np.random.default_rng(5))
    with pytest.raises(ValueError, match="do not resolve"):
        fit_mass(estimate, 0, states=2)
    for states, window, message in ((4, 0, "1, 2 or 3"), (2, 7, "5 or more"), (True, 0, "1, 2 or 3")):
        with pytest.raises(ValueError, match=message):
            fit_mass(estimate, window, states=states)


def test_the_covariance_is_used_and_not_its_inverse():
    """With two equal and one much noisier time the fit must follow the precise ones."""
    rng = np.random.default_rng(0)
    t = np.arange(5)
    scale = np.array([1, 1, 1, 1, 1000.0]) * 1e-4
    samples = cosh(t, 8) + scale * rng.normal(size=(20, 50, 5))
    samples[..., 4] += 0.01 * cosh(4, 8)
    fit = fit_mass(Estimate.from_samples(Phi4((8,), 0.1, 1.0), Correlator(), samples), 1, 4)
    assert fit.m == pytest.approx(0.194, abs=5 * fit.m_error) and fit.m_error < 1e-3


def test_error_propagation_to_both_amplitudes():
    fit = fit_mass(synthetic(20, np.random.default_rng(3)))
    assert fit.A_far == pytest.approx(fit.A * np.exp(-20 * fit.m))
    assert np.allclose(np.sqrt(np.diag(fit.covariance)), [fit.A_error, fit.m_error])
    # A and m are nearly fully correlated, so A_far has a larger relative error than A.
    assert fit.A_far_error / fit.A_far > fit.A_error / fit.A
    assert str(fit).startswith("m = 0.19") and "t = 5..10" in str(fit)


@pytest.mark.parametrize("extent", [20, 21])
def test_effective_mass_of_exact_data(extent):
    t, m, error = effective_mass(synthetic(extent, np.random.default_rng(1), noise=1e-9))
    assert (t == np.arange(extent // 2)).all()
    assert np.allclose(m, 0.194, atol=1e-6) and (error < 1e-6).all()


def test_effective_mass_without_a_solution_is_nan():
    t = np.arange(5)
    samples = 1 + 0.1 * t + 1e-6 * np.random.default_rng(0).normal(size=(10, 50, 5))
    _, m, _ = effective_mass(Estimate.from_samples(Phi4((8,), 0.1, 1.0), Correlator(), samples))
    assert np.isnan(m).all()


def test_masses_of_the_free_theory():
    theory = Phi4((12, 6), 0.2, 0.0)
    raw = estimate(theory, Correlator(), sample(theory, 2000, jax.random.key(0), n_chains=20, progress=False))
    fit, (_, m, error) = fit_mass(raw), effective_mass(raw)
    exact = np.arccosh(1.1)
    assert abs(fit.m - exact) < 4 * fit.m_error and (abs(m - exact) < 4 * error)[:4].all()


def made(observable, samples, extent=12):
    return Estimate.from_samples(Phi4((extent, 4), 0.1, 1.0), observable, samples)


def test_bad_input():
    rng = np.random.default_rng(0)
    good = made(Correlator(), cosh(np.arange(7), 12) + 1e-3 * rng.normal(size=(10, 50, 7)))
    part = made(Correlator().at([2, 3, 5]), rng.normal(size=(10, 50, 3)))
    one = made(Correlator().at(3), rng.normal(size=(10, 50)))
    moving = made(Correlator(momentum=(1,)), rng.normal(size=(10, 50, 7)))
    constant = made(Correlator(), np.ones((10, 50, 7)))
    copies = made(Correlator(), np.repeat(rng.normal(size=(10, 50, 1)), 7, axis=-1) + 1)
    for call, kind, message in [
        (lambda: fit_mass(np.ones(7)), TypeError, "estimate"),
        (lambda: fit_mass(made(MeanSquare(), rng.normal(size=(10, 50)))), TypeError, "got one of phi"),
        (lambda: fit_mass(moving), ValueError, "momentum"),
        (lambda: fit_mass(part), ValueError, "lacks t = 4, 6"),
        (lambda: fit_mass(good, 4, 7), ValueError, "L0 // 2 = 6"),
        (lambda: fit_mass(good, 5, 6), ValueError, "3 or more"),
        (lambda: fit_mass(good, 5, 3), ValueError, "does not fit"),
        (lambda: fit_mass(good, 2.5), TypeError, "t_min"),
        (lambda: fit_mass(constant), ValueError, "error is 0"),
        (lambda: fit_mass(copies), ValueError, "singular"),
        (lambda: effective_mass(one), ValueError, "neighbouring times"),
        (lambda: effective_mass(moving), ValueError, "momentum"),
    ]:
        with pytest.raises(kind, match=message):
            call()


def test_few_configurations_warn():
    rng = np.random.default_rng(0)
    few = made(Correlator(), cosh(np.arange(7), 12) + 1e-3 * rng.normal(size=(1, 30, 7)))
    with pytest.warns(UserWarning, match="independent configurations are few"):
        fit_mass(few)


def test_the_mass_of_table_2():
    "40 x 10, m2 = .01, lam = .1: m = .1940(4) in Table II of the paper, from a hundred times the configurations."
    theory = ncv.Phi4((40, 10), m2=0.01, lam=0.1)
    ensemble = ncv.sample(theory, 2000, jax.random.key(0), progress=False)
    linear = ncv.OddMLP(theory.shape, depth=0, symmetric="time")
    best = ncv.estimate(theory, ncv.Correlator(), ensemble, control=linear, progress=False)
    fit, raw = ncv.fit_mass(best), ncv.fit_mass(best.raw)
    assert abs(fit.m - 0.1940) < 3 * np.hypot(fit.m_error, 0.0004)
    assert fit.m_error < raw.m_error / 3 and fit.p_value > 0.001


def test_any_observable_with_times_has_a_mass():
    """A class of the user's own gives the masses that `Correlator` gives."""

    class Mine(Observable):
        def labels(self, shape):
            return tuple(f"mine({t})" for t in self.times(shape))

        def times(self, shape):
            return tuple(range(shape[0] // 2 + 1))

        def __call__(self, phi):
            return Correlator()(phi)

    theory = Phi4((8, 4), 0.3, 0.0)
    ensemble = sample(theory, 1000, 0, n_chains=10, progress=False)
    mine, standard = (estimate(theory, observable, ensemble) for observable in (Mine(), Correlator()))
    assert fit_mass(mine).m == fit_mass(standard).m
    np.testing.assert_array_equal(effective_mass(mine)[1], effective_mass(standard)[1])


def strong(rng, m=1.33, A=0.0143, error=1e-4, heavy=0.0):
    """A correlator of 20 slices at strong coupling: it falls below its constant error at t = 4."""
    t = np.arange(11)
    exact = cosh(t, 20, A, m) + heavy * cosh(t, 20, A, 2.5 * m)
    noise = error * 1000**0.5 * rng.normal(size=(20, 50, 11))
    return Estimate.from_samples(Phi4((20, 20), 0.1, 24.0), Correlator(), exact + noise, errors="jackknife")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:no window of usable times")  # by chance, in one of a hundred
def test_default_window_holds_the_signal():
    """20 x 20 at lam = 24: from L0 // 4 on there is noise alone, whose fit has m = 0.0(13)e9.

    The last usable time fluctuates upwards, so the mean pull is a third below 0.
    """
    rng = np.random.default_rng(2)
    found = [strong(rng) for _ in range(200)]
    for each in found:
        last = usable_times(each)[-1]
        assert usable_times(each) == list(range(last + 1)) and 2 <= last <= 6
    fits = [fit_mass(each) for each in found]
    pulls = np.array([(fit.m - 1.33) / fit.m_error for fit in fits])
    assert abs(pulls.mean()) < 0.5 and abs(pulls.std() - 1) < 0.2
    assert all(0 < fit.m_error < 0.5 * fit.m for fit in fits)
    assert all(fit.t_min <= 2 and fit.t_max == usable_times(each)[-1] for fit, each in zip(fits, found, strict=True))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:no window of usable times")  # by chance, in one of a hundred
def test_default_window_starts_where_one_state_is_enough():
    """From the first time with p >= 0.05 the mean pull is 1.7."""
    rng = np.random.default_rng(0)
    fits = [fit_mass(strong(rng, error=1e-6, heavy=0.5)) for _ in range(100)]
    pulls = np.array([(fit.m - 1.33) / fit.m_error for fit in fits])
    assert abs(pulls.mean()) < 0.4 and abs(pulls.std() - 1) < 0.2
    assert np.mean([fit.p_value >= 0.05 for fit in fits]) > 0.9


def test_no_mass_without_a_signal():
    rng = np.random.default_rng(1)
    weak, nothing = strong(rng, error=1e-3), strong(rng, error=0.1)
    for call, message in [
        (lambda: fit_mass(strong(rng), 5, 10), r"up to t = \d only.*0 can be used.*needs 3.*earlier t_min"),
        (lambda: fit_mass(strong(rng), 5), "more configurations, a control variate"),
        (lambda: fit_mass(weak), r"up to t = 1 only.* 2 can be used"),
        (lambda: fit_mass(nothing), "nowhere larger than 3"),
        (lambda: fit_mass(strong(rng), 0, 3, states=2), "5 or more"),
        (lambda: fit_mass(strong(rng), states=2), "of 2 states needs 5"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


def test_a_window_of_your_own_may_go_on_after_the_signal_with_a_warning():
    each = strong(np.random.default_rng(2))
    with pytest.warns(UserWarning, match=r"goes on after the signal.*use t_max = 2"):
        fit = fit_mass(each, 0, 8)
    assert abs(fit.m - 1.33) < 4 * fit.m_error


def test_a_window_that_does_not_fit_is_said():
    rng, t = np.random.default_rng(0), np.arange(11)
    odd = (1 + 0.2 * (-1.0) ** t) * cosh(t, 20, 1.0, 1.5) + 1e-5 * rng.normal(size=(20, 50, 11))
    with pytest.warns(UserWarning, match="no window of usable times"):
        fit_mass(Estimate.from_samples(Phi4((20, 4), 0.1, 1.0), Correlator(), odd), t_max=4)


def test_a_negative_correlator_has_a_mass():
    samples = -cosh(np.arange(7), 12) + 1e-3 * np.random.default_rng(0).normal(size=(10, 50, 7))
    fit = fit_mass(made(Correlator(), samples))
    assert abs(fit.m - 0.194) < 4 * fit.m_error and fit.A < 0

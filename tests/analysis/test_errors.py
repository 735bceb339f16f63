"""Errors of correlated data: known autocorrelations, pyerrors, gaps, printing."""


import numpy as np
import pytest

from helpers import ar1
from ncv_lab.analysis.errors import (
    blocks,
    format_error,
    gamma_errors,
    jackknife,
    jackknife_errors,
    joints_per_draw,
    leave_one_out,
    mean_errors,
    stretched,
    to_obs,
)


def correlated(a, n_chains, n_draws, seed=0):
    """Chains x' = a x + noise of unit variance, (chain, draw, 1): tau_int = (1 + a) / (2 (1 - a))."""
    x = np.random.default_rng(seed).normal(size=(n_chains, n_draws, 1))
    for i in range(1, n_draws):
        x[:, i] = a * x[:, i - 1] + np.sqrt(1 - a**2) * x[:, i]
    return x


@pytest.mark.parametrize("a", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("method", ["gamma", "jackknife"])
def test_errors_of_data_with_known_autocorrelation(a, method):
    samples, tau = correlated(a, 10, 1000), (1 + a) / (2 * (1 - a))
    found = mean_errors(samples, method)
    exact = np.sqrt(2 * tau / samples.size)
    assert abs(found.error[0] - exact) < 4 * found.error_error[0] + 0.1 * exact
    assert abs(found.tau_int[0] - tau) < 4 * found.tau_int_error[0] + 0.2 * tau


@pytest.mark.parametrize("shape", [(4, 250), (10, 100)])
@pytest.mark.parametrize("a", [-0.6, 0.0, 0.9])
@pytest.mark.filterwarnings("ignore:the autocorrelation has not died out")
def test_pulls_of_the_mean(a, shape):
    """Errors are neither too small nor too large, for anticorrelated chains either."""
    samples = ar1(a, *shape, shape=(300,))
    pulls = samples.mean(axis=(0, 1)) / gamma_errors(samples).error
    assert abs(np.mean(pulls)) < 3 / 300**0.5 * 1.1
    assert 0.9 < np.std(pulls) < 1.1


def test_an_anticorrelated_chain_has_a_smaller_error():
    samples = correlated(-0.6, 10, 1000)
    exact = np.sqrt(2 * 0.125 / samples.size)
    for method in ("gamma", "jackknife"):
        found = mean_errors(samples, method)
        assert abs(found.error[0] - exact) < 4 * found.error_error[0]
        assert abs(found.tau_int[0] - 0.125) < 4 * found.tau_int_error[0]


@pytest.mark.parametrize("a", [-0.6, 0.0, 0.8])
@pytest.mark.parametrize("shape", [(2, 1000), (10, 200)])
def test_the_jackknife_is_right_for_finite_blocks(a, shape):
    """The mean of error^2 over 200 ensembles; at a = 0.8 blocks of ten tau_int alone miss a tenth of it."""
    ensembles = ar1(a, 200 * shape[0], shape[1]).reshape(200, *shape, 1)
    t = np.arange(1, shape[1])
    exact = (1 + 2 * np.sum((1 - t / shape[1]) * a**t)) / np.prod(shape)
    squares = np.array([jackknife_errors(one).error[0] ** 2 for one in ensembles]) / exact
    assert abs(squares.mean() - 1) < 3 * squares.std() / 200**0.5 + 0.01


def test_replicates_of_correlated_numbers_have_the_same_errors():
    samples = ar1(0.8, 4, 500, shape=(2,))
    block = blocks(samples)
    replicates = stretched(leave_one_out(samples, block), samples, joints_per_draw(block))
    np.testing.assert_allclose(jackknife(replicates), jackknife_errors(samples).error, rtol=0.01)
    assert (jackknife(leave_one_out(samples, block)) < 0.98 * jackknife(replicates)).all()


def test_the_error_of_an_error_knows_of_correlated_tails():
    """The squares of a slow chain: 200 errors fluctuate by 0.2, and by 0.1 if only the window counted."""
    squares = ar1(0.9, 400, 1000).reshape(200, 2, 1000, 1) ** 2
    found = [mean_errors(one) for one in squares]
    spread = np.std([one.error[0] for one in found]) / np.mean([one.error[0] for one in found])
    told = np.median([one.error_error[0] / one.error[0] for one in found])
    assert 0.7 < told / spread < 1.2


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

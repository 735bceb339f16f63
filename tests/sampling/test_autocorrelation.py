"""Series of Markov chains: autocorrelation, tau_int, drift, and the slow modes of a configuration."""

import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers import ar1
from ncv_lab.sampling.autocorrelation import SlowModes, autocorrelation, drift, tau_int
from ncv_lab.theory.action import Phi4, as_theory
from ncv_lab.theory.lattice import laplacian


@pytest.mark.parametrize("a", [-0.3, 0.0, 0.5, 0.9])
def test_tau_int_is_that_of_an_ar1_chain(a):
    tau, error = tau_int(ar1(a, 20, 5000))
    exact = (1 + a) / (1 - a) / 2
    assert abs(tau - exact) < 4 * error + 0.01 * exact, (tau, error, exact)


SIZES = [(1, 50), (10, 20), (1, 200), (4, 250)]
SHORT_AND_LONG = [(a, size) for a in (-0.9, -0.6, -0.3, 0.0) for size in SIZES]
LONG = [(0.5, (1, 200)), (0.5, (10, 20)), (0.5, (4, 250)), (0.9, (4, 250))]  # of 100 tau_int or more


@pytest.mark.parametrize(("a", "shape"), SHORT_AND_LONG + LONG)
def test_tau_int_of_ar1_chains_in_standard_errors(a, shape):
    """The median over many chains; a positive a needs chains of many tau_int."""
    exact = (1 + a) / (1 - a) / 2
    found = np.array([tau_int(ar1(a, *shape, seed)) for seed in range(100)])
    pulls = (found[:, 0] - exact) / found[:, 1]
    assert (found > 0).all()
    assert abs(np.median(pulls)) < 1.5 and pulls.std() < 1.3
    if a < 0:
        assert pulls.std() < 1.1 and abs(pulls).max() < 5


def test_an_anticorrelated_chain_has_a_small_and_positive_tau_int():
    """a = -0.6: exactly 0.125, where Sokal's rule alone gives 0.05."""
    tau, error = tau_int(ar1(-0.6, 20, 5000))
    assert abs(tau - 0.125) < 3 * error and error < 0.003


def oscillating(r, angle, n_chains, n_draws, seed):
    """Chains with rho(t) = r^t cos(angle t), as those of trajectories that are too long."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(2, n_chains, n_draws)).astype(complex)
    z = noise[0] + 1j * noise[1]
    factor = r * np.exp(1j * angle)
    for n in range(1, n_draws):
        z[:, n] = factor * z[:, n - 1] + (1 - r**2) ** 0.5 * z[:, n]
    return z.real, ((1 + factor) / (1 - factor)).real / 2


@pytest.mark.parametrize(("r", "angle"), [(0.9, np.pi / 2), (0.7, 2.0)])
def test_tau_int_of_oscillating_chains(r, angle):
    pulls = []
    for seed in range(60):
        series, exact = oscillating(r, angle, 4, 500, seed)
        tau, error = tau_int(series)
        pulls.append((tau - exact) / error)
    assert abs(np.mean(pulls)) < 1 and np.std(pulls) < 1.2


def test_the_error_of_tau_int_is_right():
    values = np.array([tau_int(ar1(0.6, 4, 1000, seed)) for seed in range(60)])
    assert 0.7 < values[:, 0].std() / values[:, 1].mean() < 1.4


def test_autocorrelation_is_the_sum_over_pairs():
    series = ar1(0.5, 3, 40)
    centred = series - series.mean()
    covariance = [np.mean(centred[:, : 40 - t] * centred[:, t:]) for t in range(40)]
    np.testing.assert_allclose(autocorrelation(series), np.array(covariance) / covariance[0], atol=1e-12)


def test_autocorrelation_of_constants_short_and_stuck_chains():
    np.testing.assert_array_equal(autocorrelation(np.full((2, 4), 0.1)), [1, 0, 0, 0])
    assert abs(tau_int(np.full((2, 30), 0.1))[0] - 0.5) < 0.1
    assert tau_int(np.ones((5, 1)))[0] >= 0.5
    assert autocorrelation(ar1(0.5, 1, 50)[0]).shape == (50,)
    # Chains that sit in different places never decorrelate, however quiet each of them is.
    stuck = ar1(0.0, 4, 200) + 10 * np.arange(4)[:, None]
    assert tau_int(stuck)[0] > 50


@pytest.mark.parametrize("shape", [(1, 8), (1, 40), (1, 400), (10, 8), (10, 40), (20, 100)])
def test_independent_configurations_are_not_accused(shape):
    for seed in range(20):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for series in (ar1(0.0, *shape, seed), ar1(0.0, *shape, seed) ** 2):
                tau, error = tau_int(series)
                assert tau - 2 * error <= max(2.0, shape[1] / 50) and abs(drift(series)) < 5


def test_drift():
    series = ar1(0.3, 10, 200)
    away = series + 5 * 0.95 ** np.arange(200)
    assert abs(drift(series)) < 4 < 5 < drift(away) and drift(-away) < -5
    assert drift(series[:, :7]) == 0 and drift(np.ones((3, 40))) == 0


@pytest.mark.parametrize(
    ("series", "text"),
    [(np.array([1.0, np.nan]), "finite"), (np.ones((2, 2, 2)), "(chain, draw)"), (np.ones((2, 0)), "(2, 0)")],
)
def test_bad_series(series, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        tau_int(series)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (8,), (2, 3, 5)])
def test_slow_modes(shape):
    theory = Phi4(shape, 0.1, 0.5)
    phi = jax.random.normal(jax.random.key(0), shape)
    M, M_squared, lowest, density = SlowModes(theory)(phi)
    axis = int(np.argmax(shape))
    wave = np.exp(-2j * np.pi * np.indices(shape)[axis] / shape[axis])
    np.testing.assert_allclose([M, M_squared], [phi.mean(), phi.mean() ** 2], rtol=1e-10)
    np.testing.assert_allclose(lowest, abs(np.mean(wave * phi)) ** 2, rtol=1e-10)
    np.testing.assert_allclose(density, theory.action(phi) / phi.size, rtol=1e-12)


def test_slow_modes_of_a_theory_with_components():
    "The longest axis is one of the lattice, although there are more components; the first three are averages."

    def free(phi):
        return jnp.sum(phi * (0.3 * phi - laplacian(phi, n_axes=2))) / 2

    theory = as_theory(free, (4, 6), event_shape=(9,))
    phi = jax.random.normal(jax.random.key(0), theory.shape)
    one = SlowModes(Phi4((4, 6), 0.3, 0.0))
    each = np.array([one(phi[..., i]) for i in range(9)])
    expected = np.append(each[:, :3].mean(axis=0), each[:, 3].sum())
    np.testing.assert_allclose(SlowModes(theory)(phi), expected, rtol=1e-10)

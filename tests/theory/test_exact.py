"""Exact answers: the free correlator against dense matrices and sampling, the chain against quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import dblquad

import ncv_lab as ncv
from helpers import field
from ncv_lab.theory.lattice import khat_squared, volume


@pytest.mark.parametrize("shape, m2, t, exact", [
    ((20, 20), 0.1, 0, 0.0783746246), ((20, 20), 0.1, 10, 0.0067097550), ((6, 4), 0.3, 2, 0.10390126669)])  # fmt: skip
def test_free_correlator_has_the_known_values(shape, m2, t, exact):
    np.testing.assert_allclose(ncv.free_correlator(shape, m2)[t], exact, rtol=0, atol=5e-11)


@pytest.mark.parametrize("shape", [(7,), (6, 4), (4, 3, 5)])
def test_free_correlator_is_the_inverse_of_the_quadratic_form(shape):
    "<phi_x phi_y> = (m2 - Laplacian)^{-1}, from a dense matrix."
    theory, m2 = ncv.Phi4(shape, 0.3, 0.0), 0.3
    matrix = jax.jit(jax.hessian(theory.action))(jnp.zeros(shape)).reshape(volume(shape), -1)
    two_point = np.linalg.inv(matrix).reshape(*shape, *shape)
    axes = tuple(range(1, len(shape)))
    slices = two_point.mean(axes).mean(tuple(range(2, len(shape) + 1)))  # <sbar(x0) sbar(y0)>, (L0, L0)
    exact = [np.mean([slices[(y + t) % shape[0], y] for y in range(shape[0])]) for t in range(shape[0] // 2 + 1)]
    np.testing.assert_allclose(ncv.free_correlator(shape, m2), exact, rtol=1e-11)


@pytest.mark.parametrize("momentum", [(1, 0), (2, 3), (-1, 1)])
def test_free_correlator_at_momentum(momentum):
    "At momentum p the correlator is that of one dimension with m2 + phat^2, over the spatial volume."
    shape = (6, 4, 5)
    phat = sum(4 * np.sin(np.pi * n / extent) ** 2 for n, extent in zip(momentum, shape[1:], strict=True))
    one_dimension = ncv.free_correlator(shape[:1], 0.3 + phat) / 20
    np.testing.assert_allclose(ncv.free_correlator(shape, 0.3, momentum=momentum), one_dimension, rtol=1e-12)


def test_momenta_are_periodic():
    one, other = (ncv.free_correlator((6, 4), 0.3, momentum=(n,)) for n in (1, 5))
    np.testing.assert_array_equal(one, other)


def test_free_correlator_from_exact_configurations():
    shape, m2, n = (6, 4), 0.3, 4000
    noise = jnp.fft.fftn(field((n, *shape)), axes=(1, 2))
    configs = jnp.fft.ifftn(noise / jnp.sqrt(khat_squared(shape) + m2)[None], axes=(1, 2)).real
    measured = np.asarray(jax.vmap(ncv.Correlator())(configs))
    pulls = (measured.mean(0) - np.asarray(ncv.free_correlator(shape, m2))) / measured.std(0) * n**0.5
    assert abs(pulls).max() < 4


@pytest.mark.parametrize("m2, lam, exact", [
    (0.1, 0.5, [0.90388176, 0.54053900, 0.33862800, 0.23744292, 0.20676321]),
    (0.1, 24.0, [0.24931841, 0.05889837, 0.01395367, 0.00346922, 0.00155236])])  # fmt: skip
def test_transfer_matrix_numbers(m2, lam, exact):
    np.testing.assert_allclose(ncv.chain_correlator(8, m2, lam), exact, rtol=0, atol=5e-9)


@pytest.mark.parametrize("extent, m2", [(2, 0.3), (5, 0.1), (20, 0.5)])
def test_transfer_matrix_of_the_free_chain(extent, m2):
    exact = ncv.free_correlator((extent,), m2)
    np.testing.assert_allclose(ncv.chain_correlator(extent, m2, 0.0), exact, rtol=1e-9)


@pytest.mark.parametrize("extent, m2", [(2, 1e-3), (8, 1e-2), (6, 1e-1)])
def test_the_chain_is_continuous_at_zero_coupling(extent, m2):
    "A weak coupling spreads the field as widely as none at all does: the grid has to follow."
    exact = ncv.free_correlator((extent,), m2)
    np.testing.assert_allclose(ncv.chain_correlator(extent, m2, 0.0), exact, rtol=1e-9)
    np.testing.assert_allclose(ncv.chain_correlator(extent, m2, 1e-9), exact, rtol=1e-3)


@pytest.mark.parametrize("m2, lam", [(0.01, 0.001), (-1.0, 0.01), (-0.2, 0.01), (0.1, 0.5), (0.1, 24.0)])
def test_a_finer_grid_changes_nothing(m2, lam):
    fine = ncv.chain_correlator(8, m2, lam, points=1200)
    np.testing.assert_allclose(ncv.chain_correlator(8, m2, lam), fine, rtol=1e-9)


def test_the_slope_of_a_long_chain_is_the_gap_of_the_transfer_matrix():
    m2 = 0.3
    correlator = ncv.chain_correlator(80, m2, 0.0)
    np.testing.assert_allclose(np.log(correlator[8] / correlator[9]), 2 * np.arcsinh(m2**0.5 / 2), rtol=1e-9)


def test_the_free_correlator_is_a_hyperbolic_cosine():
    energy = 2 * np.arcsinh(0.1**0.5 / 2)
    formula = np.cosh(energy * (10 - np.arange(11))) / (40 * np.sinh(energy) * np.sinh(10 * energy))
    np.testing.assert_allclose(ncv.free_correlator((20, 20), 0.1), formula, rtol=1e-12)


@pytest.mark.parametrize("m2, lam", [(0.1, 0.5), (-1.0, 2.0)])
def test_transfer_matrix_of_two_sites_by_quadrature(m2, lam):
    theory = ncv.Phi4((2,), m2, lam)

    # On two sites each link counts twice, which the action and the transfer matrix agree on.
    def action(a, b):
        return (a - b) ** 2 + sum(m2 / 2 * x**2 + lam / 24 * x**4 for x in (a, b))

    np.testing.assert_allclose(theory.action(jnp.array([0.3, -1.2])), action(0.3, -1.2), rtol=1e-14)

    def mean(f):
        return dblquad(lambda a, b: f(a, b) * np.exp(-action(a, b)), -9, 9, -9, 9, epsabs=1e-9)[0]

    exact = [mean(lambda a, b: (a * a + b * b) / 2), mean(lambda a, b: a * b)]
    np.testing.assert_allclose(ncv.chain_correlator(2, m2, lam), np.array(exact) / mean(lambda a, b: 1), rtol=1e-6)

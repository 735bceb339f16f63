"""Legs and their products: exact divergence, exact values in the free theory, mean zero, and clear refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import field, with_jacobian
from ncv_lab.fields.legs import distances
from ncv_lab.utils.batching import map_cores

LATTICES = [((8,), None), ((6, 2), None), ((4, 4), (1,)), ((4, 2, 3), None), ((4, 2, 3), (0, 1))]


def parts(shape):
    "A gated and a gradient part."
    near = ncv.Smearing(shape, (ncv.Shell(0), ncv.Shell(1)))
    far = ncv.Smearing(shape, (0.0, 0.5))
    gates = ncv.Polynomials(2, (0, 2), jnp.array([3.0, 3.0]))
    potentials = ncv.Polynomials(2, (1, 3), jnp.array([3.0, 2.0]))
    return ncv.GatedLegs(near, gates), ncv.GradientLegs(far, potentials)


def legs(shape, momentum=None):
    "Legs in which every weight counts."
    unsolved = ncv.Legs(parts(shape), momentum=momentum)
    return unsolved.with_weights(field((shape[0] // 2 + 1, unsolved.n_functions)))


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "momentum"), LATTICES, ids=str)
def test_divergence_and_f_are_those_of_the_dense_jacobian(shape, momentum):
    theory = ncv.Phi4(shape, 0.1, 2.0)
    times = tuple(range(shape[0] // 2 + 1))
    products = ncv.LegProducts(legs(shape, momentum), times, theory)
    one = ncv.LegProducts(legs(shape, momentum), 2, theory)

    @jax.jit
    def evaluate(phi):
        dS = theory.gradient(phi)
        return *with_jacobian(products, phi), products.f(phi, dS), *one(phi), one.f(phi, dS)

    phi = field(shape, 1)
    g, div, jacobian, f, g_one, div_one, f_one = (np.asarray(part) for part in evaluate(phi))
    dense = np.trace(jacobian.reshape(len(times), phi.size, phi.size), axis1=1, axis2=2)
    np.testing.assert_allclose(div, dense, rtol=1e-10, atol=1e-10 * abs(dense).max())
    minus_f = g.reshape(len(times), -1) @ np.asarray(theory.gradient(phi)).reshape(-1) - div
    np.testing.assert_allclose(f, -minus_f, rtol=1e-10, atol=1e-10 * abs(div).max())
    np.testing.assert_allclose(g_one, g[2], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose([div_one, f_one], [div[2], f[2]], rtol=1e-10, atol=1e-12)


def test_gradients_of_the_control_variates_of_the_legs():
    theory = ncv.Phi4((4, 4), 0.1, 2.0)
    solved = legs((4, 4), (1,))

    @jax.jit
    def evaluate(phi):
        def f(configuration):
            return solved.control_variates(configuration, theory.gradient(configuration))

        return solved.evaluate(theory, phi, theory.gradient(phi)), f(phi), jax.jacrev(f)(phi)

    values, f, jacobian = evaluate(field((4, 4), 1))
    np.testing.assert_allclose(values.f, f, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(values.grad_f, jacobian, rtol=1e-9, atol=1e-10)


def exact_legs(theory, momentum=None):
    "The linear legs whose weights are the propagator, exact in the free theory."
    site = ncv.Smearing(theory.shape, (ncv.Shell(0),))
    linear = ncv.Legs([ncv.GatedLegs(site, ncv.Polynomials(1, (0,)))], momentum=momentum)
    volume = np.prod(theory.shape[1:], dtype=float)
    propagator = ncv.free_correlator(theory.shape, float(theory.m2), momentum=momentum) * volume
    return linear.with_weights(-propagator[:, None])


FREE = [((8,), None), ((6, 4), None), ((6, 4), (1,)), ((4, 3, 2), None)]


@pytest.mark.parametrize(("shape", "momentum"), FREE, ids=str)
def test_the_free_theory_is_exact(shape, momentum):
    theory = ncv.Phi4(shape, 0.3, 0.0)
    exact = ncv.free_correlator(shape, 0.3, momentum=momentum)
    times = tuple(range(len(exact)))
    products = ncv.LegProducts(exact_legs(theory, momentum), times, theory)
    configs = np.stack([field(shape, seed) for seed in range(3)])
    f = map_cores(lambda phi: products.f(phi, theory.gradient(phi)), configs)
    left = ncv.measure(ncv.Correlator(momentum=momentum), configs, shape) - f
    np.testing.assert_allclose(left, np.tile(exact, (3, 1)), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("lam", [0.5, 24.0])
def test_the_mean_is_zero_for_any_weights(lam):
    theory = ncv.Phi4((6, 2), 0.3, lam)
    configs = ncv.sample(theory, 20_000, jax.random.key(3), n_chains=100, progress=False).flat
    solved = exact_legs(theory)
    products = ncv.LegProducts(solved, (0, 1, 2, 3), theory)
    f = map_cores(lambda phi: products.f(phi, theory.gradient(phi)), configs)
    blocks = f.reshape(100, -1, 4).mean(axis=1)
    error = blocks.std(axis=0, ddof=1) / 10
    assert (abs(f.mean(axis=0)) < 4 * error).all(), f.mean(axis=0) / error


def test_distances_are_periodic():
    assert distances(5)[0].tolist() == [0, 1, 2, 2, 1]
    assert (distances(6) == distances(6).T).all()


def test_factors_multiply_the_field():
    theory = ncv.Phi4((6, 2), 0.1, 2.0)
    phi = field((6, 2), 1)
    whole = ncv.LegProducts(legs((6, 2)), (0, 1), theory)
    half = ncv.LegProducts(legs((6, 2)), (0, 1), theory, np.array([0.5, 0.0]))
    dS = theory.gradient(phi)
    f_half, f_whole = jax.jit(lambda: (half.f(phi, dS), whole.f(phi, dS)))()
    np.testing.assert_allclose(f_half, np.array([0.5, 0.0]) * f_whole)


def test_what_is_missing_or_does_not_fit_is_named():
    with pytest.raises(ValueError, match="one or more parts on one lattice"):
        ncv.Legs([])
    with pytest.raises(ValueError, match="one lattice"):
        ncv.Legs([*parts((6, 2)), *parts((8,))])
    with pytest.raises(ValueError, match=r"weights of shape \(4, 10\), got \(3, 3\)"):
        ncv.Legs(parts((6, 2)), weights=jnp.ones((3, 3)))
    with pytest.raises(ValueError, match="must be even"):
        ncv.GatedLegs(parts((6, 2))[0].smearing, ncv.Polynomials(2, (1,)))
    with pytest.raises(ValueError, match="no weights yet"):
        ncv.LegProducts(ncv.Legs(parts((6, 2))), 0, ncv.Phi4((6, 2), 0.1, 2.0))(field((6, 2)))
    with pytest.raises(ValueError, match="no theory yet"):
        ncv.LegProducts(legs((6, 2)), 0)(field((6, 2)))
    with pytest.raises(ValueError, match=r"factors of shape \(2,\), got \(3,\)"):
        ncv.LegProducts(legs((6, 2)), (0, 1), factors=np.ones(3))

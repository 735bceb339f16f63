"""Schwinger-Dyson fields: exact divergences, symmetry, and weights over time offsets restricted to exponentials."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import field as random_field
from helpers import with_jacobian
from ncv_lab.fields.local_functions import EvenNet, OddNet
from ncv_lab.fields.schwinger_dyson import along_tau, even_products
from ncv_lab.fitting.least_squares import exponentials

LATTICES = [(7,), (6, 4), (5, 4, 3)]


def families(shape):
    smearing = ncv.Smearing(shape, [ncv.Shell(0), ncv.Shell(1), ncv.Gaussian(0.4)])
    bounded = {degrees: ncv.Polynomials(3, degrees, jnp.array([0.5, 1.0, 2.0])) for degrees in [(0, 2), (1, 3), (2, 4)]}
    yield ncv.Gated(smearing, bounded[0, 2], ncv.Powers((1, 3)))
    yield ncv.Gradient(smearing, bounded[1, 3])
    yield ncv.Contact(smearing, bounded[2, 4])
    yield ncv.Magnetic(smearing, bounded[0, 2], ncv.TanhSteps([0.1, 0.5]))
    yield ncv.Direct(shape, (1, 3), symmetric=False)
    yield ncv.Direct(shape, (3,), symmetric="time")
    yield ncv.TwoPoint(smearing, bounded[0, 2], symmetric=len(shape) > 1)
    yield ncv.Gated(smearing, EvenNet(3, 4, 1, 3, key=jax.random.key(5)))
    yield ncv.Gradient(smearing, OddNet(3, 4, 2, 3, key=jax.random.key(6)))
    if len(shape) > 1:
        momentum = (1,) * (len(shape) - 1)
        yield ncv.Gated(smearing, bounded[0, 2], momentum=momentum)
        yield ncv.Gradient(smearing, bounded[1, 3], momentum=momentum)


CASES = [(shape, index) for shape in LATTICES for index in range(9 + 2 * (len(shape) > 1))]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def weighted(request):
    shape, index = request.param
    field = list(families(shape))[index]
    return field.with_weights(random_field((field.n_features,), index))


def test_divergence_symmetry_and_features(weighted):
    phi, dS = np.asarray(random_field((2, *weighted.shape)))

    @jax.jit
    def everything(phi, dS):
        "g, div g, the Jacobian of g, and f from the features."
        return *with_jacobian(weighted, phi), weighted.features(phi, dS) @ weighted.weights

    g, div, jacobian, f = map(np.asarray, everything(phi, dS))
    jacobian = jacobian.reshape(phi.size, phi.size)
    scale = abs(np.diag(jacobian)).sum()
    np.testing.assert_allclose(div, np.trace(jacobian), atol=1e-10 * scale)
    np.testing.assert_allclose(div - np.vdot(g, dS), f, atol=1e-10 * scale)
    np.testing.assert_allclose(everything(-phi, dS)[0], -g, atol=1e-11 * scale)
    move = (1,) * phi.ndim
    axes = tuple(range(phi.ndim))
    moved = everything(np.roll(phi, move, axes), dS)[0]
    np.testing.assert_allclose(moved, np.roll(g, move, axes), atol=1e-11 * scale)


def test_gradient_fields_are_gradients():
    shape = (4, 3)
    smearing = ncv.Smearing(shape, [ncv.Shell(0), ncv.Gaussian(0.5)])
    field = ncv.Gradient(smearing, ncv.Polynomials(2, (1, 3)))
    field = field.with_weights(random_field((18,), 1))
    phi = random_field(shape)
    jacobian = jax.jit(jax.jacfwd(lambda phi: field(phi)[0]))(phi).reshape(12, 12)
    np.testing.assert_allclose(jacobian, jacobian.T, atol=1e-11)


@pytest.mark.slow
def test_means_vanish_in_the_interacting_theory():
    theory = ncv.Phi4((6, 4), 0.3, 6.0)
    ensemble = ncv.sample(theory, 2000, jax.random.key(3), progress=False)
    for field in families(theory.shape):
        f = jax.jit(jax.vmap(lambda phi, field=field: field.features(phi, theory.gradient(phi))))
        features = f(jnp.asarray(ensemble.flat))
        features = np.asarray(features).reshape(ensemble.n_chains, ensemble.n_draws, -1).mean(axis=1)
        z = features.mean(axis=0) / (features.std(axis=0, ddof=1) / len(features) ** 0.5)
        assert abs(z).max() < 5.5, type(field).__name__  # the largest of up to 100 numbers with 19 degrees of freedom


def test_even_products_are_what_they_say():
    near, far = (random_field((1, 5, 2), k) for k in (0, 1))
    found = even_products(near, far)
    for tau in range(3):
        for m in range(2):
            for k in range(2):
                both = (jnp.roll(far[0, :, k], -tau) + jnp.roll(far[0, :, k], tau)) / 2
                np.testing.assert_allclose(found[tau, m, k], near[0, :, m] @ both, atol=1e-12)


@pytest.mark.parametrize("extent", [5, 8])
def test_a_full_basis_of_exponentials_loses_nothing(extent):
    masses = (*(0.3 * 2**n for n in range(8)), np.inf)
    basis = np.concatenate([exponentials(extent, t, (np.inf,)) for t in range(extent // 2 + 1)], axis=1)
    np.testing.assert_allclose(basis @ basis.T, np.eye(extent // 2 + 1), atol=1e-12)
    few = exponentials(extent, 1, masses)
    np.testing.assert_allclose(few.T @ few, np.eye(few.shape[1]), atol=1e-12)
    assert along_tau(few, extent, 3).shape == ((extent // 2 + 1) * 3, few.shape[1] * 3)


def test_the_free_answer_is_within_the_exponentials():
    theory = ncv.Phi4((12, 6), 0.2, 0.0)
    train, rest = ncv.sample(theory, 600, jax.random.key(0), progress=False).split(300)
    smearing = ncv.Smearing(theory.shape, [ncv.Shell(0), ncv.Shell(1)])
    field = ncv.Gated(smearing, ncv.Polynomials(2, (0, 2)))
    method = ncv.LeastSquares(decay_rates=(0.2, 1.0))
    fit = ncv.fit(field, theory, ncv.Correlator(), train, method=method, progress=False)
    values = ncv.measure(ncv.Correlator(), rest.flat, theory.shape)
    assert ncv.sigma_ratio(values, values - fit.controls(rest)).min() > 1e4


def test_two_point_functions_off_the_axis():
    "phi_x phi_{x + r} at r = (2, 1): the slices of a Gated field cannot see it, the offsets of a TwoPoint field can."
    theory = ncv.Phi4((8, 8), 0.3, 2.0)
    train, rest = ncv.sample(theory, 3000, jax.random.key(0), progress=False).split(1000)
    observable = ncv.as_observable(lambda phi: (phi * jnp.roll(phi, (-2, -1), (0, 1))).mean(), name="off axis")
    smearing = ncv.Smearing(theory.shape, [ncv.Shell(0), ncv.Shell(1)])
    values, gates = ncv.measure(observable, rest.flat, theory.shape), ncv.Polynomials(2, (0, 2))
    # The observable is not even in each axis, so neither are the weights.
    fields = ncv.Gated(smearing, gates), ncv.TwoPoint(smearing, gates, symmetric=False)
    fits = [ncv.fit(field, theory, observable, train, progress=False) for field in fields]
    slices, offsets = (float(ncv.sigma_ratio(values, values - fit.controls(rest))) for fit in fits)
    assert offsets > 5 > 2 > slices

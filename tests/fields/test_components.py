"""Fields and legs for several components at a site, and for actions that are not even."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import field, with_jacobian
from ncv_lab.fields.local_functions import InvariantPolynomials, jet
from ncv_lab.fields.schwinger_dyson import Direct, Magnetic, OnePoint, TanhSteps, TwoPoint

LATTICE, N = (4, 3), 2
O2 = ncv.ON(LATTICE, N, 0.1, 6.0)
SMEARING = ncv.Smearing(LATTICE, [ncv.Shell(0), 0.4], (N,))
BOUNDS = np.array([1.0, 0.8])


def polynomials(*degrees):
    return InvariantPolynomials(2, N, degrees, BOUNDS)


FIELDS = {
    "Gated": ncv.Gated(SMEARING, polynomials(0, 2)),
    "Gradient": ncv.Gradient(SMEARING, polynomials(1, 3)),
    "Contact": ncv.Contact(SMEARING, polynomials(2, 4)),
    "Direct": Direct(LATTICE, (1, 3), event_shape=(N,)),
    "TwoPoint": TwoPoint(SMEARING, polynomials(0, 2)),
    "Magnetic": Magnetic(SMEARING, polynomials(0, 2), TanhSteps([1.0, 2.0])),
}


def turn(phi, angle=0.7):
    "All components turned by one angle."
    c, s = np.cos(angle), np.sin(angle)
    return phi @ np.array([[c, s], [-s, c]])


@pytest.mark.slow
@pytest.mark.parametrize("name", FIELDS)
def test_the_divergence_of_fields_with_components(name):
    unsolved, phi = FIELDS[name], field(O2.shape)
    solved = unsolved.with_weights(field((unsolved.n_features,), 1))

    @jax.jit
    def evaluate(phi):
        return *with_jacobian(solved, phi), solved.f(phi, O2.gradient(phi))

    g, div, jacobian, f = evaluate(phi)
    dense = np.trace(jacobian.reshape(phi.size, phi.size))
    np.testing.assert_allclose(div, dense, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(f, div - (g * O2.gradient(phi)).sum(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "Magnetic"])
def test_features_do_not_change_when_the_components_are_turned(name):
    "tanh(M) of one component does not turn with the others, so Magnetic is the exception."
    features = jax.jit(lambda phi: FIELDS[name].features(phi, O2.gradient(phi)))
    phi = field(O2.shape)
    np.testing.assert_allclose(features(turn(phi)), features(phi), rtol=1e-9, atol=1e-10)


@pytest.mark.slow
def test_one_component_has_the_features_of_a_scalar_field():
    scalar, one = ncv.Phi4(LATTICE, 0.1, 6.0), ncv.ON(LATTICE, 1, 0.1, 6.0)
    phi = field(LATTICE)
    here, there = Direct(LATTICE, (1, 3)), Direct(LATTICE, (1, 3), event_shape=(1,))
    kernels = [ncv.Shell(0)]
    of_scalar = ncv.Gated(ncv.Smearing(LATTICE, kernels), ncv.Polynomials(1, (0, 2, 4)))
    of_one = ncv.Gated(ncv.Smearing(LATTICE, kernels, (1,)), InvariantPolynomials(1, 1, (0, 2, 4)))

    @jax.jit
    def features(phi):
        of_field = [every.features(phi, scalar.gradient(phi)) for every in (here, of_scalar)]
        component = phi[..., None]
        return of_field, [every.features(component, one.gradient(component)) for every in (there, of_one)]

    (direct, gated), (direct_of_one, gated_of_one) = features(phi)
    np.testing.assert_allclose(direct_of_one, direct, rtol=1e-12)
    np.testing.assert_allclose(gated_of_one, gated, rtol=1e-10)


def legs():
    unsolved = ncv.Legs(
        [ncv.GatedLegs(SMEARING, polynomials(0, 2)), ncv.GradientLegs(SMEARING, polynomials(1, 3))], momentum=(1,)
    )
    return unsolved.with_weights(field((LATTICE[0] // 2 + 1, unsolved.n_functions), 2))


@pytest.mark.slow
def test_products_of_legs_with_components():
    products = ncv.LegProducts(legs(), (0, 1, 2), O2)
    phi = field(O2.shape)

    @jax.jit
    def evaluate(phi):
        dS = O2.gradient(phi)
        of_f = jax.jacrev(lambda other: products.legs.control_variates(other, O2.gradient(other)))(phi)
        values = products.legs.evaluate(O2, phi, dS)
        return *with_jacobian(products, phi), products.f(phi, dS), of_f, values

    g, div, jacobian, f, of_f, values = evaluate(phi)
    dense = np.trace(jacobian.reshape(3, phi.size, phi.size), axis1=1, axis2=2)
    np.testing.assert_allclose(div, dense, rtol=1e-10, atol=1e-10 * abs(dense).max())
    np.testing.assert_allclose(f, div - (g * O2.gradient(phi)[None]).sum(axis=(1, 2, 3)), rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(values.grad_f, of_f, rtol=1e-9, atol=1e-10)
    assert values.s.shape == (2 * N, LATTICE[0])


def test_free_components_have_exact_legs():
    "The weights are the propagator, and O - f is the exact correlator on every configuration."
    free = ncv.ON((6, 2), 3, 0.5, 0.0)
    site = ncv.Smearing((6, 2), (ncv.Shell(0),), (3,))
    exact = ncv.free_correlator((6, 2), 0.5)
    linear = ncv.Legs([ncv.GatedLegs(site, InvariantPolynomials(1, 3, (0,)))])
    linear = linear.with_weights(-2 * jnp.asarray(exact)[:, None])
    exact_control = ncv.ControlVariate(ncv.LegProducts(linear, range(4)), free)
    control = jax.jit(lambda phi: exact_control(phi))
    for seed in range(3):
        phi = field(free.shape, seed)
        values = ncv.measure(ncv.Correlator(), phi[None], free)[0]
        np.testing.assert_allclose(values - control(phi), exact, rtol=1e-9, atol=1e-11)


def test_invariant_polynomials_match_automatic_differentiation():
    local = InvariantPolynomials(2, 3, (1, 2, 3, 5), BOUNDS)
    smeared, drift = field((5, 6)), field((5, 6), 1)
    overlaps = np.kron(np.array([[1.0, 0.3], [0.3, 0.5]]), np.eye(3))
    automatic = jax.jit(lambda: jet(lambda fields: local(fields), smeared, drift, overlaps))()
    for here, there in zip(jax.jit(lambda: local.jet(smeared, drift, overlaps))(), automatic, strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-10, atol=1e-11)


def test_one_point_fields_are_the_near_legs():
    theory, phi = ncv.Scalar(LATTICE, (0.0, -0.5, 0.2, 0.0, 0.3)), field(LATTICE)
    smearing = ncv.Smearing(LATTICE, [ncv.Shell(0), ncv.Shell(1)])
    one = OnePoint(smearing, ncv.Polynomials(2, (0, 1, 2)))
    solved = one.with_weights(field((one.n_features,), 1))
    g, div, jacobian = jax.jit(lambda phi: with_jacobian(solved, phi))(phi)
    np.testing.assert_allclose(div, np.trace(jacobian.reshape(phi.size, phi.size)), rtol=1e-10)
    np.testing.assert_allclose(solved.f(phi, theory.gradient(phi)), div - (g * theory.gradient(phi)).sum(), rtol=1e-10)


def test_a_constant_field_is_the_sum_of_the_gradient():
    theory, phi = ncv.Scalar(LATTICE, (0.0, -0.5, 0.2, 0.0, 0.3)), field(LATTICE)
    features = Direct(LATTICE, (0,), symmetric="time").features(phi, theory.gradient(phi))
    np.testing.assert_allclose(features.sum(), -12 * theory.gradient(phi).sum(), rtol=1e-10)


WRONG = {
    "even powers": (lambda: Direct(LATTICE, (0, 1), event_shape=(2,)), r"holds 0; use odd powers"),
    "negative powers": (lambda: Direct(LATTICE, (-1,)), r"holds -1; use powers n >= 0"),
    "no kernels": (lambda: InvariantPolynomials(0, 2, (1,)), "got 0, 2"),
    "no components": (lambda: InvariantPolynomials(2, 0, (1,)), "got 2, 0"),
    "other fields": (lambda: InvariantPolynomials(2, 2, (1,))(jnp.ones((3, 6))), r"functions of 4 .* got 6"),
    "a scalar configuration": (lambda: SMEARING(jnp.ones(LATTICE)), r"components of shape \(2,\) at each site"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused(name):
    call, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        call()

"""Theories: the action and its gradient in every dimension, and theories from functions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

import ncv_lab as ncv
from helpers import field
from ncv_lab.theory.action import check_same_theory
from ncv_lab.theory.lattice import khat_squared, laplacian

SHAPES = [(2,), (8,), (6, 4), (2, 2), (4, 3, 2), (3, 2, 2, 3)]
COUPLINGS = [(0.1, 0.0), (0.1, 24.0), (-1.0, 0.5)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("m2, lam", COUPLINGS)
def test_action_term_by_term(shape, m2, lam):
    phi = field(shape)
    kinetic = sum(((np.roll(phi, -1, axis) - phi) ** 2).sum() / 2 for axis in range(len(shape)))
    direct = kinetic + (m2 / 2 * phi**2 + lam / 24 * phi**4).sum()
    np.testing.assert_allclose(ncv.Phi4(shape, m2, lam).action(phi), direct, rtol=1e-13)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("m2, lam", COUPLINGS)
def test_gradient_is_the_derivative_of_the_action(shape, m2, lam):
    theory, phi = ncv.Phi4(shape, m2, lam), field(shape)
    np.testing.assert_allclose(theory.gradient(phi), jax.grad(theory.action)(phi), rtol=0, atol=1e-12)
    ncv.check_theory(theory, tolerance=1e-12)


@given(st.sampled_from(SHAPES), st.integers(0, 99), st.integers(-5, 5))
def test_action_is_even_and_invariant_under_translations(shape, seed, step):
    theory, phi = ncv.Phi4(shape, 0.1, 24.0), field(shape, seed)

    def move(a):
        return jnp.asarray(np.roll(a, [step] * len(shape), range(len(shape))))

    moved = move(phi)
    np.testing.assert_allclose(theory.action(moved), theory.action(phi), rtol=1e-12)
    np.testing.assert_allclose(theory.action(-phi), theory.action(phi), rtol=1e-13)
    np.testing.assert_allclose(theory.gradient(-phi), -theory.gradient(phi), atol=1e-13)
    np.testing.assert_allclose(theory.gradient(moved), move(theory.gradient(phi)), atol=1e-12)


def test_the_free_action_is_diagonal_in_momentum_space():
    theory, phi = ncv.Phi4((6, 4), 0.3, 0.0), field((6, 4))
    modes = abs(jnp.fft.fftn(phi)) ** 2
    np.testing.assert_allclose(theory.action(phi), ((khat_squared((6, 4)) + 0.3) * modes).sum() / 48, rtol=1e-13)


@pytest.mark.parametrize("m2, lam, exact", [(0.1, 0.5, 2.0457743519), (0.1, 24.0, 0.3312965118)])
def test_single_site(m2, lam, exact):
    # A constant field on V sites has S = V s(phi); quadrature of exp(-s) knows <phi^2>.
    theory = ncv.Phi4((2,), m2, lam)
    site = jax.jit(lambda x: theory.action(jnp.full(2, x)) / 2)

    def weight(power):
        return quad(lambda x: x**power * np.exp(-float(site(x))), -12, 12, epsabs=1e-13, limit=200)[0]

    np.testing.assert_allclose(weight(2) / weight(0), exact, rtol=1e-9)


@pytest.mark.parametrize("value", [0.1, 1, np.float32(0.1), np.array(0.1), jnp.asarray(0.1)])
def test_couplings_become_float64_arrays(value):
    theory = ncv.Phi4((6, 4), value, value)
    assert theory.m2.dtype == theory.lam.dtype == jnp.float64 and theory.m2.shape == ()


def test_moving_a_coupling_compiles_nothing():
    action, phi = jax.jit(lambda theory, phi: theory.action(phi)), field((6, 4))
    values = [action(ncv.Phi4((6, 4), m2, lam), phi) for m2, lam in [(0.1, 0.5), (0.2, 24.0), (3, 1)]]
    assert action._cache_size() == 1 and len({float(value) for value in values}) == 3


def test_couplings_can_be_differentiated_and_mapped():
    phi = field((6, 4))
    slope = jax.grad(lambda lam: ncv.Phi4((6, 4), 0.1, lam).action(phi))(0.5)
    np.testing.assert_allclose(slope, (phi**4).sum() / 24, rtol=1e-13)
    actions = jax.vmap(lambda m2: ncv.Phi4((6, 4), m2, 0.5).action(phi))(jnp.array([0.1, 0.2]))
    np.testing.assert_allclose(actions[1] - actions[0], 0.05 * (phi**2).sum(), rtol=1e-12)


def test_is_free():
    assert ncv.Phi4((6, 4), 0.1, 0).is_free and not ncv.Phi4((6, 4), 0.1, 1e-9).is_free


def double_well(phi):
    kinetic = sum(jnp.sum((jnp.roll(phi, 1, axis) - phi) ** 2) / 2 for axis in (0, 1))
    return jnp.sum((phi**2 - 1) ** 2) + kinetic


def test_a_function_becomes_a_theory():
    theory, phi = ncv.as_theory(double_well, (6, 4)), field((6, 4))
    assert theory.shape == (6, 4) and theory.name == "double_well"
    assert float(theory.action(phi)) == float(double_well(phi))
    np.testing.assert_array_equal(theory.gradient(phi), jax.grad(double_well)(phi))
    given_gradient = ncv.as_theory(double_well, (6, 4), gradient=jax.grad(double_well), name="well")
    np.testing.assert_array_equal(given_gradient.gradient(phi), theory.gradient(phi))
    assert given_gradient.name == "well"


def test_a_subclass_needs_an_action_only():
    class Gaussian(ncv.Theory):
        shape: tuple = (5,)

        def action(self, phi):
            return jnp.sum(phi**2) / 2

    phi = field((5,))
    np.testing.assert_allclose(Gaussian().gradient(phi), phi, rtol=1e-15)
    with pytest.raises(TypeError, match="abstract"):
        ncv.Theory()


@pytest.mark.parametrize("factor, site", [(-1.0, "(0, 0)"), (1.001, "(")])
def test_a_wrong_gradient_is_found(factor, site):
    with pytest.raises(ValueError, match="the gradient does not match the action: at site") as error:
        ncv.as_theory(double_well, (6, 4), gradient=lambda phi: factor * jax.grad(double_well)(phi))
    assert site in str(error.value)


def test_a_gradient_wrong_at_one_site_is_found_there():
    def wrong(phi):
        return jax.grad(double_well)(phi).at[3, 2].add(1e-3)

    with pytest.raises(ValueError, match=r"at site \(3, 2\)"):
        ncv.as_theory(double_well, (6, 4), gradient=wrong)


# ---- one and the same theory ----

SAMPLED = "the ensemble was sampled"


def test_the_same_theory_passes():
    check_same_theory(ncv.Phi4((6, 4), 0.1, 24), ncv.Phi4((6, 4), 0.1, 24.0), SAMPLED)
    one = ncv.as_theory(double_well, (6, 4), name="one")
    check_same_theory(one, one, SAMPLED)
    check_same_theory(one, ncv.as_theory(double_well, (6, 4), name="a label"), SAMPLED)


class Coupled(ncv.Theory):
    "A theory of a user, with a coupling for each site."

    shape: tuple
    couplings: jax.Array
    scale: float = 1.0

    def action(self, phi):
        return jnp.sum(self.couplings * phi**2) * self.scale


@pytest.mark.parametrize("one, other, message", [
    (ncv.Phi4((6, 4), 0.1, 24), ncv.Phi4((4, 6), 0.1, 24), r"has shape \(6, 4\), but .* sampled on shape \(4, 6\)"),
    (ncv.Phi4((6, 4), 0.1, 24), ncv.Phi4((6, 4), 0.2, 24),
     "has m2 = 0.1, lam = 24, but the ensemble was sampled with m2 = 0.2, lam = 24: the mean of f is 0 only"),
    (ncv.Phi4((6, 4), 0.1, 24), ncv.Phi4((6, 4), 0.1 + 1e-12, 24), "m2 = 0.100000000001, lam = 24: the mean of f"),
    (ncv.Phi4((6, 4), 0.1, 24), ncv.as_theory(double_well, (6, 4)), "class Phi4, but .* of the class FunctionTheory"),
    (ncv.as_theory(double_well, (6, 4)), ncv.as_theory(lambda phi: double_well(phi), (6, 4), name="again"),
     "'double_well' differs in action_function from the theory 'again' that .* not the same object"),
    (ncv.as_theory(double_well, (6, 4)), ncv.as_theory(double_well, (6, 4), gradient=jax.grad(double_well)),
     "differs in gradient_function"),
    (Coupled((2,), jnp.ones(2)), Coupled((2,), 2 * jnp.ones(2)), "differs in couplings from the theory that the ens"),
    (Coupled((2,), jnp.ones(2)), Coupled((2,), jnp.ones(2), 2.0), "has scale = 1, but .* with scale = 2"),
], ids=["shape", "m2", "m2 in its 12th digit", "class", "function", "gradient", "array", "number"])  # fmt: skip
def test_another_theory_is_refused(one, other, message):
    with pytest.raises(ValueError, match=message):
        check_same_theory(one, other, SAMPLED)


# ---- components at a site ----


def rotor(phi):
    "An O(N) model: (phi^2 - 1)^2 and the kinetic term, phi of shape (L0, L1, N)."
    kinetic = -jnp.sum(phi * laplacian(phi, n_axes=2)) / 2
    return kinetic + jnp.sum((jnp.sum(phi**2, axis=-1) - 1) ** 2)


def test_the_shape_of_a_configuration_is_lattice_and_event_shape():
    theory = ncv.as_theory(rotor, (6, 4), event_shape=(3,))
    assert theory.lattice_shape == (6, 4) and theory.event_shape == (3,) and theory.shape == (6, 4, 3)
    assert theory.gradient(field(theory.shape)).shape == (6, 4, 3)
    ncv.check_theory(theory)


@pytest.mark.parametrize("theory", [
    ncv.Phi4((6, 4), 0.1, 24.0), ncv.as_theory(double_well, (6, 4)), Coupled((6, 4), jnp.ones((6, 4)))])  # fmt: skip
def test_a_scalar_theory_has_no_event_axes(theory):
    assert theory.event_shape == () and theory.lattice_shape == theory.shape == (6, 4)


def test_there_is_no_phi4_of_several_components():
    with pytest.raises(TypeError, match="event_shape"):
        ncv.Phi4((6, 4), 0.1, 24.0, event_shape=(3,))


class Rotor(ncv.Theory):
    "A theory of a user with components."

    shape: tuple = (6, 4, 3)
    event_shape: tuple = (3,)

    def action(self, phi):
        return rotor(phi)


def test_a_subclass_may_have_components():
    assert Rotor().lattice_shape == (6, 4)
    ncv.check_theory(Rotor())
    with pytest.raises(ValueError, match=r"\(6, 4, 3\) of the theory does not end with its event shape \(2,\)"):
        ncv.check_theory(Rotor(event_shape=(2,)))
    with pytest.raises(ValueError, match="the lattice shape is empty"):
        ncv.check_theory(Rotor(event_shape=(6, 4, 3)))


def test_shapes_of_a_theory_with_components_are_checked():
    with pytest.raises(ValueError, match=r"expected the lattice shape \(6, 4\) and the event shape \(3,\)"):
        ncv.as_theory(rotor, (6, 4), event_shape=(3,), gradient=lambda phi: phi[0])
    with pytest.raises(ValueError, match="has extent 0"):
        ncv.as_theory(rotor, (6, 4), event_shape=(0,))


def test_a_lattice_of_three_axes_is_not_one_of_two_with_components():
    with pytest.warns(UserWarning, match=r"along axis 2 .* shape \(6, 4\) and event_shape=\(3,\)"):
        three_axes = ncv.as_theory(rotor, (6, 4, 3))
    components = ncv.as_theory(rotor, (6, 4), event_shape=(3,))
    with pytest.raises(ValueError, match=r"lattice shape \(6, 4, 3\), but .* \(6, 4\) and the event shape \(3,\)"):
        check_same_theory(three_axes, components, SAMPLED)

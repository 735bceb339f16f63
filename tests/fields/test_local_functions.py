"""Local functions: polynomials that are bounded, and what they tend to; functions that a field refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ncv_lab as ncv
from ncv_lab.fields.local_functions import EvenNet, OddNet, parity_of
from ncv_lab.fields.neural import FarNet


def test_bounded_polynomials_are_polynomials_when_small():
    plain, bounded = ncv.Polynomials(2, (1, 3)), ncv.Polynomials(2, (1, 3), jnp.array([10.0, 20.0]))
    small = 1e-3 * jax.random.normal(jax.random.key(0), (5, 2))
    np.testing.assert_allclose(bounded(small), plain(small), rtol=1e-6)


def test_bounded_polynomials_can_fall_off():
    "1 - h^2 / s^2 = 1 / (1 + (l / s)^2), and h itself is s at most."
    bounded, far = ncv.Polynomials(1, (0, 1, 2), jnp.array([2.0])), jnp.array([[0.3], [-5.0], [1e3]])
    one, h, square = bounded(far).T
    np.testing.assert_allclose(one - square / 4, 1 / (1 + far[:, 0] ** 2 / 4), rtol=1e-9)
    assert (abs(h) <= 2).all()


FAMILIES = {
    "even polynomials": (ncv.Polynomials(3, (0, 2, 4), jnp.array([0.3, 1.0, 2.0])), (3,), (2, 2)),
    "odd polynomials": (ncv.Polynomials(3, (1, 3), jnp.array([0.3, 1.0, 2.0])), (3,), (2, 2)),
    "mixed polynomials": (ncv.Polynomials(3, (1, 2)), (3,), (2, 2)),
    "OddNet": (OddNet(3, 4, 2, 3, key=jax.random.key(0)), (3,), (2, 2)),
    "EvenNet": (EvenNet(3, 4, 2, 3, key=jax.random.key(0)), (3,), (2, 2)),
    "Powers": (ncv.Powers((1, 3)), (), (2, 2)),
    "FarNet": (FarNet(4, 2, key=jax.random.key(0)), (), (2, 2)),
    "TanhSteps": (ncv.TanhSteps([0.1, 0.5]), (), ()),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_declared_parity_is_the_one_that_is_found(name):
    family, inputs, lead = FAMILIES[name]
    assert family.parity == parity_of(lambda points: family(points), *inputs, lead=lead)


def test_a_field_is_made_within_jit_where_the_parity_is_not_known():
    smearing = ncv.Smearing((6, 4), [ncv.Shell(0), ncv.Shell(1)])

    @jax.jit
    def features(slope, phi):
        field = ncv.Gradient(smearing, lambda smeared: jnp.tanh(slope * smeared))
        return field.features(phi, phi)

    phi = jax.random.normal(jax.random.key(0), (6, 4))
    expected = ncv.Gradient(smearing, lambda smeared: jnp.tanh(0.3 * smeared)).features(phi, phi)
    np.testing.assert_allclose(features(0.3, phi), expected)


class TwoDeclared:
    n_functions = 2

    def __call__(self, smeared):
        return jnp.tanh(smeared)


def raises(*_):
    raise IndexError("no such axis")


WRONG = {
    "class": (ncv.Polynomials, TypeError, r"are the class Polynomials; give an instance of it, Polynomials\(...\)"),
    "fields": (ncv.Polynomials(3, (1,)), ValueError, r"\(..., 2\) into \(..., M\).* of 3 smeared fields, got 2"),
    "network": (OddNet(3, 4, 1, 3, key=jax.random.key(0)), ValueError, "raise TypeError: dot_general"),
    "error": (raises, ValueError, "raise IndexError: no such axis"),
    "sites only": (lambda smeared: smeared[..., 0], ValueError, r"give one of shape \(2, 2\)"),
    "tuple": (lambda smeared: (smeared, smeared), ValueError, "give a tuple"),
    "other count": (lambda smeared: smeared[..., :0], ValueError, r"shape \(2, 2, 0\)"),
    "even": (ncv.Polynomials(2, (0, 2)), ValueError, "must be odd, but they are even"),
    "an even function": (lambda smeared: jnp.cos(smeared), ValueError, "must be odd, but they are even"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_functions_are_refused_when_a_field_is_made(name):
    functions, error, message = WRONG[name]
    smearing = ncv.Smearing((6, 4), [ncv.Shell(0), ncv.Shell(1)])
    with pytest.raises(error, match=message):
        ncv.Gradient(smearing, functions)


@pytest.mark.parametrize("functions", [ncv.Polynomials(2, (1, 2)), lambda smeared: smeared + 1e-3])
def test_functions_of_both_parities_are_for_actions_that_are_not_even(functions):
    smearing = ncv.Smearing((6, 4), [ncv.Shell(0), ncv.Shell(1)])
    assert ncv.Gradient(smearing, functions).n_features > 0


def test_the_number_of_functions_that_is_declared_is_compared():
    smearing = ncv.Smearing((6, 4), [ncv.Shell(0), ncv.Shell(1), ncv.Shell(2)])
    with pytest.raises(ValueError, match="declare n_functions = 2, but they are 3"):
        ncv.Gradient(smearing, TwoDeclared())


def test_every_field_names_what_it_needs():
    smearing = ncv.Smearing((6, 4), [ncv.Shell(0), ncv.Shell(1)])
    even, odd, steps = ncv.Polynomials(2, (0, 2)), ncv.Polynomials(2, (1, 3)), ncv.TanhSteps([1.0])
    calls = {
        "the local functions of Gated must be even": lambda: ncv.Gated(smearing, odd),
        "the far legs of Gated must be odd": lambda: ncv.Gated(smearing, even, lambda phi: phi[..., None] ** 2),
        "the local functions of Gradient must be odd": lambda: ncv.Gradient(smearing, even),
        "the local functions of Contact must be even": lambda: ncv.Contact(smearing, odd),
        "the local functions of Magnetic must be even": lambda: ncv.Magnetic(smearing, odd, steps),
        "the functions of M in Magnetic must be odd": lambda: ncv.Magnetic(smearing, even, lambda M: M[None] ** 2),
        "the local functions of TwoPoint must be even": lambda: ncv.TwoPoint(smearing, odd),
    }
    for message, call in calls.items():
        with pytest.raises(ValueError, match=message):
            call()

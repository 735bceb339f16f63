"""O(N) models and scalar fields in any potential."""

import jax
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import field
from ncv_lab.theory.action import check_same_theory
from ncv_lab.utils.files import pack, unpack

THEORIES = {
    "O(1)": ncv.ON((4, 3), 1, 0.1, 24.0),
    "O(3)": ncv.ON((4, 2, 3), 3, -0.5, 6.0),
    "field": ncv.Scalar((4, 3), (0.0, -0.5, -1.0, 0.0, 0.5)),
    "oscillator": ncv.Scalar((6,), (0.0, 0.0, 0.0, 0.0, 0.1), kinetic=5.0),
}


@pytest.mark.parametrize("name", THEORIES)
def test_gradients_are_those_of_the_actions(name):
    ncv.check_theory(THEORIES[name], tolerance=1e-12)


def test_the_action_of_components_is_that_of_their_lengths():
    theory, phi = THEORIES["O(3)"], field((4, 2, 3, 3))
    kinetic = sum(((np.roll(phi, -1, axis) - phi) ** 2).sum() / 2 for axis in range(3))
    length = (phi**2).sum(-1)
    direct = kinetic + (-0.5 / 2 * length + 6.0 / 24 * length**2).sum()
    np.testing.assert_allclose(theory.action(phi), direct, rtol=1e-13)
    assert theory.n == 3 and theory.lattice_shape == (4, 2, 3) and theory.event_shape == (3,)


def test_one_component_is_phi4():
    phi = field((4, 3))
    gradient = THEORIES["O(1)"].gradient(phi[..., None])[..., 0]
    np.testing.assert_allclose(gradient, ncv.Phi4((4, 3), 0.1, 24.0).gradient(phi))


def test_which_actions_are_even():
    even = {name: theory.is_even for name, theory in THEORIES.items()}
    assert even == {"O(1)": True, "O(3)": True, "field": False, "oscillator": True}
    assert ncv.as_theory(lambda phi: (phi**4).sum(), (4,)).is_even
    assert not ncv.as_theory(lambda phi: (phi**4 + phi**3).sum(), (4,)).is_even


@pytest.mark.parametrize("name", THEORIES)
def test_theories_are_saved_and_compared(name):
    theory = THEORIES[name]
    again = unpack(*pack(theory))
    check_same_theory(theory, again, "the ensemble was sampled")
    assert repr(again) == repr(theory)
    with pytest.raises(ValueError, match=r"the theory (has|lives|differs|is of)"):
        check_same_theory(theory, ncv.Scalar((4, 3), (0.0, 0.0, 1.0)), "the ensemble was sampled")


WRONG = {
    "no components": (lambda: ncv.ON((4, 4), 0, 0.1, 1.0), ValueError, "n = 0 components"),
    "true components": (lambda: ncv.ON((4, 4), True, 0.1, 1.0), TypeError, "an integer, got True"),
    "no minimum": (lambda: ncv.ON((4, 4), 2, 0.1, -1.0), ValueError, "lam = -1 is negative"),
    "odd": (lambda: ncv.Scalar((4,), (0.0, 0.0, 1.0, 0.3)), ValueError, r"ends with 0.3 phi\^3"),
    "falling": (lambda: ncv.Scalar((4,), (0.0, 0.0, 1.0, 0.0, -0.3)), ValueError, r"ends with -0.3 phi\^4"),
    "constant": (lambda: ncv.Scalar((4,), (2.0,)), ValueError, r"ends with 2 phi\^0"),
    "empty": (lambda: ncv.Scalar((4,), ()), ValueError, "the potential is empty"),
    "not finite": (lambda: ncv.Scalar((4,), (0.0, 0.0, np.nan)), ValueError, r"potential\[2\] = nan is not finite"),
    "kinetic": (lambda: ncv.Scalar((4,), (0.0, 0.0, 1.0), kinetic=0.0), ValueError, "kinetic = 0 must be positive"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_theory_is_refused(name):
    call, error, message = WRONG[name]
    with pytest.raises(error, match=message):
        call()


def test_moments_of_components():
    theory, configs = THEORIES["O(3)"], field((5, 4, 2, 3, 3))
    mean = configs.mean((1, 2, 3))
    np.testing.assert_allclose(ncv.measure(ncv.MeanSquare(), configs, theory), (configs**2).sum((1, 2, 3, 4)) / 24)
    np.testing.assert_allclose(ncv.measure(ncv.Magnetisation(), configs, theory), mean)
    np.testing.assert_allclose(ncv.measure(ncv.AbsMagnetisation(), configs, theory), np.linalg.norm(mean, axis=1))
    np.testing.assert_allclose(ncv.measure(ncv.Susceptibility(), configs, theory), 24 * (mean**2).sum(1))
    each = [ncv.measure(ncv.Correlator(momentum=(1, 0)), configs[..., a], (4, 2, 3)) for a in range(3)]
    np.testing.assert_allclose(ncv.measure(ncv.Correlator(momentum=(1, 0)), configs, theory), np.mean(each, axis=0))


def test_the_energy_of_the_anharmonic_oscillator():
    """E0 of H = p^2 + x^4 is 3 <x^4> by the virial theorem: 1.0603620905 in the continuum.

    On a time lattice the transfer matrix exp(-a V/2) exp(-a p^2) exp(-a V/2) has errors of order a^2.
    """
    energies = []
    for spacing in (0.1, 0.05, 0.025):
        theory = ncv.Scalar((2,), (0.0, 0.0, 0.0, 0.0, spacing), kinetic=1 / (2 * spacing))
        grid = np.linspace(-4, 4, 400)
        bond = np.exp(-float(theory.kinetic) / 2 * (grid[:, None] - grid[None, :]) ** 2)
        weight = np.exp(-np.polynomial.polynomial.polyval(grid, np.asarray(theory.potential)) / 2)
        ground = np.linalg.eigh(weight[:, None] * bond * weight[None, :])[1][:, -1]
        energies.append(3 * (ground**2 * grid**4).sum())
    second_order = [(4 * energies[1] - energies[0]) / 3, (4 * energies[2] - energies[1]) / 3]
    continuum = (16 * second_order[1] - second_order[0]) / 15
    np.testing.assert_allclose(continuum, 1.0603620905, atol=1e-5)


def test_gradients_are_compiled_once_for_all_couplings():
    gradient = jax.jit(lambda theory, phi: theory.gradient(phi))
    phi = field((4, 3, 2))
    for lam in (1.0, 2.0, 3.0):
        gradient(ncv.ON((4, 3), 2, 0.1, lam), phi)
    assert gradient._cache_size() == 1

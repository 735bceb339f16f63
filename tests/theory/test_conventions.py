"""Other conventions of the action: the same theory up to a constant, published masses, and what is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import QUICK
from ncv_lab.theory.conventions import from_kappa, from_no_halves, from_plain, from_quarter, to_kappa


def kinetic(psi):
    return sum(((np.roll(psi, -1, axis) - psi) ** 2).sum() for axis in range(psi.ndim))


def hopping(psi):
    return sum((np.roll(psi, -1, axis) * psi).sum() for axis in range(psi.ndim))


ACTIONS = {
    "quarter": (lambda psi: kinetic(psi) / 2 + (-0.7 * psi**2 / 2 + 1.5 * psi**4 / 4).sum(), from_quarter(-0.7, 1.5)),
    "plain": (lambda psi: kinetic(psi) / 2 + (-0.7 * psi**2 / 2 + 1.5 * psi**4).sum(), from_plain(-0.7, 1.5)),
    "no halves": (lambda psi: kinetic(psi) + (-0.7 * psi**2 + 1.5 * psi**4).sum(), from_no_halves(-0.7, 1.5)),
    "kappa": (
        lambda psi: -2 * 0.25 * hopping(psi) + (psi**2 + 1.1 * (psi**2 - 1) ** 2).sum(),
        from_kappa(0.25, 1.1, d=2),
    ),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_the_actions_differ_by_a_constant(name):
    theirs, ours = ACTIONS[name]
    action = eqx.filter_jit(ours.theory((4, 5)).action)
    configurations = np.random.default_rng(1).normal(size=(5, 4, 5))
    difference = [float(action(jnp.asarray(ours.scale * psi))) - theirs(psi) for psi in configurations]
    np.testing.assert_allclose(difference, difference[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_kappa_and_back(d):
    for kappa, lam in ((0.1, 0.0), (0.25, 1.1), (0.4, 10.0)):
        m2, ours, scale = from_kappa(kappa, lam, d)
        np.testing.assert_allclose(to_kappa(m2, ours, d), (kappa, lam), rtol=1e-12, atol=1e-15)
        assert scale == pytest.approx((2 * kappa) ** 0.5)


PUBLISHED = [(6, 6.975, 3.96, 0.03), pytest.param(8, 6.008, 3.97, 0.05, marks=pytest.mark.long)]


@pytest.mark.slow
@pytest.mark.parametrize(("extent", "lam", "published", "error"), PUBLISHED)
def test_published_masses(extent, lam, published, error):
    """m_p L of the ensembles E1 and E2, Table I of Albergo, Kanwar and Shanahan, arXiv:1904.12072."""
    theory = from_no_halves(-4.0, lam).theory((extent, extent))
    ensemble = ncv.sample(theory, 1000, jax.random.key(0), progress=False)
    best = ncv.estimate(theory, ncv.Correlator(), ensemble, QUICK, progress=False)
    mass = ncv.fit_mass(best, 0, extent // 2)
    assert abs(extent * mass.m - published) < 3.5 * np.hypot(error, extent * mass.m_error)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"kappa = 0\.0 and d = 2"):
        from_kappa(0.0, 1.0, 2)
    with pytest.raises(ValueError, match="lam = -6 is negative"):
        from_no_halves(0.1, -1.0).theory((4, 4))

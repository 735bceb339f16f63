"""The motion of HMC: reversible, volume preserving, of the right energy, with errors of second order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncv_lab.sampling.integrators import FourierMasses, UnitMasses, filter_modes, trajectory
from ncv_lab.theory.action import Phi4, as_theory
from ncv_lab.theory.lattice import khat_squared, laplacian

WEAK, STRONG = Phi4((6, 4), 0.1, 0.5), Phi4((6, 4), 0.1, 24.0)
KINDS = pytest.mark.parametrize("kind", [UnitMasses, FourierMasses])


def phase_space(kind, theory, seed=0):
    noise = jax.random.normal(jax.random.key(seed), (2, *theory.shape))
    motion = kind(theory, jnp.asarray(0.5))
    return motion, 0.5 * noise[0], motion.velocity(noise[1])


@KINDS
@pytest.mark.parametrize("theory", [Phi4((8,), 0.1, 24.0), WEAK, Phi4((4, 3, 2), 0.1, 24.0)], ids=["d=1", "d=2", "d=3"])
def test_a_trajectory_runs_back(kind, theory):
    motion, phi, v = phase_space(kind, theory)
    end, w = trajectory(motion, phi, v, 1.0, 5)
    back, u = trajectory(motion, end, -w, 1.0, 5)
    assert jnp.abs(end - phi).max() > 0.1
    np.testing.assert_allclose(back, phi, atol=1e-12)
    np.testing.assert_allclose(-u, v, atol=1e-12)


@KINDS
def test_a_trajectory_conserves_volume(kind):
    theory = Phi4((3, 2), 0.1, 24.0)
    motion, phi, v = phase_space(kind, theory)

    def flow(z):
        return jnp.concatenate([part.ravel() for part in trajectory(motion, *z.reshape(2, 3, 2), 0.8, 3)])

    jacobian = jax.jacfwd(flow)(jnp.concatenate([phi.ravel(), v.ravel()]))
    assert abs(jnp.linalg.det(jacobian) - 1) < 1e-10


@KINDS
def test_the_energy_error_goes_with_the_square_of_the_step(kind):
    motion, phi, v = phase_space(kind, STRONG)
    error = [
        float(abs(motion.energy(*trajectory(motion, phi, v, 1.0, n)) - motion.energy(phi, v))) for n in (50, 100, 200)
    ]
    np.testing.assert_allclose(np.log2(np.array(error[:-1]) / error[1:]), 2, atol=0.05)


@KINDS
def test_the_motion_is_that_of_the_energy(kind):
    """dphi/dt = K^-1 dH/dv and dv/dt = -K^-1 dH/dphi, by a very small step."""
    motion, phi, v = phase_space(kind, STRONG)
    new_phi, new_v = trajectory(motion, phi, v, 1e-5, 1)
    force, _ = jax.grad(motion.energy, (0, 1))(phi, v)
    inverse = jax.vmap(motion.velocity)(jnp.eye(24).reshape(24, *STRONG.shape)).reshape(24, 24)
    np.testing.assert_allclose((new_phi - phi) / 1e-5, v, atol=1e-3)
    np.testing.assert_allclose((new_v - v).ravel() / 1e-5, -(inverse @ inverse.T) @ force.ravel(), atol=1e-3)


def test_fourier_acceleration_is_exact_in_the_free_theory():
    theory = Phi4((6, 4), 0.3, 0.0)
    motion, phi, _ = phase_space(FourierMasses, theory)
    motion = FourierMasses(theory, theory.m2)
    v = motion.velocity(phi)
    end = trajectory(motion, phi, v, 1.5, 1)
    assert abs(motion.energy(*end) - motion.energy(phi, v)) < 1e-12


def test_filter_modes_is_a_function_of_the_laplacian():
    phi = jax.random.normal(jax.random.key(0), (6, 5))
    filtered = filter_modes(khat_squared((6, 5), half=True) + 0.3, phi)
    np.testing.assert_allclose(filtered, 0.3 * phi - laplacian(phi), atol=1e-12)


@KINDS
def test_components_move_like_independent_fields(kind):
    "The axes of the components are neither transformed nor coupled."

    def action(phi):
        kinetic = jnp.sum(phi * (0.1 * phi - laplacian(phi, n_axes=2))) / 2
        return kinetic + jnp.sum(phi**4)

    theory = as_theory(action, (6, 4), event_shape=(3,))
    motion, phi, v = phase_space(kind, theory)
    one, _, _ = phase_space(kind, STRONG)
    moved, w = trajectory(motion, phi, v, 0.8, 3)
    noise = jax.random.normal(jax.random.key(0), (2, *theory.shape))[1]
    for i in range(3):
        np.testing.assert_allclose(one.velocity(noise[..., i]), v[..., i], atol=1e-12)
        expected = trajectory(one, phi[..., i], v[..., i], 0.8, 3)
        np.testing.assert_allclose(moved[..., i], expected[0], atol=1e-12)
        np.testing.assert_allclose(w[..., i], expected[1], atol=1e-12)
    energies = [one.energy(phi[..., i], v[..., i]) for i in range(3)]
    np.testing.assert_allclose(motion.energy(phi, v), sum(energies), rtol=1e-12)

"""Local functions: polynomials that are bounded, and what they tend to."""

import jax
import jax.numpy as jnp
import numpy as np

import ncv_lab as ncv


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

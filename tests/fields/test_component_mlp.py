"""The network with components: its exact divergence, its symmetries, and its files; its chapter trains one."""

import functools

import equinox as eqx
import jax
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import field
from ncv_lab.fields.control_variates import control_variate, dense_divergence
from ncv_lab.theory.lattice import translate
from ncv_lab.utils.files import pack, unpack

CASES = [((4, 3), 3, True), ((3, 2, 2), 1, "time")]


@functools.cache
def net(shape, n, symmetric=True):
    "A network in which every weight counts."
    made = ncv.ComponentMLP(shape, n, n_kernels=2, width=3, symmetric=symmetric, key=jax.random.key(1))
    return eqx.tree_at(lambda net: (net.kernels, net.last), made, (3 * made.kernels, field(made.last.shape, 3)))


@pytest.mark.parametrize("case", CASES)
def test_divergence_and_symmetries(case):
    shape, n, _ = case
    phi = field((*shape, n))
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(n, n)))[0]
    step = (1,) * len(shape)

    def compare(phi):
        "All that is compared, in one compilation."
        of = net(*case)
        moved = of(translate(phi, step, n_axes=len(shape)))
        dense = dense_divergence(lambda phi: of(phi)[0], phi)
        return of(phi), dense, of(phi @ rotation.T), moved, of(-phi)

    (g, div), dense, turned, moved, negative = jax.jit(compare)(phi)
    np.testing.assert_allclose(div, dense, rtol=1e-10)
    np.testing.assert_allclose(turned[0], g @ rotation.T, atol=1e-11)
    np.testing.assert_allclose(moved[0], translate(g, step, n_axes=len(shape)), atol=1e-11)
    np.testing.assert_allclose([turned[1], moved[1], negative[1]], [div] * 3, rtol=1e-10)
    np.testing.assert_allclose(negative[0], -g, atol=1e-11)
    assert abs(np.asarray(g)).max() > 0.1


def test_it_is_saved_and_refuses_another_field():
    made = net((4, 3), 2)
    assert eqx.tree_equal(unpack(*pack(made)), made)
    with pytest.raises(ValueError, match=r"configurations of shape \(4, 3, 2\), got \(4, 3\)"):
        made(field((4, 3)))
    with pytest.raises(ValueError, match=r"has components of shape \(2,\) at each site, the theory has \(3,\)"):
        control_variate(made, ncv.ON((4, 3), 3, 0.1, 1.0), field((4, 3, 3)))
    with pytest.raises(ValueError, match='use False, True or "time"'):
        ncv.ComponentMLP((4, 3), 2, symmetric="space", key=jax.random.key(0))

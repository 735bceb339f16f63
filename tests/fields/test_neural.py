"""Neural Schwinger-Dyson fields: exact divergence, symmetry, and what is trained."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import field as random_field
from helpers import with_jacobian
from ncv_lab.fields.neural import divide, trained_part
from ncv_lab.fitting.least_squares import exponentials

SHAPE = (6, 4)


def net(shape=SHAPE, seed=1, **options):
    return ncv.NeuralSchwingerDyson(shape, width=4, n_functions=3, key=jax.random.key(seed), **options)


@pytest.mark.parametrize(("shape", "depth"), [((5,), 1), ((4, 3), 2), ((3, 2, 2), 1)], ids=str)
def test_divergence_symmetry_and_features(shape, depth):
    field = ncv.NeuralSchwingerDyson(shape, width=3, depth=depth, n_functions=2, key=jax.random.key(3))
    template = jax.ShapeDtypeStruct(shape, float)
    size = jax.eval_shape(field.features, template, template).size
    field = field.with_weights(random_field((size,), 4))
    phi = random_field(shape)
    call = jax.jit(lambda phi: with_jacobian(field, phi))
    g, div, jacobian = call(phi)
    jacobian = jacobian.reshape(phi.size, phi.size)
    scale = abs(jnp.diag(jacobian)).sum()
    np.testing.assert_allclose(div, jnp.trace(jacobian), atol=1e-10 * scale)
    np.testing.assert_allclose(call(-phi)[0], -g, atol=1e-11 * scale)
    np.testing.assert_allclose(call(jnp.roll(phi, 1, 0))[0], jnp.roll(g, 1, 0), atol=1e-11 * scale)


def test_only_arrays_inside_networks_are_trained():
    polynomial = ncv.Gated(net().fields[0].smearing, ncv.Polynomials(4, (0, 2), jnp.ones(4)))
    solved, neural = divide(ncv.SumField(polynomial, net()))
    assert solved == [polynomial] and len(neural) == 3
    assert not any(jax.tree.leaves(trained_part(polynomial)))
    assert sum(jax.tree.leaves(trained_part(net()))) == 14  # 2 in each of 6 odd networks, 2 mixing matrices


def test_small_lattices_do_without_the_shells_they_lack():
    assert len(net((6,)).fields[0].smearing.kernels) == 3
    assert net((6,)).profile(exponentials(6, 1, (1.0,))).shape[0] == sum(net((6,)).sizes)

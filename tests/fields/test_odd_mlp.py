"""OddMLP: its kernels, its exact divergence, its symmetries, and the linear field."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncv_lab as ncv
from helpers import field, network, with_jacobian
from ncv_lab.fields.control_variates import control_variate_from_gradient
from ncv_lab.fields.odd_mlp import arcsinh, fold, log, n_weights, unfold
from ncv_lab.theory.lattice import translate, volume

SHAPES = [(8,), (7,), (6, 4), (5, 3), (4, 3, 2)]
SYMMETRIES = [False, True, "time"]


@functools.cache
def compiled(*arguments):
    net = network(*arguments)
    return jax.jit(lambda phi: net(phi))


# ---- activation ----


def test_arcsinh_is_exactly_odd_and_right_to_rounding():
    x = jnp.concatenate([jnp.logspace(-300, 150, 2001), jnp.linspace(0, 100, 2001)])
    np.testing.assert_array_equal(arcsinh(-x), -arcsinh(x))
    np.testing.assert_allclose(arcsinh(x), np.arcsinh(np.asarray(x)), rtol=3e-16, atol=3e-16)
    assert float(arcsinh(jnp.array(0.0))) == 0


def test_log_to_rounding_and_at_the_edges():
    x = jnp.concatenate([jnp.logspace(-307, 308, 20_001), 1 + jnp.logspace(-16, 0, 1001)])
    np.testing.assert_allclose(log(x), np.log(np.asarray(x)), rtol=4e-16, atol=2e-16)
    np.testing.assert_array_equal(log(jnp.array([1.0, jnp.inf, jnp.nan])), [0, np.inf, np.nan])
    single = log(x[:20_001:500].astype(jnp.float32) + 1)
    assert single.dtype == jnp.float32


def test_nan_and_infinity_are_not_hidden():
    np.testing.assert_array_equal(arcsinh(jnp.array([jnp.nan, jnp.inf, -jnp.inf])), [np.nan, np.inf, -np.inf])
    g, div = network((6, 4), 2)(field((6, 4)).at[2, 3].set(jnp.nan))
    assert bool(jnp.isnan(g).all()) and bool(jnp.isnan(div))


@given(st.floats(-1e6, 1e6))
def test_arcsinh_derivatives(x):
    x = jnp.array(x)
    np.testing.assert_allclose(jax.grad(arcsinh)(x), 1 / np.sqrt(1 + x**2), rtol=1e-14)
    np.testing.assert_allclose(jax.grad(jax.grad(arcsinh))(x), -x / np.sqrt(1 + x**2) ** 3, rtol=1e-13, atol=1e-300)


# ---- kernels ----


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("symmetric", SYMMETRIES)
def test_kernels_have_the_promised_symmetry(shape, symmetric):
    kernel = unfold(jnp.arange(1.0, 1 + n_weights(shape, symmetric))[None], shape, symmetric)[0]
    assert kernel.shape == shape
    for axis in range(len(shape)) if symmetric else ():
        np.testing.assert_array_equal(kernel, np.roll(np.flip(kernel, axis), 1, axis))  # W(-y) = W(y)
    if symmetric == "time":
        np.testing.assert_array_equal(
            kernel, jnp.broadcast_to(kernel[(slice(None), *[slice(1)] * (len(shape) - 1))], shape)
        )
    # Every weight is used, and none is used twice for different things.
    assert len(np.unique(kernel)) == n_weights(shape, symmetric)


@pytest.mark.parametrize("shape, counts", [((20, 20), (400, 121, 11)), ((7,), (7, 4, 4)), ((4, 3, 2), (24, 12, 3))])
def test_number_of_weights(shape, counts):
    assert tuple(n_weights(shape, symmetric) for symmetric in SYMMETRIES) == counts


@given(st.sampled_from(SHAPES), st.sampled_from(SYMMETRIES), st.integers(0, 99))
def test_fold_is_the_adjoint_of_unfold(shape, symmetric, seed):
    weights, values = field((n_weights(shape, symmetric),), seed), field(shape, seed + 1)
    left = jnp.vdot(unfold(weights[None], shape, symmetric)[0], values)
    np.testing.assert_allclose(left, jnp.vdot(weights, fold(values, symmetric)), atol=1e-12)


# ---- exact divergence ----


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("symmetric", SYMMETRIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_divergence_is_the_trace_of_the_dense_jacobian(shape, symmetric, depth):
    net, phi = network(shape, depth, symmetric), field(shape)
    g, div, jacobian = jax.jit(lambda phi: with_jacobian(net, phi))(phi)
    jacobian = jacobian.reshape(volume(shape), -1)
    assert g.shape == shape and div.shape == () and abs(float(div)) > 1e-3
    np.testing.assert_allclose(div, jnp.trace(jacobian), rtol=0, atol=1e-10)


def literal(net, phi):
    "g_x = g0(T_x phi) with the dense network, Eq. (9), site by site."
    first = unfold(net.kernels, net.shape, net.symmetric).reshape(len(net.kernels), -1)

    def g0(phi):
        h = first @ phi.ravel()
        for matrix in net.hidden:
            h = jnp.arcsinh(h) @ matrix
        return h[0] if net.last is None else jnp.arcsinh(h) @ net.last

    return jnp.stack([g0(translate(phi, x)) for x in np.ndindex(*phi.shape)]).reshape(phi.shape)


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("shape, symmetric", [((5,), False), ((4, 3), True), ((3, 2, 2), "time")])
def test_the_field_is_the_dense_network_moved_over_the_lattice(shape, symmetric, depth):
    net, phi = network(shape, depth, symmetric), field(shape)
    np.testing.assert_allclose(net(phi)[0], literal(net, phi), rtol=0, atol=1e-12)


@settings(max_examples=15)
@given(
    st.sampled_from(SHAPES[:4]),
    st.sampled_from(SYMMETRIES),
    st.sampled_from([0, 1, 3]),
    st.integers(-5, 5),
    st.integers(0, 9),
)
def test_odd_and_covariant(shape, symmetric, depth, step, seed):
    net = compiled(shape, depth, symmetric)
    phi, move, axes = field(shape, seed), (-step, -1)[: len(shape)], range(len(shape))
    g, div = net(phi)
    np.testing.assert_allclose(net(-phi)[0], -g, atol=1e-13)
    np.testing.assert_allclose(net(-phi)[1], div, atol=1e-12)
    moved_g, moved_div = net(jnp.asarray(np.roll(phi, move, axes)))
    np.testing.assert_allclose(moved_g, np.roll(g, move, axes), atol=1e-12)
    np.testing.assert_allclose(moved_div, div, atol=1e-12)


@pytest.mark.parametrize("symmetric", [True, "time"])
@pytest.mark.parametrize("axis", [0, 1])
def test_reflections_are_built_in(symmetric, axis):
    net, phi = network((6, 4), 2, symmetric), field((6, 4))

    def mirror(a):
        return jnp.flip(a, axis)

    np.testing.assert_allclose(net(mirror(phi))[0], mirror(net(phi)[0]), atol=1e-12)
    assert abs(network((6, 4), 2)(mirror(phi))[0] - mirror(network((6, 4), 2)(phi)[0])).max() > 1e-3


def test_axes_are_not_exchanged():
    net, phi = network((4, 4), 0, True), field((4, 4))
    assert abs(net(phi.T)[0] - net(phi)[0].T).max() > 1e-3


# ---- as a module ----


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_starts_at_the_raw_estimator(depth):
    g, div = ncv.OddMLP((6, 4), depth=depth, key=jax.random.key(0))(field((6, 4)))
    assert float(abs(g).max()) == 0 and float(div) == 0


def test_sizes():
    net = ncv.OddMLP((20, 20), width=4, depth=5, key=jax.random.key(1))
    assert sum(leaf.size for leaf in jax.tree.leaves(net)) == 4 * 400 + 4 * 16 + 4
    assert [leaf.dtype for leaf in jax.tree.leaves(net)] == [jnp.float64] * 6
    assert ncv.OddMLP((6, 4), depth=0).is_linear and not net.is_linear


def test_the_key_decides():
    nets = [ncv.OddMLP((6, 4), depth=2, key=jax.random.key(seed)) for seed in (0, 0, 1)]
    assert bool(eqx.tree_equal(nets[0], nets[1])) and not bool(eqx.tree_equal(nets[0], nets[2]))


@pytest.mark.parametrize("depth", [0, 2])
def test_jit_vmap_grad(depth):
    net, configs = network((6, 4), depth, True), field((5, 6, 4))
    g, div = jax.jit(jax.vmap(net))(configs)
    np.testing.assert_allclose(g[3], net(configs[3])[0], atol=1e-13)
    np.testing.assert_allclose(div[3], net(configs[3])[1], atol=1e-12)

    def objective(net):
        return (net(configs[0])[0] ** 2).sum() + net(configs[0])[1] ** 2

    slope, compiled_objective = eqx.filter_jit(eqx.filter_grad(objective))(net), eqx.filter_jit(objective)
    for i, leaf in enumerate(jax.tree.leaves(net)):
        step = field(leaf.shape, 10 + i)
        moved = [eqx.tree_at(lambda n: jax.tree.leaves(n)[i], net, leaf + t * step) for t in (1e-5, -1e-5)]  # noqa: B023
        numeric = (compiled_objective(moved[0]) - compiled_objective(moved[1])) / 2e-5
        np.testing.assert_allclose(jnp.vdot(jax.tree.leaves(slope)[i], step), numeric, rtol=1e-6)


# ---- the linear field ----


@functools.cache
def linear(shape, symmetric):
    "f and the features of the linear field as functions of (weights, phi, dS)."
    net = ncv.OddMLP(shape, depth=0, symmetric=symmetric)
    return jax.jit(lambda w, phi, dS: control_variate_from_gradient(net.with_weights(w), phi, dS)), jax.jit(
        lambda w, phi, dS: net.features(phi, dS)
    )


@given(st.sampled_from(SHAPES), st.sampled_from(SYMMETRIES), st.integers(0, 99))
def test_f_is_linear_in_the_weights(shape, symmetric, seed):
    f, features = linear(shape, symmetric)
    phi, dS = field((2, *shape), seed)
    a, b = field((2, n_weights(shape, symmetric)), seed + 1)
    value = f(a, phi, dS)
    np.testing.assert_allclose(f(2 * a - b, phi, dS), 2 * value - f(b, phi, dS), atol=1e-10)
    np.testing.assert_allclose(np.dot(features(a, phi, dS), a), value, atol=1e-10)


@pytest.mark.parametrize("symmetric", SYMMETRIES)
def test_features_are_the_control_variates_of_unit_weights(symmetric):
    shape, net = (5, 4), ncv.OddMLP((5, 4), depth=0, symmetric=symmetric)
    phi, dS = field(shape), field(shape, 1)
    units = jnp.eye(n_weights(shape, symmetric))
    direct = jax.vmap(lambda unit: control_variate_from_gradient(net.with_weights(unit), phi, dS))(units)
    np.testing.assert_allclose(net.features(phi, dS), direct, atol=1e-11)


def test_only_depth_0_has_features():
    net = ncv.OddMLP((6, 4), depth=2, key=jax.random.key(0))
    for call in (lambda: net.features(field((6, 4)), field((6, 4))), lambda: net.with_weights(jnp.ones(24))):
        with pytest.raises(TypeError, match="depth 2 is not linear in its weights"):
            call()

"""Periodic lattices: shapes, translations, momenta, and configurations from outside."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from ncv_lab.theory.lattice import (
    check_shape,
    correlate,
    khat_squared,
    laplacian,
    neighbour_sum,
    slice_mean,
    spatial_volume,
    translate,
    volume,
)
from ncv_lab.utils.batching import map_configs, map_cores
from ncv_lab.utils.checks import check_configs

SHAPES = [(2,), (7,), (6, 4), (3, 2), (5, 3, 4), (2, 2, 2), (3, 2, 2, 4)]
shapes = st.sampled_from(SHAPES)
few = settings(max_examples=8)  # every displacement is compiled anew


def field(shape, seed=0):
    return jax.random.normal(jax.random.key(seed), shape)


@st.composite
def displaced(draw):
    "A shape with two displacements that fit it."
    shape = draw(shapes)
    move = st.tuples(*[st.integers(-5, 5)] * len(shape))
    return shape, draw(move), draw(move)


@pytest.mark.parametrize("shape", SHAPES)
def test_volumes(shape):
    assert volume(shape) == np.prod(shape)
    assert shape[0] * spatial_volume(shape) == volume(shape)


def test_shape_of_numpy_integers_becomes_a_tuple_of_ints():
    shape = check_shape(tuple(np.array([6, 4])))
    assert shape == (6, 4) and all(type(extent) is int for extent in shape)


@few
@given(displaced())
def test_translations_form_a_group(case):
    shape, x, y = case
    phi = field(shape)
    both = tuple(a + b for a, b in zip(x, y, strict=True))
    np.testing.assert_array_equal(translate(translate(phi, x), y), translate(phi, both))
    np.testing.assert_array_equal(translate(translate(phi, x), [-a for a in x]), phi)


@few
@given(displaced())
def test_translate_is_phi_at_x_plus_y(case):
    shape, y, _ = case
    phi = field(shape)
    moved, phi = np.asarray(translate(phi, y)), np.asarray(phi)
    for x in np.ndindex(*shape):
        assert moved[x] == phi[tuple((a + b) % extent for a, b, extent in zip(x, y, shape, strict=True))]


@few
@given(displaced())
def test_laplacian_commutes_with_translations(case):
    shape, y, _ = case
    phi = field(shape)
    np.testing.assert_allclose(laplacian(translate(phi, y)), translate(laplacian(phi), y), atol=1e-13)


@pytest.mark.parametrize("shape", SHAPES)
def test_neighbour_sum_against_a_loop(shape):
    phi = np.asarray(field(shape))
    direct = np.zeros(shape)
    for x in np.ndindex(*shape):
        for axis, extent in enumerate(shape):
            for step in (1, -1):
                y = list(x)
                y[axis] = (y[axis] + step) % extent
                direct[x] += phi[tuple(y)]
    np.testing.assert_allclose(neighbour_sum(jnp.asarray(phi)), direct, atol=1e-14)


@pytest.mark.parametrize("shape", SHAPES)
def test_laplacian_is_symmetric_and_kills_constants(shape):
    a, b = field(shape, 1), field(shape, 2)
    np.testing.assert_allclose(jnp.vdot(a, laplacian(b)), jnp.vdot(laplacian(a), b), atol=1e-12)
    np.testing.assert_allclose(laplacian(jnp.ones(shape)), 0, atol=1e-14)


@pytest.mark.parametrize("shape", SHAPES)
def test_khat_squared_is_the_spectrum_of_the_laplacian(shape):
    dense = jax.jacobian(lambda phi: -laplacian(phi))(jnp.zeros(shape)).reshape(volume(shape), -1)
    np.testing.assert_allclose(np.sort(khat_squared(shape).ravel()), np.linalg.eigvalsh(dense), atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_laplacian_in_momentum_space_on_the_half_grid(shape):
    phi = field(shape)
    modes = -khat_squared(shape, half=True) * jnp.fft.rfftn(phi)
    np.testing.assert_allclose(jnp.fft.irfftn(modes, s=shape), laplacian(phi), atol=1e-12)


@given(shapes, st.integers(0, 99))
def test_correlate_against_the_sum(shape, seed):
    kernel, phi = field(shape, seed), field(shape, seed + 1)
    axes, arrays = range(len(shape)), (np.asarray(kernel), np.asarray(phi))
    direct = sum(arrays[0][y] * np.roll(arrays[1], [-i for i in y], axes) for y in np.ndindex(*shape))
    np.testing.assert_allclose(correlate(kernel, phi), direct, atol=1e-12)


@few
@given(displaced())
def test_correlate_is_covariant(case):
    shape, y, _ = case
    kernel, phi = field(shape, 1), field(shape, 2)
    np.testing.assert_allclose(correlate(kernel, translate(phi, y)), translate(correlate(kernel, phi), y), atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_slice_mean(shape):
    phi = field(shape)
    np.testing.assert_allclose(slice_mean(phi), phi.mean(tuple(range(1, len(shape)))), atol=1e-14)


def test_functions_go_through_jit_vmap_and_grad():
    phi, kernel = field((5, 4, 3)), field((4, 3), 7)
    for function in (
        laplacian,
        neighbour_sum,
        lambda phi: correlate(kernel, phi),
        lambda phi: translate(phi, (1, 2)),
    ):
        batched = jax.jit(jax.vmap(function))(phi)
        np.testing.assert_allclose(batched[2], function(phi[2]), atol=1e-13)
        slope = jax.grad(lambda phi: (function(phi) ** 2).sum())(phi[0])  # noqa: B023
        assert slope.shape == (4, 3) and bool(jnp.isfinite(slope).all())


@pytest.mark.parametrize("n", [1, 3, 256, 257])
def test_map_configs_is_a_loop(n):
    configs, more = field((n, 6, 4)), field((n,), 1)
    mapped = map_configs(lambda phi, a: a * slice_mean(phi), configs, more)
    np.testing.assert_allclose(mapped, [a * slice_mean(phi) for phi, a in zip(configs, more, strict=True)], atol=1e-14)


@pytest.mark.parametrize("n", [1, 7, 128, 130])
def test_map_cores_is_map_configs(n):
    configs, more = field((n, 6, 4)), field((n,), 1)

    def function(phi, a):
        return a * slice_mean(phi)

    mapped = map_cores(function, configs, more)
    np.testing.assert_allclose(mapped, map_configs(function, configs, more), rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_check_configs_converts_to_float64(dtype):
    array = check_configs(np.ones((3, 6, 4), dtype), (6, 4))
    assert array.dtype == np.float64 and array.shape == (3, 6, 4)


def test_check_configs_does_not_copy_what_is_right():
    array = np.ones((3, 6, 4))
    assert check_configs(array, (6, 4)) is array


def test_check_configs_names_the_first_bad_value_and_counts_them():
    array = np.ones((3, 6, 4))
    array[1, 2, 3], array[2, 0, 0] = np.inf, np.nan
    with pytest.raises(ValueError, match=r"what holds inf at index \(1, 2, 3\) \(2 bad values"):
        check_configs(array, (6, 4), what="what")


@pytest.mark.parametrize("bad", [np.ones((3, 6, 4), complex), np.full((3, 6, 4), "a"), np.ones((3, 6, 4), bool), None])
def test_check_configs_refuses_what_is_not_real(bad):
    with pytest.raises(TypeError, match="real numbers"):
        check_configs(bad, (6, 4))


def test_shapes_are_checked_by_type():
    with pytest.raises(TypeCheckError):
        slice_mean(np.ones((3, 2), str))
    with pytest.raises(ValueError, match="they must agree"):
        correlate(jnp.ones((2, 3)), jnp.ones((3, 2)))
    with pytest.raises(ValueError, match="1 entries, the lattice has 2"):
        translate(jnp.ones((2, 3)), (1,))

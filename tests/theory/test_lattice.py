"""Periodic lattices: shapes, translations, momenta, slices, and axes that hold components."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from helpers import field
from ncv_lab.theory.lattice import (
    along_axis,
    check_event_shape,
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

SHAPES = [(2,), (7,), (6, 4), (3, 2), (5, 3, 4), (2, 2, 2), (3, 2, 2, 4)]
shapes = st.sampled_from(SHAPES)
few = settings(max_examples=8)  # every displacement is compiled anew


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


def test_shapes_are_checked_by_type():
    with pytest.raises(TypeCheckError):
        slice_mean(np.ones((3, 2), str))
    with pytest.raises(ValueError, match="they must agree"):
        correlate(jnp.ones((2, 3)), jnp.ones((3, 2)))
    with pytest.raises(ValueError, match="1 entries, the lattice has 2"):
        translate(jnp.ones((2, 3)), (1,))


# ---- components: axes that are not translated ----

EVENT_SHAPES = [(), (1,), (3,), (2, 3)]


@st.composite
def with_components(draw):
    "A configuration of a few components, the number of its lattice axes, and a displacement."
    shape, event_shape = draw(shapes), draw(st.sampled_from(EVENT_SHAPES))
    displacement = draw(st.tuples(*[st.integers(-5, 5)] * len(shape)))
    return field(shape + event_shape, draw(st.integers(0, 99))), len(shape), displacement


def component_by_component(function, phi, n_axes):
    "A function of scalar fields, applied to each component by itself."
    columns = np.asarray(phi).reshape(*phi.shape[:n_axes], -1)
    values = [np.asarray(function(jnp.asarray(columns[..., i]))) for i in range(columns.shape[-1])]
    return np.stack(values, axis=-1).reshape(*values[0].shape, *phi.shape[n_axes:])


@settings(max_examples=5)
@given(with_components())
def test_lattice_functions_treat_each_component_by_itself(case):
    phi, n_axes, y = case
    kernel = field(phi.shape[:n_axes], 7)
    functions = [
        (lambda phi, **axes: translate(phi, y, **axes)),
        neighbour_sum,
        laplacian,
        slice_mean,
        (lambda phi, **axes: correlate(kernel, phi, **axes)),
    ]
    for function in functions:
        expected = component_by_component(function, phi, n_axes)
        np.testing.assert_allclose(function(phi, n_axes=n_axes), expected, atol=1e-12)


@settings(max_examples=5)
@given(with_components())
def test_lattice_functions_commute_with_rotations_of_the_components(case):
    phi, n_axes, y = case
    phi = phi.reshape(*phi.shape[:n_axes], -1)
    rotation = jnp.linalg.qr(field((phi.shape[-1],) * 2, 5))[0]
    kernel = field(phi.shape[:n_axes], 7)
    for function in (laplacian, slice_mean, lambda phi, **axes: correlate(kernel, phi, **axes)):
        rotated = function(phi @ rotation, n_axes=n_axes)
        np.testing.assert_allclose(rotated, function(phi, n_axes=n_axes) @ rotation, atol=1e-12)
        moved = function(translate(phi, y, n_axes=n_axes), n_axes=n_axes)
        steps = y[: moved.ndim - 1]
        expected = translate(function(phi, n_axes=n_axes), steps, n_axes=len(steps))
        np.testing.assert_allclose(moved, expected, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_all_axes_are_lattice_axes_by_default(shape):
    phi, kernel, n_axes = field(shape), field(shape, 1), len(shape)
    np.testing.assert_array_equal(laplacian(phi), laplacian(phi, n_axes=n_axes))
    np.testing.assert_array_equal(slice_mean(phi), slice_mean(phi, n_axes=n_axes))
    np.testing.assert_array_equal(correlate(kernel, phi), correlate(kernel, phi, n_axes=n_axes))


@pytest.mark.parametrize("n_axes", [0, -1, 3])
def test_a_wrong_number_of_lattice_axes_is_refused(n_axes):
    for function in (laplacian, neighbour_sum, slice_mean):
        with pytest.raises(ValueError, match=f"n_axes = {n_axes} does not fit: the configuration has 2 axes"):
            function(jnp.ones((4, 3)), n_axes=n_axes)
    with pytest.raises(ValueError, match="2 entries, the lattice has 1"):
        translate(jnp.ones((4, 3)), (1, 2), n_axes=1)
    with pytest.raises(ValueError, match=r"the kernel has shape \(4, 3\).* they must agree"):
        correlate(jnp.ones((4, 3)), jnp.ones((4, 3)), n_axes=1)


def test_event_shapes_are_checked():
    assert check_event_shape(()) == () and check_event_shape(np.array([3, 1])) == (3, 1)
    with pytest.raises(ValueError, match=r"axis 1 of the event shape \(3, 0\) has extent 0"):
        check_event_shape((3, 0))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_along_axis(axis):
    array = along_axis(np.arange(4), axis, 3)
    assert array.ndim == 3 and array.shape[axis] == array.size == 4

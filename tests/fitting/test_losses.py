"""The three losses of the paper."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ncv_lab as ncv
from helpers import field

LOSSES = [ncv.SecondMoment, ncv.FixedShift, ncv.LearnedShift]
WEIGHTS = {"a": jnp.array([1.0, -2.0]), "b": jnp.array([[3.0], [0.0]])}


@pytest.mark.parametrize("loss", LOSSES)
def test_initial_shift(loss):
    values = field((30,))
    expected = 0.0 if loss is ncv.SecondMoment else values.mean()
    np.testing.assert_allclose(loss().initial_shift(values), expected, rtol=1e-15)
    assert loss().learns_shift == (loss is ncv.LearnedShift)


@given(st.sampled_from(LOSSES), st.floats(0, 10), st.floats(-5, 5), st.integers(0, 99))
def test_formula(loss, l2, shift, seed):
    residual = field((20,), seed)
    value = loss(l2)(residual, jnp.asarray(shift), WEIGHTS)
    np.testing.assert_allclose(value, ((np.asarray(residual) - shift) ** 2).mean() + l2 * 14, rtol=1e-12)


def test_penalty_as_a_mean():
    residual, zero = jnp.zeros(3), jnp.zeros(())
    assert float(ncv.LearnedShift(0.5, average_weights=True)(residual, zero, WEIGHTS)) == 0.5 * 14 / 4
    assert float(ncv.LearnedShift(0.5)(residual, zero, WEIGHTS)) == 0.5 * 14


def test_the_shift_is_not_regularised():
    loss, residual = ncv.LearnedShift(100.0), field((20,)) + 3
    slope = jax.grad(lambda shift: loss(residual, shift, WEIGHTS))(residual.mean())
    np.testing.assert_allclose(slope, 0, atol=1e-14)


def test_the_best_shift_makes_the_loss_a_variance():
    residual = field((20,)) + 3
    np.testing.assert_allclose(ncv.LearnedShift()(residual, residual.mean(), WEIGHTS), residual.var(), rtol=1e-13)


def test_gradient_with_respect_to_the_weights():
    slope = jax.jit(jax.grad(lambda weights: ncv.LearnedShift(0.5)(jnp.zeros(3), jnp.zeros(()), weights)))(WEIGHTS)
    np.testing.assert_allclose(slope["b"], WEIGHTS["b"], rtol=1e-15)


def test_the_penalty_is_traced():
    loss = eqx.filter_jit(lambda loss, residual: loss(residual, jnp.zeros(()), WEIGHTS))
    values = [float(loss(ncv.LearnedShift(l2), jnp.zeros(3))) for l2 in (0.1, 0.2, 1)]
    np.testing.assert_allclose(values, [1.4, 2.8, 14], rtol=1e-14)
    assert loss._cached._cache_size() == 1

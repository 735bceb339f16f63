"""The ridge solve: algebra, rank, and the choice of the ridge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncv_lab.fitting.least_squares import Matrix, Part
from ncv_lab.fitting.ridge import held_out_variance, moments, solve, solve_ridge

ALL = np.arange(2)


def random_problem(n, n_features, k=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_features)) * rng.uniform(0.1, 10, n_features) + 1, rng.normal(size=(n, k)) + 2


def unit(numbers):
    return (numbers - numbers.mean(0)) / numbers.std(0)


def direct_ridge(q, y, ridge):
    "(G + ridge)^-1 b of centred numbers, as in the text of the chapter."
    z = q - q.mean(0)
    return np.linalg.solve(z.T @ z / len(z) + ridge * np.eye(z.shape[1]), z.T @ (y - y.mean(0)) / len(z))


def improved(q, y, ridge):
    "O - f on the configurations solved on, in units of the spread of O, by way of `Matrix`."
    sums, back, _ = Matrix(q, y, 2).standardised(Part(None, ALL))
    weights = back @ solve_ridge(sums, np.array([ridge]), 2).weights
    return unit(y) - (q - q.mean(0)) @ weights


@given(st.integers(3, 40), st.integers(1, 40), st.floats(1e-3, 10), st.integers(0, 99))
def test_solution_for_more_and_for_fewer_features_than_configurations(n, n_features, ridge, seed):
    q, y = random_problem(n, n_features, seed=seed)
    expected = unit(y) - unit(q) @ direct_ridge(unit(q), unit(y), ridge)
    np.testing.assert_allclose(improved(q, y, ridge), expected, rtol=1e-7, atol=1e-9)


@given(st.floats(0.01, 100), st.floats(-5, 5), st.integers(0, 99))
def test_units_and_offsets_of_the_features_do_not_matter(scale, offset, seed):
    q, y = random_problem(30, 5, seed=seed)
    np.testing.assert_allclose(improved(scale * q + offset, y, 0.1), improved(q, y, 0.1), atol=1e-9)


def test_a_constant_feature_has_no_weight():
    q, y = random_problem(30, 5)
    q[:, 2] = 7.0
    for ridge in (0.0, 0.1):
        sums, back, _ = Matrix(q, y, 2).standardised(Part(None, ALL))
        weights = back @ solve_ridge(sums, np.array([ridge]), 2).weights
        assert (weights[2] == 0).all()
        np.testing.assert_allclose(improved(q, y, ridge), improved(np.delete(q, 2, 1), y, ridge), atol=1e-9)


def test_one_ridge_for_each_observable():
    rng = np.random.default_rng(0)
    q = rng.normal(size=(60, 5))
    y = np.stack([q @ rng.normal(size=5), rng.normal(size=60)], axis=1)
    numbers, ridges = unit(np.concatenate([q, y], axis=1)), np.logspace(-6, 2, 9)
    both = solve_ridge(moments(numbers, 5), ridges, 2)
    assert both.ridge[0] == 1e-6 < both.ridge[1]
    for k in range(2):
        alone = solve_ridge(moments(numbers[:, [*range(5), 5 + k]], 5), ridges, 1)
        np.testing.assert_allclose(both.weights[:, [k]], alone.weights, rtol=1e-10)
        np.testing.assert_allclose(both.held_out[k], alone.held_out[0], atol=1e-14)


def test_held_out_variance_against_a_loop():
    (q, y), ridges, total = random_problem(23, 4), np.array([0.01, 1.0]), np.zeros((2, 2))
    for block in np.array_split(np.arange(23), 5):
        inside = np.setdiff1d(np.arange(23), block)
        for i, ridge in enumerate(ridges):
            w = direct_ridge(q[inside], y[inside], ridge)
            error = (y[block] - y[inside].mean(0)) - (q[block] - q[inside].mean(0)) @ w
            total[i] += (error**2).sum(0)
    found = held_out_variance(moments(np.concatenate([q, y], axis=1), 5), ridges, 2)
    weights = [5, 5, 5, 4, 4]
    np.testing.assert_allclose(np.average(found, axis=0, weights=weights), total / 23, rtol=1e-9)


def test_a_combination_of_moments_is_the_moments_of_the_combination():
    rng = np.random.default_rng(0)
    numbers, matrix = rng.normal(size=(20, 4)), rng.normal(size=(4, 3))
    for found, expected in zip(moments(numbers, 3).combine(matrix), moments(numbers @ matrix, 3), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("ridge", [0.0, 1e-6])
def test_condition_number(ridge):
    G = np.diag([4.0, 1.0, 1e-3])
    assert solve(G, np.ones((3, 1)), ridge)[1] == pytest.approx((4 + ridge) / (1e-3 + ridge), rel=1e-6)


def test_directions_that_vanish_are_dropped():
    G = np.diag([1.0, 1e-18])
    weights, _ = solve(G, np.array([[1.0], [1e-18]]), 0.0)
    np.testing.assert_allclose(weights, [[1.0], [0.0]], atol=1e-12)

"""The ridge solve: algebra, the choice of the ridge, and fields that contain the exact answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_network import field, network
from test_problem import ensemble

import ncv_lab as ncv
from ncv_lab.least_squares import decompose, held_out_variance
from ncv_lab.problem import control_values, pose

FREE = ncv.Phi4((6, 4), 0.3, 0.0)


def random_problem(n, n_features, k, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_features)) * rng.uniform(0.1, 10, n_features) + 1, rng.normal(size=(n, k)) + 2


def direct_ridge(q, y, ridge):
    "(G + ridge)^-1 b with standardised features, as in the text of the chapter."
    z, scale = (q - q.mean(0)) / q.std(0), q.std(0)
    gram = z.T @ z / len(z) + ridge * np.eye(z.shape[1])
    return np.linalg.solve(gram, z.T @ (y - y.mean(0)) / len(z)) / scale[:, None]


@given(st.integers(3, 40), st.integers(1, 40), st.integers(1, 4), st.floats(1e-3, 10), st.integers(0, 99))
def test_solution_for_more_and_for_fewer_features_than_configurations(n, n_features, k, ridge, seed):
    q, y = random_problem(n, n_features, k, seed)
    np.testing.assert_allclose(decompose(q, y).weights(ridge), direct_ridge(q, y, ridge), rtol=1e-7, atol=1e-9)


def test_one_ridge_for_each_observable():
    q, y = random_problem(30, 5, 3)
    ridges = np.array([0.1, 1.0, 10.0])
    each = [decompose(q, y).weights(ridge)[:, i] for i, ridge in enumerate(ridges)]
    np.testing.assert_allclose(decompose(q, y).weights(ridges), np.stack(each, axis=1), rtol=1e-12)


@given(st.floats(0.01, 100), st.floats(-5, 5), st.integers(0, 99))
def test_units_and_offsets_of_the_features_do_not_matter(scale, offset, seed):
    q, y = random_problem(30, 5, 2, seed)
    before = q @ decompose(q, y).weights(0.1)
    other = scale * q + offset
    after = other @ decompose(other, y).weights(0.1)
    np.testing.assert_allclose(after - after.mean(0), before - before.mean(0), atol=1e-9)


def test_a_constant_feature_has_no_weight():
    q, y = random_problem(30, 5, 2)
    q[:, 2] = 7.0
    for ridge in (0.0, 0.1):
        weights = decompose(q, y).weights(ridge)
        assert (weights[2] == 0).all()
        np.testing.assert_allclose(np.delete(weights, 2, 0), direct_ridge(np.delete(q, 2, 1), y, ridge), rtol=1e-9)


def test_dependent_features_have_a_solution_without_a_ridge():
    theory, net = ncv.Phi4((6, 4), 0.1, 24.0), ncv.OddMLP((6, 4), depth=0, symmetric=True)
    train, rest, corr = ensemble(theory=theory), ensemble(seed=1, theory=theory), ncv.Correlator().at(1)
    once, twice = (
        ncv.fit(field, theory, corr, train, method=ncv.LeastSquares(ridge=0), progress=False)
        for field in (net, ncv.SumField(net, net))
    )
    np.testing.assert_allclose(twice.controls(rest), once.controls(rest), rtol=1e-6, atol=1e-9)


def test_held_out_variance_against_a_loop():
    (q, y), ridges = random_problem(23, 4, 2), np.array([0.01, 1.0])
    total = np.zeros((2, 2))
    for block in np.array_split(np.arange(23), 5):
        inside = np.setdiff1d(np.arange(23), block)
        for i, ridge in enumerate(ridges):
            w = direct_ridge(q[inside], y[inside], ridge)
            error = (y[block] - y[inside].mean(0)) - (q[block] - q[inside].mean(0)) @ w
            total[i] += (error**2).sum(0)
    np.testing.assert_allclose(held_out_variance(q, y, ridges, 5), total / 23, rtol=1e-10)


@pytest.mark.parametrize("symmetric", [False, True, "time"])
def test_the_solve_finds_the_exact_answer_of_the_free_theory(symmetric):
    train, rest = ensemble(4, 40, theory=FREE), ensemble(2, 20, seed=1, theory=FREE)
    fit = ncv.fit(ncv.OddMLP((6, 4), depth=0, symmetric=symmetric), FREE, ncv.Correlator(), train, progress=False)
    improved = ncv.measure(ncv.Correlator(), rest.flat, (6, 4)) - fit.controls(rest)
    exact = np.broadcast_to(ncv.free_correlator((6, 4), 0.3), improved.shape)
    np.testing.assert_allclose(improved, exact, rtol=1e-6)
    assert fit.validation_ratio.min() > 1e4 and fit.status == "finished"
    assert fit.diagnostics["ridge"].shape == fit.diagnostics["condition_number"].shape == (4,)


def test_the_solution_minimises_the_loss():
    theory, net = ncv.Phi4((6, 4), 0.1, 24.0), ncv.OddMLP((6, 4), depth=0, symmetric=True)
    problem = pose(theory, ncv.Correlator().at(2), ensemble(theory=theory))
    (fit,) = ncv.LeastSquares(ridge=0.0).run(net, problem)
    values = np.asarray(problem.values[:, 0])

    def ratio(weights):
        return ncv.sigma_ratio(values, values - np.asarray(control_values(net.with_weights(weights), problem)))

    best = ratio(fit.control.weights)
    np.testing.assert_allclose(fit.train_ratio, [best], rtol=1e-10)
    for seed in range(5):
        assert ratio(fit.control.weights * (1 + 0.01 * field((12,), seed))) < best


def test_all_observables_at_once_or_one_by_one():
    theory, net = ncv.Phi4((6, 4), 0.1, 24.0), ncv.OddMLP((6, 4), depth=0, symmetric=True)
    train = ensemble(theory=theory)
    together = ncv.fit(net, theory, ncv.Correlator(), train, progress=False)
    for t in range(4):
        alone = ncv.fit(net, theory, ncv.Correlator().at(t), train, progress=False)
        np.testing.assert_allclose(alone.control.weights, together.control.weights[:, t], rtol=1e-8, atol=1e-14)
        np.testing.assert_allclose(alone.validation_ratio[0], together.validation_ratio[t], rtol=1e-9)
        assert alone.controls(train).shape == (100,) and together.controls(train).shape == (100, 4)


def test_a_sum_of_linear_fields_is_solved():
    parts = [ncv.OddMLP((6, 4), depth=0, symmetric=s) for s in ("time", True)]
    fit = ncv.fit(ncv.SumField(*parts), FREE, ncv.Correlator().at(1), ensemble(theory=FREE), progress=False)
    assert fit.diagnostics["n_features"] == 16 and fit.validation_ratio[0] > 1e4


def test_a_larger_ridge_gives_smaller_weights():
    theory, net = ncv.Phi4((6, 4), 0.1, 24.0), ncv.OddMLP((6, 4), depth=0, symmetric=True)
    problem = pose(theory, ncv.Correlator().at(2), ensemble(theory=theory))
    fits = [next(ncv.LeastSquares(ridge).run(net, problem)) for ridge in (1e-3, 1e-1, 10, 1000)]
    scale = np.asarray([np.abs(fit.control.weights).max() for fit in fits])
    train = [float(fit.train_ratio[0]) for fit in fits]
    assert (np.diff(scale) < 0).all() and (np.diff(train) < 0).all()
    assert [fit.diagnostics["ridge"][0] for fit in fits] == [1e-3, 1e-1, 10, 1000]


def test_a_constant_observable_is_left_alone():
    fit = ncv.fit(
        ncv.OddMLP((6, 4), depth=0), FREE, lambda phi: 0 * phi[0, 0] + 1.0, ensemble(theory=FREE), progress=False
    )
    assert fit.train_ratio[0] == 1 and np.abs(fit.controls(ensemble(seed=1, theory=FREE))).max() < 1e-12


def test_networks_with_hidden_layers_are_refused():
    with pytest.raises(TypeError, match="OddMLP that is not linear in its weights cannot be solved; use Adam"):
        next(ncv.LeastSquares().run(network((6, 4), 1), pose(FREE, ncv.MeanSquare(), ensemble(theory=FREE))))

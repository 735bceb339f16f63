"""Fields that are solved: exact answers, all observables at once, few or many configurations, kept or streamed."""

import numpy as np
import pytest

import ncv_lab as ncv
from helpers import ensemble, field, network
from ncv_lab.fitting.data import Data, evaluate

FREE = ncv.Phi4((6, 4), 0.3, 0.0)


def test_dependent_features_have_a_solution_without_a_ridge():
    theory, net = ncv.Phi4((6, 4), 0.1, 24.0), ncv.OddMLP((6, 4), depth=0, symmetric=True)
    train, rest, corr = ensemble(theory=theory), ensemble(seed=1, theory=theory), ncv.Correlator().at(1)
    options = {"method": ncv.LeastSquares(ridge=0), "progress": False}
    once = ncv.fit(net, theory, corr, train, **options)
    with pytest.warns(UserWarning, match="depend on each other"):
        twice = ncv.fit(ncv.SumField(net, net), theory, corr, train, **options)
    np.testing.assert_allclose(twice.evaluate(rest), once.evaluate(rest), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("symmetric", [False, True, "time"])
def test_the_solve_finds_the_exact_answer_of_the_free_theory(symmetric):
    train, rest = ensemble(4, 40, theory=FREE), ensemble(2, 20, seed=1, theory=FREE)
    fit = ncv.fit(ncv.OddMLP((6, 4), depth=0, symmetric=symmetric), FREE, ncv.Correlator(), train, progress=False)
    improved = ncv.measure(ncv.Correlator(), rest.flat, (6, 4)) - fit.evaluate(rest)
    exact = np.broadcast_to(ncv.free_correlator((6, 4), 0.3), improved.shape)
    np.testing.assert_allclose(improved, exact, rtol=1e-6)
    assert fit.validation_ratio.min() > 1e4 and fit.status == "finished"
    assert fit.diagnostics["ridge"].shape == fit.diagnostics["condition_number"].shape == (4,)


def test_the_solution_minimises_the_loss():
    theory, net = ncv.Phi4((6, 4), 0.1, 24.0), ncv.OddMLP((6, 4), depth=0, symmetric=True)
    data = Data.measure(theory, ncv.Correlator().at(2), ensemble(theory=theory))
    (fit,) = ncv.LeastSquares(ridge=0.0).run(net, data)
    values = np.asarray(data.values[:, 0])

    def ratio(weights):
        return ncv.sigma_ratio(values, values - np.asarray(evaluate(net.with_weights(weights), data)))

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
        assert alone.evaluate(train).shape == (100,) and together.evaluate(train).shape == (100, 4)


def test_a_sum_of_linear_fields_is_solved():
    parts = [ncv.OddMLP((6, 4), depth=0, symmetric=s) for s in ("time", True)]
    fit = ncv.fit(ncv.SumField(*parts), FREE, ncv.Correlator().at(1), ensemble(theory=FREE), progress=False)
    assert fit.diagnostics["n_features"] == 16 and fit.validation_ratio[0] > 1e4


def test_a_larger_ridge_gives_smaller_weights():
    theory, net = ncv.Phi4((6, 4), 0.1, 24.0), ncv.OddMLP((6, 4), depth=0, symmetric=True)
    data = Data.measure(theory, ncv.Correlator().at(2), ensemble(theory=theory))
    fits = [next(ncv.LeastSquares(ridge).run(net, data)) for ridge in (1e-3, 1e-1, 10, 1000)]
    scale = np.asarray([np.abs(fit.control.weights).max() for fit in fits])
    train = [float(fit.train_ratio[0]) for fit in fits]
    assert (np.diff(scale) < 0).all() and (np.diff(train) < 0).all()
    assert [fit.diagnostics["ridge"][0] for fit in fits] == [1e-3, 1e-1, 10, 1000]


def test_a_constant_observable_is_left_alone():
    field = ncv.OddMLP((6, 4), depth=0)
    with pytest.warns(UserWarning, match="O is the same on all 100 configurations: there is nothing to fit"):
        fit = ncv.fit(field, FREE, lambda phi: 0 * phi[0, 0] + 1.0, ensemble(theory=FREE), progress=False)
    assert fit.train_ratio[0] == 1 and np.abs(fit.evaluate(ensemble(seed=1, theory=FREE))).max() < 1e-12


def test_networks_with_hidden_layers_are_refused():
    with pytest.raises(TypeError, match="OddMLP that is not linear in its weights cannot be solved; use Adam"):
        next(ncv.LeastSquares().run(network((6, 4), 1), Data.measure(FREE, ncv.MeanSquare(), ensemble(theory=FREE))))


@pytest.mark.parametrize("masses", [None, (0.2, 1.0)])
def test_streaming_gives_the_same_answer(masses):
    theory = ncv.Phi4((6, 4), 0.1, 24.0)
    train, rest = ensemble(4, 60, theory=theory), ensemble(seed=1, theory=theory)
    smearing = ncv.Smearing((6, 4), [ncv.Shell(0), ncv.Shell(1)])
    field = ncv.SumField(ncv.Gated(smearing, ncv.Polynomials(2, (0, 2))), ncv.OddMLP((6, 4), depth=0))
    kept, streamed = (
        ncv.fit(
            field,
            theory,
            ncv.Correlator(),
            train,
            method=ncv.LeastSquares(decay_rates=masses, memory=memory),
            progress=False,
        )
        for memory in (1e9, 0)
    )
    np.testing.assert_allclose(streamed.evaluate(rest), kept.evaluate(rest), rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(streamed.validation_ratio, kept.validation_ratio, rtol=1e-6)
    np.testing.assert_allclose(streamed.train_ratio, kept.train_ratio, rtol=1e-6)


def test_more_features_than_configurations():
    theory, net = ncv.Phi4((6, 4), 0.1, 24.0), ncv.OddMLP((6, 4), depth=0)
    train = ensemble(2, 10, theory=theory)
    fit = ncv.fit(net, theory, ncv.Correlator(), train, method=ncv.LeastSquares(ridge=0.1), progress=False)
    assert fit.evaluate(train).shape == (20, 4) and fit.diagnostics["n_features"] == 24
    data = Data.measure(theory, ncv.Correlator(), train)
    values, f = np.asarray(data.values), fit.evaluate(train)
    np.testing.assert_allclose(fit.train_ratio, ncv.sigma_ratio(values, values - f), rtol=1e-8)

"""Lasso: few weights, and the penalty that is chosen."""

import jax
import numpy as np

import ncv_lab as ncv
from helpers import ensemble
from ncv_lab.fitting.data import Data
from ncv_lab.fitting.least_squares import feature_matrix

FREE = ncv.Phi4((6, 4), 0.3, 0.0)


def test_lasso_meets_the_conditions_of_its_minimum():
    """The slope of the variance is -penalty sign(w) where w is not 0, and smaller where it is; kept or streamed."""
    theory, net = ncv.Phi4((6, 4), 0.1, 24.0), ncv.OddMLP((6, 4), depth=0)
    train = ensemble(theory=theory)
    data = Data.measure(theory, ncv.Correlator().at(2), train)
    (fit,) = ncv.Lasso(0.05).run(net, data)
    features = np.asarray(feature_matrix(net, data))
    spread, y = features.std(axis=0), np.asarray(data.values[:, 0])
    q = (features - features.mean(axis=0)) / spread
    w = np.asarray(fit.control.weights) * spread / y.std()
    slope = q.T @ ((y - y.mean()) / y.std() - q @ w) / len(y)
    assert 0 < (w != 0).sum() < 12 and abs(slope).max() < 0.05001
    np.testing.assert_allclose(slope[w != 0], 0.05 * np.sign(w[w != 0]), atol=1e-5)
    (streamed,) = ncv.Lasso(0.05, memory=0).run(net, data)
    np.testing.assert_allclose(streamed.control.weights, fit.control.weights, atol=1e-3 * abs(w).max())


def test_lasso_chooses_its_penalty_where_there_are_few_configurations():
    """24 weights for 30 configurations; the observable needs one of them."""
    theory, net = ncv.Phi4((6, 4), 0.1, 24.0), ncv.OddMLP((6, 4), depth=0)
    train, rest = ensemble(3, 10, theory=theory), ensemble(seed=1, theory=theory)
    one = ncv.as_observable(lambda phi: net.features(phi, jax.grad(theory.action)(phi))[1], name="one feature")
    fit = ncv.fit(net, theory, one, train, method=ncv.Lasso(), progress=False)
    values = ncv.measure(one, rest.flat, (6, 4))
    assert ncv.sigma_ratio(values, values - fit.evaluate(rest)) > 1e3
    assert np.argmax(abs(np.asarray(fit.control.weights))) == 1

"""A fit in blocks is the fit to all of them with the same folds."""

import numpy as np
import pytest

import ncv_lab as ncv
from helpers import THEORY, ensemble, net

LINEAR = ncv.OddMLP(THEORY.shape, depth=0, symmetric=True)
CORR = ncv.Correlator()


def test_two_blocks_are_the_fit_to_all():
    """Two folds at once are the first and the second half of the rows; as two blocks of one chain they are the same."""
    made = ensemble(n_chains=1, n_draws=200)
    method = ncv.LeastSquares(folds=2, memory=0)
    whole = ncv.fit(LINEAR, None, CORR, made, method=method, progress=False)
    blocks = [(0, made.configs[0, :100]), (0, made.configs[0, 100:])]
    found = ncv.fit_blocks(LINEAR, THEORY, CORR, blocks, method=method)
    np.testing.assert_allclose(found.control.weights, whole.control.weights, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(found.validation_ratio, whole.validation_ratio, rtol=1e-9)
    np.testing.assert_array_equal(found.seen, whole.seen)
    assert found.n_configs == 200 and found.diagnostics["n_features"] == whole.diagnostics["n_features"]
    with pytest.raises(ValueError, match="the fit has seen"):
        ncv.estimate_blocks(THEORY, CORR, blocks[:1], found)


def test_what_cannot_be_fitted_in_blocks():
    block = ensemble(n_chains=1, n_draws=20)
    with pytest.raises(TypeError, match="linear in their weights, and OddMLP is none"):
        ncv.fit_blocks(net(), THEORY, CORR, [block])
    with pytest.raises(TypeError, match=r"the method LeastSquares\(...\)"):
        ncv.fit_blocks(LINEAR, THEORY, CORR, [block], method=ncv.Adam(steps=1))
    with pytest.raises(ValueError, match="there are 1 blocks"):
        ncv.fit_blocks(LINEAR, THEORY, CORR, [block])
    with pytest.raises(ValueError, match="lattice"):
        ncv.fit_blocks(ncv.OddMLP((4, 4), depth=0), THEORY, CORR, [block])

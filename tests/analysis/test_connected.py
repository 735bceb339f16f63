"""Connected correlators of actions that are not even, against the transfer matrix."""

import numpy as np
import pytest

import ncv_lab as ncv
from helpers import QUICK

POTENTIAL = (0.0, -0.4, 0.25, 0.0, 0.1)
THEORY = ncv.Scalar((8,), POTENTIAL)


def exact():
    "<C(t)> - <phi>^2 and <phi> of the chain."
    grid = np.linspace(-9, 9, 300)
    weight = np.exp(-np.polynomial.polynomial.polyval(grid, POTENTIAL) / 2)
    values, states = np.linalg.eigh(weight[:, None] * np.exp(-((grid[:, None] - grid) ** 2) / 2) * weight)
    decay = values / values[-1]
    elements = (states.T * grid) @ states
    Z = (decay**8).sum()
    C = np.array([decay**t @ elements**2 @ decay ** (8 - t) for t in range(5)]) / Z
    mean = np.diag(elements) @ decay**8 / Z
    return C - mean**2, mean


@pytest.fixture(scope="module")
def ensemble():
    return ncv.sample(THEORY, 600, 0, progress=False)


@pytest.mark.slow
def test_the_connected_correlator_is_exact_within_its_errors(ensemble):
    C, mean = exact()
    improved = ncv.estimate_connected(None, ensemble, QUICK, progress=False)
    assert abs((improved.value - C) / improved.error).max() < 4
    assert abs((improved.raw.value - C) / improved.raw.error).max() < 4
    assert improved.sigma_ratio.min() > 10
    M = ncv.estimate(THEORY, ncv.Magnetisation(), ensemble, QUICK, progress=False)
    assert abs(M.value - mean) < 4 * M.error and M.sigma_ratio > 10


def test_the_raw_value_does_not_depend_on_the_offset(ensemble):
    M = ncv.estimate(THEORY, ncv.Magnetisation(), ensemble)
    C = ncv.estimate(THEORY, ncv.Correlator(), ensemble)
    with_offset = ncv.estimate_connected(THEORY, ensemble)
    np.testing.assert_allclose(ncv.connected(C, M).value, with_offset.value, rtol=1e-9)
    np.testing.assert_allclose(C.value - M.value**2, with_offset.value, rtol=1e-9)
    np.testing.assert_allclose(ncv.connected(C, M).error, with_offset.error, rtol=1e-6)
    one = ncv.estimate_connected(THEORY, ensemble, t=2)
    np.testing.assert_allclose(one.value, with_offset.value[2], rtol=1e-12)


def test_estimates_of_other_configurations_are_refused(ensemble):
    C = ncv.estimate(THEORY, ncv.Correlator(), ensemble)
    fewer = ncv.estimate(THEORY, ncv.Magnetisation(), ensemble.select(draws=slice(0, 20)))
    with pytest.raises(ValueError, match="both must come from the same configurations"):
        ncv.connected(C, fewer)

"""How much the linear field reduces the spread of C(L0 / 2): solved on 1000 configurations, judged on 3000."""

import jax
import numpy as np
import pytest

import ncv_lab as ncv

# shape, m2, lam, t, and the least sigma ratio of kernels even in each axis and of weights on time offsets only
CASES = {
    "20x20 weak": ((20, 20), 0.1, 0.5, 10, 11.0, 12.0),
    "20x20 strong": ((20, 20), 0.1, 24.0, 10, 3.6, 3.9),
    "40x10": ((40, 10), 0.01, 0.1, 20, 8.5, 9.0),
}
LONG_CASES = ("20x20 weak", "40x10")


def ratio(field, theory, corr, train, rest):
    "sigma_raw / sigma_CV on `rest` of the field solved on `train`."
    fit = ncv.fit(field, theory, corr, train, progress=False)
    values = ncv.measure(corr, rest.flat, theory.shape)
    return float(ncv.sigma_ratio(values, values - fit.evaluate(rest)))


@pytest.mark.slow
@pytest.mark.parametrize("case", ["20x20 strong", *(pytest.param(case, marks=pytest.mark.long) for case in LONG_CASES)])
def test_median_of_three_seeds(case):
    shape, m2, lam, t, even, time = CASES[case]
    theory, corr = ncv.Phi4(shape, m2, lam), ncv.Correlator().at(t)
    ratios = {True: [], "time": []}
    for seed in range(3):
        train, rest = ncv.sample(theory, 4000, jax.random.key(seed), progress=False).split(1000)
        for symmetric, found in ratios.items():
            found.append(ratio(ncv.OddMLP(shape, depth=0, symmetric=symmetric), theory, corr, train, rest))
    assert np.median(ratios[True]) >= even and np.median(ratios["time"]) >= time, ratios

"""Cross-fitting: no configuration is judged by a fit that has seen it."""


import jax
import numpy as np
import pytest

from ncv_lab.analysis.estimate import estimate
from ncv_lab.fields.control_variates import control_variate
from ncv_lab.fields.exact_field import free_field
from ncv_lab.fields.odd_mlp import OddMLP
from ncv_lab.fields.schwinger_dyson import Direct
from ncv_lab.fitting.data import Data
from ncv_lab.fitting.fit import fit
from ncv_lab.fitting.least_squares import LeastSquares, influence
from ncv_lab.sampling.hmc import sample
from ncv_lab.theory.action import Phi4
from ncv_lab.theory.exact import free_correlator
from ncv_lab.theory.observables import Correlator
from ncv_lab.utils.batching import map_cores


def test_free_field_is_solved_by_cross_fitting():
    theory = Phi4((6, 4), 0.3, 0.0)
    ensemble = sample(theory, 500, jax.random.key(1), n_chains=5, progress=False)
    result = estimate(theory, Correlator(), ensemble, OddMLP(theory.shape, depth=0, symmetric="time"), progress=False)
    assert np.allclose(result.value, free_correlator(theory.shape, 0.3), rtol=1e-6)
    assert result.sigma_ratio.min() > 1e4


def test_cross_fitting_never_uses_a_fit_on_what_it_has_seen(theory, ensemble, field):
    result = estimate(theory, Correlator(), ensemble, field, folds=5, progress=False)
    assert len(result.fits) == 5 and result.n_configs == ensemble.n_configs
    seen = np.array([np.isin(ensemble.fingerprints(), fit.seen) for fit in result.fits])
    assert (seen.sum(axis=0) == 4).all()
    values = result.raw.samples - result.samples
    for fit_, was_seen in zip(result.fits, seen, strict=True):
        held_out = ~was_seen.reshape(values.shape[:2])
        assert np.allclose(values[held_out], fit_.evaluate(ensemble.flat[held_out.reshape(-1)]))
    assert result.sigma_ratio.min() > 2 and abs(result.z_score).max() < 4
    assert set(result.seconds) == {"sampling", "fitting", "evaluating"} and result.speedup.shape == (5,)


def test_folds_of_draws_keep_a_gap(theory, ensemble, field):
    few = ensemble.select(chains=[0, 1])
    result = estimate(theory, Correlator(), few, field, folds=4, progress=False)
    seen = np.array([np.isin(few.fingerprints(), fit.seen).reshape(2, 100) for fit in result.fits])
    assert (seen[0] == seen[0][:1]).all() and "gaps of" in result.control
    held_out = np.arange(25)
    assert not seen[0][:, held_out].any() and not seen[0][:, 25:27].any() and seen[0][:, 50:].all()


def test_configurations_a_fit_has_seen_are_left_out(theory, ensemble, solved):
    with pytest.warns(UserWarning, match="400 of 1000 configurations have been used for the fit"):
        result = estimate(theory, Correlator(), ensemble, solved)
    n_left = result.samples.shape[1]  # a gap of two tau_int behind the cut
    assert 56 <= n_left < 60 and result.samples.shape == (10, n_left, 5) and result.n_configs == 10 * n_left
    assert f"{10 * n_left} configurations (10 chains x {n_left} draws" in str(result)
    rest = estimate(theory, Correlator(), ensemble.select(draws=slice(100 - n_left, 100)), solved)
    assert np.allclose(result.value, rest.value) and np.allclose(result.error, rest.error)
    with pytest.raises(ValueError, match="all 400 configurations were used"):
        estimate(theory, Correlator(), ensemble.select(draws=slice(0, 40)), solved)


def test_scattered_seen_configurations_leave_gaps(theory, ensemble, field):
    odd = fit(field, theory, Correlator(), ensemble.select(draws=slice(1, 100, 2)), progress=False)
    # A draw for which every trajectory was rejected equals the one before, which may be among the seen.
    with pytest.warns(UserWarning, match=r"50\d of 1000"):
        result = estimate(theory, Correlator(), ensemble, odd)
    # It is left out of all chains or of none, so that nothing depends on which trajectories were rejected.
    assert 380 <= result.n_configs <= 500 and result.n_configs % 10 == 0 and np.isnan(result.samples[:, 1]).all()
    assert np.allclose(result.value, np.nanmean(result.samples, axis=(0, 1)))


def test_numbers_are_looked_up_by_label(theory, ensemble, solved):
    rest = ensemble.select(draws=slice(40, 100))
    every, one = (estimate(theory, corr, rest, solved) for corr in (Correlator(), Correlator().at(3)))
    assert one.value.shape == () and one.value == pytest.approx(every.value[3])
    assert one.sigma_ratio == pytest.approx(every.sigma_ratio[3])


def test_a_fit_for_one_time_serves_others_with_a_warning(theory, ensemble, field):
    one = fit(field, theory, Correlator().at(4), ensemble.select(draws=slice(0, 40)), progress=False)
    with pytest.warns(UserWarning, match=r"fitted for C\(4\) and is used as it is for C\(3\)"):
        estimate(theory, Correlator().at(3), ensemble.select(draws=slice(40, 100)), one)


def test_your_own_function_is_a_control_variate(theory, ensemble, solved):
    def f(phi):
        return control_variate(free_field((8,), 0.5, 4), theory, phi)

    result = estimate(theory, Correlator().at(4), ensemble, f)
    assert result.control == "f in closed form" and result.fits == ()


def test_a_linear_field_without_weights_is_cross_fitted():
    theory = Phi4((6, 4), 0.3, 0.5)
    ensemble = sample(theory, 200, 0, n_chains=10, progress=False)
    found = estimate(theory, Correlator(), ensemble, control=Direct(theory.shape), progress=False)
    assert (found.sigma_ratio > 1).all() and "cross-fitted" in found.control


def test_the_influence_is_what_leaving_out_does():
    theory = Phi4((6, 4), 0.3, 4.0)
    ensemble = sample(theory, 120, 0, n_chains=12, progress=False)
    data = Data.measure(theory, Correlator(), ensemble)
    (whole,) = LeastSquares(ridge=1e-2).run(OddMLP((6, 4), depth=0, symmetric=True), data)
    others = np.random.default_rng(1).normal(size=(40, 6, 4))
    features = whole.control.field.with_weights(None).features
    total = map_cores(features, others, map_cores(theory.gradient, others)).sum(axis=0)
    owed, left_out = influence(whole, data, total), []
    for i in range(0, 120, 10):
        (without,) = whole.method.run(whole.control.field, data.select(np.arange(120) != i))
        left_out.append((whole.evaluate(others) - without.evaluate(others)).sum(axis=0))
    assert np.corrcoef(owed[::10].ravel(), np.ravel(left_out))[0, 1] > 0.99
    assert np.allclose(owed[::10], left_out, atol=0.1 * np.abs(owed).max())

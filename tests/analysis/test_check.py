"""The tests of an ensemble: the right action passes, wrong ones are caught and named, copies and drifts are found."""

import warnings
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncv_lab.analysis.check import Bins, check, check_action, check_features, conventions, repeats, solve
from ncv_lab.analysis.estimate import bins_of, estimate, identity_features
from ncv_lab.fields.odd_mlp import OddMLP
from ncv_lab.fitting.least_squares import LeastSquares
from ncv_lab.sampling.ensemble import Ensemble
from ncv_lab.sampling.hmc import sample
from ncv_lab.theory.action import Phi4, Theory, as_theory
from ncv_lab.theory.observables import MeanSquare
from tests.helpers import ar1

SHAPE = (16,)


@pytest.fixture(scope="module")
def interacting():
    "Configurations of one interacting theory, from which those of all conventions are made by declaring others."
    return sample(Phi4(SHAPE, 0.3, 6.0), 2000, 1, n_chains=20, thin=4, progress=False)


def gaussian(theory, a, n_chains, n_draws, seed=0):
    "Free configurations (chain, draw, *shape) with rho(t) = a^t, by NumPy alone."
    noise = np.fft.fft(ar1(a, n_chains, n_draws, seed, theory.shape), norm="ortho")
    k = 2 * np.pi * np.arange(theory.shape[0]) / theory.shape[0]
    return np.fft.ifft(noise / np.sqrt(float(theory.m2) + 2 - 2 * np.cos(k)), norm="ortho").real


def quiet_check(configs, theory):
    "A check of configurations that may be too correlated for the warnings of `from_configs`."
    return check(Ensemble(np.asarray(configs), theory))


def test_features_are_those_of_the_divergence():
    phi = jnp.asarray(np.random.default_rng(1).normal(size=(4, 3)))
    v = jnp.asarray(np.random.default_rng(2).normal(size=(4, 3)))
    features = jax.jit(lambda dS: check_features(phi, dS, (4, 3)))
    zero, one, two = (features(s * v) for s in (0.0, 1.0, 2.0))
    np.testing.assert_allclose(two - one, one - zero, atol=1e-10)
    np.testing.assert_allclose(one[0], 2 * (12 - (phi * v).sum()))
    np.testing.assert_allclose(one[2], 4 * (3 * phi**2 - phi**3 * v).sum())
    cheap = identity_features(np.asarray(phi)[None], np.asarray(v)[None], 2)[0]
    np.testing.assert_allclose([one[0] / 2, one[2] / 4, one[1] * 2], cheap[:3])


@pytest.mark.parametrize("a", [0.0, 0.8])
def test_bins_have_the_variance_of_the_mean(a):
    tau = (1 + a) / (1 - a) / 2
    series = ar1(a, 400, 120, seed=3)
    number, factor = bins_of(400, 120, tau)
    means = np.bincount(number.ravel(), series.ravel()) / np.bincount(number.ravel())
    found = factor * means.var() / len(means)
    exact = series.mean(axis=1).var() / 400  # chains are independent
    assert abs(found / exact - 1) < 4 * (2 / 400 + 2 / len(means)) ** 0.5


def test_chains_shorter_than_a_bin_are_bins():
    number, factor = bins_of(7, 5, 20.0)
    assert number.max() == 6 and factor == 1


def test_p_values_are_uniform():
    rng = np.random.default_rng(4)
    G = rng.normal(size=(3, 6))
    p_values = []
    for _ in range(400):
        F = rng.normal(size=(40, 6)) @ rng.normal(size=(6, 6))
        values = np.concatenate([F[:, None], np.broadcast_to(G, (40, 3, 6))], axis=1)
        found = solve(Bins(values, 1.0, 0.5), np.zeros(3))
        p_values.append([found.p_score, found.p_rest, found.p_all, found.p_value])
    # The largest distance of the distribution functions (Kolmogorov-Smirnov) exceeds 1.95 / sqrt(n) once in 1000.
    for column in np.sort(p_values, axis=0).T:
        assert abs(column - (np.arange(400) + 0.5) / 400).max() < 1.95 / 20


@pytest.mark.slow
@pytest.mark.parametrize("a", [0.0, 0.8])
def test_free_ensembles(a):
    "tau_int = 0.5 and 4.5: the right action passes 99 times in 100; m2 off by four of its errors is caught."
    theory = Phi4(SHAPE, 0.3, 0.0)
    passed, caught, seen, pulls = [], [], [], []
    for seed in range(30):
        configs = gaussian(theory, a, 10, 100, seed)
        right = check_action(theory, configs)
        pulls.append((right.fitted - right.declared) / right.error)
        wrong = check_action(Phi4(SHAPE, 0.3 + 4 * right.error[1], 0.0), configs)
        seen.append(not check_action(Phi4(SHAPE, 0.3 + right.visible[1], 0.0), configs).passed)
        passed.append(right.passed)
        caught.append(not wrong.passed)
    assert sum(passed) >= 29 and sum(caught) >= 27
    assert abs(sum(seen) - 15) < 4 * (30 / 4) ** 0.5
    # 0.9 of the error of a standard deviation from 30 numbers is 0.13.
    assert (abs(np.std(pulls, axis=0) - 1) < 4 * 0.13).all() and (abs(np.mean(pulls, axis=0)) < 4 / 30**0.5).all()


def test_the_right_action_passes(interacting):
    found = check(interacting)
    assert found.passed and found.faults == () and "Nothing speaks against" in str(found)
    assert "would have been seen at 3 sigma" in " ".join(str(found).split())
    assert (abs(found.action.fitted - [1, 0.3, 6]) < 4 * found.action.error).all()
    assert 2 < found.action.unseen.max() < 7


@pytest.mark.parametrize("kappa_form", [False, True])
def test_every_convention_is_caught_and_named(kappa_form):
    "What the declared numbers would mean in each convention is sampled, with Z = 1 and a rescaled field."
    declared = Phi4(SHAPE, 0.2, 0.1) if kappa_form else Phi4(SHAPE, 0.3, 6.0)
    for index, convention in enumerate(conventions(declared)):
        if kappa_form != convention.words.startswith("the kappa-lambda form"):
            continue
        Z, m2, lam = convention.parameters
        options = {"n_chains": 20, "n_thermal": 200, "thin": 4, "progress": False}
        other = sample(Phi4(SHAPE, m2 / Z, lam / Z**2), 2000, index, **options)
        found = check(replace(other, configs=other.configs / Z**0.5), declared)
        assert not found.passed, convention
        assert convention.words in " ".join(str(found).split()), (convention, found.action.explanations, str(found))


def test_other_couplings_and_an_external_field(interacting):
    found = check(interacting, Phi4(SHAPE, 0.9, 6.0))
    assert any("the theory says Z = 1, m2 = 0.9" in text for text in found.faults)
    assert any("with m2 = 0." in text for text in found.faults)
    shifted = replace(interacting, configs=interacting.configs + 0.05)
    assert any("has other terms" in text for text in check(shifted).faults)


class Oscillator(Theory):
    "A theory with a coupling and two components."

    shape: tuple[int, ...] = eqx.field(static=True, default=(6, 2))
    m2: jnp.ndarray = eqx.field(default_factory=lambda: jnp.asarray(1.0))

    @property
    def event_shape(self):
        return (2,)

    def action(self, phi):
        return self.m2 * (phi**2).sum() / 2


def test_any_theory():
    configs = np.random.default_rng(5).normal(size=(5, 200, 6, 2))
    found = quiet_check(configs, Oscillator())
    assert found.passed and found.action.names == ("beta", "m2")
    found = quiet_check(1.2 * configs, as_theory(lambda phi: (phi**2).sum() / 2, (6,), event_shape=(2,)))
    assert not found.passed and abs(found.action.fitted[0] - 1 / 1.44) < 4 * found.action.error[0]


def test_copies_and_stuck_chains():
    theory = Phi4(SHAPE, 0.3, 0.0)
    configs = gaussian(theory, 0.0, 4, 50)
    assert repeats(Ensemble(configs, theory)) == (0, 1, 0, False)
    rejected = configs.copy()
    rejected[0, 7] = rejected[0, 6]
    assert repeats(Ensemble(rejected, theory)) == (1, 2, 0, False)
    copied = configs.copy()
    copied[1, 7] = copied[0, 6]
    assert repeats(Ensemble(copied, theory)).copies == 1
    same = np.broadcast_to(configs[:1, :1], configs.shape)
    found = quiet_check(same, theory)
    assert found.repeats.stuck and found.repeats.copies == 3 and not found.passed and "nan" not in str(found)


def test_not_in_equilibrium_and_not_finite():
    theory = Phi4(SHAPE, 0.3, 0.0)
    configs = gaussian(theory, 0.0, 4, 50)
    start = configs * np.minimum(1, (0.2 + np.arange(50)) / 25)[None, :, None]
    assert any("not in equilibrium" in text for text in quiet_check(start, theory).faults)
    configs[2, 3, 0] = np.nan
    found = quiet_check(configs, theory)
    assert found.n_bad == 1 and not found.passed and "1 configurations are not finite" in str(found)


def test_too_few_configurations_are_not_called_right():
    theory = Phi4(SHAPE, 0.3, 0.0)
    found = quiet_check(gaussian(theory, 0.0, 1, 8), theory)
    assert found.action is None and "NOT tested" in str(found)


def test_estimate_warns_of_another_action(interacting):
    field = OddMLP(SHAPE, depth=0, symmetric=True)
    options = {"method": LeastSquares(), "progress": False}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimate(None, MeanSquare(), interacting, field, **options)
        assert not any("look like" in str(one.message) for one in caught)
        estimate(None, MeanSquare(), replace(interacting, theory=Phi4(SHAPE, 0.6, 6.0)), field, **options)
    assert any("do not look like those of the action" in str(one.message) for one in caught)


@pytest.mark.parametrize("spoil", [lambda phi: 1e8 * phi, lambda phi: phi.mean(axis=-1, keepdims=True) + 0 * phi])
def test_parameters_that_cannot_be_told_apart_are_no_error(spoil):
    """Fields of another unit, or of one number on all sites: the check fails them, and names no other parameters."""
    theory = Phi4(SHAPE, 0.3, 0.5)
    configs = np.random.default_rng(0).normal(size=(4, 20, *SHAPE))
    found = quiet_check(spoil(configs), theory)
    assert not found.passed and str(found)

"""No number misleads: the cut of an ensemble, what is constant, what cannot be improved, and the names of numbers."""

import json
import warnings
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ncv_lab as ncv
from ncv_lab.analysis.export import record

THEORY = ncv.Phi4((4, 4), 0.3, 1.0)
FIELD = ncv.OddMLP(THEORY.shape, depth=0, symmetric=True)


@pytest.fixture(scope="module")
def ensemble():
    return ncv.sample(THEORY, 300, 0, n_chains=10, progress=False)


@pytest.fixture(scope="module")
def frozen():
    phi = np.random.default_rng(1).normal(size=(4, 4))
    with pytest.warns(UserWarning, match="all 200 configurations are the same"):
        return ncv.Ensemble.from_configs(np.broadcast_to(phi, (4, 50, 4, 4)), THEORY)


def fit(observable, ensemble, field=FIELD):
    return ncv.fit(field, ensemble.theory, observable, ensemble, progress=False)


# The cut of an ensemble.


TWO_SITES = ncv.Phi4((2,), 0.1, 0.5)


def action_of_two_sites(phi):
    local = TWO_SITES.m2 * phi**2 / 2 + TWO_SITES.lam * phi**4 / 24
    return np.asarray(local.sum(axis=-1) + (phi[..., 0] - phi[..., 1]) ** 2)


def chains_of_two_sites(n_chains, n_draws, seed, width=2.5):
    "Metropolis in NumPy with wide proposals: most are rejected, above all where phi^2 is small. (chain, draw, 2)"
    rng = np.random.default_rng(seed)

    def weight(phi):
        "-log of target over proposal."
        return action_of_two_sites(phi) - (phi**2).sum(axis=-1) / (2 * width**2)

    phi, found = rng.normal(size=(n_chains, 2)), []
    for _ in range(80 + n_draws):
        proposal = width * rng.normal(size=phi.shape)
        accepted = rng.random(n_chains) < np.exp(np.minimum(weight(phi) - weight(proposal), 0.0))
        phi = np.where(accepted[:, None], proposal, phi)
        found.append(phi)
    return np.stack(found[-n_draws:], axis=1)


def exact_mean_square():
    "<phi^2> on two sites by the trapezoidal rule, which is exact to rounding for such an integrand."
    grid = np.stack(np.meshgrid(*2 * [np.linspace(-9, 9, 400)]), axis=-1)
    weight = np.exp(-action_of_two_sites(grid))
    return (weight * (grid**2).mean(axis=-1)).sum() / weight.sum()


@pytest.mark.long
def test_nothing_is_biased_behind_the_cut_of_many_short_chains():
    """In 10,000 chains of 1 + 24 draws the mean of phi^2 behind the cut agrees with the exact one. Left out one by one,
    configurations that repeat the training set would bias it by 4 standard errors."""
    n_chains = 10_000
    exact = exact_mean_square()
    ensemble = ncv.Ensemble(chains_of_two_sites(n_chains, 25, seed=0), TWO_SITES)
    train, rest = ensemble.split(n_chains)
    found = fit(ncv.MeanSquare(), train, ncv.OddMLP((2,), depth=0))
    options = {"control": found, "errors": "jackknife"}
    with pytest.warns(UserWarning, match="of each chain"):
        behind = ncv.estimate(TWO_SITES, ncv.MeanSquare(), rest, **options)
    with pytest.warns(UserWarning, match="of each chain"):
        whole = ncv.estimate(TWO_SITES, ncv.MeanSquare(), ensemble, **options)
    for result in (behind, whole):
        assert result.n_configs == n_chains * result.samples.shape[1]
        assert abs(result.value - exact) < 3.5 * result.error
        assert abs(result.raw.value - exact) < 3.5 * result.raw.error
    new = ~np.isin(rest.fingerprints(), found.seen).reshape(n_chains, 24)
    values = np.where(new, (rest.configs**2).mean(axis=-1), np.nan)
    one_by_one = ncv.Estimate.from_samples(TWO_SITES, ncv.MeanSquare(), values, errors="jackknife")
    assert one_by_one.value - exact > 3.5 * one_by_one.error


def with_repetition(ensemble, chain, draw):
    configs = ensemble.configs.copy()
    configs[chain, draw] = configs[chain, draw - 1]
    return replace(ensemble, configs=configs)


def test_a_repetition_at_the_cut_is_left_out_of_all_chains(ensemble):
    train, rest = with_repetition(ensemble, 3, 15).split(150)
    found = fit(ncv.Correlator(), train)
    with pytest.warns(UserWarning, match=r"1 of 150 .* Left out are draws 0 to 1 of each chain.*130 configurations"):
        result = ncv.estimate(THEORY, ncv.Correlator(), rest, found)
    assert "130 configurations (10 chains x 13 draws, seed 0)" in str(result)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ncv.estimate(THEORY, ncv.Correlator(), rest.select(draws=slice(1, None)), found).n_configs == 140


def test_the_gap_of_a_split(ensemble):
    repeated = with_repetition(ensemble, 3, 15)
    train, rest = repeated.split(150, gap=2)
    assert (train.n_draws, rest.n_draws) == (15, 13)
    np.testing.assert_array_equal(rest.configs, repeated.configs[:, 17:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ncv.estimate(THEORY, ncv.MeanSquare(), rest, fit(ncv.MeanSquare(), train)).n_configs == 130


@pytest.mark.parametrize("seen", [slice(0, 10), slice(20, 30), slice(10, 20)])
def test_a_gap_is_left_beside_the_training_draws(ensemble, seen):
    found = fit(ncv.MeanSquare(), ensemble.select(draws=seen))
    with pytest.warns(UserWarning, match="10. of 300 configurations have been used for the fit"):
        result = ncv.estimate(THEORY, ncv.MeanSquare(), ensemble, found)
    taken = np.isin(ncv.measure(ncv.MeanSquare(), ensemble.configs, THEORY), result.raw.samples)
    assert (taken == taken[0]).all() and not taken[0, seen].any()
    beside = [draw for draw in (seen.start - 1, seen.stop) if 0 <= draw < 30]
    assert not taken[:, beside].any() and taken.sum() >= 150


def test_chains_of_the_training_set_are_left_out_as_a_whole(ensemble):
    found = fit(ncv.MeanSquare(), ensemble.select(chains=[0, 1, 5]))
    with pytest.warns(UserWarning, match="Left out are chains 0 to 1, 5"):
        result = ncv.estimate(THEORY, ncv.MeanSquare(), ensemble, found)
    assert "210 configurations (7 chains x 30 draws, seed 0)" in str(result)


def test_chains_that_only_repeat_need_a_gap(ensemble):
    configs = ensemble.configs[:, :3].copy()
    configs[:, 2] = configs[:, 1]
    train, rest = ncv.Ensemble.from_configs(configs, THEORY).split(20)
    found = fit(ncv.MeanSquare(), train)
    with pytest.raises(ValueError, match="all 10 configurations were used"):
        ncv.estimate(THEORY, ncv.MeanSquare(), rest, found)
    configs[0, 2] = ensemble.configs[0, 3]
    train, rest = ncv.Ensemble.from_configs(configs, THEORY).split(20)
    with pytest.raises(ValueError, match=r"9 of 10 .* ensemble.split\(n_configs, gap=...\)"):
        ncv.estimate(THEORY, ncv.MeanSquare(), rest, found)


# Nothing prints nan.


def no_nan(*texts):
    return not any("nan" in text.lower() or "inf" in text.lower() for text in texts)


@pytest.mark.parametrize("control", [None, FIELD, ncv.SchwingerDyson()], ids=["raw", "linear", "ladder"])
def test_equal_configurations_say_so(frozen, control):
    result = ncv.estimate(THEORY, ncv.Correlator(), frozen, control, progress=False)
    assert "C(0), C(1), C(2) are the same on all configurations" in str(result) and no_nan(str(result))
    assert (result.sigma_ratio == 1).all() and (result.error_ratio == 1).all() and (result.error == 0).all()
    assert no_nan(repr(frozen)) and "M constant" in repr(frozen)
    document = json.dumps(record(result), allow_nan=False)
    assert "the same on all configurations" in json.loads(document)["notes"]


def test_a_fit_to_equal_configurations_has_no_ratio(frozen):
    with pytest.warns(UserWarning, match=r"are the same on all 200 configurations: there is nothing to fit"):
        found = fit(ncv.Correlator(), frozen)
    assert "1 where fitted, 1 on those set aside" in repr(found) and no_nan(repr(found))


def test_a_constant_among_other_numbers(ensemble):
    def two(phi):
        return jnp.stack([jnp.mean(phi**2), 2.5 + 0 * phi[0, 0]])

    result = ncv.estimate(THEORY, two, ensemble, FIELD, progress=False)
    assert no_nan(str(result)) and result.labels == ("two[0]", "two[1]")
    assert result.notes == (
        "two[1] is the same on all configurations: no error can be measured, and there is nothing to improve",
    )
    assert result.value[1] == 2.5 and result.sigma_ratio[1] == 1 and result.sigma_ratio_error[1] == 0
    assert result.sigma_ratio[0] != 1 and result.z_score[1] == 0


def test_no_control_variate_says_so(ensemble):
    result = ncv.estimate(THEORY, ncv.MeanSquare(), ensemble, lambda phi: 0 * phi[0, 0])
    assert result.notes == ("f = 0 for phi^2: the control variate does not help there",)
    assert "1, f = 0" in str(result) and (result.error_ratio, result.error_ratio_error) == (1, 0)


def test_no_noise_is_left(ensemble):
    mean = np.mean(ensemble.configs**2)
    result = ncv.estimate(THEORY, ncv.MeanSquare(), ensemble, lambda phi: jnp.mean(phi**2) - mean)
    assert "no noise left" in str(result) and no_nan(str(result)) and result.sigma_ratio == np.inf
    found = record(result)
    assert found["sigma_ratio"] == [None] and "no noise is left" in found["notes"]


def test_a_constant_that_is_not_zero_is_no_control_variate(ensemble):
    with pytest.warns(UserWarning, match=r"phi\^2 is the same number on all configurations and not 0"):
        result = ncv.estimate(THEORY, ncv.MeanSquare(), ensemble, lambda phi: 1.0 + 0 * phi[0, 0])
    assert result.z_score == np.inf and no_nan(str(result))


# Names, and clear refusals.


def test_a_lambda_has_a_readable_label():
    def square(phi):
        return jnp.mean(phi**2)

    assert ncv.as_observable(lambda phi: phi.mean()).labels((4, 4)) == ("O",)
    assert ncv.as_observable(lambda phi: phi.mean(axis=0)).labels((2, 2)) == ("O[0]", "O[1]")
    assert ncv.as_observable(jax.tree_util.Partial(square)).labels((4, 4)) == ("O",)
    assert ncv.as_observable(square).labels((4, 4)) == ("square",)
    assert ncv.as_observable(lambda phi: phi.mean(), "M").labels((4, 4)) == ("M",)
    assert ncv.as_theory(lambda phi: (phi**2).sum(), (4, 4)).name == "action"


def wave(phi):
    "A complex observable."
    return jnp.exp(1j * phi[:, 0].mean())


@pytest.mark.parametrize("control", [None, FIELD, lambda phi: 0.1 * (wave(phi) - wave(-phi))])
def test_a_complex_observable_has_a_real_and_an_imaginary_part(ensemble, control):
    estimate = ncv.estimate(THEORY, wave, ensemble, control)
    values = np.asarray(jax.vmap(wave)(jnp.asarray(ensemble.flat)))
    assert estimate.labels == ("Re wave", "Im wave") and estimate.covariance().shape == (2, 2)
    raw = estimate.raw or estimate
    np.testing.assert_allclose(raw.complex_value, values.mean(), rtol=1e-12)
    both = np.cov(values.real, values.imag)[0, 1]
    np.testing.assert_allclose(np.cov(raw.samples.reshape(-1, 2).T)[0, 1], both, rtol=1e-10)
    if control is not None and control is not FIELD:
        f = np.asarray(jax.vmap(control)(jnp.asarray(ensemble.flat)))
        np.testing.assert_allclose(estimate.complex_value, (values - f).mean(), rtol=1e-12)


def test_several_complex_numbers():
    waves = ncv.as_observable(lambda phi: jnp.fft.fft(phi.mean(axis=1)), "s")
    assert waves.labels((2, 4)) == ("Re s[0]", "Re s[1]", "Im s[0]", "Im s[1]")
    phi = np.random.default_rng(0).normal(size=(2, 4))
    expected = np.fft.fft(phi.mean(axis=1))
    np.testing.assert_allclose(waves(jnp.asarray(phi)), [*expected.real, *expected.imag], atol=1e-14)


class Wave(ncv.Observable):
    "A class whose values are complex."

    def labels(self, shape):
        return ("w",)

    def __call__(self, phi):
        return wave(phi)


def test_complex_numbers_of_a_class_or_beside_a_real_observable_are_refused_in_words(ensemble):
    with pytest.raises(TypeError, match=r"Wave is complex .* let its __call__ give the real parts"):
        ncv.estimate(THEORY, Wave(), ensemble)
    with pytest.raises(ValueError, match="is real; use value"):
        _ = ncv.estimate(THEORY, ncv.MeanSquare(), ensemble).complex_value
    with pytest.raises(TypeError, match="the control variate is complex, but the observable is real"):
        ncv.estimate(THEORY, ncv.MeanSquare(), ensemble, wave)


def test_a_complex_action_is_refused_in_words():
    with pytest.raises(ValueError, match=r"complex, .* is no probability; sample with a real action"):
        ncv.as_theory(lambda phi: (phi**2).sum() * (1 + 1j), (4, 4))


def test_a_complex_field_is_refused_in_words():
    with pytest.raises(TypeError, match=r"complex128; .* event_shape=\(2,\)"):
        ncv.Ensemble.from_configs(np.ones((20, 4, 4), complex), THEORY)


def test_chains_on_different_lattices_are_named():
    replicas = [np.ones((5, 4, n)) for n in (4, 5, 6)]
    with pytest.raises(ValueError, match=r"3 arrays of different shapes, \[\(5, 4, 4\), .*may differ in length only"):
        ncv.Ensemble.from_configs(replicas, THEORY)


def o2(phi):
    length2 = (phi**2).sum(-1)
    kinetic = sum(((jnp.roll(phi, -1, axis) - phi) ** 2).sum() / 2 for axis in (0, 1))
    return kinetic + (0.05 * length2 + 0.25 * length2**2).sum()


class O2(ncv.Theory):
    shape: tuple = (4, 4, 2)

    def action(self, phi):
        return o2(phi)


@pytest.mark.slow
def test_components_are_not_taken_for_an_axis_of_the_lattice():
    hint = r"along axis 2 .* give as_theory the shape \(4, 4\) and event_shape=\(2,\)"
    with pytest.warns(UserWarning, match=hint):
        ncv.as_theory(o2, (4, 4, 2))
    with pytest.warns(UserWarning, match=hint):
        ncv.Ensemble.from_configs(np.random.default_rng(0).normal(size=(20, 4, 4, 2)), O2())
    action = ncv.Phi4((4, 4, 2), 0.1, 1.0).action
    with pytest.warns(UserWarning, match="the action changes when a configuration is moved by one site along axis 2"):
        ncv.as_theory(lambda phi: action(phi) + phi[..., 0].sum(), (4, 4, 2))


@pytest.mark.slow
@pytest.mark.parametrize("extents", [(4,), (4, 4), (2, 4, 2)])
def test_scalar_actions_raise_no_suspicion(extents):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ncv.as_theory(ncv.Phi4(extents, 0.1, 1.0).action, extents)
        ncv.as_theory(lambda phi: (phi**4).sum() + phi.sum(), extents)
        ncv.as_theory(o2, (4, 4), event_shape=(2,))

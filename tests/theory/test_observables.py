"""Observables: correlators against direct sums, moments, functions of the user, and measuring."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncv_lab as ncv
from helpers import field
from ncv_lab.theory.lattice import laplacian
from ncv_lab.theory.observables import _Moment, check_observable, value_shape

SHAPES = [(7,), (8,), (6, 4), (5, 3), (4, 3, 2), (3, 2, 2, 3)]
MOMENTS = [ncv.MeanSquare(), ncv.AbsMagnetisation(), ncv.MagnetisationSquared(), ncv.Susceptibility()]


def direct_correlator(phi, t, momentum=None):
    "Eq. (15), site by site: the real part of (1 / L0) sum_y0 sbar(y0 + t) conj(sbar(y0))."
    phi = np.asarray(phi)
    momentum = momentum or [0] * (phi.ndim - 1)
    slices = np.zeros(phi.shape[0], complex)
    for x in np.ndindex(*phi.shape):
        angle = sum(2 * np.pi * n * i / extent for n, i, extent in zip(momentum, x[1:], phi.shape[1:], strict=True))
        slices[x[0]] += phi[x] * np.exp(-1j * angle) / phi[0].size
    return np.mean([(slices[(y + t) % len(slices)] * slices[y].conj()).real for y in range(len(slices))])


@pytest.mark.parametrize("shape", SHAPES)
def test_correlator_against_the_double_sum(shape):
    phi = field(shape)
    direct = [direct_correlator(phi, t) for t in range(shape[0] // 2 + 1)]
    np.testing.assert_allclose(ncv.Correlator()(phi), direct, atol=1e-14)


@pytest.mark.parametrize("shape, momentum", [((6, 4), (1,)), ((6, 4), (-1,)), ((4, 3, 5), (1, 2)), ((4, 3, 5), (0, 1))])
def test_correlator_at_momentum_against_the_double_sum(shape, momentum):
    phi = field(shape)
    direct = [direct_correlator(phi, t, momentum) for t in range(shape[0] // 2 + 1)]
    np.testing.assert_allclose(ncv.Correlator(momentum=momentum)(phi), direct, atol=1e-14)


def test_momentum_zero_is_the_default():
    phi = field((6, 4))
    np.testing.assert_array_equal(ncv.Correlator(momentum=(0,))(phi), ncv.Correlator()(phi))


@settings(max_examples=15)
@given(st.sampled_from(SHAPES), st.integers(0, 99), st.integers(-5, 5))
def test_observables_are_even_and_invariant_under_translations(shape, seed, step):
    phi = field(shape, seed)
    moved, momentum = jnp.asarray(np.roll(phi, [step] * len(shape), range(len(shape)))), (1,) * (len(shape) - 1)
    for observable in (ncv.Correlator(), ncv.Correlator(momentum=momentum), *MOMENTS):
        value = observable(phi)
        np.testing.assert_allclose(observable(moved), value, atol=1e-13)
        np.testing.assert_allclose(observable(-phi), value, atol=1e-14)


@given(st.sampled_from(SHAPES), st.integers(0, 99))
def test_correlator_is_symmetric_in_time(shape, seed):
    phi, L0 = field(shape, seed), shape[0]
    times = np.arange(L0)
    values = ncv.Correlator().at(times.tolist())(phi)
    np.testing.assert_allclose(values, values[(-times) % L0], atol=1e-14)
    # Positivity: the Fourier transform of C(t) is a square.
    assert np.fft.fft(values).real.min() > -1e-13


def test_one_time_is_a_scalar_and_several_a_vector():
    phi, corr = field((6, 4)), ncv.Correlator()
    assert corr.at(2)(phi).shape == () and corr.at([2])(phi).shape == (1,)
    assert corr.at(np.int64(2)).labels((6, 4)) == ("C(2)",)
    np.testing.assert_array_equal(corr.at((3, 0))(phi), corr(phi)[jnp.array([3, 0])])
    assert corr.at(5).labels((6, 4)) == ("C(5)",)  # beyond the middle: C(5) = C(1)
    assert ncv.Correlator(momentum=(1,)).at(2).momentum == (1,)


@pytest.mark.parametrize("shape", SHAPES)
def test_labels_fit_the_values(shape):
    theory = ncv.Phi4(shape, 0.1, 0.5)
    for observable in (ncv.Correlator(), ncv.Correlator().at(1), *MOMENTS, ncv.ActionDensity(theory)):
        form = value_shape(observable, shape)
        assert len(observable.labels(shape)) == (form[0] if form else 1)
    labels = ncv.Correlator(momentum=(1,) * (len(shape) - 1)).labels(shape)
    assert len(set(labels)) == shape[0] // 2 + 1 and not set(labels) & set(ncv.Correlator().labels(shape))


@pytest.mark.parametrize("shape", SHAPES)
def test_moments(shape):
    phi = field(shape)
    theory, mean = ncv.Phi4(shape, 0.1, 24.0), float(phi.mean())
    expected = [float((phi**2).mean()), abs(mean), mean**2, phi.size * mean**2, float(theory.action(phi)) / phi.size]
    np.testing.assert_allclose([m(phi) for m in (*MOMENTS, ncv.ActionDensity(theory))], expected, rtol=1e-13)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_correlator_sums_to_the_magnetisation_squared(shape):
    phi = field(shape)
    all_times = ncv.Correlator().at(list(range(shape[0])))(phi)
    np.testing.assert_allclose(all_times.mean(), ncv.MagnetisationSquared()(phi), atol=1e-14)


def test_jit_vmap_grad():
    configs = field((3, 6, 4))
    values = jax.jit(jax.vmap(ncv.Correlator()))(configs)
    np.testing.assert_allclose(values[1], ncv.Correlator()(configs[1]), atol=1e-14)
    # dC(0) / dphi_x = 2 sbar(x0) / V
    slope = jax.grad(ncv.Correlator().at(0))(configs[0])
    np.testing.assert_allclose(slope, np.repeat(configs[0].mean(1)[:, None], 4, axis=1) * 2 / 24, atol=1e-14)


def test_functions_become_observables():
    both = ncv.as_observable(lambda phi: jnp.stack([jnp.mean(phi**2), jnp.mean(phi**4)]), name="moments")
    assert both.labels((6, 4)) == ("moments[0]", "moments[1]")

    def kurtosis(phi):
        return jnp.mean(phi**4)

    assert ncv.as_observable(kurtosis).labels((6, 4)) == ("kurtosis",)
    assert ncv.as_observable(ncv.MeanSquare()).labels((6, 4)) == ("phi^2",)


@pytest.mark.parametrize("lead", [(5,), (2, 3), ()])
def test_measure_keeps_the_leading_axes(lead):
    configs = np.asarray(field((*lead, 6, 4)))
    values = ncv.measure(ncv.Correlator(), configs, (6, 4))
    assert values.shape == (*lead, 4)
    assert ncv.measure(ncv.MeanSquare(), configs, (6, 4)).shape == lead
    last = (-1,) * len(lead)
    np.testing.assert_allclose(values[last], ncv.Correlator()(jnp.asarray(configs[last])), atol=1e-14)


def test_measure_compiles_once_for_all_couplings():
    from ncv_lab.utils.batching import map_configs

    configs = np.asarray(field((5, 6, 4)))
    ncv.measure(ncv.ActionDensity(ncv.Phi4((6, 4), 0.1, 0.5)), configs, (6, 4))
    before = map_configs._cached._cache_size()
    ncv.measure(ncv.ActionDensity(ncv.Phi4((6, 4), 0.2, 24.0)), configs, (6, 4))
    assert map_configs._cached._cache_size() == before


# ---- theories with components at a site ----


def free_components(phi):
    "Independent free components, phi of shape (6, 4, 3) or (6, 4, 1)."
    return jnp.sum(phi * (0.3 * phi - laplacian(phi, n_axes=2))) / 2


COMPONENTS = ncv.as_theory(free_components, (6, 4), event_shape=(3,))


class MeanCube(ncv.Observable):
    "An observable that says nothing of components."

    def labels(self, shape):
        return ("phi^3",)

    def __call__(self, phi):
        return jnp.mean(phi**3)


def test_observables_of_scalar_fields_are_refused_on_components():
    "They would take the components for a further axis of the lattice."
    configs = np.asarray(field((5, 6, 4, 3)))
    ensemble = ncv.Ensemble.from_configs(np.asarray(field((2, 20, 6, 4, 3))), COMPONENTS)
    for call in (
        lambda: check_observable(MeanCube(), COMPONENTS),
        lambda: ncv.measure(MeanCube(), configs, COMPONENTS),
        lambda: ncv.estimate(COMPONENTS, MeanCube(), ensemble),
        lambda: ncv.fit(ncv.OddMLP((6, 4), depth=0), COMPONENTS, MeanCube(), ensemble),
    ):
        with pytest.raises(ValueError, match=r"is defined for one number at a site, but the theory has .* \(3,\)"):
            call()


@pytest.mark.parametrize("observable", [ncv.Correlator(), ncv.Correlator().at(2), *MOMENTS], ids=repr)
def test_one_component_is_measured_like_a_scalar_field(observable):
    configs = np.asarray(field((5, 6, 4)))
    one = ncv.as_theory(free_components, (6, 4), event_shape=(1,))
    of_scalar = ncv.measure(observable, configs, (6, 4))
    np.testing.assert_allclose(ncv.measure(observable, configs[..., None], one), of_scalar, rtol=1e-12)


@pytest.mark.parametrize("n", [1, 3])
def test_functions_are_measured_on_components(n):
    theory = ncv.as_theory(free_components, (6, 4), event_shape=(n,))
    configs = np.asarray(field((2, 5, 6, 4, n)))
    values = ncv.measure(lambda phi: jnp.mean(phi, axis=(0, 1)), configs, theory)
    np.testing.assert_allclose(values, configs.mean((2, 3)), atol=1e-14)
    density = ncv.measure(ncv.ActionDensity(theory), configs, theory)
    np.testing.assert_allclose(density[1, 2], theory.action(jnp.asarray(configs[1, 2])) / 24, rtol=1e-13)


class ComponentCorrelator(ncv.Observable):
    "An observable that says what it does with components: it sums over them."

    takes_components = True

    def labels(self, shape):
        return tuple(f"C({t})" for t in range(shape[0] // 2 + 1))

    def __call__(self, phi):
        each = jax.vmap(ncv.Correlator(), in_axes=-1)(phi)
        return each.sum(axis=0)


def test_an_observable_may_say_that_it_takes_components():
    configs = np.asarray(field((4, 6, 4, 3)))
    values = ncv.measure(ComponentCorrelator(), configs, COMPONENTS)
    parts = [ncv.measure(ncv.Correlator(), configs[..., i], (6, 4)) for i in range(3)]
    np.testing.assert_allclose(values, sum(parts), atol=1e-14)


def test_measure_takes_a_theory_in_place_of_its_shape():
    theory, configs = ncv.Phi4((6, 4), 0.1, 0.5), np.asarray(field((5, 6, 4)))
    for observable in (ncv.Correlator(), ncv.MeanSquare(), ncv.ActionDensity(theory)):
        by_theory, by_shape = (ncv.measure(observable, configs, where) for where in (theory, theory.shape))
        np.testing.assert_array_equal(by_theory, by_shape)


def test_configurations_of_another_number_of_components_are_refused():
    with pytest.raises(ValueError, match=r"the lattice shape \(6, 4\) and the event shape \(3,\)"):
        ncv.measure(lambda phi: phi.sum(), np.ones((5, 6, 4, 2)), COMPONENTS)


def test_estimates_take_an_observable_of_components():
    ensemble = ncv.Ensemble.from_configs(np.asarray(field((2, 20, 6, 4, 3))), COMPONENTS)
    raw = ncv.estimate(COMPONENTS, ComponentCorrelator(), ensemble)
    np.testing.assert_allclose(raw.value, ncv.measure(ComponentCorrelator(), ensemble.flat, COMPONENTS).mean(0))
    np.testing.assert_allclose(ncv.estimate(COMPONENTS, ncv.Correlator(), ensemble).value, raw.value / 3)


class TooFewLabels(ncv.Observable):
    def __call__(self, phi):
        return jnp.stack([jnp.mean(phi**2), jnp.mean(phi**4)])

    def labels(self, shape):
        return ("phi^2",)


class NoSymbol(_Moment):
    def __call__(self, phi):
        return jnp.mean(phi**4)


def test_an_observable_has_one_label_for_each_number():
    theory = ncv.Phi4((6, 4), 0.3, 0.5)
    message = r"TooFewLabels gives values of shape \(2,\) but 1 labels, .*must return 2 of them"
    with pytest.raises(ValueError, match=message):
        check_observable(TooFewLabels(), theory)
    for shape in (theory, theory.shape):
        with pytest.raises(ValueError, match=message):
            ncv.measure(TooFewLabels(), np.ones((3, 6, 4)), shape)


def test_a_moment_without_a_symbol_says_so():
    with pytest.raises(TypeError, match="the class NoSymbol needs a symbol for labels"):
        NoSymbol().labels((6, 4))

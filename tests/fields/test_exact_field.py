"""The exact field of the free theory removes all variance."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ncv_lab as ncv
from helpers import field
from ncv_lab.theory.lattice import volume


@functools.cache
def improved(shape):
    "All O(t) and O(t) - f of the free theory as a function of (phi, m2)."
    times = range(shape[0] // 2 + 1)
    fields = jax.vmap(lambda weights: ncv.OddMLP(shape, depth=0, symmetric="time").with_weights(weights))

    @jax.jit
    def all_times(phi, m2, weights):
        theory = ncv.Phi4(shape, m2, 0.0 * m2)
        raw = ncv.Correlator()(phi)
        return raw, raw - jax.vmap(lambda field: ncv.control_variate(field, theory, phi))(fields(weights))

    def evaluate(phi, m2):
        weights = jnp.stack([ncv.free_field(shape, m2, t).kernels[0] for t in times])
        return all_times(phi, jnp.asarray(m2), weights)

    return evaluate


@pytest.mark.parametrize("shape, m2, t, exact", [
    ((20, 20), 0.1, 0, 0.0783746246), ((20, 20), 0.1, 10, 0.0067097550), ((6, 4), 0.3, 2, 0.10390126669)])  # fmt: skip
def test_zero_variance_has_the_known_values(shape, m2, t, exact):
    theory, phi = ncv.Phi4(shape, m2, 0.0), field(shape)
    improved = ncv.Correlator().at(t)(phi) - ncv.control_variate(ncv.free_field(shape, m2, t), theory, phi)
    np.testing.assert_allclose(improved, exact, rtol=0, atol=5e-11)


@given(
    st.sampled_from([(8,), (7,), (6, 4), (5, 3), (4, 3, 2)]),
    st.integers(0, 99),
    st.floats(0.05, 3.0),
    st.floats(0.1, 3.0),
)
def test_zero_variance_on_any_configuration(shape, seed, m2, size):
    raw, without_noise = improved(shape)(size * field(shape, seed), m2)
    exact = np.asarray(ncv.free_correlator(shape, m2))
    # Rounding is that of the largest number that cancels.
    scale = max(exact[0], float(abs(raw).max())) * 8 / min(m2, 1)
    np.testing.assert_allclose(without_noise, exact, rtol=0, atol=2e-15 * scale * volume(shape) ** 0.5)

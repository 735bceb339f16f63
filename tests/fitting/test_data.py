"""Data: measured once, selected often; the rows set aside; the figure of merit."""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import ncv_lab as ncv
from helpers import THEORY, ensemble, network
from ncv_lab.fitting.data import Data, evaluate, validation_rows


def test_data_hold_what_does_not_depend_on_the_weights():
    configs = ensemble()
    data = Data.measure(THEORY, ncv.Correlator(), configs)
    assert data.n_configs == 100 and not data.scalar
    np.testing.assert_array_equal(data.chain, np.arange(100) // 25)
    np.testing.assert_array_equal(data.draw, np.arange(100) % 25)
    assert data.labels == ("C(0)", "C(1)", "C(2)", "C(3)")
    np.testing.assert_array_equal(data.phi, configs.flat)
    np.testing.assert_allclose(data.dS[7], THEORY.gradient(data.phi[7]), rtol=1e-13)
    np.testing.assert_allclose(data.values[7], ncv.Correlator()(data.phi[7]), rtol=1e-12)
    np.testing.assert_array_equal(data.seen, np.sort(configs.fingerprints()))


def test_a_scalar_observable_is_one_column():
    data = Data.measure(THEORY, ncv.Correlator().at(2), ensemble())
    assert data.scalar and data.values.shape == (100, 1)
    assert not Data.measure(THEORY, ncv.Correlator().at([2]), ensemble()).scalar


def test_the_user_may_bring_a_theory_and_an_observable():
    theory = ncv.as_theory(THEORY.action, (6, 4))
    data = Data.measure(theory, lambda phi: jnp.mean(phi**4), ensemble(theory=theory))
    np.testing.assert_allclose(data.dS, Data.measure(THEORY, ncv.MeanSquare(), ensemble()).dS, atol=1e-12)


@functools.cache
def small_data(n_chains, n_draws):
    "Data of which only the chains and the draws matter."
    n = n_chains * n_draws
    zeros = {name: jnp.zeros((n, *shape)) for name, shape in {"phi": (6, 4), "dS": (6, 4), "values": (1,)}.items()}
    places = {"chain": np.arange(n) // n_draws, "draw": np.arange(n) % n_draws, "trajectory": None}
    fingerprints = np.arange(n, dtype=np.uint64)
    any_data = Data.measure(THEORY, ncv.MeanSquare(), ensemble(2, 5))
    return dataclasses.replace(any_data, **zeros, **places, fingerprints=fingerprints)


@given(st.integers(1, 4), st.integers(1, 12), st.floats(0.01, 0.99))
def test_the_tail_of_every_chain_is_set_aside(n_chains, n_draws, fraction):
    assume(n_chains * n_draws > 1)
    rows = validation_rows(small_data(n_chains, n_draws), fraction)
    for chain in rows.reshape(n_chains, n_draws) if n_draws > 1 else rows[None]:
        # Contiguous, at the end, about the fraction asked for, never nothing and never all.
        assert (np.diff(chain.astype(int)) >= 0).all() and 0 < chain.sum() < len(chain)
        assert abs(chain.sum() - fraction * len(chain)) <= 1


def test_evaluate_gives_control_variates():
    data, net = Data.measure(THEORY, ncv.MeanSquare(), ensemble()), network((6, 4), 1)
    values = evaluate(net, data, np.array([3, 50]))
    direct = [ncv.control_variate(net, THEORY, data.phi[row]) for row in (3, 50)]
    np.testing.assert_allclose(values, direct, rtol=1e-11)


@given(st.floats(0.01, 100), st.integers(0, 99))
def test_sigma_ratio(factor, seed):
    values = np.random.default_rng(seed).normal(size=(50, 3))
    np.testing.assert_allclose(ncv.sigma_ratio(values, 7 + values / factor), factor, rtol=1e-9)


def test_sigma_ratio_at_the_edges():
    values = np.array([1.0, 2.0, 3.0])
    assert ncv.sigma_ratio(values, np.ones(3)) == np.inf
    assert ncv.sigma_ratio(np.ones(3), np.ones(3)) == 1 and ncv.sigma_ratio(np.ones(3), values) == 1


def test_selected_rows_are_the_rows_of_the_whole():
    data = Data.measure(THEORY, ncv.Correlator(), ensemble())
    rows = np.array([3, 50, 99])
    marked = np.isin(np.arange(100), rows)
    for part in (data.select(rows), data.select(marked)):
        for name in ("phi", "dS", "values", "chain", "draw", "fingerprints"):
            np.testing.assert_array_equal(getattr(part, name), getattr(data, name)[rows], err_msg=name)
    assert data.select(rows).n_configs == 3 and len(data.select(rows).seen) == 3


def test_the_theory_comes_with_the_ensemble():
    configs = ensemble()
    assert Data.measure(None, ncv.MeanSquare(), configs).theory is THEORY
    with pytest.raises(ValueError, match=r"m2 = 0\.4"):
        Data.measure(ncv.Phi4((6, 4), 0.4, 0.5), ncv.MeanSquare(), configs)
    with pytest.raises(ValueError, match="one and the same action"):
        Data.measure(ncv.as_theory(THEORY.action, (6, 4)), ncv.MeanSquare(), configs)


def test_one_time_of_a_correlator_is_not_measured_again():
    data = Data.measure(THEORY, ncv.Correlator(), ensemble())
    one = data.at(2)
    assert one.scalar and one.labels == ("C(2)",) and one.times == (2,)
    np.testing.assert_array_equal(one.values[:, 0], data.values[:, 2])
    assert one.phi is data.phi

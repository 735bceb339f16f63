"""Problems, the validation split, the reduction, and fits as files."""

import dataclasses
import functools
import os

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import ncv_lab as ncv
from helpers import THEORY, ensemble, field, network
from ncv_lab.fields.control_variates import ControlVariate
from ncv_lab.fitting.data import control_values, pose, tail_rows


def test_a_problem_holds_what_does_not_depend_on_the_weights():
    configs = ensemble()
    problem = pose(THEORY, ncv.Correlator(), configs)
    assert problem.n_configs == 100 and problem.draws == 25 and not problem.scalar
    assert problem.labels == ("C(0)", "C(1)", "C(2)", "C(3)")
    np.testing.assert_array_equal(problem.phi, configs.flat)
    np.testing.assert_allclose(problem.dS[7], THEORY.gradient(problem.phi[7]), rtol=1e-13)
    np.testing.assert_allclose(problem.values[7], ncv.Correlator()(problem.phi[7]), rtol=1e-12)
    np.testing.assert_array_equal(problem.seen, np.sort(configs.fingerprints()))


def test_a_scalar_observable_is_one_column():
    problem = pose(THEORY, ncv.Correlator().at(2), ensemble())
    assert problem.scalar and problem.values.shape == (100, 1)
    assert not pose(THEORY, ncv.Correlator().at([2]), ensemble()).scalar


def test_the_user_may_bring_a_theory_and_an_observable():
    theory = ncv.as_theory(THEORY.action, (6, 4))
    problem = pose(theory, lambda phi: jnp.mean(phi**4), ensemble(theory=theory))
    np.testing.assert_allclose(problem.dS, pose(THEORY, ncv.MeanSquare(), ensemble()).dS, atol=1e-12)


@functools.cache
def small_problem(n_chains, n_draws):
    "A problem of which only the numbers of chains and draws matter."
    n = n_chains * n_draws
    zeros = {name: jnp.zeros((n, *shape)) for name, shape in {"phi": (6, 4), "dS": (6, 4), "values": (1,)}.items()}
    return dataclasses.replace(pose(THEORY, ncv.MeanSquare(), ensemble(2, 5)), draws=n_draws, **zeros)


@given(st.integers(1, 4), st.integers(1, 12), st.floats(0.01, 0.99))
def test_the_tail_of_every_chain_is_set_aside(n_chains, n_draws, fraction):
    assume(n_chains * n_draws > 1)
    rows = tail_rows(small_problem(n_chains, n_draws), fraction)
    for chain in rows.reshape(n_chains, n_draws) if n_draws > 1 else rows[None]:
        # Contiguous, at the end, about the fraction asked for, never nothing and never all.
        assert (np.diff(chain.astype(int)) >= 0).all() and 0 < chain.sum() < len(chain)
        assert abs(chain.sum() - fraction * len(chain)) <= 1


def test_control_values_are_control_variates():
    problem, net = pose(THEORY, ncv.MeanSquare(), ensemble()), network((6, 4), 1)
    values = control_values(net, problem, np.array([3, 50]))
    direct = [ncv.control_variate(net, THEORY, problem.phi[row]) for row in (3, 50)]
    np.testing.assert_allclose(values, direct, rtol=1e-11)


@given(st.floats(0.01, 100), st.integers(0, 99))
def test_sigma_ratio(factor, seed):
    values = np.random.default_rng(seed).normal(size=(50, 3))
    np.testing.assert_allclose(ncv.sigma_ratio(values, 7 + values / factor), factor, rtol=1e-9)


def test_sigma_ratio_at_the_edges():
    values = np.array([1.0, 2.0, 3.0])
    assert ncv.sigma_ratio(values, np.ones(3)) == np.inf
    assert ncv.sigma_ratio(np.ones(3), np.ones(3)) == 1 and ncv.sigma_ratio(np.ones(3), values) == 1


# ---- fits as files ----


def made_fit(control=None, observable=None, **more):
    problem = pose(THEORY, observable or ncv.Correlator().at(2), ensemble())
    control = control or ControlVariate(network((6, 4), 2), THEORY)
    fit = ncv.Fit(control, problem.observable, problem.labels, None, np.ones(1), np.full(1, 2.0), 100, problem.seen)
    return dataclasses.replace(fit, **more)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"method": ncv.Adam(steps=7, learning_rate=0.1, loss=ncv.FixedShift(0.3)), "status": "interrupted"},
        {"method": ncv.LeastSquares(0.1), "diagnostics": {"ridge": np.array([0.1]), "n_features": 12}},
        {
            "history": {"loss": np.arange(3.0), "step": np.arange(3)},
            "state": {"step": 3, "leaves": [np.ones(2), np.array(4)]},
        },
    ],
)
def test_a_saved_fit_comes_back_equal(tmp_path, more):
    fit = made_fit(**more)
    fit.save(tmp_path / "fit.safetensors")
    again = ncv.load_fit(tmp_path / "fit.safetensors")
    assert os.listdir(tmp_path) == ["fit.safetensors"]
    for entry in dataclasses.fields(fit):
        mine, loaded = getattr(fit, entry.name), getattr(again, entry.name)
        assert type(mine) is type(loaded) and bool(eqx.tree_equal(mine, loaded)), entry.name
    np.testing.assert_array_equal(again.controls(ensemble(seed=1)), fit.controls(ensemble(seed=1)))
    assert repr(again) == repr(fit)


def test_a_fit_of_several_observables_comes_back_equal(tmp_path):
    net = ncv.OddMLP((6, 4), depth=0, symmetric=True)
    fit = made_fit(ControlVariate(net, THEORY, field((12, 4))), ncv.Correlator())
    fit.save(tmp_path / "fit.safetensors")
    again = ncv.load_fit(tmp_path / "fit.safetensors")
    assert again.controls(ensemble(seed=1)).shape == (100, 4)
    np.testing.assert_array_equal(again.controls(ensemble(seed=1)), fit.controls(ensemble(seed=1)))


def test_controls_of_an_ensemble_and_of_an_array():
    fit, configs = made_fit(), ensemble(2, 5, seed=1)
    np.testing.assert_array_equal(fit.controls(configs), fit.controls(configs.flat))
    np.testing.assert_allclose(fit.controls(configs)[3], fit.control(jnp.asarray(configs.flat[3])), rtol=1e-12)


def test_parts_that_are_functions_are_given_again(tmp_path):
    path = tmp_path / "fit.safetensors"
    theory, observable = (
        ncv.as_theory(THEORY.action, (6, 4)),
        ncv.as_observable(lambda phi: jnp.mean(phi**4), "phi^4"),
    )
    fit = made_fit(ControlVariate(network((6, 4), 1), theory), observable)
    fit.save(path)
    with pytest.raises(ValueError, match=r"(?s)does not hold its theory .*; pass it: load_fit\(path, theory=...\)"):
        ncv.load_fit(path)
    with pytest.raises(ValueError, match="does not hold its observable"):
        ncv.load_fit(path, theory=theory)
    again = ncv.load_fit(path, theory=theory, observable=observable)
    np.testing.assert_array_equal(again.controls(ensemble(seed=1)), fit.controls(ensemble(seed=1)))


def test_a_field_of_the_user_is_given_again(tmp_path):
    cubic = ncv.FunctionField(lambda phi: phi**3)
    fit = made_fit(ControlVariate(cubic, THEORY))
    fit.save(tmp_path / "fit.safetensors")
    with pytest.raises(ValueError, match="does not hold its field"):
        ncv.load_fit(tmp_path / "fit.safetensors")
    again = ncv.load_fit(tmp_path / "fit.safetensors", field=cubic)
    np.testing.assert_array_equal(again.controls(ensemble(seed=1)), fit.controls(ensemble(seed=1)))


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "fit.safetensors"
    made_fit().save(path)
    before = path.read_bytes()

    def full_disk(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr("ncv_lab.utils.files.save_file", full_disk)
    with pytest.raises(OSError, match="no space left"):
        made_fit(status="interrupted").save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["fit.safetensors"]


def test_a_fit_says_what_it_is():
    text = repr(made_fit(wall_time=3.21))
    assert "OddMLP to C(2)" in text and "100 configurations, 3.2 s" in text and "2 on those set aside" in text
    assert jax.tree.leaves(made_fit().control)  # the weights are leaves, so that a fit can be mapped and jitted

"""Fits: what they evaluate, their files, and what they say of themselves."""

import dataclasses
import os

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import THEORY, ensemble, field, network
from ncv_lab.fields.control_variates import ControlVariate
from ncv_lab.fitting.data import Data


def made_fit(control=None, observable=None, **more):
    data = Data.measure(THEORY, observable or ncv.Correlator().at(2), ensemble())
    control = control or ControlVariate(network((6, 4), 2), THEORY)
    fit = ncv.Fit(control, data.observable, data.labels, None, np.ones(1), np.full(1, 2.0), 100, data.seen)
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
    np.testing.assert_array_equal(again.evaluate(ensemble(seed=1)), fit.evaluate(ensemble(seed=1)))
    assert repr(again) == repr(fit)


def test_a_fit_of_several_observables_comes_back_equal(tmp_path):
    net = ncv.OddMLP((6, 4), depth=0, symmetric=True)
    fit = made_fit(ControlVariate(net, THEORY, field((12, 4))), ncv.Correlator())
    fit.save(tmp_path / "fit.safetensors")
    again = ncv.load_fit(tmp_path / "fit.safetensors")
    assert again.evaluate(ensemble(seed=1)).shape == (100, 4)
    np.testing.assert_array_equal(again.evaluate(ensemble(seed=1)), fit.evaluate(ensemble(seed=1)))


def test_f_of_data_an_ensemble_and_an_array():
    fit, configs = made_fit(), ensemble(2, 5, seed=1)
    np.testing.assert_array_equal(fit.evaluate(configs), fit.evaluate(configs.flat))
    np.testing.assert_array_equal(fit.evaluate(configs), fit.evaluate(Data.measure(THEORY, ncv.MeanSquare(), configs)))
    np.testing.assert_allclose(fit.evaluate(configs)[3], fit.control(jnp.asarray(configs.flat[3])), rtol=1e-12)


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
    np.testing.assert_array_equal(again.evaluate(ensemble(seed=1).flat), fit.evaluate(ensemble(seed=1).flat))


def test_a_field_of_the_user_is_given_again(tmp_path):
    cubic = ncv.FunctionField(lambda phi: phi**3)
    fit = made_fit(ControlVariate(cubic, THEORY))
    fit.save(tmp_path / "fit.safetensors")
    with pytest.raises(ValueError, match="does not hold its field"):
        ncv.load_fit(tmp_path / "fit.safetensors")
    again = ncv.load_fit(tmp_path / "fit.safetensors", field=cubic)
    np.testing.assert_array_equal(again.evaluate(ensemble(seed=1)), fit.evaluate(ensemble(seed=1)))


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "fit.safetensors"
    made_fit().save(path)
    before = path.read_bytes()

    def full_disk(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr("ncv_lab.utils.files.os.fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        made_fit(status="interrupted").save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["fit.safetensors"]


def test_a_fit_says_what_it_is():
    text = repr(made_fit(wall_time=3.21))
    assert "OddMLP to C(2)" in text and "100 configurations, 3.2 s" in text and "2 on those set aside" in text
    assert jax.tree.leaves(made_fit().control)  # the weights are leaves, so that a fit can be mapped and jitted


def test_the_former_name_of_evaluate_still_works():
    fit, configs = made_fit(), ensemble(2, 5, seed=1)
    with pytest.warns(DeprecationWarning, match="Fit.evaluate"):
        np.testing.assert_array_equal(fit.controls(configs), fit.evaluate(configs))


@pytest.mark.slow
@pytest.mark.parametrize("observable", [ncv.Correlator(), ncv.Correlator().at(2)])
def test_a_solved_fit_holds_a_field_with_its_weights(observable):
    linear = ncv.OddMLP((6, 4), depth=0, symmetric=True)
    smearing = ncv.Smearing((6, 4), [ncv.Shell(0), ncv.Shell(1)])
    gated = ncv.Gated(smearing, ncv.Polynomials(2, (0, 2)))
    phi = field((6, 4), 7)
    dS = THEORY.gradient(phi)
    for family in (linear, gated, ncv.SumField(linear, gated)):
        fit = ncv.fit(family, THEORY, observable, ensemble(), progress=False)
        g, div = fit.control.field(phi)
        f = div - jnp.tensordot(g, dS, 2)
        np.testing.assert_allclose(f, fit.control(phi), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(f, fit.evaluate(np.asarray(phi)[None])[0], rtol=1e-9, atol=1e-12)
        assert np.abs(g).max() > 0

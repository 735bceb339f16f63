"""Files that version 0.1 wrote load, and give the numbers that version 0.1 found; see tests/data/version_0_1."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ncv_lab as ncv

FOLDER = Path(__file__).parent / "data" / "version_0_1"
NUMBERS = json.loads((FOLDER / "numbers.json").read_text())
FITS = [name for name in NUMBERS if name != "estimates"]
CORR = ncv.Correlator()


@pytest.fixture(scope="module")
def ensemble():
    return ncv.load_ensemble(FOLDER / "ensemble.h5")


@pytest.fixture(scope="module")
def rest(ensemble):
    "The configurations that none of the fits has seen."
    return ensemble.split(150)[1]


def test_ensemble(ensemble):
    assert (ensemble.theory.shape, ensemble.theory.m2, ensemble.theory.lam) == ((6, 4), 0.1, 24.0)
    assert (ensemble.n_configs, ensemble.n_chains, ensemble.thin) == (200, 10, 1)


@pytest.mark.parametrize("name", FITS)
def test_fit(name, rest):
    fit, expected = ncv.load_fit(FOLDER / f"{name}.safetensors"), NUMBERS[name]
    np.testing.assert_allclose(np.asarray(fit.controls(rest))[:5], expected["controls"], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(fit.train_ratio, expected["train_ratio"])
    np.testing.assert_array_equal(fit.validation_ratio, expected["validation_ratio"])
    assert fit.n_configs == 150


@pytest.mark.parametrize("name", FITS)
def test_fit_is_written_again_without_loss(name, rest, tmp_path):
    fit = ncv.load_fit(FOLDER / f"{name}.safetensors")
    fit.save(tmp_path / "again.safetensors")
    again = ncv.load_fit(tmp_path / "again.safetensors")
    np.testing.assert_array_equal(again.controls(rest), fit.controls(rest))
    assert again.n_configs == fit.n_configs and again.status == fit.status


def assert_same_estimate(found, expected):
    for quantity, numbers in expected.items():
        np.testing.assert_allclose(getattr(found, quantity), numbers, rtol=1e-7, atol=1e-12, err_msg=quantity)


def test_raw_estimate(ensemble):
    assert_same_estimate(ncv.estimate(ensemble.theory, CORR, ensemble), NUMBERS["estimates"]["raw"])


def test_cross_fitted_estimate(ensemble):
    found = ncv.estimate(ensemble.theory, CORR, ensemble, control=ncv.SchwingerDyson(legs=None), progress=False)
    assert_same_estimate(found, NUMBERS["estimates"]["cross"])


def test_estimate_by_a_fit_that_was_loaded(rest):
    fit = ncv.load_fit(FOLDER / "ladder.safetensors")
    with pytest.warns(UserWarning, match="2 of 50 configurations have been used for the fit"):  # rejected at the cut
        found = ncv.estimate(rest.theory, CORR, rest, control=fit, errors="jackknife")
    assert found.n_configs == 40  # the first draw of all ten chains is left out
    # The version that wrote the file left out these two alone, which depends on what was rejected.
    new = ~np.isin(rest.fingerprints(), fit.seen).reshape(10, 5, 1)
    raw = np.where(new, ncv.measure(CORR, rest.configs, rest.theory), np.nan)
    f = fit.evaluate(rest).reshape(raw.shape)
    parts = {"errors": "jackknife", "raw": ncv.Estimate.from_samples(rest.theory, CORR, raw, errors="jackknife")}
    then = ncv.Estimate.from_samples(rest.theory, CORR, raw - f, **parts)
    stored = dict(NUMBERS["estimates"]["fit"])
    # That version did not make up for the finite length of the blocks: its errors are a few per cent off.
    for quantity in ("error", "error_ratio"):
        np.testing.assert_allclose(getattr(then, quantity), stored.pop(quantity), rtol=0.1, err_msg=quantity)
    assert_same_estimate(then, stored)


@pytest.mark.parametrize("file", ["ensemble.h5", "ladder.safetensors", "neural.safetensors"])
def test_a_file_loads_in_a_fresh_process(file):
    "Public names are loaded late; a file must find its classes even so."
    load = "load_ensemble" if file.endswith(".h5") else "load_fit"
    code = f"import ncv_lab as ncv; print(ncv.{load}({str(FOLDER / file)!r}))"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr

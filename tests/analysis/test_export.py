"""Estimates as plain numbers, in JSON and CSV files."""

import csv
import json
import sys

import numpy as np
import pyerrors
import pytest

from ncv_lab.analysis.estimate import estimate
from ncv_lab.analysis.export import data_frame, latex_table, plain, record, to_corr, write_pyerrors, write_record
from ncv_lab.theory.observables import Correlator, as_observable


@pytest.fixture(scope="module")
def best(theory, ensemble, field):
    return estimate(theory, Correlator(), ensemble, field, progress=False)


def test_a_record_holds_the_numbers_of_the_estimate(best):
    numbers = record(best)
    assert numbers["labels"] == list(best.labels) and numbers["n_configs"] == best.n_configs
    np.testing.assert_array_equal(numbers["value"], best.value)
    np.testing.assert_array_equal(numbers["raw_error"], best.raw.error)
    np.testing.assert_array_equal(numbers["sigma_ratio"], best.sigma_ratio)
    assert "sigma_ratio" not in record(best.raw)


def test_json_holds_everything(best, tmp_path):
    write_record(tmp_path / "best.json", record(best))
    assert json.loads((tmp_path / "best.json").read_text()) == record(best)


def test_csv_has_a_line_for_each_label(best, tmp_path):
    write_record(tmp_path / "best.csv", record(best))
    with open(tmp_path / "best.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["labels"] for line in lines] == list(best.labels)
    np.testing.assert_array_equal([float(line["error"]) for line in lines], best.error)


def test_what_json_cannot_say_becomes_null():
    assert plain({"a": np.array([1.0, np.nan, np.inf]), "b": np.float64(2.0)}) == {"a": [1.0, None, None], "b": 2.0}


def test_another_ending_is_refused(best, tmp_path):
    with pytest.raises(ValueError, match=r"best\.txt must end in"):
        write_record(tmp_path / "best.txt", record(best))


def test_pyerrors_reads_what_was_written(best, tmp_path):
    """A correlator comes back as a Corr with the values, replicas and trajectories of the estimate.

    pyerrors takes out the mean of each replica when it reads, so variances are smaller by about 2 tau_int / draws.
    """
    write_pyerrors(tmp_path / "best.json.gz", best, "run", {"control": best.control})
    found = pyerrors.input.json.load_json(str(tmp_path / "best.json.gz"), verbose=False, full_output=True)
    (corr,) = found["obsdata"]
    corr.gamma_method()
    np.testing.assert_allclose([entry[0].value for entry in corr.content], best.value)
    idl = best.to_pyerrors("run")[2].idl
    assert corr.content[2][0].idl == idl and len(idl) == len(best.samples)
    per_replica = best.samples - best.samples.mean(axis=1, keepdims=True)
    read = np.stack([corr.content[2][0].deltas[name] for name in idl])
    np.testing.assert_allclose(read, per_replica[..., 2] * np.atleast_1d(best.inflation)[2], rtol=1e-6, atol=1e-12)
    assert corr.content[0][0].e_names == ["run"] and found["description"] == {"control": best.control}
    write_pyerrors(tmp_path / "one.json.gz", best.raw)
    assert {path.name for path in tmp_path.iterdir()} == {"best.json.gz", "one.json.gz"}


def test_some_times_are_a_list_of_observables(theory, ensemble, tmp_path):
    some = estimate(theory, Correlator().at([1, 2]), ensemble)
    write_pyerrors(tmp_path / "some.json.gz", some)
    first, _ = pyerrors.input.json.load_json(str(tmp_path / "some.json.gz"), verbose=False)
    assert first.value == pytest.approx(some.value[0])
    with pytest.raises(ValueError, match="no correlator from t = 0 on"):
        to_corr(some)


def test_a_latex_table_has_a_row_for_each_label(best, theory, ensemble):
    lines = latex_table(best).splitlines()
    assert len(lines) == len(best.labels) + 6 and lines[0] == r"\begin{tabular}{lrrr}"
    assert lines[5].startswith("$C(1)$ & $") and lines[5].endswith(r"$ \\")
    own = estimate(theory, as_observable(lambda phi: phi.mean() ** 2, "my_M%"), ensemble)
    assert r"\texttt{my\_M\%} & $" in latex_table(own)


def test_a_data_frame_has_the_columns_of_the_record(best, monkeypatch):
    pytest.importorskip("pandas")
    table = data_frame(best)
    assert list(table.index) == list(best.labels)
    np.testing.assert_array_equal(table["raw_error"], best.raw.error)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        data_frame(best)


def test_gvar_has_the_covariance(best, monkeypatch):
    gvar = pytest.importorskip("gvar")
    np.testing.assert_allclose(gvar.evalcov(best.to_gvar()), best.covariance(), rtol=1e-6, atol=1e-300)
    monkeypatch.setitem(sys.modules, "gvar", None)
    with pytest.raises(ImportError, match="interop"):
        best.to_gvar()

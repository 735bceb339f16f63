"""Estimates as plain numbers, in JSON and CSV files."""

import csv
import json

import numpy as np
import pytest

from ncv_lab.analysis.estimate import estimate
from ncv_lab.analysis.export import plain, record, write_record
from ncv_lab.theory.observables import Correlator


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

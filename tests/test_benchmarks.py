"""The table of benchmarks: the parts run at a small size, and the file that is kept has what its page shows."""

import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def bench_table(monkeypatch):
    "The script as a module."
    monkeypatch.syspath_prepend(BENCHMARKS)
    import bench_table

    return bench_table


def test_parts_run_at_a_small_size(bench_table, capsys):
    assert bench_table.main(["--quick", "--only", "solve", "growth with features"]) == 0
    printed = capsys.readouterr().out
    assert "RidgeCV" in printed and "features, 200 configurations" in printed


def test_limit_is_that_of_the_slowest_resource(bench_table):
    "Arithmetic 2 s, cache 1 s, memory 4 s, and our time 8 s."
    from _timing import Cost, Peaks

    cost = Cost(flops=20.0, bytes=5.0)
    row = bench_table.Row("solve", "", "solve", 8.0, 16.0, "", 2.0, bar=3.0, cost=cost, memory=8.0)
    found = bench_table.with_limit(row, {1: Peaks(cores=1, flops=10.0, memory=2.0, cache=5.0)})
    assert found["limit"]["slowest"] == "memory" and found["limit"]["percent"] == 50
    assert bench_table.is_missed(found) and not bench_table.is_missed(found | {"bar": 2.0})


def test_kept_file_has_every_row_of_the_page(bench_table):
    found = json.loads(bench_table.RESULTS.read_text())
    assert set(found["rows"][0]) == {*bench_table.Row._fields, "limit"}
    parts = [part for part in bench_table.PARTS if not part.startswith("growth")]
    assert list(dict.fromkeys(row["part"] for row in found["rows"])) == parts
    assert {"gradient step", "features", "solve"} <= {row["part"] for row in found["growth"]}
    assert all(row["named"] and row["ratio"] > 0 for row in found["rows"])
    with_limit = {row["part"] for row in found["rows"] if row["limit"]}
    assert with_limit == set(parts) - {"time to a ratio", "peak memory"}
    assert "\n".join(bench_table.table(found)).count("baseline:") == len(found["rows"])

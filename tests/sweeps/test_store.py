"""The store of a sweep: rows are whole, each task has one, and another plan is refused."""

import dataclasses
import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from ncv_lab.sweeps.plan import plan_sweep
from ncv_lab.sweeps.store import COLUMNS, SweepStore, only_run, read_rows

PLAN = plan_sweep("6x4", 0.3, [0.5, 2.0, 24.0], "linear", n_configs=100)
NAMES = [task.name for task in PLAN.tasks]


def test_rows_come_back_in_the_order_of_the_plan(tmp_path):
    store = SweepStore(tmp_path / "new" / "folder", PLAN)
    for name in reversed(NAMES):
        store.add({"task": name, "sigma_ratio": np.float64(2.5), "n_test": np.int64(7), "z_score": np.nan})
    store.add({"task": NAMES[1], "status": "failed", "sigma_ratio": np.inf, "record": {"a": [1]}})
    rows = SweepStore(store.folder).rows()
    assert [row["task"] for row in rows] == NAMES and list(rows[0]) == list(COLUMNS)
    assert (rows[0]["sigma_ratio"], rows[0]["n_test"], rows[0]["z_score"]) == (2.5, 7, None)
    assert (rows[1]["sigma_ratio"], rows[1]["n_test"], rows[1]["record"]) == (np.inf, None, '{"a": [1]}')
    assert store.done() == set(NAMES) and store.done(failed=False) == set(NAMES) - {NAMES[1]}
    assert repr(store).endswith("3 of 3 tasks done, 1 failed")
    assert list(store.data_frame()["task"]) == NAMES


def test_csv_and_back(tmp_path):
    store = SweepStore(tmp_path, PLAN)
    store.add({"task": NAMES[0], "message": 'a "quoted", text\nof two lines', "width": 3, "sigma_ratio": 1 / 3})
    store.to_csv(tmp_path / "rows.csv")
    expected = store.rows()[0]
    del expected["record"]
    assert read_rows(tmp_path / "rows.csv") == [expected]
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="its column 'a' is unknown"):
        read_rows(tmp_path / "other.csv")


def test_the_plan_of_a_folder_stays(tmp_path):
    SweepStore(tmp_path, PLAN)
    assert SweepStore(tmp_path, PLAN).plan == SweepStore(tmp_path).plan == PLAN
    with pytest.raises(ValueError, match="another sweep: n_test was 1000 and is 2000"):
        SweepStore(tmp_path, dataclasses.replace(PLAN, n_test=2000))


def test_what_is_no_store_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no sweep"):
        SweepStore(tmp_path)
    (tmp_path / "sweep.sqlite").touch()  # killed before anything was written
    with pytest.raises(FileNotFoundError, match="there is no sweep"):
        SweepStore(tmp_path)
    store = SweepStore(tmp_path, PLAN)
    with pytest.raises(ValueError, match="has no task 'x'"):
        store.add({"task": "x"})
    with pytest.raises(ValueError, match="a row has no column colour"):
        store.add({"task": NAMES[0], "colour": "red"})
    (tmp_path / "sweep.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(ValueError, match="is not the store of a sweep"):
        SweepStore(tmp_path)


WRITER = """
import sqlite3, sys, os
database = sqlite3.connect(sys.argv[1])
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN")
for row in range(200):
    database.execute("INSERT INTO results (task, place, message) VALUES (?, ?, ?)", [str(row), row, "x" * 9999])
os.kill(os.getpid(), 9)
"""


def test_a_writer_that_is_killed_leaves_what_was_there(tmp_path):
    "Its changes are in the file already, and its journal undoes them."
    store = SweepStore(tmp_path, PLAN)
    store.add({"task": NAMES[0], "sigma_ratio": 2.5})
    before = store.rows()
    size = os.path.getsize(store.path)
    subprocess.run([sys.executable, "-c", WRITER, store.path], check=False)
    assert os.path.getsize(store.path) > size and (tmp_path / "sweep.sqlite-journal").exists()
    assert SweepStore(tmp_path, PLAN).rows() == before


def test_one_run_at_a_time(tmp_path):
    with only_run(tmp_path):
        with pytest.raises(BlockingIOError, match="another process runs the sweep"), only_run(tmp_path):
            pass
    with only_run(tmp_path):
        pass


def test_a_busy_store_is_waited_for(tmp_path):
    "A reader that holds the file for a moment costs no row."
    store = SweepStore(tmp_path, PLAN)
    reader = sqlite3.connect(store.path)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM results").fetchone()
    reader.close()
    store.add({"task": NAMES[0]})
    assert len(store.rows()) == 1

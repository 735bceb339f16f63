"""Running a sweep: retries, failures, resumption, and workers that die."""

import gc
import json
import sys
import warnings

import psutil
import pytest

import ncv_lab as ncv
from ncv_lab.sweeps import run
from ncv_lab.sweeps.store import COSTS


def numbers(store):
    "The rows without seconds."
    rows = store.rows()
    for row in rows:
        for name in COSTS:
            del row[name]
        if row["status"] == "failed":
            row["message"] = row["message"].rpartition("/")[2]  # without the folder
        record = json.loads(row.pop("record") or '{"seconds": 0}')
        row["record"] = {**record, "seconds": None}
    return rows


@pytest.fixture
def fits(monkeypatch):
    "Fits that take no time: a list of the tasks in the order of their calls, and what each of them does."
    calls = []
    troubles = {}

    def sample_ensemble(name, plan, folder):
        return name

    def fit_task(task, plan, folder, path):
        assert path == task.ensemble
        calls.append(task.name)
        left = troubles.get(task.family, 0)
        if left:
            troubles[task.family] = left - 1
            raise ValueError("no luck")
        return run.row_of(task, status="finished", sigma_ratio=2.0)

    monkeypatch.setattr(run, "sample_ensemble", sample_ensemble)
    monkeypatch.setattr(run, "fit_task", fit_task)
    return calls, troubles


def test_an_error_is_tried_again_and_then_kept_as_a_row(tmp_path, small_plan, fits):
    calls, troubles = fits
    troubles |= {"linear": 2, "phi": 3}
    store = ncv.sweep(small_plan, tmp_path, workers=0, retries=2, progress=False)
    assert [(row["status"], row["message"]) for row in store.rows()] == [
        ("finished", None),
        ("finished", None),
        ("failed", "ValueError: no luck"),
    ]
    assert len(calls) == 3 + 1 + 3
    assert store.rows()[2]["lam"] == 0.5 and store.rows()[2]["sigma_ratio"] is None


def test_a_second_run_does_what_is_missing(tmp_path, small_plan, fits):
    calls, troubles = fits
    steps = ncv.sweep_steps(small_plan, tmp_path, workers=0)
    assert str(next(steps)) == "0 of 3 tasks"
    first = next(steps)
    assert (first.done, first.total) == (1, 3) and first.seconds_left >= 0
    assert str(first).startswith("1 of 3 tasks, 0 s left: 6x4_m2=0.3_lam=0.5_seed=0_linear_n=100: sigma ratio 2")
    with pytest.raises(BlockingIOError, match="another process runs the sweep"):
        next(ncv.sweep_steps(small_plan, tmp_path, workers=0))
    steps.close()  # as Ctrl-C
    troubles["phi"] = 9
    ncv.sweep(small_plan, tmp_path, workers=0, retries=0, progress=False)
    assert len(calls) == 3 and len(set(calls)) == 3
    troubles.clear()
    ncv.sweep(small_plan, tmp_path, workers=0, progress=False)
    assert len(calls) == 3, "a task that failed has its row"
    store = ncv.sweep(small_plan, tmp_path, workers=0, again=True, progress=False)
    assert len(calls) == 4 and store.done(failed=False) == {task.name for task in small_plan.tasks}


def test_what_stands_first_in_the_plan_is_begun_first(tmp_path, fits):
    "Up to a place or two, for which a worker goes on with what it has."
    from distributed import Client

    solved = ("linear", "phi", "direct", "ladder", "legs", "sd")
    plans = [ncv.plan_sweep("6x4", 0.3, [0.5, 2.0], family) for family in solved]
    tasks = [task for plan in plans for task in plan.tasks]
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        rows = list(run._rows_of_client(client, tasks, plans[0], tmp_path, 0))
    planned = [task.name for task in tasks]
    moved = [abs(place - planned.index(row["task"])) for place, row in enumerate(rows)]
    assert len(rows) == 12 and max(moved) <= 2


def test_time_left_in_words(tmp_path, small_plan):
    store = ncv.SweepStore(tmp_path, small_plan)
    shown = [str(run.SweepProgress(store, 1, 3, seconds)) for seconds in (90.0, 600.0, 9000.0, 260_000.0)]
    assert [text.partition(", ")[2] for text in shown] == ["90 s left", "10 min left", "2 h left", "3 days left"]


def test_without_dask_the_extra_is_named(tmp_path, small_plan, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install 'ncv-lab\[cluster\]'; workers=0 does"):
        ncv.sweep(small_plan, tmp_path / "new", workers=2)
    assert not (tmp_path / "new").exists()
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(ImportError, match=r"needs dask_jobqueue, which is not installed: pip install 'ncv-lab\[clu"):
        ncv.slurm_cluster(tmp_path)


def test_the_script_of_a_queue(tmp_path):
    options = {"jobs": 0, "queue": "short", "walltime": "02:00:00", "interface": "lo", "memory": "3GB"}
    with ncv.slurm_cluster(tmp_path, **options) as cluster:
        script = cluster.job_script()
    for line in ("#SBATCH -p short", "#SBATCH -t 02:00:00", "#SBATCH --mem=3G", "export NPROC=1", "tls://127.0.0.1"):
        assert line in script
    del cluster
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # dask_jobqueue leaves the files of its certificates open
        gc.collect()


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_no_row(tmp_path, small_plan, with_ensembles):
    "One damaged ensemble is a row that failed; the others are those of a run in this process."
    damaged = ncv.plan_sweep("6x4", 0.3, 2.0, "linear", n_configs=100, **small_plan.options)
    plan = small_plan + damaged
    expected = ncv.sweep(plan, _damaged(with_ensembles(plan, tmp_path / "here")), workers=0, progress=False)
    folder = _damaged(with_ensembles(plan, tmp_path / "there"))
    killed = []
    for now in ncv.sweep_steps(plan, folder, workers=1, retries=0):
        if now.row is not None and not killed:
            killed = [one for one in psutil.Process().children(recursive=True) if "spawn_main" in str(one.cmdline())]
            for worker in killed:
                worker.kill()
    assert len(killed) == 1 and now.done == 4
    rows = numbers(now.store)
    assert rows == numbers(expected)
    assert [row["status"] for row in rows] == ["finished"] * 3 + ["failed"] and "was it cut short" in rows[3]["message"]


def _damaged(folder):
    "The folder, in which one ensemble is cut short."
    [path] = (folder / "ensembles").glob("*lam=2.0*.h5")
    path.write_bytes(path.read_bytes()[:2000])
    return folder

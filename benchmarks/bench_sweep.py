"""kill -9 in a sweep of 60 fits on two workers: are its rows those of a sweep that nobody disturbed?

The sweep runs once undisturbed. Then it runs again in another folder: after a third of the rows one of the workers is
killed, after two thirds the whole run, and then the same call goes on. In the end there must be 60 rows, each task
once, and every number must be that of the undisturbed run, bit for bit; only seconds and what follows from them may
differ. The file exits with 1 if that is not so.

    python benchmarks/bench_sweep.py [--workers 2]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

import ncv_lab as ncv
from ncv_lab.sweeps.store import COSTS

OPTIONS = {"n_test": 400, "n_thermal": 200, "thin": 2, "steps": 2000}
COUPLINGS = {"shape": "6x6", "m2": 0.1, "lam": [0.5, 4.0, 24.0], "seed": [0, 1]}


def plan():
    "60 tasks on six ensembles: three fields that are solved, on two numbers of configurations, and four networks."
    solved = ncv.plan_sweep(family=["linear", "phi", "direct"], n_configs=[200, 400], **COUPLINGS, **OPTIONS)
    networks = {"family": "mlp", "width": [2, 4], "depth": [1, 2], "n_configs": 400}
    return solved + ncv.plan_sweep(**networks, **COUPLINGS, **OPTIONS)


def start(folder, workers):
    "The sweep in a process of its own."
    words = [sys.executable, __file__, "--folder", str(folder), "--workers", str(workers)]
    return subprocess.Popen(words)


def workers_of(process):
    "The worker processes of a running sweep."
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def n_rows(folder):
    "How many rows there are so far."
    try:
        return len(ncv.SweepStore(folder).rows())
    except FileNotFoundError:  # it has not begun yet
        return 0


def wait_for(folder, n, process):
    "Wait for a number of rows."
    while n_rows(folder) < n:
        if process.poll() is not None:
            sys.exit("the sweep has ended too early")
        time.sleep(0.05)


def comparable(row):
    "What must be equal in both runs: all but seconds."
    kept = {name: value for name, value in row.items() if name not in COSTS and name != "record"}
    record = json.loads(row["record"])
    del record["seconds"]
    return kept | {"record": record}


def disturbed(folder, workers, total):
    "Run the sweep with both murders."
    process = start(folder, workers)
    wait_for(folder, total // 3, process)
    victim = workers_of(process)[0]
    victim.kill()
    print(f"{n_rows(folder)} rows: worker {victim.pid} killed", flush=True)
    wait_for(folder, 2 * total // 3, process)
    left_over = workers_of(process)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(left_over, timeout=20)
    print(f"{n_rows(folder)} rows: the run killed; {len(alive)} of {len(left_over)} workers are left", flush=True)
    began = n_rows(folder)
    process = start(folder, workers)
    process.wait()
    print(f"{n_rows(folder)} rows: the same call went on from {began} rows", flush=True)
    return len(alive)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        ncv.sweep(plan(), options.folder, workers=options.workers, progress=False)
        return
    total = len(plan().tasks)
    with tempfile.TemporaryDirectory() as temporary:
        calm, stormy = Path(temporary) / "calm", Path(temporary) / "stormy"
        begin = time.perf_counter()
        start(calm, options.workers).wait()
        print(f"{n_rows(calm)} rows undisturbed, in {time.perf_counter() - begin:.0f} s", flush=True)
        alive = disturbed(stormy, options.workers, total)
        rows, expected = ncv.SweepStore(stormy).rows(), ncv.SweepStore(calm).rows()
    names = [row["task"] for row in rows]
    faults = {
        "rows that are missing": total - len(set(names)),
        "rows that are there twice": len(names) - len(set(names)),
        "rows that failed": sum(row["status"] != "finished" for row in rows),
        "rows that differ": sum(comparable(a) != comparable(b) for a, b in zip(rows, expected, strict=False)),
        "workers that outlived their run": alive,
    }
    for fault, count in faults.items():
        print(f"{fault}: {count}")
    sys.exit(int(any(faults.values())))


if __name__ == "__main__":
    main()

"""kill -9 at random moments of sampling and of fitting: is the result the one of a run that was never killed?

A worker process samples, trains by Adam, or trains by VariableProjection, with a checkpoint. It is killed at a random
moment: while it starts, compiles, computes or writes. After each kill the checkpoint must be whole (or not exist yet),
and then the worker is started again. When it comes to its end, its result is compared with that of a run without a
checkpoint, bit for bit, and the next run begins. At last no temporary file may be left.

    python benchmarks/bench_kill.py [--kills 50] [--seed 0] [--quick]
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")

import jax
import numpy as np

import ncv_lab as ncv
from ncv_lab.utils.checkpoint import Checkpoint
from ncv_lab.utils.files import load_parts

THEORY = ncv.Phi4((6, 4), 0.3, 2.0)
WORKS = ("sample", "adam", "projection")


def work(name, path, checkpoint, quick):
    "Do the work and save its result at `path`."
    if name == "sample":
        options = {"n_chains": 4, "n_thermal": 200 if quick else 2000, "progress": False}
        ncv.sample(THEORY, 400 if quick else 20_000, 7, checkpoint=checkpoint, **options).save(path)
        return
    configs = np.random.default_rng(0).normal(size=(4, 50, *THEORY.shape)) / 2
    ensemble = ncv.Ensemble.from_configs(configs, THEORY)
    if name == "adam":
        field = ncv.OddMLP(THEORY.shape, width=3, depth=1, key=jax.random.key(1))
        method = ncv.Adam(300 if quick else 60_000, check_every=20)
        observable = ncv.Correlator().at(2)
    else:
        field = ncv.NeuralSchwingerDyson(THEORY.shape, width=3, depth=1, n_functions=2, key=jax.random.key(1))
        method = ncv.VariableProjection(10 if quick else 300, check_every=2)
        observable = ncv.Correlator()
    options = {"method": method, "key": jax.random.key(2), "progress": False}
    ncv.fit(field, THEORY, observable, ensemble, checkpoint=checkpoint, **options).save(path)


def worker(name, path, checkpoint, quick):
    "The work in a process that is to be killed; it writes its checkpoint as often as it can."
    Checkpoint.is_due = True
    work(name, path, None if checkpoint == "none" else checkpoint, quick == "True")


def content(path):
    "What must be the same in two results: everything but the times on the clock."
    if path.suffix == ".h5":
        ensemble = ncv.load_ensemble(path)
        leaves = [ensemble.configs, *map(np.asarray, jax.tree.leaves(_plain_key(ensemble.sampler)))]
        return leaves, repr((ensemble.acceptance, ensemble.exp_dh, ensemble.exp_dh_error, ensemble.thin))
    description, arrays = load_parts(path, kind="fit")
    fields = description["dict"]
    fields.pop("wall_time")
    return [arrays[name] for name in sorted(arrays)], repr(fields)


def _plain_key(tree):
    def plain(leaf):
        return jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf

    return jax.tree.map(plain, tree)


def same(one, other):
    "Whether two results agree in every bit."
    arrays, words = content(one)
    other_arrays, other_words = content(other)
    if words != other_words or len(arrays) != len(other_arrays):
        return False
    return all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(arrays, other_arrays, strict=True)
    )


def start(name, path, checkpoint, quick):
    "A worker process."
    words = [str(word) for word in (name, path, checkpoint, quick)]
    return subprocess.Popen([sys.executable, __file__, "--worker", *words])


def kill_sometime(process, checkpoint, whole_time, chance):
    "Kill the process at a random moment; None if it came to its end before, else whether it had written by then."
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
    begin = time.monotonic()
    if chance.random() < 0.3:
        moment = begin + chance.uniform(0, whole_time)
    else:  # not before it has moved on, or the kills would all fall on its start
        moment = None
        delay = chance.uniform(0, 0.2 * whole_time)
    while process.poll() is None:
        now = time.monotonic()
        written = checkpoint.exists() and checkpoint.stat().st_mtime_ns != before
        if moment is None and written:
            moment = now + delay
        if moment is not None and now >= moment:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return written
        time.sleep(0.001)
    assert process.returncode == 0, "the worker failed"
    return None


def trial(name, folder, n_kills, chance, quick):
    "Kill the work `n_kills` times; (runs that ended, runs that were the same)."
    ending = "h5" if name == "sample" else "safetensors"
    reference, path = folder / f"{name}.reference.{ending}", folder / f"{name}.{ending}"
    checkpoint = folder / f"{name}.checkpoint"
    begin = time.monotonic()
    if quick:
        work(name, reference, None, quick)
    else:
        assert start(name, reference, "none", quick).wait() == 0, "the work fails without a kill"
    whole_time = time.monotonic() - begin
    kills, writing, ended, equal = 0, 0, 0, 0
    while kills < n_kills or checkpoint.exists():
        process = start(name, path, checkpoint, quick)
        written = None
        if kills < n_kills:
            written = kill_sometime(process, checkpoint, whole_time, chance)
        else:
            assert process.wait() == 0, "the worker failed"
        if written is not None:
            kills += 1
            writing += any(folder.glob(f".{checkpoint.name}.*"))
            if checkpoint.exists():
                load_parts(checkpoint, kind="checkpoint")  # raises if it is damaged
        elif path.exists():
            ended += 1
            equal += same(path, reference)
            path.unlink()
            checkpoint.unlink()
    print(
        f"{name:11} {kills} kills, {writing} of them while a file was written; {ended} runs came to their end, "
        f"{equal} with the result of a run without a kill ({whole_time:.1f} s)",
        flush=True,
    )
    return ended, equal


def main(argv=None):
    "Kill each of the works; the exit code is 1 if a result differs or a file is left over."
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50, help="of each work (default 50)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="small runs")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=WORKS)
    arguments = parser.parse_args(argv)
    chance = random.Random(arguments.seed)
    print(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = [trial(work, folder, arguments.kills, chance, arguments.quick) for work in arguments.works]
        left = sorted(path.name for path in folder.iterdir() if ".reference." not in path.name)
    if left:
        print(f"left over: {left}")
    return int(bool(left) or any(ended != equal or ended == 0 for ended, equal in results))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(*sys.argv[2:])
    else:
        sys.exit(main())

"""What the benchmarks share: times taken in turns, and what this machine can do at best."""

import gzip
import json
import os
import platform
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import psutil

from ncv_lab.utils.batching import one_blas_thread

CORES = os.cpu_count() or 1


def best_seconds(*calls, seconds=1.5, rounds=3):
    """The shortest time of each call, compilation aside.

    The calls take turns, so that all of them see the same machine, until `seconds` are spent in all and each of them
    had `rounds` turns at least.
    """
    for call in calls:
        jax.block_until_ready(call())
    best = np.full(len(calls), np.inf)
    begin = time.perf_counter()
    done = 0
    while done < rounds or time.perf_counter() - begin < seconds:
        for i, call in enumerate(calls):
            start = time.perf_counter()
            jax.block_until_ready(call())
            best[i] = min(best[i], time.perf_counter() - start)
        done += 1
    return best


class Peaks(NamedTuple):
    """What the machine reaches on `cores` cores: arithmetic per second, and bytes per second read and written."""

    cores: int
    flops: float
    memory: float
    cache: float


def measure_peaks(cores, size=1000, megabytes=64.0, kilobytes=128.0):
    """The peaks of some cores at once: a matrix product, and copies of arrays beyond and within the cache of a core."""
    matrix = np.random.default_rng(0).normal(size=(size, size))
    products = [np.empty_like(matrix) for _ in range(cores)]

    def product(core):
        np.matmul(matrix, matrix, out=products[core])

    def copies(n_bytes, repeats):
        sources = [np.ones(int(n_bytes // 8)) for _ in range(cores)]
        targets = [np.zeros_like(source) for source in sources]

        def copy(core):
            for _ in range(repeats):
                np.copyto(targets[core], sources[core])

        return 2 * sources[0].nbytes * repeats / _seconds_on_cores(copy, cores)

    with one_blas_thread():
        flops = 2 * size**3 / _seconds_on_cores(product, cores)
    return Peaks(cores, cores * flops, cores * copies(1e6 * megabytes, 1), cores * copies(1e3 * kilobytes, 200))


def _seconds_on_cores(work, cores):
    "The shortest time for work(core) on each core at once."
    with ThreadPoolExecutor(cores) as pool:
        return best_seconds(lambda: list(pool.map(work, range(cores))), seconds=0.5, rounds=5)[0]


class Cost(NamedTuple):
    """What a calculation needs: arithmetic, and the bytes that its steps read and write, in memory or in a cache."""

    flops: float
    bytes: float


def compiled_cost(function, *arguments):
    """The cost that the compiler of JAX counts; what a Fourier transform needs is its guess."""
    found = jax.jit(function).lower(*arguments).compile().cost_analysis()
    return Cost(found["flops"], found["bytes accessed"])


KINDS = {"fft": "Fourier transforms", "ynn": "products of matrices", "dot": "products of matrices"}
MOVES = ("copy", "transpose", "gather", "concatenate", "pad")


def time_of_kinds(function, *arguments, repeats=50):
    """Where the time of a compiled function goes: {kind of step: its share}, from the profiler of JAX.

    A step belongs to "tables and copies" if its name says that it moves numbers, and most of these steps also compute
    what they move; the rest is "other arithmetic".
    """
    compiled = jax.jit(function).lower(*arguments).compile()
    steps = {line.split(" = ")[0].split()[-1].lstrip("%") for line in compiled.as_text().splitlines() if " = " in line}
    jax.block_until_ready(compiled(*arguments))
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(repeats):
                jax.block_until_ready(compiled(*arguments))
        (path,) = Path(folder).rglob("*.trace.json.gz")
        events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    times = defaultdict(list)
    for event in events:
        if event.get("name") in steps and "dur" in event:
            times[event["name"]].append(event["dur"])
    total = defaultdict(float)
    for step, durations in times.items():
        kind = "tables and copies" if any(move in step for move in MOVES) else "other arithmetic"
        kind = next((name for word, name in KINDS.items() if step.startswith(word)), kind)
        total[kind] += float(np.median(durations)) * len(durations) / repeats
    return {kind: spent / sum(total.values()) for kind, spent in total.items()}


def machine_in_words():
    """The processor, its cores and the memory; no name of the machine."""
    processor = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        processor = models[0] if models else processor
    accelerators = {device.device_kind for device in jax.devices() if device.platform != "cpu"}
    gibibytes = psutil.virtual_memory().total / 2**30
    load = psutil.getloadavg()[0]
    words = f"{processor}, {CORES} cores, {gibibytes:.0f} GiB of memory"
    return ", ".join([words, *sorted(accelerators), f"load {load:.1f} at the start"])


def largest_memory():
    """GiB of this program so far. (`resource.getrusage` begins with the peak of the program that has started it.)"""
    words = Path("/proc/self/status").read_text().split()
    return int(words[words.index("VmHWM:") + 1]) / 2**20


def versions():
    """The versions of Python and of the packages that do the work."""
    packages = {
        name: version(name) for name in ("ncv_lab", "jax", "jaxlib", "numpy", "scipy", "scikit-learn", "blackjax")
    }
    return {"python": platform.python_version(), **packages}

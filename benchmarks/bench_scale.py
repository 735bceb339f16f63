"""A million configurations of 20x20 in bounded memory: the time of each stage, and how it grows with N and V.

Three stages. *Sampling*: `sample_blocks` writes all configurations into a file, in float32. *Fitting*: the first
recipes of the ladder on 10,000 configurations of another seed, and by `fit_blocks` the field that was chosen on all of
the file. *Estimating*: `estimate_blocks` of the correlator on the file, with the first of the two fits. The second fit
has seen the file, so its ratio is measured on 20,000 others. Improved legs reach far larger ratios, but they cost a
hundred times as much for each configuration: with them a million configurations are not needed.

The exponents are slopes of log(time) against log(N) and log(V) over a few small runs, after one that compiles.
`--devices` measures the stages on GPU and CPU, where there is a GPU, and prints the ratios of their times.

    python benchmarks/bench_scale.py [--quick] [--n N] [--lam LAM] [--recipes R] [--json FILE]
    python benchmarks/bench_scale.py --exponents [--quick]
    python benchmarks/bench_scale.py --devices
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _timing import largest_memory

MEMORY_BAR = 6.0  # GiB
N_FIT = 10_000
N_CHECK = 20_000
BLOCK = 10_000


class Stages:
    "The wall times, the processor times and the peak memory of the stages of a run."

    def __init__(self, quiet=False):
        self.rows = {}
        self.quiet = quiet

    def run(self, name, function):
        "The result of a function, whose cost is noted under this name."
        wall, cpu = time.perf_counter(), time.process_time()
        result = function()
        row = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "peak_GiB": largest_memory()}
        self.rows[name] = row
        if not self.quiet:
            print(f"{name:34s} {row['seconds']:9.1f} s {row['cpu']:9.1f} s CPU {row['peak_GiB']:7.2f} GiB", flush=True)
        return result


def write_file(ncv, theory, n, path, key):
    "Sample n configurations into a file, (chain, draw, *shape) in float32."
    import numpy as np

    n_chains, done, kept = 20, 0, None
    for block in ncv.sample_blocks(theory, n, key, n_chains=n_chains, block_size=BLOCK):
        if kept is None:
            kept = np.lib.format.open_memmap(path, "w+", np.float32, (n_chains, n // n_chains, *theory.shape))
        kept[:, done : done + block.n_draws] = block.configs
        done += block.n_draws
        # Written pages would count as memory of this process as long as they are mapped.
        kept.flush()
        kept = np.lib.format.open_memmap(path, "r+")
    return block


def full_run(n, lam, n_recipes, folder):
    "All stages for n configurations of 20x20; the rows of the table, and the ratios."
    import ncv_lab as ncv
    from ncv_lab.fitting.ladder import LADDER

    theory = ncv.Phi4((20, 20), 0.1, lam)
    corr = ncv.Correlator()
    path = Path(folder) / "configs.npy"
    stages = Stages()
    print(f"N = {n}, 20x20, m2 = 0.1, lam = {lam}; columns: wall time, processor time, peak memory so far")
    last = stages.run("sampling into a file", lambda: write_file(ncv, theory, n, path, 1))
    print(f"    acceptance {last.acceptance:.3f}, thin {last.thin}, file {path.stat().st_size / 2**30:.2f} GiB")
    train = ncv.sample(theory, min(N_FIT, n), 2, progress=False)
    ladder = ncv.SchwingerDyson(ladder=LADDER[:n_recipes], legs=None)
    best = stages.run(f"fitting {len(train.flat)}", lambda: ncv.fit(ladder, theory, corr, train))
    field = best.control.field.with_weights(None)
    print(f"    {type(field).__name__} with {best.diagnostics['n_features']} features")

    def blocks():
        return ncv.read_blocks([path], theory.shape, block_size=BLOCK)

    found = stages.run("estimating all", lambda: ncv.estimate_blocks(theory, corr, blocks(), best))
    method = ncv.LeastSquares(decay_rates=ladder.decay_rates)
    solved = stages.run("fitting all", lambda: ncv.fit_blocks(field, theory, corr, blocks(), method=method))
    others = ncv.sample_blocks(theory, min(N_CHECK, n), 3, n_chains=20)
    baseline = ncv.estimate_blocks(theory, corr, others, solved)
    ratios = {}
    for t in (0, 5, 10):
        ratios[t] = float(found.sigma_ratio[t]), float(baseline.sigma_ratio[t])
        print(
            f"    C({t}) = {ncv.format_error(float(found.value[t]), float(found.error[t]))}, sigma ratio "
            f"{ratios[t][0]:.4g} on {n} configurations; fitted to all {ratios[t][1]:.4g} on {min(N_CHECK, n)} others"
        )
    return {"n": n, "lam": lam, "stages": stages.rows, "ratios": ratios, "peak_GiB": largest_memory()}


def small_run(n, shape):
    "The wall times of the stages of one small run: sampling, features and sums, estimating."
    import ncv_lab as ncv

    theory = ncv.Phi4(shape, 0.1, 0.5)
    corr = ncv.Correlator()
    linear = ncv.OddMLP(shape, depth=0, symmetric="time")
    chosen = {"n_chains": 20, "n_thermal": 25, "thin": 2, "block_size": 2000}
    stages = Stages(quiet=True)
    blocks = stages.run("sampling", lambda: list(ncv.sample_blocks(theory, n, 0, **chosen)))
    fit = stages.run("fitting", lambda: ncv.fit_blocks(linear, theory, corr, blocks))
    others = list(ncv.sample_blocks(theory, n, 1, **chosen))
    stages.run("estimating", lambda: ncv.estimate_blocks(theory, corr, others, fit))
    return stages.rows


def slope(x, y):
    "The slope of log y against log x."
    import numpy as np

    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def exponents(quick):
    "The exponents of the processor time of each stage in N and in V."
    sizes = (4000, 8000) if quick else (8000, 16_000, 32_000)
    extents = (8, 16) if quick else (12, 16, 24, 32)
    n = sizes[0]
    of_n, of_v = [], []
    small_run(n, (8, 8) if quick else (16, 16))
    for size in sizes:
        of_n.append(small_run(size, (8, 8) if quick else (16, 16)))
    for extent in extents:
        small_run(n, (extent, extent))
        of_v.append(small_run(n, (extent, extent)))
    volumes = [extent**2 for extent in extents]
    result = {}
    for stage in of_n[0]:
        in_n = slope(sizes, [row[stage]["cpu"] for row in of_n])
        in_v = slope(volumes, [row[stage]["cpu"] for row in of_v])
        result[stage] = {"N": in_n, "V": in_v}
        print(f"{stage:12s} processor time ~ N^{in_n:.2f} V^{in_v:.2f}", flush=True)
    return result


def on_platform(platform):
    "The wall times of a small run on a platform, measured in a process of its own; None if it is not there."
    code = (
        "import sys, json; sys.path.insert(0, sys.argv[1]); import bench_scale as b\n"
        "import jax; assert jax.default_backend() == sys.argv[2]\n"
        "b.small_run(8000, (20, 20)); print(json.dumps(b.small_run(8000, (20, 20))))"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), platform]
    names = {"gpu": "cuda,rocm", "cpu": "cpu"}
    done = subprocess.run(command, env=os.environ | {"JAX_PLATFORMS": names[platform]}, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def devices():
    "The ratios of the times on CPU and GPU."
    of_gpu = on_platform("gpu")
    if of_gpu is None:
        print("JAX finds no GPU here: nothing is measured; install jax[cuda12] on a machine that has one")
        return None
    of_cpu = on_platform("cpu")
    ratios = {stage: of_cpu[stage]["seconds"] / of_gpu[stage]["seconds"] for stage in of_cpu}
    for stage, ratio in ratios.items():
        print(f"{stage:12s} time on the CPU / time on the GPU: {ratio:.2f}")
    return ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20,000 configurations and the smallest sizes")
    parser.add_argument("--n", type=int, default=1_000_000, help="the number of configurations")
    parser.add_argument("--lam", type=float, default=0.5)
    parser.add_argument("--recipes", type=int, default=3, help="how many recipes of the ladder are tried")
    parser.add_argument("--exponents", action="store_true", help="only the exponents")
    parser.add_argument("--devices", action="store_true", help="only the ratios of GPU and CPU")
    parser.add_argument("--folder", help="where the file of configurations is kept while the script runs")
    parser.add_argument("--json", help="write the numbers to this file")
    options = parser.parse_args()
    n = 20_000 if options.quick else options.n
    result = {}
    if options.devices:
        result["devices"] = devices()
    elif options.exponents:
        result["exponents"] = exponents(options.quick)
    else:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            result = full_run(n, options.lam, options.recipes, folder)
        result["exponents"] = exponents(options.quick)
        print(f"peak memory {result['peak_GiB']:.2f} GiB, allowed are {MEMORY_BAR} GiB")
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1))
    sys.exit(result.get("peak_GiB", 0.0) > MEMORY_BAR)


if __name__ == "__main__":
    main()

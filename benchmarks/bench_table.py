"""How fast is ncv_lab, beside what, and how near to what the machine can do: one table, kept in results/bench.json.

A row has our time, that of a named baseline on the same numbers in the same run (the best of several turns each),
their ratio, the bar of the project if there is one, and the limit of the machine: the time that the arithmetic, the
memory or the cache would need alone at the peaks measured in this run. The largest of the three is the limit, and the
last columns say which it is and what percentage of it is reached. Then come the exponents with which times grow. The
page nbs/howto/speed.ipynb reads the file and says what bounds each row. The file exits with 1 if a bar is missed.

    python benchmarks/bench_table.py [--quick] [--only PART ...] [--json FILE]

It takes about six minutes, three of them for the network of the row "time to a ratio". With --quick every part is
small and takes seconds; it shows that the parts run, and its times mean nothing.
"""

import argparse
import datetime
import itertools
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from _timing import (
    CORES,
    Cost,
    best_seconds,
    compiled_cost,
    largest_memory,
    machine_in_words,
    measure_peaks,
    time_of_kinds,
    versions,
)
from bench_network import BARS, EXPONENT, VOLUMES, dense_field, descend, ours, slope, step_arguments
from bench_network import microseconds_a_step as step_times
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from sklearn.linear_model import RidgeCV

import ncv_lab as ncv
from ncv_lab.fields.legs import LegProducts, LegValues
from ncv_lab.fitting import ridge
from ncv_lab.fitting.data import Data
from ncv_lab.fitting.ladder import LADDER
from ncv_lab.fitting.least_squares import feature_matrix, parts_of
from ncv_lab.fitting.legs import LEGS
from ncv_lab.utils.batching import map_cores

RESULTS = Path(__file__).parent / "results" / "bench.json"
MINUTES = 3.0  # of training of the network in "time to a ratio"


class Row(NamedTuple):
    """A row of the table. Times are for one of the `unit`, in seconds, unless the unit says otherwise.

    Attributes:
        part: the function of this file that measured it.
        case: what was done, on what.
        unit: what `ours` and `baseline` count.
        ours: our number.
        baseline: that of the baseline.
        named: what the baseline is.
        ratio: how many times better ours is.
        bar: the least ratio that the project asks for, or None.
        cores: how many cores ours works on.
        cost: the arithmetic, and the bytes read and written by its steps, or None where nothing was counted.
        memory: the bytes that must pass the memory, in and out.
        counted: how these were counted.
        shares: the shares of the kinds of steps in the time, from a profile on one core, or None.
    """

    part: str
    case: str
    unit: str
    ours: float
    baseline: float
    named: str
    ratio: float
    bar: float | None = None
    cores: int = 1
    cost: Cost | None = None
    memory: float = 0.0
    counted: str = ""
    shares: dict | None = None


class Growth(NamedTuple):
    """How a time grows: the exponent of a power law through the times, and the most that the project allows."""

    part: str
    case: str
    sizes: list
    seconds: list
    exponent: float
    bar: float | None = None


def theory_of(shape):
    "The strongly coupled theory of most rows."
    return ncv.Phi4(shape, m2=0.1, lam=24.0)


def data_of(shape, n):
    "Random configurations of a typical size: only the times matter here."
    theory = theory_of(shape)
    configs = np.random.default_rng(0).normal(size=(n, *shape)) / 2
    return Data.measure(theory, ncv.Correlator(), ncv.Ensemble.from_configs(configs, theory))


def field_of(name, data):
    "The field of a recipe of the ladder, without weights."
    recipes = {recipe.name: recipe for recipe in LADDER}
    return recipes[name].field(data.phi)


def gradient_step(quick):
    "One step of the training of OddMLP on one configuration, beside the network moved over the lattice site by site."
    cases = [((6, 4), (2, 4))] if quick else [((20, 20), (5, 4)), ((40, 40), (1, 16))]
    for shape, (depth, width) in cases:
        arguments = step_arguments(shape, (depth, width), 1)
        calls = [partial(descend, field, 1, *arguments) for field in (ours, dense_field)]
        mine, dense = 1e-6 * step_times(*calls, seconds=0.1 if quick else 3)
        trained, frozen, loss, *configs = arguments
        one = [part[0] for part in configs]
        cost = compiled_cost(partial(slope, ours, 1, trained, frozen, loss), *one)
        case = f"{shape[0]}x{shape[1]}, {depth} layers of {width} neurons, one configuration"
        bar = BARS.get((shape, (depth, width)))
        named = "network on V rolled copies"
        yield Row("gradient step", case, "step", mine, dense, named, dense / mine, bar, 1, cost, 0.0, "compiler")


class OnlyCalled(eqx.Module):
    """Local functions without derivatives of their own, so that JAX must find these."""

    local: eqx.Module
    n_functions: int = eqx.field(static=True)
    parity: str = eqx.field(static=True)

    def __call__(self, smeared):
        "The functions."
        return self.local(smeared)


def by_differentiation(field):
    "The same field with derivatives of its local functions by automatic differentiation."
    fields = []
    for part in field.fields:
        local = OnlyCalled(part.local, part.local.n_functions, part.local.parity)
        fields.append(eqx.tree_at(lambda part: part.local, part, local))
    return ncv.SumField(*fields)


def features(quick):
    "The feature matrix of the recipes of the default ladder, on all cores."
    shape, n = ((6, 4), 64) if quick else ((20, 20), 640 * CORES)
    names = ["quadratic"] if quick else ["linear", "quadratic", "quartic", "weak", "wide", "strong"]
    data = data_of(shape, n)
    for name in names:
        field = field_of(name, data)
        plain = by_differentiation(field)
        calls = [partial(feature_matrix, one, data) for one in (field, plain)]
        mine, theirs = best_seconds(*calls, seconds=0.1 if quick else 5, rounds=1 if quick else 3) / n
        batch = max(1, 2**11 // data.phi[0].size)
        some = data.phi[:batch], data.dS[:batch]
        whole = compiled_cost(jax.vmap(field.features), *some)
        shares = time_of_kinds(jax.vmap(field.features), *some)
        cost = Cost(whole.flops / batch, whole.bytes / batch)
        memory = 8.0 * (2 * data.phi[0].size + field.n_features)
        case = f'recipe "{name}", {shape[0]}x{shape[1]}, {field.n_features} features'
        named = "derivatives by jax.jvp"
        yield Row(
            part="features",
            case=case,
            unit="configuration",
            ours=mine,
            baseline=theirs,
            named=named,
            ratio=theirs / mine,
            cores=CORES,
            cost=cost,
            memory=memory,
            counted="compiler",
            shares=shares,
        )


def solve(quick):
    "Gram matrices of five folds, a ridge chosen for each of 11 times, and the solve, beside RidgeCV of scikit-learn."
    shape, n, name = ((6, 4), 100, "quadratic") if quick else ((20, 20), 1000, "strong")
    data = data_of(shape, n)
    field = field_of(name, data)
    method = ncv.LeastSquares()
    source = method.prepare(field, data)
    parts = parts_of(field, data, None)
    values = np.asarray(data.values)
    spread = source.features.std(axis=0)
    unit = (source.features - source.features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    theirs = RidgeCV(alphas=n * np.array(method.ridges), cv=5, alpha_per_target=False)
    calls = [partial(method.solve_parts, source, parts), partial(theirs.fit, unit, values)]
    best = best_seconds(*calls, seconds=0.1 if quick else 10, rounds=1 if quick else 2)
    with mock.patch.object(ridge, "solve_quickly", wraps=ridge.solve_quickly) as solved:
        method.solve_parts(source, parts)
    n_weights, n_times = field.n_features, values.shape[1]
    size = n_weights + n_times
    gram = n * size**2
    each = n_weights**3 / 3 + 4 * n_weights**2 * n_times  # Cholesky, two triangles, and the spread on the fold
    n_solves = solved.call_count + 1
    cost = Cost(gram + n_solves * each, 8.0 * (n * size + n_solves * 3 * n_weights**2))
    case = f"{n} configurations, {n_weights} features, {n_times} times, ridge by five folds, {n_solves} factorisations"
    named = "RidgeCV of scikit-learn, 5 folds"
    memory = 8.0 * n * size
    yield Row("solve", case, "solve", *best, named, best[1] / best[0], None, CORES, cost, memory, "by hand")


def with_random_weights(legs):
    "The same legs, solved as it were."
    shape = (legs.shape[0] // 2 + 1, legs.n_functions)
    return legs.with_weights(jnp.asarray(np.random.default_rng(1).normal(size=shape) / 100))


def gradients_by_autodiff(products, theory, phi, dS):
    "f of `LegProducts` with g^y and grad f^y as the derivatives of f^y in dS and in phi: L0 backward passes each."
    legs = products.legs

    def control_variates(phi, dS):
        return legs.control_variates(phi, dS)

    f = control_variates(phi, dS)
    g = -jax.jacrev(control_variates, argnums=1)(phi, dS)
    grad_f = jax.jacrev(lambda phi: control_variates(phi, theory.gradient(phi)))(phi)
    return products._products(LegValues(legs.means(phi), f, g, grad_f))


def legs_products(shape, n):
    "(our function, that of the baseline, configurations, gradients) for the products of two improved legs."
    data = data_of(shape, n)
    recipe = {recipe.name: recipe for recipe in LEGS}["quadratic" if shape[0] < 10 else "strong"]
    legs = with_random_weights(recipe.legs(data.phi))
    times = jnp.arange(shape[0] // 2 + 1)
    products = LegProducts(legs, times, data.theory, jnp.ones(len(times)))
    plain = eqx.Partial(gradients_by_autodiff, products, data.theory)
    return products.f, plain, data.phi, data.dS


def legs(quick):
    "The control variates of improved legs for all t, beside the same with derivatives by jax.jacrev."
    shape, n = ((6, 4), 16) if quick else ((20, 20), 64 * CORES)
    mine, plain, phi, dS = legs_products(shape, n)
    calls = [partial(map_cores, one, phi, dS) for one in (mine, plain)]
    a, b = (call() for call in calls)
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-10 * abs(a).max())
    best = best_seconds(*calls, seconds=0.1 if quick else 10, rounds=1 if quick else 3) / n
    batch = max(1, 2**11 // phi[0].size)
    whole = compiled_cost(jax.vmap(mine), phi[:batch], dS[:batch])
    cost = Cost(whole.flops / batch, whole.bytes / batch)
    case = f"f of two improved legs, {shape[0]}x{shape[1]}, {shape[0] // 2 + 1} times"
    named = "gradients of legs by jax.jacrev"
    memory = 8.0 * 2 * phi[0].size
    yield Row("legs", case, "configuration", *best, named, best[1] / best[0], None, CORES, cost, memory, "compiler")


def sampling(quick):
    "Effective configurations for each second, beside tuned HMC of blackjax; quartiles are in bench_sampler.py."
    from bench_sampler import CASES, N_CHAINS, compare

    cases = [((6, 4), 0.1, 24.0, None)] if quick else CASES
    for shape, m2, lam, bar in cases:
        a, b, fourier, _ = compare(shape, m2, lam, rounds=1 if quick else 9, n_draws=20 if quick else 400)
        theory = ncv.Phi4(shape, m2, lam)
        phi = jnp.zeros((N_CHAINS, *shape))
        method = ncv.HMC(fourier=fourier)
        tuned = ncv.sample(theory, 25 * N_CHAINS, 0, n_chains=N_CHAINS, thin=1, method=method, progress=False).sampler
        n_steps = np.ceil(float(tuned.tuning.length / tuned.tuning.step_size))
        force = compiled_cost(jax.vmap(theory.gradient), phi)
        volume = np.prod(shape)
        # With Fourier acceleration each step has two real transforms, 2.5 V log2 V of arithmetic each.
        transforms = 5 * volume * np.log2(volume) if fourier else 0.0
        trajectories = 2 * a[1]  # for an effective configuration
        flops = trajectories * n_steps * (force.flops / N_CHAINS + transforms + 4 * volume)
        n_bytes = trajectories * n_steps * (force.bytes / N_CHAINS + 8 * 6 * volume)
        mine, theirs = 1 / np.median(a[0]), 1 / np.median(b[0])
        case = f"{shape[0]}x{shape[1]}, m2 {m2:g}, lam {lam:g}, {N_CHAINS} chains, {n_steps:.0f} steps"
        cost = Cost(flops, n_bytes)
        ratio = float(np.median(a[0] / b[0]))
        memory = trajectories * 8.0 * volume
        named = "HMC of blackjax, tuned"
        yield Row(
            "sampling", case, "effective configuration", mine, theirs, named, ratio, bar, 1, cost, memory, "by hand"
        )


def time_to_ratio(quick):
    "Seconds until our error is as small as that of a network after MINUTES of training, compilation included."
    from bench_reduction import CASES, ratio_on, watch

    shape, m2, lam = ((6, 4), 0.1, 24.0) if quick else CASES["20x20-strong"]
    n, limit = (200, 1.0) if quick else (1000, 60 * MINUTES)
    theory = ncv.Phi4(shape, m2, lam)
    train, others = ncv.sample(theory, 2 * n, jax.random.key(1000), progress=False).split(n)
    observable = ncv.Correlator()
    middle = observable.at(shape[0] // 2)

    def curve(field, observable, method):
        "Seconds, and the ratio of C(L0/2) on the others at that time, for every check of a fit."
        jax.clear_caches()
        seen = watch(field, theory, observable, train, method, jax.random.key(0), limit)
        ratios = [float(ratio_on(others, observable, fit)[-1]) for _, fit in seen]
        return np.array([seconds for seconds, _ in seen]), np.array(ratios)

    net = ncv.OddMLP(shape, width=4, depth=5, key=jax.random.key(0))
    seconds_of_net, of_net = curve(net, middle, ncv.Adam(10**9))
    seconds, ours = curve(ncv.SchwingerDyson(), observable, None)
    target = of_net.max()
    theirs = seconds_of_net[of_net.argmax()]
    reached = ours >= target
    mine = seconds[reached.argmax()] if reached.any() else seconds[-1]
    word = "" if reached.any() else ", not reached"
    case = f"{shape[0]}x{shape[1]}, C(L0/2) on {n} others, sigma ratio {target:.3g}{word}; ours ends at {ours[-1]:.3g}"
    named = f"the best of {limit / 60:.2g} minutes of OddMLP 5x4, Adam, Eq. (16)"
    # bench_reduction.py has the bar of 100 for the ratio that the network reaches in ten minutes.
    yield Row("time to a ratio", case, "fit", mine, theirs, named, theirs / mine)


MEMORY = ("idle", "ours", "vmap")


def use_memory(how, quick):
    "Print the largest memory of this process, in MiB: with the features of many configurations, or with these alone."
    data = data_of(*(((6, 4), 64) if quick else ((20, 20), 500)))
    field = field_of("quadratic" if quick else "weak", data)
    if how == "ours":
        feature_matrix(field, data)
    if how == "vmap":
        jax.block_until_ready(jax.jit(jax.vmap(field.features))(data.phi, data.dS))
    print(2**10 * largest_memory())


def peak_memory(quick):
    "The memory for the features beyond that of a program that holds the configurations, beside jax.vmap over all."
    found = {}
    for how in MEMORY:
        words = [sys.executable, __file__, "--memory", how, *["--quick"] * quick]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        found[how] = float(done.stdout)
    mine, theirs = (max(found[how] - found["idle"], 1.0) for how in ("ours", "vmap"))
    n = 64 if quick else 500
    case = f"features of {n} configurations, beyond {found['idle']:.0f} MiB of an idle program"
    yield Row("peak memory", case, "MiB", mine, theirs, "jax.vmap over all configurations", theirs / mine)


def exponent(sizes, seconds):
    "The slope of log(seconds) against log(size)."
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def growth_with_volume(quick):
    "Exponents of the gradient step, the features and the legs in V."
    shapes = [(4, 4), (6, 4)] if quick else VOLUMES
    size = (1, 2) if quick else (5, 4)
    calls = [partial(descend, ours, 1, *step_arguments(shape, size, 1)) for shape in shapes]
    seconds = 1e-6 * step_times(*calls, seconds=0.1 if quick else 6)
    volumes = [int(np.prod(shape)) for shape in shapes]
    yield Growth("gradient step", "V", volumes, list(seconds), exponent(volumes, seconds), EXPONENT)
    shapes = [(6, 4), (8, 4)] if quick else [(16, 16), (24, 24), (32, 32), (48, 48)]
    volumes = [int(np.prod(shape)) for shape in shapes]
    n = 16 if quick else 64 * CORES
    calls = []
    for shape in shapes:
        data = data_of(shape, n)
        calls.append(partial(feature_matrix, field_of("quadratic", data), data))
    seconds = best_seconds(*calls, seconds=0.1 if quick else 5, rounds=1 if quick else 3) / n
    yield Growth("features", 'V, recipe "quadratic"', volumes, list(seconds), exponent(volumes, seconds))
    if quick:
        return
    calls = []
    for shape in shapes[:3]:
        mine, _, phi, dS = legs_products(shape, 16 * CORES)
        calls.append(partial(map_cores, mine, phi, dS))
    seconds = best_seconds(*calls, seconds=5) / (16 * CORES)
    yield Growth("legs", "V", volumes[:3], list(seconds), exponent(volumes[:3], seconds))


def growth_with_configurations(quick):
    "Exponents of the features and of the solve in N."
    shape, sizes, name = ((6, 4), (64, 128), "quadratic") if quick else ((20, 20), (500, 1000, 2000, 4000), "quartic")
    every = [data_of(shape, n) for n in sizes]
    field = field_of(name, every[0])
    pieces = {"seconds": 0.1, "rounds": 1} if quick else {"seconds": 5}
    seconds = best_seconds(*(partial(feature_matrix, field, data) for data in every), **pieces)
    yield Growth("features", f'N, recipe "{name}"', list(sizes), list(seconds), exponent(sizes, seconds))
    method = ncv.LeastSquares()
    calls = []
    for data in every:
        calls.append(partial(method.solve_parts, method.prepare(field, data), parts_of(field, data, None)))
    seconds = best_seconds(*calls, **pieces)
    yield Growth("solve", f"N, {field.n_features} features", list(sizes), list(seconds), exponent(sizes, seconds))


def growth_with_features(quick):
    "The exponent of the solve in the number of features, for random numbers."
    n, sizes = (200, (10, 20)) if quick else (2000, (100, 200, 400, 800))
    numbers = np.random.default_rng(0).normal(size=(n, max(sizes) + 1))
    calls = []
    for size in sizes:
        calls.append(partial(ridge.solve_ridge, ridge.moments(numbers[:, -size - 1 :], 5), np.logspace(-10, 0, 21), 1))
    seconds = best_seconds(*calls, seconds=0.1 if quick else 5, rounds=1 if quick else 3)
    yield Growth("solve", f"features, {n} configurations", list(sizes), list(seconds), exponent(sizes, seconds))


def growth_with_devices(quick):
    "The exponent of the features in the number of devices, -1 at best; nothing where JAX has one device."
    counts = [2**k for k in range(8) if 2**k <= jax.device_count()]
    if len(counts) < 2:
        return
    data = data_of(*(((6, 4), 64) if quick else ((20, 20), 640)))
    field = field_of("quadratic", data)
    function = jax.jit(jax.vmap(field.features))
    calls = []
    for count in counts:
        place = NamedSharding(Mesh(np.array(jax.devices()[:count]), ("configs",)), PartitionSpec("configs"))
        calls.append(partial(function, jax.device_put(data.phi, place), jax.device_put(data.dS, place)))
    seconds = best_seconds(*calls, seconds=0.1 if quick else 5)
    yield Growth("features", "devices", counts, list(seconds), exponent(counts, seconds))


PARTS = {
    "gradient step": gradient_step,
    "features": features,
    "solve": solve,
    "legs": legs,
    "sampling": sampling,
    "time to a ratio": time_to_ratio,
    "peak memory": peak_memory,
    "growth with V": growth_with_volume,
    "growth with N": growth_with_configurations,
    "growth with features": growth_with_features,
    "growth with devices": growth_with_devices,
}


def with_limit(row, peaks):
    "The row as a dictionary, with the seconds that each resource needs at its peak, and the percentage of the slowest."
    found = row._asdict()
    if row.cost is None:
        return found | {"cost": None, "limit": None}
    peak = peaks[row.cores]
    needs = {
        "arithmetic": row.cost.flops / peak.flops,
        "cache": row.cost.bytes / peak.cache,
        "memory": row.memory / peak.memory,
    }
    slowest = max(needs, key=lambda name: needs[name])
    limit = {"seconds": needs, "slowest": slowest, "percent": 100 * needs[slowest] / row.ours}
    return found | {"cost": row.cost._asdict(), "limit": limit}


def measure(names, quick):
    "All that is kept in the file."
    found = {"machine": machine_in_words(), "versions": versions(), "date": datetime.date.today().isoformat()}
    small = {"size": 100, "megabytes": 1.0} if quick else {}
    peaks = {cores: measure_peaks(cores, **small) for cores in sorted({1, CORES})}
    found |= {"quick": quick, "peaks": [peak._asdict() for peak in peaks.values()], "rows": [], "growth": []}
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        for row in PARTS[name](quick):
            if isinstance(row, Growth):
                found["growth"].append(row._asdict())
            else:
                found["rows"].append(with_limit(row, peaks))
    return json.loads(json.dumps(found, default=float))


def number(value, unit):
    "A number with its unit, three digits."
    if unit == "MiB":
        return f"{value:.0f} MiB"
    for size, name in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= size:
            return f"{value / size:.3g} {name}"
    return f"{value / 1e-9:.3g} ns"


def table(found):
    "The lines of the table, from what is in the file."
    yield f"{found['machine']}; {found['date']}; " + ", ".join(f"{name} {v}" for name, v in found["versions"].items())
    if found["quick"]:
        yield "A QUICK RUN: all sizes are tiny, to show that the parts run. The times mean nothing."
    for peak in found["peaks"]:
        yield (
            f"peaks on {peak['cores']} core{'s' * (peak['cores'] > 1)}: {peak['flops'] / 1e9:.0f} Gflop/s (product of "
            f"matrices), copies {peak['memory'] / 1e9:.0f} GB/s in memory, {peak['cache'] / 1e9:.0f} GB/s in the cache"
        )
    heads = f"{'part':16}{'for one':25}{'ours':>9}{'baseline':>10}{'ratio':>8}{'bar':>5}{'limit':>7}  "
    for part, rows in itertools.groupby(found["rows"], key=lambda row: row["part"]):
        yield ""
        yield f"{heads}{part}"
        for row in rows:
            limit = row["limit"]
            reached = f"{limit['percent']:5.0f} % {limit['slowest']}" if limit else "      -"
            bar = "" if row["bar"] is None else f"{row['bar']:g}"
            short = "  MISSED" if is_missed(row) else ""
            yield (
                f"{row['part']:16}{row['unit']:25}{number(row['ours'], row['unit']):>9}"
                f"{number(row['baseline'], row['unit']):>10}{row['ratio']:8.3g}{bar:>5}{reached}{short}"
            )
            yield f"    {row['case']}; baseline: {row['named']}"
            if row["shares"]:
                shares = sorted(row["shares"].items(), key=lambda item: -item[1])
                yield "    profile: " + ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in shares)
    yield ""
    yield "time grows like the size to the power of"
    for row in found["growth"]:
        bar = "" if row["bar"] is None else f" (bar: at most {row['bar']:g}{', MISSED' if is_missed(row) else ''})"
        sizes = f"from {row['sizes'][0]} to {row['sizes'][-1]}"
        yield f"    {row['part']:16}{row['case']:32}{row['exponent']:6.2f} {sizes}{bar}"
    if not any(row["case"] == "devices" for row in found["growth"]):
        yield "    features        devices                            - (JAX has one device here)"


def is_missed(row):
    "Whether a row misses its bar."
    if row["bar"] is None:
        return False
    return row["exponent"] > row["bar"] if "exponent" in row else row["ratio"] < row["bar"]


def main(words=None):
    "Measure, keep and print; 1 if a bar is missed."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small, to see that it runs; the file is not written")
    parser.add_argument("--only", nargs="*", choices=PARTS, help="some parts; the file is not written")
    parser.add_argument("--json", type=Path, help=f"write to this file instead of {RESULTS.name}")
    parser.add_argument("--memory", choices=MEMORY, help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.memory:
        use_memory(options.memory, options.quick)
        return 0
    found = measure(options.only or PARTS, options.quick)
    path = options.json or (None if options.quick or options.only else RESULTS)
    if path:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found, indent=1) + "\n")
    print("\n".join(table(found)))
    return int(not options.quick and any(is_missed(row) for row in found["rows"] + found["growth"]))


if __name__ == "__main__":
    raise SystemExit(main())

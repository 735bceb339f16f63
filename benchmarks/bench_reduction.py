"""How much noise each family of control variates removes, and in what time: one run, one table.

Everything about a fit (weights, ridge, features, early stop) is decided on 1000 configurations; sigma_ratio is measured
on 4000 others, opened once. Times are wall seconds of the first fit, compilation included, and of the same fit again.
Last come the two bars that are times: all t against one t, and how long SchwingerDyson takes to reach what OddMLP has
reached by the recipe of the paper. The file exits with 1 if a bar is missed.

    python benchmarks/bench_reduction.py [--case NAME ...] [--seeds 0 1 2] [--minutes 10] [--json FILE]
"""

import argparse
import json
import sys
import time
from pathlib import Path

import jax
import numpy as np

import ncv_lab as ncv

CASES = {
    "20x20-strong": ((20, 20), 0.1, 24.0),
    "20x20-weak": ((20, 20), 0.1, 0.5),
    "40x10": ((40, 10), 0.01, 0.1),
    "40x40-weak": ((40, 40), 0.1, 0.5),
    "40x40-strong": ((40, 40), 0.1, 24.0),
}
N_FIT, N_OTHERS = 1000, 4000
BARS = {"all t / one t": 1.5, "OddMLP / SchwingerDyson": 100.0}


def families(theory, key, minutes):
    "{name: (field or strategy, method, whether it serves all t at once)}; None as method is the default of `fit`."
    shape = theory.shape
    found = {
        "linear, solved": (ncv.OddMLP(shape, depth=0, symmetric="time"), None, True),
        "{phi}, ref. [11]": (ncv.Direct(shape, (1,)), None, True),
        "{phi, phi^3}, ref. [11]": (ncv.Direct(shape, (1, 3)), None, True),
        "SchwingerDyson": (ncv.SchwingerDyson(), None, True),
        "NeuralSchwingerDyson": (ncv.NeuralSchwingerDyson(shape, key=key), ncv.VariableProjection(), True),
    }
    if minutes:
        found["OddMLP 5x4, Eq. (16)"] = (ncv.OddMLP(shape, width=4, depth=5, key=key), ncv.Adam(10**9), False)
    return found


def watch(field, theory, observable, train, method, key, seconds):
    "The last fit of a generator of fits, broken off after `seconds`, and [(wall time, fit)] along the way."
    begin, seen = time.perf_counter(), []
    for fit in ncv.fit_steps(field, theory, observable, train, method=method, key=key):
        seen.append((time.perf_counter() - begin, fit))
        if seen[-1][0] > seconds:
            break
    return seen


def ratio_on(others, observable, fit):
    values = ncv.measure(observable, others.flat, others.shape)
    return np.atleast_1d(ncv.sigma_ratio(values, values - fit.controls(others)))


def run_case(name, seed, minutes):
    "The rows of one case and seed."
    (shape, m2, lam), corr = CASES[name], ncv.Correlator()
    theory = ncv.Phi4(shape, m2, lam)
    ensemble = ncv.sample(theory, N_FIT + N_OTHERS, jax.random.key(1000 + seed), progress=False)
    train, others = ensemble.split(N_FIT)
    key, rows, middle = jax.random.key(seed), [], shape[0] // 2
    for family, (field, method, all_t) in families(theory, key, minutes).items():
        observable = corr if all_t else corr.at(middle)
        limit = np.inf if all_t else 60 * minutes
        runs = [watch(field, theory, observable, train, method, key, limit) for _ in range(2 if all_t else 1)]
        ratio = ratio_on(others, observable, runs[0][-1][1])
        row = {
            "case": name,
            "seed": seed,
            "family": family,
            "n_fit": train.n_configs,
            "n_others": others.n_configs,
            "sigma_ratio": [round(float(r), 2) for r in ratio],
            "seconds": round(runs[0][-1][0], 2),
            "seconds_again": round(runs[1][-1][0], 2) if all_t else None,
        }
        rows.append(row)
        print(line(row, middle), flush=True)
        if not all_t:
            steps = runs[0][-1][1].state["step"]
            print(f"    {steps} steps; sigma_ratio where fitted {runs[0][-1][1].train_ratio[0]:.3g}", flush=True)
    return rows, theory, train, others


def line(row, middle):
    ratio = np.array(row["sigma_ratio"])
    shown = (
        [ratio[0], ratio[middle // 2], ratio[middle], ratio.min()] if len(ratio) > 1 else [None, None, ratio[0], None]
    )
    numbers = "".join(f"{'' if r is None else format(r, '.1f'):>9}" for r in shown)
    again = "" if row["seconds_again"] is None else f"{row['seconds_again']:.1f}"
    return f"{row['case']:14}{row['seed']:>3}  {row['family']:26}{numbers}{row['seconds']:>10.1f}{again:>8}"


def bars(rows, theory, train, others):
    "The two bars that are times, measured on the case at hand."
    corr, middle, found = ncv.Correlator(), theory.shape[0] // 2, {}
    seconds = {}
    for name, observable in (("all", corr), ("one", corr.at(middle))):
        seconds[name] = min(
            watch(ncv.SchwingerDyson(), theory, observable, train, None, None, np.inf)[-1][0] for _ in "ab"
        )
    found["all t / one t"] = seconds["all"] / seconds["one"]
    if neural := [row for row in rows if row["family"].startswith("OddMLP")]:
        target = neural[0]["sigma_ratio"][0]
        jax.clear_caches()
        for elapsed, fit in watch(ncv.SchwingerDyson(), theory, corr, train, None, None, np.inf):
            if ratio_on(others, corr, fit)[middle] >= target:
                found["OddMLP / SchwingerDyson"] = neural[0]["seconds"] / elapsed
                break
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", nargs="*", choices=CASES, default=["20x20-strong"])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="for OddMLP, 0 to leave it out")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    print(f"sigma_ratio on {N_OTHERS} configurations that had no part in the fit to {N_FIT} others")
    columns = ("t=0", "L0/4", "L0/2", "smallest")
    print(f"{'case':14}{'seed':>4} {'family':26}{''.join(f'{name:>9}' for name in columns)}{'seconds':>10}{'again':>8}")
    rows, missed = [], False
    for name in options.case:
        for seed in options.seeds:
            more, *data = run_case(name, seed, options.minutes)
            rows += more
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1) + "\n")
        for bar, value in bars(more, *data).items():
            limit = BARS[bar]
            good = value <= limit if bar == "all t / one t" else value >= limit
            missed |= not good
            print(f"{name}: {bar} {value:.3g} (bar {limit:g}{'' if good else ', MISSED'})")
    sys.exit(missed)


if __name__ == "__main__":
    main()

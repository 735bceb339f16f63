"""How much noise each family of control variates removes, and in what time: one run, one table.

Everything about a fit (weights, ridge, features, early stop) is decided on 1000 configurations; sigma_ratio is measured
on 4000 others, opened once. Times are wall seconds of the first fit, compilation included, and of the same fit again.
Last come the two bars that are times: all t against one t, and how long SchwingerDyson takes to reach what OddMLP has
reached by the recipe of the paper. With --table: SchwingerDyson alone, on all cases and more observables, the median
over the seeds against the bar of each number, and for the correlator the error of 1000 configurations over the signal
and the seconds for the fit and for 1000 configurations more, compilation aside. With --audit N: the ratios of seed 0
once on N other configurations, with the kurtosis of O - f. The file exits with 1 if a bar is missed.

    python benchmarks/bench_reduction.py [--case NAME ...] [--seeds 0 1 2] [--minutes 10] [--json FILE] [--table]
    python benchmarks/bench_reduction.py --audit 100000 [--case NAME ...]
"""

import argparse
import json
import sys
import time
from pathlib import Path

import jax
import numpy as np
from _audit import print_times

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
TABLE = {
    "20x20-strong": {"C(L0/2)": 250_000, "C(t), smallest": 1000, "phi^2": 30, "S/V": 30, "|M|": 3.5},
    "20x20-weak": {"C(L0/2)": 35_000, "C(t), smallest": 5800, "phi^2": 100, "S/V": 100, "|M|": 10},
    "40x10": {"C(L0/2)": 4800, "C(t), smallest": 1500},
    "40x40-weak": {"C(L0/2)": 600_000, "C(t), smallest": 7000},
    "40x40-strong": {"C(L0/2)": 250_000, "C(t), smallest": 1400},
}
SECONDS = {"20x20-strong": 15, "20x20-weak": 15, "40x40-weak": 60, "40x40-strong": 60}


def families(theory, key, minutes):
    "{name: (field or strategy, method, whether it serves all t at once)}; None as method is the default of `fit`."
    shape = theory.shape
    found = {
        "linear, solved": (ncv.OddMLP(shape, depth=0, symmetric="time"), None, True),
        "{phi}, ref. [11]": (ncv.Direct(shape, (1,)), None, True),
        "{phi, phi^3}, ref. [11]": (ncv.Direct(shape, (1, 3)), None, True),
        "ladder alone": (ncv.SchwingerDyson(legs=None), None, True),
        "SchwingerDyson": (ncv.SchwingerDyson(), None, True),
        "NeuralLegs": (ncv.NeuralLegs(), None, True),
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


def improved_on(others, observable, fit):
    "O and O - f on other configurations."
    values = ncv.measure(observable, others.flat, others.shape)
    return values, values - fit.evaluate(others)


def ratio_on(others, observable, fit):
    return np.atleast_1d(ncv.sigma_ratio(*improved_on(others, observable, fit)))


def data(name, seed):
    "(theory, the configurations to fit on, the others) of a case."
    theory = ncv.Phi4(*CASES[name])
    ensemble = ncv.sample(theory, N_FIT + N_OTHERS, jax.random.key(1000 + seed), progress=False)
    return theory, *ensemble.split(N_FIT)


def run_case(name, seed, minutes):
    "The rows of one case and seed."
    (theory, train, others), corr = data(name, seed), ncv.Correlator()
    key, rows, middle = jax.random.key(seed), [], theory.shape[0] // 2
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


def table(cases, seeds):
    "Print what SchwingerDyson reaches, the median over the seeds and the smallest; True if a bar is missed."
    missed = False
    print(f"{'case':14}{'number':16}{'median':>9}{'smallest':>9}{'bar':>8}   seconds of the fits")
    for name in cases:
        ratios, seconds, relative = {number: [] for number in TABLE[name]}, {}, []
        for seed in seeds:
            theory, train, others = data(name, seed)
            observables = [ncv.Correlator(), ncv.MeanSquare(), ncv.ActionDensity(theory), ncv.AbsMagnetisation()]
            for observable in observables[: 4 if "|M|" in ratios else 1]:
                seen = watch(ncv.SchwingerDyson(), theory, observable, train, None, None, np.inf)
                values, improved = improved_on(others, observable, seen[-1][1])
                found, label = np.atleast_1d(ncv.sigma_ratio(values, improved)), seen[-1][1].labels[0]
                numbers = {"C(t), smallest": found.min(), "C(L0/2)": found[-1]} if len(found) > 1 else {label: found[0]}
                for number in numbers.keys() & ratios.keys():
                    ratios[number].append(numbers[number])
                    seconds.setdefault(number, []).append(f"{seen[-1][0]:.1f}")
                if len(found) > 1:
                    relative.append(error_over_signal(improved))
        for number, bar in TABLE[name].items():
            median = np.median(ratios[number])
            short = median < bar
            missed |= short
            line = f"{name:14}{number:16}{median:9.4g}{min(ratios[number]):9.4g}{bar:8g}{' MISSED' if short else ''}"
            print(f"{line}   {' '.join(seconds[number])}", flush=True)
        relative = np.median(relative, axis=0)
        spread = f"{relative.min():.1e} to {relative.max():.1e}"
        print(f"{name:14}error of 1000 configurations over the signal, median over the seeds: {spread}", flush=True)
        missed |= too_slow(name, theory, train, others)
    return missed


def error_over_signal(improved):
    "The error of the mean of O - f over 1000 configurations, over that mean, for each time."
    return improved.std(axis=0) / 1000**0.5 / abs(improved.mean(axis=0))


def too_slow(name, theory, train, others):
    "Time the fit and 1000 configurations more, all compiled already; True if they take longer than the bar."
    thousand = others.flat[:1000]
    begin = time.perf_counter()
    fit = watch(ncv.SchwingerDyson(), theory, ncv.Correlator(), train, None, None, np.inf)[-1][1]
    fit.evaluate(thousand)
    seconds = time.perf_counter() - begin
    bar = SECONDS.get(name, np.inf)
    short = seconds > bar
    missed = ", MISSED" if short else ""
    print(f"{name:14}fit and 1000 configurations {seconds:.1f} s (bar {bar:g}{missed})", flush=True)
    return short


def audit(cases, n_configs):
    "Print the ratios of the correlator on many configurations that had no part in anything before, and the kurtosis."
    for name in cases:
        theory, train, _ = data(name, 0)
        fit = watch(ncv.SchwingerDyson(), theory, ncv.Correlator(), train, None, None, np.inf)[-1][1]
        values, improved = [], []
        for key in jax.random.split(jax.random.key(77), -(-n_configs // 10_000)):
            some = ncv.sample(theory, 10_000, key, progress=False)
            raw, better = improved_on(some, ncv.Correlator(), fit)
            values.append(raw)
            improved.append(better)
        values, improved = np.concatenate(values), np.concatenate(improved)
        ratio = ncv.sigma_ratio(values, improved)
        print(f"{name}: {len(values)} configurations, smallest ratio {ratio.min():.4g}, C(L0/2) {ratio[-1]:.4g}")
        print_times(ratio, improved)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", nargs="*", choices=CASES, help="default: 20x20-strong, and all with --table")
    parser.add_argument("--table", action="store_true", help="SchwingerDyson alone, all cases, three seeds")
    parser.add_argument("--audit", type=int, metavar="N", help="the ratios of seed 0 on N configurations more")
    parser.add_argument("--seeds", nargs="*", type=int, help="default: 0, and 0 1 2 with --table")
    parser.add_argument("--minutes", type=float, default=10.0, help="for OddMLP, 0 to leave it out")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    if options.audit:
        audit(options.case or CASES, options.audit)
        return
    if options.table:
        sys.exit(int(table(options.case or CASES, options.seeds or [0, 1, 2])))
    print(f"sigma_ratio on {N_OTHERS} configurations that had no part in the fit to {N_FIT} others")
    columns = ("t=0", "L0/4", "L0/2", "smallest")
    print(f"{'case':14}{'seed':>4} {'family':26}{''.join(f'{name:>9}' for name in columns)}{'seconds':>10}{'again':>8}")
    rows, missed = [], False
    for name in options.case or ["20x20-strong"]:
        for seed in options.seeds or [0]:
            more, *known = run_case(name, seed, options.minutes)
            rows += more
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1) + "\n")
        for bar, value in bars(more, *known).items():
            limit = BARS[bar]
            good = value <= limit if bar == "all t / one t" else value >= limit
            missed |= not good
            print(f"{name}: {bar} {value:.3g} (bar {limit:g}{'' if good else ', MISSED'})")
    sys.exit(int(missed))


if __name__ == "__main__":
    main()

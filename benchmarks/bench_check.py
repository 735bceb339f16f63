"""Whether `check` knows the action: false alarms, power and conventions over many ensembles: one run, two tables.

For each theory and tau_int there are many independent ensembles. "right" is the fraction that passes with the action
that was sampled; "m2 + 4 err" the fraction that is caught if m2 is declared off by four errors of the fitted m2 (Z
and lam free); "alone" the same with the smaller error of m2 when Z and lam are known; "visible" the same with the
shift that the report says is seen in one of two ensembles; "cheap" the number of ensembles in which `estimate` would
warn of the right action; "pulls" the standard deviations of (fitted - true) / error for Z, m2 and lam. The second
table samples what the declared numbers would mean in each convention. The file exits with 1 if a bar is missed.

    python benchmarks/bench_check.py [--ensembles 400]
"""

import argparse
import sys
import warnings
from dataclasses import replace

import jax.numpy as jnp
import numpy as np

import ncv_lab as ncv
from ncv_lab.analysis.check import check_action, conventions
from ncv_lab.analysis.estimate import _warn_of_action
from ncv_lab.fitting.data import Data

# shape, m2, lam, chains, draws, the trajectories (interacting) or rho(1) (free) that make the autocorrelation
CASES = [
    ((16,), 0.3, 0.0, 10, 100, 0.0),
    ((16,), 0.3, 0.0, 10, 100, 0.8),
    ((8, 8), 0.3, 0.0, 10, 100, 0.0),
    ((8, 8), 0.3, 0.0, 4, 1000, 0.9),
    ((8,), 0.1, 0.5, 10, 100, 3),
    ((8,), 0.1, 24.0, 10, 100, 3),
    ((16,), 0.1, 0.5, 10, 20, 3),
    ((8, 8), 0.1, 6.0, 10, 100, 3),
    ((8, 8), 0.1, 6.0, 10, 20, 3),
    ((8, 8), 0.1, 6.0, 10, 200, "short"),
    ((8,), 0.1, 6.0, 10, 200, "short"),
]


def configurations(case, n_ensembles, seed=0):
    "(ensemble, chain, draw, *shape), stationary and independent of each other."
    shape, m2, lam, n_chains, n_draws, how = case
    theory = ncv.Phi4(shape, m2, lam)
    n_all = n_ensembles * n_chains
    options = {"n_chains": n_all, "progress": False}
    if lam == 0:
        noise = ncv.sample(theory, n_all * n_draws, seed, **options).configs.copy()
        for draw in range(1, n_draws):
            noise[:, draw] = how * noise[:, draw - 1] + (1 - how**2) ** 0.5 * noise[:, draw]
        return noise.reshape(n_ensembles, n_chains, n_draws, *shape)
    method = ncv.HMC(trajectory_length=0.25) if how == "short" else None
    thin = 8 if how == "short" else how
    ensemble = ncv.sample(theory, n_all * n_draws, seed, thin=thin, method=method, **options)
    return ensemble.configs.reshape(n_ensembles, n_chains, n_draws, *shape)


def warns(ensemble):
    "Whether `estimate` would warn of the action."
    data = Data.measure(None, ncv.MeanSquare(), ensemble)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _warn_of_action(data)
    return bool(caught)


def one_case(case, n_ensembles):
    "A line of the table, and whether the bars are met."
    shape, m2, lam, n_chains, n_draws, _ = case
    theory = ncv.Phi4(shape, m2, lam)
    rows = []
    for configs in configurations(case, n_ensembles):
        right = check_action(theory, configs)
        off = [4 * right.error[1], 4 * right.alone[1], right.visible[1]]
        wrong = [check_action(ncv.Phi4(shape, m2 + shift, lam), configs) for shift in off]
        pulls = (right.fitted - right.declared) / right.error
        rows.append([right.passed, *[not one.passed for one in wrong], warns(ncv.Ensemble(configs, theory)), *pulls])
    rows = np.array(rows, dtype=float)
    tau = max(mode[0] for mode in ncv.Ensemble(configs, theory).slow_modes.values())
    mean = rows.mean(axis=0)
    pulls = " ".join(f"{pull:.2f}" for pull in rows[:, 5:].std(axis=0))
    print(
        f"{shape!s:8} m2={m2} lam={lam:<4} {n_chains} x {n_draws:4} tau {tau:4.1f} bins {right.n_bins:5} p"
        f" {right.n_features:2}   right {mean[0]:.4f}  m2 + 4 err {mean[1]:.3f}"
        f"  alone {mean[2]:.3f}  visible {mean[3]:.3f}"
        f"  cheap {int(rows[:, 4].sum())}  pulls {pulls}",
        flush=True,
    )
    # 99 of 100, and what 2 standard errors of this many ensembles allow.
    slack = 2 * (0.01 / n_ensembles) ** 0.5
    return mean[0] >= 0.99 - slack and mean[1] >= 0.9


def all_conventions(shape, m2, lam):
    "Which conventions are caught, and which are named in the report; configurations are sampled for each."
    declared = ncv.Phi4(shape, m2, lam)
    good = True
    for index, convention in enumerate(conventions(declared)):
        Z, true_m2, true_lam = convention.parameters
        if true_m2 / Z < -3:
            continue  # deep wells: covered by other declared numbers
        ensemble = ncv.sample(ncv.Phi4(shape, true_m2 / Z, true_lam / Z**2), 2000, index, thin=4, progress=False)
        found = ncv.check(replace(ensemble, configs=ensemble.configs / Z**0.5), declared)
        caught, named = not found.action.passed, convention.words in " ".join(str(found).split())
        good = good and caught and named
        sigma = found.action.sigma
        print(f"{shape!s:8} caught {caught!s:5} named {named!s:5} {sigma:5.1f} sigma  {convention.words}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ensembles", type=int, default=400)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    assert jnp.ones(1).dtype == np.float64
    good = [one_case(case, arguments.ensembles) for case in CASES]
    for shape, m2, lam in (((16,), 0.3, 6.0), ((16,), 0.2, 0.1), ((8, 8), 0.3, 6.0), ((8, 8), 0.2, 0.1)):
        good.append(all_conventions(shape, m2, lam))
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()

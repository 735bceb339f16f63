"""Are the errors of correlated configurations right? Pulls (value - exact) / error over many independent ensembles.

The theory is phi^4 on a ring of 8 sites, whose correlator is known exactly. Short trajectories of Hybrid Monte Carlo
give C(t) an autocorrelation time tau_int of about 10 draws. Each ensemble is estimated raw and with a cross-fitted
control variate. One line for each case: tau_int of both, the ratio of their errors, and the mean and the standard
deviation of their pulls over the ensembles, the smallest and the largest over t. The errors are right if the standard
deviations are 1. From N ensembles they are known to 1 / sqrt(2 N), which is 0.04 for 300. The file exits with 1 if one
of them lies outside 0.9 to 1.1.

    python benchmarks/bench_pulls.py [--ensembles 300] [--cases 0 1 2 3] [--seed 0]
"""

import argparse
import sys
import warnings

import jax
import numpy as np

import ncv_lab as ncv

# lam, chains, draws, trajectory length
CASES = [
    (24.0, 10, 400, 0.26),
    (24.0, 2, 2000, 0.26),
    (0.5, 10, 400, 0.3),
    (0.5, 2, 2000, 0.3),
]
TIMES = [0, 1, 2, 3, 4]


def ensembles(lam, n_chains, n_draws, length, n_ensembles, seed):
    "Independent ensembles of a ring of 8 sites, one after the other."
    theory = ncv.Phi4((8,), 0.1, lam)
    options = {"n_chains": n_ensembles * n_chains, "thin": 1, "progress": False}
    method = ncv.HMC(trajectory_length=length)
    n_configs = n_ensembles * n_chains * n_draws
    everything = ncv.sample(theory, n_configs, jax.random.key(seed), method=method, n_thermal=1000, **options)
    for chains in np.array_split(np.arange(n_ensembles * n_chains), n_ensembles):
        yield everything.select(chains=chains)


def pulls(case, n_ensembles, seed):
    "The estimates of every ensemble, and the pulls (ensemble, t), raw and improved."
    field = ncv.OddMLP((8,), depth=0, symmetric=True)
    exact = ncv.chain_correlator(8, 0.1, case[0])[TIMES]
    found = []
    for ensemble in ensembles(*case, n_ensembles, seed):
        found.append(ncv.estimate(None, ncv.Correlator().at(TIMES), ensemble, field, progress=False))
    raw = np.array([(one.raw.value - exact) / one.raw.error for one in found])
    improved = np.array([(one.value - exact) / one.error for one in found])
    return found, raw, improved


def spread(numbers):
    "The smallest and the largest of some numbers."
    return f"{numbers.min():6.2f} to {numbers.max():5.2f}"


def one_case(case, n_ensembles, seed):
    "A line of the table, and whether the errors are right."
    lam, n_chains, n_draws, _ = case
    found, raw, improved = pulls(case, n_ensembles, seed)
    raw_tau = np.median([one.raw.tau_int for one in found], axis=0)
    tau = np.median([one.tau_int for one in found], axis=0)
    ratio = np.median([one.error_ratio for one in found], axis=0)
    print(
        f"lam {lam:4} {n_chains:2} x {n_draws:4}  tau_int raw{spread(raw_tau)} improved{spread(tau)}"
        f"  error_ratio{spread(ratio)}\n    raw:      mean{spread(raw.mean(0))}  deviation{spread(raw.std(0))}"
        f"\n    improved: mean{spread(improved.mean(0))}  deviation{spread(improved.std(0))}",
        flush=True,
    )
    deviations = np.concatenate([raw.std(0), improved.std(0)])
    return bool((abs(deviations - 1) <= 0.1).all())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ensembles", type=int, default=300)
    parser.add_argument("--cases", type=int, nargs="+", default=range(len(CASES)))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    good = [one_case(CASES[number], arguments.ensembles, arguments.seed) for number in arguments.cases]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()

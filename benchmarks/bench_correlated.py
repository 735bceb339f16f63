"""Does it pay to fit on correlated configurations? (The question of arXiv:2505.07719.)

One chain of short trajectories on 8x4 at m2 = 0.1, lam = 24 gives every k-th configuration to a fit of C(4). The ratio
sigma_raw / sigma_CV is measured on 4000 other configurations (40 chains, seed 0), and averaged over chains of the seed
that is printed. Two questions:

- at the same sampling cost: all chains have the same number of trajectories, and the fit is free of cost. A row for
  each k has the number of configurations and the ratios of a linear field with 32 weights, solved without a ridge and
  with one that folds choose, and of a network that is trained by Adam for a fixed number of steps.
- at the same wall time in all: a configuration in the fit costs r trajectories, so the chain has fewer trajectories
  where more of them are fitted. r is measured on this machine for the solved field, and set to 1 and 10, which stand
  for richer fields. (The time of the training does not depend on k at all.)

The last lines give the tau_int of what a fit averages, the products of features and residual, and the spacing
(6 r tau_int^2)^(1/3) which should be best according to the chapter on overfitting.

    python benchmarks/bench_correlated.py [--chains 20] [--trained 12] [--seed 1]
"""

import argparse
import time
import warnings

import jax
import numpy as np

import ncv_lab as ncv
from ncv_lab.analysis.errors import format_error
from ncv_lab.fitting.fit import fit_data
from ncv_lab.fitting.least_squares import feature_matrix

THEORY = ncv.Phi4((8, 4), 0.1, 24.0)
OBSERVABLE = ncv.Correlator().at(4)
FREE = ncv.OddMLP(THEORY.shape, depth=0)
METHODS = {"no ridge": ncv.LeastSquares(ridge=1e-12), "ridge": ncv.LeastSquares()}
SPACINGS = (1, 2, 4, 8, 16, 32, 64)
TRAJECTORIES = 2048
STEPS = 4000


def sampled(n_chains, seed):
    "Chains of short trajectories, and how long one trajectory of one chain takes."
    method = ncv.HMC(trajectory_length=0.3)
    options = {"n_chains": n_chains, "thin": 1, "n_thermal": 500, "method": method, "progress": False}
    ncv.sample(THEORY, n_chains * TRAJECTORIES, seed, **options)  # compiles
    begin = time.perf_counter()
    ensemble = ncv.sample(THEORY, n_chains * TRAJECTORIES, seed, **options)
    return ensemble, (time.perf_counter() - begin) / (n_chains * (TRAJECTORIES + 500))


def part_of(data, chain, spacing, n_trajectories):
    "Every `spacing`-th configuration among the first trajectories of a chain."
    return data.select((data.chain == chain) & (data.draw % spacing == 0) & (data.draw < n_trajectories))


class Ratios:
    "The ratio of a fit on configurations that no fit has seen."

    def __init__(self):
        others = ncv.sample(THEORY, 4000, 0, n_chains=40, progress=False)
        self.data = ncv.Data.measure(THEORY, OBSERVABLE, others)
        self.values = np.asarray(self.data.values[:, 0])

    def of(self, field, part, method):
        "sigma_raw / sigma_CV on the others, for a fit on `part`."
        fit = fit_data(field, part, method=method, key=jax.random.key(2), progress=False)
        return float(ncv.sigma_ratio(self.values, self.values - fit.evaluate(self.data)))


def in_words(ratios):
    "The mean over the chains with its error."
    return format_error(np.mean(ratios), np.std(ratios) / max(len(ratios) - 1, 1) ** 0.5)


def cost_of_fit(data):
    "The time that one more configuration adds to a solved fit: its features, and its part of the normal equations."
    times = []
    for n in (TRAJECTORIES // 4, TRAJECTORIES):
        part = part_of(data, 0, 1, n)
        best = np.inf
        for _ in range(5):
            begin = time.perf_counter()
            fit_data(FREE, part, method=METHODS["no ridge"], progress=False)
            best = min(best, time.perf_counter() - begin)
        times.append(best)
    return (times[1] - times[0]) / (TRAJECTORIES * 3 / 4)


def tau_of_noise(data):
    "The mean tau_int of the products of features and residual, whose averages a fit solves for."
    fit = fit_data(FREE, data, method=METHODS["no ridge"], progress=False)
    Q = np.asarray(feature_matrix(FREE, data))
    residual = np.asarray(data.values[:, 0]) - fit.evaluate(data)
    products = data.on_grid((Q - Q.mean(axis=0)) * (residual - residual.mean())[:, None])
    return np.mean([ncv.tau_int(products[..., j])[0] for j in range(products.shape[-1])])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, default=20)
    parser.add_argument("--trained", type=int, default=12, help="how many of the chains the network is trained on")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    ensemble, trajectory_time = sampled(arguments.chains, arguments.seed)
    data = ncv.Data.measure(THEORY, OBSERVABLE, ensemble)
    ratios = Ratios()
    slowest = max(tau for tau, _ in ensemble.slow_modes.values())
    print(
        f"{arguments.chains} chains of {TRAJECTORIES} trajectories, seed {arguments.seed}, tau_int of the slowest mode "
        f"{slowest:.0f}; ratios on 4000 other configurations, seed 0\n\nthe same sampling cost"
    )
    network = ncv.OddMLP(THEORY.shape, width=8, depth=1, symmetric=True, key=jax.random.key(1))
    adam = ncv.Adam(STEPS, learning_rate=1e-3, batch_size=8, check_every=200)
    for spacing in SPACINGS:
        cells = []
        for name, method in METHODS.items():
            parts = [part_of(data, chain, spacing, TRAJECTORIES) for chain in range(arguments.chains)]
            cells.append(f"{name} {in_words([ratios.of(FREE, part, method) for part in parts]):10}")
        trained = [ratios.of(network, part, adam) for part in parts[: arguments.trained]]
        print(f"k {spacing:3}  N {len(parts[0].phi):5}  {'  '.join(cells)}  trained {in_words(trained)}", flush=True)

    measured = cost_of_fit(data) / trajectory_time
    print(f"\nthe same wall time in all, solved without a ridge; r measured here: {measured:.2f}")
    tau = tau_of_noise(data)
    costs = (measured, 1.0, 10.0)
    print("k    " + "".join(f"  r = {cost:<7.3g}" for cost in costs))
    for spacing in SPACINGS:
        cells = []
        for cost in costs:
            n_trajectories = TRAJECTORIES / (1 + cost / spacing)
            if n_trajectories / spacing < 1.4 * FREE.n_features:
                cells.append("-")
                continue
            parts = [part_of(data, chain, spacing, n_trajectories) for chain in range(arguments.chains)]
            cells.append(in_words([ratios.of(FREE, part, METHODS["no ridge"]) for part in parts]))
        print(f"{spacing:3}  " + "".join(f"  {cell:11}" for cell in cells), flush=True)
    best = "  ".join(f"{(6 * cost * tau**2) ** (1 / 3):<11.1f}" for cost in costs)
    print(f"best   {best}\ntau_int of the products of features and residual: {tau:.1f}")


if __name__ == "__main__":
    main()

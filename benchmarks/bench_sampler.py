"""Effective configurations per second of `ncv_lab.sample` beside tuned blackjax HMC, on the same chains, in one run.

A configuration counts as 1 / (2 tau_int), with tau_int of the zero mode squared, M^2. Both samplers run all chains in
one jitted, vmapped call, keep every configuration, and start from the same thermalised chains; compilation and tuning
are excluded. blackjax gets unit masses (on a periodic lattice a diagonal metric can be nothing else), the closed-form
gradient, one jittered number of leapfrog steps for all chains, and the best of a scan over trajectory length and
acceptance, its step size tuned for each. Ours is `HMC()` or `HMC(fourier=False)`, otherwise untouched, whichever gives
more; the table says which.

    python benchmarks/bench_sampler.py [--rounds 15]
"""

import argparse
import time

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import erfcinv

import ncv_lab  # noqa: F401  (switches on float64)
from ncv_lab.sampling.autocorrelation import tau_int
from ncv_lab.sampling.hmc import HMC, sample
from ncv_lab.theory.action import Phi4, Theory

N_CHAINS = 20
CASES = [  # shape, m2, lam, least ratio
    ((40, 10), 0.01, 0.1, 3.0),
    ((20, 20), 0.1, 0.5, 1.0),
    ((20, 20), 0.1, 24.0, 1.0),
]


def blackjax_hmc(theory: Theory):
    """(key, phi (chain, V), step_size, mean number of steps, draws) -> (configs (draw, chain, V), acceptance)."""

    @jax.custom_vjp
    def log_density(phi):
        return -theory.action(phi.reshape(theory.shape))

    log_density.defvjp(
        lambda phi: (log_density(phi), phi), lambda phi, g: (-g * theory.gradient(phi.reshape(theory.shape)).ravel(),)
    )
    kernel, masses = blackjax.hmc.build_kernel(), jnp.ones(int(np.prod(theory.shape)))

    def run(key, phi, step_size, n_steps, n_draws):
        def draw(states, key):
            key_steps, key = jax.random.split(key)
            steps = jnp.round(n_steps * jax.random.uniform(key_steps, minval=0.75, maxval=1.25)).astype(int)
            move = jax.vmap(lambda key, state: kernel(key, state, log_density, step_size, masses, steps))
            states, info = move(jax.random.split(key, N_CHAINS), states)
            return states, (states.position, info.acceptance_rate.mean())

        states = jax.vmap(lambda phi: blackjax.hmc.init(phi, log_density))(phi)
        _, (configs, acceptance) = jax.lax.scan(draw, states, jax.random.split(key, n_draws))
        return configs, acceptance.mean()

    return jax.jit(run, static_argnums=4)


def effective(configs: np.ndarray) -> tuple[float, float]:
    """(effective number of configurations, tau_int of M^2) of configs (draw, chain, V)."""
    tau, _ = tau_int(np.asarray(configs).mean(-1).T ** 2)
    return N_CHAINS * len(configs) / (2 * tau), tau


def tune_blackjax(run, phi, correlation_length: float, n_draws: int):
    """The (step_size, n_steps) of most effective configurations per second."""
    best, key = (0.0, None), jax.random.key(1)
    jax.block_until_ready((run(key, phi, 0.1, 2, 50), run(key, phi, 0.1, 2, n_draws)))
    for target in (0.65, 0.8, 0.9):
        step = 0.2
        for length in correlation_length * np.pi / 2 * np.array([0.5, 0.75, 1.0, 1.25]):
            for _ in range(6):
                acceptance = float(run(key, phi, step, max(1.0, length / step), 50)[1])
                step *= np.clip((erfcinv(target) / erfcinv(np.clip(acceptance, 0.01, 0.999))) ** 0.5, 0.5, 2)
            setting = float(step), float(max(1.0, length / step))
            started = time.perf_counter()
            configs, _ = jax.block_until_ready(run(key, phi, *setting, n_draws))
            speed = effective(configs)[0] / (time.perf_counter() - started)
            best = max(best, (speed, setting))
    return best[1]


def tune_ours(theory: Theory, n_draws: int):
    """The chains, thermalised, with Fourier acceleration (the default) and with unit masses, the faster ones first."""
    found = []
    for fourier in (True, False):
        settings = {"n_chains": N_CHAINS, "thin": 1, "method": HMC(fourier=fourier), "progress": False}
        chains = sample(theory, 25 * N_CHAINS, jax.random.key(0), **settings).sampler
        started = time.perf_counter()
        more = chains.run(theory, n_draws, progress=False)
        found.append((effective(draws_first(more))[0] / (time.perf_counter() - started), fourier, more.sampler))
    return [chains for *_, chains in sorted(found, key=lambda item: -item[0])]


def draws_first(ensemble) -> np.ndarray:
    """Configurations (draw, chain, V)."""
    return np.moveaxis(ensemble.configs, 0, 1).reshape(ensemble.n_draws, ensemble.n_chains, -1)


def compare(shape, m2: float, lam: float, rounds: int, n_draws: int = 400):
    """`summary` of ours and of blackjax, and their settings."""
    theory = Phi4(shape, m2, lam)
    chains = tune_ours(theory, 2 * n_draws)[0]
    phi, run = chains.phi.reshape(N_CHAINS, -1), blackjax_hmc(theory)
    setting = tune_blackjax(run, phi, float(chains.tuning.mass_squared) ** -0.5, n_draws)
    ours, theirs = [], []
    for key in jax.random.split(jax.random.key(2), rounds):
        started = time.perf_counter()
        more = chains.run(theory, n_draws, progress=False)
        elapsed, chains = time.perf_counter() - started, more.sampler
        ours.append((elapsed, *effective(draws_first(more)), more.acceptance))
        started = time.perf_counter()
        configs, acceptance = jax.block_until_ready(run(key, phi, *setting, n_draws))
        elapsed, phi = time.perf_counter() - started, configs[-1]
        theirs.append((elapsed, *effective(configs), float(acceptance)))
    return summary(ours), summary(theirs), chains.method.fourier, setting


def summary(rows) -> tuple[np.ndarray, float, float]:
    """(effective configurations per second in each round, with tau_int of all rounds, tau_int, acceptance)."""
    seconds, number, tau, acceptance = np.array(rows).T
    return number.mean() / seconds, tau.mean(), acceptance.mean()


def main() -> int:
    parser = argparse.ArgumentParser(description="ncv_lab.sample beside tuned blackjax HMC")
    parser.add_argument("--rounds", type=int, default=15, help="interleaved repetitions (default 15)")
    rounds, failed = parser.parse_args().rounds, False
    print(f"effective configurations per second (tau_int of M^2), {N_CHAINS} chains, median of {rounds} rounds,")
    print("compilation excluded; steps: kicks of an average blackjax trajectory; ratio with quartiles")
    print(" lattice    m2  lam |  ncv_lab   tau  acc  masses | blackjax   tau  acc steps | ratio   (quartiles)  bar")
    for shape, m2, lam, bar in CASES:
        (a, tau_a, acc_a), (b, tau_b, acc_b), fourier, (_, n_steps) = compare(shape, m2, lam, rounds)
        low, ratio, high = np.quantile(a / b, [0.25, 0.5, 0.75])
        failed |= bool(ratio < bar)
        print(
            f"{shape[0]:>5}x{shape[1]:<2} {m2:5g} {lam:4g} |",
            f"{np.median(a):8.0f} {tau_a:5.2f} {acc_a:4.2f} {'fourier' if fourier else 'unit':>7} |",
            f"{np.median(b):8.0f} {tau_b:5.2f} {acc_b:4.2f} {n_steps:5.1f} |",
            f"{ratio:5.2f} ({low:5.2f},{high:5.2f}) {bar:4g}",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())

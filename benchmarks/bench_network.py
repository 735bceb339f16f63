"""One gradient step of OddMLP beside the same network moved over the lattice, site by site.

A step is the value and the gradient, with respect to all weights, of the loss of Eq. (13) on n configurations. The
dense reference is the definition taken literally: g_x = g0(T_x phi) on V rolled copies of the configuration, and
dg_x/dphi_x as the forward derivative of g0 along e_0 at each copy. Both have the same weights and run as training runs
them, many steps in one compiled loop; f and all gradients agree to 1e-10. Times are the best of several repeats, taken
in turns, so that both see the same machine. The file exits with 1 if a bar is missed.

    python benchmarks/bench_network.py
"""

import sys
import time
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import ncv_lab as ncv
from ncv_lab.fields.control_variates import control_variate_from_gradient
from ncv_lab.fields.odd_mlp import unfold
from ncv_lab.fitting.data import Data

SHAPES = (20, 20), (40, 40)
SIZES = (5, 4), (1, 16), (5, 32)  # layers x neurons
BARS = {((20, 20), (5, 4)): 5, ((40, 40), (1, 16)): 25}  # at least this many times the dense speed, n = 1
VOLUMES = (16, 16), (32, 32), (64, 64), (128, 128)
EXPONENT = 1.25
SOLVE_SECONDS = 1.0
POOL = 4  # batches of configurations that the steps go through in turn


def dense_field(net, phi):
    "(g, div g) of `net` as defined: g0 on each of the V rolled copies of phi, with its derivative along e_0."
    first = unfold(net.kernels, net.shape, net.symmetric).reshape(net.width, -1)
    sites = jnp.asarray(list(np.ndindex(*phi.shape)))
    e_0 = jnp.zeros(phi.size).at[0].set(1)

    def g0(copy):
        h = jnp.arcsinh(first @ copy)
        for matrix in net.hidden:
            h = jnp.arcsinh(h @ matrix)
        return h @ net.last

    def at_site(x):
        return jax.jvp(g0, (jnp.roll(phi, -x, range(phi.ndim)).ravel(),), (e_0,))

    g, dg = jax.vmap(at_site)(sites)
    return g.reshape(phi.shape), dg.sum()


def slope(field, at_once, trained, frozen, loss, phi, dS, values):
    "Value and gradient of the loss, `at_once` configurations at a time; `field(net, phi)` is ours or the dense one."

    def one(trained, phi, dS, value):
        weights, shift = trained
        f = control_variate_from_gradient(partial(field, eqx.combine(weights, frozen)), phi, dS)
        return loss((value - f)[None], shift, weights)

    def some(args):
        return jax.value_and_grad(lambda trained: jax.vmap(partial(one, trained))(*args).mean())(trained)

    if len(phi) <= at_once:
        return some((phi, dS, values))
    parts = [part.reshape(-1, at_once, *part.shape[1:]) for part in (phi, dS, values)]
    return jax.tree.map(lambda leaf: leaf.mean(0), jax.lax.map(some, tuple(parts)))


@partial(jax.jit, static_argnums=(0, 1))
def descend(field, at_once, trained, frozen, loss, phi, dS, values, steps):
    "`steps` steps of plain gradient descent, so small that the weights hardly move: only their time matters here."

    def step(i, trained):
        # Each step has other configurations, or the compiler would roll the copies once and for all.
        batch = (part[i % POOL] for part in (phi, dS, values))
        _, gradient = slope(field, at_once, trained, frozen, loss, *batch)
        return jax.tree.map(lambda weight, g: weight - 1e-12 * g, trained, gradient)

    return jax.lax.fori_loop(0, steps, step, trained)


def ours(net, phi):
    "(g, div g) of `net` itself."
    return net(phi)


def step_arguments(shape, size, n):
    "Random configurations and a network in which every weight counts."
    depth, width = size
    theory = ncv.Phi4(shape, m2=0.1, lam=24.0)
    keys = jax.random.split(jax.random.key(0), 3)
    net = ncv.OddMLP(shape, width=width, depth=depth, key=keys[0])
    net = eqx.tree_at(lambda net: net.last, net, jax.random.normal(keys[1], (width,)) / 10)
    phi = jax.random.normal(keys[2], (POOL, n, *shape)) / 2
    dS, values = (
        jax.vmap(jax.vmap(function))(phi) for function in (theory.gradient, ncv.Correlator().at(shape[0] // 2))
    )
    weights, frozen = eqx.partition(net, eqx.is_inexact_array)
    return (weights, values.mean()), frozen, ncv.LearnedShift(1e-6), phi, dS, values


def microseconds_a_step(*calls, seconds=1.5):
    "The shortest time of a step of each call(steps); the calls take turns until `seconds` are spent, twice at least."
    steps = []
    for call in calls:
        jax.block_until_ready(call(1))
        begin = time.perf_counter()
        jax.block_until_ready(call(1))
        steps.append(max(1, int(0.02 / (time.perf_counter() - begin))))
    best, begin, rounds = np.full(len(calls), np.inf), time.perf_counter(), 0
    while rounds < 2 or time.perf_counter() - begin < seconds:
        rounds += 1
        for i, call in enumerate(calls):
            start = time.perf_counter()
            jax.block_until_ready(call(steps[i]))
            best[i] = min(best[i], (time.perf_counter() - start) / steps[i])
    return 1e6 * best


def assert_equal(mine, reference):
    "Equal to 1e-10 of the largest entry, leaf by leaf."
    for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(reference), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10 * max(1.0, float(abs(b).max())))


def assert_same_step(arguments):
    "f, the loss and all its gradients are those of the dense network, on one configuration."
    trained, frozen, loss, *configs = arguments
    phi, dS, values = (part[0, :1] for part in configs)
    net = eqx.combine(trained[0], frozen)
    control = jax.jit(
        lambda field, phi, dS: control_variate_from_gradient(partial(field, net), phi, dS), static_argnums=0
    )
    assert_equal(control(ours, phi[0], dS[0]), control(dense_field, phi[0], dS[0]))
    assert_equal(*(jax.jit(partial(slope, field, 1))(trained, frozen, loss, phi, dS, values)
                   for field in (ours, dense_field)))  # fmt: skip


def compare_with_dense():
    "Prints the table of times and ratios; returns the bars that are missed."
    print("lattice    layers x neurons      n    ours [us]     dense [us]     ratio    bar")
    missed = []
    for shape in SHAPES:
        for size in SIZES:
            for n in (1, 64):
                arguments = step_arguments(shape, size, n)
                assert_same_step(arguments)
                # The copies of 64 configurations of 40 x 40 fill 1.3 GB: there the reference takes them one by one.
                at_once = n if np.prod(shape) < 1000 else 1
                mine, reference = microseconds_a_step(
                    partial(descend, ours, n, *arguments), partial(descend, dense_field, at_once, *arguments)
                )
                bar = BARS.get((shape, size)) if n == 1 else None
                print(
                    f"{shape[0]} x {shape[1]}    {size[0]} x {size[1]:<14} {n:6} {mine:12.0f} {reference:14.0f} "
                    f"{reference / mine:9.1f} {bar or '':>6}" + f"  (dense: {at_once} at a time)" * (at_once < n),
                    flush=True,
                )
                if bar and reference < bar * mine:
                    missed.append(f"{shape} {size}: {reference / mine:.1f} times the dense speed, the bar is {bar}")
    return missed


def scaling_exponent():
    "Prints the exponent of the cost of one step against the volume, 5 x 4 and n = 1; returns the bar if missed."
    times = microseconds_a_step(*(partial(descend, ours, 1, *step_arguments(s, (5, 4), 1)) for s in VOLUMES), seconds=6)
    exponent = np.polyfit(np.log([np.prod(shape) for shape in VOLUMES]), np.log(times), 1)[0]
    print("\n5 x 4, n = 1: " + ", ".join(f"{s[0]} x {s[1]} {t:.0f} us" for s, t in zip(VOLUMES, times, strict=True)))
    print(f"cost ~ V^{exponent:.2f} (bar: at most {EXPONENT})")
    return [] if exponent <= EXPONENT else [f"cost grows like V^{exponent:.2f}, the bar is {EXPONENT}"]


def solve_time():
    "Prints the seconds to solve the linear field of 20 x 20 for all t on 1000 configurations, compiled before."
    missed, shape = [], (20, 20)
    theory = ncv.Phi4(shape, m2=0.1, lam=24.0)
    configs = np.random.default_rng(0).normal(size=(1000, *shape))
    data = Data.measure(theory, ncv.Correlator(), ncv.Ensemble.from_configs(configs, theory))
    print()
    for symmetric in (True, "time", False):
        net = ncv.OddMLP(shape, depth=0, symmetric=symmetric)
        fits = [fit for _ in range(3) for fit in ncv.LeastSquares().run(net, data)]
        seconds, bar = min(fit.wall_time for fit in fits), SOLVE_SECONDS if symmetric else np.inf
        print(
            f"linear solve of 20 x 20, 1000 configurations, 11 times, {fits[0].diagnostics['n_features']:3} weights: "
            f"{seconds:.3f} s" + (f" (bar: below {bar:g} s)" if symmetric else "")
        )
        missed += [f"the solve with symmetric={symmetric!r} took {seconds:.2f} s"] if seconds >= bar else []
    return missed


if __name__ == "__main__":
    missed = compare_with_dense() + scaling_exponent() + solve_time()
    sys.exit("\n".join(["", "missed:", *missed]) if missed else 0)

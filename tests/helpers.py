"""What several test files share: small fields, networks, ensembles, and ways to look at fits and panels."""

import functools
import json
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import equinox as eqx
import jax
import numpy as np

import ncv_lab as ncv
from ncv_lab.fitting.ladder import LADDER
from ncv_lab.fitting.legs import LEGS, TOUCHING
from ncv_lab.panels.state import LabState

ROOT = Path(__file__).resolve().parent.parent
THEORY = ncv.Phi4((6, 4), 0.3, 0.5)
KEY = jax.random.key(2)
CORR = ncv.Correlator().at(2)

# The default control variate with few recipes, because each of them is compiled on every lattice.
SHORT_LADDER = LADDER[:2]
QUICK_LEGS = ncv.ImprovedLegs(recipes=LEGS[1:2], touching=TOUCHING[:1])
QUICK = ncv.SchwingerDyson(ladder=SHORT_LADDER, legs=QUICK_LEGS)


def field(shape, seed=0):
    "Normal numbers; from NumPy, because JAX would compile their generator for each shape."
    return jax.device_put(np.random.default_rng(seed).normal(size=shape))


def with_jacobian(vector_field, phi):
    "(g, div g, dg/dphi) of a vector field; it is traced once, because that is what takes the time."

    def g_twice(phi):
        g, div = vector_field(phi)
        return g, (g, div)

    jacobian, (g, div) = jax.jacfwd(g_twice, has_aux=True)(phi)
    return g, div, jacobian


def ar1(a, n_chains, n_draws, seed=0, shape=()):
    "Stationary chains (chain, draw, *shape) with rho(t) = a^t and unit variance."
    noise = np.random.default_rng(seed).normal(size=(n_draws, n_chains, *shape))
    x = np.empty_like(noise)
    x[0] = noise[0]
    for n in range(1, n_draws):
        x[n] = a * x[n - 1] + (1 - a**2) ** 0.5 * noise[n]
    return np.moveaxis(x, 0, 1)


@functools.cache
def network(shape, depth, symmetric=False, width=3):
    "A network in which every weight counts."
    net = ncv.OddMLP(shape, width=width, depth=depth, symmetric=symmetric, key=jax.random.key(1))
    if depth == 0:
        return net.with_weights(field(net.kernels[0].shape, 2))
    return eqx.tree_at(lambda net: (net.kernels, net.last), net, (3 * net.kernels, field((width,), 3)))


def ensemble(n_chains=4, n_draws=25, seed=0, theory=THEORY):
    "Random configurations: a fit does not care where they come from."
    configs = jax.random.normal(jax.random.key(seed), (n_chains, n_draws, *theory.shape))
    return ncv.Ensemble.from_configs(np.asarray(configs), theory)


def net(depth=1, seed=1):
    return ncv.OddMLP((6, 4), width=3, depth=depth, symmetric=True, key=jax.random.key(seed))


def leaves(fit):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(fit.control.field)]


def assert_same_run(one, other):
    for name in one.history:
        np.testing.assert_array_equal(one.history[name], other.history[name], err_msg=name)
    for a, b in zip(one.state["leaves"], other.state["leaves"], strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(leaves(one), leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.status == other.status and one.validation_ratio == other.validation_ratio


def wait(condition, timeout=60.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


LAB_STATE = LabState((6, 4), m2=0.3, lam=1.0, n_configs=100, t=2, width=3, learning_rate=1e-2, batch_size=4)


def use_a_panel(panel):
    "What every panel can do: start, stop, save, take over each preset, and reset."
    from ncv_lab.panels.base import as_hdf5, as_json, picture

    panel.start()
    wait(lambda: panel.board.readout.get("number", "–") != "–")
    panel.stop()
    update = panel.runner.last
    described = {series.key for plot in panel.board.described for series in plot.series}
    assert set(panel.board.frame) <= described, "every curve has a plot"
    explained = {name for name, text in panel.board.formulas.items() if text.endswith(".")}
    shown = {"number", "claim", *panel.board.readout["facts"]}
    if "bars" in panel.board.readout:
        shown.add("bars")
    assert shown <= explained, f"without a formula or a sentence: {shown - explained}"
    assert all(plot.tooltip.endswith(".") for plot in panel.board.described)
    document = json.loads(as_json(panel, update))
    assert type(update.state).from_json(json.dumps(document["state"])) == update.state
    compile(document["code"], "a cell", "exec")
    assert as_hdf5(panel, update)[1:4] == b"HDF" and picture(panel, update).startswith(b"\x89PNG")
    for name, state in panel.presets.items():
        panel.preset.value = name
        assert panel.state == panel.read() == state, name
        assert not panel.board.readout["error"], name
    panel.reset()
    assert panel.state == panel.read() == panel.first and panel.board.readout["stage"] == "ready"
    panel.close()
    assert panel.runner.join(60)


def move_two_hundred_times(panel):
    "Move a control of a running panel again and again: few threads at a time, and none is left in the end."
    panel.start()
    for k in range(200):
        panel.controls["m2"].value = 0.1 + (k % 20) / 40
    assert sum(thread.name == "ncv-panel" for thread in threading.enumerate()) < 10
    panel.stop()
    assert panel.runner.join(30)
    assert not [thread for thread in threading.enumerate() if thread.name == "ncv-panel"]


@contextmanager
def compilations():
    "A list of the compilations in a `with` block."
    found = []

    def listen(event, seconds, **_):
        if "backend_compile" in event:
            found.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)

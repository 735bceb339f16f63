"""Damaged files and senseless arguments: is every outcome a right result or an error of our own, in words?

Files: saved ensembles, fits and checkpoints, files of version 0.1, and files of other programs, with bytes that are
changed, cut, doubled or moved; and headers whose values are exchanged, with a checksum that is right. What has a
checksum must come back equal or be refused. Arguments: those of the main public functions and of the command line, from
strategies of hypothesis that mix what makes sense with what does not.

An outcome is a fault if an error is not a ValueError, TypeError or OSError, if it was raised outside ncv_lab (in h5py,
jax, numpy, ...), if a call takes longer than 20 seconds, or if memory runs out; it may grow by 4 GB.

    python benchmarks/fuzz.py [--files 6500] [--arguments 4500] [--seed 0]
"""

import argparse
import contextlib
import io
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import h5py
import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import ncv_lab as ncv
from ncv_lab.cli import main as command_line
from ncv_lab.theory import conventions
from ncv_lab.utils.checkpoint import Checkpoint
from ncv_lab.utils.files import checksum

PACKAGE = Path(ncv.__file__).parent
OURS = (ValueError, TypeError, OSError)
SHAPE = (6, 4)
THEORY = ncv.Phi4(SHAPE, 0.3, 0.5)
OLD = Path(__file__).parents[1] / "tests" / "data" / "version_0_1"


class TooLong(BaseException):
    "A call took too long."


class Judge:
    "Runs calls, counts their outcomes, and keeps what is wrong, one example of each kind."

    def __init__(self):
        self.outcomes = Counter()
        self.faults = {}

    def call(self, label, function, example):
        "Call a function; `example` is what to print if its outcome is a fault."
        self.outcomes["calls"] += 1
        try:
            with limited(20), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                wrong = function()
        except OURS as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            if Path(last.filename).is_relative_to(PACKAGE):
                self.outcomes["refused"] += 1
                return
            wrong = f"{type(error).__name__} raised in {short(last.filename)}:{last.lineno}: {error!s:.200}"
        except TooLong:
            wrong = "takes too long"
        except (Exception, SystemExit) as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            wrong = f"{type(error).__name__} in {short(last.filename)}:{last.lineno}: {error!s:.200}"
        if not wrong:
            self.outcomes["results"] += 1
            return
        self.outcomes["faults"] += 1
        self.faults.setdefault((label, str(wrong)[:60]), (wrong, example))


def short(name):
    "The end of the path of a module."
    return "/".join(Path(name).parts[-3:])


@contextlib.contextmanager
def limited(seconds):
    "A `with` block that raises `TooLong` after some seconds."

    def stop(*_):
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# ---- files ----


def make_files(folder):
    "Some files of each kind: {name: (path, read, has a checksum)}; `read` gives what can be compared."
    configs = np.random.default_rng(0).normal(size=(2, 20, *SHAPE))
    ensemble = ncv.Ensemble.from_configs(configs, THEORY)
    ensemble.save(folder / "run.h5")
    sampled = ncv.sample(THEORY, 40, 0, n_chains=4, n_thermal=30, thin=1, progress=False)
    sampled.save(folder / "sampled.h5")
    ncv.fit(ncv.OddMLP(SHAPE, depth=0), THEORY, ncv.Correlator(), ensemble).save(folder / "solved.safetensors")
    net = ncv.OddMLP(SHAPE, width=2, depth=1, key=jax.random.key(1))
    adam = {"method": ncv.Adam(20, check_every=10), "key": jax.random.key(2), "progress": False}
    ncv.fit(net, THEORY, ncv.Correlator().at(2), ensemble, **adam).save(folder / "trained.safetensors")
    Checkpoint(folder / "c", {"theory": THEORY}).save({"step": 7, "leaves": [configs[0, 0]]})
    np.save(folder / "a.npy", configs)
    np.savez(folder / "a.npz", configs=configs)
    configs.tofile(folder / "a.bin")
    with h5py.File(folder / "foreign.h5", "w") as file:
        file["configs"] = configs
    with h5py.File(folder / "packed.h5", "w") as file:
        file.create_dataset("configs", data=configs, compression="gzip", chunks=(1, 5, *SHAPE))

    def of_ensemble(path):
        found = ncv.load_ensemble(path)
        return found.configs, found.name, found.theory.m2, found.theory.lam, found.acceptance, found.thin

    def of_fit(path):
        found = ncv.load_fit(path)
        return found.evaluate(configs[0]), found.labels, found.status, found.train_ratio, found.seen, repr(found)

    def of_checkpoint(path):
        return jax.tree.leaves(Checkpoint(path, {"theory": THEORY}).load())

    def of_others(path):
        return (ncv.Ensemble.from_configs(ncv.read_configs(path, SHAPE), THEORY).configs,)

    return {
        "run.h5": (folder / "run.h5", of_ensemble, True),
        "sampled.h5": (folder / "sampled.h5", of_ensemble, True),
        "solved.safetensors": (folder / "solved.safetensors", of_fit, True),
        "trained.safetensors": (folder / "trained.safetensors", of_fit, True),
        "c.safetensors": (folder / "c", of_checkpoint, True),
        "a.npy": (folder / "a.npy", of_others, False),
        "a.npz": (folder / "a.npz", of_others, False),
        "a.bin": (folder / "a.bin", of_others, False),
        "foreign.h5": (folder / "foreign.h5", of_others, False),
        "packed.h5": (folder / "packed.h5", of_others, False),
        "old.h5": (OLD / "ensemble.h5", of_ensemble, False),
        "old.safetensors": (OLD / "linear.safetensors", of_fit, False),
    }


# HDF5 files without a checksum are first read by another process, which takes a quarter of a second.
WEIGHTS = {"foreign.h5": 0.2, "packed.h5": 0.2, "old.h5": 0.2}


def mutated(whole, chance):
    "Bytes with a few changes."
    data = bytearray(whole)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        place = chance.randrange(len(data) or 1) if chance.random() < 0.5 else min(chance.randrange(2048), len(data))
        kind = chance.random()
        if kind < 0.5:
            data[place : place + 1] = bytes([chance.randrange(256)])
        elif kind < 0.6:
            data[place : place + 8] = chance.choice((b"\xff" * 8, bytes(8), chance.randbytes(8)))
        elif kind < 0.7:
            del data[place:]
        elif kind < 0.8:
            del data[place : place + chance.randrange(64)]
        elif kind < 0.9:
            data[place:place] = chance.randbytes(chance.randrange(64))
        else:
            other = chance.randrange(len(data) or 1)
            data[place : place + 64] = data[other : other + 64]
    return bytes(data)


STRANGE = [None, True, -1, 0, 10**30, 1e308, float("nan"), float("inf"), "", "x", [], {}, {"tuple": []}, {"jax": "x"}]
STRANGE += [{"module": "Phi4", "fields": {}}, {"module": "os", "fields": {}}, {"list": [1]}, {"dict": {}}, {"key": 3}]


def spots(tree, found=()):
    "All places in a tree of lists and dictionaries."
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, item in items:
        yield tree, key
        yield from spots(item)


def with_a_strange_header(path, target, chance):
    "A safetensors file whose header or arrays were exchanged, with a right checksum."
    with h5py_free(path) as (header, arrays):
        content = json.loads(header)
        for _ in range(chance.choice((1, 1, 2))):
            places = list(spots(content["content"]))
            if not places:
                break
            tree, key = chance.choice(places)
            if chance.random() < 0.2:
                del tree[key]
            else:
                tree[key] = chance.choice(STRANGE)
        if chance.random() < 0.3 and arrays:
            name = chance.choice(sorted(arrays))
            array = arrays[name]
            arrays[name] = chance.choice(
                (array[None], array.ravel()[:0], array.astype(np.float32), np.full_like(array, 1))
            )
        header = json.dumps(content)
        ordered = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        save_file(ordered, target, metadata={"ncv_lab": header, "checksum": checksum(header, ordered)})


@contextlib.contextmanager
def h5py_free(path):
    "The header and the arrays of a safetensors file."
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        header = file.metadata()["ncv_lab"]
    yield header, load_file(path)


def fuzz_files(judge, n, chance, folder):
    "Read `n` damaged files."
    files = make_files(folder)
    originals = {name: read(path) for name, (path, read, _) in files.items()}
    names = list(files)
    weights = [WEIGHTS.get(name, 1.0) for name in names]
    for i in range(n):
        name = chance.choices(names, weights)[0]
        path, read, sealed = files[name]
        target = folder / f"damaged{Path(name).suffix}"
        strange = name.endswith("d.safetensors") and chance.random() < 0.4
        if strange:
            with_a_strange_header(path, target, chance)
        else:
            target.write_bytes(mutated(path.read_bytes(), chance))
        whole = target.read_bytes() == path.read_bytes()

        def look(read=read, target=target, name=name, compare=(sealed and not strange) or whole):
            found = read(target)
            if compare and not same(found, originals[name]):
                return "another content than was written"
            return None

        judge.call(f"{name}{' (header)' if strange else ''}", look, f"file {i}")
        if judge.outcomes["faults"] and (name, i) not in judge.faults:
            keep = [key for key, (_, example) in judge.faults.items() if example == f"file {i}"]
            for key in keep:
                (folder.parent / f"fault-{len(judge.faults)}{target.suffix}").write_bytes(target.read_bytes())
                judge.faults[key] = (judge.faults[key][0], f"file {i}, fault-{len(judge.faults)}{target.suffix}")


def same(found, original):
    "Whether two tuples hold equal arrays and values."
    if len(found) != len(original):
        return False
    for one, other in zip(found, original, strict=True):
        is_float = np.asarray(one).dtype.kind == "f"
        if not np.array_equal(one, other, equal_nan=is_float):
            return False
    return True


# ---- arguments ----

numbers = st.one_of(
    st.sampled_from([0.1, 0.5, 1.0, 24.0, 0, 1, 2, 3, 5, -1, 1.5, np.nan, np.inf, -np.inf, 1e-300, 1e300, 10**30]),
    st.sampled_from([None, True, "x", "", [], (), 1j, np.float32(0.5), np.int64(2), np.ones(2), {}, b"1", "auto"]),
    st.floats(),
    st.integers(-5, 20),
)
sane = st.one_of(st.sampled_from([0.1, 0.3, 1.0, 24.0]), numbers)
count = st.one_of(st.sampled_from([1, 2, 3, 4, 10]), numbers)
shapes = st.one_of(
    st.sampled_from([SHAPE, SHAPE, SHAPE, (4,), (8,), (2, 2, 2), [6, 4], np.array([6, 4])]),
    st.sampled_from(["6x4", 4, None, (6.0, 4), (6, 1), (), ((6, 4),), (6, -4), (6, None), (6, "4"), {6, 4}, (1,), 0]),
    st.lists(st.integers(-2, 7), max_size=3),
)
keys = st.sampled_from([0, 1, jax.random.key(0), jax.random.key(0), None, "key", 1.5, True, -1, 2**70, jnp.ones(2)])


@st.composite
def arrays(draw, lead=((), (8,), (2, 10), (4, 6))):
    "Arrays of configurations, good and bad."
    shape = (*draw(st.sampled_from(lead)), *draw(st.sampled_from([SHAPE, SHAPE, SHAPE, (4, 6), (6,), (), (6, 4, 1)])))
    kind = draw(
        st.sampled_from(
            ["normal"] * 4
            + ["f4", "int", "bool", "complex", "object", "text", "zero", "one"]
            + ["nan", "inf", "huge", "tiny", "equal", "list", "ragged", "empty", "none", "fortran"]
        )
    )
    array = np.random.default_rng(draw(st.integers(0, 3))).normal(size=shape)
    if kind in ("nan", "inf", "huge") and array.size:
        array.flat[draw(st.integers(0, array.size - 1))] = {"nan": np.nan, "inf": np.inf, "huge": 1e200}[kind]
    simple = {
        "f4": lambda: array.astype(np.float32),
        "int": lambda: (3 * array).astype(int),
        "bool": lambda: array > 0,
        "complex": lambda: array + 1j,
        "object": lambda: array.astype(object),
        "text": lambda: np.full(shape, "x"),
        "zero": lambda: 0 * array,
        "one": lambda: np.ones(shape),
        "tiny": lambda: 1e-200 * array,
        "equal": lambda: np.broadcast_to(array[..., :1], shape) if array.ndim else array,
        "list": lambda: array.tolist(),
        "ragged": lambda: [array, array[:1] if array.ndim else array],
        "empty": lambda: array[:0] if array.ndim else array,
        "none": lambda: None,
        "fortran": lambda: np.asfortranarray(array),
    }
    return simple[kind]() if kind in simple else array


def failing(phi):
    return jnp.sum(phi) / jnp.zeros(3)[5:]


FUNCTIONS = [lambda phi: jnp.sum(phi**2), lambda phi: jnp.mean(phi), lambda phi: phi, lambda phi: phi[0]]
FUNCTIONS += [lambda phi: 1.0, lambda phi: jnp.sum(phi) * 1j, lambda phi: "x", lambda phi: jnp.nan * jnp.sum(phi)]
FUNCTIONS += [lambda phi: None, sum, None, 3, lambda phi: float(phi.sum()), lambda phi: jnp.sum(phi > 0)]
FUNCTIONS += [lambda phi: jnp.stack([phi.sum()] * 3), failing]
functions = st.sampled_from(FUNCTIONS)
times = st.one_of(st.sampled_from([None, 0, 2, (0, 1), [3, 1]]), st.integers(-3, 9), numbers)
observables = st.one_of(
    st.sampled_from([ncv.Correlator(), ncv.Correlator().at(2), ncv.MeanSquare(), ncv.AbsMagnetisation()]),
    st.sampled_from([ncv.Susceptibility(), ncv.ActionDensity(THEORY), ncv.Correlator, None, "C(t)"]),
    functions,
)
THEORIES = [THEORY, THEORY, THEORY, ncv.Phi4(SHAPE, 0.2, 0.5), ncv.Phi4((4,), 0.3, 0.5), None, "phi4", SHAPE]
theories = st.sampled_from(THEORIES)


def ensembles():
    "Ensembles that are normal, short, constant, stuck, with NaN, or none at all."
    normal = np.random.default_rng(0).normal(size=(4, 20, *SHAPE)) / 2
    stuck = np.broadcast_to(normal[:1, :1], normal.shape)
    bad = normal.copy()
    bad[0, 3, 2, 1] = np.nan
    odd = [stuck, normal[:1, :3], normal[:1, :1], 0 * normal, 1e150 * normal, normal + 1e8, 1e-160 * normal]
    made = [ncv.Ensemble.from_configs(normal, THEORY)] * 4 + [ncv.Ensemble(configs, THEORY) for configs in [bad, *odd]]
    return st.sampled_from([*made, ncv.Ensemble.from_configs(normal[:, :, 0], ncv.Phi4((4,), 0.3, 0.5)), None, normal])


FIELDS = [ncv.OddMLP(SHAPE, depth=0), ncv.OddMLP(SHAPE, depth=0, symmetric=True), ncv.Direct(SHAPE), ncv.Direct((4,))]
FIELDS += [ncv.OddMLP(SHAPE, width=2, depth=1, key=jax.random.key(0)), ncv.OddMLP, None, "linear"]
FIELDS += [ncv.Direct(SHAPE, (1, 1, 1)), ncv.FunctionField(lambda phi: -phi)]
fields = st.sampled_from(FIELDS)
METHODS = [None, None, ncv.LeastSquares(), ncv.Adam(3, check_every=2), ncv.Adam(3, learning_rate=1e300), ncv.Adam]
METHODS += ["adam", ncv.LeastSquares(ridge=0.0), ncv.LeastSquares(ridge=1e300), ncv.VariableProjection(2)]
methods = st.sampled_from(METHODS)


def finite(*values):
    "A complaint if a result holds NaN where nothing was wrong."
    bad = [value for value in values if not np.isfinite(np.asarray(value, float)).all()]
    return f"a result that is not finite: {bad[0]!r:.80}" if bad else None


def _phi4(shape, m2, lam):
    theory = ncv.Phi4(shape, m2, lam)
    return finite(theory.m2, theory.lam)


def _as_theory(action, shape, event_shape, name):
    ncv.as_theory(action, shape, event_shape=event_shape, name=name)


def _odd_mlp(shape, width, depth, symmetric, key):
    ncv.OddMLP(shape, width, depth, symmetric=symmetric, key=key)


def _neural(shape, width, depth, n_functions, key):
    ncv.NeuralSchwingerDyson(shape, width, depth, n_functions=n_functions, key=key)


def _smearing(shape, kernel, number):
    ncv.Smearing(shape, [kernel(number)])


def _adam(steps, learning_rate, batch_size, validation, patience, check_every):
    given = {"learning_rate": learning_rate, "batch_size": batch_size, "validation": validation}
    ncv.Adam(steps, patience=patience, check_every=check_every, **given)


def _projection(steps, learning_rate, times_a_step, ridge, folds, validation):
    ncv.VariableProjection(steps, learning_rate, times_a_step, ridge, folds, validation)


def _hmc(fourier, trajectory_length, target_acceptance, jitter):
    ncv.HMC(fourier, trajectory_length, target_acceptance, jitter)


def _least_squares(ridge, folds):
    ncv.LeastSquares(ridge=ridge, folds=folds)


def _correlator(t, momentum, shape):
    ncv.Correlator(t, momentum).labels(shape)


def _at(t):
    ncv.Correlator().at(t)


def _from_configs(array, theory):
    found = ncv.Ensemble.from_configs(array, theory)
    repr(found)
    return finite(found.configs)


def _select(ensemble, chains, draws):
    if isinstance(ensemble, ncv.Ensemble):
        ensemble.select(chains=chains, draws=draws)


def _split(ensemble, n_configs, gap):
    if isinstance(ensemble, ncv.Ensemble):
        ensemble.split(n_configs, gap=gap)


def _measure(observable, array, shape):
    ncv.measure(observable, array, shape)


def _tau_int(series):
    tau, _ = ncv.tau_int(series)
    return "a negative tau_int" if tau < 0 else None


def _autocorrelation(series):
    ncv.autocorrelation(series)


def _fit(field, theory, observable, ensemble, method, key):
    found = ncv.fit(field, theory, observable, ensemble, method=method, key=key, progress=False)
    repr(found)
    return None


def _estimate(theory, observable, ensemble, control, folds, errors):
    found = ncv.estimate(theory, observable, ensemble, control, folds=folds, errors=errors, progress=False)
    str(found)
    return finite(found.value, found.error)


def _mass(ensemble, observable, t_min, t_max, states):
    found = ncv.fit_mass(ncv.estimate(None, observable, ensemble), t_min, t_max, states=states)
    str(found)
    return finite(found.m, found.m_error)


def _check(ensemble):
    str(ncv.check(ensemble))


def _sample(theory, n_configs, key, n_chains, n_thermal, thin, start):
    options = {"n_chains": n_chains, "n_thermal": n_thermal, "thin": thin, "start": start}
    return finite(ncv.sample(theory, n_configs, key, progress=False, **options).configs)


def _format(value, error):
    ncv.format_error(value, error)


def _free(shape, m2):
    ncv.free_correlator(shape, m2)


def _chain(extent, m2, lam):
    ncv.chain_correlator(extent, m2, lam)


def _conventions(name, a, b):
    getattr(conventions, name)(a, b, *((2,) if name == "to_kappa" else ()))


few = st.one_of(st.sampled_from([8, 20, 40]), st.sampled_from([0, -1, 1.5, "20", None, True]))
slow = {"_fit", "_estimate", "_mass", "_check", "_sample", "_as_theory", "_measure"}
symmetry = st.sampled_from([True, False, "time", "space", None, 2])
series = st.one_of(arrays(), st.lists(numbers, max_size=6), numbers)
picks = st.one_of(numbers, st.lists(st.integers(-9, 30), max_size=4), st.just(slice(None)), st.slices(10))


def arguments():
    "The functions, and the strategies of their arguments."
    some = ensembles()
    return {
        _phi4: (shapes, sane, sane),
        _as_theory: (
            functions,
            shapes,
            st.sampled_from([(), (), (2,), 2, None, (0,), "x"]),
            st.sampled_from([None, "S"]),
        ),
        _odd_mlp: (shapes, count, count, symmetry, keys),
        _neural: (st.sampled_from([SHAPE, (4,), (6, 1), None]), count, count, count, keys),
        _smearing: (shapes, st.sampled_from([ncv.Shell, ncv.Gaussian]), numbers),
        ncv.Direct: (shapes, st.sampled_from([(1,), (1, 3), (), (2,), (1.5,), None, "1", (-1,), (99,)])),
        ncv.Polynomials: (count, st.sampled_from([(1, 3), (0, 2), (), (-1,), None, ("1",), (1.5,)])),
        _adam: (count, sane, count, sane, count, count),
        _projection: (count, sane, count, sane, count, sane),
        _hmc: (st.booleans(), sane, sane, sane),
        _least_squares: (sane, count),
        _correlator: (times, st.sampled_from([None, (1,), (0,), (1, 1), 1, "x", (1.5,)]), shapes),
        _at: (times,),
        _from_configs: (arrays(), theories),
        _select: (some, picks, picks),
        _split: (some, st.one_of(st.integers(-2, 90), numbers), st.one_of(st.just(0), numbers)),
        _measure: (observables, arrays(), st.sampled_from([SHAPE, THEORY, (4,), None, 3])),
        _tau_int: (series,),
        _autocorrelation: (series,),
        _fit: (fields, theories, observables, some, methods, keys),
        _estimate: (theories, observables, some, fields, count, st.sampled_from(["gamma", "jackknife", "x", None])),
        _mass: (some, st.sampled_from([ncv.Correlator(), ncv.MeanSquare()]), times, times, count),
        _check: (some,),
        _sample: (theories, few, keys, st.sampled_from([None, 4, 7, 0, "4"]), few, few, st.one_of(st.none(), arrays())),
        _format: (numbers, numbers),
        _free: (shapes, sane),
        _chain: (count, sane, sane),
        _conventions: (st.sampled_from(["from_quarter", "from_plain", "from_no_halves", "to_kappa"]), sane, sane),
    }


WORDS = ["--shape", "6x4", "8", "6x", "0x4", "--m2", "0.3", "nan", "-1", "--lam", "0.5", "x", "--n-configs", "40", "0"]
WORDS += ["--chains", "4", "7", "--thermal", "20", "--thin", "1", "--seed", "--output", "out.h5", "out.safetensors"]
WORDS += [
    "out.csv",
    "out.json",
    "none/x.h5",
    "--force",
    "--ensemble",
    "run.h5",
    "cut.h5",
    "solved.safetensors",
    "--fit",
]
WORDS += [
    "--family",
    "linear",
    "direct",
    "mlp",
    "--t",
    "0,2",
    "9",
    "all",
    "--observable",
    "phi2",
    "|M|",
    "S/V",
    "--json",
]
WORDS += [
    "--symmetric",
    "yes",
    "--steps",
    "3",
    "--width",
    "2",
    "--depth",
    "1",
    "--folds",
    "2",
    "--t-min",
    "--t-max",
    "1",
]
WORDS += ["--action", "own.py:S", "own.py", "a.npy", "--dataset", "configs", "--convention", "kappa", "--kappa", "0.1"]
WORDS += ["--checkpoint", "c", "--batch-size", "1", "--n-train", "20", "--errors", "jackknife", ""]
BEGINNINGS = [
    [
        "sample",
        "--shape",
        "6x4",
        "--m2",
        "0.3",
        "--lam",
        "0.5",
        "--n-configs",
        "40",
        "--chains",
        "4",
        "--thermal",
        "20",
    ],
    ["import", "a.npy", "--shape", "6x4", "--m2", "0.3", "--lam", "0.5", "--output", "out.h5"],
    ["fit", "--ensemble", "run.h5", "--output", "out.safetensors"],
    ["estimate", "--ensemble", "run.h5"],
    ["mass", "--ensemble", "run.h5"],
    ["check", "run.h5"],
]


def _command(beginning, words):
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        try:
            code = command_line([*beginning, *words])
        except SystemExit as end:
            code = end.code
    said = errors.getvalue()
    if code not in (0, 2):
        return f"exit code {code}"
    return "a traceback" if "Traceback" in said or (code == 2 and not said) else None


def described(value):
    "An argument in a few words."
    try:
        words = " ".join(repr(value).split())
    except OURS:
        words = type(value).__name__
    return words[:90]


def fuzz_arguments(judge, n, seed, folder):
    "Call the functions `n` times, and the command line among them."
    table = arguments()
    weight = {function: 1 if function.__name__ in slow else 2 for function in table}
    total = sum(weight.values()) + 3
    plan = {function: max(1, n * weight[function] // total) for function in table}
    words = st.lists(st.sampled_from(WORDS), max_size=5)
    (folder / "cut.h5").write_bytes((folder / "run.h5").read_bytes()[:-100])
    (folder / "own.py").write_text("def S(phi):\n    return (phi**2).sum() + (phi**4).sum()\n")
    with contextlib.chdir(folder):
        for function, given in table.items():
            explore(judge, function.__name__.strip("_"), function, st.tuples(*given), plan[function], seed)
        explore(judge, "ncv-lab", _command, st.tuples(st.sampled_from(BEGINNINGS), words), n - sum(plan.values()), seed)


def explore(judge, label, function, given, n, seed):
    "Call a function with `n` examples of its arguments."

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=max(1, n),
        database=None,
        deadline=None,
        derandomize=False,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(given)
    def one(values):
        def call():
            wrong = function(*values)
            return wrong if isinstance(wrong, str) else None

        judge.call(label, call, f"{label}({', '.join(map(described, values))})")

    begin = judge.outcomes["calls"]
    one()
    while judge.outcomes["calls"] - begin < n:  # hypothesis stops early where there are few examples
        seed += 1
        hypothesis.seed(seed)(one)
        before = judge.outcomes["calls"]
        one()
        if judge.outcomes["calls"] == before:
            break


def main(argv=None):
    "Fuzz, and print what is wrong; the exit code is 1 if there is something."
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=6500)
    parser.add_argument("--arguments", type=int, default=4500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    chance = random.Random(given.seed)
    judge = Judge()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 4 * 2**30
    before = resource.getrlimit(resource.RLIMIT_AS)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "files"
        folder.mkdir()
        resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
        try:
            fuzz_files(judge, given.files, chance, folder)
            seconds = time.monotonic() - begin
            print(f"files: {dict(judge.outcomes)}, {seconds:.0f} s", flush=True)
            if given.arguments:
                fuzz_arguments(judge, given.arguments, given.seed, folder)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
        for (label, _), (wrong, example) in judge.faults.items():
            print(f"FAULT {label}: {wrong}\n      {example}")
    seconds = time.monotonic() - begin
    print(f"seed {given.seed}: {dict(judge.outcomes)}, {len(judge.faults)} kinds of faults, {seconds:.0f} s")
    return int(bool(judge.faults))


if __name__ == "__main__":
    sys.exit(main())

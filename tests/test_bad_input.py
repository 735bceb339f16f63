"""Every public function and class, called wrongly: what is raised, and what it says. Nothing is half written."""

import functools
import os
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import ncv_lab as ncv

SHAPE = (6, 4)


@pytest.fixture(autouse=True)
def unchecked_types():
    "Users run without a type checker, so these tests do: the messages must come from the library itself."
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


# ---- what the calls below are made of ----


@functools.cache
def theory(shape=SHAPE, lam=0.5):
    return ncv.Phi4(shape, 0.3, lam)


@functools.cache
def configs(n=40, shape=SHAPE):
    return np.random.default_rng(0).normal(size=(n, *shape))


@functools.cache
def ensemble(n=40, shape=SHAPE):
    return ncv.Ensemble.from_configs(configs(n, shape).reshape(2, -1, *shape), theory(shape))


@functools.cache
def linear(shape=SHAPE):
    return ncv.OddMLP(shape, depth=0, symmetric=True)


@functools.cache
def deep(shape=SHAPE):
    return ncv.OddMLP(shape, width=2, depth=1, key=jax.random.key(0))


@functools.cache
def solved():
    return ncv.fit(linear(), theory(), ncv.Correlator(), ensemble(), progress=False)


def spoilt(value):
    array = configs().copy()
    array[3, 2, 1] = value
    return array


def fit(field=None, observable=None, data=None, model=None, **options):
    options = {"progress": False} | options
    data = ensemble() if data is None else data
    return ncv.fit(field or linear(), model or theory(), observable or ncv.Correlator(), data, **options)


def train(observable=None, **options):
    options = {"method": ncv.Adam(steps=5), "key": jax.random.key(0)} | options
    return fit(deep(), observable or ncv.Correlator().at(2), **options)


def together(observable=None, fields=None, methods=None, keys=None):
    lists = {"methods": methods or [ncv.Adam(steps=5)], "keys": [jax.random.key(0)] if keys is None else keys}
    return ncv.fit_together(fields or [deep()], theory(), observable or ncv.Correlator().at(2), [ensemble()], **lists)


def saved(folder, what, cut=None):
    "The path of a saved fit or ensemble, of which only the first part `cut` was written."
    path = os.path.join(folder, "file.safetensors" if what == "fit" else "file.h5")
    (solved() if what == "fit" else ensemble()).save(path)
    if cut is not None:
        with open(path, "r+b") as file:
            file.truncate(int(cut * os.path.getsize(path)))
    return path


def text_file(folder):
    path = os.path.join(folder, "notes.txt")
    with open(path, "w") as file:
        file.write("no data here")
    return path


@functools.cache
def smearing():
    return ncv.Smearing(SHAPE, [ncv.Shell(0), ncv.Shell(1)])


def even():
    return ncv.Polynomials(2, (0, 2))


def odd():
    return ncv.Polynomials(2, (1, 3))


def estimate(observable=None, data=None, model=None, control=None, **options):
    data = ensemble() if data is None else data
    options = {"progress": False} | options
    return ncv.estimate(model or theory(), observable or ncv.Correlator(), data, control, **options)


def sum_of_squares(phi):
    return jnp.sum(phi**2)


def matrix(phi):
    return phi @ phi.T


class Silent:
    "A method that never yields a fit."

    def run(self, field, data, *, key=None, resume=None):
        return iter(())


class Stuck(eqx.Module):
    "A field that gives g but no divergence."

    a: jax.Array

    def __call__(self, phi):
        return self.a * phi


# ---- (name, call with a folder for files, exception, what it says) ----

def operators(degrees=(1,)):
    return ncv.Operators(ncv.Smearing(SHAPE, [0.0]), ncv.Polynomials(1, degrees))


ONE = "drop that axis"
TABLE = [
    # action
    ("Phi4", lambda _: ncv.Phi4((20, 1), 0.1, 0.5), ValueError, ONE),
    ("Phi4", lambda _: ncv.Phi4((), 0.1, 0.5), ValueError, "the lattice shape is empty"),
    ("Phi4", lambda _: ncv.Phi4(20, 0.1, 0.5), TypeError, "a sequence of integers such as (20, 20), got 20"),
    ("Phi4", lambda _: ncv.Phi4((20, -4), 0.1, 0.5), ValueError, "has extent -4"),
    ("Phi4", lambda _: ncv.Phi4((20, 2.5), 0.1, 0.5), TypeError, "2.5 of axis 1"),
    ("Phi4", lambda _: ncv.Phi4("20", 0.1, 0.5), TypeError, "is not an integer"),
    ("Phi4", lambda _: ncv.Phi4((20, True), 0.1, 0.5), TypeError, "is not an integer"),
    ("Phi4", lambda _: ncv.Phi4(SHAPE, 0.1, -1.0), ValueError, "lam = -1 is negative"),
    ("Phi4", lambda _: ncv.Phi4(SHAPE, 0.0, 0.0), ValueError, "only for m2 > 0"),
    ("Phi4", lambda _: ncv.Phi4(SHAPE, -0.1, 0.0), ValueError, "lam = 0 with m2 = -0.1"),
    ("Phi4", lambda _: ncv.Phi4(SHAPE, np.nan, 0.5), ValueError, "m2 = nan is not finite"),
    ("Phi4", lambda _: ncv.Phi4(SHAPE, 0.1, np.inf), ValueError, "lam = inf is not finite"),
    ("Phi4", lambda _: ncv.Phi4(SHAPE, "0.1", 0.5), TypeError, "m2 must be one real number, got '0.1'"),
    ("Phi4", lambda _: ncv.Phi4(SHAPE, 0.1, [0.5, 24]), TypeError, "lam must be one real number"),
    ("Phi4", lambda _: ncv.Phi4(SHAPE, 0.1j, 0.5), TypeError, "m2 must be one real number"),
    ("ON", lambda _: ncv.ON(SHAPE, 0, 0.1, 0.5), ValueError, "n = 0 components"),
    ("ComponentMLP", lambda _: ncv.ComponentMLP(SHAPE, 0, key=jax.random.key(0)), ValueError, "n = 0 is too small"),
    ("UnknownAction", lambda _: ncv.Ensemble.from_configs(configs(), ncv.UnknownAction(SHAPE)), ValueError,
     "gradients dS/dphi on the configurations are needed"),
    ("Scalar", lambda _: ncv.Scalar(SHAPE, (0.0, 1.0)), ValueError, "ends with 1 phi^1: it must grow on both sides"),
    ("InvariantPolynomials", lambda _: ncv.InvariantPolynomials(2, 3, ()), ValueError, "got 2, 3 and ()"),
    ("OnePoint", lambda _: ncv.OnePoint(ncv.Smearing(SHAPE, [0.0]), ncv.Polynomials), TypeError, "the class Pol"),
    ("Magnetisation", lambda _: ncv.Magnetisation().labels((6, 1)), ValueError, ONE),
    ("connected", lambda _: ncv.connected(*[estimate(observable=ncv.MeanSquare())] * 2),
     ValueError, "got MeanSquare and MeanSquare"),
    ("estimate_connected", lambda _: ncv.estimate_connected(ncv.ON(SHAPE, 2, 0.1, 1.0), ensemble()),
     ValueError, "is for scalar fields"),
    ("Operators", lambda _: operators((2,)), ValueError, "the operators must be odd, but they are even"),
    ("OperatorLeg", lambda _: ncv.OperatorLeg(3, 0)(np.ones(SHAPE)), TypeError, "not callable"),
    ("CorrelatorMatrix", lambda _: ncv.CorrelatorMatrix(operators(), (9,)).labels(SHAPE), ValueError, "0 <= t < 6"),
    ("LegMatrix", lambda _: ncv.LegMatrix([], operators(), (0,)), ValueError, "1 operators need legs each, got 0"),
    ("Theory", lambda _: ncv.Theory(), TypeError, "abstract"),
    ("as_theory", lambda _: ncv.as_theory(3, SHAPE), TypeError, "must be functions of phi, got 3"),
    ("as_theory", lambda _: ncv.as_theory(sum_of_squares, SHAPE, gradient=3), TypeError, "must be functions of phi"),
    ("as_theory", lambda _: ncv.as_theory(sum_of_squares, (6, 1)), ValueError, ONE),
    ("as_theory", lambda _: ncv.as_theory(sum_of_squares, SHAPE, event_shape=3), TypeError, "an event shape is a seq"),
    ("as_theory", lambda _: ncv.as_theory(matrix, SHAPE), ValueError, "must be one finite number"),
    ("as_theory", lambda _: ncv.as_theory(lambda phi: jnp.nan * phi.sum(), SHAPE),
     ValueError, "one finite number, got nan"),
    ("as_theory", lambda _: ncv.as_theory(sum_of_squares, SHAPE, gradient=lambda phi: -2 * phi), ValueError,
     "the gradient does not match the action: at site (0, 0)"),
    ("as_theory", lambda _: ncv.as_theory(sum_of_squares, SHAPE, gradient=lambda phi: 2 * phi[0]), ValueError,
     "the gradient has shape (4,), expected the lattice shape (6, 4)"),
    ("as_theory", lambda _: ncv.as_theory(sum_of_squares, SHAPE, gradient=lambda phi: jnp.nan * phi), ValueError,
     "the gradient does not match the action"),
    ("FunctionTheory", lambda _: ncv.check_theory(ncv.FunctionTheory(SHAPE, sum_of_squares, jnp.sin, "wrong")),
     ValueError,
     "the gradient does not match the action"),
    ("check_theory", lambda _: ncv.check_theory(ncv.FunctionTheory(SHAPE, matrix, None, "wrong")), ValueError,
     "must be one finite number"),
    ("free_correlator", lambda _: ncv.free_correlator(SHAPE, 0.0), ValueError, "only for m2 > 0"),
    ("free_correlator", lambda _: ncv.free_correlator(SHAPE, np.nan), ValueError, "only for m2 > 0"),
    ("free_correlator", lambda _: ncv.free_correlator((6, 1), 0.3), ValueError, ONE),
    ("free_correlator", lambda _: ncv.free_correlator(SHAPE, 0.3, momentum=(1, 2)), ValueError, "momentum (1, 2)"),
    ("free_correlator", lambda _: ncv.free_correlator(SHAPE, 0.3, momentum=(0.5,)), TypeError, "momentum"),
    # observables
    ("Correlator", lambda _: fit(observable=ncv.Correlator().at(6)), ValueError, "t = 6 is out of range"),
    ("Correlator", lambda _: ncv.Correlator().at(-1), ValueError, "C(-t) = C(t)"),
    ("Correlator", lambda _: ncv.Correlator().at([]), ValueError, "empty or negative"),
    ("Correlator", lambda _: ncv.Correlator().at(1.5), TypeError, "t must be an integer"),
    ("Correlator", lambda _: ncv.Correlator(momentum=(1, 0)).labels(SHAPE),
     ValueError, "one integer for each of the 1"),
    ("Correlator", lambda _: ncv.Correlator(momentum=(0.5,)).labels(SHAPE), TypeError, "momentum must be an integer"),
    ("Correlator", lambda _: ncv.Correlator().labels((20, 1)), ValueError, ONE),
    ("Correlator", lambda _: ncv.Correlator(t=()).labels(SHAPE), ValueError, "empty"),
    ("MeanSquare", lambda _: ncv.MeanSquare().labels((20, 1)), ValueError, ONE),
    ("AbsMagnetisation", lambda _: ncv.AbsMagnetisation().labels((1,)), ValueError, ONE),
    ("MagnetisationSquared", lambda _: ncv.MagnetisationSquared().labels((1, 20)), ValueError, ONE),
    ("Susceptibility", lambda _: ncv.Susceptibility().labels(()), ValueError, "the lattice shape is empty"),
    ("ActionDensity", lambda _: ncv.measure(ncv.ActionDensity(theory((8, 8))), configs(), SHAPE), ValueError, "(8, 8)"),
    ("Observable", lambda _: ncv.Observable(), TypeError, "abstract"),
    ("as_observable", lambda _: ncv.as_observable("C(t)"),
     TypeError, "an observable is a function of the configuration"),
    ("as_observable", lambda _: ncv.as_observable(matrix).labels(SHAPE), ValueError, "gives an array of shape (6, 6)"),
    ("measure", lambda _: ncv.measure(ncv.MeanSquare(), spoilt(np.nan), SHAPE), ValueError, "nan at index (3, 2, 1)"),
    ("measure", lambda _: ncv.measure(lambda phi: phi[0, :0], configs(), SHAPE), ValueError, "an empty vector"),
    ("measure", lambda _: ncv.measure(ncv.MeanSquare(), configs(), (4, 6)), ValueError, "lattice shape (4, 6)"),
    ("measure", lambda _: ncv.measure(ncv.MeanSquare(), configs(), (6, 4, 1)), ValueError, ONE),
    ("measure", lambda _: ncv.measure(ncv.MeanSquare(), configs()[:0], SHAPE), ValueError, "holds no configuration"),
    ("measure", lambda _: ncv.measure(ncv.MeanSquare(), configs() * 1j, SHAPE), TypeError, "got dtype complex128"),
    ("measure", lambda _: ncv.measure(ncv.MeanSquare(), "run.h5", SHAPE), TypeError, "real numbers"),
    ("measure", lambda _: ncv.measure(ncv.MeanSquare(), [configs()[0], configs()[0][:3]], SHAPE),
     ValueError, "2 arrays of different shapes, [(6, 4), (3, 4)]"),
    ("measure", lambda _: ncv.measure(3, configs(), SHAPE), TypeError, "an observable is a function"),
    ("measure", lambda _: ncv.measure(matrix, configs(), SHAPE), ValueError, "a scalar or a vector"),
    ("measure", lambda _: ncv.measure(lambda phi: jnp.log(phi.sum()), configs(), SHAPE),
     ValueError, "is not finite on"),
    ("measure", lambda _: ncv.measure(ncv.Correlator().at(6), configs(), SHAPE), ValueError, "t = 6 is out of range"),
    ("chain_correlator", lambda _: ncv.chain_correlator(1, 0.1, 0.5), ValueError, "extent 1"),
    ("chain_correlator", lambda _: ncv.chain_correlator(8, 0.1, -0.5), ValueError, "lam = -0.5"),
    ("chain_correlator", lambda _: ncv.chain_correlator(8, 0.0, 0.0), ValueError, "m2 > 0"),
    ("chain_correlator", lambda _: ncv.chain_correlator(8, np.nan, 0.5), ValueError, "m2 = nan"),
    # ensembles
    ("Ensemble", lambda _: ncv.Ensemble.from_configs(spoilt(np.inf), theory()), ValueError, "inf at index (3, 2, 1)"),
    ("Ensemble", lambda _: ncv.Ensemble.from_configs(configs(), theory((8, 8))), ValueError, "lattice shape (8, 8)"),
    ("Ensemble", lambda _: ncv.Ensemble.from_configs(configs()[0], theory()),
     ValueError, "(n, *shape) or (chain, draw"),
    ("Ensemble", lambda _: ncv.Ensemble.from_configs(configs()[:0], theory()), ValueError, "holds no configuration"),
    ("Ensemble", lambda _: ncv.Ensemble.from_configs(configs().astype(str), theory()), TypeError, "real numbers"),
    ("Ensemble", lambda _: ncv.Ensemble.from_configs(configs(), SHAPE), TypeError, "theory must be a Theory"),
    ("Ensemble", lambda _: ensemble().split(13), ValueError, "the nearest valid numbers are [12, 14]"),
    ("Ensemble", lambda _: ensemble().split(40), ValueError, "cannot split 40"),
    ("Ensemble", lambda _: ensemble().split(20, gap=1.5), TypeError, "the gap must be an integer"),
    ("Ensemble", lambda _: ensemble().split(20, gap=99), ValueError, "gap = 99 does not fit"),
    ("estimate", lambda _: estimate(observable=lambda phi: jnp.exp(1j * phi)), ValueError, "an array of shape (6, 4)"),
    ("Ensemble", lambda _: ensemble().split(0.5), TypeError, "must be an integer, got 0.5"),
    ("Ensemble", lambda _: ensemble().select(chains=7), ValueError, "chains = 7 does not fit: there are 2"),
    ("Ensemble", lambda _: ensemble().select(draws=slice(30, 40)), ValueError, "selects nothing"),
    ("Ensemble", lambda _: ensemble().extend(10), ValueError, "cannot be continued"),
    ("Ensemble", lambda d: ensemble().save(f"{d}/no/run.h5"), FileNotFoundError, "does not exist; create it first"),
    ("Ensemble", lambda _: ncv.Ensemble.from_configs([configs(9), configs(5)], theory(), replicas=["a"]),
     ValueError, "must be 2 different ones"),
    ("Ensemble", lambda _: ncv.Ensemble.from_configs(configs(3), theory(), trajectories=[1, 3, 2]),
     ValueError, "must ascend, but 2 follows 3"),
    ("read_blocks", lambda d: list(ncv.read_blocks([f"{d}/phi.npy"], (4, 4))), FileNotFoundError, "there is no file"),
    ("estimate_blocks", lambda _: ncv.estimate_blocks(theory(), ncv.MeanSquare(), []), ValueError, "there is no block"),
    ("estimate_blocks", lambda _: ncv.estimate_blocks(theory(), ncv.MeanSquare(), [configs()], linear()),
     TypeError, "a Fit or a function"),
    ("use_devices", lambda _: ncv.use_devices([]).__enter__(), ValueError, "the list of devices is empty"),
    ("sample_blocks", lambda _: list(ncv.sample_blocks(theory(), 100, 0, block_size=0)), ValueError, "at least 1"),
    ("fit_blocks", lambda _: ncv.fit_blocks(linear(), theory(), ncv.MeanSquare(), [configs()]), ValueError, "1 blocks"),
    ("read_configs", lambda d: ncv.read_configs(f"{d}/phi.npy", (4, 4)), FileNotFoundError, "there is no file"),
    ("load_ensemble", lambda d: ncv.load_ensemble(f"{d}/run.h5"), FileNotFoundError, "there is no file"),
    ("load_ensemble", lambda d: ncv.load_ensemble(d), FileNotFoundError, "there is no file"),
    ("load_ensemble", lambda d: ncv.load_ensemble(text_file(d)), ValueError, "not a complete HDF5 file"),
    ("load_ensemble", lambda d: ncv.load_ensemble(saved(d, "ensemble", 0.5)), ValueError, "was it cut short?"),
    ("load_ensemble", lambda d: ncv.load_ensemble(saved(d, "ensemble", 0)), ValueError, "not a complete HDF5 file"),
    ("load_ensemble", lambda d: ncv.load_ensemble(saved(d, "fit")), ValueError, "not a complete HDF5 file"),
    ("load_ensemble", lambda d: ncv.load_ensemble(saved(d, "ensemble"), theory=theory((8, 8))), ValueError, "(8, 8)"),
    ("HMC", lambda _: ncv.HMC(target_acceptance=1.5), ValueError, "target_acceptance = 1.5"),
    ("HMC", lambda _: ncv.HMC(trajectory_length=0.0), ValueError, "trajectory_length = 0.0"),
    ("HMC", lambda _: ncv.HMC(jitter=-0.1), ValueError, "jitter = -0.1"),
    ("sample", lambda _: ncv.sample(SHAPE, 100, jax.random.key(0)), TypeError, "theory must be a Theory"),
    ("sample", lambda _: ncv.sample(theory(), 0, jax.random.key(0)), ValueError, "n_configs = 0"),
    ("sample", lambda _: ncv.sample(theory(), 10, 2**70), ValueError, "an integer of 64 bits"),
    ("sample", lambda _: ncv.sample(theory(), 10.0, jax.random.key(0)), TypeError, "n_configs must be an integer"),
    ("sample", lambda _: ncv.sample(theory(), 100, jax.random.key(0), n_chains=7), ValueError, "7 chains cannot share"),
    ("sample", lambda _: ncv.sample(theory(), 100, "seed"), TypeError, "random key"),
    ("sample", lambda _: ncv.sample(theory(), 100, jax.random.key(0), method="hmc"), TypeError, "'hmc'"),
    ("sample", lambda _: ncv.sample(theory(), 100, jax.random.key(0), thin=0), ValueError, "thin = 0"),
    ("sample", lambda _: ncv.sample(theory(), 100, jax.random.key(0), start=spoilt(np.nan)),
     ValueError, "start holds nan"),
    # networks and control variates
    ("OddMLP", lambda _: ncv.OddMLP((20, 1), key=jax.random.key(0)), ValueError, ONE),
    ("OddMLP", lambda _: ncv.OddMLP(SHAPE, width=0, key=jax.random.key(0)), ValueError, "width = 0 is too small"),
    ("OddMLP", lambda _: ncv.OddMLP(SHAPE, width=2.5, key=jax.random.key(0)), TypeError, "width must be an integer"),
    ("OddMLP", lambda _: ncv.OddMLP(SHAPE, depth=-1, key=jax.random.key(0)), ValueError, "depth = -1 is too small"),
    ("OddMLP", lambda _: ncv.OddMLP(SHAPE, symmetric="space", key=jax.random.key(0)),
     ValueError, "symmetric = 'space' is unknown"),
    ("OddMLP", lambda _: ncv.OddMLP(SHAPE), TypeError, "needs a random key"),
    ("OddMLP", lambda _: ncv.OddMLP(SHAPE, key="seed"), TypeError, "key"),
    ("OddMLP", lambda _: deep()(jnp.ones((4, 6))), ValueError, "the field lives on the lattice (6, 4)"),
    ("OddMLP", lambda _: linear().features(jnp.ones((8, 8)), jnp.ones((8, 8))),
     ValueError, "the field lives on the lattice (6, 4)"),
    ("OddMLP", lambda _: deep().features(jnp.ones(SHAPE), jnp.ones(SHAPE)), TypeError, "not linear in its weights"),
    ("OddMLP", lambda _: linear().with_weights(jnp.ones(5)), ValueError, "the field has 12 features, got"),
    ("ControlVariate", lambda _: ncv.ControlVariate(deep(), theory(), jnp.ones(5)), TypeError, "takes no weights here"),
    ("ControlVariate", lambda _: ncv.ControlVariate(linear((8, 8)), theory()), ValueError, "the field lives on the"),
    ("Smearing", lambda _: smearing()(jnp.ones((*SHAPE, 3))), ValueError, "with one number at each site"),
    ("VectorField", lambda _: ncv.VectorField(), TypeError, "Protocols cannot be instantiated"),
    ("LinearField", lambda _: ncv.LinearField(), TypeError, "Protocols cannot be instantiated"),
    ("Strategy", lambda _: ncv.Strategy(), TypeError, "abstract"),
    ("Method", lambda _: ncv.Method(), TypeError, "abstract"),
    ("FunctionField", lambda _: ncv.FunctionField(sum_of_squares)(jnp.ones(SHAPE)),
     ValueError, "g has shape (), expected the shape"),
    ("FunctionField", lambda _: ncv.FunctionField(3), TypeError, "got 3"),
    ("SumField", lambda _: ncv.SumField(), ValueError, "at least one field"),
    ("SumField", lambda _: ncv.SumField(linear(), 3), TypeError, "got 3"),
    ("SumField", lambda _: ncv.SumField(linear(), linear((8, 8))), ValueError, "(8, 8)"),
    ("control_variate", lambda _: ncv.control_variate(deep(), theory(), jnp.ones((4, 6))), ValueError, "(6, 4)"),
    ("control_variate", lambda _: ncv.control_variate(deep((8, 8)), theory(), jnp.ones((8, 8))), ValueError, "(6, 4)"),
    ("control_variate", lambda _: ncv.control_variate(Stuck(jnp.ones(())), theory(), jnp.ones(SHAPE)),
     ValueError, "unpack"),
    ("free_field", lambda _: ncv.free_field(SHAPE, 0.3, 6), ValueError, "t = 6"),
    ("free_field", lambda _: ncv.free_field(SHAPE, 0.3, -1), ValueError, "t = -1"),
    ("free_field", lambda _: ncv.free_field(SHAPE, 0.0, 1), ValueError, "m2 = 0.0"),
    ("free_field", lambda _: ncv.free_field(SHAPE, np.nan, 1), ValueError, "m2 = nan"),
    ("free_field", lambda _: ncv.free_field(SHAPE, 0.3, 1.5), TypeError, "1.5"),
    ("free_field", lambda _: ncv.free_field((6, 1), 0.3, 1), ValueError, ONE),
    # data, losses and methods
    ("Data", lambda _: ncv.Data.measure("phi^4", ncv.MeanSquare(), ensemble()), TypeError, "must be a Theory"),
    ("Data", lambda _: ncv.Data.measure(theory((8, 8)), ncv.MeanSquare(), ensemble()), ValueError, "shape (8, 8)"),
    ("Data", lambda _: ncv.Data.measure(theory(SHAPE, 24.0), ncv.MeanSquare(), ensemble()),
     ValueError, "one and the same action"),
    ("Data", lambda _: ncv.Data.measure(None, ncv.MeanSquare(), configs()), TypeError, "from_configs"),
    ("SecondMoment", lambda _: ncv.SecondMoment(-1.0), ValueError, "l2 = -1.0"),
    ("FixedShift", lambda _: ncv.FixedShift(np.nan), ValueError, "l2 = nan"),
    ("LearnedShift", lambda _: ncv.LearnedShift("0.1"), (TypeError, ValueError), "l2 = '0.1'"),
    ("LeastSquares", lambda _: ncv.LeastSquares(-1.0), ValueError, "ridges must be numbers >= 0, got ridge=-1.0"),
    ("LeastSquares", lambda _: ncv.LeastSquares(np.nan), ValueError, "ridge=nan"),
    ("LeastSquares", lambda _: ncv.LeastSquares(ridges=[0.1, -1]), ValueError, "ridges=[0.1, -1]"),
    ("LeastSquares", lambda _: ncv.LeastSquares(ridges=[]), ValueError, "ridges=[]"),
    ("LeastSquares", lambda _: ncv.LeastSquares(folds=1), ValueError, "folds = 1"),
    ("LeastSquares", lambda _: ncv.LeastSquares(folds=2.5), ValueError, "folds = 2.5"),
    ("LeastSquares", lambda _: ncv.LeastSquares(decay_rates=[0.1, -1.0]), ValueError, "decay_rates = [0.1, -1.0]"),
    ("LeastSquares", lambda _: fit(deep(), method=ncv.LeastSquares()),
     TypeError, "not linear in its weights cannot be solved"),
    ("Lasso", lambda _: ncv.Lasso(-1.0), ValueError, "penalties must be numbers >= 0, got penalty=-1.0"),
    ("Lasso", lambda _: ncv.Lasso(penalties=[0.1, np.nan]), ValueError, "penalties=[0.1, nan]"),
    ("Lasso", lambda _: fit(deep(), method=ncv.Lasso()), TypeError, "not linear in its weights cannot be solved"),
    ("PaperSchedule", lambda _: ncv.PaperSchedule(-1e-3), ValueError, "must be positive"),
    ("Adam", lambda _: ncv.Adam(steps=0), ValueError, "steps = 0"),
    ("Adam", lambda _: ncv.Adam(steps=1.5), ValueError, "steps = 1.5"),
    ("Adam", lambda _: ncv.Adam(batch_size=0), ValueError, "batch_size = 0"),
    ("Adam", lambda _: ncv.Adam(learning_rate=-1.0), ValueError, "learning_rate = -1.0"),
    ("Adam", lambda _: ncv.Adam(learning_rate=np.nan), ValueError, "learning_rate = nan"),
    ("Adam", lambda _: ncv.Adam(learning_rate="fast"), (TypeError, ValueError), "learning_rate = 'fast'"),
    ("Adam", lambda _: ncv.Adam(validation=1.0), ValueError, "validation = 1.0"),
    ("Adam", lambda _: ncv.Adam(validation=np.nan), ValueError, "validation = nan"),
    ("Adam", lambda _: ncv.Adam(patience=0), ValueError, "patience = 0"),
    ("Adam", lambda _: ncv.Adam(check_every=-1), ValueError, "check_every = -1"),
    ("Adam", lambda _: ncv.Adam(loss="mse"), TypeError, "'mse'"),
    ("Adam", lambda _: train(key=None), TypeError, "needs a key"),
    ("Adam", lambda _: train(ncv.Correlator()), ValueError, "one control variate for one number, got 4"),
    # fits
    ("fit", lambda _: fit(field=3.0), TypeError, "a vector field is called with a configuration"),
    ("fit", lambda _: fit(method="adam"), TypeError, "the method 'adam' is unknown"),
    ("fit", lambda _: fit(method=ncv.Adam), TypeError, "Adam()"),
    ("fit", lambda _: fit(method=Silent()), ValueError, "no fit"),
    ("fit", lambda _: fit(field=linear((8, 8))),
     ValueError, "the field lives on the lattice (8, 8), the theory on (6, 4)"),
    ("fit", lambda _: fit(Stuck(jnp.ones(())), ncv.MeanSquare(), method=ncv.Adam(steps=1), key=jax.random.key(0)),
     TypeError,
     "(g, div g)"),
    ("fit", lambda _: fit(model=SHAPE), TypeError, "Theory"),
    ("fit", lambda _: fit(model=theory((8, 8)), field=linear((8, 8))),
     ValueError, "but the ensemble was sampled on shape (6, 4)"),
    ("fit", lambda _: fit(data=configs()), TypeError, "wrap an array of configurations with Ensemble.from_configs"),
    ("fit", lambda _: fit(data=ensemble(8)), ValueError, "8 configurations are too few"),
    ("fit", lambda _: fit(observable=3), TypeError, "an observable is a function"),
    ("fit", lambda _: fit(observable=lambda phi: jnp.log(phi.sum())), ValueError, "is not finite on"),
    ("fit", lambda _: train(resume=solved()), ValueError, "made by another method"),
    ("fit", lambda _: train(resume="fit.safetensors"), TypeError, "load_fit"),
    ("fit_steps", lambda _: ncv.fit_steps(linear(), theory(), ncv.MeanSquare(), configs()), TypeError, "from_configs"),
    ("fit_steps", lambda _: ncv.fit_steps(linear(), theory(), ncv.MeanSquare(), ensemble(), method=3),
     TypeError, "is unknown"),
    ("fit_together", lambda _: together(keys=[]), ValueError, "need as many"),
    ("fit_together", lambda _: together(fields=[linear()]), TypeError, "only OddMLP networks with hidden layers"),
    ("fit_together", lambda _: together(methods=[ncv.LeastSquares()]), TypeError, "by Adam, got LeastSquares"),
    ("fit_together", lambda _: together(observable=ncv.Correlator()), ValueError, "one control variate for one number"),
    ("Fit", lambda _: solved().evaluate(np.ones((3, 4, 6))), ValueError, "lattice shape (6, 4)"),
    ("Fit", lambda _: solved().evaluate(spoilt(np.nan)), ValueError, "nan at index (3, 2, 1)"),
    ("Fit", lambda _: solved().evaluate(ensemble(40, (8, 8))), ValueError, "ensemble was sampled on shape (8, 8)"),
    ("Fit", lambda d: solved().save(f"{d}/no/fit.safetensors"), FileNotFoundError, "does not exist; create it first"),
    ("load_fit", lambda d: ncv.load_fit(f"{d}/fit.safetensors"), FileNotFoundError, "there is no file"),
    ("load_fit", lambda d: ncv.load_fit(text_file(d)), ValueError, "not a complete safetensors file"),
    ("load_fit", lambda d: ncv.load_fit(saved(d, "fit", 0.5)), ValueError, "was it cut short?"),
    ("load_fit", lambda d: ncv.load_fit(saved(d, "fit", 0)), ValueError, "was it cut short?"),
    ("load_fit", lambda d: ncv.load_fit(saved(d, "ensemble")), ValueError, "not a complete safetensors file"),
    # local functions and Schwinger-Dyson fields
    ("Shell", lambda _: ncv.Smearing(SHAPE, [ncv.Shell(7)]), ValueError, "no two sites of the lattice (6, 4)"),
    ("Gaussian", lambda _: ncv.Gaussian(-1.0), ValueError, "s = -1.0"),
    ("Smearing", lambda _: ncv.Smearing((6, 1), [ncv.Shell(0)]), ValueError, ONE),
    ("Smearing", lambda _: ncv.Smearing(SHAPE, []), ValueError, "at least one kernel"),
    ("Smearing", lambda _: ncv.Smearing(SHAPE, ["wide"]), TypeError, "'wide'"),
    ("Polynomials", lambda _: ncv.Polynomials(0, (1,)), ValueError, "needs n_fields >= 1"),
    ("Polynomials", lambda _: ncv.Polynomials(2, (-1,)), ValueError, "degrees >= 0"),
    ("Powers", lambda _: ncv.Powers((1, 2)), ValueError, "odd"),
    ("TanhSteps", lambda _: ncv.TanhSteps([0.5, 0.0]), ValueError, "positive"),
    ("BasisField", lambda _: ncv.BasisField(), TypeError, "abstract"),
    ("Gated", lambda _: ncv.Gated(smearing(), even())(jnp.ones(SHAPE)), ValueError, "this Gated has no weights yet"),
    ("Gated", lambda _: fit(ncv.Gated(smearing(), even(), momentum=(1, 0))),
     ValueError, "one integer for each of the 1"),
    ("Gated", lambda _: ncv.Gated(smearing(), odd()), ValueError, "the local functions of Gated must be even"),
    ("Gated", lambda _: ncv.Gated(smearing(), ncv.Polynomials(3, (0, 2))), ValueError, "functions of 3 smeared fields"),
    ("Gradient", lambda _: ncv.Gradient(smearing(), odd())(jnp.ones(SHAPE)),
     ValueError, "this Gradient has no weights yet"),
    ("Gradient", lambda _: ncv.Gradient(smearing(), even()), ValueError, "must be odd, but they are even"),
    ("Gradient", lambda _: ncv.Gradient(smearing(), ncv.Polynomials), TypeError, "give an instance of it"),
    ("Contact", lambda _: ncv.Contact(smearing(), 3.0), TypeError, "must be called with numbers"),
    ("Contact", lambda _: ncv.Contact(smearing(), sum_of_squares), ValueError, "must turn (..., 2) into (..., M)"),
    ("Contact", lambda _: ncv.Contact(smearing(), even())(jnp.ones(SHAPE)),
     ValueError, "this Contact has no weights yet"),
    ("Magnetic", lambda _: ncv.Magnetic(smearing(), even(), ncv.TanhSteps([1.0]))(jnp.ones(SHAPE)),
     ValueError, "no weights yet"),
    ("Direct", lambda _: ncv.Direct((6, 1)), ValueError, ONE),
    ("Direct", lambda _: fit(ncv.Direct((8, 8))), ValueError, "the field lives on the lattice (8, 8)"),
    ("ControlVariate", lambda _: ncv.ControlVariate(ncv.Contact(smearing(), even()), theory())(jnp.ones(SHAPE)),
     ValueError,
     "no weights yet"),
    ("dense_divergence", lambda _: ncv.dense_divergence(sum_of_squares, jnp.ones(SHAPE)), TypeError, "same shape"),
    (
        "FieldRecipe",
        lambda _: ncv.FieldRecipe("none", ((), ())).field(jnp.asarray(configs())),
        ValueError,
        "at least one field",
    ),
    ("GatedLegs", lambda _: ncv.GatedLegs(smearing(), odd()), ValueError, "must be even"),
    ("GradientLegs", lambda _: ncv.GradientLegs(smearing(), even()), ValueError, "must be odd"),
    ("Legs", lambda _: ncv.Legs([]), ValueError, "one or more parts on one lattice"),
    ("LegProducts", lambda _: ncv.LegProducts(ncv.Legs([ncv.GatedLegs(smearing(), even())]), 0)(
        jnp.ones(SHAPE)), ValueError, "no theory yet"),
    ("ImprovedLegs", lambda _: ncv.ImprovedLegs(touching=()), ValueError, "at least one recipe"),
    ("NeuralLegs", lambda _: ncv.NeuralLegs(batch_size=3), ValueError, "batch_size even"),
    ("SchwingerDyson", lambda _: ncv.SchwingerDyson(ladder=()), ValueError, "at least one rung"),
    ("SchwingerDyson", lambda _: ncv.SchwingerDyson(budget=0.0), ValueError, "a positive budget"),
    ("SchwingerDyson", lambda _: fit(ncv.SchwingerDyson(), method=ncv.LeastSquares()),
     ValueError, "chooses field and method"),
    ("SchwingerDyson", lambda _: fit(ncv.SchwingerDyson), TypeError, "SchwingerDyson()"),
    ("TwoPoint", lambda _: ncv.TwoPoint(smearing(), even())(jnp.ones(SHAPE)), ValueError, "no weights yet"),
    ("NeuralSchwingerDyson", lambda _: ncv.NeuralSchwingerDyson(SHAPE, width=0, key=jax.random.key(0)),
     ValueError, "width = 0 is too small"),
    ("NeuralSchwingerDyson", lambda _: ncv.NeuralSchwingerDyson(SHAPE, n_functions=3.5, key=jax.random.key(0)),
     TypeError, "n_functions must be an integer, got 3.5"),
    ("VariableProjection", lambda _: ncv.VariableProjection(0), ValueError, "must be positive integers"),
    ("VariableProjection", lambda _: fit(ncv.Contact(smearing(), even()), method=ncv.VariableProjection()),
     TypeError, "use LeastSquares or Adam"),
    # sweeps
    ("plan_sweep", lambda _: ncv.plan_sweep("6x4", 0.3, 0.5, "cnn"), ValueError, "the family 'cnn' is unknown"),
    ("SweepPlan", lambda _: ncv.SweepPlan(()), ValueError, "at least one task"),
    ("read_sweep", lambda _: ncv.read_sweep("none.toml"), FileNotFoundError, "there is no file none.toml"),
    ("read_sweep", lambda folder: ncv.read_sweep(text_file(folder)), ValueError, "notes.txt"),
    ("sweep", lambda folder: ncv.sweep(3, folder), TypeError, "a plan from plan_sweep(...), or the path"),
    ("sweep", lambda folder: ncv.sweep(ncv.plan_sweep("6x4", 0.3, 0.5), folder, workers=-1),
     ValueError, "workers = -1 must not be negative"),
    ("sweep_steps", lambda folder: next(ncv.sweep_steps(ncv.plan_sweep("6x4", 0.3, 0.5), folder, retries=0.5)),
     TypeError, "retries must be an integer"),
    ("slurm_cluster", lambda folder: ncv.slurm_cluster(folder, jobs=-1), ValueError, "jobs = -1"),
    ("SweepStore", lambda folder: ncv.SweepStore(folder), FileNotFoundError, "there is no sweep in"),
    ("read_rows", lambda folder: ncv.read_rows(text_file(folder)), ValueError, "does not hold the rows of a sweep"),
    # panels
    ("VarianceLab", lambda _: ncv.VarianceLab("20x20"), TypeError, "got '20x20'"),
    ("MassPanel", lambda _: ncv.MassPanel("20x20"), TypeError, "got '20x20'"),
    ("SamplerPanel", lambda _: ncv.SamplerPanel("20x20"), TypeError, "got '20x20'"),
    ("ComparePanel", lambda _: ncv.ComparePanel("20x20"), TypeError, "got '20x20'"),
    ("OverfitPanel", lambda _: ncv.OverfitPanel("20x20"), TypeError, "got '20x20'"),
    ("BreakEvenPanel", lambda _: ncv.BreakEvenPanel("20x20"), TypeError, "got '20x20'"),
    ("sample_steps", lambda _: next(ncv.sample_steps(theory(), 0, 0)), ValueError, "n_configs = 0"),
    # estimates
    ("ExactGaussian", lambda _: ncv.sample(theory(), 100, 0, method=ncv.ExactGaussian()), ValueError, "lam = 0"),
    ("autocorrelation", lambda _: ncv.autocorrelation([]), ValueError, "a series has shape"),
    ("tau_int", lambda _: ncv.tau_int([]), ValueError, "a series has shape"),
    ("tau_int", lambda _: ncv.tau_int([1.0, np.nan]), ValueError, "finite"),
    ("estimate", lambda _: estimate(model=SHAPE), TypeError, "must be a Theory"),
    ("estimate", lambda _: estimate(data=configs()), TypeError, "from_configs"),
    ("estimate", lambda _: estimate(model=theory((8, 8))), ValueError, "shape (8, 8)"),
    ("estimate", lambda _: estimate(model=theory(SHAPE, 24.0)), ValueError, "one and the same action"),
    ("estimate", lambda _: estimate(data=ensemble(8)), ValueError, "8 configurations are too few"),
    ("estimate", lambda _: estimate(ncv.Correlator().at(6)), ValueError, "t = 6 is out of range"),
    ("estimate", lambda _: estimate(errors="bootstrap"), ValueError, "'bootstrap' is unknown"),
    ("estimate", lambda _: estimate(control="linear"), TypeError, "'linear'"),
    ("estimate", lambda _: estimate(control=linear(), folds=1), ValueError, "folds = 1"),
    ("estimate", lambda _: estimate(control=ncv.Adam()), TypeError, "Adam() is a method and no field"),
    ("estimate", lambda _: estimate(3), TypeError, "an observable is a function"),
    ("estimate", lambda _: estimate(control=linear(), method="ridge"), TypeError, "'ridge' is unknown"),
    ("estimate", lambda _: estimate(control=linear((8, 8))), ValueError, "(8, 8)"),
    ("estimate", lambda _: estimate(control=solved()), ValueError, "all 40 configurations were used for the fit"),
    ("estimate_including_training", lambda _: ncv.estimate_including_training(theory(), ncv.MeanSquare(), ensemble(),
     solved()),
     ValueError, "but not phi^2"),
    ("check", lambda _: ncv.check(configs()), TypeError, "wrap an array of configurations"),
    ("check", lambda _: ncv.check(ensemble(), theory((4, 4))), ValueError, "has shape (4, 4)"),
    ("effective_mass", lambda _: ncv.effective_mass(np.ones(7)), TypeError, "expected an estimate of a Correlator"),
    ("fit_mass", lambda _: ncv.fit_mass(estimate(ncv.MeanSquare())), TypeError, "got one of phi^2"),
    ("fit_mass", lambda _: ncv.fit_mass(estimate(), 0, 4), ValueError, "L0 // 2 = 3"),
    ("fit_mass", lambda _: ncv.fit_mass(estimate(), 2, 3), ValueError, "needs 3 or more"),
    ("sigma_ratio", lambda _: ncv.sigma_ratio(np.ones(10), np.ones(5)), ValueError, "(10,) and (5,)"),
    ("validation_rows", lambda _: ncv.validation_rows(ncv.Data.measure(None, ncv.MeanSquare(), ensemble()), 2.0),
     ValueError, "must lie between 0 and 1"),
    ("to_corr", lambda _: ncv.to_corr(estimate(ncv.MeanSquare())), ValueError, "no correlator from t = 0 on"),
    ("write_pyerrors", lambda d: ncv.write_pyerrors(f"{d}/a.json", estimate()), ValueError, "must end in .json.gz"),
    ("write_record", lambda folder: ncv.write_record(os.path.join(folder, "numbers.txt"), {}),
     ValueError, "must end in .json or .csv"),
    ("register", lambda _: ncv.register(sum_of_squares), TypeError, "class"),
    ("register", lambda _: ncv.register(type("Phi4", (), {"__module__": "elsewhere"})),
     ValueError, "already registered"),
]  # fmt: skip

# Results of `estimate`, `fit_mass` and `sample`; and three that take any theory, number or estimate.
HARMLESS = {"AdamRun", "Check", "Estimate", "MassFit", "Chains", "SlowModes", "format_error", "record"}
HARMLESS |= {"data_frame", "latex_table"}


def label(case):
    return f"{case[0]}-{case[3][:30]}" if isinstance(case, tuple) else None


@pytest.mark.parametrize("case", TABLE, ids=label)
def test_message(case, tmp_path):
    _, call, error, text = case
    with pytest.raises(error) as caught:
        call(str(tmp_path))
    assert text in str(caught.value)
    # A message for people: a sentence or two, not a dump of arrays.
    assert len(str(caught.value)) < 500


def test_every_public_name_is_in_the_table():
    public = {name for name in ncv.__all__ if callable(getattr(ncv, name))}
    known = {case[0] for case in TABLE} | HARMLESS
    missing, unknown = sorted(public - known), sorted(known - public)
    assert not missing, f"add a wrong call of {missing}, and what its message says, to TABLE in tests/test_bad_input.py"
    assert not unknown, f"TABLE in tests/test_bad_input.py has {unknown}, which ncv_lab/__init__.pyi does not list"


# ---- nothing is half written ----


@pytest.mark.parametrize("what", ["fit", "ensemble"])
def test_a_failed_write_leaves_the_old_file(what, tmp_path, monkeypatch):
    path = saved(tmp_path, what)
    before = Path(path).read_bytes()

    def fails(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="no space left"):
        saved(tmp_path, what)
    assert Path(path).read_bytes() == before and os.listdir(tmp_path) == [os.path.basename(path)]


@pytest.mark.parametrize("what", ["fit", "ensemble"])
def test_a_folder_that_does_not_exist_is_not_made(what, tmp_path):
    with pytest.raises(FileNotFoundError):
        saved(tmp_path / "no", what)
    assert os.listdir(tmp_path) == []


def test_a_damaged_file_is_left_as_it_was(tmp_path):
    path = saved(tmp_path, "fit", 0.5)
    before = Path(path).read_bytes()
    with pytest.raises(ValueError, match="cut short"):
        ncv.load_fit(path)
    assert Path(path).read_bytes() == before

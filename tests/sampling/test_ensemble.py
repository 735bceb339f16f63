"""Ensemble: autocorrelation, splitting, files, warnings."""

import re
import warnings

import h5py
import jax
import numpy as np
import pytest

from ncv_lab.sampling.autocorrelation import autocorrelation, drift, tau_int
from ncv_lab.sampling.ensemble import Ensemble, load_ensemble
from ncv_lab.theory.action import Phi4, as_theory

THEORY = Phi4((4, 3), m2=0.1, lam=0.5)


def ar1(a: float, n_chains: int, n_draws: int, seed: int = 0, shape=()) -> np.ndarray:
    """Stationary chains (chain, draw, *shape) with rho(t) = a^t."""
    noise = np.random.default_rng(seed).normal(size=(n_draws, n_chains, *shape))
    x = [noise[0]]
    for xi in noise[1:]:
        x.append(a * x[-1] + (1 - a**2) ** 0.5 * xi)
    return np.moveaxis(np.array(x), 0, 1)


def make(n_chains: int = 4, n_draws: int = 10) -> Ensemble:
    return Ensemble.from_configs(ar1(0.0, n_chains, n_draws, shape=THEORY.shape), THEORY)


@pytest.mark.parametrize("a", [-0.3, 0.0, 0.5, 0.9])
def test_tau_int_is_that_of_an_ar1_chain(a):
    tau, error = tau_int(ar1(a, 20, 5000))
    exact = (1 + a) / (1 - a) / 2
    assert abs(tau - exact) < 4 * error + 0.01 * exact, (tau, error, exact)


def test_the_error_of_tau_int_is_right():
    values = np.array([tau_int(ar1(0.6, 4, 1000, seed)) for seed in range(60)])
    assert 0.7 < values[:, 0].std() / values[:, 1].mean() < 1.4


def test_autocorrelation_of_constants_short_and_stuck_chains():
    assert abs(tau_int(np.full((2, 30), 0.1))[0] - 0.5) < 0.1
    assert tau_int(np.ones((5, 1)))[0] >= 0.5
    assert autocorrelation(ar1(0.5, 1, 50)[0]).shape == (50,)
    # Chains that sit in different places never decorrelate, however quiet each of them is.
    stuck = ar1(0.0, 4, 200) + 10 * np.arange(4)[:, None]
    assert tau_int(stuck)[0] > 50


@pytest.mark.parametrize("shape", [(1, 8), (1, 40), (1, 400), (10, 8), (10, 40), (20, 100)])
def test_independent_configurations_are_not_accused(shape):
    for seed in range(20):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for series in (ar1(0.0, *shape, seed), ar1(0.0, *shape, seed) ** 2):
                tau, error = tau_int(series)
                assert tau - 2 * error <= max(2.0, shape[1] / 50) and abs(drift(series)) < 5


def test_cold_and_slow_chains_are_named():
    cold = ar1(0.3, 10, 200, shape=THEORY.shape) + 5 * 0.95 ** np.arange(200)[:, None, None]
    with pytest.warns(UserWarning, match=r"not thermalised|tau_int of"):
        Ensemble.from_configs(cold, THEORY)
    slow = ar1(0.97, 20, 300, shape=THEORY.shape)
    with pytest.warns(UserWarning, match="tau_int of"):
        ensemble = Ensemble.from_configs(slow, THEORY)
    assert "PROBLEM" in repr(ensemble)


def test_shapes_flat_and_fingerprints():
    ensemble = make()
    assert (ensemble.n_chains, ensemble.n_draws, ensemble.n_configs, ensemble.shape) == (4, 10, 40, (4, 3))
    assert ensemble.configs.dtype == np.float64
    assert (ensemble.flat[11] == ensemble.configs[1, 1]).all()
    prints = ensemble.fingerprints()
    assert prints.shape == (40,) and prints.dtype == np.uint64 and len(set(prints)) == 40
    assert (make().fingerprints() == prints).all()
    one = Ensemble.from_configs(ensemble.flat.astype(np.float32), THEORY)
    assert one.configs.shape == (1, 40, 4, 3) and one.configs.dtype == np.float64


def test_from_configs_keeps_a_copy():
    array = np.zeros((5, 4, 3))
    ensemble = Ensemble.from_configs(array, THEORY)
    array[:] = 1
    assert (ensemble.configs == 0).all()


def test_split_is_contiguous_in_markov_time():
    ensemble = make()
    first, rest = ensemble.split(12)
    assert (first.configs == ensemble.configs[:, :3]).all() and (rest.configs == ensemble.configs[:, 3:]).all()
    assert not set(first.fingerprints()) & set(rest.fingerprints())


@pytest.mark.parametrize(
    ("n", "near"), [(13, [12, 16]), (0, [4, 8]), (40, [36]), (41, [36]), (-3, [4, 8]), (3, [4, 8])]
)
def test_split_names_the_nearest_numbers(n, near):
    with pytest.raises(ValueError, match=re.escape(str(near))):
        make().split(n)


def test_select():
    ensemble = make()
    assert (ensemble.select(chains=1).configs == ensemble.configs[1:2]).all()
    assert (ensemble.select(chains=[0, -1], draws=slice(2, 5)).configs == ensemble.configs[[0, 3], 2:5]).all()


@pytest.mark.parametrize(
    ("action", "error", "text"),
    [
        (lambda: Ensemble.from_configs(np.ones((3, 3, 4)), THEORY), ValueError, "lattice shape (4, 3)"),
        (lambda: Ensemble.from_configs(np.ones((4, 3)), THEORY), ValueError, "expected (n, *shape)"),
        (lambda: Ensemble.from_configs(np.ones((2, 2, 2, 4, 3)), THEORY), ValueError, "expected (n, *shape)"),
        (lambda: Ensemble.from_configs(np.ones((0, 4, 3)), THEORY), ValueError, "no configuration"),
        (lambda: Ensemble.from_configs(np.full((2, 4, 3), np.nan), THEORY), ValueError, "nan at index"),
        (lambda: Ensemble.from_configs(np.array([["a"]]), THEORY), TypeError, "real numbers"),
        (lambda: make().split(2.5), TypeError, "n_configs"),
        (lambda: make().select(chains=7), ValueError, "use 0 to 3"),
        (lambda: make().select(draws=[]), ValueError, "selects nothing"),
        (lambda: make().extend(8), ValueError, "cannot be continued"),
        (lambda: tau_int(np.array([1.0, np.nan])), ValueError, "finite"),
        (lambda: tau_int(np.ones((2, 2, 2))), ValueError, "(chain, draw)"),
        (lambda: load_ensemble("/nowhere/run.h5"), FileNotFoundError, "there is no file"),
        (lambda: make().save("/nowhere/run.h5"), FileNotFoundError, "create it first"),
    ],
)
def test_bad_input(action, error, text):
    with pytest.raises(error, match=re.escape(text)):
        action()


def test_save_and_load(tmp_path):
    ensemble = make()
    ensemble.save(tmp_path / "run.h5")
    again = load_ensemble(tmp_path / "run.h5")
    assert (again.configs == ensemble.configs).all() and repr(again) == repr(ensemble)
    assert float(again.theory.m2) == 0.1 and again.theory.shape == (4, 3)
    assert (again.fingerprints() == ensemble.fingerprints()).all()
    assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]


def test_a_theory_from_a_function_is_handed_over(tmp_path):
    theory = as_theory(lambda phi: (phi**2).sum(), (4, 3), name="ultralocal")
    Ensemble.from_configs(make().configs, theory).save(tmp_path / "run.h5")
    with pytest.raises(ValueError, match=r"'ultralocal'.*pass it"):
        load_ensemble(tmp_path / "run.h5")
    assert load_ensemble(tmp_path / "run.h5", theory=theory).theory is theory
    with pytest.raises(ValueError, match=re.escape("(6, 4)")):
        load_ensemble(tmp_path / "run.h5", theory=Phi4((6, 4), 0.1, 0.5))


@pytest.mark.parametrize("keep", [0, 10, 1000, -1])
def test_a_truncated_file_is_refused(tmp_path, keep):
    path = tmp_path / "run.h5"
    make().save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="cut short"):
        load_ensemble(path)


def test_foreign_files_are_refused(tmp_path):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["configs"] = np.ones((2, 3))
    with pytest.raises(ValueError, match="does not hold an ensemble"):
        load_ensemble(tmp_path / "foreign.h5")


def test_the_summary_is_one_screen():
    text = repr(make())
    assert "Ensemble of Phi4 on 4 x 3, m2 = 0.1, lam = 0.5" in text and "4 chains x 10 draws" in text
    assert "M^2" in text and len(text.splitlines()) < 12


def test_configs_of_jax_are_welcome():
    assert Ensemble.from_configs(jax.numpy.ones((2, 4, 3)), THEORY).n_configs == 2

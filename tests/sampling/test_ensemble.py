"""Ensemble: its parts, its history and warnings, its files."""

import json
import re

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers import ar1
from ncv_lab.sampling.ensemble import Ensemble, issue_warnings, load_ensemble
from ncv_lab.theory.action import Phi4, as_theory
from ncv_lab.theory.lattice import laplacian

THEORY = Phi4((4, 3), m2=0.1, lam=0.5)


def make(n_chains: int = 4, n_draws: int = 10) -> Ensemble:
    return Ensemble.from_configs(ar1(0.0, n_chains, n_draws, shape=THEORY.shape), THEORY)


def test_cold_and_slow_chains_are_named():
    cold = ar1(0.3, 10, 200, shape=THEORY.shape) + 5 * 0.95 ** np.arange(200)[:, None, None]
    with pytest.warns(UserWarning, match=r"not thermalised|tau_int of"):
        Ensemble.from_configs(cold, THEORY)
    slow = ar1(0.97, 20, 300, shape=THEORY.shape)
    with pytest.warns(UserWarning, match="tau_int of"):
        ensemble = Ensemble.from_configs(slow, THEORY)
    assert "WARNING" in repr(ensemble)
    with pytest.warns(UserWarning) as caught:
        assert issue_warnings(ensemble) is ensemble
    assert tuple(str(one.message) for one in caught) == ensemble.warnings
    with pytest.warns(DeprecationWarning, match=r"Ensemble\.warnings"):
        assert ensemble.problems == ensemble.warnings


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


def test_enormous_numbers_are_summarised():
    "The action of numbers of size 1e150 does not fit into float64; where they come from is told by their size."
    configs = np.random.default_rng(0).normal(size=(4, 25, *THEORY.shape))
    with pytest.warns(UserWarning, match=r"S/V: not finite on these .* largest number is [34]\.\d+e\+150"):
        enormous = Ensemble.from_configs(1e150 * configs, THEORY)
    assert "WARNING         S/V: not finite" in repr(enormous)
    ordinary = Ensemble.from_configs(configs, THEORY).slow_modes
    for label in ("M", "M^2", "|phi_k|^2"):
        np.testing.assert_allclose(enormous.slow_modes[label], ordinary[label], rtol=1e-10)


def test_configs_of_jax_are_welcome():
    assert Ensemble.from_configs(jax.numpy.ones((2, 4, 3)), THEORY).n_configs == 2


# ---- components at a site ----


def free(phi):
    "Free components, phi of shape (4, 3, N)."
    return jnp.sum(phi * (0.3 * phi - laplacian(phi, n_axes=2))) / 2


COMPONENTS = as_theory(free, (4, 3), event_shape=(2,))


def test_an_ensemble_with_components():
    ensemble = Ensemble.from_configs(ar1(0.0, 4, 50, shape=(4, 3, 2)), COMPONENTS)
    assert ensemble.shape == (4, 3, 2) and ensemble.flat.shape == (200, 4, 3, 2)
    assert "on 4 x 3 with components of shape (2,)" in repr(ensemble) and not ensemble.warnings
    assert Ensemble.from_configs(ensemble.flat, COMPONENTS).n_configs == 200
    with pytest.raises(ValueError, match=r"lattice shape \(4, 3\) and the event shape \(2,\)"):
        Ensemble.from_configs(np.ones((5, 4, 3)), COMPONENTS)


def test_a_file_knows_the_axes_of_the_lattice(tmp_path):
    path = tmp_path / "run.h5"
    ensemble = Ensemble.from_configs(ar1(0.0, 4, 50, shape=(4, 3, 2)), COMPONENTS)
    ensemble.save(path)
    assert (load_ensemble(path, theory=COMPONENTS).configs == ensemble.configs).all()
    three_axes = as_theory(lambda phi: (phi**2).sum(), (4, 3, 2))
    with pytest.raises(ValueError, match=r"theory has the lattice shape \(4, 3, 2\), the file .* event shape \(2,\)"):
        load_ensemble(path, theory=three_axes)


def test_a_file_without_an_event_shape_holds_a_scalar_field(tmp_path):
    path = tmp_path / "run.h5"
    make().save(path)
    with h5py.File(path) as file, h5py.File(tmp_path / "old.h5", "w") as old:  # as version 0.1 wrote it: no checksum
        for name in file:
            file.copy(name, old)
        header = json.loads(file.attrs["ncv_lab"])
        del header["event_shape"]
        old.attrs["ncv_lab"] = json.dumps(header)
    assert (load_ensemble(tmp_path / "old.h5").configs == make().configs).all()

"""Replicas of unequal length and missing trajectories: the array, the file, the folds, the errors and pyerrors."""

import warnings

import h5py
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import THEORY, ar1
from ncv_lab.analysis.cross_fit import folds_of
from ncv_lab.analysis.errors import _gamma_errors_of_pairs, gamma_errors, mean_errors
from ncv_lab.fitting.data import Data
from ncv_lab.sampling.autocorrelation import autocorrelation, drift, tau_int
from ncv_lab.sampling.ensemble import Ensemble, load_ensemble

LENGTHS = (40, 25, 60)
CHAINS = [ar1(0.5, 1, n, seed=n, shape=THEORY.shape)[0] for n in LENGTHS]
# The first chain lost five trajectories, the others were measured on every second one, from different numbers on.
NUMBERS = [np.delete(np.arange(100, 190, 2), [3, 7, 8, 20, 30]), np.arange(0, 50, 2), np.arange(7, 127, 2)]


def uneven(**options):
    return Ensemble.from_configs(CHAINS, THEORY, **options)


def with_gaps():
    return uneven(trajectories=NUMBERS, replicas=["a", "b", "c"])


def test_chains_of_unequal_length_are_an_ensemble():
    ensemble = uneven()
    assert (ensemble.n_chains, ensemble.n_draws, ensemble.n_configs) == (3, 60, 125)
    assert not ensemble.is_even and ensemble.places.lengths == LENGTHS
    np.testing.assert_array_equal(ensemble.flat, np.concatenate(CHAINS))
    grid = ensemble.in_chains(np.arange(125.0))
    assert grid.shape == (3, 60) and np.isfinite(grid).sum(axis=1).tolist() == list(LENGTHS)
    assert "3 chains of 25 to 60 draws" in repr(ensemble)
    assert len(ensemble.fingerprints()) == 125 and not ensemble.warnings


def test_trajectories_are_places_at_their_spacing():
    ensemble = with_gaps()
    places = ensemble.places
    assert (places.spacing, ensemble.n_draws, ensemble.replica_names) == (2, 60, ("a", "b", "c"))
    np.testing.assert_array_equal(places.draw[:5], [0, 1, 2, 4, 5])
    assert "steps of 2, 5 missing" in repr(ensemble)
    regular = Ensemble.from_configs(np.stack([CHAINS[0], CHAINS[2][:40]]), THEORY, trajectories=range(5, 205, 5))
    assert regular.is_even and regular.configs.shape[:2] == (2, 40) and regular.places.spacing == 5


def test_even_chains_stay_an_array_and_keep_their_numbers():
    configs = ar1(0.0, 3, 20, shape=THEORY.shape)
    ensemble = Ensemble.from_configs(configs, THEORY)
    assert ensemble.is_even and ensemble.trajectories is None and ensemble.lengths is None
    first, rest = ensemble.split(15, gap=2)
    assert first.trajectories is None and rest.trajectories[:3].tolist() == [8, 9, 10] and rest.is_even
    last = rest.select(chains=[2], draws=slice(0, None, 3))
    assert last.replicas == ("r00002",) and last.places.spacing == 3 and last.is_even
    assert Ensemble.from_configs(list(configs), THEORY).configs.shape == configs.shape


def test_split_and_select_cut_all_chains_at_one_place():
    ensemble = with_gaps()
    first, rest = ensemble.split(3 * 20 - 3, gap=5)
    assert first.places.lengths == (17, 20, 20) and rest.replicas == ("a", "c")
    assert rest.trajectories[0] == 150 and rest.places.lengths == (19, 35)
    with pytest.raises(ValueError, match=r"3 chains of 25 to 60 draws: the nearest valid numbers are \[57, 59\]"):
        ensemble.split(58)
    with pytest.raises(ValueError, match="gap = 60 does not fit"):
        ensemble.split(57, gap=60)
    picked = ensemble.select(chains=[0, 2], draws=slice(10, None))
    assert picked.replicas == ("a", "c") and picked.places.lengths == (33, 50)
    with pytest.raises(ValueError, match="draws are missing there"):
        ensemble.select(chains=1, draws=[50])


def test_a_file_keeps_lengths_trajectories_and_names(tmp_path):
    path = tmp_path / "run.h5"
    for ensemble in (uneven(), with_gaps(), with_gaps().select(chains=0)):
        ensemble.save(path)
        again = load_ensemble(path)
        np.testing.assert_array_equal(again.configs, ensemble.configs)
        assert again.lengths == ensemble.lengths and again.replica_names == ensemble.replica_names
        np.testing.assert_array_equal(again.places.trajectory, ensemble.places.trajectory)


def test_a_file_with_a_history_that_cannot_be_is_refused(tmp_path):
    with_gaps().save(tmp_path / "run.h5")
    header = {"lengths": [41, 25, 60], "trajectories": np.arange(125) // 2}
    messages = {
        "lengths": r"holds 125 configurations, but its chains have \(41, 25, 60\)",
        "trajectories": "is damaged: the trajectories of chain 0 must ascend, but 0 follows 0",
        "format": "has the format 3, this version of ncv_lab reads 1 and 2",
    }
    for name, message in messages.items():
        with h5py.File(tmp_path / "run.h5") as file, h5py.File(tmp_path / "other.h5", "w") as other:
            for key in file:
                file.copy(key, other)
            other.attrs["ncv_lab"] = file.attrs["ncv_lab"]
            if name == "format":
                other.attrs["ncv_lab"] = file.attrs["ncv_lab"].replace('"format": 2', '"format": 3')
            else:
                other[name][...] = header[name]
        with pytest.raises(ValueError, match=message):
            load_ensemble(tmp_path / "other.h5")


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"trajectories": [[1, 2]] * 3}, ValueError, r"have \(40, 25, 60\) configurations, the lists of trajectories"),
        ({"trajectories": [np.arange(n)[::-1] for n in LENGTHS]}, ValueError, "chain 0 must ascend, but 38 follows 39"),
        ({"trajectories": [np.arange(n) / 2 for n in LENGTHS]}, TypeError, "must be integers, got float64"),
        ({"trajectories": [np.r_[0, 10**9 + np.arange(1, n)] for n in LENGTHS]}, ValueError, "gaps that are too"),
        ({"replicas": ["a", "a", "b"]}, ValueError, "must be 3 different ones"),
    ],
)
def test_a_history_that_cannot_be(options, error, text):
    with pytest.raises(error, match=text):
        uneven(**options)


def test_chains_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"list of 2 arrays of different shapes"):
        Ensemble.from_configs([np.ones((4, 6, 4)), np.ones((5, 4, 6))], THEORY)
    with pytest.raises(ValueError, match=r"chain 0 has shape \(4, 4, 6\); expected the last axes"):
        Ensemble.from_configs([np.ones((4, 4, 6)), np.ones((5, 4, 6))], THEORY)


# ---- autocorrelations and errors ----


def slow_chains(a, n_chains, n_draws, seed, fraction):
    "AR(1) chains (chain, draw, 1) of which a random part is missing, and which differ in length."
    rng = np.random.default_rng(seed)
    series = ar1(a, n_chains, n_draws, seed=seed)
    series[rng.random(series.shape) < fraction] = np.nan
    for chain in range(1, n_chains):
        series[chain, rng.integers(n_draws // 3, n_draws) :] = np.nan
    return series[..., None]


def test_autocorrelations_are_averages_over_the_pairs_that_there_are():
    series = slow_chains(0.8, 3, 12, 0, 0.3)[..., 0]
    x = series - np.nanmean(series)
    direct = [np.nanmean(x[:, : 12 - t] * x[:, t:]) for t in range(5)]
    np.testing.assert_allclose(autocorrelation(series, missing=True)[:5], np.array(direct) / direct[0])
    long = slow_chains(0.8, 20, 3000, 1, 0.5)[..., 0]
    tau, error = tau_int(long, missing=True)
    assert abs(tau - 4.5) < 4 * error < 1.5
    with pytest.raises(ValueError, match="finite"):
        tau_int(series)
    assert abs(drift(long)) < 4 and drift(long - 0.2 * np.arange(3000) / 750) > 5


def test_complete_chains_have_the_errors_of_pyerrors():
    """The sum over pairs is that of pyerrors if no draw is missing."""
    for samples in (ar1(0.9, 4, 500)[..., None], slow_chains(0.8, 3, 400, 0, 0.0)):
        whole = gamma_errors(samples)
        pairs = _gamma_errors_of_pairs(samples)
        for name in ("error", "error_error", "tau_int", "tau_int_error"):
            np.testing.assert_allclose(getattr(pairs, name), getattr(whole, name), rtol=1e-3)
        assert "missing draws" in pairs.method and "missing" not in whole.method


@pytest.mark.parametrize("fraction", [0.0, 0.6])
def test_pulls_of_uneven_chains(fraction):
    """tau_int = 4.5: standard deviation 1 within 4 standard errors of 200 ensembles; the jackknife agrees."""
    pulls = []
    ratios = []
    for seed in range(200):
        samples = slow_chains(0.8, 4, 600, seed, fraction)
        error = gamma_errors(samples).error[0]
        pulls.append(np.nanmean(samples) / error)
        ratios.append(mean_errors(samples, "jackknife").error[0] / error)
    assert abs(np.mean(pulls)) < 4 / 200**0.5
    assert abs(np.std(pulls) - 1) < 4 / 400**0.5
    assert abs(np.mean(ratios) - 1) < 0.1


# ---- folds, estimates and exports ----


def test_folds_of_uneven_chains():
    data = Data.measure(None, ncv.MeanSquare(), with_gaps())
    folds = folds_of(data, 5, gap=2)
    held_out = np.concatenate([fold.held_out for fold in folds])
    assert sorted(held_out) == list(range(125))
    for fold in folds:
        for row in fold.held_out:
            same = data.chain[fold.fitted_on] == data.chain[row]
            assert (abs(data.draw[fold.fitted_on][same] - data.draw[row]) > 2).all()
    chains = folds_of(data, 3, gap=2)
    assert [np.unique(data.chain[fold.held_out]).size for fold in chains] == [1, 1, 1]


@pytest.fixture(scope="module")
def best():
    field = ncv.OddMLP(THEORY.shape, depth=0, symmetric=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return ncv.estimate(None, ncv.Correlator().at(2), with_gaps(), field, progress=False)


def test_an_estimate_of_uneven_chains(best):
    assert best.n_configs == 125 and best.raw.n_configs == 125
    direct = ncv.measure(ncv.Correlator().at(2), np.concatenate(CHAINS), THEORY)
    np.testing.assert_allclose(best.raw.value, direct.mean())
    assert "3 chains of 25 to 60 draws" in str(best) and np.isfinite(best.error)


def test_pyerrors_gets_the_names_and_trajectories(best):
    (obs,) = best.to_pyerrors("run")
    assert obs.names == ["run|a", "run|b", "run|c"]
    for name, numbers in zip("abc", NUMBERS, strict=True):
        assert list(obs.idl[f"run|{name}"]) == numbers.tolist()
    np.testing.assert_allclose(obs.value, best.value)


def test_the_rest_of_a_split_keeps_its_trajectories():
    """Observables of two parts of a run have different `idl`, so pyerrors does not take them for the same draws."""
    ensemble = Ensemble.from_configs(ar1(0.0, 2, 60, shape=THEORY.shape), THEORY)
    _, rest = ensemble.split(40, gap=4)
    (obs,) = ncv.estimate(None, ncv.MeanSquare(), rest).to_pyerrors()
    assert list(obs.idl["ensemble|r00001"]) == list(range(25, 61))


def test_a_fit_to_the_first_part_is_averaged_over_the_rest():
    ensemble = with_gaps()
    train, rest = ensemble.split(57)
    field = ncv.OddMLP(THEORY.shape, depth=0, symmetric=True)
    fit = ncv.fit(field, None, ncv.Correlator().at(2), train, progress=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = ncv.estimate(None, ncv.Correlator().at(2), ensemble, fit)
    assert any("57 of 125 configurations have been used" in str(one.message) for one in caught)
    assert 125 - 57 - 20 < found.n_configs < rest.n_configs
    assert np.nanmin(found.trajectories[0]) == 144 and found.replicas == ("a", "b", "c")


def test_check_takes_uneven_chains():
    chains = [ncv.sample(THEORY, n, n, n_chains=1, progress=False).configs[0] for n in (300, 200)]
    report = ncv.check(Ensemble.from_configs(chains, THEORY))
    assert report.passed and report.n_configs == 500, str(report)


def test_blocks_give_the_numbers_of_the_whole():
    """float32 blocks of chains of unequal length, with a fit to others; configurations of the fit are refused."""
    train = Ensemble.from_configs(ar1(0.0, 2, 50, seed=9, shape=THEORY.shape), THEORY)
    field = ncv.OddMLP(THEORY.shape, depth=0, symmetric=True)
    fit = ncv.fit(field, None, ncv.Correlator().at(2), train, progress=False)
    single = [chain.astype(np.float32) for chain in CHAINS]
    blocks = [(number, chain[k : k + 20]) for number, chain in enumerate(single) for k in range(0, len(chain), 20)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # these are no configurations of the action
        whole = ncv.estimate(None, fit.observable, Ensemble.from_configs(single, THEORY), fit)
        found = ncv.estimate_blocks(THEORY, fit.observable, iter(blocks), fit)
    np.testing.assert_allclose([found.value, found.error, found.raw.error], [whole.value, whole.error, whole.raw.error])
    with pytest.raises(ValueError, match="the fit has seen configurations of these blocks"):
        ncv.estimate_blocks(THEORY, fit.observable, [train.configs[0]], fit)

"""The work of one task: an ensemble once, a fit on its first part, a row about its last part."""

import json
import warnings
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import ncv_lab as ncv
from ncv_lab.sweeps import work
from ncv_lab.sweeps.work import GAP, break_even, fit_task, sample_ensemble, speedup, stopwatch


def test_an_ensemble_is_as_long_as_its_longest_fit_and_sampled_once(tmp_path):
    plan = ncv.plan_sweep("6x4", 0.3, 0.0, "linear", n_configs=[40, 60], seed=5, n_chains=10, n_test=20)
    name = plan.tasks[0].ensemble
    path = sample_ensemble(name, plan, tmp_path)
    ensemble = ncv.load_ensemble(path)
    assert (ensemble.n_chains, ensemble.n_draws) == (10, 6 + GAP + 2)
    again = ncv.sample(ncv.Phi4((6, 4), 0.3, 0.0), 100, 5, n_chains=10, progress=False)
    np.testing.assert_array_equal(ensemble.configs, again.configs)
    files = sorted(file.name for file in (tmp_path / "ensembles").iterdir())
    assert files == [f"{name}.h5", f"{name}.json"]
    assert json.loads((tmp_path / "ensembles" / f"{name}.json").read_text())["seconds_per_config"] > 0
    (tmp_path / "ensembles" / f"{name}.json").unlink()
    assert sample_ensemble(name, plan, tmp_path) == path
    assert not (tmp_path / "ensembles" / f"{name}.json").exists(), "nothing was sampled again"


def test_a_row_is_judged_on_configurations_that_the_fit_never_saw(tmp_path, small_plan, with_ensembles):
    with_ensembles(small_plan, tmp_path)
    small, large, _ = small_plan.tasks
    path = str(tmp_path / "ensembles" / f"{small.ensemble}.h5")
    ensemble = ncv.load_ensemble(path)
    for task in (small, large):
        row = fit_task(task, small_plan, tmp_path, path)
        train = ensemble.select(draws=slice(0, task.n_configs // 10))
        test = ensemble.select(draws=slice(22, None))
        assert not set(train.fingerprints()) & set(test.fingerprints())
        field = ncv.OddMLP((6, 4), depth=0, symmetric="time")
        fit = ncv.fit(field, None, ncv.Correlator().at(3), train, progress=False)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            expected = ncv.estimate(None, fit.observable, test, fit)
        assert row["message"] == "; ".join(str(one.message) for one in caught)
        assert (row["sigma_ratio"], row["error"], row["n_test"]) == (expected.sigma_ratio, expected.error, 100)
        assert row["raw_error"] == expected.raw.error and row["label"] == "C(3)" and row["status"] == "finished"
        assert "do not look like those of the action" in row["message"]
        assert json.loads(json.dumps(row["record"]))["sigma_ratio"] == [row["sigma_ratio"]]
        assert (row["shape"], row["lam"], row["family"], row["n_configs"]) == ("6x4", 0.5, "linear", task.n_configs)


def test_a_network_is_trained_with_a_checkpoint_that_is_removed(tmp_path, with_ensembles, monkeypatch):
    plan = ncv.plan_sweep("6x4", 0.3, 0.5, "mlp", width=2, delta=0.1, n_configs=100, n_chains=10, n_test=100, steps=9)
    [task] = plan.tasks
    asked = {}

    def fit(field, theory, observable, train, **options):
        "In place of a training: a linear fit that writes the file."
        asked.update(options, width=field.width, labels=observable.labels((6, 4)), n_configs=train.n_configs)
        options["checkpoint"].touch()
        return ncv.fit(ncv.OddMLP((6, 4), depth=0, symmetric="time"), theory, observable, train, progress=False)

    monkeypatch.setattr(work, "family_field", lambda *_, width, **__: SimpleNamespace(width=width))
    monkeypatch.setattr(work, "fit", fit)
    with_ensembles(plan, tmp_path)
    row = fit_task(task, plan, tmp_path, str(tmp_path / "ensembles" / f"{task.ensemble}.h5"))
    assert (row["width"], row["depth"], row["delta"]) == (2, 1, 0.1)
    assert (asked["width"], asked["labels"], asked["n_configs"]) == (2, ("C(3)",), 100)
    assert (asked["method"].steps, float(asked["method"].loss.l2)) == (9, 0.1)
    assert asked["checkpoint"].name == f"{task.name}.checkpoint"
    assert not list((tmp_path / "checkpoints").iterdir())


NUMBERS = {"error_ratio": 3.0, "n_test": 1000, "seconds_fit": 2.0, "seconds_per_evaluation": 1e-3}


def test_at_the_break_even_both_ways_take_the_same_time():
    cost = break_even(500, NUMBERS)
    assert cost == pytest.approx((2 + 1) / (8 * 1000 - 500))
    assert speedup(500, {**NUMBERS, "seconds_per_config": cost}) == pytest.approx(1.0)
    assert speedup(500, {**NUMBERS, "seconds_per_config": 2 * cost}) > 1
    assert break_even(8000, NUMBERS) is None
    assert break_even(500, {**NUMBERS, "error_ratio": np.inf}) == 0.0


def test_compilation_is_counted_apart():
    def function(x):
        return x * 3.25 + 1.5

    with stopwatch() as first:
        jax.jit(function)(1.0)
    with stopwatch() as second:
        pass
    assert first.compiling > 0 and first.seconds > 0 and second.compiling == 0
    assert work._covered([(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (1.5, 1.7)]) == 4.0

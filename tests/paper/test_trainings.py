"""The trainings of the paper: Table I, disjoint configurations, checkpoints."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ncv_lab import OddMLP, Phi4, estimate, load_fit
from ncv_lab.analysis.averages import columns
from ncv_lab.analysis.errors import jackknife, leave_one_out
from ncv_lab.paper.reproduce import Candidate, against_coupling, break_even
from ncv_lab.paper.trainings import (
    FIG1,
    FIG2,
    FIG3,
    Training,
    configurations,
    history,
    run,
    run_together,
    split,
    train_figure,
)

SMALL = Training((6, 4), 0.3, 0.5, t=3, depth=1, width=2, delta=0.1, n_train=200, n_measure=100)


@pytest.fixture(scope="module")
def ensemble():
    return configurations(SMALL, n_most=400)


def test_presets_are_table_i():
    rows = {
        "Fig. 1": (FIG1, {(20, 20)}, {0.1}, {0.5, 24.0}, {0.0}, {10}, {10_000, 1000}),
        "Fig. 2": (FIG2, {(40, 40)}, {0.1}, {0.5, 24.0}, {0.05, 0.0005}, {20}, {1000}),
        "Fig. 3": (FIG3, {(40, 10)}, {0.01}, {0.1}, {0.1}, {20, 10}, {1000}),
    }
    for preset, *expected in rows.values():
        names = ("shape", "m2", "lam", "delta", "t", "n_train")
        assert [{getattr(training, name) for training in preset} for name in names] == expected
    assert {(training.depth, training.width) for training in FIG1 if training.depth} == {(5, 4)}
    assert {(training.depth, training.width) for training in FIG3} == {(1, 16)}
    assert len({training.name for training in (*FIG1, *FIG2, *FIG3)}) == len(FIG1) + len(FIG2) + len(FIG3)


def test_the_last_layer_starts_at_zero():
    assert not FIG1[0].field().last.any() and FIG1[0].field().kernels.any()


def test_all_layers_may_start_at_random():
    started = replace(FIG1[0], random_start=True)
    field = started.field()
    assert field.last.all() and "_random_" in started.name
    assert np.isclose(field.kernels.var(), 2 / 400, rtol=5 * (2 / 1600) ** 0.5)
    assert np.isclose(np.var(field.hidden), 2 / 4, rtol=5 * (2 / 64) ** 0.5)


def test_the_ratio_by_blocks_is_that_of_the_errors_of_block_means(ensemble):
    *_, fit = run(SMALL, 1000, ensemble)
    found = history(SMALL, fit, ensemble)["test"]
    _, test = split(SMALL, ensemble)
    kept = estimate(SMALL.theory, SMALL.observable, test, fit)
    block = np.broadcast_to(np.arange(20)[:, None], kept.samples.shape[:2])
    errors = [jackknife(leave_one_out(columns(samples), block)) for samples in (kept.raw.samples, kept.samples)]
    assert np.isclose(found["by_blocks"], np.squeeze(errors[0] / errors[1]), rtol=0.02)  # blocks may lack a draw


def test_training_measuring_and_test_sets_share_nothing(ensemble):
    seen, test = split(SMALL, ensemble)
    assert (seen.n_configs, test.n_configs) == (300, 100)
    parts = [set(part.fingerprints()) for part in (*seen.split(200), test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 400


def test_all_sizes_of_the_training_set_share_measuring_and_test_sets(ensemble):
    larger = replace(SMALL, n_train=400)
    small, large = split(SMALL, ensemble), split(larger, ensemble)
    assert np.array_equal(small[1].configs, large[1].configs)
    assert np.array_equal(small[0].configs[:, -5:], large[0].configs[:, -5:])


def test_too_few_configurations_are_refused(ensemble):
    with pytest.raises(ValueError, match="needs 600"):
        split(replace(SMALL, n_train=600), ensemble)


def test_a_training_that_was_stopped_goes_on(ensemble, tmp_path):
    steps = run(SMALL, 3000, ensemble, tmp_path, check_every=500)
    next(steps), next(steps)
    steps.close()
    assert [path.name for path in tmp_path.iterdir()] == [f"{SMALL.name}.safetensors"]
    *_, resumed = run(SMALL, 3000, ensemble, tmp_path, check_every=500)
    *_, at_once = run(SMALL, 3000, ensemble, check_every=500)
    for name in ("step", "train_ratio", "validation_ratio"):
        assert np.array_equal(resumed.history[name], at_once.history[name])
    (again,) = run(SMALL, 3000, ensemble, tmp_path)
    assert again.state["step"] == 3000


@pytest.mark.slow
def test_networks_of_several_widths_and_training_sets_train_together(tmp_path):
    ensemble = configurations(SMALL, n_most=400)
    trainings = [
        replace(SMALL, width=width, n_train=n_train, average_weights=bool(seed), random_start=bool(seed), seed=seed)
        for width, n_train, seed in ((1, 200, 0), (3, 400, 1), (2, 200, 2))
    ]
    for _ in run_together(trainings, 300, ensemble, tmp_path, check_every=150):
        break  # stopped at the first check: what is there is saved, and goes on
    *_, together = run_together(trainings, 600, ensemble, tmp_path, check_every=150)
    for training, found in zip(trainings, together, strict=True):
        *_, alone = run(training, 600, ensemble, check_every=150)
        assert found.history["step"].tolist() == [0, 150, 300, 450, 600]
        for name in ("loss", "train_ratio", "validation_ratio"):
            assert np.allclose(found.history[name], alone.history[name], rtol=1e-6)
        assert found.control.field.width == training.width
        assert load_fit(tmp_path / f"{training.name}.safetensors").state["step"] == 600


def test_history_is_thinned_and_judged_on_the_test_set(ensemble):
    *_, fit = run(SMALL, 4000, ensemble, check_every=100)
    found = history(SMALL, fit, ensemble, points=10)
    step = found["history"]["step"]
    assert step[0] == 0 and step[-1] == 4000 and len(step) <= 11
    assert found["n_test"] <= 100 and found["test"]["sigma_ratio"] > 1
    assert found["setting"]["lam"] == 0.5


@pytest.fixture
def small_figure(monkeypatch):
    trainings = tuple(replace(SMALL, depth=depth, lam=lam) for depth in (0, 1) for lam in (0.5, 24.0))
    monkeypatch.setattr("ncv_lab.paper.trainings.QUICK", {"fig1": trainings})


def test_a_figure_is_plain_numbers_and_goes_on(small_figure, tmp_path):
    said = []
    first = train_figure("fig1", quick=True, steps=1000, folder=tmp_path, say=said.append)
    more = train_figure("fig1", quick=True, steps=2000, folder=tmp_path)
    assert json.loads(json.dumps(first)) and len(said) == len(first["trainings"]) == 4
    for before, after in zip(first["trainings"], more["trainings"], strict=True):
        assert before["name"] == after["name"] and after["history"]["step"][-1] == 2000
    assert first["solved"] == more["solved"] and {line["lam"] for line in first["solved"]} == {0.5, 24.0}
    assert all(line["time"]["sigma_ratio"] > 1 and line["n_test"] <= 100 for line in first["solved"])


def test_a_figure_trained_together_is_the_same(small_figure, tmp_path):
    with pytest.raises(ValueError, match="give one"):
        train_figure("fig1", quick=True, steps=400, together=True)
    one_by_one = train_figure("fig1", quick=True, steps=400)
    together = train_figure("fig1", quick=True, steps=400, folder=tmp_path, together=True)
    for a, b in zip(one_by_one["trainings"], together["trainings"], strict=True):
        assert a["name"] == b["name"] and np.isclose(a["test"]["sigma_ratio"], b["test"]["sigma_ratio"], rtol=1e-3)


def test_break_even_counts_every_cost():
    field = OddMLP((8, 4), depth=0, symmetric="time")
    paid = break_even(Phi4((8, 4), 0.3, 0.5), field, n_configs=400)
    seconds, brute = paid["seconds"], paid["brute_force"]
    assert seconds["all"] >= sum(seconds[name] for name in ("sampling", "fitting", "evaluating"))
    assert np.isclose(paid["factor"], brute["draws"] * brute["per_draw"] / seconds["all"])
    assert np.isclose(brute["draws"] / 400, paid["error_ratio"] ** 2, rtol=0.5)
    # at the cost found, sampling as many configurations as brute force needs takes as long as fitting
    fitting = seconds["fitting"] + seconds["evaluating"]
    assert np.isclose(paid["cost"] * (brute["independent"] - 400), fitting)


def test_against_coupling_finds_the_free_theory_exact():
    fields = {"linear": Candidate(OddMLP((8, 4), depth=0, symmetric="time"))}
    free, strong = against_coupling(fields, (0.0, 24.0), (8, 4), 0.3, n_configs=400)
    assert free["sigma_ratio"] > 1e3 > strong["sigma_ratio"] > 1 and free["n_test"] == 200

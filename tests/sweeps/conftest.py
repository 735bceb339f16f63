"""What the tests of a sweep share: a plan whose ensembles are there already, so that nothing is sampled."""

import json

import numpy as np
import pytest

import ncv_lab as ncv


@pytest.fixture
def small_plan():
    "Three fits on one ensemble."
    options = {"n_chains": 10, "n_test": 100, "steps": 20}
    solved = ncv.plan_sweep("6x4", 0.3, 0.5, ["linear", "phi"], n_configs=[100, 200], **options)
    return ncv.SweepPlan(solved.tasks[:3], **solved.options)


@pytest.fixture
def with_ensembles():
    "Write ensembles of random configurations into the folder of a sweep: a fit does not care where they come from."

    def write(plan, folder):
        for name, tasks in plan.ensembles.items():
            theory = ncv.Phi4(tasks[0].shape, tasks[0].m2, tasks[0].lam)
            configs = np.random.default_rng(tasks[0].seed).normal(size=(plan.n_chains, 32, *theory.shape)) / 2
            path = folder / "ensembles" / f"{name}.h5"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".json").write_text(json.dumps({"seconds_per_config": 1e-3}))
            ncv.Ensemble.from_configs(configs, theory).save(path)
        return folder

    return write

"""Checkpoints: a run that was stopped anywhere comes to the same result, and no run takes up that of another."""

import errno
import importlib.util
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import CORR, KEY, THEORY, ensemble, net
from ncv_lab.fitting.fit import fit_steps
from ncv_lab.sampling.hmc import _request, init, sample_steps
from ncv_lab.theory.action import FunctionTheory
from ncv_lab.utils import checkpoint as chapter
from ncv_lab.utils.checkpoint import Checkpoint

SAMPLE = {"n_chains": 4, "n_thermal": 30}


@pytest.fixture
def every_step(monkeypatch):
    "Checkpoints are written at each step."
    monkeypatch.setattr(Checkpoint, "is_due", True)


def leave(steps, number):
    "Make some steps, as a process that is killed then."
    for i, _ in enumerate(steps):
        if i == number:
            return
    pytest.fail("the run is shorter than that")


def same(one, other):
    leaves = [
        jax.tree.leaves((fit.control, fit.history, fit.train_ratio, fit.validation_ratio)) for fit in (one, other)
    ]
    for a, b in zip(*leaves, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (one.status, one.labels, one.diagnostics) == (other.status, other.labels, other.diagnostics)


@pytest.mark.parametrize("stops", [(0, 1), (2, 5), (8,)])  # while it thermalises, measures tau_int, and draws
def test_sampling_goes_on_to_the_same_ensemble(stops, every_step, tmp_path):
    key = jax.random.key(1, impl="rbg")
    whole = ncv.sample(THEORY, 240, key, progress=False, **SAMPLE)
    for stop in stops:
        leave(sample_steps(THEORY, 240, key, checkpoint=tmp_path / "c", **SAMPLE), stop)
    for _ in "ab":  # the second call finds a run that has come to its end
        again = ncv.sample(THEORY, 240, key, checkpoint=tmp_path / "c", progress=False, **SAMPLE)
        np.testing.assert_array_equal(again.configs, whole.configs)
        np.testing.assert_array_equal(again.sampler.phi, whole.sampler.phi)
        assert (again.exp_dh, again.exp_dh_error, again.thin) == (whole.exp_dh, whole.exp_dh_error, whole.thin)
    assert os.listdir(tmp_path) == ["c"]


@pytest.mark.parametrize("name", ["Adam", "LeastSquares"])
def test_fits_go_on_to_the_same_weights(name, every_step, tmp_path):
    if name == "Adam":
        args, stops = (net(), THEORY, CORR, ensemble()), (0, 2)
        options = {"method": ncv.Adam(100, check_every=20, learning_rate=lambda n: 1e-3 / (1 + n)), "key": KEY}
    else:
        args, stops, options = (ncv.OddMLP((6, 4), depth=0), THEORY, CORR, ensemble()), (0,), {}
    whole = ncv.fit(*args, progress=False, **options)
    for stop in stops:
        leave(fit_steps(*args, checkpoint=tmp_path / "c", **options), stop)
    for _ in "ab":
        same(ncv.fit(*args, checkpoint=tmp_path / "c", progress=False, **options), whole)


def test_the_checkpoint_of_another_run_is_refused(tmp_path):
    options = {"thin": 1, "progress": False, "checkpoint": tmp_path / "c"} | SAMPLE
    ncv.sample(THEORY, 240, 1, **options)
    written = (tmp_path / "c").read_bytes()
    others = {
        r"differs in key \(\[0 1\], now \[0 2\]\)": (THEORY, 240, 2, {}),
        r"n_configs \(240, now 480\)": (THEORY, 480, 1, {}),
        r"thin \(1, now 2\)": (THEORY, 240, 1, {"thin": 2}),
        r"start \(none, now \[1": (THEORY, 240, 1, {"start": np.ones((6, 4))}),
        r"method \(HMC .*jitter = 0.25, now HMC .*jitter = 0.1\)": (THEORY, 240, 1, {"method": ncv.HMC(jitter=0.1)}),
        r"theory \(Phi4 .*m2 = 0.3, now Phi4 .*m2 = 0.2": (ncv.Phi4((6, 4), 0.2, 0.5), 240, 1, {}),
    }
    for message, (other, n_configs, key, changed) in others.items():
        with pytest.raises(ValueError, match=r"the checkpoint of another run, .*" + message):
            ncv.sample(other, n_configs, key, **(options | changed))
    args = (net(), THEORY, CORR, ensemble())
    method = ncv.Adam(20, check_every=20)
    with pytest.raises(ValueError, match=r"work \('sampling', now 'fit'\)"):
        ncv.fit(*args, method=method, key=KEY, progress=False, checkpoint=tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == written
    one = ncv.fit(*args, method=method, key=KEY, progress=False, checkpoint=tmp_path / "f")
    for field, key, data, message in [
        (net(), jax.random.key(3), ensemble(), "key"),
        (net(seed=5), KEY, ensemble(), "field"),
        (net(), KEY, ensemble(seed=3), "configurations"),
    ]:
        with pytest.raises(ValueError, match=f"differs in {message}"):
            ncv.fit(field, THEORY, CORR, data, method=method, key=key, progress=False, checkpoint=tmp_path / "f")
    with pytest.raises(ValueError, match="give resume or checkpoint, not both"):
        ncv.fit(*args, method=method, key=KEY, resume=one, progress=False, checkpoint=tmp_path / "f")


def test_theories_made_from_functions_are_told_apart_by_their_numbers(tmp_path):
    def request(action):
        theory = FunctionTheory((6, 4), action, None, "mine", ())
        return _request(theory, init(theory, 2, KEY, ncv.HMC()), {}, None)

    Checkpoint(tmp_path / "c", request(lambda phi: jnp.sum(phi**2)))
    assert Checkpoint(tmp_path / "c", request(lambda phi: jnp.sum(phi * phi))).load() is None
    with pytest.raises(ValueError, match="differs in theory"):
        Checkpoint(tmp_path / "c", request(lambda phi: jnp.sum(phi**2) + 1e-6 * phi[0, 0])).load()


def test_damaged_and_foreign_files_are_refused(tmp_path):
    request = {"theory": THEORY}
    Checkpoint(tmp_path / "c", request).save({"step": 1})
    whole = (tmp_path / "c").read_bytes()
    for place in range(0, len(whole), 41):
        changed = bytearray(whole)
        changed[place] ^= 1
        (tmp_path / "c").write_bytes(changed)
        with pytest.raises(ValueError, match=r"damaged|not a complete safetensors file|does not hold a checkpoint"):
            Checkpoint(tmp_path / "c", request).load()
    ensemble().save(tmp_path / "run.h5")
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        Checkpoint(tmp_path / "run.h5", request).load()
    with pytest.raises(FileNotFoundError, match="create it first"):
        Checkpoint(tmp_path / "none" / "c", request)


def test_a_full_disk_does_not_end_the_run(tmp_path, monkeypatch):
    file = Checkpoint(tmp_path / "c", {"theory": THEORY})
    file.save({"step": 1})

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(chapter, "save_module", full)
    with pytest.warns(UserWarning, match=r"no checkpoint could be written: .*No space left.*; the run goes on"):
        file.save({"step": 2})
    assert Checkpoint(tmp_path / "c", {"theory": THEORY}).load() == {"step": 1}


def test_a_field_that_cannot_be_saved_is_refused(tmp_path):
    with pytest.raises(TypeError, match="a FunctionField cannot be saved"):
        field = ncv.FunctionField(lambda phi: jnp.sin(phi))
        ncv.fit(field, THEORY, CORR, ensemble(), method=ncv.Adam(20), key=KEY, checkpoint=tmp_path / "c")


def test_killed_processes_come_to_the_same_result():
    "Real processes and real kills; `python benchmarks/bench_kill.py` does fifty of each kind."
    path = Path(__file__).parents[2] / "benchmarks" / "bench_kill.py"
    spec = importlib.util.spec_from_file_location("bench_kill", path)
    bench_kill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench_kill)
    assert bench_kill.main(["--kills", "2", "--quick", "--works", "sample"]) == 0

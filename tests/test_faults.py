"""Bad days: a step that is too large, a singular problem, constant data, another precision, a folder that is read-only.

Each gives a right result or an error of our own. Damaged files are drawn at random; the long run
is `python benchmarks/fuzz.py`.
"""

import errno
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import CORR, KEY, THEORY, ensemble, net
from ncv_lab.utils import files

ROOT = Path(__file__).parents[1]


def test_a_step_that_is_too_large_keeps_the_field_of_the_beginning():
    method = ncv.Adam(40, check_every=20, learning_rate=1e300)
    fit = ncv.fit(net(), THEORY, CORR, ensemble(), method=method, key=KEY, progress=False)
    assert fit.status == "diverged" and np.isfinite(fit.evaluate(ensemble())).all()


@pytest.mark.filterwarnings("ignore:the features depend on each other")
@pytest.mark.parametrize("method", [None, ncv.LeastSquares(ridge=0.0)])
def test_equal_features_are_solved(method):
    "The Gram matrix of three equal features for each offset is singular."
    three = ncv.fit(ncv.Direct((6, 4), (1, 1, 1)), THEORY, CORR, ensemble(), method=method, progress=False)
    one = ncv.fit(ncv.Direct((6, 4), (1,)), THEORY, CORR, ensemble(), method=method, progress=False)
    assert np.isfinite(three.evaluate(ensemble())).all()
    np.testing.assert_allclose(three.train_ratio, one.train_ratio, rtol=1e-2)


def test_constant_data_say_so():
    configs = np.ones((4, 25, 6, 4))
    with pytest.warns(UserWarning, match="all 100 configurations are the same"):
        same = ncv.Ensemble.from_configs(configs, THEORY)
    with pytest.warns(UserWarning, match="there is nothing to fit"):
        fit = ncv.fit(ncv.OddMLP((6, 4), depth=0), THEORY, CORR, same, progress=False)
    assert fit.validation_ratio == 1.0 and np.isfinite(fit.evaluate(same)).all()


def test_chains_of_another_precision_are_refused():
    chains = ncv.sample(THEORY, 8, 0, n_chains=4, n_thermal=5, thin=1, progress=False)
    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(ValueError, match="numbers of type float64, but JAX computes in float32 now"):
            chains.extend(4, progress=False)
    finally:
        jax.config.update("jax_enable_x64", True)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "you may not write in this folder"),
        (errno.EROFS, "this folder is read-only"),
        (errno.EDQUOT, "your quota is used up"),
    ],
)
def test_a_folder_that_takes_no_file_is_named(number, words, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.tempfile, "mkstemp", refuse)
    with pytest.raises(OSError, match=rf"cannot write .*run.h5: {words}; .*\(nothing was written\)"):
        ensemble().save(tmp_path / "run.h5")


FULL = """
import resource
import numpy as np
import ncv_lab as ncv
from ncv_lab.utils.files import save_module
theory = ncv.Phi4((6, 4), 0.3, 0.5)
ensemble = ncv.Ensemble.from_configs(np.random.default_rng(0).normal(size=(4, 100, 6, 4)), theory)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for save in (lambda: ensemble.save("run.h5"), lambda: save_module("x.st", {"phi": ensemble.configs}, kind="x")):
    try:
        save()
    except OSError as error:
        print(error)
print(ensemble.n_configs, "still there")
"""


def test_a_file_that_becomes_too_large_does_not_kill_the_process(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    first, second, last = done.stdout.splitlines()
    assert "cannot write run.h5: the file would be larger than this system allows" in first
    assert "cannot write x.st: the file would be larger than this system allows" in second
    assert last == "400 still there" and os.listdir(tmp_path) == []


def test_what_a_killed_process_left_is_removed(tmp_path):
    code = (
        "import os; from ncv_lab.utils.files import atomic_write\nwith atomic_write('x.txt'): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=120, check=False)
    assert len(os.listdir(tmp_path)) == 1
    with files.atomic_write(tmp_path / "x.txt") as temporary:
        temporary.write_text("whole")
    assert os.listdir(tmp_path) == ["x.txt"]


def test_a_short_fuzz():
    spec = importlib.util.spec_from_file_location("fuzz", ROOT / "benchmarks" / "fuzz.py")
    fuzz = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzz)
    fuzz.WEIGHTS.update({"foreign.h5": 0.02, "packed.h5": 0.02, "old.h5": 0.02})  # a process for each of these
    assert fuzz.main(["--files", "80", "--arguments", "0"]) == 0

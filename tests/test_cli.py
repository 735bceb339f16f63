"""The command line: a whole analysis in a folder, JSON alone on standard output, and one line for every mistake."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from ncv_lab.cli import main, parser
from ncv_lab.fitting.ladder import SchwingerDyson
from ncv_lab.fitting.legs import LEGS, TOUCHING, ImprovedLegs
from ncv_lab.fitting.result import load_fit
from ncv_lab.sampling.ensemble import load_ensemble
from ncv_lab.sampling.hmc import sample, sample_steps
from ncv_lab.theory.action import as_theory
from ncv_lab.theory.conventions import from_no_halves

SAMPLE = ["sample", "--shape", "8x4", "--m2", "0.1", "--lam", "0.5", "--n-configs", "400", "--chains", "10"]


def run(*words):
    "The exit code of a command, also where argparse leaves by itself."
    try:
        return main([str(word) for word in words])
    except SystemExit as end:
        return end.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    "A folder with an ensemble, a linear fit to its first half, and a damaged file."
    folder = tmp_path_factory.mktemp("cli")
    assert run(*SAMPLE, "--thin", 1, "--output", folder / "run.h5") == 0
    assert run("fit", "--ensemble", folder / "run.h5", "--output", folder / "fit.safetensors") == 0
    (folder / "own.py").write_text(ACTION)
    words = ["--observable", "phi2", "--output", folder / "phi2.safetensors"]
    assert run("fit", "--ensemble", folder / "run.h5", *words) == 0
    (folder / "cut.h5").write_bytes((folder / "run.h5").read_bytes()[:-1000])
    return folder


@pytest.fixture
def document(capsys):
    "Run a command with --json and return its document; standard output must hold nothing else."

    def call(*words):
        capsys.readouterr()
        code = run(*words, "--json")
        out, err = capsys.readouterr()
        assert code == 0, err
        assert out.count("\n") == 1
        return json.loads(out, parse_constant=pytest.fail)

    return call


def test_sample_writes_an_ensemble(folder):
    ensemble = load_ensemble(folder / "run.h5")
    assert (ensemble.shape, ensemble.n_chains, ensemble.n_draws, ensemble.thin) == ((8, 4), 10, 40, 1)


def test_import_brings_configurations_of_another_convention(tmp_path, document):
    theory = from_no_halves(-0.5, 2.0).theory((6, 4))
    ensemble = sample(theory, 40, jax.random.key(0), n_chains=2, progress=False)
    theirs = np.moveaxis(ensemble.configs, 2, 3) / 2**0.5
    np.save(tmp_path / "theirs.npy", theirs)
    words = ["import", tmp_path / "theirs.npy", "--shape", "4x6", "--time-axis", 1, "--convention", "no-halves"]
    found = document(*words, "--m2", -0.5, "--lam", 2.0, "--output", tmp_path / "ours.h5")
    assert found["lam"] == 12.0 and found["shape"] == [6, 4] and found["n_chains"] == 2
    np.testing.assert_allclose(load_ensemble(tmp_path / "ours.h5").configs, ensemble.configs, rtol=1e-14)


def test_import_needs_the_couplings_of_its_convention(tmp_path, capsys):
    words = ["import", "a.npy", "--shape", "4x4", "--convention", "kappa", "--lam", 1.0]
    assert run(*words, "--output", tmp_path / "ours.h5") == 2
    assert "the convention kappa needs --kappa" in capsys.readouterr().err
    assert run("import", "a.npy", "--shape", "4x4", "--m2", 0.1, "--output", tmp_path / "ours.h5") == 2
    assert "the convention ncv_lab needs --lam" in capsys.readouterr().err


def test_import_brings_gradients_in_place_of_an_action(tmp_path, folder, document, capsys):
    ensemble = load_ensemble(folder / "run.h5")
    gradients = np.asarray(jax.vmap(ensemble.theory.gradient)(ensemble.flat)).reshape(ensemble.configs.shape)
    np.savez(tmp_path / "theirs.npz", phi=ensemble.configs, dS=gradients)
    words = ["import", tmp_path / "theirs.npz", "--shape", "8x4", "--dataset", "phi", "--gradient-dataset", "dS"]
    found = document(*words, "--even", "--output", tmp_path / "ours.h5")
    assert found["even"] and not found["warnings"]
    words_of_estimate = ["--t", "0,4", "--family", "linear"]
    ours, theirs = (
        document("estimate", "--ensemble", path, *words_of_estimate)["value"]
        for path in (tmp_path / "ours.h5", folder / "run.h5")
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)
    assert run(*words, "--lam", 1.0, "--output", tmp_path / "more.h5") == 2
    assert "the couplings or the gradients, not both" in capsys.readouterr().err


def test_sample_repeats_with_its_seed(tmp_path, folder, document):
    found = document(*SAMPLE, "--thin", 1, "--output", tmp_path / "again.h5")
    assert found["command"] == "sample" and found["n_configs"] == 400 and 0 < found["acceptance"] <= 1
    again, first = load_ensemble(tmp_path / "again.h5"), load_ensemble(folder / "run.h5")
    assert (again.configs == first.configs).all()
    document(*SAMPLE, "--thin", 1, "--seed", 1, "--output", tmp_path / "again.h5", "--force")
    assert (load_ensemble(tmp_path / "again.h5").configs != first.configs).any()


def test_fit_takes_half_by_default(folder):
    fit = load_fit(folder / "fit.safetensors")
    assert fit.n_configs == 200 and fit.labels == ("C(0)", "C(1)", "C(2)", "C(3)", "C(4)")


def test_fit_of_a_network(folder, document):
    path = folder / "net.safetensors"
    words = ["--family", "mlp", "--depth", 2, "--width", 3, "--symmetric", "yes", "--steps", 50, "--batch-size", 2]
    found = document("fit", "--ensemble", folder / "run.h5", "--n-train", 300, *words, "--output", path)
    assert found["labels"] == ["C(4)"] and found["n_configs"] == 300 and found["status"] == "finished"
    net = load_fit(path).control.field
    assert (net.depth, net.width, net.symmetric) == (2, 3, True)


def test_raw_estimate(folder, document):
    found = document("estimate", "--ensemble", folder / "run.h5", "--t", "0,4")
    assert found["labels"] == ["C(0)", "C(4)"] and found["n_configs"] == 400
    assert found["value"][0] > found["value"][1] > 0 and "sigma_ratio" not in found


def test_estimate_by_a_fit_leaves_out_what_it_has_seen(folder, capsys):
    assert run("estimate", "--ensemble", folder / "run.h5", "--fit", folder / "fit.safetensors", "--json") == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["n_configs"] <= 200 and min(found["sigma_ratio"]) > 1
    assert err.startswith("ncv-lab estimate: warning: ") and err.count("\n") == 1


def test_cross_fitted_estimate_as_a_table(folder, document):
    path = folder / "correlator.csv"
    found = document("estimate", "--ensemble", folder / "run.h5", "--family", "linear", "--output", path)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["labels"] for row in rows] == found["labels"]
    assert [float(row["error_ratio"]) for row in rows] == found["error_ratio"]


def test_estimate_as_text(folder, capsys):
    assert run("estimate", "--ensemble", folder / "run.h5", "--output", folder / "raw.json") == 0
    assert "C(4)" in capsys.readouterr().out
    assert len(json.loads((folder / "raw.json").read_text())["value"]) == 5


def test_mass(folder, document):
    found = document("mass", "--ensemble", folder / "run.h5", "--t-min", 1)
    assert found["raw"]["t_min"] == 1 and found["raw"]["dof"] == 2
    assert 0 < found["improved"]["m_error"] < found["raw"]["m_error"]


def test_mass_without_a_raw_signal(tmp_path, document, capsys):
    """The raw correlator is lost in its noise: words in place of a number. Without any signal the command fails."""
    words = ["--shape", "12x4", "--m2", "0.1", "--lam", "24", "--n-configs", "100", "--chains", "5"]
    assert run("sample", *words, "--output", tmp_path / "strong.h5") == 0
    found = document("mass", "--ensemble", tmp_path / "strong.h5")
    assert found["raw"] is None and "up to t = 1 only" in found["refused"]["raw"]
    assert found["improved"]["t_min"] == 0 and 0 < found["improved"]["m_error"] < 0.3
    assert run("mass", "--ensemble", tmp_path / "strong.h5") == 0
    raw, improved = capsys.readouterr().out.splitlines()
    assert raw.startswith("raw      no mass can be fitted: C(t)") and improved.startswith("improved m = 1.")
    assert run("mass", "--ensemble", tmp_path / "strong.h5", "--t-min", 4) == 2
    out, err = capsys.readouterr()
    assert out == "" and "no mass can be fitted" in err and "earlier t_min" in err


ACTION = """import jax.numpy as jnp

def S(phi):
    neighbours = jnp.roll(phi, 1, 0) + jnp.roll(phi, 1, 1)
    return jnp.sum(2.5 * phi**2 + phi**4 / 24 - phi * neighbours) + 0.3 * jnp.sum(phi)

def lost(phi):
    return jnp.sun(phi)
"""


def test_an_action_of_your_own(tmp_path, document):
    (tmp_path / "own.py").write_text(ACTION)
    action = ["--action", f"{tmp_path / 'own.py'}:S"]
    words = [*action, "--shape", "8x4", "--n-configs", "400", "--chains", "10", "--thermal", "50", "--thin", "1"]
    found = document("sample", *words, "--output", tmp_path / "own.h5")
    assert found["action"] == action[1] and load_ensemble(tmp_path / "own.h5", theory=own(tmp_path)).n_draws == 40
    raw = document("estimate", *action, "--ensemble", tmp_path / "own.h5", "--observable", "phi2")
    assert raw["labels"] == ["phi^2"] and raw["n_configs"] == 400
    assert run("estimate", "--ensemble", tmp_path / "own.h5") == 2


def own(folder):
    "The theory of the file above."
    names = {}
    exec(compile((folder / "own.py").read_text(), "own.py", "exec"), names)
    return as_theory(names["S"], (8, 4))


def test_observables_and_families(folder, document):
    words = ["estimate", "--ensemble", folder / "run.h5"]
    for name, label in {"phi2": "phi^2", "|M|": "|M|", "M2": "M^2", "chi": "chi", "S/V": "S/V"}.items():
        assert document(*words, "--observable", name)["labels"] == [label]
    assert document(*words, "--family", "direct", "--t", 1)["sigma_ratio"][0] > 1


def test_the_default_control_variate(folder, document, monkeypatch):
    "With the few recipes of the quick demonstration, because each of them is compiled."
    legs = ImprovedLegs(recipes=LEGS[1:2], touching=TOUCHING[:1])
    quick = SchwingerDyson(ladder=SchwingerDyson().ladder[:1], legs=legs)
    monkeypatch.setattr("ncv_lab.sweeps.families.SchwingerDyson", lambda: quick)
    words = ["--ensemble", folder / "run.h5", "--family", "sd"]
    document("fit", *words, "--output", folder / "sd.safetensors")
    words = ["--ensemble", folder / "run.h5", "--fit", folder / "sd.safetensors", "--output", folder / "mass.json"]
    found = document("mass", *words, "--t-min", 1)
    assert 10 * found["improved"]["m_error"] < found["raw"]["m_error"]
    stored = json.loads((folder / "mass.json").read_text())
    assert stored["improved"] == found["improved"] and stored["correlator"]["labels"][0] == "C(0)"
    assert parser().parse_args(["mass", "--ensemble", "x.h5", "--family", "sd"]).family == "sd"


def test_checkpoints_are_taken_up_and_removed(folder, tmp_path, document):
    path, words = tmp_path / "c", [*SAMPLE, "--thin", 1, "--output", tmp_path / "run.h5"]
    run_before = sample_steps(load_ensemble(folder / "run.h5").theory, 400, 0, 10, thin=1, checkpoint=path)
    next(run_before)
    document(*words, "--checkpoint", path)
    assert (load_ensemble(tmp_path / "run.h5").configs == load_ensemble(folder / "run.h5").configs).all()
    assert [file.name for file in tmp_path.iterdir()] == ["run.h5"]
    run_before = sample_steps(load_ensemble(folder / "run.h5").theory, 400, 1, 10, thin=1, checkpoint=path)
    next(run_before)
    assert run(*words, "--force", "--checkpoint", path) == 2 and path.exists()


SWEEP = """
n_chains = 10
n_test = 100
[[grid]]
shape = "6x4"
m2 = 0.3
lam = 0.0
family = ["linear", "cnn"]
n_configs = 100
[slurm]
queue = "short"
interface = "lo"
"""


def test_sweep(tmp_path, document, capsys, monkeypatch):
    path, folder, rows = tmp_path / "map.toml", tmp_path / "map", tmp_path / "rows.csv"
    path.write_text(SWEEP)
    words = ["sweep", path, "--folder", folder, "--workers", 0]
    assert run(*words) == 2 and "map.toml: the family 'cnn' is unknown" in capsys.readouterr().err
    path.write_text(SWEEP.replace("cnn", "phi"))
    found = document(*words, "--output", rows)
    assert (found["n_tasks"], found["n_failed"]) == (2, 0)
    with open(rows, newline="") as file:
        assert [row["family"] for row in csv.DictReader(file)] == ["linear", "phi"]
    assert run(*words, "--output", rows) == 2 and "--force to replace it" in capsys.readouterr().err
    assert run("sweep", path, "--folder", tmp_path / "new", "--workers", 0, "--known", rows) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"2 rows from {rows}", "2 of 2 tasks"]
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert run("sweep", path, "--folder", tmp_path / "none") == 2
    assert "pip install 'ncv-lab[cluster]'" in capsys.readouterr().err


def test_check(folder, document, capsys):
    found = document("check", folder / "run.h5")
    assert found["passed"] and found["action"]["names"] == ["Z", "m2", "lam"] and found["action"]["p_value"] > 0.001
    assert run("check", folder / "run.h5") == 0
    assert "Nothing speaks against this ensemble" in capsys.readouterr().out


def test_demo(tmp_path, capsys):
    assert run("demo", "--quick", "--output-dir", tmp_path / "new" / "out") == 0
    text = capsys.readouterr().out
    assert "lam = 0.5" in text and "lam = 24" in text and "error_ratio" in text and "seed 0" in text
    assert (tmp_path / "new/out/demo.png").read_bytes().startswith(b"\x89PNG")
    cases = json.loads((tmp_path / "new/out/demo.json").read_text())["cases"]
    assert [case["lam"] for case in cases] == [0.5, 24.0]
    assert all(min(case["solved"]["sigma_ratio"]) > min(case["linear"]["sigma_ratio"]) > 1 for case in cases)
    assert [case["neural"]["labels"] for case in cases] == [["C(4)"]] * 2
    assert sorted(path.name for path in (tmp_path / "new/out").iterdir()) == ["demo.json", "demo.png"]


BAD = {
    "no command": ([], "COMMAND"),
    "unknown command": (["smaple"], "invalid choice: 'smaple'"),
    "missing options": (["fit"], "--ensemble, --output"),
    "no lattice": ([*SAMPLE, "--shape", "8by4", "--output", "x.h5"], "not a lattice shape such as 20x20"),
    "extent of 1": ([*SAMPLE, "--shape", "8x1", "--output", "x.h5"], "drop that axis"),
    "no number": ([*SAMPLE, "--lam", "strong", "--output", "x.h5"], "invalid float value: 'strong'"),
    "lam < 0": ([*SAMPLE, "--lam", "-1", "--output", "x.h5"], "lam = -1 is negative"),
    "m2 is NaN": ([*SAMPLE, "--m2", "nan", "--output", "x.h5"], "m2 = nan is not finite"),
    "m2 = lam = 0": ([*SAMPLE, "--m2", "0", "--lam", "0", "--output", "x.h5"], "free theory exists only for m2 > 0"),
    "no configurations": ([*SAMPLE, "--n-configs", "0", "--output", "x.h5"], "n_configs = 0"),
    "uneven chains": ([*SAMPLE, "--chains", "7", "--output", "x.h5"], "7 chains cannot share 400"),
    "no folder": ([*SAMPLE, "--output", "none/x.h5"], "its folder does not exist"),
    "existing file": ([*SAMPLE, "--output", "run.h5"], "the file exists; choose another name, or --force"),
    "no file": (["mass", "--ensemble", "none.h5"], "there is no file none.h5"),
    "truncated file": (["estimate", "--ensemble", "cut.h5"], "was it cut short"),
    "a fit as an ensemble": (["estimate", "--ensemble", "fit.safetensors"], "not a complete HDF5 file"),
    "an ensemble as a fit": (
        ["estimate", "--ensemble", "run.h5", "--fit", "run.h5"],
        "not a complete safetensors file",
    ),
    "t out of range": (["estimate", "--ensemble", "run.h5", "--t", "8"], "t = 8 is out of range"),
    "t no number": (["estimate", "--ensemble", "run.h5", "--t", "late"], "'late' is not a time"),
    "two controls": (
        ["estimate", "--ensemble", "run.h5", "--fit", "fit.safetensors", "--family", "linear"],
        "not allowed",
    ),
    "times of no correlator": (
        ["estimate", "--ensemble", "run.h5", "--observable", "phi2", "--t", "1"],
        "--observable phi2 has none",
    ),
    "no such observable": (["estimate", "--ensemble", "run.h5", "--observable", "phi3"], "invalid choice: 'phi3'"),
    "no couplings": (["sample", "--shape", "8x4", "--output", "x.h5"], "phi^4 needs --m2 and --lam"),
    "no action file": (["check", "run.h5", "--action", "none.py:S"], "there is no file none.py"),
    "no function": (["check", "run.h5", "--action", "own.py"], "expected a Python file and the name"),
    "no such function": (["check", "run.h5", "--action", "own.py:T"], "there is no T in own.py"),
    "an action that fails": (["check", "run.h5", "--action", "own.py:lost"], "JAX cannot compute the action"),
    "a file that fails": (["check", "run.h5", "--action", "cut.h5:S"], "cut.h5 ends with SyntaxError"),
    "a mass of phi2": (["mass", "--ensemble", "run.h5", "--fit", "phi2.safetensors"], "but phi2.safetensors improves"),
    "mass as csv": (["mass", "--ensemble", "run.h5", "--output", "x.csv"], "must end in .json"),
    "unknown ending": (["estimate", "--ensemble", "run.h5", "--output", "x.xlsx"], "must end in .csv or .json"),
    "one fold": (["estimate", "--ensemble", "run.h5", "--family", "linear", "--folds", "1"], "folds = 1"),
    "too many for the fit": (["fit", "--ensemble", "run.h5", "--n-train", "401", "--output", "x.safetensors"], "401"),
    "all t for a network": (
        ["fit", "--ensemble", "run.h5", "--family", "mlp", "--t", "all", "--output", "x.safetensors"],
        "Adam trains one control variate",
    ),
    "width 0": (
        ["fit", "--ensemble", "run.h5", "--family", "mlp", "--width", "0", "--output", "x.safetensors"],
        "width = 0 is too small",
    ),
    "window": (["mass", "--ensemble", "run.h5", "--t-min", "3"], "needs 3 or more"),
    "a token alone": (["panel", "--token", "secret-secret"], "give --share too"),
    "the network without a token": (["panel", "--share", "--address", "0.0.0.0"], "give a token too (--token)"),
    "a file as a folder": (["demo", "--quick", "--output-dir", "run.h5"], "File exists"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_writes_nothing(name, folder, capsys, monkeypatch):
    words, message = BAD[name]
    monkeypatch.chdir(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code = run(*words)
    out, err = capsys.readouterr()
    assert code == 2 and out == ""
    assert message in err and err.count("\n") == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_debug_shows_where(folder):
    with pytest.raises(FileNotFoundError):
        run("mass", "--ensemble", folder / "none.h5", "--debug")


def test_as_a_program(folder):
    command = [Path(sys.executable).with_name("ncv-lab"), "estimate", "--ensemble", "run.h5", "--t", "0", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["labels"] == ["C(0)"]

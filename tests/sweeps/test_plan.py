"""The plan of a sweep: which tasks there are, what they are called, and which files and numbers are refused."""

import dataclasses

import jaxtyping
import pytest

from ncv_lab.sweeps.plan import difference, plan_from_json, plan_sweep, plan_to_json, read_sweep


def test_sizes_count_only_for_families_that_have_them():
    plan = plan_sweep("6x4", 0.3, 0.5, ["linear", "mlp", "neural"], width=[2, 3], depth=[1, 2], delta=[0, 0.1])
    count = {family: sum(task.family == family for task in plan.tasks) for family in ("linear", "mlp", "neural")}
    assert count == {"linear": 1, "mlp": 8, "neural": 4}
    linear, *_ = plan.tasks
    assert (linear.width, linear.depth, linear.delta) == (None, None, None)
    assert len({task.name for task in plan.tasks}) == 13


def test_lattices_in_every_spelling():
    for shape in ("6x4", (6, 4), [6, 4], ["6x4"], [(6, 4)]):
        assert [task.shape for task in plan_sweep(shape, 0.3, 0.5).tasks] == [(6, 4)]
    assert len(plan_sweep(["6x4", (8, 8), "4x4x4"], 0.3, 0.5).tasks) == 3


def test_numbers_that_are_equal_name_one_task():
    assert plan_sweep("6x4", 1, 2) == plan_sweep("6x4", 1.0, [2.0, 2])
    close = plan_sweep("6x4", 0.3, [0.1234567890123, 0.1234567890124])
    assert len(close.ensembles) == 2


def test_fits_share_the_ensemble_of_their_theory_and_seed():
    plan = plan_sweep("6x4", 0.3, [0.5, 2.0], ["linear", "phi"], n_configs=[100, 200], seed=[0, 1])
    assert len(plan.tasks) == 16 and [len(tasks) for tasks in plan.ensembles.values()] == [4] * 4


def test_plans_are_added():
    plan = plan_sweep("6x4", 0.3, 0.5, "linear")
    assert (plan + plan_sweep("6x4", 0.3, 0.5, ["linear", "phi"])).tasks == plan_sweep(
        "6x4", 0.3, 0.5, ["linear", "phi"]
    ).tasks
    with pytest.raises(ValueError, match="n_test is 1000 here and 2000 there"):
        plan + dataclasses.replace(plan, n_test=2000)


def test_json_and_differences():
    plan = plan_sweep("6x4", 0.3, [0.5, 2.0], ["linear", "mlp"], n_test=400)
    assert plan_from_json(plan_to_json(plan)) == plan
    other = dataclasses.replace(plan_sweep("6x4", 0.3, [0.5, 3.0], "linear", n_test=400), thin=2)
    words = difference(other, plan)
    assert "thin was 'auto' and is 2" in words and "1 task is new, such as 6x4_m2=0.3_lam=3.0" in words
    assert "3 tasks are gone" in words


FILE = """
t = "all"
[[grid]]
shape = "6x4"
m2 = 0.3
lam = [0.5, 2]
[slurm]
jobs = 3
"""


def test_a_file(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text(FILE)
    found = read_sweep(path)
    assert found.plan == plan_sweep("6x4", 0.3, [0.5, 2.0], t="all") and found.slurm == {"jobs": 3}
    path.write_text(FILE.replace("[[grid]]", "[grid]"))
    assert read_sweep(path) == found


BAD_FILES = {
    "no TOML": ("t =", "Invalid value"),
    "no grid": ("n_test = 400", "at least one task"),
    "unknown option": ("n_tests = 400", "the top of the file has the unknown name n_tests"),
    "unknown axis": (FILE.replace("lam", "lambda"), "unknown name lambda"),
    "missing axis": (FILE.replace("m2 = 0.3", ""), "a \\[\\[grid\\]\\] needs m2"),
    "grid is no table": ("grid = [3]", "must be a table"),
    "slurm is no table": (FILE.replace("[slurm]\njobs = 3", "").replace('t = "all"', "slurm = 3"), "slurm must be"),
    "wrong number": (FILE.replace("[0.5, 2]", '["strong"]'), "lam must be a number such as 0.5, got 'strong'"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_refused(tmp_path, name):
    text, words = BAD_FILES[name]
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ValueError, match=f"bad.toml: .*{words}"):
        read_sweep(tmp_path / "bad.toml")


BAD = {
    "family": ({"family": "cnn"}, ValueError, "the family 'cnn' is unknown"),
    "lattice": ({"shape": "6by4"}, ValueError, "'6by4' is not a lattice"),
    "coupling": ({"lam": -1.0}, ValueError, "lam = -1 is negative"),
    "no free theory": ({"m2": -1.0, "lam": 0.0}, ValueError, "lam = 0 with m2"),
    "chains": ({"n_configs": 110}, ValueError, "n_configs = 110 cannot be shared by 20 chains"),
    "test": ({"n_test": 110}, ValueError, "n_test = 110 cannot be shared"),
    "half a configuration": ({"n_configs": 100.5}, TypeError, "n_configs must be an integer"),
    "time": ({"t": 6}, ValueError, "t = 6 is out of range on the lattice 6x4"),
    "all times of a network": ({"family": "mlp", "t": "all"}, ValueError, "mlp is trained for one time"),
    "width": ({"family": "mlp", "width": 0}, ValueError, "width = 0 is too small"),
    "delta": ({"family": "mlp", "delta": -0.1}, ValueError, "delta = -0.1 must not be negative"),
    "seed": ({"seed": "a"}, TypeError, "seed must be an integer, got 'a'"),
    "thin": ({"thin": "often"}, TypeError, "thin must be an integer, got 'often'"),
    "steps": ({"steps": 0}, ValueError, "steps = 0 is too small"),
    "axis": ({"lambda": 2}, TypeError, "a sweep has no lambda; it has shape, m2, lam"),
}


@pytest.fixture
def unchecked_types():
    "Users run without a type checker, so the messages must come from the library itself."
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("name", BAD)
def test_bad_plans_are_refused(name):
    change, kind, words = BAD[name]
    with pytest.raises(kind, match=words):
        plan_sweep(**{"shape": "6x4", "m2": 0.3, "lam": 0.5, **change})

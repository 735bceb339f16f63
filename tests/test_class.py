"""The class: its worksheet agrees with its solutions, and the checks say in words what is right and what is not."""

import sys
from importlib.util import module_from_spec, spec_from_file_location

import jax.numpy as jnp
import nbformat
import numpy as np
import pytest

import ncv_lab as ncv
import worksheet
from reading_order import ROOT

FOLDER = ROOT / worksheet.FOLDER
SOLUTIONS = nbformat.read(FOLDER / "solutions.ipynb", as_version=4)
WORKSHEET = nbformat.read(FOLDER / "worksheet.ipynb", as_version=4)
N_EXERCISES = 12


@pytest.fixture(scope="module")
def check():
    "The module class_checks, which stands next to the worksheet."
    spec = spec_from_file_location("class_checks", FOLDER / "class_checks.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "class_checks" not in sys.modules
    return module


def sources(nb):
    return [(cell.id, cell.cell_type, cell.source) for cell in nb.cells]


def test_the_worksheet_is_made_from_the_solutions():
    made = worksheet.worksheet(SOLUTIONS, WORKSHEET)
    assert sources(made) == sources(WORKSHEET), "run `make export`"


def test_exactly_the_exercises_differ():
    solved = {cell.id: cell.source for cell in SOLUTIONS.cells}
    differing = [cell for cell in WORKSHEET.cells[1:] if cell.source != solved[cell.id]]
    assert [cell.id for cell in differing] == [f"class-ex{number}-code" for number in range(1, N_EXERCISES + 1)]
    for cell in differing:
        assert cell.source.count("...  # your code") == 1 and "SOLUTION" not in cell.source
    missing = [cell for cell in SOLUTIONS.cells if cell.id not in {cell.id for cell in WORKSHEET.cells}]
    assert all(cell.source.startswith(worksheet.ONLY_THERE) for cell in missing)


def test_every_exercise_has_a_check_and_every_answer_an_assertion():
    ids = [cell.id for cell in SOLUTIONS.cells]
    for number in range(1, N_EXERCISES + 1):
        assert ids.index(f"class-ex{number}-check") == ids.index(f"class-ex{number}-code") + 1
    checked = [cell for cell in SOLUTIONS.cells if cell.source.startswith("#| only in the solutions")]
    assert len(checked) >= N_EXERCISES - 2 and all("assert " in cell.source for cell in checked)


def test_stored_checks_say_what_became_of_the_exercises():
    for nb, verdict in [(SOLUTIONS, "right."), (WORKSHEET, "not answered yet.")]:
        shown = "".join(output.get("text", "") for cell in nb.cells for output in cell.get("outputs", []))
        for number in range(1, N_EXERCISES + 1):
            assert f"Exercise {number}: {verdict}" in shown


def test_marks_are_replaced_where_they_stand():
    source = "def f(x):\n    'Text.'\n    # BEGIN SOLUTION\n    y = x\n    return y\n    # END SOLUTION\n"
    assert worksheet.without_solutions(source) == "def f(x):\n    'Text.'\n    return ...  # your code\n"
    assert worksheet.without_solutions("# BEGIN SOLUTION: a = ...\na = 1\n# END SOLUTION") == "a = ...  # your code"
    with pytest.raises(ValueError, match="the first cell of the solutions should contain"):
        worksheet.worksheet(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Else")]))


VALUES = np.random.default_rng(0).normal(size=200) + 1
ERROR = VALUES.std(ddof=1) / 200**0.5


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ERROR, "right."),
        (VALUES.std() / 200**0.5, "right."),
        (VALUES.std(ddof=1), "not yet. This is the spread of single values"),
        (VALUES.std(ddof=1) / 200, "not yet. The error falls with the root of n"),
        (..., "not answered yet."),
        (None, "not answered yet."),
        (1.0, "not yet. The spread is O.std(ddof=1)."),
        (np.ones(3), "not yet. Expected one number, got shape (3,)"),
        ("0.1 or so", "not yet. The answer should be made of numbers"),
    ],
)
def test_an_answer_is_judged_in_words(check, capsys, answer, words):
    assert check.error_of_the_mean(answer, VALUES) == ERROR
    assert f"Exercise 1: {words}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x**2 - 1 / 3, "right. The mean is 0, and the correlation with O is -0.98"),
        (lambda x: x**2, "the function should vary, but its mean over [0, 1] is 0.33"),
        (lambda x: 0 * x, "it is the same number for all x"),
        (lambda x: np.sin(2 * np.pi * x), "It is allowed, but it does not help much"),
        (lambda x: x.nothing, "your function raises AttributeError"),
        (lambda x: None, "not answered yet."),
    ],
)
def test_a_function_of_mean_zero(check, capsys, function, words):
    x = np.random.default_rng(1).random(1000)
    h = check.function_of_mean_zero(function, x, np.sqrt(1 - x**2))
    assert words in capsys.readouterr().out and np.isclose(h(np.array([0.0, 1.0])).sum(), 1 / 3)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda phi: 3 * phi**2 - 4 * phi**6, "right."),
        (lambda phi: 3 * phi**2 + 4 * phi**6, "The sign between the two terms is wrong"),
        (lambda phi: -4 * phi**6, "The term g' is missing"),
        (lambda phi: 3 * phi**2 - phi**7, "This has S where S' should be"),
        (lambda phi: 4 * phi**6 - 3 * phi**2, "This is -f."),
        (lambda phi: phi, "Write down g = phi^3, its derivative"),
    ],
)
def test_identities_by_hand(check, capsys, function, words):
    assert check.control_variate_of_cube(function)(1.0) == -1
    assert words in capsys.readouterr().out


def test_coefficients(check, capsys):
    rng = np.random.default_rng(2)
    q = rng.normal([1.0, 2.0], size=(100, 2))
    values = q @ [3.0, 4.0] + 5 + rng.normal(size=100)
    right = check.best_coefficients(..., values, q)
    for answer in (right, np.linalg.lstsq(q, values)[0], right + 1):
        assert np.array_equal(check.best_coefficients(answer, values, q), right)
    c = check.best_coefficient(..., values, q[:, 0])
    assert check.best_coefficient(-c, values, q[:, 0]) == c
    said = capsys.readouterr().out
    for words in ("not answered yet", "right.", "Subtract the means first", "np.linalg.lstsq", "The sign is wrong"):
        assert words in said


def test_fields_ratios_and_legs(check, capsys):
    theory = ncv.Phi4((4, 2), m2=0.5, lam=0.0)
    field = ncv.free_field((4, 2), 0.5, 2)
    phi = jnp.asarray(np.random.default_rng(3).normal(size=(4, 2)))
    control = check.control_variate_on_a_lattice(lambda phi: field(phi)[1], theory, field, phi)
    assert np.isclose(control(phi), ncv.control_variate(field, theory, phi))
    assert check.ratio_of_spreads(lambda raw, f: (raw - f).std() / raw.std())(VALUES, VALUES / 2) == pytest.approx(2)
    assert check.honest_ratio(9.0, 9.0, 2.0) == 2
    history = {"step": np.arange(3) * 10.0, "train_ratio": np.array([1, 3, 9]), "validation_ratio": np.array([1, 3, 2])}
    assert check.best_step(1, history) == 10
    values = np.random.default_rng(4).normal(size=(50, 2))
    relative = check.relative_errors(values.std(axis=0, ddof=1), values, np.ones(2))
    assert check.worth(2.0, 2 * relative, relative) == pytest.approx(4)
    said = capsys.readouterr().out
    for words in (
        "Exercise 7: not yet. The term with the gradient is missing",
        "Exercise 8: not yet. This is upside down",
        "Exercise 9: not yet. This is the ratio where the network was trained",
        "Exercise 10: not yet. This is the place in the array",
        "Exercise 12: not yet. This is the ratio of the errors",
    ):
        assert words in said

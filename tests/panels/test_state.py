"""States: what they refuse, how they are stored, and the code that does the same."""

import pytest

import ncv_lab as ncv
from helpers import LAB_STATE, QUICK, QUICK_LEGS
from ncv_lab.panels.state import (
    FAMILIES,
    PRESETS,
    SOLVED,
    LabState,
    TheoryState,
    check_range,
    code,
    format_shape,
    make_field,
    make_method,
    parse_shape,
)


@pytest.mark.parametrize("state", [LAB_STATE, *PRESETS.values()])
def test_states_survive_json(state):
    assert LabState.from_json(state.to_json()) == state
    compile(code(state), "a cell", "exec")


BAD = {
    "a free theory without mass": ({"lam": 0.0, "m2": 0.0}, "the free theory exists only for m2 > 0"),
    "negative coupling": ({"lam": -1.0}, "lambda = -1 must lie between"),
    "time": ({"t": 4}, "t = 4 must lie between 0 and 3"),
    "lattice": ({"shape": (6, 1)}, "drop that axis"),
    "too large": ({"shape": (256, 256), "n_configs": 10_000}, "too many for a live panel"),
    "family": ({"family": "Fourier"}, "family 'Fourier' is unknown"),
    "loss": ({"loss": "L1"}, "loss 'L1' is unknown"),
    "width": ({"width": 0}, "width = 0 must lie between 1 and 64"),
    "odd number": ({"n_configs": 101}, "must be a multiple of 10"),
    "learning rate": ({"learning_rate": float("nan")}, "the learning rate = nan"),
}


@pytest.mark.parametrize("name", BAD)
def test_impossible_states_are_refused(name):
    changes, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        LAB_STATE.replace(**changes)


def test_an_integer_is_an_integer():
    for wrong in (2.0, True):
        with pytest.raises(TypeError, match="width must be an integer"):
            check_range("width", wrong, 1, 64)
    check_range("the learning rate", 1, 1e-7, 1.0)


def test_damaged_documents_are_refused():
    with pytest.raises(ValueError, match="is a JSON object"):
        TheoryState.from_json("[1]")
    with pytest.raises(ValueError, match="has no field spin; its fields are shape, m2"):
        TheoryState.from_json('{"spin": 1}')
    with pytest.raises(ValueError):
        TheoryState.from_json("{")


def test_shapes_are_read_and_written():
    assert parse_shape("8x4 x 4") == (8, 4, 4) and format_shape((8, 4, 4)) == "8x4x4"
    with pytest.raises(ValueError, match="write the extents as 20x20"):
        parse_shape("8 by 4")


def test_l2_is_the_penalty_of_every_trained_family():
    mlp, neural = (LAB_STATE.replace(family=family, l2=0.05) for family in ("OddMLP", "NeuralSchwingerDyson"))
    assert make_method(mlp).loss.l2 == make_method(neural).ridge == 0.05 and "ridge=0.05" in code(neural)
    assert make_method(neural.replace(l2=0.0)).ridge == ncv.VariableProjection().ridge


def test_solved_families_need_no_method():
    for family in SOLVED:
        assert make_method(LAB_STATE.replace(family=family)) is None
    assert make_field(LAB_STATE.replace(family="linear", depth=3)).depth == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the kurtosis of O - f")  # of the few configurations here
@pytest.mark.parametrize("family", FAMILIES)
def test_the_code_of_a_state_runs(family, capsys, monkeypatch):
    monkeypatch.setattr(ncv, "SchwingerDyson", lambda: QUICK)
    monkeypatch.setattr(ncv, "ImprovedLegs", lambda: QUICK_LEGS)
    exec(code(LAB_STATE.replace(family=family, n_configs=200), steps=4), {})
    assert "error_ratio" in capsys.readouterr().out

"""Reproducing the paper: quick numbers of each figure, their pictures and words, and the command."""

import json

import pytest
from matplotlib.figure import Figure

from ncv_lab.cli import main
from ncv_lab.paper import figures
from ncv_lab.paper.reproduce import reproduce, text
from ncv_lab.paper.trainings import FIG1, QUICK


@pytest.fixture(scope="module")
def discussion():
    return reproduce("discussion")


def test_discussion_has_every_case(discussion):
    assert {(one["control"], one["lam"]) for one in discussion["break_even"]} == {
        (control, lam) for control in ("linear", "Schwinger-Dyson") for lam in (0.5, 24.0)
    }
    assert len(discussion["coupling"]) == 8 and discussion["quick"] and "jax" in discussion["versions"]


def test_numbers_are_plain_and_drawn_again(discussion, tmp_path):
    (tmp_path / "numbers.json").write_text(json.dumps(discussion))
    loaded = figures.load(tmp_path / "numbers.json")
    assert loaded == discussion and text(loaded).count("\n") == 11
    assert all(isinstance(picture, Figure) for picture in figures.draw(loaded).values())


def test_unknown_figures_are_refused():
    with pytest.raises(ValueError, match="choose one of fig1"):
        reproduce("fig7")


def test_command_writes_numbers_and_pictures(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(QUICK, "fig1", tuple(one for one in FIG1 if one.n_train == 1000 and one.depth == 0))
    words = ["paper", "fig1", "--steps", "1000", "--resume", str(tmp_path / "runs"), "--output-dir", str(tmp_path)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "1,000 steps" in said and "linear, solved, lam = 24" in said
    assert (tmp_path / "fig1.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "runs").glob("*.safetensors"))) == 2
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["command"] == "paper" and document["trainings"][0]["setting"]["n_train"] == 1000

"""Every number that an answer of a lesson gives is one that the panel has shown."""

import json

import lesson_answers
import nbformat
import pytest

CLAIMS = lesson_answers.CLAIMS
STORED = json.loads(lesson_answers.ANSWERS.read_text(encoding="utf-8"))


def words_of(lesson):
    notebook = nbformat.read(lesson_answers.LESSONS / f"{lesson}.ipynb", as_version=4)
    return " ".join(" ".join(cell.source.split()) for cell in notebook.cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim.lesson}: {claim.words}")
def test_what_a_lesson_says_is_what_its_panel_shows(claim):
    assert claim.words in words_of(claim.lesson), "the lesson says something else now"
    measured = STORED.get(claim.settings)
    assert measured, f"run `python tools/lesson_answers.py {claim.lesson}`"
    assert claim.low <= measured["number"] <= claim.high, claim.words

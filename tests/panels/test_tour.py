"""The tour: what its stations say, where they point, and how one walks through them."""

import pytest

from ncv_lab.panels.tour import FIRST, MOST_WORDS, TOUR, Place, Station
from ncv_lab.panels.variance_lab import VarianceLab


def test_six_stations_point_at_parts_of_the_panel():
    lab = VarianceLab(start=False)
    parts = {"result", "", *(plot.title for plot in lab.board.described), *(c.name for c in lab.controls.values())}
    assert len(TOUR) == 6 and {part for s in TOUR for part in (s.part, s.then)} <= parts
    assert all(station.question.endswith("?") and station.answer.endswith(".") for station in TOUR)
    assert max(len(station.text.split()) for station in TOUR) <= MOST_WORDS
    lab.close()


def test_next_shows_the_answer_and_then_goes_on():
    place, seen = Place(), []
    for _ in range(2 * len(TOUR)):
        place = place.moved("next")
        seen.append((place.card()["number"], place.card()["answered"]))
    assert seen == [(k, answered) for k in range(6) for answered in (False, True)]
    assert place.moved("next") == Place() and Place().card() == {}
    assert Place(5).card()["part"] == "result" and Place(5, answered=True).card()["part"] == "λ", "what is to be moved"
    assert [station.fits for station in TOUR] == 3 * [False] + 3 * [True] and {s.state for s in TOUR} == {FIRST}


def test_back_skip_and_a_place_that_was_kept():
    assert Place(3, answered=True).moved("back") == Place(3) and Place(3).moved("back") == Place(2)
    assert Place(0).moved("back") == Place(0) and Place(4).moved("skip") == Place()
    assert Place().moved("4") == Place(4) and Place().moved("99") == Place(5)


@pytest.mark.parametrize("step", ["jump", "", "-1", "9999999", "²"])
def test_other_steps_are_refused(step):
    with pytest.raises(ValueError, match="a tour goes next or back"):
        Place().moved(step)


def test_a_long_text_is_refused():
    with pytest.raises(ValueError, match="has 41 words, at most 40 fit"):
        Station("t", "word " * 41, "?", ".", "result", FIRST)

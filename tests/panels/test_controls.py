"""Controls: what they hold, how far they reach, and how they are extended."""

import pytest
import traitlets

from ncv_lab.panels.controls import Control, choice, integers, select


def test_a_slider_over_a_list_takes_any_number():
    slider = select("λ", (24.0, 0.5), "the coupling")
    assert slider.options == [0.5, 24.0] and slider.value == 0.5
    slider.value = 0.7  # as the browser does with what was typed
    assert slider.value == 0.7 and slider.options == [0.5, 24.0]
    slider.show(0.7)
    assert slider.options == [0.5, 0.7, 24.0]


def test_a_limit_moves_what_lies_beyond_it():
    slider = integers("t", 0, 10, "the time")
    slider.value = 8
    slider.limit(4)
    assert (slider.max, slider.value) == (4, 4)
    window = Control("range", "window", "two times", high=20, value=(8, 20))
    window.limit(10)
    assert window.value == (8, 10)
    window.show((0, 30))
    assert (window.max, window.value) == (30, (0, 30))
    text = Control("text", "seed", "of all numbers", value="abc")
    text.limit(3)
    assert text.value == "abc"


def test_a_choice_begins_with_the_first():
    assert choice("family", ("linear", "OddMLP"), "the field").value == "linear"
    with pytest.raises(traitlets.TraitError):
        Control("wheel", "λ", "the coupling")

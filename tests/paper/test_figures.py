"""The figures of the paper: files that are read, and what is drawn from them, line by line."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from ncv_lab.paper import figures

DATA = Path(__file__).resolve().parents[2] / "nbs" / "paper" / "data"
PICTURES = {
    "fig1": ["fig1"],
    "fig2": ["fig2"],
    "table2": ["fig3", "table2"],
    "discussion": ["break_even", "coupling"],
}


def setting(**changes):
    "The settings of a training, as they stand in a file."
    usual = {"lam": 24.0, "n_train": 1000, "depth": 5, "width": 4, "seed": 0}
    return usual | {"average_weights": False, "random_start": False} | changes


def training(**changes):
    "The numbers of a training whose ratio rises from 1 to 8."
    history = {"step": [0.0, 10.0, 100.0, 1000.0], "validation_ratio": [1.0, 0.5, 2.0, 8.0]}
    return {"setting": setting(**changes), "history": history}


def solved(**changes):
    return {"lam": 24.0, "n_train": 1000, "time": {"sigma_ratio": 4.2, "error": 0.1}} | changes


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("figure", PICTURES)
def test_stored_numbers_are_drawn(figure):
    pictures = figures.draw(figures.load(DATA / f"{figure}.json"))
    assert list(pictures) == PICTURES[figure]
    for picture in pictures.values():
        assert isinstance(picture, Figure)
        picture.savefig(BytesIO())  # fonts that lack a letter warn here, and warnings are errors


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "foreign.json"
    path.write_text("[1, 2]")
    with pytest.raises(ValueError, match="does not hold the numbers of a figure"):
        figures.load(path)
    path.write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match="not a JSON file"):
        figures.load(path)
    with pytest.raises(FileNotFoundError):
        figures.load(tmp_path / "nowhere.json")


def test_fig1_has_a_panel_for_each_size_and_a_line_for_each_training():
    data = {
        "trainings": [
            training(n_train=10_000),
            training(n_train=10_000, seed=1),
            training(n_train=10_000, random_start=True),
            training(),
            training(depth=0),
        ],
        "solved": [solved(), solved(n_train=10_000)],
    }
    large, small = figures.fig1(data).axes
    assert [ax.get_title(loc="left") for ax in (large, small)] == [
        "10000 training configurations",
        "1000 training configurations",
    ]
    lines = [(line.get_linestyle(), line.get_alpha()) for line in large.lines[:3]]
    assert lines == [("-", 1.0), ("-", 0.3), ("-.", 1.0)]
    assert [line.get_linestyle() for line in small.lines] == ["-", "--", ":"]
    stars = [line for line in large.lines if line.get_marker() == "*"]
    assert [line.get_ydata()[0] for line in stars] == [39.5, 38.5, 96.8]


def test_histories_begin_at_the_first_check_and_are_drawn_from_1_on():
    (panel,) = figures.fig1({"trainings": [training()], "solved": []}).axes
    np.testing.assert_array_equal(panel.lines[0].get_xdata(), [10, 100, 1000])
    np.testing.assert_array_equal(panel.lines[0].get_ydata(), [1, 2, 8])


def test_fig2_tells_widths_depths_and_penalties_apart():
    choices = [{"depth": 1, "width": 1}, {"width": 32, "average_weights": True}, {"random_start": True}]
    data = {"trainings": [training(**choice) for choice in choices], "solved": [solved()]}
    figure = figures.fig2(data)
    (panel,) = figure.axes
    looks = [(line.get_linestyle(), line.get_linewidth(), line.get_alpha()) for line in panel.lines[:3]]
    assert looks == [("-", 0.8, 1.0), ("--", 1.5, 1.0), ("--", 0.8, 0.4)]
    assert len({line.get_color() for line in panel.lines[:3]}) == 3
    assert legend(figure)[:3] == ["width 1", "width 32", "width 4"] and "penalty as printed" in legend(figure)


def test_legends_leave_out_what_is_not_there():
    data = {"trainings": [training()], "solved": []}
    assert legend(figures.fig1(data)) == ["$\\lambda$ = 24", "5 hidden layers × 4"]
    assert legend(figures.fig2(data)) == ["width 4", "5 hidden layers"]
    data = {"trainings": [training(depth=1)], "solved": [solved()]}
    assert legend(figures.fig2(data)) == ["width 4", "1 hidden layer", "linear, solved"]


def test_table2_shows_the_numbers_of_the_paper_beside_ours():
    rows = json.loads((DATA / "table2.json").read_text())["rows"]
    ax = figures.masses({"rows": rows}).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == [row["name"] for row in rows[::-1]]
    of_the_paper = [row for row in rows if row["paper"]]
    assert len(ax.containers) == len(rows) + len(of_the_paper)


def test_fig3_leaves_variants_of_a_row_to_the_table():
    figure = figures.fig3(figures.load(DATA / "table2.json"))
    assert not [name for name in legend(figure) if name.endswith(figures.ASIDE)]
    assert "raw" in legend(figure) and "transfer training" in legend(figure)


def test_times_are_equal_at_the_break_even():
    data = figures.load(DATA / "discussion.json")
    for one in data["break_even"]:
        assert figures._time_ratio(one, one["cost"]) == pytest.approx(1)
        assert figures._time_ratio(one, 2 * one["cost"]) > 1


def test_point_of_the_free_theory_does_not_stretch_the_axis():
    data = figures.load(DATA / "discussion.json")
    highest = max(point["sigma_ratio"] for point in data["coupling"] if point["lam"] > 0)
    assert figures.coupling(data).axes[0].get_ylim()[1] == pytest.approx(3 * highest)

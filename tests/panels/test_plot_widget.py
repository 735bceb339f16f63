"""The board: how curves travel, and the figures that are drawn from the same description."""

import io
import json
import re
import shutil
import subprocess
from importlib.resources import files

import matplotlib.figure
import numpy as np
import pytest

from helpers import ROOT
from ncv_lab import plotting
from ncv_lab.panels.controls import Control
from ncv_lab.panels.plot_widget import (
    Board,
    Plot,
    Series,
    board_figure,
    curves_figure,
    draw_plot,
    pack_curves,
    rows_of_twelve,
    thinned,
)

X = np.arange(1.0, 5.0)
ERROR = 0.1 + 0 * X


def test_curves_travel_as_one_block():
    index, block = pack_curves({"a": ([1, 2, 3], [4, 5, 6]), "b": np.zeros((2, 0))})
    numbers = np.frombuffer(block, "<f4")
    offset, rows, columns = index["a"]
    np.testing.assert_array_equal(numbers[offset:].reshape(rows, columns), [[1, 2, 3], [4, 5, 6]])
    assert index["b"] == (6, 2, 0) and pack_curves({}) == ({}, b"")


def test_thinned_curves_keep_their_ends():
    assert thinned([], []).shape == (2, 0) and thinned([1], [2, 3]).tolist() == [[1.0], [2.0]]
    x, y = thinned(np.arange(1001), np.arange(1001) ** 2, most=100)
    assert len(x) <= 102 and (x[0], x[-1], y[-1]) == (0, 1000, 1e6)


def test_one_message_for_each_update():
    board = Board(Plot("p", "x", "y", (Series("a", "a"),)))
    seen = []
    board.observe(lambda change: seen.append(change["name"]), ["frame", "data", "readout"])
    board.show({"a": ([1], [2])}, {"number": "1"})
    assert sorted(seen) == ["data", "frame", "readout"]


LOOKS = {
    "a line": ({}, (X, X**2)),
    "a dashed line": ({"dash": True}, (X, X**2)),
    "one point": ({}, (X[:1], X[:1])),
    "points": ({"marker": True}, (X, X**2)),
    "points with errors": ({"marker": True}, (X, X**2, ERROR)),
    "a line with points": ({"marker": "line"}, (X, X**2)),
    "bars": ({"bars": True}, (X, X**2)),
    "one bar": ({"bars": True}, (X[:1], X[:1])),
    "a band": ({"band": True}, (X, X**2, ERROR)),
}


@pytest.mark.parametrize("name", LOOKS)
def test_every_series_is_drawn_where_its_numbers_are(name):
    look, columns = LOOKS[name]
    plot = Plot("p", "x", "y", (Series("a", "a", **look), Series("b", "without data")))
    ax = matplotlib.figure.Figure().subplots()
    draw_plot(plot, {"a": columns}, ax)
    assert ax.has_data() and (ax.get_xlabel(), ax.get_ylabel(), ax.get_legend()) == ("x", "y", None)
    low, high = ax.get_ylim()
    assert low < columns[1].max() < high


def test_axes_are_logarithmic_and_have_a_legend_where_asked():
    plot = Plot("p", "x", "y", (Series("a", "first"), Series("b", "second")), xlog=True, ylog=True)
    ax = matplotlib.figure.Figure().subplots()
    draw_plot(plot, {"a": (X, X), "b": (X, X**2)}, ax)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["first", "second"]


@pytest.mark.filterwarnings("error")
def test_a_correlator_below_zero_is_no_obstacle_to_a_logarithmic_axis():
    plot = Plot("p", "t", "C(t)", (Series("c", "C", marker=True),), ylog=True)
    value, error = np.array([1.0, 0.1, 0.02, -0.01]), np.array([0.01, 0.01, 0.05, 0.02])
    figure = curves_figure((plot,), {"c": (X, value, error)})
    figure.savefig(io.BytesIO())
    low, high = figure.axes[0].get_ylim()
    assert 0.005 < low < 0.02 and 1.0 < high < 2.0
    assert figure.axes[0].get_position().width > 0.5


def test_what_is_negative_is_marked_at_the_foot_of_a_logarithmic_axis():
    plot = Plot("p", "t", "C(t)", (Series("c", "C", marker=True),), ylog=True)
    ax = curves_figure((plot,), {"c": (X, np.array([1.0, 0.1, -0.02, 0.01]), ERROR)}).axes[0]
    (mark,) = [line for line in ax.lines if line.get_marker() == "v"]
    assert mark.get_xdata().tolist() == [3.0]


def test_colours_have_one_meaning_on_screen_and_in_figures():
    panels = files("ncv_lab.panels")
    for widget in (Board, Control):
        for ground, palette in (("", plotting.LIGHT), (".ncv-dark", plotting.DARK)):
            (rule,) = re.findall(rf"^\.ncv-board{ground}, .*\{{(.*)\}}", widget._css, re.M)
            assert dict(re.findall(r"--ncv-(\w+): (#\w+);", rule)) == palette._asdict()
    script = panels.joinpath("plot_widget.js").read_text()
    assert json.loads(re.search(r"MEANINGS = (\[.*\])", script)[1]) == list(plotting.Palette._fields)
    tones = {*plotting.LIGHT[:5], *plotting.DARK[:5]}  # the rest may be that of letters and paper
    for name in ("plot_widget.js", "plot_widget.css", "controls.js", "controls.css"):
        assert not tones & set(re.findall(r"#[0-9a-f]{6}\b", panels.joinpath(name).read_text())), "defined once"
    ax = matplotlib.figure.Figure().subplots()
    draw_plot(Plot("p", "x", "y", (Series("a", "a", "other"),)), {"a": (X, X)}, ax)
    assert ax.lines[0].get_color() == plotting.OTHER == plotting.LIGHT.other


def test_the_pages_of_the_documentation_have_the_same_blue():
    css = (ROOT / "docs" / "_static" / "book.css").read_text()
    for theme, palette in (("light", plotting.LIGHT), ("dark", plotting.DARK)):
        rule = re.search(rf'^html\[data-theme="{theme}"\] \{{(.*)\}}', css, re.M)[1]
        assert set(re.findall(r"#\w+", rule)) == {palette.improved}


def test_a_colour_beside_the_palette_is_refused():
    with pytest.raises(ValueError, match="colour 'pink' is none of the palette; take one of raw, improved"):
        Series("a", "a", "pink")


RULES = """
import { ticks, roundRange, settle, format, Tools } from "./plot.mjs";
import { read } from "./controls.mjs";
const sizes = [];
const tools = Object.create(Tools.prototype, {
  panel: { get: () => ({ style: { setProperty: (name, value) => sizes.push(value) } }) },
  redraw: { value: () => tools.size() },
});
tools.size();
tools.enlarge();
tools.redraw();  // as after a preset
console.log(JSON.stringify({
  times: ticks(-0.5, 4.5, false, 12, true).map(([x]) => x),
  decades: ticks(1e-5, 1e-2, true, 6).map(([x]) => x),
  near: ticks(5e-4, 2e-3, true, 6).map(([x]) => x),
  ends: [roundRange(8.5e-4, 9.6e-4, true), roundRange(0.13, 7.2, false), roundRange(1, 1, false)],
  kept: settle([1, 10], [1.5, 9], false),
  grown: settle([1, 10], [1, 20], false),
  typed: [read("1e5"), read("-5"), read("abc"), read("")],
  sizes,
}));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="no node to run JavaScript")
def test_axes_have_round_ticks_that_stay(tmp_path):
    panels = files("ncv_lab.panels")
    (tmp_path / "plot.mjs").write_text(panels.joinpath("plot_widget.js").read_text())
    (tmp_path / "controls.mjs").write_text(panels.joinpath("controls.js").read_text())
    (tmp_path / "rules.mjs").write_text(RULES)
    answer = subprocess.run(["node", "rules.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(answer.stdout)
    assert found["times"] == [0, 1, 2, 3, 4]
    assert found["decades"] == pytest.approx([1e-5, 1e-4, 1e-3, 1e-2])
    assert found["near"] == pytest.approx([5e-4, 1e-3, 2e-3])
    assert found["ends"][0] == pytest.approx([5e-4, 1e-3]) and found["ends"][1] == [0, 8]
    assert found["ends"][2][0] < 1 < found["ends"][2][1], "one point alone has a place too"
    assert found["kept"] == [1, 10] and found["grown"] == [1, 20]
    assert found["typed"] == [1e5, -5, "abc", ""]
    assert found["sizes"][0] == 1 and set(found["sizes"][1:]) == {1.2}, "a larger text stays larger"


def test_an_image_shows_time_to_the_right():
    phi = np.zeros((6, 4))
    phi[5, 0] = 1.0
    ax = matplotlib.figure.Figure().subplots()
    draw_plot(Plot("p", "t", "x", (Series("phi", "φ"),), image=True), {"phi": phi}, ax)
    (image,) = ax.get_images()
    assert image.get_array().shape == (4, 6) and image.get_array()[0, 5] == 1.0 and image.origin == "lower"


def test_a_row_has_twelve_twelfths():
    assert rows_of_twelve([5, 7, 5, 4, 3]) == [[5, 7], [5, 4, 3]]


def test_figures_show_what_the_board_shows():
    curve = Plot("curve", "x", "y", (Series("a", "a"),), span=7)
    board = Board(curve, Plot("image", "t", "x", (Series("phi", "φ"),), image=True, span=3))
    curves = {"a": (X, X), "phi": np.ones((3, 2))}
    assert [ax.get_title() for ax in curves_figure(board.described, curves).axes] == ["curve"]
    words, *others = [
        ax for part in board_figure(board, curves, {"number": "42", "facts": {"a": "b"}}).subfigs for ax in part.axes
    ]
    assert [ax.get_title() for ax in others] == ["curve", "image"]
    assert {"42", "a", "b"} <= {text.get_text() for text in words.texts}
    assert board_figure(board, {}, {}), "nothing to show is no error"


def test_a_plot_that_fills_a_row_is_as_high_as_the_others():
    wide = Plot("wide", "x", "y", (Series("a", "a"),), span=12)
    small = Plot("small", "x", "y", (Series("a", "a"),), span=6)
    for board in (Board(small, wide), Board(small, small, wide, card_span=12)):
        *_, above, below = board_figure(board, {"a": (X, X)}, {}).subfigs
        assert above.bbox.height == pytest.approx(below.bbox.height)

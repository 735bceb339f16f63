"""The tool that runs the chapters and stores what they show."""

import base64
import io

import nbformat
import pytest
from PIL import Image

import book
import reading_order

CHAPTERS = reading_order.reading_order()


def code(source, *outputs):
    return nbformat.v4.new_code_cell(source, outputs=list(outputs), id=f"cell-{abs(hash(source)) % 10**8}")


def notebook(tmp_path, *cells):
    "The path of a notebook with these cells."
    path = tmp_path / "chapter.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)
    return path


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def shows(**data):
    return nbformat.v4.new_output("display_data", data={kind.replace("_", "/"): value for kind, value in data.items()})


def png(colour, **options):
    "A small picture as it stands in a notebook."
    file = io.BytesIO()
    Image.new("RGB", (20, 10), colour).save(file, "png", **options)
    return base64.b64encode(file.getvalue()).decode()


def test_every_notebook_has_its_place_in_the_book():
    assert len(set(CHAPTERS)) == len(CHAPTERS)
    assert sorted(CHAPTERS) == reading_order.notebooks(), "add the new notebook to the lists in docs/index.md"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=book.name)
def test_outputs_belong_to_the_code(chapter):
    assert not book.stale(chapter), f"run `make book NOTEBOOK={book.name(chapter)}`"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=book.name)
def test_chapter_has_a_title(chapter):
    assert reading_order.title(chapter)


def test_table_of_chapters_names_every_chapter():
    table = reading_order.table()
    for chapter in CHAPTERS:
        assert chapter.is_symlink() or f"({book.name(chapter)})" in table


def test_notebook_is_run_and_its_outputs_are_stored(tmp_path):
    solution = "<details><summary>Solution</summary>\n\nTwice:\n\n```python\nassert 2 * x == 84\n```\n\n</details>"
    path = notebook(
        tmp_path,
        code("import sys\nx = 42\nprint('a', object())\nprint('noise', file=sys.stderr)\nx"),
        code("#| hide\nx + 1"),
        code("#| eval: false\n1 / 0", stream("a record\n")),
        code("#| timed\nimport time\ntime.time_ns()"),
        nbformat.v4.new_markdown_cell(solution),
    )
    outcome = book.make(path)
    assert (outcome.error, outcome.remarks, outcome.state) == ("", ("noise",), "renewed")
    first, hidden, record, _ = book.code_cells(nbformat.read(path, as_version=4))
    assert first.outputs[0].text == "a <object object>\n"
    assert first.outputs[1].data == {"text/plain": "42"}
    assert first.execution_count is None and first.outputs[1].execution_count is None
    assert not hidden.outputs and record.outputs[0].text == "a record\n"
    assert book.stale(path) == ""

    before = path.read_bytes()
    assert book.make(path).state == "as before" and path.read_bytes() == before
    path.write_text(path.read_text().replace("x = 42", "x = 40"))
    assert "older" in book.stale(path)
    before = path.read_bytes()
    assert "the solution of exercise 1 (assert 2 * x == 84) raises AssertionError" in book.make(path).error
    assert "the solution of exercise 1 (assert 2 * x == 84) raises AssertionError" in book.rehearse(path).error
    assert path.read_bytes() == before


def test_long_cells_are_left_out_where_it_is_said(tmp_path):
    path = notebook(tmp_path, code("x = 1"), code("#| long\n1 / 0"), code("assert x == 1"))
    assert not book.rehearse(path, with_long=False).error
    assert "ZeroDivisionError" in book.rehearse(path).error


def test_failing_cell_is_named(tmp_path):
    assert book.make(notebook(tmp_path, code("x = 1\n1 / 0"))).error.startswith("cell 1 (x = 1) raises ZeroDivision")


def test_failing_line_is_named(tmp_path):
    error = book.make(notebook(tmp_path, code("x = 1\nassert x == 1\nassert x == 2\nprint(x)"))).error
    assert "cell 1 (x = 1) raises AssertionError" in error and error.endswith("(in the line `assert x == 2`)")


def test_a_notebook_that_is_listed_but_missing_is_named(tmp_path):
    (tmp_path / "docs").mkdir()
    lists = "```{toctree}\n:caption: Lessons\n:maxdepth: 1\n\nnotebooks/lessons/none\n```\n"
    (tmp_path / "docs" / "index.md").write_text(lists)
    with pytest.raises(SystemExit, match=r"docs/index\.md lists nbs/lessons/none\.ipynb, and there is no such file"):
        reading_order.reading_order(tmp_path)


def test_notebook_without_outputs_is_stale_once_outputs_are_expected(tmp_path, monkeypatch):
    path = notebook(tmp_path, code("1"))
    monkeypatch.setattr(book, "OUTPUTS_EXPECTED", False)
    assert book.stale(path) == ""
    monkeypatch.setattr(book, "OUTPUTS_EXPECTED", True)
    assert book.stale(path) == "has no stored outputs"


@pytest.mark.parametrize(
    "output",
    [
        shows(text_plain="[<matplotlib.lines.Line2D at 0x7f21>]"),
        shows(text_plain="Text(0.5, 0, 't')"),
        nbformat.v4.new_output(
            "display_data", data={"application/vnd.jupyter.widget-view+json": {}, "text/plain": "VarianceLab()"}
        ),
        stream("100%|######|", "stderr"),
    ],
)
def test_what_says_nothing_on_a_page_is_dropped(output):
    assert book.stored_output(output) is None


def test_outputs_that_are_too_large_are_refused():
    noise = Image.effect_noise((400, 400), 100)
    file = io.BytesIO()
    noise.save(file, "png")
    with pytest.raises(book.BookError, match=r"a picture of \d+ kB, and 100 kB are the limit"):
        book.stored_output(shows(image_png=base64.b64encode(file.getvalue()).decode()))
    with pytest.raises(book.BookError, match="print less"):
        book.stored_output(stream("x" * 30_000))


def test_only_real_changes_count():
    assert book.same(stream("fit: 12.3 s, ratio 4"), stream("fit:  9.1 s, ratio 4"))
    assert not book.same(stream("fit: 12.3 s, ratio 4"), stream("fit: 12.3 s, ratio 5"))
    red, small_red, blue = (shows(image_png=png(*a)) for a in [("red",), ("red",), ("blue",)])
    assert book.same(red, small_red) and not book.same(red, blue)
    assert book.same(shows(image_png=png("red", compress_level=0)), red)
    assert not book.same(red, shows(image_png=png("red"), text_plain="a figure"))


def test_solutions_are_found_by_number():
    first = "**1.** Why?\n\n<details><summary>Solution</summary>\n\nBecause.\n\n</details>"
    two_blocks = "```python\na = 1\n```\n\nThen\n\n```python\na + 1\n```"
    second = f"<details><summary>Solution</summary>\n\n{two_blocks}\n\n</details>"
    third = "<details><summary>Solution</summary>\n\n<!-- long -->\n\n```python\na - 1\n```\n\n</details>"
    texts = (first, second, third, "```python\nnot a solution\n```")
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text) for text in texts])
    assert book.solutions(nb) == [(2, "a = 1\n"), (2, "a + 1\n"), (3, "a - 1\n")]
    assert book.solutions(nb, with_long=False) == [(2, "a = 1\n"), (2, "a + 1\n")]

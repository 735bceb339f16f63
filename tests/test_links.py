"""The tool that checks the links of the repository and of the built documentation."""

import json

import pytest

import links


@pytest.fixture
def repository(tmp_path):
    "A small repository with a chapter, a text and a built page."
    (tmp_path / "nbs" / "theory").mkdir(parents=True)
    cells = [
        {"cell_type": "markdown", "source": ["# Action\n", "\n", "[text](../../README.md#your-own-data)\n"]},
        {"cell_type": "markdown", "source": ["[gone](02_gone.ipynb), `[code](nowhere)`, [page](https://arxiv.org/abs/1)"]},
        {"cell_type": "code", "source": ["x[0](y)"], "outputs": []},
    ]
    (tmp_path / "nbs" / "theory" / "01_action.ipynb").write_text(json.dumps({"cells": cells}))
    (tmp_path / "index.ipynb").write_text(json.dumps({"cells": []}))
    text = "# Lab\n\n## Your own data\n\n[out](../elsewhere)\n[action](nbs/theory/01_action.ipynb)\n"
    (tmp_path / "README.md").write_text(text)
    (tmp_path / "CONTRIBUTING.md").write_text("[a](README.md#lab) [b](README.md#nothing) ![c](docs/gone.png)\n")
    built = tmp_path / links.BUILT
    built.mkdir(parents=True)
    (built / "index.html").write_text(
        '<a href="page.html#here"></a><a href="page.html#there"></a><a href="https://arxiv.org"></a>'
        '<script src="https://cdn.example.org/a.js"></script><img src="gone.png"><link rel="stylesheet" href="a.css">'
    )
    (built / "page.html").write_text('<p id="here"></p>')
    style = "@import 'https://fonts.example.org/f.css'; p { background: url(data:image/png;base64,) }"
    (built / "a.css").write_text(style)
    return tmp_path


def test_links_of_this_repository_lead_somewhere():
    assert links.dead_links() == []


def test_dead_links_are_found(repository):
    assert links.dead_links(repository) == [
        "CONTRIBUTING.md: the link to README.md#nothing names no heading: README.md has lab, your-own-data",
        "CONTRIBUTING.md: the link to docs/gone.png leads nowhere",
        "README.md: the link to ../elsewhere leads out of the repository",
        "nbs/theory/01_action.ipynb: the link to 02_gone.ipynb leads nowhere",
    ]


def test_faults_of_built_pages_are_found(repository):
    assert links.faults_of_built_pages(repository) == [
        "index.html fetches https://cdn.example.org/a.js from outside",
        "index.html: the link to page.html#there names nothing on that page",
        "index.html: the link to gone.png leads nowhere",
        "a.css fetches https://fonts.example.org/f.css from outside",
    ]


@pytest.mark.parametrize(
    ("heading", "name"),
    [("Your own data", "your-own-data"), ("1. Why is it perfect at λ = 0?", "1-why-is-it-perfect-at-λ--0")],
)
def test_headings_are_named_as_on_github(heading, name):
    assert links.slug(heading) == name

"""The reading order of the book, read from the lists in docs/index.md, with the titles that the notebooks have."""

import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TOCTREE = re.compile(r"```\{toctree\}\n(.*?)```", re.DOTALL)


class Part(NamedTuple):
    """Some chapters under one heading."""

    title: str
    notebooks: list[Path]


def parts(root=ROOT):
    """The parts of the book, in reading order; lists without a notebook, and texts such as CONTRIBUTING, are left out.

    A tool ends with a message if the lists name a notebook that does not exist.
    """
    found = []
    for block in TOCTREE.findall((root / "docs" / "index.md").read_text(encoding="utf-8")):
        lines = block.splitlines()
        title = next(line.removeprefix(":caption: ") for line in lines if line.startswith(":caption:"))
        pages = re.findall(r"^(?:.* <)?notebooks/([\w/]+)>?$", block, re.MULTILINE)
        paths = [root / "nbs" / f"{page}.ipynb" for page in pages if not page.isupper()]
        missing = [path.relative_to(root).as_posix() for path in paths if not path.exists()]
        if missing:
            names = ", ".join(missing)
            sys.exit(f"docs/index.md lists {names}, and there is no such file: write it first, or take the line out.")
        if paths:
            found.append(Part(title, paths))
    return found


def reading_order(root=ROOT):
    "All notebooks of the book, in reading order."
    return [notebook for part in parts(root) for notebook in part.notebooks]


def notebooks(root=ROOT):
    "All notebooks below nbs/, whether they are listed or not."
    return sorted(path for path in (root / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def markdown_cells(notebook):
    "The texts of a notebook, one for each markdown cell."
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def title(notebook):
    "The title of a notebook: its first heading."
    for text in markdown_cells(notebook):
        heading = re.search(r"^# (.+)$", text, re.MULTILINE)
        if heading:
            return heading[1].strip()
    raise ValueError(f"{notebook} has no title: its first markdown cell must begin with `# Title`")


def table(root=ROOT):
    "The book as a markdown table of parts and chapters, with links from the root of the repository."
    lines = ["| part | chapters |", "|---|---|"]
    for part in parts(root):
        chapters = [notebook for notebook in part.notebooks if not notebook.is_symlink()]
        links = [f"[{title(chapter)}]({chapter.relative_to(root).as_posix()})" for chapter in chapters]
        lines.append(f"| {part.title} | {', '.join(links)} |")
    return "\n".join(lines)

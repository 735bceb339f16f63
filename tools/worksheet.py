"""Write the worksheet of the class from its solutions: `python tools/worksheet.py`.

There is one source, nbs/classroom/solutions.ipynb. In the worksheet

- the lines between `# BEGIN SOLUTION` and `# END SOLUTION` are replaced by `return ...`, or by what stands behind a
  colon, as in `# BEGIN SOLUTION: my_c = ...`;
- cells that begin with `#| only in the solutions`, and text that begins with `**Answer.**`, are left out;
- the title is that of the worksheet.

A cell of the worksheet keeps its outputs if its code has not changed. `make export` does this too.
"""

import re
from pathlib import Path

import nbformat

FOLDER = Path("nbs/classroom")
SOLUTION = re.compile(r"^( *)# BEGIN SOLUTION(?:: (.+))?\n(?:.*\n)*?\1# END SOLUTION$", re.MULTILINE)
ONLY_THERE = ("#| only in the solutions", "**Answer.**")
TITLES = (
    ("# A class: solutions\n", "# A class: worksheet\n"),
    (
        "> The worksheet of the class with its exercises solved, and with every number checked.\n",
        "> From throwing points at a circle to a correlator without noise: twelve exercises in ninety minutes.\n",
    ),
)


def without_solutions(source):
    "The source of a cell as it stands in the worksheet."
    return SOLUTION.sub(lambda found: found[1] + (found[2] or "return ...") + "  # your code", source)


def worksheet(solutions, old=None):
    """The worksheet of a notebook with solutions.

    Args:
        solutions: the notebook with the solutions.
        old: the worksheet as it was, whose outputs are kept where the code is the same.
    """
    nb = nbformat.from_dict({**solutions, "cells": []})
    outputs = {(cell.id, cell.source): cell.outputs for cell in old.cells if cell.cell_type == "code"} if old else {}
    for cell in solutions.cells:
        if cell.source.startswith(ONLY_THERE):
            continue
        cell = nbformat.from_dict(cell)
        cell.source = without_solutions(cell.source)
        if cell.cell_type == "code":
            cell.outputs = outputs.get((cell.id, cell.source), [])
        nb.cells.append(cell)
    for there, here in TITLES:
        if there not in nb.cells[0].source:
            raise ValueError(f"the first cell of the solutions should contain {there!r}")
        nb.cells[0].source = nb.cells[0].source.replace(there, here)
    nb.metadata = old.metadata if old else nbformat.from_dict({"kernelspec": solutions.metadata.kernelspec})
    return nb


def write(root=Path(".")):
    "Write the worksheet below root."
    target = root / FOLDER / "worksheet.ipynb"
    old = nbformat.read(target, as_version=4) if target.exists() else None
    solutions = nbformat.read(root / FOLDER / "solutions.ipynb", as_version=4)
    nbformat.write(worksheet(solutions, old), target)


if __name__ == "__main__":
    write(Path(__file__).resolve().parent.parent)

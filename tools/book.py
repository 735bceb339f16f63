"""Run the chapters and store what they show: `python tools/book.py [NOTEBOOK ...] [--jobs N] [--test | --check]`.

Each notebook runs from top to bottom in a kernel of its own, and after its cells the Python of the solutions that are
folded away below its exercises. Text and pictures are stored in the notebook; progress bars, warnings and widgets are
not. What only differs in a wall time, or not in a single pixel, stays as it was. Two directives are heeded: a cell with
`#| eval: false` is not run, and keeps the outputs that it has; the outputs of a cell with `#| timed`, whose numbers
depend on the speed of the machine, are renewed only if the code of the notebook has changed. A notebook that fails is
not changed.

`--test` runs the same cells and solutions and stores nothing. It takes less time, because several notebooks share a
process and what it has imported and compiled. Cells with `#| long`, which repeat trainings of the paper, and solutions
with `<!-- long -->`, which fit the default control variate once more, are left out then, unless `--long` is given.

A hash of the code cells is stored beside the outputs. `--check` runs nothing: it compares that hash with the code as it
is now, and lists the notebooks whose outputs are older than their code.
"""

import argparse
import base64
import contextlib
import gc
import hashlib
import io
import os
import re
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import nbformat
from cells import directives, is_hidden
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from PIL import Image, ImageChops
from traitlets.config import Config

from reading_order import ROOT, reading_order

# True: a notebook without stored outputs is an error too, not only one whose outputs are older than its code.
OUTPUTS_EXPECTED = True

MAX_PICTURE = 100_000  # bytes
MAX_TEXT = 20_000  # characters of one output
SECONDS = 900  # for one cell
# The longest notebooks. They run first, so that no process waits for them when all else is done.
FIRST = ("nbs/demo.ipynb", "nbs/tutorials/theories.ipynb")

KEPT_TYPES = ("image/png", "image/svg+xml", "text/html", "text/latex", "text/markdown", "text/plain")
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
WALL_TIME = re.compile(r"\s*\d+(\.\d+)?(e[+-]?\d+)? (s|ms|min|h|seconds?|minutes?|hours?)\b")
# what matplotlib's functions return, where a cell forgot its semicolon
PART_OF_A_PICTURE = re.compile(r"\s*[\[(]*(<matplotlib\.|Text\(|<ErrorbarContainer|<BarContainer)")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
FAILING_LINE = re.compile(r"^-+> *\d+ (.+)$", re.MULTILINE)  # the first arrow of a traceback points into the cell
PROGRESS = re.compile(r"\r|\d+%\|")
SOLUTION = re.compile(r"<details>.*?</details>", re.DOTALL)
LONG_SOLUTION = "<!-- long -->"
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)

# One thread and fixed settings: the same numbers and the same pictures each time.
ENVIRONMENT = {
    "MATPLOTLIBRC": str(ROOT / "tools" / "matplotlibrc"),
    "NPROC": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONPATH": str(ROOT),
    "SOURCE_DATE_EPOCH": "0",
}


class BookError(Exception):
    """A notebook that does not run, or shows what is too large to be stored."""


class Outcome(NamedTuple):
    """What became of one notebook: the error, if any, what it said on stderr, and how its file is now."""

    path: Path
    seconds: float
    error: str = ""
    remarks: tuple[str, ...] = ()
    state: str = "runs"


class Step(NamedTuple):
    """One piece of Python that is run: a cell or a solution, its place in the notebook, and what it is called."""

    name: str
    index: int
    cell: nbformat.NotebookNode

    def __str__(self):
        first_line = next(iter(self.cell.source.strip().splitlines()), "")
        return f"{self.name} ({first_line})"


def code_cells(nb):
    "The code cells of a notebook."
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def sources_hash(nb):
    "A hash of the sources of all code cells."
    digest = hashlib.sha256()
    for cell in code_cells(nb):
        digest.update(cell.source.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def solutions(nb, with_long=True):
    "Pairs (number of the solution, its Python) for the Python blocks in folded solutions, in order."
    found = []
    number = 0
    for cell in nb.cells:
        if cell.cell_type != "markdown":
            continue
        for block in SOLUTION.findall(cell.source):
            number += 1
            if LONG_SOLUTION in block and not with_long:
                continue
            for source in PYTHON_BLOCK.findall(block):
                found.append((number, source))
    return found


def steps(nb, with_long=True):
    "What is run of a notebook: its code cells, and its solutions, which are appended to it as cells."
    left_out = {"eval:false"} if with_long else {"eval:false", "long"}
    found = []
    for index, cell in enumerate(nb.cells):
        if cell.cell_type == "code" and not directives(cell) & left_out:
            found.append(Step(f"cell {index + 1}", index, cell))
    for number, source in solutions(nb, with_long):
        cell = nbformat.v4.new_code_cell(source)
        found.append(Step(f"the solution of exercise {number}", len(nb.cells), cell))
        nb.cells.append(cell)
    return found


def execute(nb, folder):
    "Run the steps of a notebook, in place, in a kernel of its own."
    todo = steps(nb)
    with TemporaryDirectory() as sockets:
        # sockets in a folder of one's own rather than on the network
        address = {"transport": "ipc", "ip": f"{sockets}/kernel"} if os.name == "posix" else {}
        client = NotebookClient(
            nb,
            config=Config(KernelManager=address),
            resources={"metadata": {"path": str(folder)}},
            timeout=SECONDS,
            coalesce_streams=True,
            record_timing=False,
            store_widget_state=False,
        )
        with client.setup_kernel(env=os.environ | ENVIRONMENT):
            for step in todo:
                run_step(client, step)


def run_step(client, step):
    "Run one step; an error in it is raised as a BookError that says where it is."
    try:
        client.execute_cell(step.cell, step.index)
    except CellExecutionError as error:
        raise BookError(f"{step} raises {error.ename}: {error.evalue}{failing_line(error.traceback)}") from None
    except CellTimeoutError:
        raise BookError(f"{step} takes more than {SECONDS} seconds") from None
    except DeadKernelError:
        raise BookError(f"the kernel died in {step}") from None


def failing_line(traceback):
    "Where a cell failed, such as ' (in the line `assert x == 1`)'; empty if the traceback does not show it."
    arrow = FAILING_LINE.search(COLOUR.sub("", traceback))
    return f" (in the line `{arrow[1].strip()}`)" if arrow else ""


def rehearse(path, with_long=True):
    "Run the steps of a notebook in this process and store nothing. Returns an Outcome."
    from execnb.shell import CaptureShell

    gc.set_threshold(50_000, 10, 10)  # a search for garbage is slow where much is compiled, and hardly finds any
    start = time.perf_counter()
    error = ""
    with contextlib.chdir(path.parent):
        shell = CaptureShell(path)
        for step in steps(nbformat.read(path, as_version=4), with_long):
            shell.run(step.cell.source)
            if shell.exc:
                trace = "".join(traceback.format_exception(shell.exc))
                error = f"{step} raises {type(shell.exc).__name__}: {shell.exc}\n{trace}"
                break
    return Outcome(path, time.perf_counter() - start, error)


def remarks(nb):
    "What the cells wrote to stderr, progress bars aside: it is not stored, but somebody should read it."
    found = []
    for cell in code_cells(nb):
        for output in cell.outputs:
            if output.get("name") == "stderr" and not PROGRESS.search(output.text):
                found.append(output.text.strip())
    return tuple(found)


def stored(cell):
    "The outputs of a cell as they are stored."
    if is_hidden(cell):
        return []
    made = [stored_output(output) for output in cell.outputs]
    return [output for output in made if output is not None]


def stored_output(output):
    "An output without addresses, counts and timing, or None for what is not stored."
    if output.output_type == "stream":
        if output.name == "stderr":
            return None
        text = ADDRESS.sub("", output.text)
        check_text(text)
        return nbformat.v4.new_output("stream", name="stdout", text=text)
    data = {kind: content for kind, content in output.data.items() if kind in KEPT_TYPES}
    is_widget = any("widget" in kind for kind in output.data)
    is_part = "image/png" not in data and PART_OF_A_PICTURE.match(data.get("text/plain", ""))
    if is_widget or is_part or not data:
        return None
    for kind, content in data.items():
        if kind.startswith("image/"):
            check_picture(kind, content)
            data[kind] = content.rstrip() if kind == "image/png" else content
        else:
            data[kind] = ADDRESS.sub("", content)
            check_text(data[kind])
    metadata = {kind: value for kind, value in output.metadata.items() if kind in data}
    made = nbformat.v4.new_output(output.output_type, data=data, metadata=metadata)
    if made.output_type == "execute_result":
        made.execution_count = None
    return made


def check_picture(kind, content):
    "Raise a BookError if a picture is too large."
    size = len(base64.b64decode(content)) if kind == "image/png" else len(content.encode())
    if size >= MAX_PICTURE:
        raise BookError(
            f"a picture of {size / 1000:.0f} kB, and {MAX_PICTURE / 1000:.0f} kB are the limit: "
            "draw fewer points, or make the figure smaller or its dpi lower"
        )


def check_text(text):
    "Raise a BookError if a text is too long."
    if len(text) > MAX_TEXT:
        raise BookError(f"a text of {len(text)} characters, and {MAX_TEXT} are the limit: print less")


def same(old, new):
    "True if two outputs show the same, up to wall times."
    if old.output_type != new.output_type:
        return False
    if old.output_type == "stream":
        return same_text(old.text, new.text)
    if set(old.data) != set(new.data) or old.metadata != new.metadata:
        return False
    for kind, content in new.data.items():
        compare = same_picture if kind == "image/png" else same_text
        if not compare(old.data[kind], content):
            return False
    return True


def same_text(old, new):
    "True if two texts only differ in wall times."
    return WALL_TIME.sub(" 0 s", old) == WALL_TIME.sub(" 0 s", new)


def same_picture(old, new):
    "True if two PNG pictures have the same pixels."
    if old == new:
        return True
    before, after = (Image.open(io.BytesIO(base64.b64decode(content))).convert("RGBA") for content in (old, new))
    return before.size == after.size and ImageChops.difference(before, after).getbbox(alpha_only=False) is None


def make(path):
    "Run one notebook and store its outputs. Returns an Outcome."
    start = time.perf_counter()
    text = path.read_text(encoding="utf-8")
    old = nbformat.reads(text, as_version=4)
    new = nbformat.reads(text, as_version=4)
    said = ()
    try:
        execute(new, path.parent)
        said = remarks(new)
        store(old, new)
    except BookError as error:
        return Outcome(path, time.perf_counter() - start, str(error), said)
    made = nbformat.writes(old) + "\n"
    if made != text:
        path.write_text(made, encoding="utf-8")
    return Outcome(path, time.perf_counter() - start, "", said, "as before" if made == text else "renewed")


def store(old, new):
    "Put the outputs of a notebook that was run, with solutions at its end, and the hash of its code into the old one."
    is_unchanged = old.metadata.get("ncv_lab", {}).get("sources") == sources_hash(old)
    for index, (cell, run) in enumerate(zip(old.cells, new.cells, strict=False)):
        if cell.cell_type != "code" or "eval:false" in directives(cell):
            continue
        if "timed" in directives(cell) and is_unchanged:
            continue
        try:
            outputs = stored(run)
        except BookError as error:
            raise BookError(f"cell {index + 1} shows {error}") from None
        cell.execution_count = None
        is_same = len(outputs) == len(cell.outputs) and all(map(same, cell.outputs, outputs))
        if not is_same:
            cell.outputs = outputs
    old.metadata["ncv_lab"] = {"sources": sources_hash(old)}


def stale(path):
    "What is wrong with the stored outputs of a notebook, or an empty string."
    nb = nbformat.read(path, as_version=4)
    recorded = nb.metadata.get("ncv_lab", {}).get("sources")
    if recorded is None:
        return "has no stored outputs" if OUTPUTS_EXPECTED and code_cells(nb) else ""
    return "" if recorded == sources_hash(nb) else "has outputs that are older than its code"


def name(path):
    "The path of a notebook, seen from the root of the repository."
    return path.relative_to(ROOT).as_posix()


def check(paths):
    "List the notebooks whose outputs do not belong to their code. Returns True if there are none."
    found = {path: stale(path) for path in paths}
    for path, problem in found.items():
        if problem:
            print(f"{name(path)} {problem}: run `make book NOTEBOOK={name(path)}`")
    return not any(found.values())


def run(work, paths, jobs):
    "Run notebooks, several at a time, and say what became of each. Returns True if all of them ran."
    failed = []
    in_turn = sorted(paths, key=lambda path: name(path) not in FIRST)
    with ProcessPoolExecutor(min(jobs, len(paths))) as pool:
        for outcome in pool.map(work, in_turn):
            state = "FAILED" if outcome.error else outcome.state
            print(f"{name(outcome.path):44} {outcome.seconds:6.1f} s  {state}", flush=True)
            for remark in outcome.remarks:
                print("    stderr: " + remark.replace("\n", "\n            "))
            if outcome.error:
                failed.append(f"{name(outcome.path)}: {outcome.error}")
    for line in failed:
        print(line, file=sys.stderr)
    return not failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="all of the book, in reading order, if none is named")
    parser.add_argument("--jobs", type=int, default=1, help="how many run at the same time")
    parser.add_argument("--test", action="store_true", help="run everything, store nothing")
    parser.add_argument("--long", action="store_true", help="with --test: run the long cells and solutions too")
    parser.add_argument("--check", action="store_true", help="run nothing, list outputs that are older than their code")
    arguments = parser.parse_args()
    paths = [path.resolve() for path in arguments.notebooks or reading_order()]
    if arguments.check:
        done = check(paths)
    else:
        work = partial(rehearse, with_long=arguments.long) if arguments.test else make
        done = run(work, paths, arguments.jobs)
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    import book  # by this name: a notebook that runs in a process of ours has a __main__ of its own

    book.main()

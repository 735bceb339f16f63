"""Write README.md from index.ipynb: `python tools/readme.py`.

The text and the stored outputs are taken over; pictures go to docs/images. Nothing is executed. The table of chapters,
a cell of the notebook that begins with a comment, is made from the reading order in docs/index.md and from the titles
of the notebooks.
"""

import re
from pathlib import Path

import nbformat
from cells import is_hidden, without_directives
from nbconvert import MarkdownExporter

import reading_order

IMAGES = Path("docs/images")
CHAPTERS = "<!-- the chapters, made by `make export` from docs/index.md and their titles -->"
SHOWN = ["text/markdown", "image/png", "text/plain"]


def visible(cell):
    "The cell as a reader of the README sees it, or None: no directives, no progress bars, no hidden cells."
    if is_hidden(cell):
        return None
    cell.source = without_directives(cell.source)
    if cell.cell_type == "code":
        cell.outputs = [output for output in cell.outputs if not is_progress(output)]
    return cell


def is_progress(output):
    "True for what goes to stderr and for widgets, which a static page cannot show."
    return output.get("name") == "stderr" or any("widget" in kind for kind in output.get("data", ()))


def readme(notebook):
    "README text and pictures, a dictionary {path: bytes}, of an index notebook."
    nb = nbformat.read(notebook, as_version=4)
    nb.cells = [cell for cell in map(visible, nb.cells) if cell is not None]
    nb.metadata["language_info"] = {"name": "python"}  # cleaned away; it marks code blocks
    exporter = MarkdownExporter()
    exporter.config.NbConvertBase.display_data_priority = SHOWN
    resources = {"output_files_dir": str(IMAGES), "unique_key": "readme"}
    text, resources = exporter.from_notebook_node(nb, resources)
    header = f"<!-- made from {Path(notebook).name} by `make export`: change the notebook, not this -->\n\n"
    text = "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"
    images = {Path(name): data for name, data in resources["outputs"].items()}
    return header + re.sub(r"\n{3,}", "\n\n", text), images


def write_chapters(root=Path(".")):
    "Write the table of chapters into index.ipynb, in the cell that begins with the comment CHAPTERS."
    notebook = root / "index.ipynb"
    nb = nbformat.read(notebook, as_version=4)
    for cell in nb.cells:
        if cell.source.startswith(CHAPTERS):
            cell.source = f"{CHAPTERS}\n\n{reading_order.table(root)}"
    nbformat.write(nb, notebook)


def write(root=Path(".")):
    "Write README.md and its pictures below root; pictures that are no longer used are removed."
    text, images = readme(root / "index.ipynb")
    (root / "README.md").write_text(text, encoding="utf-8")
    for old in (root / IMAGES).glob("readme_*"):
        old.unlink()
    for name, data in images.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


if __name__ == "__main__":
    write_chapters()
    write()

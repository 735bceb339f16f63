"""Prepare the documentation for Sphinx: `python tools/docs.py` fills docs/notebooks and docs/reference.

The notebooks are copied as a reader should see them: without directives such as `#| export`, without hidden cells, and
with links that hold in the built pages. The reference has one page for each part of the package, with every module.
"""

import ast
import os
import re
import shutil
from pathlib import Path

import nbformat
from cells import is_hidden, without_directives

import arrows
from reading_order import ROOT, notebooks, title

DOCS = ROOT / "docs"
PAGES = DOCS / "notebooks"
REFERENCE = DOCS / "reference"
INDEX = ROOT / "index.ipynb"
OVERVIEW = "Overview and quick start"  # its title as a page of the book; in the README it is the name of the package

# Texts of the repository that are pages too, and files that pages link to.
TEXTS = ["CONTRIBUTING.md", "CHANGELOG.md"]

PARTS = {
    "theory": "Theory",
    "sampling": "Sampling",
    "fields": "Fields",
    "fitting": "Fitting",
    "analysis": "Analysis",
    "sweeps": "Sweeps",
    "plotting": "Plotting",
    "panels": "Live panels",
    "paper": "The paper",
    "demo": "The demonstration",
    "cli": "Command line",
    "utils": "Utilities",
}

LINK = re.compile(r"(?<!\\)(\]\()([^)\s]+)(\))")
CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
DEFAULT_EXP = re.compile(r"^#\|\s*default_exp\s+(\S+)", re.MULTILINE)


def page_of(path):
    "Where a file of the repository is found below docs/: the notebook itself for a chapter."
    path = path.resolve()
    if path == INDEX:
        return PAGES / "index.ipynb"
    if path.is_relative_to(ROOT / "nbs"):
        return PAGES / path.relative_to(ROOT / "nbs")
    if path.is_relative_to(DOCS):
        return path
    return PAGES / path.relative_to(ROOT)


def moved(target, source, page):
    "The target of a link in the file `source`, as it reads in `page`; the file is copied if it is not a page itself."
    path, _, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", path):
        return target
    file = (source.parent / path).resolve()
    if not file.is_file() or not file.is_relative_to(ROOT):
        return target  # a dead link: Sphinx warns about it, and so does tools/links.py
    place = page_of(file)
    if not place.exists() and file.suffix != ".ipynb" and file.name not in TEXTS:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    relative = Path(os.path.relpath(place, page.parent)).as_posix()
    return relative + (f"#{anchor}" if anchor else "")


def with_moved_links(text, source, page):
    "A markdown text with links that hold where it is copied to; code is left alone."
    pieces = CODE.split(text)
    for index in range(0, len(pieces), 2):
        pieces[index] = LINK.sub(lambda link: link[1] + moved(link[2], source, page) + link[3], pieces[index])
    return "".join(pieces)


def shown(nb, source, page):
    "The cells of a notebook that a reader sees, as a reader sees them."
    cells = []
    for cell in nb.cells:
        if is_hidden(cell):
            continue
        if cell.cell_type == "code":
            cell.source = without_directives(cell.source).strip("\n")
            if is_imports(cell.source):
                cell.metadata["tags"] = ["hide-input"]
        else:
            cell.source = with_moved_links(cell.source, source, page)
        if cell.source:
            cells.append(cell)
    return cells


def is_imports(source):
    "True for more than three lines of imports and nothing else: they are folded away."
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a magic command
        return False
    return source.count("\n") > 2 and all(isinstance(one, ast.Import | ast.ImportFrom) for one in statements)


def module_of(nb):
    "The module that a notebook exports, or None."
    found = DEFAULT_EXP.match(nb.cells[0].source)
    return found and found[1]


def write_page(source):
    "Copy one notebook to docs/notebooks."
    nb = nbformat.read(source, as_version=4)
    page = page_of(source)
    module = module_of(nb)
    nb.cells = shown(nb, source.resolve(), page)
    if source.resolve() == INDEX:
        nb.cells[0].source = nb.cells[0].source.replace("# ncv_lab\n", f"# {OVERVIEW}\n", 1)
    if module:
        reference = os.path.relpath(REFERENCE / f"{arrows.part(module)}.md", page.parent)
        note = f"This chapter is the module [`ncv_lab.{module}`]({reference}#module-{anchor(module)})."
        nb.cells[0].source += f"\n\n{note}"
    nb.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    page.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, page)


def write_text(name):
    "Copy one text of the repository to docs/notebooks."
    source = ROOT / name
    page = page_of(source)
    page.write_text(with_moved_links(source.read_text(encoding="utf-8"), source, page), encoding="utf-8")


def anchor(module):
    "The name that links to a module use within its page of the reference."
    return module.replace(".", "-").replace("_", "-")


def chapters():
    "{module: the notebook that exports it}."
    found = {}
    for notebook in notebooks():
        module = module_of(nbformat.read(notebook, as_version=4))
        if module:
            found[module] = notebook
    return found


def write_reference():
    "Write one page for each part of the package, and a page with all public names."
    modules = sorted(arrows.modules())
    missing = {arrows.part(module) for module in modules} - PARTS.keys()
    if missing:
        raise SystemExit(f"tools/docs.py: give the parts {missing} a title in PARTS")
    written_in = chapters()
    in_order = sorted(modules, key=lambda module: written_in[module].name)
    for part, heading in PARTS.items():
        lines = [f"# {heading}", ""]
        for module in in_order:
            if arrows.part(module) == part:
                lines += module_section(module, written_in[module])
        (REFERENCE / f"{part}.md").write_text("\n".join(lines), encoding="utf-8")
    (REFERENCE / "index.md").write_text("\n".join(public_names()), encoding="utf-8")


def module_section(module, notebook):
    "The lines of the reference about one module."
    chapter = os.path.relpath(page_of(notebook), REFERENCE)
    heading = title(notebook)
    return [
        f"(module-{anchor(module)})=",
        f"## {heading}",
        "",
        f"`ncv_lab.{module}`, explained in the chapter [{heading}]({chapter}).",
        "",
        "```{eval-rst}",
        f".. automodule:: ncv_lab.{module}",
        "```",
        "",
    ]


def public_names():
    "The lines of the page that lists what `import ncv_lab` offers, with the first sentence of each docstring."
    lines = [
        "# Public names",
        "",
        "What `import ncv_lab as ncv` offers. The pages of this reference list every module of the package.",
        "",
    ]
    names = arrows.public_names()
    for part, heading in PARTS.items():
        mine = [name for name, module in names.items() if arrows.part(module) == part]
        if mine:
            lines += [f"## {heading}", "", "| name | what it is |", "|---|---|"]
            lines += [public_name(name, names[name]) for name in mine]
            lines.append("")
    return lines


def public_name(name, module):
    "One line of a table: a public name, linked, and the first sentence of its docstring."
    path = arrows.modules()[module]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if module == name:  # a module of its own, such as plotting
        return f"| {{py:mod}}`{name} <ncv_lab.{module}>` | {first_sentence(ast.get_docstring(tree))} |"
    kinds = (ast.ClassDef, ast.FunctionDef)
    node = next(node for node in tree.body if isinstance(node, kinds) and node.name == name)
    kind = "class" if isinstance(node, ast.ClassDef) else "func"
    return f"| {{py:{kind}}}`{name} <ncv_lab.{module}.{name}>` | {first_sentence(ast.get_docstring(node))} |"


def first_sentence(docstring):
    "The first sentence of a docstring, or its first paragraph, for a table."
    paragraph = " ".join((docstring or "").split("\n\n")[0].split())
    sentence = re.split(r"(?<=[a-z)`\]])\. (?=[A-Z`])", paragraph)[0].rstrip(".:") + "."
    pieces = CODE.split(sentence)
    pieces[::2] = [re.sub(r"([*_|\\\[\]<>$])", r"\\\1", piece) for piece in pieces[::2]]
    pieces[1::2] = [piece.replace("|", "\\|") for piece in pieces[1::2]]
    return "".join(pieces)


def main():
    for folder in (PAGES, REFERENCE):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for notebook in notebooks():
        write_page(notebook)
    for name in TEXTS:
        if (ROOT / name).exists():
            write_text(name)
    write_reference()


if __name__ == "__main__":
    main()

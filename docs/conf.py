"""Sphinx settings. `make docs` first prepares docs/notebooks and docs/reference, see tools/docs.py."""

import re
import shutil
from importlib import metadata
from pathlib import Path

from sphinx.domains.python import PyObject

project = "ncv_lab"
author = "The ncv_lab developers"
version = release = metadata.version("ncv-lab")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]

nb_execution_mode = "off"  # the notebooks are run by `make book`, which stores what they show
nb_merge_streams = True
nb_code_prompt_show = "Imports"
nb_code_prompt_hide = "Imports"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 90
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries_show_parents = "hide"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False  # the types stand in the signature

html_theme = "pydata_sphinx_theme"
html_title = "ncv_lab"
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}
html_static_path = ["_static"]
html_css_files = ["book.css"]
templates_path = ["_templates"]
html_show_sourcelink = False
html_sidebars = {"**": ["book-nav.html"]}
html_theme_options = {
    "logo": {"text": "ncv_lab"},
    "navbar_center": ["header-links.html"],
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "navigation_with_keys": False,
    "show_prev_next": True,
    "show_toc_level": 2,
}

# MathJax comes from a package, not from outside: its files are copied below.
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {
    "options": {"enableMenu": False},
    "chtml": {"displayAlign": "center"},
}
MATHJAX_PARTS = ("tex-chtml.js", "output/chtml/fonts/woff-v2/")


def copy_mathjax(app, exception):
    "Copy from the package what these pages need of MathJax, to where `mathjax_path` expects it."
    if exception is not None or app.builder.format != "html":
        return
    for file in metadata.files("sphinx-mathjax-offline"):
        _, found, part = file.as_posix().partition("/static/mathjax/")
        if found and part.startswith(MATHJAX_PARTS):
            target = Path(app.outdir) / "_static" / "mathjax" / part
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), target)


SECTION = re.compile(r"(Args|Attributes|Example|Examples|Keyword Args|Note|Notes|Raises|Returns|Warns|Yields):$")
ARGUMENT = re.compile(r"    \*{0,2}\w+( \([^)]*\))?:(?=\s|$)")
ENUMERATOR = re.compile(r"^(\s*)(\w+)([.)])(?=\s|$)")


def plain(app, what, name, obj, options, lines):
    """Docstrings are plain text with `code`, not reStructuredText.

    The bars and stars of formulas are kept, indented formulas become blocks of code, and a colon in the section on what
    is returned does not end a type. Sections with arguments are left to napoleon.
    """
    made = []
    section = ""
    in_block = False
    for line in lines:
        indented = line.startswith(" ")
        if line and not indented:
            header = SECTION.match(line)
            section = header[1] if header else ""
            in_block = False
            if section in ("Returns", "Yields"):
                made.append(f":{section.lower()}:")
                continue
        if indented and not section and not in_block and not (made and made[-1]):
            made += ["::", ""]
            in_block = True
        made.append(line if in_block else escaped(line))
    lines[:] = made


def escaped(line):
    "A line of plain text as reStructuredText, with `code` and names of arguments kept."
    name = ARGUMENT.match(line)
    if name:
        return name[0] + escaped(line[name.end() :])
    parts = line.split("`")
    parts[::2] = [re.sub(r"([*|_\\])", r"\\\1", part) for part in parts[::2]]
    parts[0] = ENUMERATOR.sub(r"\1\2\\\3", parts[0])  # a line that begins with `0.` is no list
    return "``".join(parts)


# How types are written in the sources, where Sphinx would show what they stand for.
TYPE_NAMES = [
    (r"~?jaxlib\._jax\.Array|~?jax\.Array", "Array"),
    (r"Array \| ~?numpy\.ndarray \| ~?numpy\.bool \| ~?numpy\.number \| bool \| int \| float \| complex", "ArrayLike"),
    (r"<[^<>]*>", "..."),  # a default that is made anew for each object
    (r"~?jaxtyping\.|~?collections\.abc\.|~?typing\.", ""),
]


def readable(app, what, name, obj, options, signature, returned):
    "Signatures with the short names of types; abstract classes, which nobody calls, have none."
    for pattern, short in TYPE_NAMES:
        signature = signature and re.sub(pattern, short, signature)
        returned = returned and re.sub(pattern, short, returned)
    if what == "class" and signature == "(*args, **kwargs)":
        signature = ""
    return signature, returned


def skip(app, what, name, obj, would_skip, options):
    "The fields of a named tuple stand in its signature already."
    return True if (getattr(obj, "__doc__", "") or "").startswith("Alias for field number") else None


def setup(app):
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
    app.connect("autodoc-process-docstring", plain, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", readable)
    app.connect("autodoc-skip-member", skip)
    app.connect("build-finished", copy_mathjax)

"""Sphinx settings; `make docs` first copies the notebooks to docs/notebooks."""

import re
from importlib import metadata

project = "ncv_lab"
author = "The ncv_lab developers"
version = release = metadata.version("ncv-lab")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]

nb_execution_mode = "off"  # the notebooks are run by `make test`
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "show-inheritance": True}

html_theme = "pydata_sphinx_theme"
html_title = "ncv_lab"
html_theme_options = {"show_prev_next": True, "navigation_with_keys": False}
suppress_warnings = ["myst.header"]


def plain(app, what, name, obj, options, lines):
    "Docstrings are plain text with `code`, not reStructuredText: the bars and stars of formulas are kept."
    for i, line in enumerate(lines):
        parts = line.split("`")
        parts[::2] = [re.sub(r"([*|_\\])", r"\\\1", part) for part in parts[::2]]
        lines[i] = "``".join(parts)


def setup(app):
    app.connect("autodoc-process-docstring", plain)

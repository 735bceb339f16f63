"""What the tools know of the cells of a notebook: directives such as `#| hide`, and the text without them."""


def directives(cell):
    "The lines of a cell that begin with `#|`, without that mark and without spaces."
    lines = cell.source.splitlines()
    return {line.removeprefix("#|").replace(" ", "") for line in lines if line.startswith("#|")}


def is_hidden(cell):
    "Whether a reader does not see the cell."
    return "hide" in directives(cell)


def without_directives(source):
    "The source of a cell without the lines that begin with `#|`."
    return "\n".join(line for line in source.splitlines() if not line.startswith("#|"))

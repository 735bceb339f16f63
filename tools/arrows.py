"""Draw which part of the package imports from which: `python tools/arrows.py`.

The parts stand in an order, `ORDER`, and an arrow goes from a part to those that it imports from. The house stands if
every arrow points to an earlier part. Within a part, a chapter imports only from chapters with a lower number.
"""

import ast
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "ncv_lab"

# From the ground up. Parts on one line stand side by side: neither imports from the other.
ORDER = [
    ["utils"],
    ["theory"],
    ["sampling"],
    ["fields"],
    ["fitting"],
    ["analysis"],
    ["sweeps"],
    ["plotting"],
    ["demo"],
    ["panels", "paper"],
    ["cli"],
]
PARTS = [part for floor in ORDER for part in floor]


class Import(NamedTuple):
    """One name that the module `into` imports: `ncv_lab.theory.action.Phi4` is ("theory.action", "Phi4")."""

    into: str
    source: str
    name: str


def part(module):
    """The part of a module: "theory" for "theory.action"."""
    return module.split(".")[0]


def height(part):
    """The floor of a part, from 0 for the lowest."""
    return next(floor for floor, parts in enumerate(ORDER) if part in parts)


@cache
def modules():
    """{name: path} of all modules that nbdev writes, such as "theory.action" and "plotting"."""
    paths = sorted((ROOT / PACKAGE).rglob("*.py"))
    named = {".".join(path.relative_to(ROOT / PACKAGE).with_suffix("").parts): path for path in paths}
    return {name: path for name, path in named.items() if not name.split(".")[-1].startswith("_")}


@cache
def public_names():
    """{public name: module that defines it}, read from ncv_lab/__init__.pyi."""
    stub = ast.parse((ROOT / PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    lines = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or alias.name for node in lines for alias in node.names}


def absolute(node, module):
    """The full name of the module that an import statement in `module` names, whether relative or not."""
    if node.level == 0:
        return node.module
    package = [PACKAGE, *module.split(".")]
    return ".".join([*package[: len(package) - node.level], *filter(None, [node.module])])


def imports(module, path):
    """Every `Import` of a module from the package, also inside functions and by way of `import ncv_lab as ncv`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    public, known = public_names(), modules()
    found = []
    nicknames = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            source = absolute(node, module)
            if source.split(".")[0] != PACKAGE:
                continue
            source = source.removeprefix(PACKAGE).removeprefix(".")
            for alias in node.names:
                inner = f"{source}.{alias.name}".removeprefix(".")
                if inner in known:  # from ncv_lab.panels import state
                    found.append(Import(module, inner, ""))
                elif source:
                    found.append(Import(module, source, alias.name))
                else:  # from ncv_lab import Phi4
                    found.append(Import(module, public[alias.name], alias.name))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == PACKAGE:  # import ncv_lab as ncv
                    nicknames.add(alias.asname or PACKAGE)
                elif alias.name.startswith(f"{PACKAGE}."):
                    found.append(Import(module, alias.name.removeprefix(f"{PACKAGE}."), ""))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in nicknames:
            if node.attr in public:
                found.append(Import(module, public[node.attr], node.attr))
    return sorted(set(found))


def all_imports():
    """Every `Import` within the package."""
    return [found for module, path in modules().items() for found in imports(module, path)]


def arrows(found):
    """{(part, part it imports from): how many names}; imports within a part are left out."""
    return Counter((part(one.into), part(one.source)) for one in found if part(one.into) != part(one.source))


def is_backward(arrow):
    """Whether an arrow points to a part that is not lower."""
    start, end = arrow
    return height(end) >= height(start)


def drawing(counts):
    """The arrows as text, one line for each part, from the highest part down to the lowest."""
    width = max(len(name) for name in PARTS)
    lines = []
    for start in reversed(PARTS):
        ends = [(end, counts[start, end]) for end in PARTS if counts[start, end]]
        marks = [f"{end} {count}{' (BACKWARD)' if is_backward((start, end)) else ''}" for end, count in ends]
        lines.append(f"{start:{width}} -> {', '.join(marks)}" if marks else start)
    return "\n".join(lines)


def main():
    counts = arrows(all_imports())
    print("Parts from the highest to the lowest, and how many names each imports from which:\n")
    print(drawing(counts))
    if any(is_backward(arrow) for arrow in counts):
        sys.exit("\nAn arrow points backward: move what is imported to a lower part.")


if __name__ == "__main__":
    main()

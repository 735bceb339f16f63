"""Promises that the files of the repository make to each other."""

import ast
import base64
import configparser
import json
import re
import tomllib
from pathlib import Path

import pytest
from jaxtyping import TypeCheckError

import ncv_lab.lattice

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((ROOT / "nbs").glob("[0-9]*.ipynb"))
NOTEBOOKS = [ROOT / "index.ipynb", *CHAPTERS, *sorted((ROOT / "nbs").glob("*/*.ipynb"))]
MODULES = [path for path in sorted((ROOT / "ncv_lab").glob("*.py")) if not path.name.startswith("_")]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
DEFAULT_EXP = re.compile(r"#\|\s*default_exp\s+(\w+)")
UNSAFE = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


def name(path):
    return path.relative_to(ROOT).as_posix()


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def cells(notebook):
    return json.loads(text(notebook))["cells"]


def imports(tree):
    "Every (module, imported name) of a syntax tree; modules of this package are relative, as '.lattice'."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((re.sub(r"^ncv_lab(\.|$)", ".", module), alias.name) for alias in node.names)


def chapter_numbers():
    "{module: number of the notebook that exports it}."
    openings = {chapter: "".join(cells(chapter)[0]["source"]) for chapter in CHAPTERS}
    modules = {chapter: DEFAULT_EXP.match(opening) for chapter, opening in openings.items()}
    return {module[1]: int(chapter.name.split("_")[0]) for chapter, module in modules.items() if module}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads(text("pyproject.toml"))["project"]


def test_one_version(project):
    settings = configparser.ConfigParser()
    settings.read_string(text("settings.ini"))
    package = re.search(r'^__version__ = "(.+)"$', text("ncv_lab/__init__.py"), re.M)[1]
    citation = re.search(r"^version: (\S+)$", text("CITATION.cff"), re.M)[1]
    assert {settings["DEFAULT"]["version"], package, citation} == {project["version"]}
    assert project["requires-python"].startswith(f">={settings['DEFAULT']['min_python']},")


def test_locks_name_every_dependency(project):
    extras = project["optional-dependencies"]
    wanted = {"core.txt": project["dependencies"], "dev.txt": sum(extras.values(), project["dependencies"])}
    for lock in LOCKS:
        locked = set(re.findall(r"^([a-z0-9-]+)==", text(lock), re.M))
        names = {re.match(r"[A-Za-z0-9-]+", line)[0].lower() for line in wanted[lock.name]}
        missing = names - locked - {project["name"]}
        assert not missing, f"{lock.name} lacks {missing}: run `make lock`"


@pytest.mark.parametrize("lock", LOCKS, ids=name)
def test_lock_is_hashed_and_names_no_host(lock):
    line = re.compile(r"[a-z0-9-]+==[0-9a-z.]+( ; [^/]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert not [other for other in text(lock).splitlines() if not line.fullmatch(other)]


def test_small_lock_is_part_of_the_large_one():
    core, dev = (set(re.findall(r"^\S+==\S+", text(lock), re.M)) for lock in LOCKS)
    assert core <= dev


def test_readme_is_made_from_the_index(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    from readme import readme

    made, pictures = readme(ROOT / "index.ipynb")
    assert made == text("README.md"), "run `make export`"
    assert {path: (ROOT / path).read_bytes() for path in pictures} == pictures, "run `make export`"


def test_index_is_tested_as_a_notebook():
    link = ROOT / "nbs" / "index.ipynb"
    assert link.is_symlink() and link.resolve() == ROOT / "index.ipynb"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name)
def test_notebook_is_a_chapter(notebook):
    assert len(cells(notebook)) <= 70, "begin a new chapter"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name)
def test_pictures_are_small(notebook):
    outputs = [output.get("data", {}) for cell in cells(notebook) for output in cell.get("outputs", [])]
    sizes = [len(base64.b64decode("".join(data["image/png"]))) for data in outputs if "image/png" in data]
    assert max(sizes, default=0) < 100_000


@pytest.mark.parametrize("chapter", CHAPTERS, ids=name)
def test_chapter_opens_with_title_and_summary(chapter):
    first, second = ("".join(cell["source"]) for cell in cells(chapter)[:2])
    assert DEFAULT_EXP.match(first)
    assert re.match(r"# .+\n+> .+", second)


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_module_is_short(module):
    assert len(text(module).splitlines()) <= 330, "begin a new chapter"


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_module_comes_from_a_notebook_and_is_documented(module):
    assert module.stem in chapter_numbers(), "written by hand?"
    assert f"automodule:: ncv_lab.{module.stem}\n" in text("docs/api.md")


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_imports_only_from_lower_numbers(module):
    numbers = chapter_numbers()
    for source, imported in imports(ast.parse(text(module))):
        assert not source.startswith("ncv_lab"), f"import from a module of the package, not `import {source}`"
        if source.startswith("."):
            other = source.lstrip(".").split(".")[0] or imported
            assert other in numbers, f"{other} is not a module: import from the one that defines it"
            assert numbers[other] < numbers[module.stem], f"{module.stem} may not import from {other}"


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_no_pickle(module):
    assert not UNSAFE & {source.split(".")[0] for source, _ in imports(ast.parse(text(module)))}
    assert not re.search(r"allow_pickle\s*=\s*True", text(module))


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_public_names_have_docstrings(module):
    tree = ast.parse(text(module))
    listed = next(node for node in tree.body if isinstance(node, ast.Assign))
    assert listed.targets[0].id == "__all__"
    public = set(ast.literal_eval(listed.value))
    defined = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    assert ast.get_docstring(tree), "the chapter lacks its `> one line`"
    assert not [node.name for node in defined if node.name in public and not ast.get_docstring(node)]


def test_types_are_checked_in_tests():
    with pytest.raises(TypeCheckError):
        ncv_lab.theory.lattice.neighbour_sum("not a field")

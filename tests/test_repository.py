"""Promises that the files of the repository make to each other."""

import ast
import base64
import configparser
import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from jaxtyping import TypeCheckError

import arrows
from ncv_lab.theory.lattice import translate

ROOT = Path(__file__).resolve().parent.parent
MODULES = arrows.modules()  # {"theory.action": path}
IMPORTS = arrows.all_imports()
NOTEBOOKS = [ROOT / "index.ipynb", *(p for p in sorted((ROOT / "nbs").rglob("*.ipynb")) if not p.is_symlink())]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
HELPERS = {"helpers", "browser", "on_devices"}
DEFAULT_EXP = re.compile(r"#\|\s*default_exp\s+(\S+)")
UNSAFE = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


def name(path):
    return path.relative_to(ROOT).as_posix()


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def cells(notebook):
    return json.loads(text(notebook))["cells"]


def exported_module(notebook):
    "The module that a notebook writes, such as 'theory.action'; None for a lesson or a tutorial."
    found = DEFAULT_EXP.match("".join(cells(notebook)[0]["source"]))
    return found and found[1]


def imported_modules(tree):
    "The modules that the import statements of a syntax tree name; relative ones keep their dots."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


CHAPTERS = {module: notebook for notebook in NOTEBOOKS if (module := exported_module(notebook))}


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


YAML = [ROOT / ".pre-commit-config.yaml", *sorted((ROOT / ".github").rglob("*.yml"))]


@pytest.mark.parametrize("path", YAML, ids=name)
def test_yaml_parses(path):
    assert isinstance(yaml.safe_load(text(path)), dict)


def test_workflow_runs_every_check_on_every_python(project):
    workflow = yaml.safe_load(text(".github/workflows/ci.yml"))
    job = workflow["jobs"]["test"]
    first, last = (int(minor) for minor in re.findall(r"3\.(\d+)", project["requires-python"]))
    assert job["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(first, last)]
    assert any(step.get("run", "").startswith("make test") for step in job["steps"])
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)
    assert "make test" in text(".ci/run")


def test_hooks_before_a_commit_fetch_nothing():
    config = yaml.safe_load(text(".pre-commit-config.yaml"))
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    for hook in config["repos"][0]["hooks"]:
        program, *words = hook["entry"].split()
        assert hook["language"] == "system" and program.startswith(".venv/bin/")
        assert all((ROOT / word).exists() for word in words if word.endswith(".py"))


def test_changelog_knows_the_version(project):
    assert f"## [{project['version']}]" in text("CHANGELOG.md")


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
def test_pictures_are_small(notebook):
    pictures = [output.get("data", {}) for cell in cells(notebook) for output in cell.get("outputs", [])]
    png = [len(base64.b64decode("".join(data["image/png"]))) for data in pictures if "image/png" in data]
    svg = [len("".join(data["image/svg+xml"])) for data in pictures if "image/svg+xml" in data]
    assert max(png + svg, default=0) < 100_000


@pytest.mark.parametrize("module", CHAPTERS)
def test_chapter_opens_with_title_and_summary(module):
    second = "".join(cells(CHAPTERS[module])[1]["source"])
    assert re.match(r"# .+\n+> .+", second)


@pytest.mark.parametrize("module", MODULES)
def test_module_comes_from_the_notebook_of_its_part_and_name(module):
    "ncv_lab/theory/action.py is written from nbs/theory/NN_action.ipynb, ncv_lab/plotting.py from nbs/plotting.ipynb."
    assert module in CHAPTERS, "only __init__.py is written by hand"
    path = CHAPTERS[module].relative_to(ROOT / "nbs").with_suffix("")
    assert re.sub(r"^\d\d_", "", path.name) == module.split(".")[-1]
    assert path.parent.parts == tuple(module.split(".")[:-1])
    assert arrows.part(module) in arrows.PARTS, "a new part needs its place in tools/arrows.py"


def test_hand_written_files_of_the_package_are_few():
    by_hand = {name(path) for path in (ROOT / "ncv_lab").rglob("*.py")} - {name(path) for path in MODULES.values()}
    folders = [path.parent for path in MODULES.values()]
    assert by_hand - {"ncv_lab/_modidx.py"} == {name(folder / "__init__.py") for folder in folders}


def test_every_chapter_has_its_module():
    assert not CHAPTERS.keys() - MODULES.keys(), "run `make export`"


def test_arrows_between_parts_point_to_earlier_parts():
    "utils < theory < sampling < fields < fitting < analysis < sweeps < plotting < demo < panels, paper < cli."
    counts = arrows.arrows(IMPORTS)
    backward = [arrow for arrow in counts if arrows.is_backward(arrow)]
    faults = [one for one in IMPORTS if (arrows.part(one.into), arrows.part(one.source)) in backward]
    assert not backward, f"these imports point backward: {faults}\n\n{arrows.drawing(counts)}"


def test_a_backward_arrow_is_found():
    "The test above would see a fault."
    assert arrows.is_backward(("theory", "fields")) and arrows.is_backward(("paper", "panels"))
    assert arrows.is_backward(("panels", "paper")) and not arrows.is_backward(("fields", "theory"))
    assert "theory   -> fields 1 (BACKWARD)" in arrows.drawing(arrows.Counter({("theory", "fields"): 1}))


@pytest.mark.parametrize("module", MODULES)
def test_imports_within_a_part_come_from_lower_numbers(module):
    number = {other: CHAPTERS[other].name.split("_")[0] for other in MODULES if "." in other}
    for _, source, _ in (one for one in IMPORTS if one.into == module):
        assert source in MODULES, f"import from a module, not from {source}"
        if arrows.part(source) == arrows.part(module):
            assert number[source] < number[module], f"{module} may not import from {source}"


PUBLIC = arrows.public_names()


def test_panels_and_paper_use_public_names():
    "What panels and paper import from other parts is public, or one of the tools in utils and plotting."
    parts = ("panels", "paper")
    others = [one for one in IMPORTS if arrows.part(one.into) in parts and arrows.part(one.source) not in parts]
    outside = [one for one in others if arrows.part(one.source) not in ("utils", "plotting")]
    private = sorted({f"{source}.{name}" for _, source, name in outside if PUBLIC.get(name) != source})
    assert not private, f"not listed in ncv_lab/__init__.pyi: {private}"


@pytest.mark.parametrize("module", MODULES)
def test_no_pickle(module):
    code = MODULES[module].read_text(encoding="utf-8")
    assert not UNSAFE & {source.split(".")[0] for source in imported_modules(ast.parse(code))}
    assert not re.search(r"allow_pickle\s*=\s*True", code)


@pytest.mark.parametrize("module", MODULES)
def test_public_names_have_docstrings(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    listed = next(node for node in tree.body if isinstance(node, ast.Assign))
    assert listed.targets[0].id == "__all__"
    public = set(ast.literal_eval(listed.value))
    defined = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    assert ast.get_docstring(tree), "the chapter lacks its `> one line`"
    assert not [node.name for node in defined if node.name in public and not ast.get_docstring(node)]


def missing_tests():
    "The test files that no one has written yet."
    paths = [path.relative_to(ROOT / "ncv_lab") for path in MODULES.values()]
    expected = [ROOT / "tests" / path.parent / f"test_{path.name}" for path in paths]
    return sorted(name(path) for path in expected if not path.exists())


def test_each_module_has_its_test_file():
    "tests/PART/test_name.py tests ncv_lab/PART/name.py."
    assert not missing_tests()


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_helpers_of_tests_live_in_one_place(path):
    "What several test files need is in one of the HELPERS, such as tests/helpers.py; no test file imports another."
    siblings = {other.stem for other in TESTS} - HELPERS
    sources = {source.lstrip(".").split(".")[-1] for source in imported_modules(ast.parse(text(path)))}
    local = {source for source in sources if source in siblings}
    assert not local, f"move what is shared with {local} to tests/helpers.py"


def test_types_are_checked_in_tests():
    with pytest.raises(TypeCheckError):
        translate("not a field", (1, 0))

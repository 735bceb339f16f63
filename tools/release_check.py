"""Check that a release is ready: `python tools/release_check.py` (or `make release-check`). Nothing is published.

It builds the source archive and from it the wheel, and installs both in empty environments, with the dependencies that
the package index gives today. There it reads every public name, loads the files that version 0.1 saved and runs the
demonstration, all from an empty folder. Each supported Python that is found on this machine, or that uv can get, has
an environment of its own. For another Python, uv checks that each dependency is published for it. That runs nothing,
and the line that is printed says so.

It also checks what a reader of the release needs: one version in all files, a dated section of the changelog, a page of
the reference for every public module, and in the changelog each former name that still works.
"""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

import docs
from reading_order import ROOT

UV = Path(sys.executable).parent / "uv"
SAVED = ROOT / "tests" / "data" / "version_0_1"
SMOKE_TEST = f"""
import ncv_lab as ncv
assert all(hasattr(ncv, name) for name in ncv.__all__)
ensemble = ncv.load_ensemble({str(SAVED / "ensemble.h5")!r})
fit = ncv.load_fit({str(SAVED / "ladder.safetensors")!r})
assert fit.evaluate(ensemble).shape == (200, 4)
print(f"ncv_lab {{ncv.__version__}}: {{len(ncv.__all__)}} public names, files of version 0.1 are read")
"""


class NotReady(Exception):
    """What has to be mended before the release."""


def run(*words, folder=ROOT):
    "What a command prints. Raises NotReady with its last lines if it fails."
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run([*map(str, words)], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        last_lines = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise NotReady(f"`{' '.join(map(str, words))}` failed:\n{last_lines}")
    return done.stdout


def text(name):
    "The text of a file of the repository."
    return (ROOT / name).read_text(encoding="utf-8")


def project():
    "The table [project] of pyproject.toml."
    return tomllib.loads(text("pyproject.toml"))["project"]


def supported_pythons():
    "The versions that the metadata admit, such as ['3.11', '3.12', '3.13']."
    first, end = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project()["requires-python"]).groups()
    return [f"3.{minor}" for minor in range(int(first), int(end))]


def check_version():
    "One version in all files, and a section of the changelog with its date."
    version = project()["version"]
    places = {
        "settings.ini": r"^version = (\S+)$",
        "CITATION.cff": r"^version: (\S+)$",
        "ncv_lab/__init__.py": r'^__version__ = "(.+)"$',
        "CHANGELOG.md": r"^## \[(\S+)\] - \d{4}-\d{2}-\d{2}$",
    }
    for name, pattern in places.items():
        found = re.search(pattern, text(name), re.MULTILINE)
        if not found or found[1] != version:
            raise NotReady(f"pyproject.toml has version {version}, and no line of {name} says so in the form {pattern}")
    return f"version {version} in {len(places) + 1} files"


def former_names():
    "The names of the version before that still work, from the module and the decorators that keep them."
    found = set()
    for path in sorted((ROOT / "ncv_lab").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        found.update(re.findall(r'"(?:ncv_lab\.)?([\w.]+) is now ', source))
        for arguments in re.findall(r"^@former_arguments\((.*)\)", source, re.MULTILINE):
            found.update(re.findall(r"(\w+)=", arguments))
        for table in re.findall(r"^_FORMER_NAMES = (\{.+\})", source, re.MULTILINE):
            found.update(ast.literal_eval(table))
    return sorted(found)


def check_former_names():
    "Each former name stands in the changelog under `### Deprecated`."
    section = re.search(r"^### Deprecated\n(.*?)^##", text("CHANGELOG.md"), re.MULTILINE | re.DOTALL)
    if not section:
        raise NotReady("CHANGELOG.md has no section '### Deprecated'")
    names = former_names()
    missing = [name for name in names if f"`{name}`" not in section[1]]
    if missing:
        raise NotReady(f"the section 'Deprecated' of CHANGELOG.md does not name {missing}")
    return f"{len(names)} former names stand in the changelog"


def check_reference():
    "Every module with public names has a place in the pages of the reference."
    package = ROOT / "ncv_lab"
    parts = {path.relative_to(package).parts[0].removesuffix(".py") for path in package.rglob("*.py")}
    parts = {part for part in parts if not part.startswith("_")}
    missing = sorted(parts - docs.PARTS.keys())
    if missing:
        raise NotReady(f"tools/docs.py has no page of the reference for {missing}")
    return f"{len(parts)} parts in the reference"


def build(folder):
    "The source archive and the wheel that is built from it."
    run(UV, "build", "--quiet", "--out-dir", folder, ROOT)
    (archive,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    return archive, wheel


def name_pythons_of_pyenv():
    "Where pyenv is, its commands such as python3.12 work only for the versions that PYENV_VERSION names."
    if shutil.which("pyenv"):
        installed = run("pyenv", "versions", "--bare").split()
        useful = [one for one in installed if one.rpartition(".")[0] in supported_pythons()]
        os.environ.setdefault("PYENV_VERSION", ":".join(useful))


def has_python(version):
    "Whether this Python is found on the machine, or uv can get it."
    for words in (["find"], ["install"]):
        done = subprocess.run([UV, "python", *words, version], capture_output=True, cwd=ROOT)
        if done.returncode == 0:
            return True
    return False


def check_installed(package, python, folder):
    "Install a package in an empty environment and use it there, in an empty folder."
    home = folder / f"{package.name}-{python}"
    empty = home / "empty"
    run(UV, "venv", "--quiet", "--python", python, home)
    run(UV, "pip", "install", "--quiet", "--python", home / "bin" / "python", package)
    empty.mkdir()
    said = run(home / "bin" / "python", "-c", SMOKE_TEST, folder=empty).strip()
    run(home / "bin" / "ncv-lab", "--help", folder=empty)
    table = run(home / "bin" / "ncv-lab", "demo", "--quick", folder=empty)
    if "error_ratio" not in table:
        raise NotReady(f"`ncv-lab demo --quick` does not print its table on Python {python}:\n{table}")
    shutil.rmtree(home)
    return f"{package.name} on Python {python}: {said}; the demonstration runs"


def check_published(package, python, folder):
    "Each dependency is published as a wheel for this Python. Nothing is run."
    words = ["--python-version", python, "--only-binary", ":all:", "--target", folder / python]
    run(UV, "pip", "install", "--quiet", "--dry-run", *words, package)
    return f"{package.name} on Python {python}: NOT RUN, because it is not to be had here; all dependencies have wheels"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", nargs="*", help="only these versions of Python", default=supported_pythons())
    arguments = parser.parse_args()
    try:
        name_pythons_of_pyenv()
        for check in (check_version, check_former_names, check_reference):
            print("ok  ", check(), flush=True)
        with TemporaryDirectory() as name:
            folder = Path(name)
            archive, wheel = build(folder)
            print("ok  ", f"{archive.name} and {wheel.name} are built", flush=True)
            for python in arguments.python:
                check = check_installed if has_python(python) else check_published
                print("ok  ", check(wheel, python, folder), flush=True)
            print("ok  ", check_installed(archive, supported_pythons()[0], folder), flush=True)
    except NotReady as error:
        sys.exit(f"NOT READY: {error}")


if __name__ == "__main__":
    main()

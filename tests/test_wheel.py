"""The wheel alone, installed in an environment of its own, is a complete ncv_lab: no file of the checkout is needed.

Nothing is fetched. The dependencies are those of the environment that runs the tests: a .pth file names their folder,
behind that of the new environment, and the checkout is on neither path.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
SAVED = ROOT / "tests" / "data" / "version_0_1"

pytestmark = pytest.mark.slow


def pip(*words):
    "Run pip without a network."
    options = ["--disable-pip-version-check", "--no-input", "--quiet"]
    done = subprocess.run([sys.executable, "-m", "pip", *options, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


class Installed(NamedTuple):
    wheel: Path
    home: Path

    def run(self, program, *words):
        "What a program of the new environment prints; it starts in an empty folder and sees no PYTHONPATH."
        folder = self.home / "empty"
        folder.mkdir(exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [self.home / "bin" / program, *map(str, words)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    "A wheel built from a copy of the sources, and an environment that has it."
    folder = tmp_path_factory.mktemp("wheel")
    source, home = folder / "source", folder / "home"
    unwanted = shutil.ignore_patterns("__pycache__", "_modidx.py")
    shutil.copytree(ROOT / "ncv_lab", source / "ncv_lab", ignore=unwanted)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", folder, source)
    (wheel,) = folder.glob("*.whl")
    venv.create(home, with_pip=False)
    pip("--python", home / "bin" / "python", "install", "--no-index", "--no-deps", wheel)
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return Installed(wheel, home)


def test_wheel_holds_every_file(installed):
    "The modules, py.typed, the stub of the public names, and what the panels show in a browser; and nothing else."
    paths = [path.relative_to(ROOT) for path in (ROOT / "ncv_lab").rglob("*") if path.is_file()]
    expected = {path.as_posix() for path in paths if "__pycache__" not in path.parts and path.name != "_modidx.py"}
    with zipfile.ZipFile(installed.wheel) as wheel:
        found = {name for name in wheel.namelist() if ".dist-info/" not in name}
        metadata = next(name for name in wheel.namelist() if name.endswith("METADATA"))
        description = wheel.read(metadata).decode()
    assert found == expected
    assert {"ncv_lab/py.typed", "ncv_lab/__init__.pyi", "ncv_lab/panels/plot_widget.js"} <= found
    assert re.search(r"^Provides-Extra: cluster$", description, re.MULTILINE)


def test_the_demonstration_runs(installed):
    text = installed.run("ncv-lab", "demo", "--quick")
    assert "lam = 24" in text and "error_ratio" in text
    assert json.loads((installed.home / "empty/out/demo.json").read_text())["cases"]


def test_files_and_panels_load(installed):
    "Saved files of the version before, every public name, and the files of the panels, from the wheel alone."
    code = f"""
import ncv_lab as ncv
from importlib.resources import files
from ncv_lab.panels import serve
from ncv_lab.panels.plot_widget import Board

print(ncv.__file__, serve.__file__)
assert all(hasattr(ncv, name) for name in ncv.__all__)
Board()
template = files("ncv_lab.panels") / "voila" / "templates" / "ncv" / "index.html.j2"
assert "<html" in template.read_text() or "extends" in template.read_text()
ensemble = ncv.load_ensemble({str(SAVED / "ensemble.h5")!r})
fit = ncv.load_fit({str(SAVED / "ladder.safetensors")!r})
print(fit.controls(ensemble).shape)
"""
    origins, shape = installed.run("python", "-c", code).strip().splitlines()
    assert all(Path(path).is_relative_to(installed.home) for path in origins.split())
    assert shape == "(200, 4)"

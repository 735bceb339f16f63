"""The page of a panel: its notebook, its name on the command line, and what is said without Voila."""

import inspect
import json
import subprocess
from pathlib import Path

import panel_pictures
import pytest

import ncv_lab as ncv
from ncv_lab.panels import serve as module
from ncv_lab.panels.base import Panel
from ncv_lab.panels.serve import Share, one_cell, panel_names, serve


def test_the_page_of_a_panel_is_a_notebook():
    import nbformat

    nbformat.validate(nbformat.from_dict(one_cell("1 + 1")))


def test_the_names_are_those_of_all_public_panels():
    public = [getattr(ncv, name) for name in ncv.__all__]
    panels = {item.__name__ for item in public if inspect.isclass(item) and issubclass(item, Panel)}
    assert set(panel_names()) == panels and "VarianceLab" in panels


@pytest.mark.parametrize("lesson", panel_pictures.panels())
def test_every_panel_has_a_lesson_and_its_picture(lesson):
    folder = panel_pictures.FOLDER.parent
    assert (folder / f"{lesson}.ipynb").exists(), f"write the lesson nbs/lessons/{lesson}.ipynb"
    picture = folder / "images" / f"{lesson}.png"
    assert picture.exists(), f"run `make pictures LESSON={lesson}`"
    assert f"images/{lesson}.png" in (folder / f"{lesson}.ipynb").read_text(), "show the picture in the lesson"


def test_voila_is_asked_for_the_panel_on_this_machine_alone(monkeypatch):
    asked = {}

    def run(command, env):
        asked.update(command=command, env=env, notebook=json.loads(Path(command[3]).read_text()))
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("JUPYTER_PATH", "/elsewhere")
    assert serve("MassPanel", port=1234, dark=True, browser=False) == 3
    assert {"--port=1234", "--Voila.ip=127.0.0.1", "--theme=dark", "--no-browser"} <= set(asked["command"])
    assert asked["env"]["JUPYTER_PATH"].endswith(":/elsewhere")
    assert "ncv.MassPanel()" in asked["notebook"]["cells"][0]["source"]


def test_voila_is_asked_to_serve_a_class(monkeypatch):
    asked = {}

    def run(command, env):
        asked.update(command=command, env=env)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.delenv("NPROC", raising=False)
    share = Share(address="0.0.0.0", token="secret-secret", max_pages=7, idle_minutes=5)
    assert serve("MassPanel", share=share) == 0
    limits = {"--FewKernels.max_kernels=7", "--MappingKernelManager.cull_idle_timeout=300"}
    assert limits | {"--Voila.ip=0.0.0.0", "--MappingKernelManager.cull_connected=True"} <= set(asked["command"])
    assert not any("secret" in word for word in asked["command"]), "a list of processes would show it"
    assert asked["env"]["JUPYTER_TOKEN"] == "secret-secret" and asked["env"]["NPROC"] == "1"
    assert share.link(80) == "http://NAME-OF-THIS-MACHINE:80/?token=secret-secret"
    serve("MassPanel", share=Share())
    assert "--Voila.ip=127.0.0.1" in asked["command"] and "--Voila.auto_token=True" not in asked["command"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"address": "0.0.0.0"}, "give a token too"),
        ({"address": "192.168.0.7"}, "the address 192.168.0.7 is not of this machine alone"),
        ({"token": "short"}, "the token has 5 characters, and 8 are the least"),
        ({"token": "with & and spaces"}, "letters, digits"),
        ({"max_pages": 0}, "max_pages = 0, expected 1 or more"),
        ({"idle_minutes": -1}, "idle_minutes = -1"),
    ],
)
def test_a_class_cannot_be_served_carelessly(options, message):
    with pytest.raises(ValueError, match=message):
        Share(**options)


def test_without_voila_the_user_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="needs Voila: install it by"):
        serve()

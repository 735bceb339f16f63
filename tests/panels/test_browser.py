"""The panels in a real browser, served by a real Voila and a real JupyterLab. Screenshots go to test-artefacts/."""

import json
import shutil
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from browser import ROOT, Driver, jupyterlab, open_page, voila
from ncv_lab.panels.state import LabState


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with voila(tmp_path_factory.mktemp("voila")) as address:
        yield address


def test_a_lecture(address):
    with open_page(address) as page:
        panel = Driver(page)
        assert panel.text("claim") == "ready"
        empty = [panel.picture(plot) for plot in range(6)]
        panel.click("Start")
        panel.stage("fitting")
        assert panel.number() > 0 and "times the statistics" in panel.text("claim")
        panel.wait("Number(board.querySelector('.ncv-number').textContent) > 2")
        panel.shot("voila-fitting")
        full = [panel.picture(plot) for plot in range(6)]
        assert all(before != after for before, after in zip(empty, full, strict=True))

        panel.slide("λ", "ArrowRight")  # while the fit runs: a new ensemble, and a new curve
        panel.wait("board.dataset.stage !== 'fitting'")
        panel.stage("fitting")
        panel.number()
        assert panel.picture(4) != full[4], "another configuration"
        for name in ("width", "depth"):
            panel.wait("Number(board.querySelector('.ncv-number').textContent) > 2")
            panel.slide(name, "ArrowRight")
            panel.wait("!(Number(board.querySelector('.ncv-number').textContent) > 2)")  # a new network begins
        panel.number()

        panel.type("λ", "0.7")  # no place of the slider
        panel.wait("board.dataset.stage !== 'fitting'")
        panel.stage("fitting")
        panel.number()
        slider = page.get_by_role("slider", name="λ", exact=True)
        assert slider.get_attribute("aria-valuetext") == "0.7"
        slider.focus()
        assert page.get_by_text("λ φₓ⁴ / 24").is_visible(), "the keyboard finds the formula"

        panel.click("Stop")
        panel.stage("stopped")
        before = panel.picture(4)
        updates = panel.board.get_attribute("data-updates")
        page.locator(".ncv-plot canvas").nth(0).click(position=panel.a_point())
        panel.wait(f"Number(board.dataset.updates) > {updates}")
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert panel.picture(4) != before, "a click on a point shows its configuration"
        page.set_viewport_size({"width": 420, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
        # The stage is set at once, and what was sent before it is drawn in the next frame.
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        frames = panel.board.get_attribute("data-frames")
        page.wait_for_timeout(500)
        assert panel.board.get_attribute("data-frames") == frames, "nothing moves after Stop"
        assert not page.faults


def test_errors_exports_and_a_dark_room(tmp_path):
    with voila(tmp_path, "--dark") as address, open_page(address, width=1024, height=768) as page:
        panel = Driver(page)
        lattice = page.get_by_label("lattice", exact=True).last
        lattice.fill("8x8")
        lattice.press("Enter")
        page.get_by_role("combobox", name="family").select_option("linear")
        panel.click("Start")
        panel.stage("finished")
        assert panel.number() > 2
        page.locator(".ncv-plot canvas").nth(1).hover()
        panel.shot("voila-dark-1024")
        assert "ncv-dark" in panel.board.get_attribute("class")
        assert page.evaluate("document.documentElement.scrollWidth") <= 1024

        with page.expect_download() as download:
            panel.click("JSON")
        document = json.loads(download.value.path().read_text())
        state = LabState.from_json(json.dumps(document["state"]))
        assert state.shape == (8, 8) and state.family == "linear"
        with page.expect_download() as download:
            panel.click("PNG")
        assert download.value.path().read_bytes().startswith(b"\x89PNG")

        lattice.fill("8x1")
        lattice.press("Enter")
        panel.stage("error")
        assert "drop that axis" in page.get_by_role("alert").inner_text()
        panel.shot("voila-error")
        lattice.fill("6x4")
        lattice.press("Enter")
        panel.stage("finished")
        assert page.get_by_role("alert").is_hidden() and not page.faults


def test_jupyterlab(tmp_path):
    shutil.copy(ROOT / "nbs" / "lessons" / "variance_lab.ipynb", tmp_path)
    with jupyterlab(tmp_path) as address, open_page(f"{address}/lab/tree/variance_lab.ipynb") as page:
        kernel = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
        page.wait_for_function(f"{kernel}?.status == 'idle'")
        page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
        panel = Driver(page)
        panel.board.scroll_into_view_if_needed()
        panel.click("Start")
        panel.stage("fitting")
        panel.wait("Number(board.querySelector('.ncv-number').textContent) > 2")
        panel.shot("jupyterlab")
        assert not page.get_by_text("Jupyter news").count()
        panel.click("Stop")
        panel.stage("stopped")
        page.locator(".ncv-static img").wait_for(state="attached")
        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        saved = (tmp_path / "variance_lab.ipynb").read_text()
        assert "data:image/png;base64," in saved, "the saved notebook has a picture"
        picture = page.locator(".ncv-static").first
        assert not picture.is_visible(), "while the panel lives, its picture is hidden"
        assert not page.faults


def test_a_class_is_served_up_to_its_limit(tmp_path):
    with voila(tmp_path, "--share", "--token=secret-secret", "--max-pages=1") as address:
        with open_page(f"{address}/?token=secret-secret") as page:
            panel = Driver(page)
            panel.click("Start")
            panel.number()
            with pytest.raises(HTTPError) as refused:
                urlopen(f"{address}/?token=secret-secret")
        refused.value.close()
        assert refused.value.code == 503 and "all 1 pages of this machine are in use" in refused.value.reason
        with urlopen(address) as answer:  # without the token one gets no further than to the page for it
            assert "/login" in answer.url

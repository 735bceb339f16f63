"""The panels in a real browser, served by a real Voila and a real JupyterLab. Screenshots go to test-artefacts/."""

import json
import shutil
from base64 import b64encode
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest
from ipywidgets import DOMWidget

import ncv_lab as ncv
from browser import ARTEFACTS, ROOT, Driver, jupyterlab, open_page, voila
from ncv_lab import plotting
from ncv_lab.panels.compare import MAP_PLOT, TRAINING_PLOT
from ncv_lab.panels.plot_widget import Board
from ncv_lab.panels.state import LabState


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with voila(tmp_path_factory.mktemp("voila")) as address:
        yield address


def test_a_lecture(address):
    with open_page(address) as page:
        panel = Driver(page)
        panel.number()  # it starts by itself
        panel.click("Reset")
        panel.stage("ready")
        assert panel.text("claim") == "ready"
        lattice = page.get_by_label("lattice", exact=True).last
        lattice.fill("20x20")
        lattice.press("Enter")
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        empty = [panel.picture(plot) for plot in range(6)]
        panel.click("Start")
        panel.stage("fitting")
        assert panel.number() > 0
        panel.wait("Number(board.querySelector('.ncv-number').textContent) > 2")
        assert "times the configurations" in panel.text("claim")
        panel.shot("voila-fitting")
        full = [panel.picture(plot) for plot in range(6)]
        assert all(before != after for before, after in zip(empty, full, strict=True))

        panel.slide("λ", "ArrowRight")  # while the fit runs: a new ensemble, and a new curve
        panel.wait("board.dataset.stage !== 'fitting'")
        panel.stage("fitting")
        panel.number()
        panel.redrawn(5, full[5])  # another configuration
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
        around = "control => getComputedStyle(control.parentElement).overflow"
        assert page.locator(".ncv-control").first.evaluate(around) == "visible", "and nothing cuts it off"

        panel.click("Pin")  # the curves of now, in grey
        panel.wait("board.querySelectorAll('.ncv-pins button').length === 1")
        panel.type("λ", "24")
        panel.wait("board.dataset.stage !== 'fitting'")
        panel.stage("fitting")
        panel.number()
        panel.click("Pin")
        panel.wait("board.querySelectorAll('.ncv-pins button').length === 2")
        first, second = page.locator(".ncv-pins button").all_inner_texts()
        assert first.startswith("①") and "λ = 0.7, width = 5, depth = 2 ✕" in first and "λ = 24" in second
        ratio = page.locator(".ncv-plot", has_text="Ratio of the spreads")
        assert "λ = 0.7" in ratio.locator(".ncv-legend").inner_text()
        panel.shot("voila-pinned")
        page.locator(".ncv-pins button").first.click()
        panel.wait("board.querySelectorAll('.ncv-pins button').length === 1")
        assert "λ = 24" in page.locator(".ncv-pins").inner_text()

        panel.click("Stop")
        panel.stage("stopped")
        before = panel.picture(5)
        updates = panel.board.get_attribute("data-updates")
        page.locator(".ncv-plot canvas").nth(0).click(position=panel.a_point())
        panel.wait(f"Number(board.dataset.updates) > {updates}")
        panel.redrawn(5, before)  # a click on a point shows its configuration
        page.set_viewport_size({"width": 420, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
        # The stage is set at once, and what was sent before it is drawn in the next frame.
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        frames = panel.board.get_attribute("data-frames")
        page.wait_for_timeout(500)
        assert panel.board.get_attribute("data-frames") == frames, "nothing moves after Stop"
        assert not page.faults


SIZES = ((1024, 768), (1280, 720), (1440, 900), (1920, 1080))

# How far down the lowest plot ends, and whether words are wider than their boxes.
LOWEST = """() => {
  const boxes = [...document.querySelectorAll('.ncv-plot, .ncv-card')];
  const wide = boxes.filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.dataset.name);
  return [Math.max(...boxes.map((box) => box.getBoundingClientRect().bottom)), wide];
}"""


def sizes_of(page, panel, name):
    "The board ends in the last tenth of the window in every size, and nothing is cut off."
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        panel.shot(f"{name}-{width}")
        lowest, wide = page.evaluate(LOWEST)
        assert 0.9 * height < lowest <= height and not wide, f"{width} x {height}: {lowest}, {wide}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_newcomer(address):
    with open_page(address) as page:
        panel = Driver(page)
        panel.wait("Number(board.querySelector('.ncv-number').textContent) > 5")  # nobody has touched anything
        assert "times shorter, which is worth" in panel.text("claim") and "Only C(4) is improved" in panel.text("note")
        assert "a computer measures o" in panel.text("intro").lower()
        sizes_of(page, panel, "first-light")
        page.locator(".ncv-large").focus()
        assert "σ(O) / σ(O − f)" in panel.text("hint"), "the keyboard finds the formula of the number"

        panel.click("New here? Take the tour")
        page.get_by_text("1 of 6: This is a configuration").wait_for()
        lit = page.locator(".ncv-lit")
        assert lit.get_attribute("data-name") == "Configuration φ"
        panel.wait("board.querySelector('.ncv-claim').textContent.includes('no f yet')")
        assert panel.text("number") == "–"
        page.keyboard.press("ArrowRight")
        page.get_by_text("The action S makes differences").wait_for()
        panel.shot("tour")
        page.keyboard.press("ArrowRight")
        page.get_by_text("2 of 6").wait_for()
        assert lit.get_attribute("data-name") == "Correlator"
        page.keyboard.press("ArrowLeft")
        page.get_by_text("1 of 6").wait_for()
        page.get_by_role("slider", name="width", exact=True).press("ArrowRight")  # is for the slider
        assert panel.text("tour strong").startswith("1 of 6")
        for name in 3 * ["Show the answer", "Next"]:
            panel.click(name)
        page.get_by_text("4 of 6: A network learns").wait_for()
        panel.wait("Number(board.querySelector('.ncv-number').textContent) > 5")
        assert lit.get_attribute("data-name") == "Each configuration is a point"
        page.reload()  # another kernel; the browser knows where we were
        panel.click("Go on with the tour (4)")
        page.get_by_text("4 of 6: A network learns").wait_for()
        page.keyboard.press("Escape")
        page.locator(".ncv-tour").wait_for(state="hidden")
        page.get_by_role("button", name="Tour", exact=True).wait_for()
        assert not lit.count() and not page.faults


def test_a_state_and_configurations_travel(address, tmp_path):
    with open_page(address) as page:
        panel = Driver(page)
        panel.wait("Number(board.querySelector('.ncv-number').textContent) > 5")
        panel.click("Stop")
        panel.stage("stopped")
        shown = panel.text("large")
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        panel.click("Link")
        page.wait_for_function("location.hash.startsWith('#ncv=')")
        assert page.evaluate("navigator.clipboard.readText()") == page.url
        page.reload()
        panel.stage("finished")
        assert panel.text("large") == shown

        def open_file(name, content):
            panel.click("Open…")
            page.get_by_label("Or a file").set_input_files({"name": name, "mimeType": "", "buffer": content})
            page.get_by_role("dialog").get_by_role("button", name="Open", exact=True).click()

        page.get_by_role("combobox", name="family").select_option("linear")
        page.get_by_text("all 5 times are improved at once").wait_for()
        panel.stage("finished")
        alert = page.get_by_role("alert")
        number = panel.text("number")
        open_file("bad.npy", b"no array")
        page.get_by_text("bad.npy is no NumPy array").wait_for()
        panel.click("Open…")
        page.get_by_label("A link or a code").fill("#ncv=AAAA")
        page.get_by_label("A link or a code").press("Enter")
        page.get_by_text("this link cannot be opened").wait_for()
        panel.shot("refused")
        assert panel.text("number") == number, "nothing is lost"
        configs = np.random.default_rng(0).normal(size=(4, 2000, 8, 8))  # 4 MB: in two parts
        np.save(tmp_path / "mine.npy", configs)
        open_file("mine.npy", (tmp_path / "mine.npy").read_bytes())
        page.get_by_text("np.load('mine.npy')").wait_for()
        panel.stage("finished")
        assert alert.is_hidden() and panel.text("note").startswith("Beware: ")

        size = "getComputedStyle(document.querySelector('.ncv-claim')).fontSize"
        before = page.evaluate(size)
        panel.click("Larger text, for a projector")
        assert float(page.evaluate(size)[:-2]) == pytest.approx(1.2 * float(before[:-2]))
        panel.click("Full screen")
        page.wait_for_function("document.fullscreenElement?.classList.contains('ncv-panel')")
        panel.click("Full screen")
        assert not page.faults


WITHOUT_KERNEL = """async ([code, state]) => {
  const { default: { render } } = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  const data = new DataView(Uint8Array.from(atob(state.data), (c) => c.charCodeAt(0)).buffer);
  const values = { ...state, data };
  window.sent = [];
  document.querySelector("#board").replaceChildren();
  const model = { get: (name) => values[name], on() {}, off() {}, send: (message) => window.sent.push(message) };
  render({ model, el: document.querySelector("#board") });
}"""


def draw(page, board, curves, readout):
    "Draw a board on a page by its script, without a kernel."
    board.show(curves, readout)
    ours = set(board.traits(sync=True)) - set(DOMWidget.class_traits(sync=True)) - {"data", "_esm", "_css"}
    state = {name: getattr(board, name) for name in ours if not name.startswith("_")}
    state["data"] = b64encode(board.data).decode()
    page.evaluate(WITHOUT_KERNEL, [Board._esm, state])
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


READOUT = {
    "caption": "mass from t = 8 to 20, improved", "number": "0.1947(11)", "claim": "13.2(14) times the raw precision",
    "facts": dict.fromkeys(("raw", "improved", "measured on", "ensemble", "τ_int"), "0.1947(11), χ²/dof = 13.8/11"),
    "status": "finished; move the window", "stage": "finished",
}  # fmt: skip
OVERFLOWING = """[...document.querySelectorAll('.ncv-card, .ncv-plot > canvas')].filter(
  box => box.scrollHeight > box.clientHeight + 1 || box.scrollWidth > box.clientWidth + 1 || box.clientHeight < 110)
  .map(box => box.className + box.scrollHeight + ' ' + box.clientHeight)"""


def test_boards_without_a_kernel(tmp_path):
    "The layout of every panel at three widths, the map of networks, and a click on a pinned curve."
    (tmp_path / "page.html").write_text(f"<style>{Board._css}</style><div id='board'></div>")
    with open_page(f"file://{tmp_path}/page.html") as page:
        for name in ("MassPanel", "BreakEvenPanel", "OverfitPanel", "ComparePanel"):
            panel = getattr(ncv, name)()
            for width in (1100, 690, 390):
                page.set_viewport_size({"width": width, "height": 768})
                draw(page, panel.board, {}, READOUT)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, name
                assert page.evaluate(OVERFLOWING) == [], f"{name} at {width}"
            panel.close()
        page.set_viewport_size({"width": 1100, "height": 768})
        board = Board(MAP_PLOT, TRAINING_PLOT)
        x = np.arange(6.0)
        table = np.array([[np.nan, 1, 2], [1, 3.7, np.nan], [2, 3.6, 24.0]])
        curves = {"ratios": table, "best": (x, 1 + x), "best@1": (x, 2 + x), "best@2": (x, 3 + x)}
        draw(page, board, curves, READOUT | {"chosen": [1, 1], "pins": ["seed = 0", "seed = 1"]})
        page.screenshot(path=ARTEFACTS / "map.png")
        colour = """([x, y]) => { const canvas = document.querySelector('.ncv-plot canvas');
          const pen = canvas.getContext('2d'), at = (part, size) => Math.round(part * size);
          return [...pen.getImageData(at(x, canvas.width), at(y, canvas.height), 1, 1).data.slice(0, 3)]; }"""
        improved = [int(plotting.IMPROVED[k : k + 2], 16) for k in (1, 3, 5)]
        assert page.evaluate(colour, [0.9, 0.12]) == improved, "the largest ratio has the colour of improved results"
        assert page.evaluate(colour, [0.3, 0.12]) == [0, 0, 0], "this network has no number yet"
        page.get_by_role("button", name="② seed = 1 ✕").click()
        assert page.evaluate("window.sent.at(-1)") == {"unpin": 1}


def test_errors_exports_and_a_class_in_a_dark_room(tmp_path):
    with voila(tmp_path, "--dark", "--share", "--token=secret-secret", "--max-pages=1") as address:
        with open_page(f"{address}/?token=secret-secret", width=1024, height=768) as page:
            panel = Driver(page)
            lattice = page.get_by_label("lattice", exact=True).last
            lattice.fill("8x8")
            lattice.press("Enter")
            page.get_by_role("combobox", name="family").select_option("linear")
            panel.click("Start")
            panel.stage("finished")
            assert panel.number() > 2
            sizes_of(page, panel, "first-dark")
            page.set_viewport_size({"width": 1024, "height": 768})
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

            with pytest.raises(HTTPError) as refused:
                urlopen(f"{address}/?token=secret-secret")
        refused.value.close()
        assert refused.value.code == 503 and "all 1 pages of this machine are in use" in refused.value.reason
        with urlopen(address) as answer:  # without the token one gets no further than to the page for it
            assert "/login" in answer.url


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

        # Opened again without the kernel that made it, here and where nobody trusts it, it shows the picture.
        (tmp_path / "from_elsewhere.ipynb").write_text(saved.replace("# VarianceLab", "# From elsewhere"))
        page.evaluate("jupyterapp.commands.execute('kernelmenu:shutdown')")
        page.wait_for_function(f"!{kernel}")
        for name in ("variance_lab", "from_elsewhere"):
            page.goto(f"{address}/lab/tree/{name}.ipynb")
            # At first JupyterLab shows the notebook that was open last, and then the one of the address.
            page.wait_for_function(f"window.jupyterapp?.shell.currentWidget?.context?.path === '{name}.ipynb'")
            shown = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
            shown.locator(".ncv-static img").scroll_into_view_if_needed()
            page.wait_for_function(f"{kernel}?.status == 'idle'")
            assert shown.locator(".ncv-static img").is_visible(), name
            missing = shown.get_by_text("Error displaying widget")
            if name == "variance_lab":
                missing.wait_for(state="attached")  # it is there, and nobody sees it
            assert not any(one.is_visible() for one in missing.all()), name
            panel.shot(f"jupyterlab-without-kernel-{name}")

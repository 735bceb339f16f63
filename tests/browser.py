"""A real browser, a real Voila and a real JupyterLab for tests and benchmarks of the panels."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
ARTEFACTS = ROOT / "test-artefacts"
NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


def chromium():
    "The path of Chromium; a missing browser is a failure, not a reason to skip."
    found = next(filter(None, map(shutil.which, NAMES)), None)
    assert found, "there is no Chromium: run `make browser`, or install one with the tools of your system"
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextmanager
def server(command, port, log, **environment):
    "Run a server and everything it starts, until the block ends."
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    # The checks compile without optimisation. The panels train all the time, and are optimised as they are for a user.
    flags = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if "optimization_level" not in flag]
    inherited = os.environ | {"XLA_FLAGS": " ".join(flags)}
    with open(log, "w") as file:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=inherited | {"PYTHONPATH": paths} | environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + 60
        while not answers(port):
            assert process.poll() is None and time.monotonic() < until, Path(log).read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def answers(port):
    try:
        urlopen(f"http://127.0.0.1:{port}/static/nothing", timeout=1).close()
    except HTTPError as error:
        error.close()
    except (URLError, OSError):
        return False
    return True


@contextmanager
def voila(folder, *options):
    "The page that `ncv-lab panel` serves."
    port = free_port()
    command = ["-c", "import sys, ncv_lab.cli; sys.exit(ncv_lab.cli.main(sys.argv[1:]))", "panel", "--no-browser"]
    with server([*command, f"--port={port}", *options], port, folder / "voila.log") as address:
        yield address


@contextmanager
def jupyterlab(folder):
    "JupyterLab on `folder`, with settings of its own."
    port, settings = free_port(), folder / "settings"
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.root_dir": folder,
        "ServerApp.allow_root": True,
        "IdentityProvider.token": "",
        "LabApp.expose_app_in_browser": True,
        "LabApp.news_url": None,
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    # Without this, JupyterLab asks whether it may fetch news, although there is no address to fetch them from.
    quiet = settings / "JUPYTERLAB_SETTINGS_DIR" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    command = ["-m", "jupyterlab", "--no-browser", *(f"--{name}={value}" for name, value in options.items())]
    environment = {
        name: str(settings / name)
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")
    }
    with server(command, port, folder / "jupyterlab.log", **environment) as address:
        yield address


@contextmanager
def open_page(address, *, width=1440, height=900):
    "A page at an address. What it asks for outside of this machine, and its errors, are collected in `page.faults`."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=QUIET.split())
        page = browser.new_page(viewport={"width": width, "height": height})
        page.faults = []
        local = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:", "file:")
        page.on("request", lambda request: None if request.url.startswith(local) else page.faults.append(request.url))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.set_default_timeout(60_000)
        try:
            page.goto(address)
            yield page
        finally:
            browser.close()


class Driver:
    "A panel on a page: its buttons, its controls, and what its board says."

    def __init__(self, page):
        self.page, self.board = page, page.locator(".ncv-board")
        self.board.wait_for()

    def click(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def slide(self, name, key):
        "Move a slider by a key, as a user of the keyboard does."
        self.page.get_by_role("slider", name=name, exact=True).press(key)

    def type(self, name, text):
        "Type into the field beside a slider, or into one of its own, as a user does."
        field = self.page.get_by_role("textbox", name=f"{name}, as a number", exact=True)
        field.fill(text)
        field.press("Enter")

    def text(self, part):
        return self.page.locator(f".ncv-{part}").inner_text()

    def wait(self, condition):
        "Until there is a `board`, and a JavaScript condition on it holds. Returns what the condition gave then."
        board = "const board = document.querySelector('.ncv-board')"
        return self.page.wait_for_function(f"(() => {{ {board}; return board && ({condition}) }})()").json_value()

    def stage(self, name):
        self.wait(f"board.dataset.stage === '{name}'")

    def number(self):
        "Wait for the large number and return it, as it was then: a moment later there may be none."
        number = "Number(board.querySelector('.ncv-number').textContent)"
        return self.wait(f"{number} > 0 && {number}")

    def picture(self, plot=0):
        "What is drawn on a canvas."
        return self.page.locator(".ncv-plot canvas").nth(plot).evaluate("canvas => canvas.toDataURL()")

    def redrawn(self, plot, before):
        "Wait until another picture is drawn on a canvas than `before`; a picture follows its number in the next frame."
        canvas = "document.querySelectorAll('.ncv-plot canvas')"
        self.page.wait_for_function(f"before => {canvas}[{plot}].toDataURL() !== before", arg=before)

    def a_point(self):
        "Where a point of the cloud is drawn: the first pixel of its colour, left of the histograms."
        find = """canvas => {
          const pen = canvas.getContext('2d'), ratio = canvas.width / canvas.clientWidth;
          const { data, width } = pen.getImageData(0, 0, canvas.width * 0.65, canvas.height);
          for (let i = 0; i < data.length; i += 4)
            if (data[i] < 120 && data[i + 2] > 150 && data[i + 3] > 100)
              return { x: ((i / 4) % width) / ratio, y: Math.floor(i / 4 / width) / ratio };
        }"""
        return self.page.locator(".ncv-plot canvas").nth(0).evaluate(find)

    def shot(self, name):
        ARTEFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)

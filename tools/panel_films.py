"""Record the panels at work in a browser: `python tools/panel_films.py [LESSON ...]`, into nbs/lessons/images/*.webp.

Where no kernel runs, as on the pages of the documentation, the film shows what a visitor would see: the panel is served
by `ncv-lab panel`, started, and photographed until its work has come far enough. A film is less than 1 MB. One picture
of the film of VarianceLab, the last one before its coupling is changed, is the picture of the README.
"""

import argparse
import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from panel_pictures import FOLDER, panels
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from browser import ROOT, Driver, open_page, voila

WIDTH = 860  # of the film, in pixels
LARGEST = 1_000_000  # bytes
PICTURE = ROOT / "docs" / "images" / "variance_lab.png"


class Film(NamedTuple):
    """How a panel is recorded: `frames` photographs, `seconds` apart, and the number typed into a control halfway."""

    frames: int = 24
    seconds: float = 0.5
    control: str = ""
    number: str = ""


FILMS = {
    "variance_lab": Film(control="λ", number="24"),
    "compare": Film(frames=40, seconds=3.0),
    "sampler": Film(control="step size", number="1.6"),
    "mass": Film(frames=12),
    "break_even": Film(frames=12, control="cost", number="1"),
    "overfit": Film(frames=30),
}


def record(page, film):
    "The photographs of a panel at work."
    panel = Driver(page)
    panel.click("Start")
    shots = []
    for k in range(film.frames):
        shots.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
        if film.control and k == film.frames // 2:
            panel.type(film.control, film.number)
        if panel.board.get_attribute("data-stage") == "finished" and k > film.frames // 2 + 6:
            break
        page.wait_for_timeout(1000 * film.seconds)
    return shots


def webp(shots):
    "An animation that stays for two seconds on its last picture; its quality falls until it is small enough."
    height = round(WIDTH * shots[0].height / shots[0].width)
    small = [shot.resize((WIDTH, height), Image.Resampling.LANCZOS) for shot in shots]
    times = [250] * (len(small) - 1) + [2000]
    for quality in (70, 50, 30):
        buffer = io.BytesIO()
        options = {"save_all": True, "append_images": small[1:], "duration": times, "loop": 0}
        small[0].save(buffer, "webp", quality=quality, method=4, **options)
        if buffer.tell() < LARGEST:
            return buffer.getvalue()
    raise SystemExit("the film is larger than 1 MB: record fewer frames")


def main():
    known = panels()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="all if none is named")
    for name in parser.parse_args().lessons or list(known):
        with TemporaryDirectory() as folder, voila(Path(folder), known[name].__name__) as address:
            with open_page(address, width=1280, height=760) as page:
                shots = record(page, FILMS[name])
        if name == "variance_lab":
            shots[FILMS[name].frames // 2].quantize(256, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
        content = webp(shots)
        (FOLDER / f"{name}.webp").write_bytes(content)
        print(f"{name:14} {len(shots)} frames {len(content) / 1000:4.0f} kB")


if __name__ == "__main__":
    main()

"""Draw the pictures of the lessons: `python tools/panel_pictures.py [LESSON ...]`, into nbs/lessons/images/.

GitHub shows no widgets, so each lesson has a picture of what its panel shows. It is drawn by the panel itself, after
its work has finished or after some thousand training steps. The times in it are those of this computer. The panels are
those of `ncv_lab/__init__.pyi`, and a lesson has the name of the module of its panel: lessons/mass shows what
ncv_lab/panels/mass.py defines. That module is written from a notebook: `make pictures` exports it first.
"""

import argparse
import time
from pathlib import Path

import ncv_lab as ncv
from ncv_lab.panels.base import picture
from ncv_lab.panels.serve import panel_names
from ncv_lab.panels.state import LabState

FOLDER = Path(__file__).resolve().parent.parent / "nbs" / "lessons" / "images"
STEPS = 20_000  # after which a training is not followed further
MORE_STEPS = {"overfit": 30_000}
STATES = {"variance_lab": LabState()}  # where the lesson does not show the first state of its panel


def panels():
    "The classes of the panels, by the names of their lessons."
    classes = [getattr(ncv, name) for name in panel_names()]
    return {panel.__module__.split(".")[-1]: panel for panel in classes}


def last_update(panel, steps):
    "The last update of the work of a panel, or the first one with so many training steps."
    for update in panel.runner.work(panel.state, None):
        curve = getattr(update, "curve", None)
        if update.stage == "fitting" and curve is not None and max(curve.step, default=0) >= steps:
            return update
    return update


def main():
    known = panels()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = f"{', '.join(known)}; all of them if none is named"
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help=names)
    lessons = parser.parse_args().lessons or list(known)
    unknown = sorted(set(lessons) - set(known))
    if unknown:
        parser.error(f"there is no panel for {', '.join(unknown)}; the lessons with one are {', '.join(known)}")
    FOLDER.mkdir(exist_ok=True)
    for name in lessons:
        start = time.perf_counter()
        panel = known[name](STATES.get(name))
        update = last_update(panel, MORE_STEPS.get(name, STEPS))
        content = picture(panel, update, words=True, dpi=90)
        (FOLDER / f"{name}.png").write_bytes(content)
        print(f"{name:14} {len(content) / 1000:4.0f} kB {time.perf_counter() - start:6.1f} s")


if __name__ == "__main__":
    main()

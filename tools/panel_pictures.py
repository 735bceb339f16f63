"""Draw the pictures of the lessons: `python tools/panel_pictures.py [LESSON ...]`, into nbs/lessons/images/.

GitHub shows no widgets, so each lesson has a picture of what its panel shows. It is drawn by the panel itself, after
its work has finished or after some thousand training steps. The times in it are those of this computer.
"""

import argparse
import time
from pathlib import Path

import ncv_lab as ncv
from ncv_lab.panels.base import picture

FOLDER = Path(__file__).resolve().parent.parent / "nbs" / "lessons" / "images"
PANELS = {
    "break_even": ncv.BreakEvenPanel,
    "mass": ncv.MassPanel,
    "overfit": ncv.OverfitPanel,
    "sampler": ncv.SamplerPanel,
    "variance_lab": ncv.VarianceLab,
}
STEPS = {"overfit": 30_000, "variance_lab": 20_000}  # of a training that would go on for long


def last_update(panel, steps):
    "The last update of the work of a panel, or the first one with so many training steps."
    for update in panel.runner.work(panel.state, None):
        if steps is not None and update.stage == "fitting" and max(update.curve.step, default=0) >= steps:
            return update
    return update


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = f"{', '.join(PANELS)}; all of them if none is named"
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help=names)
    FOLDER.mkdir(exist_ok=True)
    for name in parser.parse_args().lessons or PANELS:
        start = time.perf_counter()
        panel = PANELS[name]()
        content = picture(panel, last_update(panel, STEPS.get(name)), words=True, dpi=90)
        (FOLDER / f"{name}.png").write_bytes(content)
        print(f"{name:14} {len(content) / 1000:4.0f} kB {time.perf_counter() - start:6.1f} s")


if __name__ == "__main__":
    main()

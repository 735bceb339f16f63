"""Measure the numbers that the lessons quote: `python tools/lesson_answers.py [LESSON ...]`, into answers.json there.

Each claim names the words of a lesson, the state of its panel, how long it works, and between which ends the number
lies if the words are true. The panel itself finds the number, on configurations that had no part in the fit, with the
seed of the state. A test compares words, ends and numbers; it fails if a claim was changed and not measured again.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from panel_pictures import last_update, panels

LESSONS = Path(__file__).resolve().parent.parent / "nbs" / "lessons"
ANSWERS = LESSONS / "answers.json"


class Claim(NamedTuple):
    """What a lesson says: its `words`, the `changes` of the first state of its panel, the `quantity` and its ends."""

    lesson: str
    words: str
    changes: dict
    quantity: str
    low: float
    high: float
    steps: int = 10_000
    preset: str = ""

    @property
    def settings(self) -> str:
        "A hash of all that the number depends on."
        text = json.dumps([self.lesson, self.changes, self.quantity, self.steps, self.preset], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


AT_20 = {"shape": (20, 20), "t": 10, "m2": 0.1, "n_configs": 1000, "batch_size": 16, "learning_rate": 1e-3}
LINEAR = AT_20 | {"family": "linear"}
NETWORK = AT_20 | {"family": "OddMLP", "lam": 24.0, "depth": 1, "symmetric": "time", "l2": 0.0}
FREE = {"symmetric": "no"}
CLAIMS = (
    Claim("variance_lab", "about $10^{10}$", LINEAR | {"lam": 0.0}, "sigma_ratio", 1e9, 1e11),
    Claim("variance_lab", "about 14 at $\\lambda = 0.5$", LINEAR | {"lam": 0.5}, "sigma_ratio", 13, 15.5),
    Claim("variance_lab", "about 4 at $\\lambda = 24$", LINEAR | {"lam": 24.0}, "sigma_ratio", 3.5, 4.5),
    Claim("variance_lab", "All widths reach a ratio of about 4", NETWORK | {"width": 2}, "sigma_ratio", 3.4, 4.6),
    Claim("variance_lab", "All widths reach a ratio of about 4", NETWORK | {"width": 32}, "sigma_ratio", 3.4, 4.6),
    Claim("mass", "0.1948(11)", {}, "mass", 0.1937, 0.1959),
    Claim("mass", "0.166(14)", {}, "raw_mass", 0.152, 0.18),
    Claim("mass", "and 13 or more for the mass", {}, "mass_gain", 11, 17),
    Claim("break_even", "the error is 75(7) %", {}, "break_even", 0.6, 0.88),
    Claim("break_even", "180(30) times faster", {}, "final_gain", 110, 230),
    Claim("sampler", "They are about 0.3", {"step_size": 0.32}, "acceptance", 0.98, 1.0),
    Claim("sampler", "They are about 0.3, 1.0", {"step_size": 1.0}, "acceptance", 0.86, 0.94),
    Claim("sampler", "They are about 0.3, 1.0 and 1.6", {"step_size": 1.6}, "acceptance", 0.62, 0.78),
    Claim("overfit", "the last steps see a ratio above 100", FREE | {"n_configs": 50}, "visited", 100, 1e6),
    Claim("overfit", "and the half to test one of 1.2", FREE | {"n_configs": 50}, "sigma_ratio", 0.9, 1.4),
    Claim("overfit", "about 14 and 1.6", FREE, "visited", 9, 24),
    Claim("overfit", "about 14 and 1.6", FREE, "sigma_ratio", 1.3, 1.9),
    Claim("overfit", "they are 3.0 and 2.5", FREE | {"n_configs": 1000}, "visited", 2.5, 4.0),
    Claim("overfit", "they are 3.0 and 2.5", FREE | {"n_configs": 1000}, "sigma_ratio", 2.2, 2.8),
    Claim("overfit", "about 4 on both halves with 100", {"symmetric": "time"}, "visited", 3.0, 5.0),
    Claim("overfit", "about 4 on both halves with 100", {"symmetric": "time"}, "sigma_ratio", 3.0, 5.0),
    Claim("overfit", "falls from 14 to about 7", FREE | {"l2": 1e-3}, "visited", 5, 9),
    Claim("overfit", "rises from 1.6 to about 3", FREE | {"l2": 1e-3}, "sigma_ratio", 2.2, 3.6),
    Claim("compare", "five networks reach 16 to 23", {}, "smallest_of_five", 15, 18),
    Claim("compare", "all five widths reach a ratio between 3.5 and 3.8", {}, "best_of_one_layer", 3.5, 3.8),
    Claim("compare", "reaches 3.6", {}, "linear", 3.5, 3.65),
)


def quantities(update):
    "The numbers of an update that claims are about, by name."
    found = {}
    if hasattr(update, "sigma_ratio"):
        found["sigma_ratio"] = update.sigma_ratio
        found["visited"] = np.median(update.curve.train[-20:])  # by the last steps
    if getattr(update, "masses", None):
        raw, improved = update.masses["raw"], update.masses["improved"]
        found |= {"mass": improved.m, "raw_mass": raw.m, "mass_gain": raw.m_error / improved.m_error}
    if getattr(update, "times", None):
        value = abs(np.ravel(update.result.value)[update.state.t])
        found |= {"break_even": update.times.break_even / value, "final_gain": update.times.final_gain}
    if getattr(update, "delta_h", None) is not None:
        found["acceptance"] = np.minimum(1, np.exp(-update.delta_h)).mean()
    if hasattr(update, "rows"):
        deep = np.sort(np.concatenate([row.ratio for depth, row in update.rows.items() if depth > 1]))
        found |= {"smallest_of_five": deep[-5], "linear": update.linear}
        found["best_of_one_layer"] = update.rows[1].ratio.max()
    return {name: float(number) for name, number in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="all of them if none is named")
    chosen = parser.parse_args().lessons
    stored = json.loads(ANSWERS.read_text()) if ANSWERS.exists() else {}
    known, done = panels(), {}
    for claim in CLAIMS:
        if chosen and claim.lesson not in chosen:
            continue
        key = json.dumps([claim.lesson, claim.changes, claim.steps], sort_keys=True)
        if key not in done:
            start = time.perf_counter()
            panel = known[claim.lesson]()
            panel.set_state(panel.first.replace(**claim.changes))
            done[key] = quantities(last_update(panel, claim.steps))
            panel.close()
            print(claim.lesson, claim.changes, done[key], f"{time.perf_counter() - start:.0f} s", flush=True)
        stored[claim.settings] = {"words": claim.words, "number": float(f"{done[key][claim.quantity]:.4g}")}
    wanted = {claim.settings for claim in CLAIMS}
    if ANSWERS.exists():  # somebody may have written others meanwhile
        stored = json.loads(ANSWERS.read_text()) | stored
    stored = {settings: stored[settings] for settings in sorted(wanted & set(stored))}
    ANSWERS.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

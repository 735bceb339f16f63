"""Draw the picture of the front page: `python tools/front_page.py`, into docs/images/front_*.png, light and dark.

On the left are 60 single configurations, raw and improved; on the right the relative error of the correlator against
time. Both are measured on a thousand configurations that had no part in the fit. It takes about a minute.
"""

from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np

import ncv_lab as ncv
from ncv_lab import plotting

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
INK = {"light": "#222832", "dark": "#ced6dd"}
PALETTES = {"light": plotting.LIGHT, "dark": plotting.DARK}
SHOWN = 4  # the time in the left part


def measure():
    "Raw, linearly improved and best values on configurations that had no part in the fit, one column for each time."
    theory = ncv.Phi4((20, 20), m2=0.1, lam=0.5)
    train, others = ncv.sample(theory, 2000, jax.random.key(0), progress=False).split(1000)
    observable = ncv.Correlator()
    data = ncv.Data.measure(theory, observable, others)
    raw = np.asarray(data.values)
    linear = ncv.OddMLP(theory.shape, depth=0, symmetric="time")
    fits = [ncv.fit(field, theory, observable, train, progress=False) for field in (linear, ncv.ImprovedLegs())]
    return [raw, *(raw - np.asarray(fit.evaluate(data)) for fit in fits)]


def draw(values, mode):
    "The picture on a transparent ground, in the colours of one mode."
    raw, linear, best = values
    palette = PALETTES[mode]
    ink = INK[mode]
    names = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    font = {"font.family": "DejaVu Sans", "mathtext.fontset": "dejavusans", "font.size": 10}
    with plt.rc_context(dict.fromkeys(names, ink) | font | {"legend.frameon": False}):
        fig, (left, right) = plt.subplots(1, 2, figsize=(6.2, 3.0), layout="constrained")
        rows = np.arange(60)
        left.plot(rows, 1000 * raw[:60, SHOWN], "o", color=palette.raw, markersize=4, label="raw")
        left.plot(rows, 1000 * best[:60, SHOWN], "o", color=palette.improved, markersize=4, label="improved")
        left.set(xlabel="configuration", ylabel=f"1000 × C({SHOWN})", title="each configuration says the same")
        left.legend(loc="upper right")
        signal = best.mean(axis=0)
        shown = (
            (raw, palette.raw, "raw"),
            (linear, palette.other, "linear"),
            (best, palette.improved, "improved legs"),
        )
        for part, colour, label in shown:
            right.semilogy(part.std(axis=0) / len(part) ** 0.5 / signal, "o-", color=colour, markersize=4, label=label)
        right.set(xlabel="time t", ylabel="error / signal", title="the error at all times")
        right.set_xticks([0, 5, 10])
        right.legend(loc="center right", bbox_to_anchor=(1, 0.4))
        for ax in (left, right):
            ax.spines[["top", "right"]].set_visible(False)
            ax.title.set_fontsize(10.5)
        fig.savefig(FOLDER / f"front_{mode}.png", dpi=170, transparent=True)
        plt.close(fig)


def main():
    values = measure()
    raw, _, best = values
    ratio = raw.std(axis=0) / best.std(axis=0)
    print("spread, raw over improved, at t = 0, 1, ...:", ratio.round(-1).astype(int))
    for mode in INK:
        draw(values, mode)
        print(f"front_{mode}.png {(FOLDER / f'front_{mode}.png').stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

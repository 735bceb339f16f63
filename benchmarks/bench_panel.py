"""How fast VarianceLab reacts, measured in a browser on a real Voila: 20x20, 1000 configurations to fit, 1000 others.

Run `make bench-panel`; nothing else should use the computer meanwhile. Leaves with 1 if a bar is missed.
"""

import sys
import tempfile
import time
from pathlib import Path

import jax

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import ncv_lab as ncv
from browser import Driver, open_page, voila
from ncv_lab.panels.state import LabState, make_field, make_method
from ncv_lab.panels.travel import to_code

# There are no facts about a fit before the first point of its curve is there. The large number stays a dash for longer,
# until f makes the error bar shorter.
WATCH = """
const facts = document.querySelector('.ncv-facts');
window.gone = false;
window.found = null;
new MutationObserver(() => {
  if (!facts.textContent) window.gone = true;
  else if (window.gone && !window.found) window.found = performance.now();
}).observe(facts, { childList: true, subtree: true });
"""

# The stage changes as soon as the kernel has heard of a move, and it may be back within half a second.
WATCH_STAGE = """(() => {
window.pressed = performance.now();
window.answered = null;
const board = document.querySelector('.ncv-board');
new MutationObserver((_, observer) => {
  if (board.dataset.stage === 'fitting') return;
  window.answered = performance.now();
  observer.disconnect();
}).observe(board, { attributes: true, attributeFilter: ['data-stage'] });
})()"""

BARS = {
    "first curve after width, new": ("at most", 2.5),
    "first curve after width, seen": ("at most", 0.5),
    "first curve after depth, new": ("at most", 2.5),
    "first curve after depth, seen": ("at most", 0.5),
    "first curve after lambda": ("at most", 1.5),
    "slider echo": ("at most", 0.2),
    "updates a second": ("at least", 20),
    "panel over bare speed": ("at least", 0.75),
}


def main():
    results, others = {"speed without a panel": bare_speed()}, kernels()
    link = f"/#ncv={to_code(LabState())}"
    with tempfile.TemporaryDirectory() as folder, voila(Path(folder)) as address, open_page(address + link) as page:
        panel = Driver(page)
        page.evaluate(WATCH)
        panel.number()
        page.wait_for_timeout(2000)
        results |= rates(page, panel)
        results |= {f"first curve after {what}": seconds for what, seconds in reactions(page, panel).items()}
        results["slider echo"] = echo(page, panel)
        (pid,) = kernels() - others
        results |= two_hundred_moves(page, panel, pid)
    results["panel over bare speed"] = results["speed in the panel"] / results["speed without a panel"]
    missed = False
    for name, value in results.items():
        print(f"{name:36} {value:10.3g}", end="")
        if name in BARS:
            word, bar = BARS[name]
            good = value <= bar if word == "at most" else value >= bar
            missed |= not good
            print(f"   ({word} {bar:g}{'' if good else ', MISSED'})", end="")
        print()
    sys.exit(int(missed))


def bare_speed():
    "Steps of Adam a second, of the fit that the panel begins with, in checks of a thousand steps."
    state = LabState()
    ensemble = ncv.sample(state.theory, state.n_configs, 0, progress=False)
    corr, method = ncv.Correlator().at(state.t), make_method(state)
    fits = ncv.fit_steps(make_field(state), state.theory, corr, ensemble, method=method, key=jax.random.key(0))
    next(fits)
    first = next(fits)
    for fit in fits:
        if fit.wall_time - first.wall_time > 6:
            return (fit.diagnostics["step"] - first.diagnostics["step"]) / (fit.wall_time - first.wall_time)


def steps(panel):
    "The number of steps that the panel says it has made."
    words = panel.page.locator(".ncv-facts").inner_text().split("\n")
    made = words[words.index("training") + 1]
    return int(made.split(" steps")[0].replace(",", ""))


def rates(page, panel):
    "Updates of the board and training steps a second, over six seconds."
    began, first = time.perf_counter(), (int(panel.board.get_attribute("data-updates")), steps(panel))
    page.wait_for_timeout(6000)
    last, seconds = (int(panel.board.get_attribute("data-updates")), steps(panel)), time.perf_counter() - began
    names = "updates a second", "speed in the panel"
    return {name: (end - begin) / seconds for name, begin, end in zip(names, first, last, strict=True)}


def first_curve(page, panel, name, key):
    "Seconds from the key press to the first point of a new curve."
    page.evaluate("window.gone = false; window.found = null; window.pressed = performance.now()")
    panel.slide(name, key)
    page.wait_for_function("window.found")
    page.wait_for_timeout(1500)
    return page.evaluate("(window.found - window.pressed) / 1000")


def reactions(page, panel):
    "Seconds to a new curve for sizes never seen, sizes seen before, and another coupling."
    found = {}
    for name in ("width", "depth"):
        found[f"{name}, new"] = first_curve(page, panel, name, "ArrowRight")
        found[f"{name}, seen"] = first_curve(page, panel, name, "ArrowLeft")
    first_curve(page, panel, "λ", "ArrowRight")  # compiles the start from configurations at hand
    return found | {"lambda": first_curve(page, panel, "λ", "ArrowRight")}


def echo(page, panel):
    "Seconds from a key on the slider of m2, during a fit, until the kernel has answered with its new stage."
    times = []
    for key in ("ArrowRight", "ArrowLeft") * 3:
        panel.stage("fitting")
        page.evaluate(WATCH_STAGE)
        panel.slide("m²", key)
        page.wait_for_function("window.answered")
        times.append(page.evaluate("(window.answered - window.pressed) / 1000"))
        page.wait_for_timeout(1000)
    return sorted(times)[len(times) // 2]


def kernels():
    "The process numbers of all Jupyter kernels on this computer."
    found = set()
    for words in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found |= {int(words.parent.name)} if b"ipykernel_launcher" in words.read_bytes() else set()
        except OSError:  # it has just ended
            continue
    return found


def memory(pid):
    "Megabytes of main memory that a process holds, and its number of threads."
    words = Path(f"/proc/{pid}/status").read_text().split()
    return int(words[words.index("VmRSS:") + 1]) / 1024, int(words[words.index("Threads:") + 1])


def two_hundred_moves(page, panel, pid):
    "Memory and threads of the kernel before and after 200 moves of a slider during a fit."
    for _ in range(20):
        panel.slide("λ", "ArrowLeft")
    panel.stage("fitting")
    page.wait_for_timeout(3000)
    before = memory(pid)
    for k in range(200):
        panel.slide("λ", "ArrowRight" if k % 20 < 10 else "ArrowLeft")
    panel.stage("fitting")
    page.wait_for_timeout(3000)
    return {
        f"{what} {when} 200 moves": value
        for when, values in (("before", before), ("after", memory(pid)))
        for what, value in zip(("MB", "threads"), values, strict=True)
    }


if __name__ == "__main__":
    main()

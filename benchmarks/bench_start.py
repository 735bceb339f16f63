"""Seconds from the start of a program to its first word: `import ncv_lab`, and `ncv-lab --help`.

Each command runs in a fresh process, several times, in turn with the others. The table has the median and the smallest
time. Two baselines stand beside them: a Python that does nothing, and `import jax`, which the first calculation needs
in any case. `import ncv_lab` loads a public name when it is first used, so the row `ncv.Phi4` shows what that costs.

    python benchmarks/bench_start.py [--rounds 7]
"""

import argparse
import statistics
import subprocess
import sys
import time
from typing import NamedTuple


class Case(NamedTuple):
    name: str
    words: list[str]
    limit: float | None = None


CASES = [
    Case("python -c pass", ["-c", "pass"]),
    Case("import ncv_lab", ["-c", "import ncv_lab"], limit=1.2),
    Case("ncv-lab --help", ["-c", "from ncv_lab.cli import main; main(['--help'])"], limit=0.5),
    Case("import jax", ["-c", "import jax"]),
    Case("ncv.Phi4", ["-c", "import ncv_lab as ncv; ncv.Phi4"]),
]


def seconds(words):
    "Wall time of one Python process."
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(rounds):
    "{name: seconds of each round}, after one round that fills the caches of the file system."
    found = {case.name: [] for case in CASES}
    for case in CASES:
        seconds(case.words)
    for _ in range(rounds):
        for case in CASES:
            found[case.name].append(seconds(case.words))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    found = measure(parser.parse_args().rounds)
    late = []
    print(f"{'':16}{'median':>8}{'least':>8}{'limit':>8}")
    for case in CASES:
        median, least = statistics.median(found[case.name]), min(found[case.name])
        limit = "" if case.limit is None else f"{case.limit:.1f} s"
        print(f"{case.name:16}{median:6.2f} s{least:6.2f} s{limit:>8}")
        if case.limit is not None and median > case.limit:
            late.append(case.name)
    if late:
        sys.exit(f"too slow: {', '.join(late)}")


if __name__ == "__main__":
    main()

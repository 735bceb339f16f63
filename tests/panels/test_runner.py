"""The runner: the newest work wins, stale updates are dropped, and no exception ends it."""

import threading
import time

from helpers import wait
from ncv_lab.panels.runner import Runner


def count_to(n, last):
    for k in range(n):
        time.sleep(1e-3)
        yield k


def test_the_newest_work_wins_and_stale_updates_die():
    shown, errors = [], []
    runner = Runner(count_to, shown.append, errors.append, rate=1e6)
    for _ in range(50):
        runner.start(10**9)
    assert runner.running
    runner.start(5)
    assert runner.join(10) and not runner.running and not errors
    assert shown[-5:] == [0, 1, 2, 3, 4]
    runner.start(10**9)
    runner.stop()
    seen = len(shown)
    assert runner.join(10) and len(shown) == seen


def test_work_is_given_the_last_update():
    given = []

    def work(state, last):
        given.append(last)
        yield state

    runner = Runner(work, lambda update: None, given.append)
    for state in ("first", "second"):
        runner.start(state)
        assert runner.join(10)
    assert given == [None, "first"]


def test_exceptions_are_handed_over_and_the_runner_lives_on():
    def work(state, last):
        yield 1
        if state == "impossible":
            raise ValueError(state)

    errors = []
    runner = Runner(work, lambda update: None, errors.append)
    runner.start("impossible")
    assert runner.join(10) and str(errors[0]) == "impossible" and not runner.running
    runner.start("possible")
    assert runner.join(10) and len(errors) == 1


def test_work_that_does_not_yield_is_not_waited_for():
    gate = threading.Event()

    def work(state, last):
        if state == "stuck":
            gate.wait(30)
        yield state

    shown = []
    runner = Runner(work, shown.append, shown.append)
    runner.start("stuck")
    wait(lambda: runner.busy == 1)
    runner.start("quick")
    wait(lambda: shown == ["quick"], 5)
    gate.set()
    assert runner.join(10) and shown[-1] == "quick"


def test_not_more_updates_are_shown_than_asked_for():
    shown = []
    runner = Runner(count_to, shown.append, shown.append, rate=20)
    begin = time.monotonic()
    runner.start(200)
    assert runner.join(30) and len(shown) <= 20 * (time.monotonic() - begin) + 2 and shown[-1] == 199


def test_work_that_nobody_looks_at_waits():
    shown = []
    runner = Runner(count_to, shown.append, shown.append, rate=1e6)
    runner.start(10**9)
    wait(lambda: len(shown) > 3)
    runner.pause()
    time.sleep(0.05)
    seen = len(shown)
    time.sleep(0.05)
    assert len(shown) == seen and runner.running
    runner.resume()
    wait(lambda: len(shown) > seen)
    runner.pause()
    runner.stop()
    assert runner.join(10), "stop ends work that is paused"

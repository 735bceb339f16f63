"""The panel of many networks: its map, what it chooses by, and that it goes on where it was stopped."""

from dataclasses import replace

import numpy as np
import pytest

from helpers import use_a_panel, wait
from ncv_lab.panels.compare import ComparePanel, CompareState, compare_updates, map_columns

# The ensemble is that of other panels' tests, so its sampler is compiled once for all.
STATE = CompareState((6, 4), m2=0.3, lam=1.0, t=2, n_configs=100, width=2, depth=1, steps=600, batch_size=4)


def test_the_panel_can_do_what_every_panel_can():
    use_a_panel(ComparePanel(STATE))


def test_the_grid_of_a_state():
    state = CompareState(width=16, depth=3)
    assert (state.widths, state.depths) == ((1, 2, 4, 8, 16), (1, 2, 3))
    assert CompareState(width=5).widths == (1, 2, 4)
    with pytest.raises(ValueError, match="the largest width = 0 must lie between 1 and 64"):
        CompareState(width=0)
    with pytest.raises(ValueError, match="symmetric 'never' is unknown; choose one of no, yes, time"):
        CompareState(symmetric="never")


def test_the_map_fills_and_goes_on_where_it_was(capsys):
    panel = ComparePanel(STATE)
    panel.start()
    wait(lambda: panel.runner.last is not None and panel.runner.last.rows)
    panel.stop()
    assert panel.runner.join(60)
    stopped = panel.runner.last
    half = map_columns(replace(stopped, state=STATE.replace(depth=2)))
    assert half.shape == (3, 3) and half[1:, 0].tolist() == [1, 2] and half[0, 1:].tolist() == [1, 2]
    assert np.isfinite(half[1:, 1]).all() and np.isnan(half[1:, 2]).all(), "the second row is still to come"
    panel.start()
    assert panel.runner.join(60)
    last = panel.runner.last
    assert last.stage == "finished" and last.sampled is stopped.sampled
    assert np.isfinite(map_columns(last)[1:, 1:]).all()
    *_, at_once = compare_updates(STATE)
    for depth, row in last.rows.items():
        np.testing.assert_allclose(row.ratio, at_once.rows[depth].ratio, rtol=1e-10, err_msg="resumed exactly")

    best = last.best
    asides = np.array([row.aside for row in last.rows.values()])
    assert asides[best.depth - 1, STATE.widths.index(best.width)] == asides.max(), "chosen on the half to learn"
    assert best.ratio == last.rows[best.depth].ratio[STATE.widths.index(best.width)], "measured on the half to test"
    capsys.readouterr()
    exec(panel.code_of(last), {})
    printed = capsys.readouterr().out.strip().splitlines()[-1]
    assert float(printed.removeprefix("sigma ratio: ")) == pytest.approx(best.ratio, rel=1e-10)
    panel.close()

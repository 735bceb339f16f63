"""The panel of overfitting."""

import pytest

import ncv_lab as ncv
from helpers import use_a_panel, wait
from ncv_lab.panels.overfit import OVERFIT, OverfitPanel

STATE = OVERFIT.replace(shape=(6, 4), t=2)


@pytest.fixture
def panel():
    panel = OverfitPanel(STATE)
    yield panel
    panel.close()
    assert panel.runner.join(60)


def test_the_panel_can_do_what_every_panel_can():
    use_a_panel(OverfitPanel(OVERFIT.replace(shape=(8, 8), width=4)))


def test_a_network_is_better_where_it_was_trained(panel):
    panel.start()
    wait(lambda: panel.runner.last is not None and len(panel.runner.last.curve.step))
    wait(lambda: panel.runner.last.curve.step[-1] > 3000)
    panel.stop()
    curve = panel.runner.last.curve
    assert curve.train[-5:].mean() > 1.5 * curve.others[-1]


def test_the_loss_is_the_one_chosen(panel):
    panel.controls["loss"].value = "SecondMoment"
    panel.start()
    wait(lambda: panel.runner.last is not None and panel.runner.last.fit is not None)
    assert type(panel.runner.last.fit.method.loss) is ncv.SecondMoment

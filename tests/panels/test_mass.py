"""The panel of the mass."""

import pytest

import ncv_lab as ncv
import ncv_lab.panels.mass
from helpers import use_a_panel
from ncv_lab.panels.mass import MassPanel, MassState

STATE = MassState((8, 4), m2=0.3, lam=0.5, n_configs=400, window=(0, 4))


def test_the_panel_can_do_what_every_panel_can():
    use_a_panel(MassPanel(STATE))


def test_the_window_repeats_only_the_fit_of_the_mass():
    panel = MassPanel(STATE)
    panel.start()
    assert panel.runner.join(60)
    first = panel.runner.last
    panel.controls["window"].value = (1, 4)
    assert panel.runner.join(60)
    last = panel.runner.last
    assert last.fit is first.fit and last.masses["improved"].t_min == 1
    direct = ncv.fit_mass(last.result, 1, 4)
    assert direct.m == last.masses["improved"].m and direct.m_error < last.masses["raw"].m_error
    panel.controls["window"].value = (3, 4)
    assert "the end of the window" in panel.board.readout["error"]
    panel.close()


def test_the_code_finds_the_mass_again(capsys):
    panel = MassPanel(STATE)
    panel.start()
    assert panel.runner.join(60)
    names = {}
    exec(panel.code_of(panel.runner.last), names)
    found = names["mass"]
    assert ncv.panels.mass.format_error(found.m, found.m_error) == panel.board.readout["number"]
    assert "(" in panel.board.readout["claim"], "the gain in precision has an error"
    panel.close()


def test_the_window_ends_at_half_the_extent():
    panel = MassPanel(STATE)
    panel.controls["shape"].value = "6x4"
    assert panel.controls["window"].max == 3 and panel.state.window == (0, 3)
    panel.close()
    with pytest.raises(ValueError, match="the end of the window = 5 must lie between 2 and 4"):
        STATE.replace(window=(0, 5))


@pytest.mark.filterwarnings("ignore:the window t = ")
def test_a_raw_correlator_without_a_signal_is_said_in_words():
    panel = MassPanel(MassState((8, 4), m2=0.1, lam=24.0, n_configs=200, window=(0, 4)))
    panel.start()
    assert panel.runner.join(60)
    last = panel.runner.last
    assert "improved" in last.masses and "raw" not in last.masses
    assert "m_raw" in panel.curves(last) and "m_raw_fit" not in panel.curves(last)
    readout = panel.readout(last)
    assert readout["claim"] == "no raw mass" and readout["facts"]["raw"].startswith("too few times")
    panel.close()

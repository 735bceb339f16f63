"""The panels for lessons: masses, overfitting, break-even and the sampler, by their widgets."""

import json

import jax
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import compilations, wait
from ncv_lab.panels.base import as_hdf5, as_json, picture
from ncv_lab.panels.break_even import BreakEvenPanel, BreakEvenState, times_to_error
from ncv_lab.panels.mass import MassPanel, MassState
from ncv_lab.panels.overfit import OVERFIT, OverfitPanel
from ncv_lab.panels.sampler import SamplerPanel, SamplerState, sampler_updates

SMALL = {"shape": (8, 4), "m2": 0.3, "lam": 0.5, "n_configs": 400}
PANELS = {
    "mass": lambda: MassPanel(MassState(**SMALL, window=(0, 4))),
    "overfit": lambda: OverfitPanel(OVERFIT.replace(shape=(6, 4), t=2)),
    "break-even": lambda: BreakEvenPanel(BreakEvenState(**SMALL, t=4)),
    "sampler": lambda: SamplerPanel(SamplerState(**SMALL | {"n_configs": 200})),
}


@pytest.fixture
def start(request):
    "Start a panel and wait for its large number; in the end nothing of it is left."
    panels = []

    def start(name):
        panel = PANELS[name]()
        panels.append(panel)
        panel.start()
        wait(lambda: panel.board.readout.get("number", "–") != "–")
        return panel

    yield start
    for panel in panels:
        panel.close()
        assert panel.runner.join(60)


@pytest.mark.parametrize("name", PANELS)
def test_every_panel_starts_stops_saves_and_resets(name, start):
    panel = start(name)
    panel.stop()
    update = panel.runner.last
    assert set(panel.board.frame) <= {series["key"] for plot in panel.board.plots for series in plot["series"]}, (
        "every curve has a plot"
    )
    document = json.loads(as_json(panel, update))
    assert type(update.state).from_json(json.dumps(document["state"])) == update.state
    compile(document["code"], "a cell", "exec")
    assert as_hdf5(panel, update)[1:4] == b"HDF" and picture(panel, update, "png").startswith(b"\x89PNG")
    for preset, state in panel.presets.items():
        panel.preset.value = preset
        assert panel.state == state, preset
    panel.reset()
    assert panel.state == panel.first and panel.board.readout["stage"] == "ready"


def test_the_window_repeats_only_the_fit_of_the_mass(start):
    panel = start("mass")
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


def test_a_network_is_better_where_it_was_trained(start):
    panel = start("overfit")
    wait(lambda: panel.runner.last.curve["step"][-1] > 3000)
    panel.stop()
    curve = panel.runner.last.curve
    assert curve["train"][-5:].mean() > 1.5 * curve["others"][-1]


def test_the_loss_is_the_one_chosen(start):
    panel = start("overfit")
    panel.controls["loss"].value = "SecondMoment"
    wait(lambda: panel.runner.last.fit is not None and type(panel.runner.last.fit.method.loss) is ncv.SecondMoment)


def test_times_are_equal_at_break_even(start):
    panel = start("break-even")
    assert panel.runner.join(60)
    update = panel.runner.last
    (error, raw, improved), even = times_to_error(update, 1e-5)
    assert np.interp(-np.log(even), -np.log(error), np.log(raw)) == pytest.approx(
        np.interp(-np.log(even), -np.log(error), np.log(improved)), abs=0.01
    )
    assert np.isnan(times_to_error(update, 1e9)[1]), "an evaluation that takes ages never pays"
    fit = update.fit
    panel.controls["cost"].value = 100.0
    assert panel.runner.join(60) and panel.runner.last.fit is fit


def test_steps_and_lengths_compile_nothing_and_tell_in_the_acceptance():
    state = SamplerState(**SMALL | {"lam": 24.0, "n_configs": 200})
    *_, last = sampler_updates(state)
    for lam in (20.0, 24.0):
        *_, last = sampler_updates(state.replace(lam=lam), last)
    with compilations() as found:
        *_, rough = sampler_updates(state.replace(step_size=4.0, length=4.0), last)
        *_, moved = sampler_updates(state.replace(lam=30.0, m2=0.2), rough)
    assert not found
    accepted = [np.minimum(1, np.exp(-update.delta_h)).mean() for update in (last, rough, moved)]
    assert accepted[0] > 0.9 > 0.8 > accepted[1] and moved.origin != last.origin
    assert abs(np.exp(-last.delta_h).mean() - 1) < 0.05
    assert jax.tree.structure(last.chains) == jax.tree.structure(moved.chains)

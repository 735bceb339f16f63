"""The panel of the sampler."""

import jax
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import compilations, use_a_panel
from ncv_lab.analysis.errors import format_error
from ncv_lab.panels.sampler import (
    SAMPLER_PRESETS,
    SamplerPanel,
    SamplerState,
    acceptance_error,
    histogram,
    sampler_updates,
)

STATE = SamplerState((8, 4), m2=0.3, lam=24.0, n_configs=200)


def test_the_panel_can_do_what_every_panel_can():
    use_a_panel(SamplerPanel(STATE.replace(lam=0.5)))


def test_steps_and_lengths_compile_nothing_and_tell_in_the_acceptance():
    *_, last = sampler_updates(STATE)
    for lam in (20.0, 24.0):
        *_, last = sampler_updates(STATE.replace(lam=lam), last)
    with compilations() as found:
        *_, rough = sampler_updates(STATE.replace(step_size=4.0, length=4.0), last)
        *_, moved = sampler_updates(STATE.replace(lam=30.0, m2=0.2), rough)
    assert not found
    accepted = [np.minimum(1, np.exp(-update.delta_h)).mean() for update in (last, rough, moved)]
    assert accepted[0] > 0.9 > 0.8 > accepted[1] and moved.chain_state != last.chain_state
    assert abs(np.exp(-last.delta_h).mean() - 1) < 0.05
    assert jax.tree.structure(last.chains) == jax.tree.structure(moved.chains)


def test_the_code_finds_the_acceptance_again(capsys):
    panel = SamplerPanel(STATE)
    *_, first = sampler_updates(STATE)
    *_, rough = sampler_updates(STATE.replace(step_size=1.6, length=3.2), first)
    *_, moved = sampler_updates(STATE.replace(step_size=1.6, length=3.2, lam=20.0), rough)
    for update in (first, rough, moved):
        exec(panel.code_of(update), {})
        accepted = 100 * np.minimum(1, np.exp(-update.delta_h)).mean()
        assert capsys.readouterr().out.strip() == f"acceptance {accepted:.1f} %"
        readout = panel.readout(update)
        error = 100 * acceptance_error(update.delta_h)
        assert readout["number"] + readout["plusminus"] == f"{format_error(accepted, error)} %"
        assert not readout["plusminus"].startswith("(0)"), "an error that is small is not 0"
    panel.close()


def test_thermalisation_goes_on_when_the_step_is_moved():
    work = sampler_updates(STATE)
    seen = [next(work) for _ in range(3)]
    work.close()
    after = next(sampler_updates(STATE.replace(step_size=0.2), seen[-1]))
    assert after.sampling is seen[-1].sampling and after.progress > seen[-1].progress


def test_step_and_length_go_on_with_the_chains_at_hand():
    *_, last = sampler_updates(STATE)
    first = next(sampler_updates(STATE.replace(step_size=0.2), last))
    assert first.stage == "sampling" and first.chains.tuning.step_size == 0.2
    assert first.chains.n_done == last.chains.n_done + 10


def test_a_histogram_leaves_out_what_is_not_finite():
    middles, density = histogram(np.append(np.linspace(0, 1, 1000), [np.inf, np.nan]))
    assert np.isfinite(middles).all() and np.isclose(density.sum() * (middles[1] - middles[0]), 1.0)
    assert not len(histogram(np.array([[np.inf]]))[0]), "nothing to draw is no error"


def binder(preset, shape):
    "The Binder cumulant of M, 1 - <M^4> / (3 <M^2>^2), and its error from 20 chains."
    theory = preset.replace(shape=shape).theory
    configs = ncv.sample(theory, 6000, 1, n_chains=20, thin=5, progress=False).configs
    M = configs.reshape(20, 300, -1).mean(axis=2)
    chains = np.arange(20)
    without_one = [M[chains != left_out] for left_out in chains]
    cumulants = [1 - np.mean(m**4) / (3 * np.mean(m**2) ** 2) for m in without_one]
    return np.mean(cumulants), np.std(cumulants) * 19**0.5


@pytest.mark.filterwarnings("ignore:tau_int of M")  # M hardly changes its sign there, and only its powers are used
def test_the_broken_phase_is_broken():
    "The cumulant grows towards 2/3 with the lattice; on the symmetric side of the transition it falls to 0."
    preset = SAMPLER_PRESETS["broken phase"]
    for state, direction in ((preset, 1), (preset.replace(lam=6.0), -1)):
        (small, small_error), (large, large_error) = (binder(state, shape) for shape in ((6, 6), (12, 12)))
        assert direction * (large - small) > 5 * np.hypot(small_error, large_error), (small, large)

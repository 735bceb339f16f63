"""The panel of the sampler."""

import jax
import numpy as np

from helpers import compilations, use_a_panel
from ncv_lab.panels.sampler import SamplerPanel, SamplerState, histogram, sampler_updates

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


def test_step_and_length_go_on_with_the_chains_at_hand():
    *_, last = sampler_updates(STATE)
    first = next(sampler_updates(STATE.replace(step_size=0.2), last))
    assert first.stage == "sampling" and first.chains.tuning.step_size == 0.2
    assert first.chains.n_done == last.chains.n_done + 10


def test_a_histogram_leaves_out_what_is_not_finite():
    middles, density = histogram(np.append(np.linspace(0, 1, 1000), [np.inf, np.nan]))
    assert np.isfinite(middles).all() and np.isclose(density.sum() * (middles[1] - middles[0]), 1.0)
    assert not len(histogram(np.array([[np.inf]]))[0]), "nothing to draw is no error"

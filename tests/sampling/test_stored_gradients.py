"""Configurations with stored gradients and no action: the same estimates as with the action, and what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import SHORT_LADDER
from ncv_lab.fitting.data import Data
from ncv_lab.sampling.ensemble import Ensemble, load_ensemble

SHAPE = (6, 4)
THEORY = ncv.Phi4(SHAPE, 0.3, 0.0)
UNKNOWN = ncv.UnknownAction(SHAPE, is_even=True)
SOLVED = ncv.SchwingerDyson(ladder=SHORT_LADDER[1:], legs=None)


def free_fields(*lead, seed=0):
    "Independent configurations of the free theory (*lead, *SHAPE), and dS/dphi on them, by NumPy alone."
    khat_squared = sum(
        (4 * np.sin(np.pi * np.arange(extent) / extent) ** 2).reshape(form)
        for extent, form in ((SHAPE[0], (-1, 1)), (SHAPE[1], (1, -1)))
    )
    noise = np.random.default_rng(seed).normal(size=(*lead, *SHAPE))
    phi = np.fft.ifft2(np.fft.fft2(noise) / np.sqrt(khat_squared + 0.3)).real
    dS = np.fft.ifft2(np.fft.fft2(phi) * (khat_squared + 0.3)).real
    return phi, dS


PHI, DS = free_fields(10, 20)


def stored(**options):
    return Ensemble.from_configs(PHI, UNKNOWN, gradients=DS, **options)


@pytest.mark.parametrize("control", [ncv.OddMLP(SHAPE, depth=0, symmetric="time"), ncv.Direct(SHAPE, (1, 3)), SOLVED])
def test_estimates_are_those_of_the_action(control):
    found = ncv.estimate(None, ncv.Correlator(), stored(), control, progress=False)
    expected = ncv.estimate(THEORY, ncv.Correlator(), Ensemble.from_configs(PHI, THEORY), control, progress=False)
    scale = abs(expected.value).max()
    np.testing.assert_allclose(found.value, expected.value, atol=1e-10 * scale, rtol=0)
    np.testing.assert_allclose(found.samples, expected.samples, atol=1e-10 * abs(expected.raw.samples).max(), rtol=0)


def test_components_have_gradients_too():
    phi, dS = (np.stack(parts, axis=-1) for parts in zip(free_fields(4, 20), free_fields(4, 20, seed=1), strict=True))
    unknown = ncv.UnknownAction(SHAPE, event_shape=(2,), is_even=True)
    ensemble = Ensemble.from_configs(phi, unknown, gradients=dS)
    data = Data.measure(None, ncv.Correlator(), ensemble)
    np.testing.assert_array_equal(data.dS, dS.reshape(-1, *SHAPE, 2))
    assert "event_shape=(2,)" in repr(unknown)


def test_the_default_leaves_the_legs_out_and_legs_are_refused():
    with_legs = ncv.SchwingerDyson(ladder=SHORT_LADDER[1:])
    fits = [ncv.fit(one, None, ncv.Correlator(), stored(), progress=False) for one in (with_legs, SOLVED)]
    np.testing.assert_array_equal(fits[0].control.weights, fits[1].control.weights)
    with pytest.raises(ValueError, match="improved legs need the second derivative"):
        ncv.fit(ncv.ImprovedLegs(), None, ncv.Correlator(), stored(), progress=False)
    with pytest.raises(ValueError, match="gradient of the action on other configurations is needed"):
        fits[0].control(jnp.asarray(PHI[0, 0]))
    with pytest.raises(ValueError, match="the action is needed here"):
        ncv.estimate(None, ncv.ActionDensity(UNKNOWN), stored())
    others = free_fields(2, 5, seed=2)
    new = Ensemble.from_configs(others[0], UNKNOWN, gradients=others[1])
    of_action = ncv.fit(SOLVED, THEORY, ncv.Correlator(), Ensemble.from_configs(PHI, THEORY), progress=False)
    np.testing.assert_allclose(fits[0].evaluate(new), of_action.evaluate(others[0].reshape(-1, *SHAPE)), atol=1e-9)


def same_gradients(ensemble):
    "Whether each stored gradient is that of its configuration."
    both = zip(PHI.reshape(-1, *SHAPE), DS.reshape(-1, *SHAPE), strict=True)
    expected = {phi.tobytes(): dS.tobytes() for phi, dS in both}
    pairs = zip(ensemble.flat, ensemble.flat_gradients, strict=True)
    return all(expected[phi.tobytes()] == dS.tobytes() for phi, dS in pairs)


def test_gradients_stay_with_their_configurations(tmp_path):
    even = stored()
    uneven = Ensemble.from_configs([PHI[0], PHI[1, :12]], UNKNOWN, gradients=[DS[0], DS[1, :12]])
    kept = [0, 1, 3, 4]
    with_gaps = Ensemble.from_configs(PHI[:2, kept], UNKNOWN, gradients=DS[:2, kept], trajectories=kept)
    for ensemble in (even, uneven, with_gaps):
        first, rest = ensemble.split(2 * ensemble.n_chains, gap=1)
        picked = ensemble.select(chains=[1, 0], draws=slice(1, None, 2))
        path = tmp_path / "ensemble.h5"
        ensemble.save(path)
        for part in (first, rest, picked, load_ensemble(path)):
            assert same_gradients(part)
    loaded = load_ensemble(path, theory=THEORY)
    assert loaded.theory is THEORY and same_gradients(loaded) and "gradients       stored" in repr(loaded)


def test_wrong_gradients_are_refused_or_found():
    wrong = DS.copy()
    wrong[3, 2, 1, 0] = np.nan
    cases = [
        (THEORY, -DS, "gradients are not those of the action: at configuration 0 and site"),
        (UNKNOWN, DS[:, :5], "there must be a gradient for each of them"),
        (UNKNOWN, DS[..., 0], r"gradients has shape \(10, 20, 6\)"),
        (UNKNOWN, wrong, "gradients holds nan at index"),
        (UNKNOWN, None, "gradients dS/dphi on the configurations are needed"),
    ]
    for theory, gradients, message in cases:
        with pytest.raises(ValueError, match=message):
            Ensemble.from_configs(PHI, theory, gradients=gradients)
    assert not stored().warnings
    for gradients in (-DS, 1.2 * DS, np.roll(DS, 1, axis=1), np.swapaxes(DS, 0, 1).reshape(DS.shape)):
        with pytest.warns(UserWarning, match="the mean of phi_x dS/dphi_x is .*, and 1 for every action"):
            Ensemble.from_configs(PHI, UNKNOWN, gradients=gradients)
    single = Ensemble.from_configs(PHI, THEORY, gradients=DS.astype("f4"))
    np.testing.assert_allclose(single.gradients, DS, rtol=1e-6, atol=1e-6)


def test_the_identities_are_checked_with_the_gradients():
    found = ncv.check(stored())
    assert found.passed and found.action.names == ("beta",)
    assert abs(found.action.fitted[0] - 1) < 4 * found.action.error[0]
    assert "A shift of beta by" in str(found) and "moves <phi^2>" not in str(found)
    with pytest.warns(UserWarning, match="do not belong"):
        scaled = Ensemble.from_configs(PHI, UNKNOWN, gradients=1.2 * DS)
    action = ncv.check(scaled).action
    assert not action.passed and abs(action.fitted[0] * 1.2 - 1) < 4 * 1.2 * action.error[0]
    with pytest.raises(ValueError, match="has no gradients, so nothing can be tested"):
        ncv.check(Ensemble.from_configs(PHI, THEORY), UNKNOWN)


def test_blocks_bring_their_gradients():
    ensemble = stored()
    train, rest = ensemble.split(100)
    fit = ncv.fit(SOLVED, None, ncv.Correlator(), train, progress=False)
    blocks = [
        (chain, rest.configs[chain, first : first + 4], rest.gradients[chain, first : first + 4])
        for chain in range(10)
        for first in (0, 4, 8)
    ]
    found = ncv.estimate_blocks(UNKNOWN, ncv.Correlator(), blocks, fit)
    expected = ncv.estimate(None, ncv.Correlator(), rest, fit)
    np.testing.assert_allclose(found.value, expected.value, rtol=1e-10)
    with pytest.raises(ValueError, match="a block has 4 configurations and 3 gradients"):
        ncv.estimate_blocks(UNKNOWN, ncv.Correlator(), [(*blocks[0][:2], blocks[0][2][:3])], fit)
    with pytest.raises(ValueError, match="only the gradients that are stored"):
        ncv.estimate_blocks(UNKNOWN, ncv.Correlator(), [blocks[0][:2]], fit)

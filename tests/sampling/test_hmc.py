"""HMC: exactness against known answers, blackjax as an oracle, determinism, continuation, bad input."""

import re
from pathlib import Path

import blackjax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncv_lab.sampling.autocorrelation import tau_int
from ncv_lab.sampling.ensemble import load_ensemble
from ncv_lab.sampling.hmc import HMC, ExactGaussian, advance, init, normal, piece_size, sample, sample_steps, step
from ncv_lab.theory.action import Phi4, Theory, as_theory
from ncv_lab.theory.exact import chain_correlator, free_correlator
from ncv_lab.theory.lattice import laplacian
from ncv_lab.theory.observables import Correlator, MeanSquare, measure

WEAK, STRONG = Phi4((6, 4), 0.1, 0.5), Phi4((6, 4), 0.1, 24.0)
VERSION_0_1 = Path(__file__).resolve().parent.parent / "data" / "version_0_1"
FOURIER = pytest.mark.parametrize("fourier", [True, False])


def mean_error(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and error of a series (chain, draw, n), autocorrelation included."""
    tau = np.array([max(0.5, tau_int(column)[0]) for column in np.moveaxis(series, -1, 0)])
    flat = series.reshape(-1, series.shape[-1])
    return flat.mean(0), flat.std(0) * (2 * tau / len(flat)) ** 0.5


def pulls(theory, observable, exact, n_configs, **settings) -> np.ndarray:
    """(mean - exact) / error of an observable of a fresh ensemble."""
    ensemble = sample(theory, n_configs, 11, progress=False, **settings)
    series = measure(observable, ensemble.configs, theory.shape)
    mean, error = mean_error(series.reshape(*series.shape[:2], -1))
    return (mean - exact) / error


@FOURIER
@pytest.mark.parametrize("lam", [0.5, 24.0])
def test_correlator_of_the_chain(lam, fourier):
    exact = chain_correlator(8, 0.1, lam)
    pull = pulls(Phi4((8,), 0.1, lam), Correlator(), exact, 20_000, method=HMC(fourier=fourier))
    assert abs(pull).max() < 4, pull


def test_correlator_of_the_20x20_lattice():
    """DESIGN: C(5) = .006198(5), C(10) = .001352(6) at m2 = .1, lam = .5, errors far below ours."""
    ensemble = sample(Phi4((20, 20), 0.1, 0.5), 4000, 3, progress=False)
    mean, error = mean_error(measure(Correlator().at([5, 10]), ensemble.configs, (20, 20)))
    pull = (mean - [0.006198, 0.001352]) / np.hypot(error, [5e-6, 6e-6])
    assert abs(pull).max() < 4, (mean, error)


@pytest.mark.parametrize("method", [None, HMC()], ids=["exact", "hmc"])
def test_free_theory(method):
    shape = (6, 4, 3)
    pull = pulls(Phi4(shape, 0.3, 0.0), Correlator(), np.asarray(free_correlator(shape, 0.3)), 10_000, method=method)
    assert abs(pull).max() < 4, pull


def test_exact_gaussian_draws_are_independent():
    ensemble = sample(Phi4((6, 4), 0.3, 0.0), 4000, 0, progress=False)
    assert (ensemble.acceptance, ensemble.exp_dh, ensemble.thin) == (1.0, 1.0, 1)
    assert "exact Gaussian" in repr(ensemble)
    assert all(abs(tau - 0.5) < 4 * error for tau, error in ensemble.slow_modes.values())


@FOURIER
@pytest.mark.parametrize("theory", [WEAK, STRONG], ids=["weak", "strong"])
def test_schwinger_dyson_and_energy(theory, fourier):
    ensemble = sample(theory, 20_000, 5, method=HMC(fourier=fourier), progress=False)
    assert abs(ensemble.exp_dh - 1) < 4 * ensemble.exp_dh_error
    assert 0.8 < ensemble.acceptance < 1
    matrix = jax.jit(jax.vmap(lambda phi: jnp.outer(phi[0], theory.gradient(phi)[0])))(ensemble.flat)  # one time slice
    mean, error = mean_error(np.asarray(matrix).reshape(*ensemble.configs.shape[:2], -1))
    assert abs((mean - np.eye(4).ravel()) / error).max() < 4.5


def test_blackjax_agrees():
    theory, n_chains, n_draws = STRONG, 40, 500
    hmc = blackjax.hmc(
        lambda phi: -theory.action(phi.reshape(theory.shape)),
        step_size=0.15,
        inverse_mass_matrix=jnp.ones(24),
        num_integration_steps=7,
    )

    def chain(key):
        def draw(state, key):
            state, _ = hmc.step(key, state)
            return state, state.position

        key_start, key = jax.random.split(key)
        state = hmc.init(0.3 * jax.random.normal(key_start, (24,)))
        return jax.lax.scan(draw, state, jax.random.split(key, n_draws + 100))[1][100:]

    theirs = jax.jit(jax.vmap(chain))(jax.random.split(jax.random.key(0), n_chains)).reshape(
        n_chains, n_draws, *theory.shape
    )
    ours = sample(theory, 20_000, 0, progress=False).configs
    for observable in (MeanSquare(), Correlator()):
        (a, error_a), (b, error_b) = (
            mean_error(np.atleast_3d(measure(observable, configs, theory.shape)))
            for configs in (np.asarray(theirs), ours)
        )
        assert abs((a - b) / np.hypot(error_a, error_b)).max() < 4, (a, b)


def test_any_action():
    """Independent sites with exp(-phi^4): <phi^2> = Gamma(3/4) / Gamma(1/4)."""
    theory = as_theory(lambda phi: (phi**4).sum(), (4, 4), name="quartic")
    pull = pulls(theory, MeanSquare(), 0.3379891200336424, 10_000)
    assert abs(pull).max() < 4, pull


@pytest.mark.parametrize(("lam", "exact"), [(0.5, 2.0457743519), (24.0, 0.3312965118)])
def test_single_site(lam, exact):
    theory = as_theory(lambda phi: (0.1 * phi**2 / 2 + lam * phi**4 / 24).sum(), (3, 2))
    pull = pulls(theory, MeanSquare(), exact, 20_000)
    assert abs(pull).max() < 4, pull


def test_the_broken_phase_warns_and_moves():
    """A deep double well: the chains stay on their side, which is said; within it they move."""
    theory = Phi4((8, 8), -1.0, 1.0)
    with pytest.warns(UserWarning, match="tau_int of M "):
        ensemble = sample(theory, 2000, 0, progress=False, thin=1)
    assert ensemble.acceptance > 0.8 and ensemble.slow_modes["S/V"][0] < 3


def test_the_same_key_gives_the_same_ensemble():
    first, again, by_seed, other = (
        sample(WEAK, 200, key, progress=False) for key in (jax.random.key(7), jax.random.key(7), 7, 8)
    )
    assert (first.configs == again.configs).all() and (first.configs == by_seed.configs).all()
    assert not (first.configs == other.configs).any()
    assert (first.seed == jax.random.key_data(jax.random.key(7))).all()


def test_extend_continues_the_chains(tmp_path):
    whole, part = (
        sample(WEAK, 400, 1, thin=2, progress=False),
        sample(WEAK, 200, 1, thin=2, n_chains=20, progress=False),
    )
    longer = part.extend(200, progress=False)
    assert (longer.configs == whole.configs).all()
    assert (longer.acceptance, longer.exp_dh) == pytest.approx((whole.acceptance, whole.exp_dh))
    part.save(tmp_path / "part.h5")
    loaded = load_ensemble(tmp_path / "part.h5")
    assert repr(loaded) == repr(part)
    assert (loaded.extend(200, progress=False).configs == whole.configs).all()
    _, rest = part.split(100)
    assert (rest.extend(200, progress=False).configs == whole.configs[:, 5:]).all()
    with pytest.raises(ValueError, match="use a multiple of 20"):
        part.extend(30)


def test_extend_with_a_theory_from_a_function(tmp_path):
    theory = as_theory(lambda phi: (phi**4).sum(), (4, 4), name="quartic")
    part = sample(theory, 100, 0, thin=1, progress=False)
    part.save(tmp_path / "part.h5")
    loaded = load_ensemble(tmp_path / "part.h5", theory=theory)
    assert (loaded.extend(100, progress=False).configs == part.extend(100, progress=False).configs).all()


def test_moving_the_couplings_compiles_nothing(caplog):
    with jax.log_compiles():
        sample(Phi4((5, 3), 0.1, 0.5), 100, 0, progress=False)
        assert "_advance" in caplog.text
        caplog.clear()
        sample(Phi4((5, 3), 0.2, 24.0), 200, 1, thin=2, n_chains=20, progress=False)
        assert "_advance" not in caplog.text


def test_the_numbers_of_version_0_1():
    "The same key gives the same configurations as when the file was written."
    ensemble = load_ensemble(VERSION_0_1 / "ensemble.h5")
    again = sample(Phi4((6, 4), 0.1, 24.0), 200, 0, n_chains=10, thin=1, progress=False)
    # The last bits are those of the processor and of the optimisations of the compiler.
    np.testing.assert_allclose(again.configs, ensemble.configs, rtol=0, atol=1e-13)
    assert str(again.sampler) == str(ensemble.sampler)
    longer, longer_again = ensemble.extend(50, progress=False), again.extend(50, progress=False)
    np.testing.assert_allclose(longer_again.configs, longer.configs, rtol=0, atol=1e-13)


def test_a_step_is_pure():
    chains = init(WEAK, 4, jax.random.key(0), HMC())
    moved, delta_h = step(WEAK, chains)
    again, _ = step(WEAK, chains)
    assert delta_h.shape == (4,) and (int(chains.n_done), int(moved.n_done)) == (0, 1)
    assert (moved.phi == again.phi).all() and (chains.phi == 0).all()
    weight = np.exp(-np.asarray(delta_h))
    assert moved.acceptance == pytest.approx(np.minimum(1, weight).mean())
    assert moved.exp_dh == pytest.approx((weight.mean(), weight.std() / 2))


@pytest.mark.parametrize("thin", [1, 3])
def test_advance_is_many_steps(thin):
    chains = eqx.tree_at(lambda c: c.thin, init(WEAK, 4, jax.random.key(0), HMC()), jnp.asarray(thin))
    moved, piece = advance(WEAK, chains, 2)
    assert piece.configs.shape == (2, 4, 6, 4) and piece.modes.shape == (2, 4, 4)
    for i in range(2):
        for _ in range(thin):
            chains, _ = step(WEAK, chains)
        np.testing.assert_allclose(piece.configs[i], chains.phi, atol=1e-12)
    assert int(moved.n_done) == 2 * thin and moved.acceptance == pytest.approx(chains.acceptance)


def test_progress_of_every_stage():
    seen = list(sample_steps(WEAK, 120, 0, 4, n_thermal=60))
    room = piece_size(seen[-1].chains)
    assert room == 25 and [now.stage for now in seen] == 3 * ["thermalising"] + 8 * ["measuring tau_int"] + 2 * [
        "sampling"
    ]
    assert [(now.done, now.total) for now in seen[:3]] == [(25, 60), (50, 60), (60, 60)]
    assert [now.ensemble is None for now in seen] == 12 * [True] + [False]
    expected = sample(WEAK, 120, 0, n_chains=4, n_thermal=60, progress=False)
    assert (seen[-1].ensemble.configs == expected.configs).all()


def test_the_generator_returns_the_ensemble_and_can_be_left():
    steps = sample_steps(WEAK, 40, 0, 4, n_thermal=10, thin=1)
    with pytest.raises(StopIteration) as end:
        while True:
            now = next(steps)
    assert end.value.value is now.ensemble and now.ensemble.n_configs == 40
    left = sample_steps(WEAK, 40, 0, 4)
    assert next(left).stage == "thermalising"
    left.close()


def test_normal_numbers():
    numbers = np.asarray(normal(jax.random.key(0), (400, 250)))
    moments = [np.mean(numbers**power) for power in (1, 2, 3, 4)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.06)


@pytest.mark.slow
def test_chains_of_components():
    "Free components are independent fields, each with the propagator of the free field."

    def free(phi):
        return jnp.sum(phi * (0.3 * phi - laplacian(phi, n_axes=2))) / 2

    theory = as_theory(free, (6, 4), event_shape=(3,))
    ensemble = sample(theory, 8000, 2, progress=False)
    assert ensemble.configs.shape == (20, 400, 6, 4, 3)
    exact = np.asarray(free_correlator((6, 4), 0.3))
    assert float(ensemble.sampler.tuning.mass_squared) == pytest.approx(0.3, rel=0.3)
    for component in np.moveaxis(ensemble.configs, -1, 0):
        mean, error = mean_error(measure(Correlator(), component, (6, 4)))
        assert abs((mean - exact) / error).max() < 4, component
    start = np.ones(theory.shape)
    assert sample(theory, 40, 2, n_thermal=1, thin=1, start=start, progress=False).n_configs == 40
    with pytest.raises(ValueError, match="the event shape"):
        sample(theory, 40, 2, start=start[..., 0], progress=False)


@pytest.mark.parametrize(
    ("n_configs", "n_chains"), [(2000, 20), (100, 20), (75, 15), (64, 16), (20, 5), (7, 1), (1, 1), (97, 1)]
)
def test_the_number_of_configurations_is_exact(n_configs, n_chains):
    ensemble = sample(Phi4((4,), 0.3, 0.0), n_configs, 0, progress=False)
    assert (ensemble.n_configs, ensemble.n_chains) == (n_configs, n_chains)


def test_start_and_progress(capsys):
    start = np.full((6, 4), 0.2)
    one = sample(WEAK, 40, 0, n_chains=4, n_thermal=50, thin=1, start=start, progress=True)
    assert "configs" in capsys.readouterr().err
    many = sample(
        WEAK, 40, 0, n_chains=4, n_thermal=50, thin=1, start=np.broadcast_to(start, (4, 6, 4)), progress=False
    )
    assert (one.configs == many.configs).all() and capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"n_configs": 0}, ValueError, "n_configs = 0 must be at least 1"),
        ({"n_configs": 1.5}, TypeError, "n_configs"),
        ({"n_chains": 7}, ValueError, "the nearest valid numbers are [98, 105]"),
        ({"n_chains": 0}, ValueError, "n_chains = 0 must be at least 1"),
        ({"n_chains": 200}, ValueError, "the nearest valid numbers are [200]"),
        ({"n_thermal": -1}, ValueError, "n_thermal = -1 must be at least 0"),
        ({"thin": 0}, ValueError, "thin = 0 must be at least 1"),
        ({"thin": "often"}, TypeError, "thin must be an integer, got 'often'"),
        ({"key": "zero"}, TypeError, "integer seed, got 'zero'"),
        ({"key": jnp.zeros(2, jnp.uint32)}, TypeError, "such as jax.random.key(0)"),
        ({"method": "hmc"}, TypeError, "method"),
        ({"method": ExactGaussian()}, ValueError, "draws the free theory only"),
        ({"start": np.zeros((4, 6))}, ValueError, "lattice shape (6, 4)"),
        ({"start": np.zeros((3, 6, 4))}, ValueError, "one for each chain, (20, 6, 4)"),
        ({"start": np.full((6, 4), np.nan)}, ValueError, "nan at index"),
        ({"theory": "phi4"}, TypeError, "theory"),
    ],
)
def test_bad_input(arguments, error, text):
    arguments = {"theory": WEAK, "n_configs": 100, "key": 0, "progress": False} | arguments
    with pytest.raises(error, match=re.escape(text)):
        sample(**arguments)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"target_acceptance": 1.0}, "between 0 and 1"),
        ({"jitter": 1.0}, "[0, 1)"),
        ({"trajectory_length": -1.0}, "must be positive"),
    ],
)
def test_bad_settings(arguments, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        HMC(**arguments)


def test_an_action_that_is_nowhere_finite_is_named():
    class Nowhere(Theory):
        shape: tuple[int, ...] = eqx.field(static=True, default=(4, 4))

        def action(self, phi):
            return jnp.log(-jnp.sum(phi**2))

    with pytest.raises(ValueError, match="finite and bounded below"):
        sample(Nowhere(), 100, 0, n_thermal=50, progress=False)

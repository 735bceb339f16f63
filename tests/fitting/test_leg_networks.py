"""Networks on legs: what the training gains, that the answers stay exact, files, and what is refused."""

import jax
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import field as random_field
from ncv_lab.fields.legs import LegProducts
from ncv_lab.fitting.leg_networks import leg_network, linear_problem, one_leg_ratio, train_legs
from ncv_lab.fitting.legs import LEGS, TOUCHING, decays, solved_legs

QUICK = {"steps": 40, "batch_size": 32, "width": 6, "n_functions": 4, "touching": TOUCHING[:1]}


def data(theory, n, seed=0, observable=None):
    ensemble = ncv.sample(theory, n, jax.random.key(seed), n_chains=20, progress=False)
    return ncv.Data.measure(theory, observable or ncv.Correlator(), ensemble)


@pytest.fixture(scope="module")
def strong():
    theory = ncv.Phi4((8, 4), 0.1, 24.0)
    return data(theory, 400), data(theory, 1000, seed=1)


@pytest.mark.slow
def test_training_helps_on_others_and_repeats_with_its_seed(strong):
    train, others = strong
    untrained = leg_network((8, 4), width=6, n_functions=4, key=jax.random.key(0))
    before, _ = solved_legs(untrained, train)
    first, again = (train_legs(untrained, train, steps=100, batch_size=32) for _ in "ab")
    after, _ = solved_legs(first.legs, train)
    assert one_leg_ratio(after, others) > 3 * one_leg_ratio(before, others)
    np.testing.assert_array_equal(first.losses, again.losses)


def test_all_weights_may_be_trained_together(strong):
    train, others = strong
    untrained = leg_network((8, 4), width=6, n_functions=4, key=jax.random.key(0))
    training = train_legs(untrained, train, steps=150, batch_size=32, eliminate=False)
    assert training.legs.weights.shape == (5, untrained.n_functions)
    assert one_leg_ratio(training.legs, others) > 4


def test_the_divergence_is_that_of_the_dense_jacobian():
    theory = ncv.Phi4((4, 3), 0.3, 6.0)
    legs = leg_network((4, 3), width=3, n_functions=3, key=jax.random.key(0))
    legs = legs.with_weights(random_field((3, legs.n_functions), 1))
    products = LegProducts(legs, 1, theory)

    @jax.jit
    def everything(phi):
        return *products(phi), jax.jacfwd(lambda at: products(at)[0])(phi)

    g, div, jacobian = map(np.asarray, everything(random_field((4, 3))))
    dense = np.trace(jacobian.reshape(12, 12))
    np.testing.assert_allclose(div, dense, rtol=1e-10, atol=1e-10 * abs(g).sum())


@pytest.mark.slow
def test_means_are_those_of_the_transfer_matrix():
    theory = ncv.Phi4((8,), 0.1, 24.0)
    train, others = data(theory, 400), data(theory, 2000, seed=1)
    *_, fit = ncv.NeuralLegs(**QUICK).run(train)
    improved = np.asarray(others.values) - fit.evaluate(others)
    error = improved.std(axis=0) / len(improved) ** 0.5
    assert (abs(improved.mean(axis=0) - ncv.chain_correlator(8, 0.1, 24.0)) < 4.5 * error).all()
    assert ncv.sigma_ratio(others.values, improved).min() > 20
    assert list(fit.diagnostics["tried_legs"]) == ["untrained", "trained"]


@pytest.mark.slow
def test_one_time_and_a_momentum(strong):
    observable = ncv.Correlator(2, momentum=(1,))
    train = data(strong[0].theory, 200, observable=observable)
    others = data(strong[0].theory, 400, seed=1, observable=observable)
    *_, fit = ncv.NeuralLegs(**QUICK).run(train)
    f = fit.evaluate(others)
    values = np.asarray(others.values)[:, 0]
    assert f.shape == (400,) and ncv.sigma_ratio(values, values - f) > 3


@pytest.mark.slow
def test_saved_and_loaded(strong, tmp_path):
    train, others = strong
    *_, fit = ncv.NeuralLegs(**QUICK).run(train)
    fit.save(tmp_path / "fit.safetensors")
    np.testing.assert_array_equal(ncv.load_fit(tmp_path / "fit.safetensors").evaluate(others), fit.evaluate(others))


def test_the_loss_is_the_variance_that_is_left(strong):
    """Least squares on one half of the configurations leaves on the other what `solve_legs` leaves on its folds."""
    train, _ = strong
    legs = LEGS[1].legs(train.phi)
    basis = decays(8, 0.5)
    numbers = np.asarray(linear_problem(legs, basis, train.phi, train.dS))
    half = len(numbers) // 2
    s = np.asarray(jax.vmap(legs.means)(train.phi))
    # Parseval: the squares of the last column are those of the legs, in units of their mean.
    frequencies = 5
    np.testing.assert_allclose((numbers[:, -1] ** 2).sum(), len(s) * 2 * frequencies, rtol=1e-10)
    weights = np.linalg.lstsq(numbers[:half, :-1], numbers[:half, -1], rcond=1e-12)[0]
    left = ((numbers[half:, -1] - numbers[half:, :-1] @ weights) ** 2).sum() / (numbers[half:, -1] ** 2).sum()
    _, solution = solved_legs(legs, train)
    assert left**-0.5 == pytest.approx(solution.ratio, rel=0.1)


def test_what_cannot_be_is_refused(strong):
    train, _ = strong
    with pytest.raises(ValueError, match="have no networks; make them with leg_network"):
        train_legs(LEGS[1].legs(train.phi), train)
    untrained = leg_network((8, 4), key=jax.random.key(0))
    with pytest.raises(ValueError, match="batch_size even, got 10"):
        train_legs(untrained, train, steps=10, batch_size=3)
    with pytest.raises(ValueError, match="are for a Correlator, not for MeanSquare"):
        next(ncv.NeuralLegs().run(data(train.theory, 60, observable=ncv.MeanSquare())))

"""Table II: networks of several times as one strategy, and the rows."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncv_lab import Correlator, LeastSquares, OddMLP, SchwingerDyson, control_variate, dense_divergence, fit, sample
from ncv_lab.analysis.estimate import estimate
from ncv_lab.fitting.ladder import LADDER
from ncv_lab.paper.table2 import Combined, Networks, rows, table, two_states
from ncv_lab.paper.trainings import Training

SHORT = Training((6, 4), 0.3, 0.5, t=3, depth=1, width=2, n_train=180, n_measure=20)


@pytest.fixture(scope="module")
def ensemble():
    return sample(SHORT.theory, 400, 1, n_chains=20, progress=False)


@pytest.fixture(scope="module")
def networks(ensemble, tmp_path_factory):
    strategy = Networks(SHORT, (3, 1), 1500, 500, folder=str(tmp_path_factory.mktemp("networks")))
    return strategy, fit(strategy, SHORT.theory, Correlator(), ensemble, progress=False)


def random_network(seed):
    net = OddMLP((6, 4), 2, 1, key=jax.random.key(seed))
    return eqx.tree_at(lambda net: net.last, net, jnp.array([0.3, -0.2]))


def test_combined_is_the_sum_of_its_fields(key):
    nets, phi = [random_network(seed) for seed in (1, 2)], jax.random.normal(key, (6, 4))
    both = Combined(*nets).with_weights(jnp.array([2.0, -0.5]))
    parts = jnp.stack([control_variate(net, SHORT.theory, phi) for net in nets])
    assert np.isclose(control_variate(both, SHORT.theory, phi), 2 * parts[0] - 0.5 * parts[1])
    assert np.allclose(both.features(phi, SHORT.theory.gradient(phi)), parts)
    assert np.isclose(both(phi)[1], dense_divergence(lambda x: both(x)[0], phi), atol=1e-10)


def test_combined_can_be_solved(ensemble):
    found = fit(Combined(random_network(1)), SHORT.theory, Correlator(), ensemble, method=LeastSquares())
    assert (found.train_ratio >= 1).all()


def test_each_time_takes_the_nearest_network(networks):
    _, found = networks
    assert np.array_equal(np.argmax(found.control.weights, axis=0), [1, 1, 0, 0])
    assert found.labels == ("C(0)", "C(1)", "C(2)", "C(3)") and found.wall_time > 0


def test_finished_networks_are_found_again(networks, ensemble, monkeypatch):
    strategy, found = networks
    monkeypatch.setattr("ncv_lab.fitting.adam._train", None)  # nothing is trained
    again = fit(replace(strategy, solve=True), SHORT.theory, Correlator(), ensemble, progress=False)
    assert np.array_equal(again.control.field.fields[1].kernels, found.control.field.fields[1].kernels)
    assert again.control.weights.shape == (2, 4) and (again.control.weights != 0).all()


def test_fit_is_saved_and_loaded(networks, ensemble, tmp_path):
    from ncv_lab import load_fit

    networks[1].save(tmp_path / "fit.safetensors")
    loaded = load_fit(tmp_path / "fit.safetensors")
    assert np.array_equal(loaded.evaluate(ensemble), networks[1].evaluate(ensemble))


def test_solving_for_coefficients_helps_the_other_times():
    one, ensemble = Networks(SHORT, (3,), 4000), sample(SHORT.theory, 2000, 1, n_chains=20, progress=False)
    as_is, solved = (
        estimate(SHORT.theory, Correlator(), ensemble, strategy, folds=2, progress=False)
        for strategy in (one, replace(one, solve=True))
    )
    assert solved.sigma_ratio[0] > as_is.sigma_ratio[0]


@pytest.mark.slow
def test_rows_and_table():
    training = replace(SHORT, shape=(8, 4), t=4, n_train=360, n_measure=40)
    options = {"n_configs": 800, "n_large": 4000, "steps": 1000, "more_steps": 200, "window": (1, 4)}
    found = list(rows(training, **options, solved=SchwingerDyson(ladder=LADDER[:1], legs=None)))
    assert len(found) == 12 and len({row.name for row in found}) == 12
    for row in found:
        assert row.mass.dof == 2 and 0 <= row.mass.p_value <= 1 and row.numbers()["mass"]["m"] == row.mass.m
    biased = [row for row in found if "included" in row.name]
    assert len(biased) == 3 and all("biased" in row.estimate.control for row in biased)
    assert all("others" not in row.estimate.control for row in biased)
    assert table([row.numbers() for row in found]).count("\n") == 26
    resolved = [row for row in found if row.two_states]
    lines = two_states([row.numbers() for row in found]).splitlines()
    assert len(lines) == max(1, 2 * len(resolved)) and all("m2 = " in line for line in lines[1 : 2 * len(resolved) : 2])

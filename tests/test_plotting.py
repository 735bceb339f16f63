"""Pictures: what is drawn, on which axes, and that nothing of matplotlib is left changed or open."""

from dataclasses import replace
from io import BytesIO
from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest

from ncv_lab import plotting
from ncv_lab.analysis.estimate import estimate
from ncv_lab.analysis.spectrum import State, fit_mass
from ncv_lab.fields.odd_mlp import OddMLP
from ncv_lab.fitting.adam import Adam
from ncv_lab.fitting.fit import fit
from ncv_lab.sampling.hmc import sample
from ncv_lab.theory.action import Phi4
from ncv_lab.theory.observables import AbsMagnetisation, Correlator, Observable, as_observable

THEORY = Phi4((8, 4), m2=0.1, lam=0.5)
FIELD = OddMLP(THEORY.shape, depth=0, symmetric="time")


@pytest.fixture(scope="module")
def ensemble():
    return sample(THEORY, 400, jax.random.key(0), n_chains=10, progress=False)


@pytest.fixture(scope="module")
def best(ensemble):
    return estimate(THEORY, Correlator(), ensemble, FIELD, progress=False)


@pytest.fixture(scope="module")
def trained(ensemble):
    net = OddMLP(THEORY.shape, width=2, depth=1, key=jax.random.key(1))
    method = Adam(steps=60, check_every=20, batch_size=4)
    return fit(net, THEORY, Correlator().at(4), ensemble, method=method, key=jax.random.key(2), progress=False)


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    figure.savefig(BytesIO())  # fonts that lack a letter warn here, and warnings are errors
    plt.close("all")


def heights(container):
    "The y values of a set of points with error bars."
    return container.lines[0].get_ydata()


def names(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_correlator_draws_values_errors_and_fits(ax, best):
    masses = [fit_mass(best.raw), fit_mass(best)]
    assert plotting.correlator(best.raw, best, ax=ax, fits=masses) is ax
    raw, improved = ax.containers
    np.testing.assert_array_equal(heights(raw), best.raw.value)
    np.testing.assert_array_equal(heights(improved), best.value)
    assert (raw.lines[0].get_xdata() < improved.lines[0].get_xdata()).all()
    assert ax.get_yscale() == "log" and names(ax) == ["raw", "linear"]
    for curve, mass in zip(ax.lines[-2:], masses, strict=True):
        t, C = curve.get_data()
        assert (t[0], t[-1]) == (mass.t_min, mass.t_max)
        np.testing.assert_allclose(C[0], mass.A * (np.exp(-mass.m * t[0]) + np.exp(-mass.m * (8 - t[0]))))


def test_points_lost_in_noise_do_not_stretch_the_axis(ax, best):
    value = best.value.copy()
    value[3:] = [1e-12, -1e-3]
    plotting.correlator(replace(best, value=value), ax=ax)
    assert ax.get_ylim()[0] > value[2] / 10


def test_errors_draws_errors_of_errors(ax, best):
    plotting.errors(best.raw, best, ax=ax, labels=["one", "two"])
    np.testing.assert_array_equal(heights(ax.containers[1]), best.error)
    assert names(ax) == ["one", "two"]


def test_reduction_draws_both_ratios(ax, best):
    plotting.reduction(best, ax=ax)
    for container, ratio in zip(ax.containers, (best.sigma_ratio, best.error_ratio), strict=True):
        np.testing.assert_array_equal(heights(container), ratio)
    assert ax.get_ylim()[0] == 0


def test_a_fit_of_two_states_is_drawn_with_both(ax, best):
    one = fit_mass(best)
    two = replace(one, higher=(State(0.3, 0.0, 1.5, 0.0),))
    plotting.correlator(best, ax=ax, fits=[two])
    t, C = ax.lines[-1].get_data()
    added = 0.3 * (np.exp(-1.5 * t) + np.exp(-1.5 * (8 - t)))
    np.testing.assert_allclose(C, one.A * (np.exp(-one.m * t) + np.exp(-one.m * (8 - t))) + added)


def test_effective_mass_draws_bands(ax, best):
    plotting.effective_mass(best.raw, best, ax=ax, fits=[fit_mass(best.raw)])
    assert len(ax.containers) == 2 and len(ax.collections) > 0
    assert heights(ax.containers[0]).shape == (4,)
    assert "fit, t = 2..4" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_effective_mass_without_a_raw_fit(ax, best):
    plotting.effective_mass(best.raw, best, ax=ax, fits=[None, fit_mass(best)])
    assert len(ax.get_legend().get_texts()) == 3


def test_observables_without_a_time_show_their_symbols(ax, ensemble):
    plotting.reduction(estimate(THEORY, AbsMagnetisation(), ensemble, FIELD, progress=False), ax=ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["$|M|$"]


class SiteCorrelator(Observable):
    "The correlator of two sites with a distance along the time axis, at two times."

    def __call__(self, phi):
        return jnp.array([(phi * jnp.roll(phi, -t, axis=0)).mean() for t in self.times(phi.shape)])

    def labels(self, shape):
        return ("near", "far")

    def times(self, shape):
        return (1, 3)


def test_any_observable_with_times_is_drawn_against_t(ax, ensemble):
    mine = estimate(THEORY, SiteCorrelator(), ensemble, FIELD, progress=False)
    for draw in (plotting.correlator, plotting.errors, plotting.reduction):
        draw(mine, ax=ax)
        assert ax.get_xlabel() == "$t$"
        np.testing.assert_allclose(ax.containers[0].lines[0].get_xdata(), [1, 3], atol=0.1)
        ax.clear()


def test_a_correlator_at_time_0_alone_has_a_time(ax, ensemble):
    plotting.correlator(estimate(THEORY, Correlator().at(0), ensemble), ax=ax)
    assert ax.get_xlabel() == "$t$"


def test_training_history_distinguishes_trained_and_solved(ax, trained, ensemble):
    solved = fit(FIELD, THEORY, Correlator(), ensemble)
    plotting.training_history(trained, solved, ax=ax)
    inside, aside, line = ax.lines
    assert [item.get_linestyle() for item in (inside, aside, line)] == ["--", "-", ":"]
    np.testing.assert_array_equal(aside.get_xdata(), [0, 20, 40, 60])
    np.testing.assert_array_equal(aside.get_ydata(), trained.history["validation_ratio"])
    assert names(ax) == ["OddMLP 1 × 2", "linear"]


def test_epochs_are_visits_of_all_that_is_trained_on(ax, trained):
    plotting.training_history(trained, ax=ax, epochs=True)
    np.testing.assert_allclose(ax.lines[0].get_xdata(), np.array([0, 20, 40, 60]) * 4 / 360)


@pytest.mark.parametrize("shape", [(6,), (6, 4), (6, 4, 2)])
def test_configuration_in_any_dimension(ax, shape):
    phi = np.arange(np.prod(shape), dtype=float).reshape(shape)
    assert plotting.configuration(phi, ax=ax) is ax
    if len(shape) > 1:
        image = np.asarray(ax.images[0].get_array())
        np.testing.assert_array_equal(image, phi.reshape(6, 4, -1)[..., 0].T)


def test_style_is_put_back():
    before = dict(plt.rcParams)
    with plotting.style(**{"font.size": 20}):
        assert plt.rcParams["font.size"] == 20 and plt.rcParams["xtick.direction"] == "in"
    plt.close(plotting.configuration(np.zeros(4)).figure)
    assert dict(plt.rcParams) == before


def test_new_axes_only_where_none_are_given(ax, best):
    open_before = plt.get_fignums()
    plotting.errors(best, ax=ax)
    assert plt.get_fignums() == open_before
    new = plotting.errors(best)
    assert len(plt.get_fignums()) == len(open_before) + 1
    assert tuple(new.figure.get_size_inches()) == plotting.STYLE["figure.figsize"]


def test_estimates_differ_in_colour_and_marker(ax, best):
    plotting.correlator(best.raw, *[best] * 6, ax=ax)
    looks = {(item.lines[0].get_color(), item.lines[0].get_marker()) for item in ax.containers}
    assert len(looks) == 7 and len({marker for _, marker in looks}) == 7


def without_times(best):
    return replace(best, observable=as_observable(lambda phi: Correlator()(phi), "mine"))


BAD = {
    "a correlator without times": (lambda best: plotting.correlator(without_times(best)), "estimates of a Correlator"),
    "no estimate": (lambda best: plotting.errors(), "give at least one estimate"),
    "too many labels": (lambda best: plotting.errors(best, labels=["a", "b"]), "2 labels for 1 estimates"),
    "the reduction of a raw estimate": (lambda best: plotting.reduction(best.raw), "no reduction to show"),
    "NaN in a configuration": (lambda best: plotting.configuration(np.full((4, 4), np.nan)), "phi holds nan"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name, best):
    call, message = BAD[name]
    with pytest.raises((TypeError, ValueError), match=message):
        call(best)
    plt.close("all")


ROWS = [
    {"lam": lam, "family": family, "seed": seed, "status": "finished", "sigma_ratio": (1 + lam) * (1 + seed)}
    for lam in (24.0, 0.5)
    for family in ("sd", "linear")
    for seed in (0, 1, 2)
]


def test_heat_map_shows_the_median_of_a_cell():
    ax = plotting.heat_map(ROWS, "lam", "family")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.5", "24"], "numbers ascend"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["sd", "linear"], "texts stay in the order of rows"
    assert [text.get_text() for text in ax.texts] == ["3", "50", "3", "50"]
    plt.close("all")


def test_heat_map_of_failures_and_extremes():
    row = {"lam": 0.5, "family": "sd", "status": "finished"}
    shown = {None: "", np.inf: "∞", 0.0: "0", 12345.0: "1e4", 1234.5: "1234", 2e-4: "2e-4", 0.02: "0.02"}
    for number, text in shown.items():
        ax = plotting.heat_map([{**row, "sigma_ratio": number}], "lam", "family")
        assert [one.get_text() for one in ax.texts] == [text]
        ax.figure.canvas.draw()
    ax = plotting.heat_map([{**row, "sigma_ratio": None, "status": "failed"}], "lam", "family")
    assert [one.get_text() for one in ax.texts] == ["×"]
    plt.close("all")
    with pytest.raises(ValueError, match="no rows with a column 'width'; the rows have lam, family"):
        plotting.heat_map(ROWS, "width", "family")


class FakeProgress(NamedTuple):
    "As `SweepProgress`, for a store that is none."

    store: SimpleNamespace
    done: int
    total: int = 3

    def __str__(self):
        return f"{self.done} of 3 tasks, 60 s left: a: b"


def test_a_sweep_is_watched(monkeypatch):
    shown = []
    handle = SimpleNamespace(update=lambda figure: shown.append(figure.axes[0].get_title()))

    def display(figure, display_id):
        handle.update(figure)
        return handle

    def steps():
        for done in range(4):
            store = SimpleNamespace(rows=lambda done=done: ROWS[:done])
            yield FakeProgress(store, done)

    monkeypatch.setattr("IPython.display.display", display)
    store = plotting.watch_sweep(steps(), "lam", "family", pause=1e9)
    assert [title.partition(", ")[2] for title in shown] == ["1 of 3 tasks, 60 s left", "3 of 3 tasks, 60 s left"]
    assert store.rows() == ROWS[:3]
    with pytest.raises(ValueError, match="there is nothing to watch"):
        plotting.watch_sweep(iter(()), "lam", "family")

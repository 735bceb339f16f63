"""The default control variate where the field has components, and where the action is not even."""

import numpy as np
import pytest

import ncv_lab as ncv
from helpers import QUICK, field
from ncv_lab.fitting.data import Data
from ncv_lab.fitting.legs import LegSums
from ncv_lab.fitting.recipes import FieldRecipe, Setting

O2 = ncv.ON((6, 2), 2, 0.1, 6.0)
IN_FIELD = ncv.Scalar((8,), (0.0, -0.4, 0.25, 0.0, 0.1))


@pytest.fixture(scope="module")
def o2():
    return ncv.sample(O2, 1200, 0, progress=False).split(400)


def test_settings_name_the_degrees():
    assert Setting.of(O2) == Setting((2,), True) and Setting.of(IN_FIELD) == Setting((), False)
    assert Setting().degrees((0, 2, 4)) == (0, 2, 4)
    odd = Setting(even=False)
    assert odd.degrees((0, 2, 4)) == (0, 1, 2, 3, 4) and odd.degrees((1, 3)) == (1, 2, 3)
    assert odd.degrees((2, 4)) == (1, 2, 3, 4) and odd.degrees(()) == ()


def test_a_recipe_for_an_action_that_is_not_even_has_one_point_fields():
    recipe = FieldRecipe("quadratic", (((ncv.Shell(0)), ncv.Shell(1)), (0, 2)), direct=(1,))
    configs = field((20, 8))
    names = [type(part).__name__ for part in recipe.field(configs, setting=Setting(even=False)).fields]
    assert names == ["Gated", "OnePoint", "Direct"]
    assert [type(part).__name__ for part in recipe.field(configs).fields] == ["Gated", "Direct"]


@pytest.mark.slow
def test_the_default_improves_components(o2):
    "For the correlator and for <phi^2>, on configurations that had no part in the fit."
    train, others = o2
    for observable, at_least in ((ncv.Correlator(), 8), (ncv.MeanSquare(), 3)):
        fit = ncv.fit(QUICK, O2, observable, train, progress=False)
        values = ncv.measure(observable, others.flat, O2)
        assert np.min(ncv.sigma_ratio(values, values - fit.evaluate(others))) > at_least


def test_estimates_of_components_agree_with_many_raw_configurations(o2):
    train, _ = o2
    improved = ncv.estimate(O2, ncv.Correlator(), train, QUICK, progress=False)
    many = ncv.estimate(O2, ncv.Correlator(), ncv.sample(O2, 40_000, 1, progress=False))
    pulls = (improved.value - many.value) / np.hypot(improved.error, many.error)
    assert abs(pulls).max() < 4
    assert improved.error_ratio.min() > 8


def test_a_fit_of_components_is_saved_and_read(o2, tmp_path):
    train, others = o2
    fit = ncv.fit(QUICK, O2, ncv.Correlator().at(2), train, progress=False)
    fit.save(tmp_path / "fit.safetensors")
    again = ncv.load_fit(tmp_path / "fit.safetensors")
    np.testing.assert_array_equal(again.evaluate(others), fit.evaluate(others))


def test_sums_of_legs_have_means_where_the_action_is_not_even():
    rng = np.random.default_rng(0)
    configs = 1 + rng.normal(size=(2, 20, 8))
    recipe = FieldRecipe("linear", (((ncv.Shell(0)),), (0,)))
    for theory, has_mean in ((IN_FIELD, True), (ncv.Phi4((8,), 0.5, 1.0), False)):
        data = Data.measure(theory, ncv.Correlator(), ncv.Ensemble.from_configs(configs, theory))
        sums = LegSums.gather(recipe.legs(data.phi, setting=Setting.of(theory)), data, folds=2)
        expected = configs.sum() / np.sqrt(8) if has_mean else 0.0
        np.testing.assert_allclose(sums.total[:, -1].sum(), expected, rtol=1e-10)


def test_networks_on_legs_refuse_components(o2):
    train, _ = o2
    with pytest.raises(ValueError, match=r"the theory has components of shape \(2,\); use ImprovedLegs"):
        ncv.fit(ncv.NeuralLegs(), O2, ncv.Correlator(), train, progress=False)

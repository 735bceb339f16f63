"""Recipes of fields: what each part becomes, and what is chosen by the configurations."""

import jax
import jax.numpy as jnp
import numpy as np

import ncv_lab as ncv
from ncv_lab.fitting.ladder import LADDER
from ncv_lab.fitting.recipes import NEAR, SITE, resolved_widths, score, smeared

CONFIGS = jax.random.normal(jax.random.key(0), (20, 6, 6))


def names(field):
    return [type(part).__name__ for part in field.fields]


def test_each_part_of_a_recipe_becomes_a_field():
    recipe = ncv.FieldRecipe(
        "all",
        gated=((SITE, NEAR), (0, 2)),
        gradient=(smeared(0.5), (1,)),
        contact=((SITE,), (2,)),
        two_point=((SITE,), (0,)),
        direct=(1,),
    )
    assert names(recipe.field(CONFIGS)) == ["Gated", "Gradient", "Contact", "TwoPoint", "Direct"]
    assert [type(part).__name__ for part in recipe.legs(CONFIGS).parts] == ["GatedLegs", "GradientLegs"]


def test_a_part_without_degrees_is_left_out():
    recipe = ncv.FieldRecipe("contact", contact=((SITE,), (2,)))
    assert names(recipe.field(CONFIGS)) == ["Contact"]


def test_momentum_reaches_the_parts():
    recipe = LADDER[3]
    assert recipe.legs(CONFIGS, momentum=(1,)).momentum == (1,)
    assert recipe.field(CONFIGS, momentum=(1,)).fields[0].momentum == (1,)


def test_averages_add_the_order_parameter_and_quadratic_functions():
    assert names(LADDER[0].field(CONFIGS, averages=True)) == ["Gated", "Magnetic", "Contact"]


def test_random_networks_join_the_last_rung():
    strong, random = (rung.field(CONFIGS) for rung in LADDER[-2:])
    assert len(random.fields) == len(strong.fields) + 3


def test_steps_that_few_configurations_have_seen_are_left_out():
    configs = jnp.concatenate([jnp.full((500, 4, 4), 1.0), jnp.full((500, 4, 4), -1.0)])
    np.testing.assert_allclose(resolved_widths(configs), [2.0, 4.0])  # nothing near M = 0
    M = jnp.linspace(-1, 1, 1000)
    assert len(resolved_widths(jnp.broadcast_to(M[:, None, None], (1000, 4, 4)))) == 5


def test_score_is_the_mean_logarithm():
    np.testing.assert_allclose(score(np.array([10.0, 1000.0])), np.log(100.0))
    assert np.isfinite(score(np.array([np.inf, 1.0])))

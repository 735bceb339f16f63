"""Families by name: what each name stands for."""

from functools import partial

import equinox as eqx
import jax
import pytest

import ncv_lab as ncv
from ncv_lab.sweeps.families import FAMILIES, family_field, family_method

KEY = jax.random.key(3)
KINDS = {
    "linear": ncv.OddMLP,
    "phi": ncv.Direct,
    "direct": ncv.Direct,
    "ladder": ncv.SchwingerDyson,
    "legs": ncv.ImprovedLegs,
    "sd": ncv.SchwingerDyson,
    "mlp": ncv.OddMLP,
    "neural": ncv.NeuralSchwingerDyson,
    "neural-legs": ncv.NeuralLegs,
}


@pytest.mark.parametrize("name", FAMILIES)
def test_each_name_has_its_field(name):
    make = partial(family_field, name, (6, 4))
    # A network is made without numbers, because JAX would compile their generator.
    field = eqx.filter_eval_shape(make, key=KEY) if name in ("mlp", "neural") else make(key=KEY)
    assert type(field) is KINDS[name]
    assert (family_method(name) is None) == (name not in ("mlp", "neural"))


def test_sizes_symmetry_and_seed():
    make = partial(family_field, "mlp", (6, 4))
    net = eqx.filter_eval_shape(make, width=3, depth=2, symmetric=True, key=KEY)
    assert (net.width, net.depth, net.symmetric) == (3, 2, True)
    assert eqx.filter_eval_shape(make, key=KEY).symmetric is False
    assert family_field("linear", (6, 4)).depth == 0 and family_field("linear", (6, 4)).symmetric == "time"
    assert family_field("phi", (6, 4), symmetric=False).powers == (1,)
    legs = family_field("neural-legs", (6, 4), width=5, key=KEY)
    assert (legs.width, legs.seed) == (5, 3)
    assert family_field("ladder", (6, 4)).legs is None and family_field("sd", (6, 4)).legs is not None


def test_methods_take_their_options():
    method = family_method("mlp", delta=0.5, steps=7, batch_size=2, learning_rate=0.1)
    assert (method.steps, method.batch_size, float(method.loss.l2)) == (7, 2, 0.5)
    assert family_method("neural", steps=9).steps == 9


@pytest.mark.parametrize("function", [lambda: family_field("cnn", (6, 4)), lambda: family_method("cnn")])
def test_an_unknown_name_is_refused(function):
    with pytest.raises(ValueError, match="the family 'cnn' is unknown; choose one of linear, phi"):
        function()

"""Many trainings at once: what they must share, and how they go on together."""

import jax
import pytest

import ncv_lab as ncv
from helpers import CORR, KEY, THEORY, assert_same_run, ensemble, net
from ncv_lab.fitting.fit_together import fit_together

METHOD = ncv.Adam(steps=60, check_every=20, learning_rate=1e-2)


def three_nets():
    return [ncv.OddMLP((6, 4), width, 1, key=jax.random.key(width)) for width in (1, 2, 3)]


@pytest.mark.parametrize(
    "change, error, text",
    [
        ({"keys": [KEY]}, ValueError, "3 networks need as many"),
        ({"fields": []}, ValueError, "0 networks need as many"),
        ({"fields": [*three_nets()[:2], ncv.OddMLP((6, 4), depth=0)]}, TypeError, "only OddMLP networks with hidden"),
        ({"fields": [*three_nets()[:2], net()]}, ValueError, "share lattice, depth and symmetry"),
        ({"methods": [METHOD, METHOD, ncv.Adam(steps=40)]}, ValueError, "share steps, batch size"),
        ({"methods": [METHOD, METHOD, ncv.Adam(steps=60, check_every=20)]}, ValueError, "learning rate"),
        ({"methods": [ncv.Adam(steps=60, patience=2)] * 3}, ValueError, "patience must be None"),
    ],
)
def test_what_does_not_train_together(change, error, text):
    parts = {"fields": three_nets(), "ensembles": [ensemble()] * 3, "methods": [METHOD] * 3, "keys": [KEY] * 3}
    fields, ensembles, *_ = parts = list((parts | change).values())
    with pytest.raises(error, match=text):
        fit_together(fields, THEORY, CORR, ensembles, methods=parts[2], keys=parts[3])


def test_networks_resume_together_from_one_step():
    options = {"methods": [METHOD] * 3, "keys": list(jax.random.split(KEY, 3))}
    one = ensemble()
    first = next(fit_together(three_nets(), THEORY, CORR, [one] * 3, **options))
    with pytest.raises(ValueError, match="from one step"):
        fit_together(three_nets(), THEORY, CORR, [one] * 3, resume=[*first[:2], None], **options)
    *_, resumed = fit_together(three_nets(), THEORY, CORR, [one] * 3, resume=first, **options)
    *_, at_once = fit_together(three_nets(), THEORY, CORR, [one] * 3, **options)
    for a, b in zip(resumed, at_once, strict=True):
        assert_same_run(a, b)

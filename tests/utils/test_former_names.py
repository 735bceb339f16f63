"""Former names of arguments: understood, with a warning at the line that uses them."""

import warnings

import equinox as eqx
import pytest

from ncv_lab.utils.former_names import former_arguments


@former_arguments(masses="decay_rates", ridge="penalty")
class Method(eqx.Module):
    decay_rates: tuple = (1.0,)
    penalty: float = 0.0


@pytest.mark.parametrize("old, new, value", [("masses", "decay_rates", (2.0, 3.0)), ("ridge", "penalty", 0.5)])
def test_a_former_argument_is_understood(old, new, value):
    with pytest.warns(DeprecationWarning, match=f"'{old}' of Method is now '{new}'") as caught:
        method = Method(**{old: value})
    assert getattr(method, new) == value and caught[0].filename == __file__
    with pytest.warns(DeprecationWarning, match=f"is now '{new}'") as caught:
        assert getattr(method, old) == value
    assert caught[0].filename == __file__


def test_new_names_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        method = Method((2.0,), penalty=0.5)
        assert (method.decay_rates, method.penalty) == ((2.0,), 0.5)


def test_an_unknown_argument_is_still_refused():
    with pytest.raises(TypeError, match="colour"):
        Method(colour="red")

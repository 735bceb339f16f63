"""Checks: configurations from outside are converted, or refused in words."""

import numpy as np
import pytest

from ncv_lab.utils.checks import check_configs, shape_in_words


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_check_configs_converts_to_float64(dtype):
    array = check_configs(np.ones((3, 6, 4), dtype), (6, 4))
    assert array.dtype == np.float64 and array.shape == (3, 6, 4)


def test_check_configs_does_not_copy_what_is_right():
    array = np.ones((3, 6, 4))
    assert check_configs(array, (6, 4)) is array


def test_check_configs_names_the_first_bad_value_and_counts_them():
    array = np.ones((3, 6, 4))
    array[1, 2, 3], array[2, 0, 0] = np.inf, np.nan
    with pytest.raises(ValueError, match=r"what holds inf at index \(1, 2, 3\) \(2 bad values"):
        check_configs(array, (6, 4), what="what")


@pytest.mark.parametrize("bad", [np.ones((3, 6, 4), complex), np.full((3, 6, 4), "a"), np.ones((3, 6, 4), bool), None])
def test_check_configs_refuses_what_is_not_real(bad):
    with pytest.raises(TypeError, match="real numbers"):
        check_configs(bad, (6, 4))


def test_components_come_after_the_lattice():
    array = np.ones((5, 6, 4, 3))
    assert check_configs(array, (6, 4), event_shape=(3,)) is array
    message = r"\(5, 6, 4, 3\); expected the last axes to be the lattice shape \(6, 4\) and the event shape \(2,\)"
    with pytest.raises(ValueError, match=message):
        check_configs(array, (6, 4), event_shape=(2,))
    with pytest.raises(ValueError, match=r"to be the lattice shape \(6, 4\)$"):
        check_configs(array, (6, 4))


def test_a_single_configuration_has_no_leading_axes():
    assert check_configs(np.ones((6, 4)), (6, 4)).shape == (6, 4)
    with pytest.raises(ValueError, match="expected the last axes"):
        check_configs(np.ones(4), (6, 4))


@pytest.mark.parametrize("shape", [(0, 6, 4), (2, 0, 6, 4)])
def test_an_empty_array_is_refused(shape):
    with pytest.raises(ValueError, match="holds no configuration"):
        check_configs(np.ones(shape), (6, 4))


def test_shapes_in_words():
    assert shape_in_words([6, 4]) == "the lattice shape (6, 4)"
    assert shape_in_words((6, 4), (3,)) == "the lattice shape (6, 4) and the event shape (3,)"

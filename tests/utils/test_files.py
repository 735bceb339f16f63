"""Files: written whole or not at all, read back equal, refused when damaged."""

import json
import os
import stat

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

import ncv_lab as ncv
from ncv_lab.utils.files import atomic_write, load_module, pack, register, save_module, unpack

plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5)
trees = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@register
class Pair(eqx.Module):
    name: str = eqx.field(static=True)
    first: jax.Array
    rest: tuple


def round_trip(value):
    description, arrays = pack(value)
    return unpack(json.loads(json.dumps(description)), arrays)


@given(trees)
def test_plain_values_come_back_equal_and_of_the_same_type(value):
    again = round_trip(value)
    assert again == value and type(again) is type(value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint64, bool, np.complex128])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_arrays_keep_dtype_shape_and_kind(dtype, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    for value in (array, jnp.asarray(array)):
        again = round_trip({"a": value})["a"]
        assert isinstance(again, jax.Array) == isinstance(value, jax.Array)
        assert again.dtype == value.dtype and again.shape == shape
        np.testing.assert_array_equal(again, value)


def test_a_random_key_comes_back_as_a_key():
    key = jax.random.key(3)
    again = round_trip((key,))[0]
    np.testing.assert_array_equal(jax.random.normal(again, 4), jax.random.normal(key, 4))


@pytest.mark.parametrize(
    "module",
    [
        ncv.Phi4((6, 4), 0.1, 24.0),
        ncv.Correlator(momentum=(1,)).at([0, 2]),
        ncv.ActionDensity(ncv.Phi4((6, 4), 0.1, 24.0)),
        ncv.OddMLP((6, 4), width=3, depth=2, symmetric="time", key=jax.random.key(0)),
        ncv.SumField(ncv.OddMLP((6, 4), depth=0), ncv.OddMLP((6, 4), depth=0, symmetric=True)),
        ncv.Adam(steps=10, learning_rate=0.1, loss=ncv.FixedShift(0.2)),
        ncv.Adam(steps=10),
        ncv.LeastSquares(0.1, folds=3),
        ncv.HMC(),
        Pair("p", jnp.ones(2), (Pair("q", jnp.zeros(()), ()), 3)),
    ],
    ids=lambda module: type(module).__name__,
)
def test_modules_come_back_equal(module, tmp_path):
    assert bool(eqx.tree_equal(round_trip(module), module))
    save_module(tmp_path / "file.safetensors", module, kind="module")
    again = load_module(tmp_path / "file.safetensors", kind="module")
    assert bool(eqx.tree_equal(again, module))
    assert jax.tree.structure(again) == jax.tree.structure(module)


def test_a_loaded_theory_computes_the_same():
    theory, phi = ncv.Phi4((6, 4), 0.1, 24.0), jax.random.normal(jax.random.key(0), (6, 4))
    assert float(round_trip(theory).action(phi)) == float(theory.action(phi))


@pytest.mark.parametrize("value", [lambda phi: phi, object(), {"f": print}, [jnp.tanh], ncv.FunctionField(jnp.tanh)])
def test_what_is_not_data_is_refused(value):
    with pytest.raises(TypeError, match=r"cannot be saved: only modules registered"):
        pack(value)


def test_a_class_of_the_same_name_elsewhere_is_refused():
    other = type("Phi4", (eqx.Module,), {"__module__": "elsewhere", "__annotations__": {}})
    with pytest.raises(ValueError, match=r"already registered by ncv_lab.theory.action"):
        register(other)


def test_a_subclass_that_was_not_registered_is_refused():
    # It would come back as its parent, and compute something else.
    class Phi4(ncv.Phi4):
        pass

    with pytest.raises(TypeError, match="cannot be saved"):
        pack(Phi4((6, 4), 0.1, 0.5))


def test_unknown_class_and_missing_array_are_named():
    description, arrays = pack(ncv.Phi4((6, 4), 0.1, 24.0))
    with pytest.raises(ValueError, match=r"holds no array 'value.m2'"):
        unpack(description, {name: array for name, array in arrays.items() if name != "value.m2"})
    with pytest.raises(ValueError, match="holds a Stranger, which is not known here"):
        unpack({"module": "Stranger", "fields": {}}, {})


def test_a_class_of_other_fields_is_refused():
    "As written by a version whose Pair had no `rest`, or one more field."
    description, arrays = pack(Pair("a", jnp.ones(2), (1,)))
    fields = description["fields"]
    for other in ({"name": fields["name"], "first": fields["first"]}, fields | {"scale": 1.0}):
        with pytest.raises(ValueError, match=r"Pair of .*; here it has first, name, rest: another version"):
            unpack(description | {"fields": other}, arrays)


def test_a_field_that_came_later_has_its_default():
    description, arrays = pack(ncv.SchwingerDyson())
    older = {name: value for name, value in description["fields"].items() if name != "decay_rates"}
    assert unpack(description | {"fields": older}, arrays) == ncv.SchwingerDyson()


def test_a_field_that_was_dropped_is_passed_over():
    description, arrays = pack(ncv.Adam(10))
    older = description["fields"] | {"pace": None}
    assert unpack(description | {"fields": older}, arrays) == ncv.Adam(10)


# ---- atomic_write ----


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "result.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="power"), atomic_write(target) as temporary:
        temporary.write_text("ne")
        raise RuntimeError("power")
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["result.txt"]


def test_interruption_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic_write(tmp_path / "result.txt") as temporary:
        temporary.write_text("ne")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_readers_see_the_old_file_until_the_block_ends(tmp_path):
    target = tmp_path / "result.txt"
    target.write_text("old")
    with atomic_write(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old" and temporary.parent == tmp_path
    assert target.read_text() == "new"


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "result.txt") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "result.txt").stat().st_mode) == 0o640


def test_a_missing_folder_is_named(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match=r"does not exist; create it first"),
        atomic_write(tmp_path / "no" / "x.txt"),
    ):
        pass


def test_a_value_that_cannot_be_saved_leaves_no_file(tmp_path):
    with pytest.raises(TypeError, match="cannot be saved"):
        save_module(tmp_path / "x.safetensors", {"f": print}, kind="x")
    assert os.listdir(tmp_path) == []


# ---- reading ----


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "theory.safetensors"
    save_module(path, ncv.Phi4((6, 4), 0.1, 24.0), kind="theory")
    return path


def test_any_cut_is_noticed(saved):
    whole = saved.read_bytes()
    for length in [*range(0, len(whole), 37), len(whole) - 1]:
        saved.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"not a complete safetensors file .* was it cut short"):
            load_module(saved, kind="theory")


def test_foreign_files_are_refused(saved, tmp_path):
    with pytest.raises(ValueError, match=r"does not hold a fit written by ncv_lab \(found 'theory'\)"):
        load_module(saved, kind="fit")
    save_file({"a": np.ones(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"found None"):
        load_module(tmp_path / "other.safetensors", kind="fit")
    (tmp_path / "text.safetensors").write_text("this is no safetensors file at all")
    with pytest.raises(ValueError, match=r"not a complete safetensors file"):
        load_module(tmp_path / "text.safetensors", kind="fit")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nothing"):
        load_module(tmp_path / "nothing", kind="fit")


@pytest.mark.parametrize("metadata", ["[]", "3", "not json", json.dumps({"kind": "fit"})])
def test_a_strange_header_is_refused_in_words(tmp_path, metadata):
    save_file({"a": np.ones(3)}, tmp_path / "x.safetensors", metadata={"ncv_lab": metadata})
    with pytest.raises(ValueError, match=r"x.safetensors"):
        load_module(tmp_path / "x.safetensors", kind="fit")

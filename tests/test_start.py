"""The start of the package: nothing heavy is loaded before it is used, and numbers are of double precision."""

import os
import subprocess
import sys

import pytest

import ncv_lab as ncv

HEAVY = {"jax", "numpy", "scipy", "matplotlib", "h5py", "ipywidgets", "pyerrors"}


def python(code, **variables):
    "What a fresh Python prints."
    environment = {name: value for name, value in os.environ.items() if name != "JAX_ENABLE_X64"} | variables
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("code", ["import ncv_lab", "import ncv_lab.cli; ncv_lab.cli.parser()"])
def test_nothing_heavy_is_imported_at_the_start(code):
    loaded = set(python(f"import sys; {code}; print(*sys.modules)").split())
    assert not HEAVY & loaded


WIDTH = "print(jax.numpy.ones(1).dtype)"


@pytest.mark.parametrize(
    ("code", "variables", "dtype"),
    [
        (f"import ncv_lab, jax; {WIDTH}", {}, "float64"),
        (f"import jax, ncv_lab; {WIDTH}", {}, "float64"),
        (f"import ncv_lab, jax; {WIDTH}", {"JAX_ENABLE_X64": "0"}, "float32"),
        (f"import jax, ncv_lab; {WIDTH}", {"JAX_ENABLE_X64": "0"}, "float32"),
    ],
)
def test_double_precision_unless_the_variable_says_otherwise(code, variables, dtype):
    assert python(code, **variables).strip() == dtype


def test_every_public_name_is_there():
    assert set(ncv.__all__) <= set(dir(ncv))
    for name in ncv.__all__:
        assert getattr(ncv, name) is not None


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Phi5"):
        ncv.Phi5  # noqa: B018


@pytest.mark.parametrize("former", ncv._FORMER_NAMES)
def test_former_names_work_and_warn(former):
    new = ncv._FORMER_NAMES[former]
    with pytest.warns(DeprecationWarning, match=new):
        assert getattr(ncv, former) is getattr(ncv, new)
    assert former not in ncv.__all__

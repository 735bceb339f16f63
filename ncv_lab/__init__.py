"""ncv_lab: variance reduction for lattice field theory by (neural) control variates."""

import os as _os
import sys as _sys
import warnings as _warnings

import lazy_loader as _lazy

__version__ = "0.2.0"

# Variances of 1e-4 and least squares need float64; set JAX_ENABLE_X64=0 to keep JAX's float32.
# JAX reads the variable when it is first imported, so that `import ncv_lab` need not wait for it.
if "JAX_ENABLE_X64" not in _os.environ:
    _os.environ["JAX_ENABLE_X64"] = "1"
    if "jax" in _sys.modules:
        _sys.modules["jax"].config.update("jax_enable_x64", True)

# The public names stand in __init__.pyi. Each is loaded when it is first used (SPEC 1 of scientific-python).
_load, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

_FORMER_NAMES = {"Rung": "FieldRecipe", "Steps": "TanhSteps"}


def __getattr__(name: str):
    """A public name, loaded when it is first used; a former name still works for one version, with a warning."""
    if name in _FORMER_NAMES:
        new = _FORMER_NAMES[name]
        _warnings.warn(f"ncv_lab.{name} is now ncv_lab.{new}", DeprecationWarning, stacklevel=2)
        return _load(new)
    return _load(name)

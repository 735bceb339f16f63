"""Strict settings for every test: float64, no broadcasting between ranks, no display, repeatable examples."""

import gc
import os
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

import hypothesis
import jax
import jaxtyping
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")

# What JAX has traced and compiled is a million Python objects, and hardly any of them are garbage. To search them for
# garbage as often as Python does by itself takes a twelfth of the time of the tests.
gc.set_threshold(50_000, 10, 10)

# The first example compiles, so a time limit for each one says nothing.
hypothesis.settings.register_profile("ncv_lab", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.load_profile("ncv_lab")


def pytest_collection_modifyitems(items):
    "The tests in a browser come first. They are the longest, and at the end one worker would wait for them."
    items.sort(key=lambda item: item.path.name != "test_browser.py")


@pytest.fixture(scope="module", autouse=True)
def few_compiled_functions():
    "Forget compiled functions when there are many: each takes five of the 65,530 pieces of memory that Linux allows."
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and len(maps.read_text().splitlines()) > 40_000:
        jax.clear_caches()


@pytest.fixture(autouse=True)
def no_types_in_slow_tests(request):
    "Slow tests call the same functions again and again. Their types are checked in the other tests."
    is_slow = request.node.get_closest_marker("slow") is not None
    jaxtyping.config.update("jaxtyping_disable", is_slow)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def key():
    "The random key that tests split."
    return jax.random.key(0)

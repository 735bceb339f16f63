"""Batching: a function mapped over configurations gives what a loop gives, and is compiled once."""

import os
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ncv_lab.utils.batching
from helpers import ROOT, compilations, field
from ncv_lab.theory.lattice import slice_mean
from ncv_lab.utils.batching import _at_once, _traced, map_configs, map_cores, n_cores


@pytest.mark.parametrize("n", [1, 3, 256, 257])
def test_map_configs_is_a_loop(n):
    configs, more = field((n, 6, 4)), field((n,), 1)
    mapped = map_configs(lambda phi, a: a * slice_mean(phi), configs, more)
    np.testing.assert_allclose(mapped, [a * slice_mean(phi) for phi, a in zip(configs, more, strict=True)], atol=1e-14)


@pytest.mark.parametrize("n", [1, 7, 128, 130])
def test_map_cores_is_map_configs(n):
    configs, more = field((n, 6, 4)), field((n,), 1)

    def function(phi, a):
        return a * slice_mean(phi)

    mapped = map_cores(function, configs, more)
    np.testing.assert_allclose(mapped, map_configs(function, configs, more), rtol=1e-14, atol=1e-16)


def test_map_configs_gives_every_array_of_a_tree():
    configs = field((5, 6, 4))
    both = map_configs(lambda phi: {"mean": phi.mean(), "slices": slice_mean(phi)}, configs)
    np.testing.assert_allclose(both["mean"], configs.mean((1, 2)), atol=1e-15)
    assert both["slices"].shape == (5, 6)


def test_map_cores_compiles_once_for_any_number_of_configurations():
    def function(phi):
        return jnp.sum(phi**3)

    configs = np.asarray(field((300, 6, 4)))
    map_cores(function, configs[:100])
    with compilations() as found:
        values = [map_cores(function, configs[:n]) for n in (65, 128, 300)]
    assert not found
    np.testing.assert_allclose(values[2], (configs**3).sum((1, 2)), rtol=1e-12)


@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_the_size_of_a_chunk_does_not_matter(chunk):
    configs = np.asarray(field((23, 6, 4)))
    np.testing.assert_allclose(map_cores(slice_mean, configs, chunk=chunk), configs.mean(2), atol=1e-15)


def test_an_error_in_a_chunk_is_raised():
    def broken(phi):
        raise RuntimeError("no value")

    with pytest.raises(RuntimeError, match="no value"):
        map_cores(broken, np.ones((130, 6, 4)))


ALL = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.mark.parametrize(("wanted", "n"), [("1", 1), ("3", 3), ("0", 1), ("many", ALL), ("", ALL)])
def test_the_cores_are_as_many_as_nproc_says(monkeypatch, wanted, n):
    monkeypatch.setenv("NPROC", wanted)
    assert n_cores() == n
    monkeypatch.delenv("NPROC")
    assert n_cores() == ALL
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    assert n_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert n_cores() == os.cpu_count()


def test_no_more_threads_are_started_than_nproc_says(monkeypatch):
    started = []

    def pool(n_threads):
        started.append(n_threads)
        return ThreadPoolExecutor(n_threads)

    monkeypatch.setenv("NPROC", "2")
    monkeypatch.setattr(ncv_lab.utils.batching, "ThreadPoolExecutor", pool)
    configs = np.asarray(field((300, 6, 4)))
    np.testing.assert_allclose(map_cores(slice_mean, configs), configs.mean(2), atol=1e-15)
    assert started == [2]


def test_one_function_alone_counts_the_cores():
    modules = [path for path in (ROOT / "ncv_lab").rglob("*.py") if "cpu_count" in path.read_text(encoding="utf-8")]
    assert [path.name for path in modules] == ["batching.py"]


def products(phi):
    "All products of two numbers of a configuration, summed."
    return jnp.outer(phi.ravel(), phi.ravel()).sum()


@pytest.mark.parametrize(
    "function",
    [
        products,
        jax.jit(products),
        jax.checkpoint(products),
        lambda phi: jax.lax.map(products, phi[None])[0],
        lambda phi: jax.lax.cond(phi[0, 0] > 0, products, jnp.sum, phi),
    ],
    ids=["plain", "jit", "checkpoint", "loop", "branch"],
)
def test_the_largest_array_is_found_wherever_it_is_made(function):
    phi = jnp.arange(12.0).reshape(3, 4)
    same_function, largest = _traced(function, phi)
    assert largest == 8 * 12**2
    assert same_function(phi) == function(phi)
    assert (_at_once(12, largest), _at_once(12, 2**17), _at_once(12, 2**20)) == (32, 2, 1)

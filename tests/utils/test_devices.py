"""Several devices and two processes give the numbers of one device."""

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import on_devices
import pytest

import ncv_lab as ncv

SCRIPT = Path(on_devices.__file__)


def run(command, environment):
    "The numbers that a process prints last."
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def shared():
    "What both processes have found."
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(SCRIPT), str(port)]
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda number: run([*command, str(number)], environment), (0, 1)))


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-10, atol=1e-10, err_msg=name)


def test_devices_give_the_numbers_of_one(shared):
    expected = on_devices.shared_by_devices()
    assert_same(shared[0]["devices"], expected)


def test_processes_give_the_numbers_of_one(shared):
    """Each of them has half of the chains, and both know the whole estimate."""
    expected = on_devices.shared_by_processes()
    for found in shared:
        assert_same(found["processes"], expected)
        assert found["here"] == [2, 10, *on_devices.THEORY.shape]


def test_one_device_changes_nothing():
    one = ncv.sample(on_devices.THEORY, 40, 0, **on_devices.SAMPLER, progress=False)
    with ncv.use_devices() as mesh:
        again = ncv.sample(on_devices.THEORY, 40, 0, **on_devices.SAMPLER, progress=False)
    assert mesh.axis_names == ("configurations",)
    np.testing.assert_array_equal(again.configs, one.configs)

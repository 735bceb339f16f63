"""What two processes of two devices each compute together: `python on_devices.py PORT NUMBER` prints numbers as JSON.

Each process pretends to have two devices. Both share the work among all four, and then the first one among
its own.
"""

import json
import os
import sys

import jax
import numpy as np

import ncv_lab as ncv
from ncv_lab.fitting.data import Data
from ncv_lab.fitting.least_squares import feature_matrix
from ncv_lab.utils.batching import sum_of_products

if __name__ == "__main__":  # before anything is computed
    # On a busy machine devices wait long for each other.
    patient = "--xla_cpu_collective_call_terminate_timeout_seconds=600"
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count=2 {patient}"
    address, number = f"127.0.0.1:{sys.argv[1]}", int(sys.argv[2])
    jax.distributed.initialize(address, 2, number, heartbeat_timeout_seconds=600, shutdown_timeout_seconds=600)

THEORY = ncv.Phi4((6, 4), 0.3, 0.5)
CORR = ncv.Correlator().at([0, 2])
FIELD = ncv.OddMLP(THEORY.shape, depth=0, symmetric=True)
SAMPLER = {"n_chains": 4, "n_thermal": 50, "thin": 2}
METHOD = ncv.LeastSquares(folds=2, memory=0)


def shared_by_devices():
    "What the devices of one process share: chains, features, and products of them."
    ensemble = ncv.sample(THEORY, 200, 0, **SAMPLER, progress=False)
    data = Data.measure(THEORY, CORR, ensemble)
    features = feature_matrix(FIELD, data)
    return {
        "configs": ensemble.configs,
        "acceptance": ensemble.acceptance,
        "features": features,
        "gram": sum_of_products(features[:191]),
    }


def shared_by_processes():
    "What processes share: the blocks of a sampler, a fit to them, and an estimate."
    fitted = ncv.sample_blocks(THEORY, 400, 0, block_size=100, **SAMPLER)
    fit = ncv.fit_blocks(FIELD, THEORY, CORR, fitted, method=METHOD)
    blocks = ncv.sample_blocks(THEORY, 400, 1, block_size=150, **SAMPLER)
    found = ncv.estimate_blocks(THEORY, CORR, blocks, fit)
    return {
        "n": [fit.n_configs, found.n_configs],
        "value": found.value,
        "error": found.error,
        "raw": found.raw.error,
        "samples": found.samples,
    }


def main():
    found = {}
    with ncv.use_devices():
        found["processes"] = shared_by_processes()
        found["here"] = next(iter(ncv.sample_blocks(THEORY, 40, 0, **SAMPLER))).configs.shape
    if jax.process_index() == 0:
        with ncv.use_devices(jax.local_devices()):
            found["devices"] = shared_by_devices()
    print(json.dumps(jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), found)))


if __name__ == "__main__":
    main()

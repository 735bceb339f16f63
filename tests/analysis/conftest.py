"""A chain of eight sites at strong coupling, and what is fitted to it."""


import jax
import pytest

from ncv_lab.fields.odd_mlp import OddMLP
from ncv_lab.fitting.fit import fit
from ncv_lab.sampling.hmc import sample
from ncv_lab.theory.action import Phi4
from ncv_lab.theory.observables import Correlator


@pytest.fixture(scope="session")
def theory():
    return Phi4((8,), 0.1, 24.0)


@pytest.fixture(scope="session")
def ensemble(theory):
    return sample(theory, 1000, jax.random.key(3), n_chains=10, thin=5, progress=False)


@pytest.fixture(scope="session")
def field(theory):
    return OddMLP(theory.shape, depth=0, symmetric=True)


@pytest.fixture(scope="session")
def solved(theory, ensemble, field):
    return fit(field, theory, Correlator(), ensemble.select(draws=slice(0, 40)), progress=False)

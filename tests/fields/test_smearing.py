"""Smearing: the sizes of smeared fields, and shells that a lattice lacks."""

import jax
import jax.numpy as jnp
import numpy as np

import ncv_lab as ncv
from ncv_lab.fields.smearing import field_sizes


def test_field_sizes():
    configs = jax.random.normal(jax.random.key(0), (10, 6, 4))
    sizes = field_sizes(ncv.Smearing((6, 4), [ncv.Shell(0), ncv.Gaussian(50.0)]), configs)
    np.testing.assert_allclose(sizes[0], jnp.sqrt((configs**2).mean()), rtol=1e-12)
    np.testing.assert_allclose(sizes[1], jnp.sqrt((configs.mean(axis=(1, 2)) ** 2).mean()), rtol=1e-9)

"""ncv_lab: variance reduction for lattice field theory by (neural) control variates."""

import os as _os

import jax as _jax

# Variances of 1e-4 and least squares need float64; set JAX_ENABLE_X64=0 to keep JAX's float32.
if "JAX_ENABLE_X64" not in _os.environ:
    _jax.config.update("jax_enable_x64", True)

from ncv_lab.action import FunctionTheory, Phi4, Theory, as_theory, check_theory, free_correlator
from ncv_lab.descent import Adam, PaperSchedule
from ncv_lab.ensemble import Ensemble, load_ensemble
from ncv_lab.fitting import fit, fit_steps
from ncv_lab.io import register
from ncv_lab.least_squares import LeastSquares
from ncv_lab.loss import FixedShift, LearnedShift, SecondMoment
from ncv_lab.network import OddMLP
from ncv_lab.observables import (
    AbsMagnetisation,
    ActionDensity,
    Correlator,
    MagnetisationSquared,
    MeanSquare,
    Observable,
    Susceptibility,
    as_observable,
    chain_correlator,
    measure,
)
from ncv_lab.problem import Fit, load_fit, sigma_ratio
from ncv_lab.sampler import HMC, sample
from ncv_lab.stein import FunctionField, LinearField, SumField, VectorField, control_variate, free_field

__version__ = "0.1.0"

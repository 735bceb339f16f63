"""ncv_lab: variance reduction for lattice field theory by (neural) control variates."""

import os as _os

import jax as _jax

# Variances of 1e-4 and least squares need float64; set JAX_ENABLE_X64=0 to keep JAX's float32.
if "JAX_ENABLE_X64" not in _os.environ:
    _jax.config.update("jax_enable_x64", True)

from ncv_lab import plotting
from ncv_lab.action import FunctionTheory, Phi4, Theory, as_theory, check_theory, free_correlator
from ncv_lab.analysis import estimate, estimate_including_training
from ncv_lab.basis import BasisField, Contact, Direct, Gated, Gradient, Magnetic, Powers, Steps, TwoPoint
from ncv_lab.descent import Adam, PaperSchedule
from ncv_lab.ensemble import Ensemble, load_ensemble, tau_int
from ncv_lab.fitting import Strategy, fit, fit_steps, fit_together
from ncv_lab.io import register
from ncv_lab.least_squares import Lasso, LeastSquares
from ncv_lab.lessons import BreakEvenPanel, MassPanel, OverfitPanel
from ncv_lab.local import Gaussian, Polynomials, Shell, Smearing
from ncv_lab.loss import FixedShift, LearnedShift, SecondMoment
from ncv_lab.network import OddMLP
from ncv_lab.neural import NeuralSchwingerDyson, VariableProjection
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
from ncv_lab.panels import VarianceLab
from ncv_lab.problem import Fit, load_fit, sigma_ratio
from ncv_lab.results import Estimate
from ncv_lab.sampler import HMC, ExactGaussian, sample, sample_steps
from ncv_lab.sampler_panel import SamplerPanel
from ncv_lab.schwinger_dyson import Rung, SchwingerDyson
from ncv_lab.spectrum import MassFit, effective_mass, fit_mass
from ncv_lab.stein import (
    ControlVariate,
    FunctionField,
    LinearField,
    SumField,
    VectorField,
    control_variate,
    dense_divergence,
    free_field,
)

__all__ = [
    "HMC",
    "AbsMagnetisation",
    "ActionDensity",
    "Adam",
    "BasisField",
    "BreakEvenPanel",
    "Contact",
    "ControlVariate",
    "Correlator",
    "Direct",
    "Ensemble",
    "Estimate",
    "ExactGaussian",
    "Fit",
    "FixedShift",
    "FunctionField",
    "FunctionTheory",
    "Gated",
    "Gaussian",
    "Gradient",
    "Lasso",
    "LearnedShift",
    "LeastSquares",
    "LinearField",
    "Magnetic",
    "MagnetisationSquared",
    "MassFit",
    "MassPanel",
    "MeanSquare",
    "NeuralSchwingerDyson",
    "Observable",
    "OddMLP",
    "OverfitPanel",
    "PaperSchedule",
    "Phi4",
    "Polynomials",
    "Powers",
    "Rung",
    "SamplerPanel",
    "SchwingerDyson",
    "SecondMoment",
    "Shell",
    "Smearing",
    "Steps",
    "Strategy",
    "SumField",
    "Susceptibility",
    "Theory",
    "TwoPoint",
    "VariableProjection",
    "VarianceLab",
    "VectorField",
    "as_observable",
    "as_theory",
    "chain_correlator",
    "check_theory",
    "control_variate",
    "dense_divergence",
    "effective_mass",
    "estimate",
    "estimate_including_training",
    "fit",
    "fit_mass",
    "fit_steps",
    "fit_together",
    "free_correlator",
    "free_field",
    "load_ensemble",
    "load_fit",
    "measure",
    "plotting",
    "register",
    "sample",
    "sample_steps",
    "sigma_ratio",
    "tau_int",
]

__version__ = "0.1.0"

"""The public names of ncv_lab, part by part. `ncv_lab/__init__.py` loads each of them when it is first used."""

from . import plotting as plotting

# theory
from .theory.action import (
    as_theory as as_theory,
    check_theory as check_theory,
    FunctionTheory as FunctionTheory,
    Phi4 as Phi4,
    Theory as Theory,
)
from .theory.exact import chain_correlator as chain_correlator, free_correlator as free_correlator
from .theory.observables import (
    AbsMagnetisation as AbsMagnetisation,
    ActionDensity as ActionDensity,
    as_observable as as_observable,
    Correlator as Correlator,
    Magnetisation as Magnetisation,
    MagnetisationSquared as MagnetisationSquared,
    MeanSquare as MeanSquare,
    measure as measure,
    Observable as Observable,
    Susceptibility as Susceptibility,
)
from .theory.theories import ON as ON, Scalar as Scalar, UnknownAction as UnknownAction

# sampling
from .sampling.autocorrelation import autocorrelation as autocorrelation, SlowModes as SlowModes, tau_int as tau_int
from .sampling.blocks import sample_blocks as sample_blocks
from .sampling.ensemble import Ensemble as Ensemble, load_ensemble as load_ensemble
from .sampling.foreign import read_blocks as read_blocks, read_configs as read_configs
from .sampling.hmc import (
    Chains as Chains,
    ExactGaussian as ExactGaussian,
    HMC as HMC,
    sample as sample,
    sample_steps as sample_steps,
)

# fields
from .fields.control_variates import (
    control_variate as control_variate,
    ControlVariate as ControlVariate,
    dense_divergence as dense_divergence,
    FunctionField as FunctionField,
    LinearField as LinearField,
    SumField as SumField,
    VectorField as VectorField,
)
from .fields.exact_field import free_field as free_field
from .fields.leg_matrix import (
    CorrelatorMatrix as CorrelatorMatrix,
    LegMatrix as LegMatrix,
    OperatorLeg as OperatorLeg,
    Operators as Operators,
)
from .fields.legs import (
    GatedLegs as GatedLegs,
    GradientLegs as GradientLegs,
    LegProducts as LegProducts,
    Legs as Legs,
)
from .fields.local_functions import InvariantPolynomials as InvariantPolynomials, Polynomials as Polynomials
from .fields.neural import NeuralSchwingerDyson as NeuralSchwingerDyson
from .fields.component_mlp import ComponentMLP as ComponentMLP
from .fields.odd_mlp import OddMLP as OddMLP
from .fields.schwinger_dyson import (
    BasisField as BasisField,
    Contact as Contact,
    Direct as Direct,
    Gated as Gated,
    Gradient as Gradient,
    Magnetic as Magnetic,
    OnePoint as OnePoint,
    Powers as Powers,
    TanhSteps as TanhSteps,
    TwoPoint as TwoPoint,
)
from .fields.smearing import Gaussian as Gaussian, Shell as Shell, Smearing as Smearing

# fitting
from .fitting.adam import Adam as Adam, AdamRun as AdamRun, PaperSchedule as PaperSchedule
from .fitting.data import Data as Data, sigma_ratio as sigma_ratio, validation_rows as validation_rows
from .fitting.fit import fit as fit, fit_steps as fit_steps
from .fitting.fit_blocks import fit_blocks as fit_blocks
from .fitting.fit_together import fit_together as fit_together
from .fitting.ladder import SchwingerDyson as SchwingerDyson
from .fitting.lasso import Lasso as Lasso
from .fitting.least_squares import LeastSquares as LeastSquares
from .fitting.leg_networks import NeuralLegs as NeuralLegs
from .fitting.legs import ImprovedLegs as ImprovedLegs
from .fitting.losses import FixedShift as FixedShift, LearnedShift as LearnedShift, SecondMoment as SecondMoment
from .fitting.recipes import FieldRecipe as FieldRecipe
from .fitting.result import Fit as Fit, load_fit as load_fit, Method as Method, Strategy as Strategy
from .fitting.variable_projection import VariableProjection as VariableProjection

# analysis
from .analysis.averages import Estimate as Estimate
from .analysis.check import Check as Check, check as check
from .analysis.connected import connected as connected, estimate_connected as estimate_connected
from .analysis.errors import format_error as format_error
from .analysis.estimate import (
    estimate as estimate,
    estimate_blocks as estimate_blocks,
    estimate_including_training as estimate_including_training,
)
from .analysis.export import (
    data_frame as data_frame,
    latex_table as latex_table,
    record as record,
    to_corr as to_corr,
    write_pyerrors as write_pyerrors,
    write_record as write_record,
)
from .analysis.spectrum import effective_mass as effective_mass, fit_mass as fit_mass, MassFit as MassFit

# sweeps
from .sweeps.plan import plan_sweep as plan_sweep, read_sweep as read_sweep, SweepPlan as SweepPlan
from .sweeps.run import slurm_cluster as slurm_cluster, sweep as sweep, sweep_steps as sweep_steps
from .sweeps.store import read_rows as read_rows, SweepStore as SweepStore

# panels
from .panels.break_even import BreakEvenPanel as BreakEvenPanel
from .panels.compare import ComparePanel as ComparePanel
from .panels.mass import MassPanel as MassPanel
from .panels.overfit import OverfitPanel as OverfitPanel
from .panels.sampler import SamplerPanel as SamplerPanel
from .panels.variance_lab import VarianceLab as VarianceLab

# utils
from .utils.batching import use_devices as use_devices
from .utils.files import register as register

__version__: str

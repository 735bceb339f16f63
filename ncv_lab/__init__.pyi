"""The public interface of ncv_lab, part by part. `ncv_lab/__init__.py` loads each name when it is first used."""

from . import plotting as plotting
from .analysis.averages import (
    Estimate as Estimate,
)
from .analysis.estimate import (
    estimate as estimate,
)
from .analysis.estimate import (
    estimate_including_training as estimate_including_training,
)
from .analysis.spectrum import (
    MassFit as MassFit,
)
from .analysis.spectrum import (
    effective_mass as effective_mass,
)
from .analysis.spectrum import (
    fit_mass as fit_mass,
)
from .fields.control_variates import (
    ControlVariate as ControlVariate,
)
from .fields.control_variates import (
    FunctionField as FunctionField,
)
from .fields.control_variates import (
    LinearField as LinearField,
)
from .fields.control_variates import (
    SumField as SumField,
)
from .fields.control_variates import (
    VectorField as VectorField,
)
from .fields.control_variates import (
    control_variate as control_variate,
)
from .fields.control_variates import (
    dense_divergence as dense_divergence,
)
from .fields.exact_field import (
    free_field as free_field,
)
from .fields.local_functions import (
    Polynomials as Polynomials,
)
from .fields.neural import (
    NeuralSchwingerDyson as NeuralSchwingerDyson,
)
from .fields.odd_mlp import (
    OddMLP as OddMLP,
)
from .fields.schwinger_dyson import (
    BasisField as BasisField,
)
from .fields.schwinger_dyson import (
    Contact as Contact,
)
from .fields.schwinger_dyson import (
    Direct as Direct,
)
from .fields.schwinger_dyson import (
    Gated as Gated,
)
from .fields.schwinger_dyson import (
    Gradient as Gradient,
)
from .fields.schwinger_dyson import (
    Magnetic as Magnetic,
)
from .fields.schwinger_dyson import (
    Powers as Powers,
)
from .fields.schwinger_dyson import (
    TanhSteps as TanhSteps,
)
from .fields.schwinger_dyson import (
    TwoPoint as TwoPoint,
)
from .fields.smearing import (
    Gaussian as Gaussian,
)
from .fields.smearing import (
    Shell as Shell,
)
from .fields.smearing import (
    Smearing as Smearing,
)
from .fitting.adam import (
    Adam as Adam,
)
from .fitting.adam import (
    PaperSchedule as PaperSchedule,
)
from .fitting.data import (
    sigma_ratio as sigma_ratio,
)
from .fitting.fit import (
    Strategy as Strategy,
)
from .fitting.fit import (
    fit as fit,
)
from .fitting.fit import (
    fit_steps as fit_steps,
)
from .fitting.fit_together import (
    fit_together as fit_together,
)
from .fitting.ladder import (
    FieldRecipe as FieldRecipe,
)
from .fitting.ladder import (
    SchwingerDyson as SchwingerDyson,
)
from .fitting.lasso import (
    Lasso as Lasso,
)
from .fitting.least_squares import (
    LeastSquares as LeastSquares,
)
from .fitting.losses import (
    FixedShift as FixedShift,
)
from .fitting.losses import (
    LearnedShift as LearnedShift,
)
from .fitting.losses import (
    SecondMoment as SecondMoment,
)
from .fitting.result import (
    Fit as Fit,
)
from .fitting.result import (
    load_fit as load_fit,
)
from .fitting.variable_projection import (
    VariableProjection as VariableProjection,
)
from .panels.break_even import (
    BreakEvenPanel as BreakEvenPanel,
)
from .panels.mass import (
    MassPanel as MassPanel,
)
from .panels.overfit import (
    OverfitPanel as OverfitPanel,
)
from .panels.sampler import (
    SamplerPanel as SamplerPanel,
)
from .panels.variance_lab import (
    VarianceLab as VarianceLab,
)
from .sampling.autocorrelation import (
    tau_int as tau_int,
)
from .sampling.ensemble import (
    Ensemble as Ensemble,
)
from .sampling.ensemble import (
    load_ensemble as load_ensemble,
)
from .sampling.hmc import (
    HMC as HMC,
)
from .sampling.hmc import (
    ExactGaussian as ExactGaussian,
)
from .sampling.hmc import (
    sample as sample,
)
from .sampling.hmc import (
    sample_steps as sample_steps,
)
from .theory.action import (
    FunctionTheory as FunctionTheory,
)
from .theory.action import (
    Phi4 as Phi4,
)
from .theory.action import (
    Theory as Theory,
)
from .theory.action import (
    as_theory as as_theory,
)
from .theory.action import (
    check_theory as check_theory,
)
from .theory.exact import (
    chain_correlator as chain_correlator,
)
from .theory.exact import (
    free_correlator as free_correlator,
)
from .theory.observables import (
    AbsMagnetisation as AbsMagnetisation,
)
from .theory.observables import (
    ActionDensity as ActionDensity,
)
from .theory.observables import (
    Correlator as Correlator,
)
from .theory.observables import (
    MagnetisationSquared as MagnetisationSquared,
)
from .theory.observables import (
    MeanSquare as MeanSquare,
)
from .theory.observables import (
    Observable as Observable,
)
from .theory.observables import (
    Susceptibility as Susceptibility,
)
from .theory.observables import (
    as_observable as as_observable,
)
from .theory.observables import (
    measure as measure,
)
from .utils.files import (
    register as register,
)

__version__: str

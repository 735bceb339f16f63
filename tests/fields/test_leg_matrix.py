"""Operators, their correlators, and products of their improved legs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import QUICK, field, with_jacobian

THEORY = ncv.Phi4((4, 3), 0.1, 6.0)
SMEARING = ncv.Smearing(THEORY.shape, [ncv.Shell(0), 0.5])


def cube_and_smeared(smeared):
    return jnp.stack([smeared[..., 0] ** 3, smeared[..., 1]], axis=-1)


TWO = ncv.Operators(SMEARING, cube_and_smeared, names=("cube", "smeared"))
PARTS = [ncv.GatedLegs(SMEARING, ncv.Polynomials(2, (0, 2))), ncv.GradientLegs(SMEARING, ncv.Polynomials(2, (1, 3)))]


def legs(operators, number):
    unsolved = ncv.Legs(PARTS, leg=ncv.OperatorLeg(operators, number))
    return unsolved.with_weights(0.1 * field((3, unsolved.n_functions), number))


def test_entries_are_means_over_slices_and_both_orders():
    phi = field(THEORY.shape)
    cube = np.asarray(phi**3).mean(1)
    smeared = np.asarray(SMEARING(phi)[..., 1]).mean(1)
    observable = ncv.CorrelatorMatrix(TWO)
    matrix = observable.matrix(observable(phi))
    for t in range(3):
        mixed = (np.roll(cube, -t) * smeared + np.roll(smeared, -t) * cube).mean() / 2
        np.testing.assert_allclose(matrix[t, 0, 1], mixed, rtol=1e-12)
        np.testing.assert_allclose(matrix[t, 1, 0], mixed, rtol=1e-12)
        np.testing.assert_allclose(matrix[t, 0, 0], (np.roll(cube, -t) * cube).mean(), rtol=1e-12)
    assert observable.labels(THEORY.shape)[3:6] == ("C[cube,smeared](0)", "C[cube,smeared](1)", "C[cube,smeared](2)")
    assert observable.times(THEORY.shape) == (0, 1, 2) * 3


def test_divergences_are_those_of_the_dense_jacobian():
    matrix = ncv.LegMatrix([legs(TWO, 0), legs(TWO, 1)], TWO, (0, 1, 2), THEORY, factors=np.linspace(0.5, 1.5, 9))

    @jax.jit
    def evaluate(phi):
        dS = THEORY.gradient(phi)
        return *with_jacobian(matrix, phi), matrix.f(phi, dS)

    phi = field(THEORY.shape)
    g, div, jacobian, f = evaluate(phi)
    dense = np.trace(np.asarray(jacobian).reshape(9, phi.size, phi.size), axis1=1, axis2=2)
    np.testing.assert_allclose(div, dense, rtol=1e-10, atol=1e-10 * abs(dense).max())
    minus = (np.asarray(g) * np.asarray(THEORY.gradient(phi))).sum(axis=(1, 2))
    np.testing.assert_allclose(f, np.asarray(div) - minus, rtol=1e-10, atol=1e-10 * abs(minus).max())


@pytest.mark.slow
def test_the_field_as_operator_is_the_correlator():
    one = ncv.Operators(ncv.Smearing(THEORY.shape, [ncv.Shell(0)]), ncv.Polynomials(1, (1,)))
    phi = field(THEORY.shape)
    of_operator = legs(one, 0)
    products = ncv.LegProducts(ncv.Legs(PARTS, weights=of_operator.weights), (0, 1, 2), THEORY)
    matrix = ncv.LegMatrix([of_operator], one, (0, 1, 2), THEORY)
    f, of_products = jax.jit(lambda phi, dS: (matrix.f(phi, dS), products.f(phi, dS)))(phi, THEORY.gradient(phi))
    np.testing.assert_allclose(f, of_products, rtol=1e-9)
    np.testing.assert_allclose(ncv.CorrelatorMatrix(one)(phi), ncv.Correlator()(phi), rtol=1e-12)
    with pytest.raises(ValueError, match="made of an operator; LegProducts is for the field, use LegMatrix"):
        ncv.LegProducts(of_operator, (0,), THEORY)


@pytest.mark.slow
def test_the_default_improves_every_entry(tmp_path):
    observable = ncv.CorrelatorMatrix(ncv.Operators(SMEARING, ncv.Polynomials(2, (1,)), names=("phi", "smeared")))
    train, others = ncv.sample(THEORY, 1200, 0, progress=False).split(400)
    fit = ncv.fit(QUICK, THEORY, observable, train, progress=False)
    values = ncv.measure(observable, others.flat, THEORY)
    improved = values - fit.evaluate(others)
    assert ncv.sigma_ratio(values, improved).min() > 8
    pulls = (improved - values).mean(0) / ((improved - values).std(0) / len(values) ** 0.5)
    assert abs(pulls).max() < 4  # the mean of f is 0
    fit.save(tmp_path / "fit.safetensors")
    np.testing.assert_array_equal(ncv.load_fit(tmp_path / "fit.safetensors").evaluate(others), fit.evaluate(others))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="2 operators need as many names"):
        ncv.Operators(SMEARING, cube_and_smeared, names=("cube",))
    with pytest.raises(ValueError, match=r"components of shape \(2,\)"):
        ncv.Operators(ncv.Smearing((4, 3), [0.0], (2,)), ncv.Polynomials(2, (1,)))
    with pytest.raises(ValueError, match=r"live on the lattice \(4, 3\), got \(6, 4\)"):
        ncv.CorrelatorMatrix(TWO).labels((6, 4))
    with pytest.raises(ValueError, match="9 entries need as many factors"):
        ncv.LegMatrix([legs(TWO, 0), legs(TWO, 1)], TWO, (0, 1, 2), THEORY, factors=np.ones(3))

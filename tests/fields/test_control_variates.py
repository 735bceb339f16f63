"""Control variates: mean zero, exact divergences, sums of fields, and the free field without noise."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import compilations, field, network
from ncv_lab.fields.control_variates import (
    ControlVariate,
    check_field,
    control_variate_from_gradient,
    dense_divergence,
    is_linear,
    n_features,
)
from ncv_lab.theory.lattice import khat_squared, volume
from ncv_lab.utils.batching import map_configs


def free_configs(shape, m2, n, seed=0):
    "Exact independent configurations of the free theory."
    noise = jnp.fft.fftn(field((n, *shape), seed), axes=range(1, 1 + len(shape)))
    modes = noise / jnp.sqrt(khat_squared(shape) + m2)[None]
    return jnp.fft.ifftn(modes, axes=range(1, 1 + len(shape))).real


def assert_zero(values):
    "The mean of independent values is zero within four errors; and they do vary."
    values = np.asarray(values)
    error = values.std() / len(values) ** 0.5
    assert error > 0 and abs(values.mean()) < 4 * error


# ---- <f> = 0 ----


@pytest.mark.parametrize("shape", [(8,), (6, 4), (4, 3, 2)])
@pytest.mark.parametrize("depth, symmetric", [(0, False), (1, True), (3, "time")])
def test_mean_zero_in_the_free_theory(shape, depth, symmetric):
    theory, net = ncv.Phi4(shape, 0.3, 0.0), network(shape, depth, symmetric)
    assert_zero(map_configs(ControlVariate(net, theory), free_configs(shape, 0.3, 20_000)))


def test_mean_is_not_zero_for_another_action():
    # With a wrong mass the check above would notice: for g = phi, <f> = (m2_true - m2) <phi . phi>.
    theory, net = ncv.Phi4((6, 4), 0.36, 0.0), ncv.OddMLP((6, 4), depth=0)
    net = net.with_weights(jnp.zeros(24).at[0].set(1))
    f = np.asarray(map_configs(ControlVariate(net, theory), free_configs((6, 4), 0.3, 20_000)))
    assert abs(f.mean()) > 6 * f.std() / len(f) ** 0.5


@pytest.fixture(scope="module")
def chain():
    "Independent draws of the interacting chain: free configurations with weights: 4 sites, lam = 0.5."
    free, n = ncv.Phi4((4,), 1.0, 0.0), 400_000
    theory = ncv.Phi4((4,), 0.1, 0.5)
    configs = free_configs((4,), 1.0, n)
    log_weight = map_configs(lambda phi: free.action(phi) - theory.action(phi), configs)
    weight = np.exp(np.asarray(log_weight))
    return theory, configs, weight


def assert_weighted_zero(values, weight):
    values = np.asarray(values) * weight / weight.mean()
    assert abs(values.mean()) < 4 * values.std() / len(values) ** 0.5


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_mean_zero_in_the_interacting_chain(chain, depth):
    theory, configs, weight = chain
    assert_weighted_zero(map_configs(ControlVariate(network((4,), depth), theory), configs), weight)


def test_weights_reproduce_the_transfer_matrix(chain):
    _theory, configs, weight = chain
    for t, exact in enumerate(ncv.chain_correlator(4, 0.1, 0.5)):
        values = np.asarray(map_configs(ncv.Correlator().at(t), configs))
        assert_weighted_zero(values - exact, weight)


def test_schwinger_dyson(chain):
    "<phi_x dS/dphi_y> = delta_xy, the control variates of single unit weights."
    theory, configs, weight = chain
    products = map_configs(lambda phi: jnp.outer(phi, theory.gradient(phi)), configs)
    products = np.asarray(products) * (weight / weight.mean())[:, None, None]
    pulls = (products.mean(0) - np.eye(4)) / products.std(0) * len(weight) ** 0.5
    assert abs(pulls).max() < 4.5


# ---- the free field, no noise ----


# ---- the protocol ----


class Cubic:
    "A field that is no OddMLP, in plain Python."

    def __call__(self, phi):
        return phi**3, 3 * jnp.sum(phi**2)


def test_control_variate_is_eq_5():
    theory, phi = ncv.Phi4((6, 4), 0.1, 24.0), field((6, 4))
    direct = 3 * (phi**2).sum() - (phi**3 * theory.gradient(phi)).sum()
    np.testing.assert_allclose(ncv.control_variate(Cubic(), theory, phi), direct, rtol=1e-13)
    np.testing.assert_allclose(control_variate_from_gradient(Cubic(), phi, theory.gradient(phi)), direct, rtol=1e-13)
    np.testing.assert_allclose(ControlVariate(ncv.FunctionField(lambda p: p**3), theory)(phi), direct, rtol=1e-13)


def test_protocols():
    deep, linear = network((6, 4), 1), network((6, 4), 0)
    assert isinstance(deep, ncv.VectorField) and isinstance(linear, ncv.LinearField)
    assert is_linear(linear) and not is_linear(deep) and not is_linear(Cubic())
    assert is_linear(ncv.SumField(linear, linear)) and not is_linear(ncv.SumField(linear, deep))


@pytest.mark.parametrize("shape", [(5,), (4, 3), (3, 2, 2)])
def test_dense_divergence(shape):
    phi, matrix = field(shape), field((volume(shape), volume(shape)), 1)

    def g(phi):
        return jnp.sin(matrix @ phi.ravel()).reshape(shape)

    jacobian = jax.jacobian(g)(phi).reshape(volume(shape), -1)
    np.testing.assert_allclose(dense_divergence(g, phi), jnp.trace(jacobian), rtol=0, atol=1e-10)
    np.testing.assert_allclose(ncv.FunctionField(g)(phi)[1], jnp.trace(jacobian), rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape, depths", [((6,), (0, 3)), ((5, 4), (0, 0)), ((5, 4), (1, 2)), ((3, 2, 2), (0, 3))])
def test_divergence_of_a_sum(shape, depths):
    phi = field(shape)
    total = ncv.SumField(network(shape, depths[0], False), network(shape, depths[1], True))
    compiled = jax.jit(lambda phi: total(phi))
    g, div = compiled(phi)
    jacobian = jax.jit(jax.jacrev(lambda phi: total(phi)[0]))(phi).reshape(volume(shape), -1)
    np.testing.assert_allclose(div, jnp.trace(jacobian), rtol=0, atol=1e-10)
    np.testing.assert_allclose(g, sum(part(phi)[0] for part in total.fields), atol=1e-14)
    np.testing.assert_allclose(compiled(-phi)[0], -g, atol=1e-13)
    move, axes = (1, 2, 1)[: len(shape)], range(len(shape))
    np.testing.assert_allclose(compiled(jnp.asarray(np.roll(phi, move, axes)))[0], np.roll(g, move, axes), atol=1e-12)


def test_a_sum_of_linear_fields_is_linear():
    shape = (5, 4)
    total = ncv.SumField(*(ncv.OddMLP(shape, depth=0, symmetric=s) for s in ("time", True, False)))
    phi, dS = field(shape), field(shape, 1)
    features = total.features(phi, dS)
    weights = field(features.shape, 2)
    assert features.shape == (3 + 9 + 20,)
    f = control_variate_from_gradient(total.with_weights(weights), phi, dS)
    np.testing.assert_allclose(features @ weights, f, atol=1e-11)


# ---- weights in the field ----


@functools.cache
def linear_fields():
    "One field of each family that is linear in its weights, on one lattice."
    shape = (5, 4)
    smearing = ncv.Smearing(shape, [ncv.Shell(0), ncv.Gaussian(0.4)])
    even, odd = (ncv.Polynomials(2, degrees, jnp.array([0.5, 1.0])) for degrees in ((0, 2), (1, 3)))
    fields = {f"OddMLP {s}": ncv.OddMLP(shape, depth=0, symmetric=s) for s in (False, True, "time")}
    fields["Gated"] = ncv.Gated(smearing, even, ncv.Powers((1, 3)))
    fields["Gated with a function"] = ncv.Gated(smearing, jnp.square, lambda phi: jnp.stack([phi], axis=-1))
    fields["Gradient"] = ncv.Gradient(smearing, odd, momentum=(1,))
    fields["Contact"] = ncv.Contact(smearing, even)
    fields["Magnetic"] = ncv.Magnetic(smearing, even, ncv.TanhSteps([0.1, 0.5]))
    fields["Direct"] = ncv.Direct(shape, (1, 3), symmetric="time")
    fields["TwoPoint"] = ncv.TwoPoint(smearing, even)
    fields["SumField"] = ncv.SumField(fields["OddMLP time"], ncv.SumField(fields["Gated"], fields["Contact"]))
    fields["Neural"] = ncv.NeuralSchwingerDyson(shape, width=3, n_functions=2, key=jax.random.key(0))
    fields["ThirdParty"] = ThirdParty(shape)
    return fields


class ThirdParty(ncv.BasisField):
    "Two odd powers; how many features it has is not declared."

    shape: tuple[int, ...] = eqx.field(static=True)
    weights: jax.Array | None = None

    def features(self, phi, dS):
        return jnp.stack([(n * phi ** (n - 1) - phi**n * dS).sum() for n in (3, 5)])


LINEAR = list(linear_fields())


@pytest.mark.slow
@pytest.mark.parametrize("name", LINEAR)
def test_the_field_holds_its_weights(name):
    field_as_made = linear_fields()[name]
    n = n_features(field_as_made, (5, 4))
    phi, dS = field((5, 4)), field((5, 4), 1)
    features = eqx.filter_jit(field_as_made.features)(phi, dS)
    assert is_linear(field_as_made) and features.shape == (n,)
    scale = max(np.abs(features).max() * n, 1)

    @eqx.filter_jit
    def evaluate(weighted):
        "g, div g and f."
        return *weighted(phi), control_variate_from_gradient(weighted, phi, dS)

    for shape in ((n,), (n, 1), (n, 3)):
        weights = field(shape, 2)
        weighted = field_as_made.with_weights(weights)
        np.testing.assert_array_equal(weighted.weights, weights)
        g, div, found = evaluate(weighted)
        assert g.shape == (*shape[1:], 5, 4) and div.shape == shape[1:]
        f = np.asarray(features @ weights)
        np.testing.assert_allclose(div - jnp.tensordot(g, dS, 2), f, rtol=0, atol=1e-10 * scale)
        np.testing.assert_allclose(found, f, rtol=0, atol=1e-10 * scale)


@pytest.mark.parametrize("name", LINEAR)
def test_a_field_without_weights_is_the_field_as_made(name):
    "Same structure, shapes, static parts and arrays, so that nothing that was compiled for it is compiled again."
    field_as_made = linear_fields()[name]
    n = n_features(field_as_made, (5, 4))
    for shape in ((n,), (n, 2)):
        again = field_as_made.with_weights(field(shape)).with_weights(None)
        assert type(again) is type(field_as_made)
        assert jax.tree.structure(again) == jax.tree.structure(field_as_made)
        assert eqx.tree_equal(again, field_as_made)


@pytest.mark.parametrize("name", LINEAR)
def test_weights_of_a_wrong_shape_are_refused(name):
    field_as_made = linear_fields()[name]
    n = n_features(field_as_made, (5, 4))
    for shape in ((n + 1,), (n, 2, 2)):
        with pytest.raises(ValueError, match=f"the field has {n} features, got weights of shape"):
            field_as_made.with_weights(jnp.ones(shape))


def test_features_are_compiled_once_for_all_weights():
    configs = field((3, 5, 4))
    net = linear_fields()["SumField"]
    map_configs(net.features, configs, configs)
    unsolved = net.with_weights(field((net.n_features, 2))).with_weights(None)
    with compilations() as found:
        map_configs(unsolved.features, configs, configs)
    assert not found


def test_a_sum_that_lacks_weights_has_none():
    fields = linear_fields()
    assert ncv.SumField(fields["OddMLP time"], fields["Gated"]).weights is None
    assert ncv.SumField(fields["OddMLP time"], fields["OddMLP True"]).weights.shape == (12,)
    assert network((6, 4), 1).weights is None


def test_a_control_variate_gives_its_weights_to_the_field():
    theory, phi = ncv.Phi4((5, 4), 0.1, 24.0), field((5, 4))
    f = eqx.filter_jit(ncv.control_variate)
    for name, linear in linear_fields().items():
        weights = field((n_features(linear, (5, 4)), 3), 1)
        control = ControlVariate(linear, theory, weights)
        np.testing.assert_array_equal(control.weights, weights)
        np.testing.assert_array_equal(control.field.weights, weights)
        single = [f(linear.with_weights(column), theory, phi) for column in weights.T]
        np.testing.assert_allclose(eqx.filter_jit(control)(phi), single, rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(f(control.field, theory, phi), single, rtol=1e-9, err_msg=name)
    assert ControlVariate(network((5, 4), 1), theory).weights is None
    assert ControlVariate(linear_fields()["Gated"], theory).weights is None


class Vector(ncv.Theory):
    "A theory with three numbers at each site."

    shape: tuple[int, ...] = (5, 4, 3)
    event_shape = (3,)

    def action(self, phi):
        return (phi**2).sum()


def test_a_field_for_other_components_is_refused():
    check_field(Cubic(), Vector())
    for linear in linear_fields().values():
        with pytest.raises(ValueError, match=r"components of shape \(\) at each site, the theory has \(3,\)"):
            ControlVariate(linear, Vector())


def test_jit_vmap_grad():
    theory, net, configs = ncv.Phi4((6, 4), 0.1, 24.0), network((6, 4), 2), field((4, 6, 4))
    f = jax.jit(jax.vmap(lambda phi: ncv.control_variate(net, theory, phi)))(configs)
    np.testing.assert_allclose(f[1], ncv.control_variate(net, theory, configs[1]), atol=1e-11)
    slope = jax.grad(lambda phi: ncv.control_variate(net, theory, phi))(configs[0])
    step = field((6, 4), 5)
    moved = [ncv.control_variate(net, theory, configs[0] + s * 1e-5 * step) for s in (1, -1)]
    np.testing.assert_allclose(jnp.vdot(slope, step), (moved[0] - moved[1]) / 2e-5, rtol=1e-6)


def test_a_field_that_does_not_say_so_is_not_linear():
    class Silent:
        """Has the methods of a linear field, but no `is_linear`."""

        def features(self, phi, dS):
            return phi.ravel()

        def with_weights(self, weights):
            return self

    assert not is_linear(Silent())

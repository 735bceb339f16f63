"""The verb `fit`: which method it takes, what it reports, and how it is stopped and continued."""

import jax
import numpy as np
import pytest

import ncv_lab as ncv
from helpers import CORR, KEY, THEORY, assert_same_run, ensemble, net
from ncv_lab.fitting.data import Data
from ncv_lab.fitting.fit import default_method

METHOD = ncv.Adam(steps=60, check_every=20, learning_rate=1e-2)


class Interrupted:
    "A method whose run is ended by Ctrl-C after some checks."

    def __init__(self, method, checks):
        self.method, self.checks = method, checks

    def run(self, field, data, *, key=None, resume=None):
        for i, fit in enumerate(self.method.run(field, data, key=key, resume=resume)):
            if i == self.checks:
                raise KeyboardInterrupt
            yield fit


def fit(field=None, observable=CORR, configs=None, **options):
    options = {"method": METHOD, "key": KEY, "progress": False} | options
    return ncv.fit(field or net(), THEORY, observable, configs or ensemble(), **options)


def test_linear_fields_are_solved_and_others_trained():
    linear = ncv.OddMLP((6, 4), depth=0)
    assert isinstance(default_method(linear), ncv.LeastSquares) and isinstance(default_method(net()), ncv.Adam)
    assert isinstance(default_method(ncv.SumField(linear, linear)), ncv.LeastSquares)
    assert isinstance(default_method(ncv.SumField(linear, net())), ncv.Adam)
    solved = fit(linear, method=None, key=None)
    assert isinstance(solved.method, ncv.LeastSquares) and solved.status == "finished"


def test_a_linear_field_can_be_trained_too():
    trained = fit(ncv.OddMLP((6, 4), depth=0, symmetric=True))
    assert isinstance(trained.method, ncv.Adam) and trained.status == "finished"


def test_fit_is_the_last_of_its_steps():
    steps = list(ncv.fit_steps(net(), THEORY, CORR, ensemble(), method=METHOD, key=KEY))
    assert [step.status for step in steps] == ["running", "running", "finished"]
    assert_same_run(fit(), steps[-1])


def test_arguments_are_checked_before_the_first_step():
    with pytest.raises(ValueError, match="are too few"):
        ncv.fit_steps(net(), THEORY, CORR, ensemble(1, 9), method=METHOD, key=KEY)


def test_a_fit_remembers_what_it_saw():
    configs = ensemble()
    result = fit(configs=configs)
    np.testing.assert_array_equal(result.seen, np.sort(configs.fingerprints()))
    assert result.n_configs == 100 and result.labels == ("C(2)",)
    # The configurations set aside to judge progress are among them.
    assert len(result.seen) == 100


@pytest.mark.parametrize("checks", [1, 2])
def test_ctrl_c_returns_the_best_so_far(checks):
    steps = list(METHOD.run(net(), Data.measure(THEORY, CORR, ensemble()), key=KEY))
    stopped = fit(method=Interrupted(METHOD, checks))
    assert stopped.status == "interrupted" and stopped.history["step"][-1] == 20 * checks
    np.testing.assert_array_equal(stopped.evaluate(ensemble(seed=1)), steps[checks - 1].evaluate(ensemble(seed=1)))


def test_ctrl_c_before_the_first_check_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        fit(method=Interrupted(METHOD, 0))


def test_interrupted_saved_loaded_resumed(tmp_path):
    whole, stopped = fit(), fit(method=Interrupted(METHOD, 1))
    stopped.save(tmp_path / "fit.safetensors")
    loaded = ncv.load_fit(tmp_path / "fit.safetensors")
    assert loaded.status == "interrupted"
    assert_same_run(fit(resume=loaded), whole)
    assert_same_run(fit(resume=stopped), whole)


def test_resuming_a_finished_fit_gives_it_back():
    whole = fit()
    assert_same_run(fit(resume=whole), whole)


def test_a_method_of_the_user():
    class Twice:
        "Fits the linear field, and doubles it."

        def run(self, field, data, *, key=None, resume=None):
            (solved,) = ncv.LeastSquares().run(field, data)
            yield solved

    result = fit(ncv.OddMLP((6, 4), depth=0), method=Twice())
    assert isinstance(result.method, ncv.LeastSquares) and result.status == "finished"


def test_a_field_of_the_user():
    import equinox as eqx
    import jax.numpy as jnp

    class Scaling(eqx.Module):
        "g = a phi, one weight."

        a: jax.Array

        def __call__(self, phi):
            return self.a * phi, self.a * phi.size

    result = fit(Scaling(jnp.zeros(())), observable=ncv.MeanSquare())
    assert result.status == "finished" and float(result.control.field.a) != 0


def test_a_theory_and_an_observable_of_the_user():
    def quartic(phi):
        return THEORY.action(phi)

    def fourth(phi):
        return (phi**4).mean()

    theory = ncv.as_theory(quartic, (6, 4))
    result = ncv.fit(net(), theory, fourth, ensemble(theory=theory), method=METHOD, key=KEY, progress=False)
    assert result.labels == ("fourth",) and result.status == "finished"


def test_progress_is_shown_and_nothing_is_printed(capfd):
    fit(progress=True)
    out, err = capfd.readouterr()
    assert out == "" and "step" in err
    fit(progress=False)
    assert capfd.readouterr() == ("", "")

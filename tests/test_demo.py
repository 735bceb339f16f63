"""The demonstration: what it finds at both couplings, on which configurations, in words and in a picture."""

from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers import QUICK
from ncv_lab.demo import demonstrate, picture, table

SMALL = {"shape": (8, 4), "n_configs": 400, "steps": 500, "strategy": QUICK, "progress": False}

@pytest.fixture(scope="module")
def cases():
    return list(demonstrate(**SMALL))


def test_both_couplings_are_studied_on_the_same_lattice(cases):
    assert [float(case.theory.lam) for case in cases] == [0.5, 24.0]
    assert {case.theory.shape for case in cases} == {(8, 4)}


def test_estimates_are_of_the_correlator_and_of_its_middle(cases):
    for case in cases:
        assert case.linear.labels == case.solved.labels == ("C(0)", "C(1)", "C(2)", "C(3)", "C(4)")
        assert case.neural.labels == ("C(4)",)


def test_fits_are_judged_on_configurations_that_they_have_not_seen(cases):
    for case in cases:
        assert case.linear.n_configs == 400 and len(case.linear.fits) == 5
        for found in (case.solved, case.neural):
            assert found.n_configs <= 200 and found.fits[0].n_configs == 200


def test_control_variates_help_and_have_mean_zero(cases):
    for case in cases:
        assert case.raw is case.linear.raw
        assert (case.linear.sigma_ratio > 1).all()
        assert (case.solved.sigma_ratio > case.linear.sigma_ratio).all()
        assert np.abs(case.linear.z_score).max() < 4


def test_it_repeats_with_its_seed(cases):
    again = next(demonstrate(**SMALL))
    np.testing.assert_array_equal(again.solved.value, cases[0].solved.value)
    np.testing.assert_array_equal(again.neural.error, cases[0].neural.error)
    other = next(demonstrate(1, **SMALL))
    assert (other.raw.value != cases[0].raw.value).all()


def test_table_names_theory_fields_and_stages(cases):
    text = table(cases[1])
    assert text.startswith("phi^4 on 8 x 4, m2 = 0.1, lam = 24   (sampling ")
    for words in (
        "Linear field, solved",
        "Schwinger-Dyson fields, solved",
        "OddMLP 1 × 8 (layers × neurons)",
        "seed 0",
    ):
        assert words in text
    assert list(cases[1].seconds) == ["sampling", "linear field", "Schwinger-Dyson fields", "OddMLP 1 × 8"]


def test_picture_has_a_row_for_each_case_and_leaves_nothing_open(cases):
    open_before = plt.get_fignums()
    figure = picture(cases)
    figure.savefig(BytesIO())  # fonts that lack a letter warn here, and warnings are errors
    assert plt.get_fignums() == open_before and len(figure.axes) == 4
    assert [ax.get_title(loc="left") for ax in figure.axes[::2]] == [
        r"$m^2$ = 0.1, $\lambda$ = 0.5",
        r"$m^2$ = 0.1, $\lambda$ = 24",
    ]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[0] == "raw, 400 configurations" and len(names) == 4
    assert f"÷ {cases[0].solved.error_ratio[2]:.0f}" in [text.get_text().strip() for text in figure.axes[1].texts]

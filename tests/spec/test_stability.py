"""Stability indices, Poisson bands and bands of equal weight as tables."""

from __future__ import annotations

import math

import numpy as np
import pytest

from registry.stability_index import psi, stability_index
from training.judgement.stability import band_of, category_psi, poisson_band, poisson_interval
from training.judgement.thresholds import THRESHOLDS

NAN = float("nan")


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


@pytest.mark.parametrize(
    ("reference", "observed", "expected"),
    [
        ((50, 50), (50, 50), 0.0),
        ((50, 50), (500, 500), 0.0),
        # (0.6 - 0.5) ln(0.6 / 0.5) + (0.4 - 0.5) ln(0.4 / 0.5)
        ((50, 50), (60, 40), 0.1 * math.log(1.2) - 0.1 * math.log(0.8)),
        # an empty bin counts as a share of 1e-4
        ((50, 50), (100, 0), 0.5 * math.log(2.0) + (1e-4 - 0.5) * math.log(2e-4)),
    ],
)
def test_the_index_by_hand(reference: tuple[float, ...], observed: tuple[float, ...], expected: float) -> None:
    assert stability_index(array(*reference), array(*observed)) == pytest.approx(expected)
    assert stability_index(array(*observed), array(*reference)) == pytest.approx(expected)


def test_deciles_are_those_of_the_reference_and_missing_values_a_bin_of_their_own() -> None:
    reference = np.arange(1000.0)
    assert psi(reference, reference) == pytest.approx(0.0)
    # All observed values in the last of ten bins; then all missing, where the reference has none.
    last = 0.9 * math.log(10.0) + 9 * (1e-4 - 0.1) * math.log(1e-3)
    assert psi(reference, np.full(7, 999.0)) == pytest.approx(last)
    missing = (1 - 1e-4) * math.log(1e4) + 10 * (1e-4 - 0.1) * math.log(1e-3)
    assert psi(reference, np.full(7, NAN)) == pytest.approx(missing)


def test_a_new_category_and_a_missing_one_count() -> None:
    assert category_psi(array(1, 1, 2, NAN), array(NAN, 2, 1, 1)) == pytest.approx(0.0)
    assert category_psi(array(1, 1, 2, 2), array(1, 1, 1, 2)) == pytest.approx(0.25 * math.log(1.5) - 0.25 * math.log(0.5))
    assert category_psi(array(1, 2), array(1, 0)) > 1.0


@pytest.mark.parametrize(("value", "word"), [(0.05, "stable"), (0.1, "watch"), (0.2499, "watch"), (0.25, "shifted")])
def test_words_of_the_index(value: float, word: str) -> None:
    assert THRESHOLDS.stability(value) == word


def test_the_poisson_band_is_that_of_the_tables() -> None:
    # Quantiles 0.025 and 0.975 of a Poisson count with mean 100 are 81 and 120.
    assert poisson_band(100.0) == [0.81, 1.20]


def test_bands_have_equal_weight_from_the_safest_on() -> None:
    assert band_of(array(3, 1, 2, 4), array(1, 1, 1, 1), 2).tolist() == [1, 0, 0, 1]
    assert band_of(array(3, 1, 2), array(1, 8, 1), 2).tolist() == [1, 0, 1]


@pytest.mark.parametrize(("observed", "expected", "ends"), [
    # Garwood's table: none observed 0 to 3.689, one 0.0253 to 5.572, ten 4.795 to 18.39.
    (0, 10.0, (0.0, 0.3689)), (1, 1.0, (0.0253, 5.572)), (10, 10.0, (0.4795, 1.839)),
])
def test_the_exact_interval_of_a_count_is_that_of_the_tables(observed: int, expected: float, ends: tuple[float, float]) -> None:
    assert poisson_interval(observed, expected) == pytest.approx(ends, rel=1e-3)

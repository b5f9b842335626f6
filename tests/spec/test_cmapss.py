"""Remaining life: inputs look back only, the mean life of a hazard, and intervals that count every unit once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from experiments.cmapss_features import declared, health_axes, inputs
from experiments.cmapss_intervals import band_of, conformal_by_unit, exact_range, unit_quantile
from experiments.cmapss_score import mean_life


def engines(units: int = 4, cycles: int = 60, seed: int = 3) -> pd.DataFrame:
    """Return made records of two sensors that drift, and one that is noise."""
    rng = np.random.default_rng(seed)
    cycle = np.tile(np.arange(1, cycles + 1), units)
    drift = (cycle / cycles) ** 3
    return pd.DataFrame({
        "unit": np.repeat(np.arange(units), cycles), "cycle": cycle, "sensor_1": 100 + 5 * drift + rng.normal(0, 0.2, len(cycle)),
        "sensor_2": 50 - 3 * drift + rng.normal(0, 0.2, len(cycle)), "sensor_3": rng.normal(0, 9.0, len(cycle)),
    })


def test_the_first_axis_follows_the_sensors_that_drift_and_not_the_loud_one() -> None:
    axes = health_axes(engines(), axes=2)
    first = np.abs(axes.directions[:, 0])
    assert first[2] < 0.1 < first[1] < first[0]
    assert axes.share[0] > 0.7


def test_inputs_of_a_row_do_not_change_when_later_cycles_come() -> None:
    frame = engines()
    axes = health_axes(frame, axes=2)
    whole, early = inputs(frame, axes), inputs(frame.loc[frame["cycle"] <= 30], axes)
    pd.testing.assert_frame_equal(whole.loc[early.index], early)
    assert [feature.name for feature in declared([str(name) for name in whole])] == list(whole)


def test_a_slope_is_that_of_the_least_squares_line() -> None:
    frame = engines(units=1)
    axes = health_axes(engines(), axes=2)
    slope = inputs(frame, axes)["axis1_slope20"]
    value = axes.project(frame)["axis1"]
    assert slope.iloc[-1] == pytest.approx(np.polyfit(np.arange(20), value.iloc[-20:], 1)[0], rel=1e-6)
    assert slope.iloc[:4].isna().all()
    assert slope.iloc[4:].notna().all()


@pytest.mark.parametrize(
    ("margins", "life"),
    [([-800.0, -800.0], 20.0), ([800.0, 800.0], 0.0), ([0.0, 0.0], 10 * 0.5 / np.log(2) * 1.5), ([-800.0, 800.0], 10.0)],
)
def test_the_mean_life_is_the_area_under_the_survival_curve(margins: list[float], life: float) -> None:
    assert mean_life(np.array([margins]), (10, 20))[0] == pytest.approx(life, abs=0.02)


@pytest.mark.parametrize(
    ("scores", "units", "rate", "expected"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 0.8, 4.0), ([1, 2, 3, 4], [1, 2, 3, 4], 0.6, 3.0), ([1, 2, 3, 4], [1, 2, 3, 4], 0.9, np.inf),
        # A unit with many small errors weighs as much as one with a single large error.
        ([1, 1, 1, 1, 9], [1, 1, 1, 1, 2], 0.5, 9.0), ([], [], 0.5, np.inf),
    ],
)
def test_every_unit_weighs_the_same_in_the_quantile(
    scores: list[float], units: list[int], rate: float, expected: float
) -> None:
    assert unit_quantile(np.array(scores, dtype=float), np.array(units), rate) == expected


def test_intervals_of_new_units_cover_at_the_stated_rate_though_cycles_of_a_unit_go_together() -> None:
    rng = np.random.default_rng(1)
    hits = []
    for _ in range(60):
        unit = np.repeat(np.arange(80), rng.integers(1, 30, 80))
        error = rng.normal(0, 8, 80)[unit] + rng.normal(0, 2, len(unit))
        predicted = np.full(len(unit), 60.0)
        found = conformal_by_unit(predicted, predicted + error, unit, rate=0.8, edges=(0.0, 125.0))
        low, high = found.interval(np.full(200, 60.0))
        truth = 60.0 + rng.normal(0, 8, 200) + rng.normal(0, 2, 200)
        hits.append(np.mean((low <= truth) & (truth <= high)))
    assert np.mean(hits) == pytest.approx(0.8, abs=0.03)


def test_bands_hold_their_lower_edge_and_the_last_holds_what_lies_beyond() -> None:
    assert band_of(np.array([0.0, 24.9, 25.0, 125.0, 130.0]), (0.0, 25.0, 125.0)).tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize(("covered", "n", "ends"), [(90, 100, (0.8238, 0.9510)), (0, 10, (0.0, 0.3085)), (10, 10, (0.6915, 1.0))])
def test_the_exact_range_of_a_rate(covered: int, n: int, ends: tuple[float, float]) -> None:
    assert exact_range(covered, n) == pytest.approx(ends, abs=1e-4)

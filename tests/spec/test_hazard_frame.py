"""Intervals of the discrete-time hazard, as a table: (event day, observed days) -> at risk and target per interval."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from registry.errors import TrainingError
from training.task import hazard_components, hazard_frame

# Intervals (0, 7], (7, 30], (30, 90]; None: not at risk.
TABLE = [
    (None, 90.0, (0, 0, 0)),
    (None, 89.0, (0, 0, None)),
    (None, 30.0, (0, 0, None)),
    (None, 6.0, (None, None, None)),
    (0.5, 90.0, (1, None, None)),
    (7.0, 90.0, (1, None, None)),
    (7.1, 8.0, (0, 1, None)),
    (30.0, 30.0, (0, 1, None)),
    (45.0, 60.0, (0, 0, 1)),
    (90.0, 90.0, (0, 0, 1)),
    (95.0, 120.0, (0, 0, 0)),
]


@pytest.mark.parametrize(("event_day", "observed_d", "expected"), TABLE)
def test_a_row_counts_in_the_intervals_it_entered_and_was_seen_through(
    event_day: float | None, observed_d: float, expected: tuple[int | None, ...]
) -> None:
    day = math.nan if event_day is None else event_day
    (row,) = hazard_frame(pd.Series([day]), pd.Series([observed_d])).to_dict("records")
    found = tuple(int(row[f"event_{b}"]) if row[f"at_risk_{b}"] else None for b in (7, 30, 90))
    assert found == expected


@pytest.mark.parametrize(
    ("day", "observed", "horizons", "message"),
    [
        (0.0, 90.0, (7, 30), "at or before the cut-off"),
        (50.0, 40.0, (7, 30), "after the end of their observation"),
        (math.nan, math.nan, (7, 30), "no observation length"),
        (math.nan, 90.0, (30, 7), "must ascend"),
    ],
)
def test_impossible_histories_are_refused(
    day: float, observed: float, horizons: tuple[int, ...], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        hazard_frame(pd.Series([day]), pd.Series([observed]), horizons)


def test_there_is_one_component_per_interval_and_its_columns_exist() -> None:
    components = hazard_components()
    frame = hazard_frame(pd.Series([math.nan]), pd.Series([90.0]))
    assert [c.name for c in components] == ["hazard_7", "hazard_30", "hazard_90"]
    assert [c.horizon_d for c in components] == [7, 30, 90]
    assert {name for c in components for name in c.columns} == set(frame.columns)
    assert sum(c.score_weight for c in components) == pytest.approx(1.0)

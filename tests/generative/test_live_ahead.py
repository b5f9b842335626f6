"""Rows of later hours, as if driving went on, against the rows that the fold gives once it has gone on, value by value."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from features.live.duty_rows import COLUMNS
from features.live.fold import LiveFold
from features.live.layout import DRIVING, NEWEST
from tests.generative.test_live_fold import ANYTHING, DAYS
from tests.generative.test_reduction_stream import rows_of
from tests.lib.live import fed, records

GOES_ON = [(60, 80.0, 0, "", 30)] * 10
HELD = tuple(COLUMNS.index(name) for name in ("duty_speed_cv", "duty_lane_departure_n"))
"""What the last hour showed stays as it is; the rest is known beforehand."""
MINUTES = (0, 1, 15, 61, 120, 240)


@settings(max_examples=120, deadline=None)
@given(st.one_of(ANYTHING, DAYS))
def test_what_is_said_of_later_hours_comes_true_if_driving_goes_on(steps: list[tuple[Any, ...]]) -> None:
    rows = rows_of([*steps, *GOES_ON])
    n = len(rows_of(steps))
    found = records(sorted(rows[:n], key=lambda row: row["gps_time"]))
    fold = LiveFold.empty(1)
    fed(fold, found, at_once=500)
    r = fold.state.vehicle[0, NEWEST]
    if r["last_s"] != found["time_s"].max() or not r["bits"] & DRIVING or r["n_drifted"]:
        return
    cutoff = int(r["last_s"]) + 60 * np.array(MINUTES)
    instants, values = fold.rows_ahead(np.array([0]), cutoff[None, :])
    began = bool(r["run_begin_s"]) and not fold.now(int(r["last_s"]))["resting"][0]
    later, after, at = LiveFold.empty(1), records(rows[n:]), 0
    fed(later, found, at_once=500)
    compared = 0
    for k, minute in enumerate(MINUTES):
        until = int(np.searchsorted(after["time_s"], cutoff[k], side="right"))
        fed(later, after[at:until], at_once=500)
        at = until
        assert int(later.state.vehicle[0, NEWEST]["last_s"]) == cutoff[k]
        (known,), (true,) = later.duty_rows(np.array([0]))
        if not instants[0, k]:
            # Where a rest has just ended nothing is said beforehand, and an hour that is not full has no row at all.
            assert not known or not began or minute == 0
            continue
        assert known == instants[0, k] == cutoff[k]
        compared += 1
        said = values[0, k].copy()
        for place in HELD:
            said[place] = true[place]
        np.testing.assert_array_equal(said, true, err_msg=f"{minute} min")
    event(f"{compared} hours compared")


@settings(max_examples=60, deadline=None)
@given(st.one_of(ANYTHING, DAYS))
def test_the_hour_that_ends_now_is_the_row_of_now(steps: list[tuple[Any, ...]]) -> None:
    fold = LiveFold.empty(1)
    fed(fold, records(sorted(rows_of(steps), key=lambda row: row["gps_time"])), at_once=500)
    cutoff, values = fold.duty_rows()
    ahead, said = fold.rows_ahead(np.array([0]), fold.state.vehicle["last_s"][:, NEWEST:].astype(np.int64))
    if cutoff[0] and ahead[0, 0]:
        assert ahead[0, 0] == cutoff[0]
        np.testing.assert_array_equal(said[0, 0], values[0])

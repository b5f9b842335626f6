"""The live fold against the batch of the same messages, value by value, whatever they are and in whatever order they come."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from features.driving_hours import hours_from_stretches
from features.duty_ledger import duty_ledger
from features.live.duty_rows import COLUMNS
from features.live.fold import OUT_OF_ORDER, LiveFold
from features.live.layout import NEWEST, SETTLED, TALLIES, T
from features.live.positions import Refusal
from features.reduction import ALARMS, observed_stretches, reduce_days, reduce_hours
from features.segments import DRIVE, REDUCTION_RULES, STOP, Stretches, merged
from registry.duty_rules import DUTY_RULES
from tests.generative.test_reduction_stream import STEPS, rows_of
from tests.lib.live import fed, records
from tests.lib.positions import table

LEG = st.tuples(st.sampled_from([30, 60]), st.sampled_from([0.0, 55.0, 88.8, 104.0]), st.just(0), st.just(""), st.integers(1, 30))
SHIFT = st.builds(lambda leg, n: [leg] * n, LEG, st.integers(1, 14))
DAYS = st.lists(SHIFT, min_size=1, max_size=16).map(lambda shifts: [leg for shift in shifts for leg in shift])
ANYTHING = st.one_of(st.lists(STEPS, min_size=1, max_size=40), DAYS)


def in_time(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row["recv_time"])


def assert_same(ours: Stretches, batch: Stretches) -> None:
    for name in ("start_s", "end_s", "state", "spare_s"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(batch, name), err_msg=name)


@settings(max_examples=150, deadline=None)
@given(ANYTHING)
def test_stretches_are_those_of_the_batch(steps: list[tuple[Any, ...]]) -> None:
    rows = in_time(rows_of(steps))
    fold = LiveFold.empty(1)
    fed(fold, records(rows))
    assert_same(fold.stretches(0), observed_stretches(table(rows))[1])


@settings(max_examples=100, deadline=None)
@given(ANYTHING)
def test_the_tallies_of_the_last_two_days_are_rows_of_the_batch(steps: list[tuple[Any, ...]]) -> None:
    rows = in_time(rows_of(steps))
    fold = LiveFold.empty(1)
    fed(fold, records(rows))
    batch = {row["day"].toordinal() - 719_163: row for row in reduce_days(table(rows)).to_pylist()}
    last = max(batch)
    for tally in fold.state.tally[0, NEWEST]:
        if last - 1 <= tally[T["day"]] and tally[T["day"]]:
            assert_tally(dict(zip(TALLIES, tally.tolist(), strict=True)), batch[int(tally[T["day"]])])


def assert_tally(ours: dict[str, int], batch: dict[str, Any]) -> None:
    hours = {"drive_s": "drive_h", "night_s": "night_drive_h", "small_s": "h_2_5", "offline_s": "offline_h"}
    for name, column in hours.items():
        assert ours[name] / 3600 == batch[column], column
    assert ours["longest_s"] / 3600 == batch["max_cont_drive_h"]
    assert ours["overspeed_s"] / 60 == batch["overspeed_min"]
    for name in (*ALARMS, "n_harsh_brake", "n_cont_over_4h", "n_rest_20min", "n_messages"):
        assert ours[name] == batch[name], name
    stuck = ours["by_speed"] >= REDUCTION_RULES.stuck_km * 36_000 and ours["by_odometer"] < 0.5 * ours["by_speed"]
    assert (ours["by_speed"] if stuck else ours["by_odometer"]) / 36_000 == batch["distance_km"]


@settings(max_examples=60, deadline=None)
@given(DAYS)
def test_at_the_end_of_each_driving_hour_the_row_is_the_batch_s(steps: list[tuple[Any, ...]]) -> None:
    rows = sorted(rows_of(steps), key=lambda row: row["gps_time"])
    found, fold, at = records(rows), LiveFold.empty(1), 0
    hours = reduce_hours(table(rows)).to_pylist()
    compared = 0
    for hour in hours:
        cutoff = int(hour["hour_start"].timestamp()) + 3600
        until = int(np.searchsorted(found["time_s"], cutoff, side="left")) + 1
        fed(fold, found[at:until], at_once=500)
        at = until
        newest = fold.state.vehicle[0, NEWEST]
        if not 0 < newest["run_begin_s"] <= cutoff - 3600 or newest["last_s"] < cutoff:
            continue  # a rest ended the run within the hour: what is driven after it is of the next run
        compared += 1
        instant, values = fold.duty_rows(np.array([0]), np.array([cutoff]))
        assert instant.tolist() == [cutoff], hour
        assert_row(dict(zip(COLUMNS, values[0].tolist(), strict=True)), hour)
    event(f"{min(compared, 5)} hours compared")


def assert_row(ours: dict[str, float], hour: dict[str, Any]) -> None:
    for name in ("hours_since_rest_h", "cont_drive_h", "drive_h_24h", "drive_h_7d", "hours_awake_proxy_h", "longest_rest_24h_h",
                 "night_drive_h_24h", "h_2_5_7d", "n_over_4h_7d", "days_without_24h_rest", "lane_departure_n"):
        value, batch = ours[f"duty_{name}"], hour[name]
        assert (np.isnan(value) and batch is None) or value == batch, name
    assert ours["duty_clock_hour"] == (hour["clock_hour"] + 1) % 24
    # Sums of floats in another order, and the exponential of another library.
    for name in ("kss", "kss_next_hour", "safte_effectiveness", "shift_start_sd_h", "speed_cv"):
        value, batch = ours[f"duty_{name}"], hour[name]
        assert (np.isnan(value) and batch is None) or value == pytest.approx(batch, rel=1e-9, abs=1e-7), name


@settings(max_examples=100, deadline=None)
@given(ANYTHING, st.lists(st.integers(0, 590), min_size=1, max_size=50))
def test_any_order_in_which_each_comes_in_time_gives_the_same_state(steps: list[tuple[Any, ...]], delays: list[int]) -> None:
    found = records(rows_of(steps))
    straight, mixed = LiveFold.empty(1, lateness_s=600), LiveFold.empty(1, lateness_s=600)
    by_time = found[np.lexsort((found["received_us"], found["time_s"]))]
    fed(straight, by_time)
    arrival = by_time["time_s"] + np.resize(np.array(delays), len(found))
    applied = fed(mixed, by_time[np.argsort(arrival, kind="stable")])
    assert not any((part.said == Refusal.LATE).any() for part in applied)
    for copy in (SETTLED, NEWEST):
        assert straight.state.vehicle[0, copy] == mixed.state.vehicle[0, copy]
        np.testing.assert_array_equal(straight.state.tally[0, copy], mixed.state.tally[0, copy])
    assert_same(mixed.stretches(0), straight.stretches(0))
    # How far beyond the hour messages are kept depends on when room was needed.
    n = min(len(mixed.messages(0)), len(straight.messages(0)))
    np.testing.assert_array_equal(mixed.messages(0)[-n:], straight.messages(0)[-n:])


@settings(max_examples=100, deadline=None)
@given(ANYTHING, st.integers(0, 90))
def test_limits_are_those_of_the_ledger_to_the_second(steps: list[tuple[Any, ...]], beyond: int) -> None:
    rows = in_time(rows_of(steps))
    fold = LiveFold.empty(1)
    fed(fold, records(rows))
    newest = fold.state.vehicle[0, NEWEST]
    last = int(newest["last_s"])
    past = observed_stretches(table(rows))[1]
    if beyond:
        going = DRIVE if newest["bits"] & 4 else STOP
        past = merged(Stretches(
            np.zeros(len(past) + 1, np.int64), np.r_[past.start_s, last], np.r_[past.end_s, last + beyond],
            np.r_[past.state, going].astype(np.int8), np.r_[past.spare_s, 0],
        ))
    ledger = duty_ledger(past, DUTY_RULES, last + beyond)
    for entry, ours in zip(ledger.entries, fold.limits(last + beyond, DUTY_RULES, np.array([0]))[0], strict=True):
        told = (entry.used_s, entry.remaining_s, entry.reached_s, entry.unobserved_s, entry.complete)
        assert told == tuple(ours.tolist()), entry.rule.rule_id
    now = fold.now(last + beyond)[0]
    assert (now["at_s"], now["cont_s"]) == (last + beyond, ledger.entry("continuous_4h").used_s)
    assert now["drive_7d_s"] == ledger.entry("passenger_7d").used_s


def test_a_row_between_full_hours_is_the_batch_s_of_an_hour_that_begins_there() -> None:
    rows = rows_of([(30, 70.0, 0, "", 30)] * 16 + [(30, 0.0, 0, "", 30)] * 30 + [(30, 66.0, 0, "", 30)] * 11)
    fold = LiveFold.empty(1)
    fed(fold, records(rows))
    cutoff, values = fold.duty_rows()
    stretches = observed_stretches(table(rows))[1]
    hours = hours_from_stretches(stretches)
    assert cutoff[0] == stretches.end_s[-1]
    assert cutoff[0] not in hours.start_s + 3600
    ours = dict(zip(COLUMNS, values[0].tolist(), strict=True))
    assert ours["duty_cont_drive_h"] == (cutoff[0] - 3600 - stretches.start_s[-1]) / 3600


def test_what_comes_out_of_order_too_late_and_twice_is_told_apart() -> None:
    found = records(rows_of([(30, 60.0, 0, "", 30)] * 8))
    fold = LiveFold.empty(1, lateness_s=600)
    order = np.r_[1:5, 6:20, 5, 19, 20:240, 0, 41]
    said = np.concatenate([part.said for part in fed(fold, found[order])])
    assert said[18:20].tolist() == [OUT_OF_ORDER, Refusal.DUPLICATE]
    assert said[-2:].tolist() == [Refusal.LATE, Refusal.DUPLICATE]
    assert fold.counts == {"folded": 239, "duplicate": 2, "late": 1, "out_of_order": 1, "drifted": 0}


def test_eight_days_are_kept_and_what_was_before_is_carried() -> None:
    rows = rows_of([step for _ in range(30) for step in [(30, 60.0, 0, "", 30)] * 16 + [(20_000, 0.0, 0, "", 1)] * 4])
    fold = LiveFold.empty(1)
    fed(fold, records(rows), at_once=1000)
    stretches = observed_stretches(table(rows))[1]
    assert 0 < len(fold.stretches(0)) < len(stretches)
    last = int(stretches.end_s[-1])
    ledger = duty_ledger(stretches, DUTY_RULES, last)
    limits = fold.limits(last, DUTY_RULES, np.array([0]))[0]
    assert [entry.used_s for entry in ledger.entries] == limits["used_s"].tolist()

"""Rows in, numbers out: what positions are reduced to, worked out by hand."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from features.duty_ledger import Breach, duty_ledger
from features.reduction import observed_stretches, reduce_days, reduce_hours, stretch_days
from features.segments import seconds_in_window, stretches_of
from registry.duty_rules import rule_named
from registry.errors import DataError
from registry.resources.reductions import DRIVING_HOUR, VEHICLE_DAY
from tests.lib.positions import MIDNIGHT, SOUTH_DEG_PER_KM, Leg, at, drive, message, table

NIGHT_RUN = [Leg("21:00", "25:30", 80), Leg("25:30", "25:50", 0), Leg("25:50", "27:00", 60)]


def days(rows: list[dict[str, Any]], **options: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = reduce_days(table(rows), **options).to_pylist()
    return listed


CASES: list[tuple[str, list[Leg], list[dict[str, float]]]] = [
    ("four hours and no more", [Leg("06:00", "10:00", 60)],
     [{"drive_h": 4.0, "max_cont_drive_h": 4.0, "n_cont_over_4h": 0, "distance_km": 240.0, "n_rest_20min": 0,
       "p95_speed_kmh": 60.0, "n_messages": 481}]),
    ("half a minute more", [Leg("06:00", "10:00:30", 60)], [{"n_cont_over_4h": 1}]),
    ("a stop of 19 min 30 s ends nothing", [Leg("06:00", "08:00", 60), Leg("08:00", "08:19:30", 0), Leg("08:19:30", "10:30", 60)],
     [{"max_cont_drive_h": 2.0 + 2.0 + 10.5 / 60.0, "n_cont_over_4h": 1, "n_rest_20min": 0}]),
    ("a stop of 20 min is a rest", [Leg("06:00", "08:00", 60), Leg("08:00", "08:20", 0), Leg("08:20", "10:20", 60)],
     [{"max_cont_drive_h": 2.0, "n_cont_over_4h": 0, "n_rest_20min": 1, "drive_h": 4.0}]),
    ("a stop of 5 h ends the shift and is no break",
     [Leg("06:00", "07:00", 60), Leg("07:00", "12:00", 0), Leg("12:00", "13:00", 60)],
     [{"n_rest_20min": 0, "max_cont_drive_h": 1.0}]),
    ("through midnight", NIGHT_RUN,
     [{"drive_h": 3.0, "night_drive_h": 2.0, "h_2_5": 0.0, "max_cont_drive_h": 3.0, "n_cont_over_4h": 0, "distance_km": 240.0},
      {"drive_h": 1.5 + 70.0 / 60.0, "night_drive_h": 1.5 + 70.0 / 60.0, "h_2_5": 1.0, "max_cont_drive_h": 4.5,
       "n_cont_over_4h": 1, "n_rest_20min": 1, "distance_km": 120.0 + 70.0}]),
    ("a short silence is off line and neither driving nor rest",
     [Leg("06:00", "08:00", 60), Leg("08:00", "08:30", 60, silent=True), Leg("08:30", "10:30", 60)],
     [{"drive_h": 4.0 - 30 / 3600, "offline_h": 0.5 + 30 / 3600, "max_cont_drive_h": 4.0 - 30 / 3600, "distance_km": 270.0}]),
    ("a long silence could hold a rest",
     [Leg("06:00", "08:00", 60), Leg("08:00", "09:00", 60, silent=True), Leg("09:00", "11:00", 60)],
     [{"offline_h": 1.0 + 30 / 3600, "max_cont_drive_h": 2.0, "n_rest_20min": 0, "distance_km": 300.0}]),
    ("a silence in which nothing moved is a stop",
     [Leg("06:00", "07:00", 60), Leg("07:00", "07:01", 0), Leg("07:01", "07:30", 0, silent=True), Leg("07:30", "08:30", 60)],
     [{"offline_h": 0.0, "n_rest_20min": 1, "max_cont_drive_h": 1.0, "drive_h": 2.0}]),
    ("speeding counts from 60 s", [Leg("06:00", "06:10", 90), Leg("06:10", "06:10:30", 110), Leg("06:10:30", "06:20", 90),
                                   Leg("06:20", "06:21", 110), Leg("06:21", "06:30", 90)], [{"overspeed_min": 1.0}]),
]


@pytest.mark.parametrize(("legs", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_timetable_gives_its_days(legs: list[Leg], expected: list[dict[str, float]]) -> None:
    found = days(drive(legs))
    assert len(found) == len(expected)
    for row, wanted in zip(found, expected, strict=True):
        assert {name: row[name] for name in wanted} == pytest.approx(wanted, abs=1e-9)


def test_the_columns_are_the_declared_ones() -> None:
    rows = table(drive([Leg("06:00", "09:00", 60)]))
    assert reduce_days(rows).column_names == [column.id for column in VEHICLE_DAY.columns]
    assert reduce_hours(rows).column_names == [column.id for column in DRIVING_HOUR.columns]


def test_order_duplicates_and_drift_change_nothing_but_the_count_of_messages() -> None:
    rows = drive(NIGHT_RUN)
    noisy = [*rows, *(dict(row, recv_time=row["recv_time"] + timedelta(hours=1), speed_kmh=3.3) for row in rows[::7])]
    for n in (11, 200, 201, 430):
        noisy[n] = dict(noisy[n], lat_deg=noisy[n]["lat_deg"] + 0.1)
    random.Random(1).shuffle(noisy)
    assert days(noisy) == days(rows)


def test_a_terminal_that_stays_elsewhere_is_believed_after_five_messages() -> None:
    rows = drive([Leg("06:00", "07:00", 60)])
    moved = [row if n < 50 else dict(row, lon_deg=row["lon_deg"] + 3.0) for n, row in enumerate(rows)]
    row = days(moved)[0]
    assert row["offline_h"] == pytest.approx((5 + 1) * 30 / 3600)
    assert row["drive_h"] == pytest.approx(1.0 - (5 + 1) * 30 / 3600)


def test_distance_survives_a_reset_and_a_stuck_odometer() -> None:
    rows = drive([Leg("06:00", "08:00", 60)])
    reset = [dict(row, odometer_km=row["odometer_km"] - (1000.0 if n >= 100 else 0.0)) for n, row in enumerate(rows)]
    stuck = [dict(row, odometer_km=1000.0) for row in rows]
    unknown = [dict(row, odometer_km=None) for row in rows]
    for changed in (reset, stuck, unknown):
        assert days(changed)[0]["distance_km"] == pytest.approx(120.0, abs=1e-9)


def test_alarms_count_once_however_many_messages_carry_them() -> None:
    rows = drive([Leg("06:00", "07:00", 60)])
    for n, bit in ((10, 2), (11, 14), (20, 18), (30, 1), (31, 1), (32, 13), (40, 29)):
        rows[n]["alarm_bits"] = 1 << bit
    row = days(rows)[0]
    assert (row["n_alarm_fatigue"], row["n_alarm_speed"], row["n_alarm_collision"]) == (2, 1, 1)


def test_a_harsh_brake_needs_messages_near_each_other() -> None:
    rows = drive([Leg("06:00", "07:00", 80)])
    second = at("06:30:00")
    rows += [message(second + 3, 58.0, 40.05), message(second + 6, 36.0, 40.08)]
    assert days(rows)[0]["n_harsh_brake"] == 1
    assert days(drive([Leg("06:00", "07:00", 80), Leg("07:00", "07:10", 0)]))[0]["n_harsh_brake"] == 0


def test_ignition_off_and_walking_pace_are_no_driving() -> None:
    towed = drive([Leg("06:00", "07:00", 60)], status_bits=0b10)
    crawling = drive([Leg("06:00", "07:00", 2.9)])
    assert [days(rows)[0]["drive_h"] for rows in (towed, crawling)] == [0.0, 0.0]
    assert days(crawling)[0]["p95_speed_kmh"] is None


def test_the_cap_is_that_of_the_class() -> None:
    rows = drive([Leg("06:00", "07:00", 85)])
    caps = {("赣A12345", "2"): 80.0}
    assert [days(rows)[0]["overspeed_min"], days(rows, speed_caps=caps)[0]["overspeed_min"]] == [0.0, 60.0]


def test_pseudonyms_do_for_a_key_and_nothing_else_does() -> None:
    rows = table(drive([Leg("06:00", "07:00", 60)]))
    stored = rows.drop_columns(["plate_no", "plate_color"])
    by_pseudonym = reduce_days(stored.append_column("plate_id", pa.array(["x"] * len(rows))))
    assert by_pseudonym.column_names[:2] == ["plate_id", "day"]
    with pytest.raises(DataError, match="without a vehicle"):
        reduce_days(stored)
    with pytest.raises(DataError, match="without odometer_km"):
        reduce_days(rows.drop_columns(["odometer_km"]))


def test_no_messages_give_no_rows() -> None:
    none = table(drive([Leg("06:00", "07:00", 60)])).slice(0, 0)
    assert len(reduce_days(none)) == len(reduce_hours(none)) == 0


def test_hours_follow_one_another_from_the_end_of_a_rest() -> None:
    legs = [Leg("06:00", "08:40", 60), Leg("08:40", "09:10", 0), Leg("09:10", "10:10", 60), Leg("10:10", "11:00", 0)]
    rows = drive(legs)
    event = {"plate_no": "赣A12345", "plate_color": "2", "event_time": MIDNIGHT + timedelta(hours=7, minutes=30)}
    found = reduce_hours(table(rows), verified_events=pa.Table.from_pylist([event])).to_pylist()
    start = [(row["hour_start"] - MIDNIGHT).total_seconds() / 3600 for row in found]
    assert start == pytest.approx([6.0, 7.0, 8.0, 9.0 + 10 / 60])  # the third has 40 minutes of driving
    assert [row["cont_drive_h"] for row in found] == [0.0, 1.0, 2.0, 0.0]
    assert [row["drive_h_24h"] for row in found] == pytest.approx([0.0, 1.0, 2.0, 2.0 + 40 / 60])
    assert [row["hours_since_rest_h"] for row in found] == [0.0, 1.0, 2.0, 0.0]
    assert [row["fatigue_event"] for row in found] == [False, True, False, False]
    assert [row["clock_hour"] for row in found] == [6, 7, 8, 9]
    assert {row["kss"] for row in found} == {None}


def test_without_verification_the_outcome_is_unknown_and_an_open_hour_is_not_there() -> None:
    found = reduce_hours(table(drive([Leg("06:00", "07:30", 60)]))).to_pylist()
    assert [row["fatigue_event"] for row in found] == [None]


def test_a_long_stop_gives_sleepiness_and_a_silence_that_could_hide_one_takes_it_away() -> None:
    quiet = [Leg("18:00", "19:00", 60), Leg("19:00", "30:00", 0, silent=True), Leg("30:00", "31:00", 60), Leg("31:00", "31:30", 0)]
    rows = [*drive(quiet[:1]), *(row for row in drive(quiet) if row["gps_time"] >= MIDNIGHT + timedelta(hours=30))]
    night = reduce_hours(table(rows)).to_pylist()[-1]
    assert night["longest_rest_24h_h"] == 11.0
    assert night["hours_awake_proxy_h"] == 0.0
    assert night["kss"] == pytest.approx(4.4, abs=0.3)
    assert night["kss"] - 0.8 < night["kss_next_hour"] < night["kss"]  # from half past six to half past seven the body clock rises
    assert 85.0 < night["safte_effectiveness"] < 100.0
    moved = [
        dict(row, lat_deg=row["lat_deg"] - 50 * SOUTH_DEG_PER_KM, odometer_km=row["odometer_km"] + 50)
        if row["gps_time"] >= MIDNIGHT + timedelta(hours=30) else row for row in rows
    ]
    assert reduce_hours(table(moved)).to_pylist()[-1]["kss"] is None


def test_positions_give_the_ledger() -> None:
    _, stretches = observed_stretches(table(drive(NIGHT_RUN)))
    midnight = int(MIDNIGHT.timestamp())
    ledger = duty_ledger(stretches, [rule_named("continuous_4h"), rule_named("coach_2_to_5")], midnight + at("27:00"))
    assert ledger.entry("continuous_4h").first_breach_s == midnight + at("25:00")
    assert ledger.entry("continuous_4h").used_s == 4200
    assert ledger.entry("coach_2_to_5").breaches == (Breach(midnight + at("26:00"), midnight + at("27:00")),)


def test_a_plan_gives_the_days_of_its_messages() -> None:
    midnight = int(MIDNIGHT.timestamp())
    start, end = ([midnight + at(clock) for clock in clocks] for clocks in (("21:00", "25:50"), ("25:30", "27:00")))
    _, day, columns = stretch_days(stretches_of([0, 0], start, end, [1, 1]))
    rows = days(drive(NIGHT_RUN))
    assert len(day) == len(rows)
    for name, values in columns.items():
        assert list(values) == [row[name] for row in rows]


def test_a_window_of_the_night_wraps_midnight() -> None:
    midnight = int(MIDNIGHT.timestamp())
    start, end = np.array([midnight + at("20:00")]), np.array([midnight + at("31:00")])
    assert seconds_in_window(start, end, 22, 6)[0] == 8 * 3600
    assert seconds_in_window(start, end, 2, 5)[0] == 3 * 3600


def test_stretches_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        stretches_of([0, 0], [0, 5], [10, 20], [1, 1])

"""Message by message or all at once: the same vehicle-days, whatever the messages are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from features.reduction import reduce_days
from features.reduction_stream import DayReducer
from tests.lib.positions import MIDNIGHT, SOUTH_DEG_PER_KM, as_messages, table

STEPS = st.tuples(
    st.sampled_from([1, 5, 30, 30, 30, 60, 90, 91, 120, 1200, 1230, 20_000]),  # seconds since the message before
    st.sampled_from([0.0, 2.9, 3.0, 60.0, 80.0, 100.1, 120.0, None]),
    st.sampled_from([0, 0, 0, 1 << 1, 1 << 2, 1 << 29]),
    st.sampled_from(["", "", "", "", "", "drift", "reset", "no fix", "no odometer", "acc off", "twice", "late"]),
    st.integers(1, 30),  # repeated so often
)


def rows_of(steps: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    second, km, reset = 20 * 3600, 0.0, 0.0
    for gap, speed, alarm, event, times in steps:
        for n in range(times if gap <= 90 else 1):
            second += gap
            km += (speed or 0.0) * gap / 3600.0
            special = event if n == 0 else ""
            reset = km if special == "reset" else reset
            sent = MIDNIGHT + timedelta(seconds=second)
            row = {
                "plate_no": "赣A12345", "plate_color": "2", "gps_time": sent,
                "recv_time": sent + timedelta(seconds=400 if special == "late" else 2), "lon_deg": 115.9,
                "lat_deg": 28.7 - km * SOUTH_DEG_PER_KM + (0.3 if special == "drift" else 0.0), "speed_kmh": speed,
                "vec2_kmh": None, "odometer_km": None if special == "no odometer" else round(km - reset, 1),
                "status_bits": (0 if special == "acc off" else 1) | (0 if special == "no fix" else 2), "alarm_bits": alarm,
                "warn_type": None,
            }
            rows.append(row)
            if special == "twice":
                rows.append(dict(row, speed_kmh=44.0, recv_time=row["recv_time"] + timedelta(seconds=9)))
    return rows


@settings(max_examples=120, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=40))
def test_the_stream_gives_the_rows_of_the_batch(steps: list[tuple[Any, ...]]) -> None:
    rows = sorted(rows_of(steps), key=lambda row: row["recv_time"])
    state = DayReducer()
    streamed = [row for message in as_messages(rows) for row in state.feed(message)]
    streamed += state.close()
    batch = reduce_days(table(rows)).drop_columns(["plate_no", "plate_color"]).to_pylist()
    assert state.late == 0
    assert streamed == batch


def test_what_comes_too_late_is_counted_and_left_to_the_batch() -> None:
    rows = rows_of([(30, 60.0, 0, "", 30)] * 2)
    messages = as_messages(rows)
    state = DayReducer(lateness_s=60)
    for message in [*messages[1:], messages[0]]:
        assert state.feed(message) == []
    assert state.late == 1
    assert state.close()[0]["n_messages"] == len(rows) - 1

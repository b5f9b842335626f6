"""Position messages for tests: written as a timetable, turned into rows of `vehicle_location`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from features.reduction_stream import Message

MIDNIGHT = datetime(2026, 3, 1, 16, 0, tzinfo=UTC)
"""Local midnight of 2026-03-02."""
ON, OFF = 0b11, 0b10
SOUTH_DEG_PER_KM = 1.0 / 111.1949


@dataclass(frozen=True)
class Leg:
    """What a terminal reports from one local clock to another, a message every 30 s.

    Parameters
    ----------
    start, end
        "HH:MM" or "HH:MM:SS" after the first midnight; hours may exceed 24.
    speed_kmh
        Speed throughout.
    silent
        No messages, but the vehicle moves.
    """

    start: str
    end: str
    speed_kmh: float
    silent: bool = False


def at(clock: str) -> int:
    """Return seconds after the first midnight."""
    parts = [int(part) for part in clock.split(":")]
    return parts[0] * 3600 + parts[1] * 60 + (parts[2] if len(parts) > 2 else 0)


def message(second: int, speed_kmh: float | None, km: float, **other: Any) -> dict[str, Any]:
    """Return one row; the vehicle drives south from Nanchang."""
    sent = MIDNIGHT + timedelta(seconds=second)
    row = {
        "plate_no": "赣A12345", "plate_color": "2", "gps_time": sent, "recv_time": sent + timedelta(seconds=2),
        "lon_deg": 115.9, "lat_deg": 28.7 - km * SOUTH_DEG_PER_KM, "speed_kmh": speed_kmh, "vec2_kmh": None,
        "odometer_km": 1000.0 + km, "status_bits": ON if speed_kmh else OFF, "alarm_bits": 0, "warn_type": None,
    }
    return row | other


def drive(legs: Sequence[Leg], **other: Any) -> list[dict[str, Any]]:
    """Return the messages of successive legs, and a last one that stands."""
    rows, km = [], 0.0
    for leg in legs:
        for second in range(at(leg.start), at(leg.end), 30):
            if not leg.silent:
                rows.append(message(second, leg.speed_kmh, km, **other))
            km += leg.speed_kmh / 120.0
    rows.append(message(at(legs[-1].end), 0.0, km, **other))
    return rows


def table(rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Return rows as they are delivered."""
    kinds = {
        "gps_time": pa.timestamp("us", tz="UTC"), "recv_time": pa.timestamp("us", tz="UTC"), "status_bits": pa.int64(),
        "alarm_bits": pa.int64(), "plate_no": pa.string(), "plate_color": pa.string(), "warn_type": pa.string(),
    }
    listed = list(rows)
    return pa.table({
        name: pa.array([row[name] for row in listed], kinds.get(name, pa.float64())) for name in message(0, 0.0, 0.0)
    })


def as_messages(rows: Iterable[dict[str, Any]]) -> list[Message]:
    """Return rows as the stream takes them."""
    return [
        Message(
            time_s=int(row["gps_time"].timestamp()), received_us=round(row["recv_time"].timestamp() * 1e6),
            speed_kmh=row["speed_kmh"], lon_deg=row["lon_deg"], lat_deg=row["lat_deg"], odometer_km=row["odometer_km"],
            status_bits=row["status_bits"], alarm_bits=row["alarm_bits"],
        )
        for row in rows
    ]



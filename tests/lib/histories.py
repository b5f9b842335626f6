"""Small histories of one made-up resource, written through the real warehouse and read at cut-offs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from features.engine import connect
from features.known import Known, open_known
from features.warehouse import Warehouse

RESOURCE = "history"
START = datetime(2026, 1, 27, tzinfo=UTC)
"""Day 5 begins a month: windows and histories lie on both sides of it."""
BEGIN = START - timedelta(days=60)
"""When deliveries begin."""


@dataclass(frozen=True)
class Version:
    """One delivered version of a row; times are days after `START`."""

    row_id: str
    event: float
    arrival: float
    withdrawn: bool = False
    value: int = 0
    key: str = "k"


def instant(day: float) -> datetime:
    """Return the instant so many days after the start, to the second."""
    return START + timedelta(seconds=round(day * 86_400))


def day_of(moment: datetime) -> float:
    """Return days after the start."""
    return (moment - START).total_seconds() / 86_400


@contextmanager
def known_of(versions: Sequence[Version], cutoffs: Sequence[float], *, backend: Any = None) -> Iterator[Known]:
    """Deliver each version by itself, in the order given, and open the warehouse at cut-offs (days)."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(Path(folder) / "warehouse")
        for number, version in enumerate(versions):
            deliver(warehouse, [version], f"d{number:04d}")
        engine = backend or connect(threads=1, memory_limit="512MB", spill_dir=Path(folder) / "spill")
        yield open_known(engine, warehouse, [RESOURCE], [instant(day) for day in cutoffs], BEGIN)


def deliver(warehouse: Warehouse, versions: Sequence[Version], delivery_id: str) -> None:
    """Commit one delivery of these versions."""
    utc = pa.timestamp("us", tz="UTC")
    last = max((instant(version.arrival) for version in versions), default=START).isoformat()
    table = pa.table({
        "key": pa.array([version.key for version in versions], pa.string()),
        "value": pa.array([version.value for version in versions], pa.int64()),
        "row_id": pa.array([version.row_id for version in versions], pa.string()),
        "arrived_at": pa.array([instant(version.arrival) for version in versions], utc),
        "withdrawn": pa.array([version.withdrawn for version in versions], pa.bool_()),
        "event_time": pa.array([instant(version.event) for version in versions], utc),
        "delivery_id": pa.array([delivery_id] * len(versions), pa.string()),
    })
    manifest = {
        "resource": RESOURCE, "delivery_id": delivery_id, "source": "test", "rows": len(versions), "quarantined": 0,
        "first_event": "", "last_event": "", "last_arrival": last, "complete_until": last, "null_share": {},
    }
    warehouse.commit(table, manifest, ())


def seen(known: Known, *, days: int | None = None) -> list[tuple[float, str, int]]:
    """Return (cut-off, row, value) of what is known, in order."""
    rows = known.at_cutoffs(RESOURCE, ["row_id", "value"], days=days).to_pyarrow().to_pylist()
    return sorted((day_of(row["cutoff"]), row["row_id"], row["value"]) for row in rows)


def states(known: Known) -> list[tuple[float, str, int]]:
    """Return (cut-off, key, value) of the latest known rows, in order."""
    rows = known.state(RESOURCE, "key", ["value"]).to_pyarrow().to_pylist()
    return sorted((day_of(row["cutoff"]), row["key"], row["value"]) for row in rows)

"""Declared resources filled with a few made-up versions of rows, as a warehouse would hold them; times are days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from features.known import Known, open_known
from features.warehouse import Warehouse
from registry.resources import RESOURCES
from tests.lib.histories import BEGIN, instant

UTC = pa.timestamp("us", tz="UTC")
ARROW = {"string": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "date": pa.date32(), "timestamp": UTC}


@dataclass(frozen=True)
class Row:
    """One delivered version of a row of a resource."""

    row_id: str
    event: float
    arrival: float
    values: Mapping[str, Any] = field(default_factory=dict)
    withdrawn: bool = False


def opened(folder: Path, backend: Any, rows: Mapping[str, Sequence[Row]], cutoffs: Sequence[float]) -> Known:
    """Write each resource as one delivery, whose versions count in the order given, and open it at cut-offs."""
    warehouse = Warehouse(folder)
    for resource_id, versions in rows.items():
        _deliver(warehouse, resource_id, versions)
    return open_known(backend, warehouse, list(rows), [instant(day) for day in cutoffs], BEGIN)


def in_force(rows: Sequence[Row], cutoff: float) -> list[Row]:
    """Return the versions known at a cut-off, read slowly: arrived last, not withdrawn, happened before."""
    newest: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row.arrival):
        if row.arrival <= cutoff:
            newest[row.row_id] = row
    return [row for row in newest.values() if not row.withdrawn and row.event < cutoff]


def _deliver(warehouse: Warehouse, resource_id: str, rows: Sequence[Row]) -> None:
    resource = RESOURCES[resource_id]
    types = {column.id: ARROW[column.dtype] for column in resource.warehouse_columns()}
    types |= {pseudonym.id: pa.string() for pseudonym in resource.pseudonyms}
    columns = {name: pa.array([row.values.get(name) for row in rows], kind) for name, kind in types.items()}
    columns |= {
        "row_id": pa.array([row.row_id for row in rows], pa.string()),
        "arrived_at": pa.array([instant(row.arrival) for row in rows], UTC),
        "withdrawn": pa.array([row.withdrawn for row in rows], pa.bool_()),
        "event_time": pa.array([instant(row.event) for row in rows], UTC),
        "delivery_id": pa.array([f"d{number:05d}" for number in range(len(rows))], pa.string()),
    }
    last = max((instant(row.arrival) for row in rows), default=BEGIN).isoformat()
    warehouse.commit(pa.table(columns), {
        "resource": resource_id, "delivery_id": "made", "source": "test", "rows": len(rows), "quarantined": 0,
        "first_event": last, "last_event": last, "last_arrival": last, "complete_until": last, "null_share": {},
    }, ())

"""A few rows of declared resources, written through the real warehouse as the door would leave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import pyarrow as pa

from features.contracts import ARROW_TYPES
from features.warehouse import Warehouse
from registry.resources import RESOURCES
from registry.working_days import SHANGHAI

Rows = Sequence[Mapping[str, Any]]


def local(text: str) -> datetime:
    """Return an instant of Shanghai, from a day or a time in ISO 8601."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


def deliver_rows(warehouse: Warehouse, resource_id: str, rows: Rows, delivery_id: str) -> None:
    """Commit rows of a resource; each names `row_id` and `arrived_at`, and what it leaves out is null."""
    resource = RESOURCES[resource_id]
    columns = {column.id: ARROW_TYPES[column.dtype] for column in resource.warehouse_columns()}
    columns |= {entry.id: pa.string() for entry in resource.pseudonyms}
    columns |= {"row_id": pa.string(), "arrived_at": ARROW_TYPES["timestamp"]}
    arrays = {name: pa.array([row.get(name) for row in rows], kind) for name, kind in columns.items()}
    events = [_event(row[resource.event_time]) for row in rows]
    table = pa.table({
        **arrays, "withdrawn": pa.array([row.get("withdrawn", False) for row in rows]),
        "event_time": pa.array(events, ARROW_TYPES["timestamp"]),
        "delivery_id": pa.array([delivery_id] * len(rows)),
    })
    last = max(row["arrived_at"] for row in rows).isoformat()
    warehouse.commit(table, {
        "resource": resource_id, "delivery_id": delivery_id, "source": "test", "rows": len(rows), "quarantined": 0,
        "first_event": min(events).isoformat(), "last_event": max(events).isoformat(), "last_arrival": last,
        "complete_until": last, "null_share": {},
    }, ())


def _event(value: date) -> datetime:
    return value if isinstance(value, datetime) else datetime.combine(value, time(), SHANGHAI).astimezone(UTC)

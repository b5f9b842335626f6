"""A warehouse to which one correction has been added; the original stays as it is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.warehouse import Warehouse
from registry.settings import Settings

HOURS_AROUND = 24
CASES = "enforcement_case"


def with_correction(
    warehouse: Warehouse, resources: Iterable[str], folder: Path, *, resource: str, column: str, plus: float,
    happened: datetime, arrives: datetime,
) -> tuple[dict[str, Any], Warehouse]:
    """Return a row of a resource that happened about then, and a warehouse with its correction, which arrives later."""
    for name in resources:
        for path in warehouse.files(name):
            for source in (path, path.with_suffix(".json")):
                target = folder / source.relative_to(warehouse.root)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(source.absolute())
    corrected = Warehouse(folder)
    row = _row(warehouse, resource, happened)
    changed = row | {column: row[column] + plus, "arrived_at": arrives, "delivery_id": "correction"}
    table = pa.Table.from_pylist([changed], schema=_schema(warehouse, resource))
    text = arrives.isoformat()
    corrected.commit(table, {
        "resource": resource, "delivery_id": "correction", "source": "test", "rows": 1, "quarantined": 0,
        "first_event": row["event_time"].isoformat(), "last_event": row["event_time"].isoformat(), "last_arrival": text,
        "complete_until": text, "null_share": {},
    }, ())
    return row, corrected


def _row(warehouse: Warehouse, resource: str, happened: datetime) -> dict[str, Any]:
    for path in warehouse.files(resource):
        table = pq.ParquetFile(path).read()
        near = pc.less(pc.abs(pc.hours_between(table["event_time"], happened)), HOURS_AROUND)
        found = table.filter(near)
        if len(found):
            chosen: dict[str, Any] = found.slice(0, 1).to_pylist()[0]
            return chosen
    raise AssertionError(f"nothing of {resource} happened about {happened}")


def _schema(warehouse: Warehouse, resource: str) -> pa.Schema:
    return pq.read_schema(warehouse.files(resource)[0])


def operator_with_cases(settings: Settings, as_of: datetime) -> tuple[str, list[dict[str, Any]]]:
    """Return a credit code and its two decided cases of the last months, as the supplier holds them."""
    tables = [pq.read_table(path) for path in sorted((settings.outbox_dir / CASES).glob("*.parquet"))]
    rows = pa.concat_tables(tables, promote_options="default").sort_by("arrived_at").to_pylist()
    newest = {row["row_id"]: row for row in rows if row["arrived_at"] <= as_of}
    fined: dict[str, list[dict[str, Any]]] = {}
    for row in newest.values():
        recent = row["illegal_time"] > as_of - timedelta(days=300)
        if recent and row["uscc"] and row["state"] in ("3", "4") and not row["not_punish"] and not row["withdrawn"]:
            fined.setdefault(row["uscc"], []).append(row)
    uscc = min(uscc for uscc, cases in fined.items() if len(cases) == 2)
    return uscc, fined[uscc]

"""The check that no feature knows the future: what arrives after a cut-off may change nothing at it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.engine import connect
from features.families.base import Family
from features.known import Known, open_known
from features.warehouse import DeliveryManifest, Warehouse

HISTORY_D = 600
"""Days for which deliveries had come by then: as long as any window and more."""


def until(warehouse: Warehouse, resources: Sequence[str], instant: datetime, folder: Path) -> Warehouse:
    """Write what had arrived by an instant as a warehouse of its own."""
    for resource_id in resources:
        for delivery, path in _by_file(warehouse, resource_id):
            table = pq.read_table(path)
            kept = table.filter(pc.less_equal(table["arrived_at"], instant))
            target = folder / path.relative_to(warehouse.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(kept, target)
            target.with_suffix(".json").write_text(json.dumps(asdict(replace(delivery, rows=len(kept)))))
    return Warehouse(folder)


def seen_at(family: Family, known: Known, instant: datetime) -> pd.DataFrame:
    """Return the family's rows that a reader at an instant would see, in order."""
    table = family.expression(known)
    created = table.created if "created" in table.columns else table.cutoff
    chosen = table.select(family.entity.id_column, "cutoff", *family.links, *family.names, seen_from=created)
    frame = chosen.filter((chosen.cutoff <= instant) & (chosen.seen_from <= instant)).to_pandas()
    order = [family.entity.id_column, "cutoff", "seen_from"]
    return frame.sort_values(order, kind="stable").reset_index(drop=True)


def leaks(families: Sequence[Family], whole: Warehouse, instant: datetime, folder: Path) -> dict[str, list[str]]:
    """Return family -> columns that differ between the whole warehouse and one that ends at the instant.

    The whole one is read as a build reads it, at a later cut-off beside this one.
    """
    resources = list(dict.fromkeys(resource for family in families for resource in family.resources))
    cut = until(whole, resources, instant, folder / "cut")
    later, start = instant + timedelta(days=31), instant - timedelta(days=HISTORY_D)
    with_future = open_known(_engine(folder), whole, resources, [instant, later], start)
    without = open_known(_engine(folder), cut, resources, [instant], start)
    found = {}
    for family in families:
        full, known = seen_at(family, with_future, instant), seen_at(family, without, instant)
        assert len(known), f"{family.id} has no row at {instant}: the check would prove nothing"
        differing = _differing(full, known)
        if differing:
            found[family.id] = differing
    return found


def _engine(folder: Path) -> Any:
    return connect(threads=1, memory_limit="1GB", spill_dir=folder / "spill")


def _differing(full: pd.DataFrame, known: pd.DataFrame) -> list[str]:
    if len(full) != len(known):
        return [f"rows: {len(full)} with the future, {len(known)} without"]
    return [name for name in full.columns if not full[name].equals(known[name])]


def _by_file(warehouse: Warehouse, resource_id: str) -> list[tuple[DeliveryManifest, Path]]:
    paths = {path.stem: path for path in warehouse.files(resource_id)}
    return [(delivery, paths[delivery.delivery_id]) for delivery in warehouse.deliveries(resource_id)]

"""Does a feature know the future? Every value at a cut-off, from the whole warehouse and from one that ends at the cut-off.

What arrived later may change nothing: not by its own rows, not by the corrections and withdrawals that it brings. So each
family is computed twice, once with the future beside it and once from a copy of the warehouse in which no row has an arrival
after the cut-off, and the two are compared value by value.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.engine import connect
from features.families.base import Family
from features.known import open_known
from features.warehouse import DeliveryManifest, Warehouse
from registry.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from features.known import Known

HISTORY_D: Final = 600
"""Days of deliveries behind the cut-off unless told otherwise: rates are divided by what was observed of their window."""
FUTURE_D: Final = 31
"""The whole warehouse is also read at a cut-off so many days later, as a build reads it."""
FOLLOWED: Final = 3
"""Entities named for each column that differs."""


@dataclass(frozen=True)
class FamilyLeak:
    """What a family gave away.

    Parameters
    ----------
    family
        Family id.
    rows
        Rows compared: those of the warehouse that ends at the cut-off.
    columns
        Column -> number of rows in which it differs; the pseudo-column ``rows`` counts rows that only one side has.
    entities
        Some entities in which something differs.
    """

    family: str
    rows: int
    columns: dict[str, int] = field(default_factory=dict)
    entities: tuple[str, ...] = ()


def check_leaks(
    families: Sequence[Family], warehouse: Warehouse, cutoff: datetime, folder: Path, *, threads: int = 1,
    memory_limit: str = "1GB", history_start: datetime | None = None, every: bool = True,
) -> list[FamilyLeak]:
    """Compute families with and without what arrived after a cut-off, and return what differs, one entry per family.

    Parameters
    ----------
    families
        Families to check.
    warehouse
        The whole warehouse; it is only read.
    cutoff
        Aware instant on a whole second.
    folder
        Empty folder for the copy and for spilling.
    threads, memory_limit
        Of the engine.
    history_start
        Instant at which deliveries begin; `HISTORY_D` before the cut-off by default.
    every
        Whether each family must have a row at the cut-off; False for at least one.

    Raises
    ------
    DataError
        If a family that must have a row at the cut-off has none: nothing would be proven.
    """
    resources = list(dict.fromkeys(resource for family in families for resource in family.resources))
    known_then = until(warehouse, resources, cutoff, folder / "then")
    start, later = history_start or cutoff - timedelta(days=HISTORY_D), cutoff + timedelta(days=FUTURE_D)
    one, other = (
        connect(threads=threads, memory_limit=memory_limit, spill_dir=folder / name) for name in ("spill_whole", "spill_then")
    )
    whole = open_known(one, warehouse, resources, [cutoff, later], start)
    alone = open_known(other, known_then, resources, [cutoff], start)
    found = [_compared(family, seen_at(family, whole, cutoff), seen_at(family, alone, cutoff)) for family in families]
    empty = [one.family for one in found if not one.rows]
    if empty and (every or len(empty) == len(found)):
        raise DataError(
            f"{', '.join(empty)} has no row at {cutoff.isoformat()}: nothing would be proven", where=str(warehouse.root),
            remedy="Choose a cut-off at which data had arrived.",
        )
    return found


def until(warehouse: Warehouse, resources: Sequence[str], instant: datetime, folder: Path) -> Warehouse:
    """Write what had arrived by an instant as a warehouse of its own: whole files as links, cut ones anew."""
    for resource_id in resources:
        for delivery, path in _by_file(warehouse, resource_id):
            target = folder / path.relative_to(warehouse.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            if delivery.last_arrival and datetime.fromisoformat(delivery.last_arrival) <= instant:
                target.symlink_to(path.absolute())
                kept = delivery.rows
            else:
                table = pq.ParquetFile(path).read()
                table = table.filter(pc.less_equal(table["arrived_at"], instant.astimezone(UTC)))
                pq.write_table(table, target)
                kept = len(table)
            target.with_suffix(".json").write_text(json.dumps(asdict(replace(delivery, rows=kept))))
    return Warehouse(folder)


def seen_at(family: Family, known: Known, instant: datetime) -> pd.DataFrame:
    """Return the family's rows that a reader at an instant would see, in order."""
    table = family.expression(known)
    created = table.created if "created" in table.columns else table.cutoff
    chosen = table.select(family.entity.id_column, "cutoff", *family.links, *family.names, seen_from=created)
    frame: pd.DataFrame = chosen.filter((chosen.cutoff <= instant) & (chosen.seen_from <= instant)).to_pandas()
    order = [family.entity.id_column, "cutoff", "seen_from"]
    return frame.sort_values(order, kind="stable").reset_index(drop=True)


def _compared(family: Family, full: pd.DataFrame, alone: pd.DataFrame) -> FamilyLeak:
    key = [family.entity.id_column, "cutoff", "seen_from"]
    joined = full.merge(alone, on=key, how="outer", suffixes=("", "_then"), indicator=True)
    one_sided = joined["_merge"] != "both"
    different = {"rows": one_sided}
    for name in (*family.links, *family.names):
        with_future, then = joined[name], joined[f"{name}_then"]
        different[name] = ~one_sided & (with_future != then) & ~(with_future.isna() & then.isna())
    counts = {name: int(rows.sum()) for name, rows in different.items() if rows.any()}
    anywhere = np.logical_or.reduce([rows.to_numpy(dtype=bool) for rows in different.values()])
    met = joined.loc[anywhere, family.entity.id_column].unique()
    return FamilyLeak(family.id, len(alone), counts, tuple(map(str, met[:FOLLOWED])))


def _by_file(warehouse: Warehouse, resource_id: str) -> list[tuple[DeliveryManifest, Path]]:
    paths = {path.stem: path for path in warehouse.files(resource_id)}
    return [(delivery, paths[delivery.delivery_id]) for delivery in warehouse.deliveries(resource_id)]

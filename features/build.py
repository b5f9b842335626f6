"""Build feature and label tables from the warehouse, over a row of cut-offs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from features.engine import connect
from features.families import FAMILIES, Family
from features.known import Known, open_known
from features.landing import SHANGHAI_OFFSET
from features.product import ProductFeatures
from features.products import PRODUCT_FEATURES
from features.snapshot import FeatureSnapshot, write_snapshot
from features.warehouse import Warehouse
from registry.errors import DataError
from registry.settings import Settings

if TYPE_CHECKING:
    import ibis.expr.types as ir

CLOCK: Final = "vehicle_day"
"""The resource whose newest day ends the data: it arrives every day for every vehicle."""
FIRST_CUTOFF_AFTER_D: Final = 91
"""The first cut-off leaves the longest window of driving behind it."""
TIMESTAMP: Final = "event_timestamp"
CREATED: Final = "created_timestamp"


def monthly_cutoffs(first: datetime, last: datetime) -> list[datetime]:
    """Return the local midnights that begin a month in Shanghai, from `first` to `last`, in UTC.

    Raises
    ------
    DataError
        If there is none.
    """
    found, day = [], (first + SHANGHAI_OFFSET).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while day - SHANGHAI_OFFSET <= last:
        if day - SHANGHAI_OFFSET >= first:
            found.append(day - SHANGHAI_OFFSET)
        day = (day + timedelta(days=32)).replace(day=1)
    if not found:
        raise DataError(
            f"no month begins between {first.isoformat()} and {last.isoformat()}", where="cut-offs",
            remedy="Ingest at least four months of data.",
        )
    return found


def build_features(
    settings: Settings, *, simulated: bool, progress: Callable[[str, float], None] | None = None
) -> FeatureSnapshot:
    """Compute every family and label at monthly cut-offs and write them as Parquet.

    The tables are sorted by entity and time, so the same warehouse gives the same bytes.
    """
    warehouse = Warehouse(settings.warehouse_dir)
    first, data_end = _data_window(warehouse)
    cutoffs = _cutoffs(first, data_end)
    settings.feature_dir.mkdir(parents=True, exist_ok=True)
    backend = connect(
        threads=settings.threads, memory_limit=settings.memory_limit, spill_dir=settings.feature_dir / ".spill"
    )
    known = open_known(backend, warehouse, _resources(), cutoffs, first)
    tables: dict[str, tuple[int, str]] = {}
    steps = list(_steps(known, data_end))
    for position, (name, expression) in enumerate(steps):
        if progress is not None:
            progress(name, position / len(steps))
        tables[name] = _write(expression(), settings.feature_dir / f"{name}.parquet")
    snapshot = FeatureSnapshot(
        warehouse=warehouse.snapshot(),
        digest=hashlib.sha256("".join(f"{n} {d}\n" for n, (_, d) in sorted(tables.items())).encode()).hexdigest(),
        as_of=cutoffs[-1].isoformat(),
        cutoffs=tuple(cutoff.isoformat() for cutoff in cutoffs),
        tables=tables,
        complete_until=_complete_until(warehouse, cutoffs[-1]),
        simulated=simulated,
    )
    write_snapshot(snapshot, settings.feature_dir)
    if progress is not None:
        progress("done", 1.0)
    return snapshot


def planned_build(settings: Settings) -> dict[str, Any]:
    """Return what a build would read and write."""
    first, data_end = _data_window(Warehouse(settings.warehouse_dir))
    return {
        "history_start": first.isoformat(),
        "cutoffs": [cutoff.isoformat() for cutoff in _cutoffs(first, data_end)],
        "resources": _resources(),
        "tables": [*FAMILIES, *(label_table(product) for product in PRODUCT_FEATURES)],
    }


def _cutoffs(first: datetime, data_end: datetime) -> list[datetime]:
    monthly = monthly_cutoffs(first + timedelta(days=FIRST_CUTOFF_AFTER_D), data_end)
    # The online store speaks about the end of the data, also where no month ends there.
    return sorted({*monthly, data_end})


def label_table(product_id: str) -> str:
    """Return the name of a product's label table."""
    return f"labels_{product_id}"


def _resources() -> list[str]:
    of_families = [resource for family in FAMILIES.values() for resource in family.resources]
    of_labels = [resource for product in PRODUCT_FEATURES.values() for resource in product.label_resources]
    return list(dict.fromkeys([*of_families, *of_labels]))


def _steps(known: Known, data_end: datetime) -> Iterator[tuple[str, Callable[[], ir.Table]]]:
    for family in FAMILIES.values():
        yield family.id, partial(_feature_table, family, known)
    for product in PRODUCT_FEATURES.values():
        yield label_table(product.id), partial(_labels, product, known, data_end)


def _feature_table(family: Family, known: Known) -> ir.Table:
    table = family.expression(known)
    created = table.created if "created" in table.columns else table.cutoff
    selected = table.select(
        family.entity.id_column, *family.links, *family.names, **{TIMESTAMP: table.cutoff, CREATED: created}
    )
    return selected.order_by([family.entity.id_column, TIMESTAMP, CREATED])


def _labels(product: ProductFeatures, known: Known, data_end: datetime) -> ir.Table:
    table = product.labels(known, data_end)
    ids = [entity.id_column for entity in product.joins]
    return table.select(*ids, TIMESTAMP, *product.targets).order_by([*ids, TIMESTAMP])


def _write(table: ir.Table, path: Path) -> tuple[int, str]:
    draft = path.with_name(f".{path.name}")
    table.to_parquet(str(draft), compression="zstd")
    draft.replace(path)
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    # A float literal is a decimal to DuckDB while ibis believes in a float; Feast cannot carry decimals with nulls.
    decimals = [field.name for field in file.schema_arrow if str(field.type).startswith("decimal")]
    assert not decimals, f"{path.name} has decimal columns {decimals}: cast the expression to float64"
    return file.metadata.num_rows, hashlib.sha256(path.read_bytes()).hexdigest()


def _data_window(warehouse: Warehouse) -> tuple[datetime, datetime]:
    deliveries = [delivery for delivery in warehouse.deliveries(CLOCK) if delivery.rows]
    if not deliveries:
        raise DataError(f"nothing of {CLOCK} has been delivered", where=str(warehouse.root), remedy="Run `roadrisk ingest`.")
    first = min(datetime.fromisoformat(delivery.first_event) for delivery in deliveries)
    last = max(datetime.fromisoformat(delivery.last_event) for delivery in deliveries)
    return first, last + timedelta(days=1)


def _complete_until(warehouse: Warehouse, as_of: datetime) -> dict[str, str | None]:
    """Return until when each resource was complete at the newest cut-off."""
    found: dict[str, str | None] = {}
    for resource_id in _resources():
        instants = [
            min(datetime.fromisoformat(delivery.complete_until), as_of)
            for delivery in warehouse.deliveries(resource_id)
            if delivery.complete_until
        ]
        found[resource_id] = max(instants).astimezone(UTC).isoformat() if instants else None
    return found

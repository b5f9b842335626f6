"""Build feature and label tables from the warehouse, over a row of cut-offs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from features.cutoffs import regular_cutoffs
from features.engine import connect
from features.families import FAMILIES, Family
from features.formulas import FORMULA_FAMILIES
from features.known import Known, open_known
from features.product import ProductFeatures
from features.products import PRODUCT_FEATURES
from features.snapshot import FeatureSnapshot, write_snapshot
from features.warehouse import Warehouse
from registry.errors import DataError
from registry.generation import epoch_of
from registry.settings import Settings

if TYPE_CHECKING:
    import ibis.expr.types as ir

CLOCK: Final = "vehicle_day"
"""The resource whose newest day ends the data: it arrives every day for every vehicle."""
FIRST_CUTOFF_AFTER_D: Final = 91
"""The first cut-off leaves the longest window of driving behind it."""
STEP_D: Final = 28
"""Days between cut-offs unless a build is told otherwise."""
TIMESTAMP: Final = "event_timestamp"
CREATED: Final = "created_timestamp"


@dataclass(frozen=True)
class DataWindow:
    """Over which time a warehouse holds data, in UTC.

    Parameters
    ----------
    begin, end
        Start of the first and end of the last day of the clock.
    as_of
        Newest instant of which anything is known: the end, or the last arrival where it is later.
    """

    begin: datetime
    end: datetime
    as_of: datetime


def build_features(
    settings: Settings, *, simulated: bool, step_d: int = STEP_D, progress: Callable[[str, float], None] | None = None
) -> FeatureSnapshot:
    """Compute every family, formula and label at regular cut-offs and write them as Parquet.

    The tables are sorted by entity and time, so the same warehouse gives the same bytes.

    Parameters
    ----------
    settings
        Where the warehouse and the tables lie.
    simulated
        Whether the data are simulated; the snapshot says so to everybody who uses it.
    step_d
        Days between cut-offs, whole weeks. Labels are made every `LABEL_STEP_D` days whatever the step.
    progress
        Called with a table's name and the share done, 0 to 1.
    """
    warehouse = Warehouse(settings.warehouse_dir)
    window = data_window(warehouse)
    cutoffs = _cutoffs(window, step_d)
    settings.feature_dir.mkdir(parents=True, exist_ok=True)
    backend = connect(
        threads=settings.threads, memory_limit=settings.memory_limit, spill_dir=settings.feature_dir / ".spill"
    )
    known = open_known(backend, warehouse, _resources(), cutoffs, window.begin)
    tables: dict[str, tuple[int, str]] = {}
    steps = list(_steps(known, window.end))
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
        pseudonym_epoch=epoch_of(warehouse.root),
    )
    write_snapshot(snapshot, settings.feature_dir)
    if progress is not None:
        progress("done", 1.0)
    return snapshot


def planned_build(settings: Settings, *, step_d: int = STEP_D) -> dict[str, Any]:
    """Return what a build would read and write."""
    window = data_window(Warehouse(settings.warehouse_dir))
    return {
        "history_start": window.begin.isoformat(),
        "cutoffs": [cutoff.isoformat() for cutoff in _cutoffs(window, step_d)],
        "resources": _resources(),
        "tables": [*FAMILIES, *FORMULA_FAMILIES, *(label_table(product) for product in PRODUCT_FEATURES)],
    }


def _cutoffs(window: DataWindow, step_d: int) -> list[datetime]:
    regular = regular_cutoffs(window.begin + timedelta(days=FIRST_CUTOFF_AFTER_D), window.end, step_d=step_d)
    # The online store speaks about the newest instant of which anything is known.
    return sorted({*regular, window.as_of})


def label_table(product_id: str) -> str:
    """Return the name of a product's label table."""
    return f"labels_{product_id}"


def _families() -> Iterator[Family]:
    yield from FAMILIES.values()
    yield from FORMULA_FAMILIES.values()


def _resources() -> list[str]:
    of_families = [resource for family in _families() for resource in family.resources]
    of_labels = [resource for product in PRODUCT_FEATURES.values() for resource in product.label_resources]
    return list(dict.fromkeys([*of_families, *of_labels]))


def _steps(known: Known, data_end: datetime) -> Iterator[tuple[str, Callable[[], ir.Table]]]:
    for family in _families():
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


def data_window(warehouse: Warehouse) -> DataWindow:
    """Return over which time the warehouse holds data.

    Raises
    ------
    DataError
        If nothing of the clock has been delivered.
    """
    held = {
        resource_id: [delivery for delivery in warehouse.deliveries(resource_id) if delivery.rows]
        for resource_id in {CLOCK, *_resources()}
    }
    days = held[CLOCK]
    if not days:
        raise DataError(f"nothing of {CLOCK} has been delivered", where=str(warehouse.root), remedy="Run `roadrisk ingest`.")
    begin = min(datetime.fromisoformat(delivery.first_event) for delivery in days)
    end = max(datetime.fromisoformat(delivery.last_event) for delivery in days) + timedelta(days=1)
    arrivals = [datetime.fromisoformat(delivery.last_arrival) for deliveries in held.values() for delivery in deliveries]
    last = max(arrivals) + timedelta(microseconds=999_999)
    # A correction that arrives after the newest day is known from then on, so the state of knowledge moves on with it.
    return DataWindow(begin, end, max(end, last.replace(microsecond=0)))


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

"""A correction request against the row it is about, and the delivery that carries an accepted one.

Nothing is edited in place: an accepted correction is a further version of the row, with its own arrival, in a delivery of its
own. The source delivers it in the ordinary way; where the operator of the platform has to, `deliver` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from features.contracts import ARROW_TYPES, check_delivery
from features.pseudonyms import SEPARATOR, Pseudonymiser, forward, pseudonym
from features.warehouse import DeliveryManifest, Warehouse
from registry.corrections import (
    WITHDRAWN,
    WITHHELD_TEXT,
    Correction,
    CorrectionRequest,
    field_kind,
    pseudonym_of,
)
from registry.errors import DataError, InvalidRequest, NotFound
from registry.local_time import SHANGHAI
from registry.resources import RESOURCES
from registry.resources.schema import ENVELOPE, DType, Resource
from registry.signing import pseudonym_keys

if TYPE_CHECKING:
    from registry.settings import Settings

SUBJECTS: Final = ("enterprise_id", "vehicle_id", "driver_id", "plate_id")
"""Pseudonym columns that say whom a row is about, the first that is not null."""


def request_about(
    settings: Settings, *, resource_id: str, row_id: str, field: str, claimed: str | None, evidence: str
) -> CorrectionRequest:
    """Return a request as a ledger may keep it: with the value that is held, and pseudonyms instead of natural keys.

    Parameters
    ----------
    row_id
        The platform's identifier of the row, or the supplier's own.
    claimed
        The value as it should be, as text; None for empty. The parts of a plate stand in order, separated by ``|``.

    Raises
    ------
    NotFound
        If there is no such resource or row.
    InvalidRequest
        If there is no such field, or the value is none that the contract allows.
    """
    resource = _resource(resource_id)
    kind = field_kind(resource, field)
    row = held_row(settings, resource_id, row_id)
    old: str | None
    if kind == "personal":
        old, claimed = WITHHELD_TEXT, WITHHELD_TEXT
    elif kind == "pseudonym":
        column = pseudonym_of(resource, field)
        assert column is not None, field
        old = row[column]
        claimed = None if claimed is None else _pseudonym(settings, resource, column, claimed)
    else:
        old = _text(row[field])
        claimed = _text(_parsed(resource, field, claimed))
    subject = next((row[name] for name in SUBJECTS if row.get(name)), "")
    return CorrectionRequest(
        subject=subject, resource=resource_id, row_id=row["row_id"], field=field, old=old, claimed=claimed,
        evidence=evidence.strip(), epoch=settings.pseudonym_epoch,
    )


def held_row(settings: Settings, resource_id: str, row_id: str) -> dict[str, Any]:
    """Return the newest version of a row, by the platform's identifier or by the supplier's own.

    Raises
    ------
    NotFound
        If the warehouse has no such row.
    """
    row: dict[str, Any] = _newest(settings, _resource(resource_id), row_id).to_pylist()[0]
    return row


def is_delivered(settings: Settings, correction: Correction) -> bool:
    """Return whether the newest version of the row says what an accepted correction claimed."""
    request = correction.request
    resource = _resource(request.resource)
    row = held_row(settings, request.resource, _today(settings, request.row_id, request.epoch))
    kind = field_kind(resource, request.field)
    if kind == "personal":
        return False
    if kind == "clear":
        return _text(row[request.field]) == request.claimed
    return bool(row[str(pseudonym_of(resource, request.field))] == _claimed_pseudonym(settings, request))


def deliver(settings: Settings, correction: Correction, *, arrived_at: datetime) -> DeliveryManifest:
    """Commit an accepted correction as a further version of its row; the same correction again changes nothing.

    Raises
    ------
    InvalidRequest
        If it is not accepted, is about a personal value, which no warehouse holds, or the row arrived later than this.
    DeliveryRefused
        If the corrected value breaks the contract.
    """
    request = correction.request
    resource = _resource(request.resource)
    if correction.status != "accepted" or field_kind(resource, request.field) == "personal":
        raise InvalidRequest(
            f"correction {correction.id} is {correction.status}, field {request.field}", where="correction delivery",
            remedy="Only an accepted correction is delivered; personal values are the source's alone.",
        )
    warehouse = Warehouse(settings.warehouse_dir)
    delivery_id = hashlib.sha256(f"correction {correction.id}".encode()).hexdigest()[:24]
    known = next((one for one in warehouse.deliveries(resource.id) if one.delivery_id == delivery_id), None)
    if known is not None:
        return known
    old = _newest(settings, resource, _today(settings, request.row_id, request.epoch))
    if arrived_at <= old["arrived_at"][0].as_py():
        raise InvalidRequest(
            f"the row arrived at {old['arrived_at'][0].as_py().isoformat()}, its correction at {arrived_at.isoformat()}",
            where=resource.id, remedy="A correction arrives after what it corrects.",
        )
    table = _corrected(settings, old, resource, request, arrived_at, delivery_id)
    return warehouse.commit(table, _manifest(warehouse, table, resource, delivery_id, correction.id), ())


def _resource(resource_id: str) -> Resource:
    if resource_id not in RESOURCES:
        raise NotFound(f"no resource {resource_id!r}", remedy="See docs/reference/resources.md.")
    return RESOURCES[resource_id]


def _newest(settings: Settings, resource: Resource, row_id: str) -> pa.Table:
    import duckdb

    files = [str(path) for path in Warehouse(settings.warehouse_dir).files(resource.id)]
    names = [row_id, *_platform_id(settings, resource, row_id)]
    if files:
        with duckdb.connect(config={"threads": settings.threads}) as db:
            db.execute("SET TimeZone = 'UTC'")
            found: pa.Table = db.sql(
                "SELECT * FROM read_parquet(?, hive_partitioning = false) WHERE row_id IN (SELECT unnest(?)) "
                "ORDER BY arrived_at DESC, delivery_id DESC LIMIT 1", params=[files, names],
            ).to_arrow_table()
        if len(found):
            return found
    raise NotFound(
        f"{resource.id} holds no such row", where="warehouse",
        remedy="Give the platform's identifier of the row, or the supplier's own.",
    )


def _platform_id(settings: Settings, resource: Resource, row_id: str) -> Sequence[str]:
    if resource.supplier == "reduction":
        return ()
    keys = pseudonym_keys(settings.keys_dir, settings.pseudonym_epoch)
    made: list[str] = Pseudonymiser(keys).row_ids(pa.chunked_array([[row_id]]), resource.id).to_pylist()
    return made


def _pseudonym(settings: Settings, resource: Resource, column: str, claimed: str) -> str:
    made = next(entry for entry in resource.pseudonyms if entry.id == column)
    parts = claimed.split(SEPARATOR)
    if len(parts) != len(made.inputs):
        raise InvalidRequest(
            f"{column} is made of {len(made.inputs)} values, {len(parts)} were given", where=resource.id,
            remedy=f"Give {SEPARATOR.join(made.inputs)}.",
        )
    for name, part in zip(made.inputs, parts, strict=True):
        _parsed(resource, name, part)
    return pseudonym(pseudonym_keys(settings.keys_dir, settings.pseudonym_epoch), made.namespace, *parts)


def _parsed(resource: Resource, field: str, text: str | None) -> Any:
    """Return a text as a value of the field, held against its contract."""
    column = next(column for column in (*ENVELOPE, *resource.columns) if column.id == field)
    try:
        value = None if text is None else _READ[column.dtype](text)
        array = pa.array([value], ARROW_TYPES[column.dtype])
    except (ValueError, KeyError, pa.ArrowException):
        raise InvalidRequest(
            f"the claimed value is no {column.dtype}", where=f"{resource.id}.{field}",
            remedy="Write dates and times in ISO 8601, times with their offset, and true or false for flags.",
        ) from None
    alone = replace(
        resource, columns=() if field == WITHDRAWN else (column,), key=(field,) if field in resource.key else (),
        pseudonyms=(), references={},
    )
    now = pa.array([datetime(2000, 1, 1, tzinfo=UTC)], ARROW_TYPES["timestamp"])
    envelope = {"row_id": pa.array(["r"]), "arrived_at": now, "withdrawn": pa.array([False])}
    try:
        check_delivery(pa.table({**envelope, column.id: array}), alone, where="correction")
    except DataError as error:
        raise InvalidRequest(
            "the claimed value breaks the contract of its field", where=f"{resource.id}.{field}",
            remedy="See docs/reference/resources.md.",
        ) from error
    return value


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("a time without zone")
    return instant.astimezone(UTC)


_READ: Final[dict[DType, Callable[[str], Any]]] = {
    "string": str, "int": int, "float": float, "bool": {"true": True, "false": False}.__getitem__,
    "date": date.fromisoformat, "timestamp": _instant,
}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else repr(value)


def _today(settings: Settings, name: str, epoch: int) -> str:
    now = settings.pseudonym_epoch
    return forward(pseudonym_keys(settings.keys_dir, now), name, epoch=epoch) if epoch < now else name


def _claimed_pseudonym(settings: Settings, request: CorrectionRequest) -> str | None:
    return None if request.claimed is None else _today(settings, request.claimed, request.epoch)


def _corrected(
    settings: Settings, old: pa.Table, resource: Resource, request: CorrectionRequest, arrived_at: datetime, delivery_id: str
) -> pa.Table:
    changes: dict[str, Any] = {"arrived_at": arrived_at.astimezone(UTC), "delivery_id": delivery_id}
    if field_kind(resource, request.field) == "pseudonym":
        changes[str(pseudonym_of(resource, request.field))] = _claimed_pseudonym(settings, request)
    else:
        value = changes[request.field] = _parsed(resource, request.field, request.claimed)
        if request.field == resource.event_time:
            begins = value if isinstance(value, datetime) else datetime.combine(value, time(), SHANGHAI)
            changes["event_time"] = begins.astimezone(UTC)
    table = old
    for name, value in changes.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, pa.array([value], table.schema.field(name).type))
    return table


def _manifest(
    warehouse: Warehouse, table: pa.Table, resource: Resource, delivery_id: str, correction_id: str
) -> dict[str, Any]:
    """Return the manifest: the newest delivery's, so that one row vouches for no completeness of its own."""
    newest = asdict(warehouse.deliveries(resource.id)[-1])
    del newest["sha256"]
    event = table["event_time"][0].as_py().astimezone(UTC).isoformat()
    nulls = {name: 1.0 for name in table.column_names if table[name].null_count}
    return newest | {
        "repeated": 0, "quality": {}, "delivery_id": delivery_id,
        "source": f"correction-{correction_id}", "rows": 1, "quarantined": 0,
        "first_event": event, "last_event": event, "null_share": nulls,
        "last_arrival": pc.max(table["arrived_at"]).as_py().astimezone(UTC).isoformat(),
    }

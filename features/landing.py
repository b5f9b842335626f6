"""The front door for files: read a delivery, hold it against its contract, pseudonymise it, commit it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.contracts import ARROW_TYPES, check_delivery, without_values
from features.pseudonyms import Pseudonymiser
from features.warehouse import DeliveryManifest, Warehouse
from registry.errors import DeliveryRefused, NotFound
from registry.resources import RESOURCES
from registry.resources.schema import COMPLETE_UNTIL, ENVELOPE, Resource

SHANGHAI_OFFSET = timedelta(hours=8)
"""China has had one zone without summer time since 1991, so the offset is a constant."""


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """The outcome of one file: taken in, or known already."""

    path: Path
    manifest: DeliveryManifest | None

    @property
    def skipped(self) -> bool:
        """True where the same delivery had been committed before."""
        return self.manifest is None


def delivery_files(inbox: Path) -> list[tuple[str, Path]]:
    """Return (resource id, file) of every delivery below an inbox, in the order in which they are taken in.

    Raises
    ------
    NotFound
        If the inbox does not exist or has a folder that no resource declares.
    DeliveryRefused
        If a file is of a kind that has no reader.
    """
    if not inbox.is_dir():
        raise NotFound(f"no inbox {inbox.name!r}", where=str(inbox), remedy="Run `roadrisk simulate` or name a folder.")
    found = []
    for folder in sorted(path for path in inbox.iterdir() if path.is_dir()):
        if folder.name not in RESOURCES:
            raise NotFound(
                f"no resource {folder.name!r}",
                where=str(folder),
                remedy="Folders of an inbox are named by resource id; see docs/reference/resources.md.",
            )
        found += [(folder.name, path) for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    strange = [path for _, path in found if path.suffix not in _READERS]
    if strange:
        raise DeliveryRefused(
            f"cannot read {strange[0].suffix or 'a file without suffix'!r}",
            where=str(strange[0]),
            remedy=f"Deliver {', '.join(_READERS)}; a file that begins with a dot is passed over.",
        )
    return found


def ingest_file(
    path: Path, resource_id: str, warehouse: Warehouse, pseudonyms: Pseudonymiser, *, dry_run: bool = False
) -> Ingested:
    """Take one delivery in, whole or not at all. The same bytes again change nothing.

    Raises
    ------
    DeliveryRefused
        If the file cannot be read or breaks its contract; nothing of it has entered then.
    """
    resource = RESOURCES[resource_id]
    content = path.read_bytes()
    delivery_id = hashlib.sha256(content).hexdigest()[:24]
    if warehouse.has(resource_id, delivery_id):
        return Ingested(path=path, manifest=None)
    table = _read(path, resource, content)
    checked = check_delivery(table, resource, where=str(path))
    rows = pseudonyms.apply(_with_event_time(checked.accepted, resource, delivery_id), resource)
    manifest = _manifest(rows, resource_id, delivery_id, path.name, checked.bad_rows)
    manifest["complete_until"] = _complete_until(table, str(path)) or manifest["last_arrival"]
    if dry_run:
        return Ingested(path=path, manifest=DeliveryManifest(**manifest, sha256=""))
    return Ingested(path=path, manifest=warehouse.commit(rows, manifest, checked.violations))


def ingest_inbox(
    inbox: Path,
    warehouse: Warehouse,
    key: bytes,
    *,
    progress: Callable[[str, float], None] | None = None,
    dry_run: bool = False,
) -> Iterator[Ingested]:
    """Take in every delivery of an inbox, in order; the first refused one ends it with its error."""
    files, pseudonyms = delivery_files(inbox), Pseudonymiser(key)
    for position, (resource_id, path) in enumerate(files):
        yield ingest_file(path, resource_id, warehouse, pseudonyms, dry_run=dry_run)
        if progress is not None:
            progress(resource_id, (position + 1) / len(files))


def _read(path: Path, resource: Resource, content: bytes) -> pa.Table:
    try:
        table = _READERS[path.suffix](content, resource)
        # Text that is no UTF-8 passes through the readers and would fail later, in the middle of something.
        table.validate(full=True)
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise DeliveryRefused(
            f"cannot read a {path.suffix[1:]} delivery of {resource.id}: {without_values(error)}",
            where=str(path),
            remedy="Nothing of it was taken in; have the supplier deliver it again.",
        ) from None
    return table


def _read_parquet(content: bytes, _: Resource) -> pa.Table:
    return pq.read_table(pa.BufferReader(content), page_checksum_verification=True)


def _read_csv(content: bytes, resource: Resource) -> pa.Table:
    from pyarrow import csv

    types = {column.id: ARROW_TYPES[column.dtype] for column in (*resource.columns, *ENVELOPE)}
    convert = csv.ConvertOptions(column_types=types, strings_can_be_null=True)
    # Chinese suppliers deliver CSV in UTF-8 or GB18030; text that is valid UTF-8 is taken as UTF-8.
    encoding = "utf8" if _is_utf8(content) else "gb18030"
    return csv.read_csv(
        pa.BufferReader(content), read_options=csv.ReadOptions(encoding=encoding), convert_options=convert
    )


def _read_ndjson(content: bytes, resource: Resource) -> pa.Table:
    from pyarrow import json as arrow_json

    columns = (*resource.columns, *ENVELOPE)
    # The reader knows no dates and takes a time without zone for UTC: both are read as text, and the cast is strict.
    texts = {column.id for column in columns if column.dtype in ("date", "timestamp")}
    fields = [(column.id, pa.string() if column.id in texts else ARROW_TYPES[column.dtype]) for column in columns]
    options = arrow_json.ParseOptions(explicit_schema=pa.schema(fields), unexpected_field_behavior="infer")
    table = arrow_json.read_json(pa.BufferReader(content), parse_options=options)
    for column in columns:
        if column.id in texts and column.id in table.column_names:
            place = table.schema.get_field_index(column.id)
            table = table.set_column(place, column.id, table[column.id].cast(ARROW_TYPES[column.dtype]))
    return table


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


_READERS: dict[str, Callable[[bytes, Resource], pa.Table]] = {
    ".parquet": _read_parquet, ".csv": _read_csv, ".ndjson": _read_ndjson,
}


def _with_event_time(table: pa.Table, resource: Resource, delivery_id: str) -> pa.Table:
    happened = table[resource.event_time]
    if pa.types.is_date(happened.type):
        # A date means the Shanghai day; it is taken to begin at local midnight.
        offset = pa.scalar(SHANGHAI_OFFSET, pa.duration("us"))
        midnight = pc.subtract(happened.cast(pa.timestamp("us")), offset)
        happened = pc.assume_timezone(midnight, "UTC")
    table = table.append_column("event_time", happened.cast(pa.timestamp("us", tz="UTC")))
    return table.append_column("delivery_id", pa.repeat(delivery_id, len(table)))


def _complete_until(table: pa.Table, where: str) -> str:
    """Return the instant that the supplier vouches for, ISO in UTC; empty where it names none."""
    text = (table.schema.metadata or {}).get(COMPLETE_UNTIL.encode(), b"").decode(errors="replace")
    if not text:
        return ""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise DeliveryRefused(f"{COMPLETE_UNTIL} {text!r} is no time", where=where, remedy="Deliver it in ISO 8601.") from None
    if instant.tzinfo is None:
        raise DeliveryRefused(f"{COMPLETE_UNTIL} {text!r} has no zone", where=where, remedy="Deliver it with its offset.")
    return instant.astimezone(UTC).isoformat()


def _manifest(rows: pa.Table, resource_id: str, delivery_id: str, source: str, bad_rows: int) -> dict[str, Any]:
    def edge(name: str, pick: Callable[[pa.ChunkedArray], pa.Scalar]) -> str:
        value: datetime | None = pick(rows[name]).as_py() if len(rows) else None
        return value.astimezone(UTC).isoformat() if value else ""

    nulls = {name: round(rows[name].null_count / max(len(rows), 1), 6) for name in rows.column_names}
    return {
        "resource": resource_id, "delivery_id": delivery_id, "source": source, "rows": len(rows),
        "quarantined": bad_rows, "first_event": edge("event_time", pc.min), "last_event": edge("event_time", pc.max),
        "last_arrival": edge("arrived_at", pc.max),
        "null_share": {name: share for name, share in nulls.items() if share},
    }

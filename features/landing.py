"""The front door: read a delivery, hold it against its contract, pseudonymise it, commit it.

Files, pulls and pushes all pass through `prepare` and `enter`; there is no other way into the warehouse.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from features.contracts import Violation, check_delivery
from features.directory import Directory, directory_of, names_in
from features.pseudonyms import Keys, Pseudonymiser
from features.quality.measure import measure
from features.readers import NOTE_SUFFIX, READERS, Delivered, load, read_table
from features.warehouse import DeliveryManifest, Warehouse
from registry.errors import DeliveryRefused, NotFound
from registry.resources import RESOURCES
from registry.resources.schema import COMPLETE_UNTIL, Resource

SHANGHAI_OFFSET = timedelta(hours=8)
"""China has had one zone without summer time since 1991, so the offset is a constant."""
PREPARED_AHEAD: Final = 1
"""Deliveries made ready while another is committed: at most three are in memory at once."""


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """The outcome of one file: taken in, or known already."""

    path: Path
    manifest: DeliveryManifest | None

    @property
    def skipped(self) -> bool:
        """True where the same delivery had been committed before."""
        return self.manifest is None


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A delivery that holds its contract; nothing of it is written yet.

    Parameters
    ----------
    resource
        Declaration.
    checked
        Rows that hold, as delivered, with raw identifiers; they end here.
    rows
        The same rows as they enter the warehouse.
    manifest
        Fields of the manifest but for the hash of the file.
    violations
        For the quarantine.
    names
        What it says about names of legal persons, for the directory; None where it says nothing.
    """

    resource: Resource
    checked: pa.Table
    rows: pa.Table
    manifest: dict[str, Any]
    violations: tuple[Violation, ...]
    names: pa.Table | None


def delivery_files(inbox: Path) -> list[tuple[str, Path]]:
    """Return (resource id, file) of every delivery below an inbox, in the order in which they are taken in.

    Raises
    ------
    NotFound
        If the inbox does not exist or has a folder that no resource declares.
    DeliveryRefused
        If a file is of a kind that has no reader, or a note has no file.
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
    files = {path for _, path in found}
    notes = {path for path in files if path.name.endswith(NOTE_SUFFIX) and _subject(path) in files}
    strange = sorted(path for path in files - notes if path.suffix not in READERS)
    if strange:
        raise DeliveryRefused(
            f"cannot read {strange[0].suffix or 'a file without suffix'!r}",
            where=str(strange[0]),
            remedy=f"Deliver {', '.join(READERS)}, a note as <file>{NOTE_SUFFIX}; a file that begins with a dot is passed over.",
        )
    return [(resource_id, path) for resource_id, path in found if path not in notes]


def ingest_file(
    path: Path, resource_id: str, warehouse: Warehouse, pseudonyms: Pseudonymiser, *, dry_run: bool = False
) -> Ingested:
    """Take one delivery in, whole or not at all. The same bytes again change nothing.

    Raises
    ------
    DeliveryRefused
        If the file cannot be read or breaks its contract; nothing of it has entered then.
    """
    prepared = prepare(load(path), resource_id, warehouse, pseudonyms)
    return _finish(path, prepared, warehouse, dry_run=dry_run)


def ingest_inbox(
    inbox: Path,
    warehouse: Warehouse,
    key: Keys,
    *,
    progress: Callable[[str, float], None] | None = None,
    dry_run: bool = False,
) -> Iterator[Ingested]:
    """Take in every delivery of an inbox, in order; the first refused one ends it with its error.

    One thread makes the next deliveries ready while another commits, so both cores work; commits stay in order.
    """
    files, pseudonyms = delivery_files(inbox), Pseudonymiser(key)
    waiting = deque(enumerate(files))
    ahead: deque[tuple[int, str, Path, Future[Prepared | None]]] = deque()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="prepare") as pool:
        try:
            while waiting or ahead:
                while waiting and len(ahead) <= PREPARED_AHEAD:
                    position, (resource_id, path) = waiting.popleft()
                    ready = pool.submit(_prepare_file, path, resource_id, warehouse, pseudonyms)
                    ahead.append((position, resource_id, path, ready))
                position, resource_id, path, ready = ahead.popleft()
                yield _finish(path, ready.result(), warehouse, dry_run=dry_run)
                if progress is not None:
                    progress(resource_id, (position + 1) / len(files))
        finally:
            for *_, left in ahead:
                left.cancel()


def prepare(
    delivered: Delivered, resource_id: str, warehouse: Warehouse, pseudonyms: Pseudonymiser, *,
    refused_before: tuple[Violation, ...] = (), refused_rows: int = 0,
) -> Prepared | None:
    """Return a delivery ready to enter, or None where it has entered before.

    Parameters
    ----------
    refused_before, refused_rows
        What broke the contract of rows that a sender tried to hand over with these and that were not taken: they are
        written to the quarantine of this delivery.

    Raises
    ------
    DeliveryRefused
        If it cannot be read or breaks its contract.
    """
    resource, delivery_id = RESOURCES[resource_id], delivered.id
    if warehouse.has(resource_id, delivery_id):
        return None
    table = read_table(delivered, resource)
    checked = check_delivery(table, resource, where=delivered.where)
    rows = pseudonyms.apply(_with_event_time(checked.accepted, resource, delivery_id), resource)
    manifest = _manifest(rows, resource_id, delivery_id, delivered.name)
    told = (table.schema.metadata or {}).get(COMPLETE_UNTIL.encode(), b"").decode(errors="replace")
    manifest[COMPLETE_UNTIL] = instant_of(told, where=delivered.where) or manifest["last_arrival"]
    manifest |= {"quarantined": checked.bad_rows + refused_rows, "repeated": checked.repeated}
    violations = (*refused_before, *checked.violations)
    manifest["quality"] = measure(checked.accepted, resource, violations)
    return Prepared(
        resource=resource, checked=checked.accepted, rows=rows, manifest=manifest, violations=violations,
        names=names_in(checked.accepted, rows, resource),
    )


def enter(prepared: Prepared, warehouse: Warehouse) -> DeliveryManifest:
    """Commit a prepared delivery; it exists once this returns. Every delivery passes here, however it came."""
    # Names come first: where the process dies in between, the same delivery adds the same ones again, which changes nothing.
    if prepared.names is not None:
        Directory(directory_of(warehouse.root)).fill(prepared.names)
    return warehouse.commit(prepared.rows, prepared.manifest, prepared.violations)


def instant_of(text: str, *, where: str) -> str:
    """Return an instant that a supplier vouches for, ISO in UTC; empty for an empty text.

    Raises
    ------
    DeliveryRefused
        If it is no time or has no zone.
    """
    if not text:
        return ""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise DeliveryRefused(f"{COMPLETE_UNTIL} {text!r} is no time", where=where, remedy="Deliver it in ISO 8601.") from None
    if instant.tzinfo is None:
        raise DeliveryRefused(f"{COMPLETE_UNTIL} {text!r} has no zone", where=where, remedy="Deliver it with its offset.")
    return instant.astimezone(UTC).isoformat()


def _subject(note: Path) -> Path:
    return note.with_name(note.name.removesuffix(NOTE_SUFFIX))


def _prepare_file(path: Path, resource_id: str, warehouse: Warehouse, pseudonyms: Pseudonymiser) -> Prepared | None:
    return prepare(load(path), resource_id, warehouse, pseudonyms)


def _finish(path: Path, prepared: Prepared | None, warehouse: Warehouse, *, dry_run: bool) -> Ingested:
    if prepared is None:
        return Ingested(path=path, manifest=None)
    if dry_run:
        return Ingested(path=path, manifest=DeliveryManifest(**prepared.manifest, sha256=""))
    return Ingested(path=path, manifest=enter(prepared, warehouse))


def _with_event_time(table: pa.Table, resource: Resource, delivery_id: str) -> pa.Table:
    happened = table[resource.event_time]
    if pa.types.is_date(happened.type):
        # A date means the Shanghai day; it is taken to begin at local midnight.
        offset = pa.scalar(SHANGHAI_OFFSET, pa.duration("us"))
        midnight = pc.subtract(happened.cast(pa.timestamp("us")), offset)
        happened = pc.assume_timezone(midnight, "UTC")
    table = table.append_column("event_time", happened.cast(pa.timestamp("us", tz="UTC")))
    return table.append_column("delivery_id", pa.repeat(delivery_id, len(table)))


def _manifest(rows: pa.Table, resource_id: str, delivery_id: str, source: str) -> dict[str, Any]:
    def edge(name: str, pick: Callable[[pa.ChunkedArray], pa.Scalar]) -> str:
        value: datetime | None = pick(rows[name]).as_py() if len(rows) else None
        return value.astimezone(UTC).isoformat() if value else ""

    nulls = {name: round(rows[name].null_count / max(len(rows), 1), 6) for name in rows.column_names}
    return {
        "resource": resource_id, "delivery_id": delivery_id, "source": source, "rows": len(rows),
        "first_event": edge("event_time", pc.min), "last_event": edge("event_time", pc.max),
        "last_arrival": edge("arrived_at", pc.max),
        "null_share": {name: share for name, share in nulls.items() if share},
    }

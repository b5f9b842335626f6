"""The warehouse: append-only Parquet by resource and arrival month. A delivery enters whole or not at all.

Layout::

    <root>/<resource>/<YYYY-MM>/<delivery id>.parquet    accepted rows, with event_time and delivery_id
    <root>/<resource>/<YYYY-MM>/<delivery id>.json       manifest; the delivery counts once this exists
    <root>/.quarantine/<resource>/<delivery id>.json     rows that broke a rule

The manifest is renamed into place last, so a process killed at any point leaves either no delivery or all of it.
Nothing is ever edited: a correction is a later row with the same `row_id`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from features.contracts import Violation
from registry.errors import IntegrityError
from registry.generation import check_not_retired
from registry.locks import exclusive

LOCK: Final = ".lock"
STAGING: Final = ".staging"


@dataclass(frozen=True, kw_only=True)
class DeliveryManifest:
    """What is known about a delivery.

    Parameters
    ----------
    delivery_id
        Hash of the delivered bytes: the same bytes are the same delivery.
    rows, quarantined
        Accepted and refused rows.
    sha256
        Hash of the Parquet file written.
    first_event, last_event, last_arrival
        ISO times in UTC; empty for a delivery without rows.
    complete_until
        Instant until which the supplier vouches for completeness, ISO in UTC: freshness is counted from here, because a
        register in which nothing changed is quiet, not stale.
    null_share
        Column -> share of nulls among accepted rows.
    repeated
        Further identical copies of a row at one arrival, which were dropped.
    quality
        Figures of `features.quality.measure`; empty in a manifest of a time before they were measured.
    """

    resource: str
    delivery_id: str
    source: str
    rows: int
    quarantined: int
    sha256: str
    first_event: str
    last_event: str
    last_arrival: str
    complete_until: str
    null_share: dict[str, float]
    repeated: int = 0
    quality: dict[str, Any] = field(default_factory=dict)


class Warehouse:
    """Reader and writer of the warehouse below a root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def has(self, resource_id: str, delivery_id: str) -> bool:
        """Whether a delivery has been committed."""
        return any((self.root / resource_id).glob(f"*/{delivery_id}.json"))

    def commit(self, table: pa.Table, manifest: dict[str, Any], violations: Iterable[Violation]) -> DeliveryManifest:
        """Write a delivery; it exists once this returns, and not at all if it does not.

        One writer at a time, of all processes; a delivery that another has committed meanwhile stays as it is.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with exclusive(self.root / LOCK):
            check_not_retired(self.root)
            known = self._find(manifest["resource"], manifest["delivery_id"])
            return known or self._write(table, manifest, violations)

    def _find(self, resource_id: str, delivery_id: str) -> DeliveryManifest | None:
        notes = list((self.root / resource_id).glob(f"*/{delivery_id}.json"))
        return DeliveryManifest(**json.loads(notes[0].read_text())) if notes else None

    def _write(self, table: pa.Table, manifest: dict[str, Any], violations: Iterable[Violation]) -> DeliveryManifest:
        resource, delivery_id = manifest["resource"], manifest["delivery_id"]
        folder = self.root / resource / (manifest["complete_until"][:7] or "undated")
        staging = self.root / STAGING
        for needed in (folder, staging):
            needed.mkdir(parents=True, exist_ok=True)
        draft = staging / f"{delivery_id}.parquet"
        # A dictionary of values that never repeat costs time and saves nothing.
        repeating = [name for name in table.column_names if name not in ("row_id", "arrived_at")]
        pq.write_table(
            table, draft, compression="zstd", compression_level=1, use_dictionary=repeating, write_page_checksum=True,
            coerce_timestamps="us",
        )
        whole = DeliveryManifest(**manifest, sha256=_sha256(draft))
        _publish(draft, folder / draft.name)
        self._quarantine(resource, delivery_id, violations)
        note = staging / f"{delivery_id}.json"
        note.write_text(json.dumps(asdict(whole), ensure_ascii=False, sort_keys=True, indent=1))
        _publish(note, folder / note.name)
        return whole

    def deliveries(self, resource_id: str) -> list[DeliveryManifest]:
        """Return the committed deliveries of a resource in the order of arrival."""
        notes = (json.loads(path.read_text()) for path in (self.root / resource_id).glob("*/*.json"))
        found = [DeliveryManifest(**note) for note in notes]
        return sorted(found, key=lambda delivery: (delivery.complete_until, delivery.delivery_id))

    def files(self, resource_id: str) -> list[Path]:
        """Return the Parquet files of committed deliveries; a file without its manifest does not count."""
        return sorted(
            path.with_suffix(".parquet") for path in (self.root / resource_id).glob("*/*.json")
        )

    def snapshot(self) -> str:
        """Return a hash over every committed delivery: the identity of what the warehouse holds."""
        lines = sorted(
            f"{delivery.resource} {delivery.delivery_id} {delivery.sha256}\n"
            for folder in self.root.iterdir()
            if folder.is_dir() and not folder.name.startswith(".")
            for delivery in self.deliveries(folder.name)
        )
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def verify(self, resource_id: str) -> None:
        """Compare every file of a resource with its manifest.

        Raises
        ------
        IntegrityError
            If a file is missing or its bytes changed.
        """
        for delivery in self.deliveries(resource_id):
            path = next((self.root / resource_id).glob(f"*/{delivery.delivery_id}.json")).with_suffix(".parquet")
            met = _sha256(path) if path.exists() else "nothing"
            if met != delivery.sha256:
                raise IntegrityError(
                    f"delivery {delivery.delivery_id} has hash {met[:16]}, its manifest says {delivery.sha256[:16]}",
                    where=str(path),
                    remedy="Remove both files and ingest the delivery again.",
                )

    def _quarantine(self, resource: str, delivery_id: str, violations: Iterable[Violation]) -> None:
        rows = [asdict(violation) for violation in violations]
        if not rows:
            return
        folder = self.root / ".quarantine" / resource
        folder.mkdir(parents=True, exist_ok=True)
        draft = self.root / STAGING / f"{delivery_id}.quarantine.json"
        draft.write_text(json.dumps(rows, ensure_ascii=False, indent=1))
        _publish(draft, folder / f"{delivery_id}.json")


def _publish(draft: Path, target: Path) -> None:
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(target)
    # The name must be as durable as the bytes: what was acknowledged is deleted elsewhere once this returns.
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Moving the warehouse and the directory to the next pseudonym key, without raw identifiers.

A pseudonym of the next epoch is the HMAC of today's pseudonym under the next key (`features.pseudonyms`). A rotation writes
a whole new generation beside the current one, delivery by delivery, and switches by one rename: a process killed at any point
leaves the old generation whole or the new one whole, and running it again goes on where it was. Nothing is edited: the
decision ledger keeps its pseudonyms and the epoch under which it has them, and `pseudonyms.forward` says what they are now.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from features.directory import COLUMNS, Directory, directory_of
from features.pseudonyms import ROW_ID, Forwarder
from features.snapshot import read_snapshot
from features.views import published
from features.warehouse import LOCK, STAGING, DeliveryManifest, Warehouse
from registry.errors import ConfigurationError, IntegrityError, NotFound
from registry.generation import RETIRED, current_epoch, data_dir, retire, switch, sync_folder
from registry.locks import exclusive
from registry.resources import RESOURCES
from registry.resources.schema import Resource
from registry.settings import Settings
from registry.signing import init_pseudonym_key, pseudonym_key_name, pseudonym_keys, read_secret

NEXT_STEPS: Final = (
    "roadrisk features build", "roadrisk features apply", "roadrisk features materialise", "restart the service",
    "roadrisk keys prune",
)
"""What brings the features to the new pseudonyms; until then the service goes on with the old ones."""
_BATCH_ROWS: Final = 1_000_000
_NAMES_AT_ONCE: Final = 50_000
_NOT_COPIED: Final = frozenset((STAGING, LOCK, RETIRED))


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """What a rotation moved, or would move.

    Parameters
    ----------
    from_epoch, to_epoch
        Epochs of the pseudonym keys.
    deliveries, rows, names
        Deliveries and rows of the warehouse, rows of the directory.
    written
        False for a dry run.
    next_steps
        Commands that follow.
    """

    from_epoch: int
    to_epoch: int
    deliveries: int
    rows: int
    names: int
    written: bool
    next_steps: tuple[str, ...] = NEXT_STEPS


def planned_rotation(settings: Settings) -> Rotation:
    """Return what a rotation would move; nothing is written and no key is made."""
    epoch = settings.pseudonym_epoch
    pseudonym_keys(settings.keys_dir, epoch)
    deliveries = [one for _, one in _deliveries(_warehouse(settings))]
    return Rotation(
        from_epoch=epoch, to_epoch=epoch + 1, deliveries=len(deliveries), rows=sum(one.rows for one in deliveries),
        names=sum(1 for _ in _names(settings.directory_dir)), written=False,
    )


def rotate_pseudonyms(settings: Settings, *, progress: Callable[[str, float], None] | None = None) -> Rotation:
    """Make the next key where there is none, write the next generation, and switch to it.

    Deliveries wait until it is done; readers go on with the old generation.

    Raises
    ------
    ConfigurationError
        If a key of an earlier epoch is missing.
    IntegrityError
        If a file of the warehouse is not what its manifest says: a damaged one is not carried on.
    """
    old = _warehouse(settings)
    with exclusive(old.root / LOCK):
        epoch = settings.pseudonym_epoch
        if old.root != settings.warehouse_dir:
            raise ConfigurationError("the keys were rotated by another process meanwhile", where=str(settings.home))
        pseudonym_keys(settings.keys_dir, epoch)
        init_pseudonym_key(settings.keys_dir, epoch + 1)
        forwarder = Forwarder(read_secret(settings.keys_dir, pseudonym_key_name(epoch + 1)))
        new = Warehouse(data_dir(settings.home, epoch + 1) / "warehouse")
        deliveries = list(_deliveries(old))
        for position, (note, delivery) in enumerate(deliveries):
            if progress is not None:
                progress(delivery.resource, position / len(deliveries))
            _move(note, delivery, new.root / note.relative_to(old.root), forwarder)
        _copy_rest(old.root, new.root)
        names = _move_names(settings.directory_dir, directory_of(new.root), forwarder)
        _same_deliveries(old, new)
        retire(old.root, settings.home, epoch + 1)
        switch(settings.home, epoch + 1)
    if progress is not None:
        progress("done", 1.0)
    return Rotation(
        from_epoch=epoch, to_epoch=epoch + 1, deliveries=len(deliveries),
        rows=sum(one.rows for _, one in deliveries), names=names, written=True,
    )


def prune_generations(settings: Settings, *, dry_run: bool = False) -> list[Path]:
    """Remove the data of earlier epochs, once the features are built on the current one; return what is removed.

    Raises
    ------
    ConfigurationError
        If the feature tables or the online store still hold pseudonyms of an earlier epoch.
    """
    epoch = current_epoch(settings.home)
    for place, held in _epochs_in_use(settings):
        if held != epoch:
            raise ConfigurationError(
                f"{place} holds pseudonyms of epoch {held}, the current one is {epoch}",
                remedy="Run `roadrisk features build`, `apply` and `materialise`, and restart the service, first.",
            )
    folders = [
        data_dir(settings.home, earlier) / name for earlier in range(1, epoch) for name in ("warehouse", "directory")
    ]
    # The note stays: a writer that began before the rotation must not find an empty folder and fill it.
    found = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir()) if path.name != RETIRED]
    for path in () if dry_run else found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return found


def _epochs_in_use(settings: Settings) -> Iterator[tuple[str, int]]:
    """Yield what holds pseudonyms beside the warehouse, and of which epoch; what was never made holds none."""
    with suppress(NotFound):
        yield "the feature folder", read_snapshot(settings.feature_dir).pseudonym_epoch
    with suppress(NotFound):
        yield "the online store", published(settings).snapshot.pseudonym_epoch


def _warehouse(settings: Settings) -> Warehouse:
    root = settings.warehouse_dir
    if not root.is_dir():
        raise NotFound("there is no warehouse", where=str(root), remedy="Run `roadrisk ingest`; a first key needs no rotation.")
    return Warehouse(root)


def _deliveries(warehouse: Warehouse) -> Iterator[tuple[Path, DeliveryManifest]]:
    """Yield (manifest's path, manifest) of every committed delivery, in order."""
    for resource_id in RESOURCES:
        for note in sorted((warehouse.root / resource_id).glob("*/*.json")):
            yield note, DeliveryManifest(**json.loads(note.read_text()))


def _move(note: Path, delivery: DeliveryManifest, target: Path, forwarder: Forwarder) -> None:
    """Write one delivery under the next key; one that an interrupted rotation has written already is kept."""
    if target.is_file():
        return
    source = note.with_suffix(".parquet")
    met = _sha256(source)
    if met != delivery.sha256:
        raise IntegrityError(
            f"delivery {delivery.delivery_id} has hash {met[:16]}, its manifest says {delivery.sha256[:16]}",
            where=str(source), remedy="Remove both files and ingest the delivery again, then rotate.",
        )
    staging = target.parents[2] / STAGING
    for needed in (target.parent, staging):
        needed.mkdir(parents=True, exist_ok=True)
    draft = staging / source.name
    _rewrite(source, draft, RESOURCES[delivery.resource], forwarder)
    moved = replace(delivery, sha256=_sha256(draft))
    _publish(draft, target.with_suffix(".parquet"))
    draft = staging / target.name
    draft.write_text(json.dumps(asdict(moved), ensure_ascii=False, sort_keys=True, indent=1))
    _publish(draft, target)


def _rewrite(source: Path, target: Path, resource: Resource, forwarder: Forwarder) -> None:
    entities = {entry.id for entry in resource.pseudonyms}
    with pq.ParquetFile(source, page_checksum_verification=True) as file:
        schema = file.schema_arrow
        repeating = [name for name in schema.names if name not in (ROW_ID, "arrived_at")]
        options = {"compression": "zstd", "compression_level": 1, "use_dictionary": repeating, "write_page_checksum": True}
        with pq.ParquetWriter(target, schema, **options) as writer:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                table = pa.Table.from_batches([batch], schema)
                for name in table.column_names:
                    place = table.schema.get_field_index(name)
                    if name in entities:
                        table = table.set_column(place, schema.field(name), forwarder.entities(table[name]))
                    elif name == ROW_ID and resource.supplier != "reduction":
                        table = table.set_column(place, schema.field(name), forwarder.rows(table[name]))
                writer.write_table(table)


def _copy_rest(old: Path, new: Path) -> None:
    """Copy what holds no pseudonym: quarantines and whatever else lies beside the resources."""
    new.mkdir(parents=True, exist_ok=True)
    for path in sorted(old.iterdir()):
        if path.name in RESOURCES or path.name in _NOT_COPIED:
            continue
        if path.is_dir():
            shutil.copytree(path, new / path.name, dirs_exist_ok=True)
        else:
            shutil.copy2(path, new / path.name)
    shutil.rmtree(new / STAGING, ignore_errors=True)
    sync_folder(new)


def _names(folder: Path) -> Iterator[tuple[object, ...]]:
    try:
        yield from Directory(folder).rows()
    except NotFound:
        return


def _move_names(old: Path, new: Path, forwarder: Forwarder) -> int:
    moved, rows = 0, _names(old)
    while batch := list(islice(rows, _NAMES_AT_ONCE)):
        columns = dict(zip(COLUMNS, zip(*batch, strict=True), strict=True))
        for name in ("enterprise_id", "row_id"):
            columns[name] = tuple(forwarder.text(str(value)) for value in columns[name])
        Directory(new).fill(pa.table({name: pa.array(values) for name, values in columns.items()}))
        moved += len(batch)
    return moved


def _same_deliveries(old: Warehouse, new: Warehouse) -> None:
    expected, met = ({(one.resource, one.delivery_id, one.rows) for _, one in _deliveries(each)} for each in (old, new))
    if expected != met:
        raise IntegrityError(
            f"the new generation has {len(met)} deliveries, {len(expected)} were expected", where=str(new.root),
            remedy="Remove the folder of the new generation, which nothing uses yet, and rotate again.",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _publish(draft: Path, target: Path) -> None:
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(target)
    sync_folder(target.parent)

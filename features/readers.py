"""Bytes of a delivery into a table: Parquet, CSV in UTF-8 or GB18030, NDJSON, and the note beside formats without metadata."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from features.contracts import ARROW_TYPES, without_values
from registry.errors import DeliveryRefused
from registry.resources.schema import COMPLETE_UNTIL, ENVELOPE, Resource

NOTE_SUFFIX: Final = ".meta.json"
"""A CSV or NDJSON file `x.csv` may have a note `x.csv.meta.json`: what Parquet says in its own metadata."""
MAX_NOTE_BYTES: Final = 4096

_NOTE_FIELDS: Final = frozenset((COMPLETE_UNTIL, "sha256"))
_BLOCK_BYTES: Final = 1 << 20
_UTF8_BOM: Final = codecs.BOM_UTF8


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What a supplier handed over, unread.

    Parameters
    ----------
    name, where
        File name, and words for messages.
    suffix
        Kind of the file with its dot.
    content
        The bytes.
    note
        Bytes of the note beside it; empty where there is none.
    """

    name: str
    where: str
    suffix: str
    content: bytes
    note: bytes = b""

    @property
    def id(self) -> str:
        """Identity of the delivery: the same bytes with the same note are the same delivery."""
        digest = hashlib.sha256(self.content)
        if self.note:
            digest.update(b"\0" + self.note)
        return digest.hexdigest()[:24]


def load(path: Path) -> Delivered:
    """Return a file and its note as they lie there.

    Raises
    ------
    DeliveryRefused
        If a Parquet file has a note: it would say twice what may differ.
    """
    beside = path.with_name(path.name + NOTE_SUFFIX)
    note = b""
    if beside.exists():
        if path.suffix == ".parquet":
            raise DeliveryRefused(
                "a Parquet delivery has a note beside it", where=str(beside),
                remedy=f"Parquet says {COMPLETE_UNTIL} in its own metadata; remove the note.",
            )
        with beside.open("rb") as file:
            note = file.read(MAX_NOTE_BYTES + 1)
    return Delivered(name=path.name, where=str(path), suffix=path.suffix, content=path.read_bytes(), note=note)


def read_table(delivered: Delivered, resource: Resource) -> pa.Table:
    """Return the rows of a delivery, unchecked but for their text; what its note says stands in the schema's metadata.

    Raises
    ------
    DeliveryRefused
        If the bytes cannot be read, or the note beside them is none.
    """
    told = _told(delivered)
    try:
        table = READERS[delivered.suffix](delivered.content, resource)
        # Text that is no UTF-8 passes through the readers and would fail later, in the middle of something.
        table.validate(full=True)
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise DeliveryRefused(
            f"cannot read a {delivered.suffix[1:]} delivery of {resource.id}: {without_values(error)}",
            where=delivered.where,
            remedy="Nothing of it was taken in; have the supplier deliver it again.",
        ) from None
    return table.replace_schema_metadata({COMPLETE_UNTIL: told}) if told else table


def _told(delivered: Delivered) -> str:
    """Return the instant that the note vouches for; empty where it names none."""
    if not delivered.note:
        return ""
    try:
        note = json.loads(delivered.note) if len(delivered.note) <= MAX_NOTE_BYTES else None
    except ValueError:
        note = None
    if not isinstance(note, dict) or not all(isinstance(value, str) for value in note.values()):
        raise DeliveryRefused(
            "the note beside a delivery is no JSON object of texts", where=delivered.where + NOTE_SUFFIX,
            remedy=f'Write {{"{COMPLETE_UNTIL}": "2026-07-01T00:00:00+08:00"}}.',
        )
    if unknown := sorted(set(note) - _NOTE_FIELDS):
        raise DeliveryRefused(
            f"the note beside a delivery has unknown fields {unknown}", where=delivered.where + NOTE_SUFFIX,
            remedy=f"Its fields are {', '.join(sorted(_NOTE_FIELDS))}.",
        )
    if (named := note.get("sha256")) and named.lower() != (met := hashlib.sha256(delivered.content).hexdigest()):
        raise DeliveryRefused(
            f"the file has hash {met[:16]}, its note names {named[:16]}", where=delivered.where,
            remedy="The file is not whole; have the supplier deliver it again.",
        )
    told: str = note.get(COMPLETE_UNTIL, "")
    return told


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
    schema = pa.schema(fields)
    if not content.removeprefix(_UTF8_BOM).strip():
        return _dated(schema.empty_table(), resource)
    options = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer")
    # A row longer than a block cannot be parsed; the default of 1 MiB is more than any declared row has.
    table = arrow_json.read_json(pa.BufferReader(content), parse_options=options)
    # The reader makes up a declared column that no row has; drift must be seen, so such a column goes again.
    absent = [name for name in table.column_names
              if table[name].null_count == len(table) and f'"{name}"'.encode() not in content]
    return _dated(table.drop_columns(absent) if absent else table, resource)


def _dated(table: pa.Table, resource: Resource) -> pa.Table:
    for column in (*resource.columns, *ENVELOPE):
        if column.dtype in ("date", "timestamp") and column.id in table.column_names:
            place = table.schema.get_field_index(column.id)
            table = table.set_column(place, column.id, table[column.id].cast(ARROW_TYPES[column.dtype]))
    return table


def _is_utf8(content: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(content), _BLOCK_BYTES):
            decoder.decode(content[start : start + _BLOCK_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


READERS: Final[dict[str, Callable[[bytes, Resource], pa.Table]]] = {
    ".parquet": _read_parquet, ".csv": _read_csv, ".ndjson": _read_ndjson,
}
"""Suffix of a delivery -> its reader."""

"""The forms in which a batch comes in: NDJSON, CSV, Parquet and Arrow streams, read a chunk at a time.

A body is held in memory and nowhere else, because it bears natural keys. What a small body may unfold to is bounded before
it is unfolded.
"""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, cast

from registry.errors import InvalidRequest
from serving.batches.arrow_check import check_stream

CHUNK_ROWS: Final = 2000
"""Rows that are read, scored and recorded together."""
MOST_ROWS: Final = 200_000
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
MAX_UNPACKED_BYTES: Final = 256 * 1024 * 1024
MAX_LINE_BYTES: Final = 4096
NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"
PARQUET: Final = "application/vnd.apache.parquet"
ARROW: Final = "application/vnd.apache.arrow.stream"
MEDIA_TYPES: Final = (NDJSON, CSV, PARQUET, ARROW)
FIELDS: Final = ("plate_no", "plate_color", "vin", "uscc", "ref")
"""Columns of a table; those that a row leaves empty are absent."""
CHARSETS: Final = {"": "utf-8-sig", "utf-8": "utf-8-sig", "gb18030": "gb18030", "gbk": "gb18030"}

Row = Mapping[str, Any] | None
"""A row as it came; None where it is no row at all."""


def chunks_of(body: bytes, media_type: str, charset: str = "") -> Iterator[list[Row]]:
    """Yield the rows of a body in lists of `CHUNK_ROWS`, each row in the form `{"entity": {...}, "ref": ...}`.

    Raises
    ------
    InvalidRequest
        If the body is not of the declared form, has no rows, or more than `MOST_ROWS`.
    """
    rows = _limited(_READERS[media_type](body, charset))
    empty = True
    while chunk := list(islice(rows, CHUNK_ROWS)):
        empty = False
        yield chunk
    if empty:
        raise InvalidRequest("the batch has no rows", where="body", remedy="Send one row per entity.")


def unpacked(body: bytes) -> bytes:
    """Return a gzip body unpacked.

    Raises
    ------
    InvalidRequest
        If it is no gzip, or unfolds to more than `MAX_BODY_BYTES`.
    """
    stream = zlib.decompressobj(wbits=31)
    try:
        found = stream.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error:
        raise _malformed("no gzip") from None
    if len(found) > MAX_BODY_BYTES:
        raise InvalidRequest(
            f"the body unfolds to more than {MAX_BODY_BYTES} bytes", where="body", remedy="Send several batches."
        )
    if not stream.eof or stream.unused_data:
        raise _malformed("no single whole gzip member")
    return found


def _limited(rows: Iterable[Row]) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if number >= MOST_ROWS:
            raise too_many()
        yield row


def too_many() -> InvalidRequest:
    """Return the error of a batch with too many rows."""
    return InvalidRequest(f"more than {MOST_ROWS} rows in one batch", where="body", remedy="Send several batches.")


def _ndjson(body: bytes, _: str) -> Iterator[Row]:
    for line in io.BytesIO(body):
        if line.strip():
            yield _parsed(line)


def _parsed(line: bytes) -> Row:
    if len(line) > MAX_LINE_BYTES:
        return None
    try:
        found = json.loads(line.decode(), object_pairs_hook=_no_name_twice, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _no_name_twice(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _csv(body: bytes, charset: str) -> Iterator[Row]:
    text = io.TextIOWrapper(io.BytesIO(body), encoding=CHARSETS[charset], newline="")
    try:
        rows = csv.reader(text, strict=True)
        names = [name.strip() for name in next(rows, [])]
        _check_columns(names)
        for cells in rows:
            if cells:
                yield _flat(dict(zip(names, cells, strict=True))) if len(cells) == len(names) else None
    except UnicodeDecodeError:
        raise _malformed(f"no {charset or 'utf-8'} text") from None
    except csv.Error:
        raise _malformed("no CSV") from None


def _parquet(body: bytes, _: str) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # A short value that is repeated a million times stays one value.
        names = pq.read_schema(pa.BufferReader(body)).names
        _check_columns(names)
        file = pq.ParquetFile(pa.BufferReader(body), read_dictionary=names)
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        if file.metadata.num_rows > MOST_ROWS:
            raise too_many()
        if sum(group.total_byte_size for group in groups) > MAX_UNPACKED_BYTES:
            raise InvalidRequest("the file unfolds to too much", where="body", remedy="Send several batches.")
        for batch in file.iter_batches(batch_size=CHUNK_ROWS):
            yield from _of_table(batch)
    except (pa.ArrowException, OSError):
        raise _malformed("no Parquet that can be read") from None


def _arrow(body: bytes, _: str) -> Iterator[Row]:
    import pyarrow as pa

    try:
        check_stream(body)
        with pa.ipc.open_stream(pa.BufferReader(body)) as stream:
            _check_columns(stream.schema.names)
            for batch in stream:
                batch.validate(full=True)
                for start in range(0, batch.num_rows, CHUNK_ROWS):
                    yield from _of_table(batch.slice(start, CHUNK_ROWS))
    except (pa.ArrowException, OSError):
        raise _malformed("no Arrow stream that can be read") from None


def _of_table(batch: Any) -> Iterator[Row]:
    import pyarrow as pa

    columns = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        plain = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if not (pa.types.is_string(plain) or pa.types.is_large_string(plain) or pa.types.is_null(plain)):
            raise InvalidRequest(f"column {name} is no text", where="body", remedy="Send all columns as text.")
        columns[name] = column.to_pylist()
    for cells in zip(*columns.values(), strict=True):
        yield _flat(dict(zip(columns, cells, strict=True)))


def _check_columns(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in FIELDS]
    if unknown or len(set(names)) < len(names) or not set(names) - {"ref"}:
        raise InvalidRequest(
            f"the columns are not those of a batch: {len(unknown)} unknown, {len(set(names))} in all", where="body",
            remedy=f"Send columns of {', '.join(FIELDS)}; the first line of a CSV file names them.",
        )


def _flat(cells: Mapping[str, str | None]) -> dict[str, Any]:
    present = {name: value for name, value in cells.items() if value}
    ref = present.pop("ref", None)
    return {"entity": present} | ({"ref": ref} if ref is not None else {})


def _malformed(what: str) -> InvalidRequest:
    return InvalidRequest(f"the body is {what}", where="body", remedy="Send the form that Content-Type declares.")


_READERS: Final = cast(
    "Mapping[str, Callable[[bytes, str], Iterator[Row]]]", {NDJSON: _ndjson, CSV: _csv, PARQUET: _parquet, ARROW: _arrow}
)

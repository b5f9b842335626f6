"""Copies of answers outside the ledger: the parts of batches, out of which goes what was erased in the ledger.

A part is compressed NDJSON, a line per row. The line of an erased answer becomes the problem that a look at the decision gets,
and the pseudonym of its row goes from the staged rows. Files are written whole and renamed into place; taking out again what is
out already changes nothing, so whoever was interrupted calls it once more.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from registry.errors import Erased
from registry.locks import exclusive

if TYPE_CHECKING:
    from registry.decisions import DecisionLedger

PARTS: Final = "parts"
INPUT: Final = "input.parquet"


def forget_erased(batch_dir: Path, decisions: DecisionLedger) -> int:
    """Take out of all batches what was erased in the ledger; return how many answers went."""
    if not batch_dir.is_dir():
        return 0
    there = {path.name for path in batch_dir.iterdir() if (path / PARTS).is_dir()}
    erased = decisions.erased_of_batches(there) if there else {}
    return sum(forget_in(batch_dir / batch, ids) for batch, ids in sorted(erased.items()))


def forget_in(folder: Path, score_ids: set[str]) -> int:
    """Take answers out of one batch; return how many there were."""
    # Two that rewrite one part at once would bring back what the other took out.
    with exclusive(folder.parent / "erasing.lock"):
        try:
            return len(_forget_rows(folder, score_ids))
        except FileNotFoundError:
            # Its consumer removed the batch meanwhile.
            if folder.exists():
                raise
            return 0


def packed_lines(lines: list[dict[str, Any]]) -> bytes:
    """Return lines as compressed NDJSON."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        for line in lines:
            stream.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    return bytes(sink.getvalue().to_pybytes())


def unpacked_lines(path: Path) -> bytes:
    """Return the NDJSON of a part."""
    import pyarrow as pa

    with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
        return bytes(stream.read())


def write_whole(target: Path, content: bytes) -> None:
    """Write a file whole and durably, or not at all."""
    temporary = target.parent / f".{uuid.uuid4().hex}"
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make durable what was renamed in a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def erased_problem(batch: str) -> dict[str, Any]:
    """Return the problem document of a row whose answer was erased."""
    return {
        "type": f"urn:roadrisk:problem:{Erased.slug}", "title": Erased.title, "status": Erased.http_status,
        "detail": "the answer was erased", "remedy": "That the decision was made is still known; its inputs and answer are not.",
        "instance": batch,
    }


def _forget_rows(folder: Path, score_ids: set[str]) -> set[int]:
    rows = set[int]()
    for path in sorted((folder / PARTS).iterdir()):
        if path.suffix != ".pending" and not path.name.startswith("."):
            rows |= _forget_in_part(path, score_ids, folder.name)
    if rows:
        _forget_staged(folder / INPUT, rows)
    return rows


def _forget_in_part(path: Path, score_ids: set[str], batch: str) -> set[int]:
    lines = [orjson.loads(line) for line in unpacked_lines(path).splitlines()]
    rows = {line["row"] for line in lines if _score_id(line) in score_ids}
    if rows:
        left = [_without(line, batch) if line["row"] in rows else line for line in lines]
        write_whole(path, packed_lines(left))
    return rows


def _score_id(line: Mapping[str, Any]) -> str | None:
    return line["answer"]["score_id"] if "answer" in line else None


def _without(line: Mapping[str, Any], batch: str) -> dict[str, Any]:
    return {"row": line["row"], "ref": line["ref"], "problem": erased_problem(batch)}


def _forget_staged(path: Path, rows: set[int]) -> None:
    """Take pseudonyms out of the staged rows; every chunk stays a row group of its own."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    with pq.ParquetFile(path) as file, pq.ParquetWriter(sink, file.schema_arrow, compression="zstd") as writer:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            staged = zip(table["row"].to_pylist(), table["entity_id"].to_pylist(), strict=True)
            kept = [None if row in rows else entity for row, entity in staged]
            place = table.schema.get_field_index("entity_id")
            writer.write_table(table.set_column(place, "entity_id", pa.array(kept, pa.string())), row_group_size=len(kept))
    write_whole(path, bytes(sink.getvalue().to_pybytes()))

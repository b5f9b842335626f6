"""Search every file below a folder for texts that must not be there, inside Parquet and SQLite too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from registry.resources import RESOURCES
from registry.resources.schema import WITHHELD

PREFIX = 6
"""Bytes of a needle by which it is looked up: two Chinese characters, the shortest name."""
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(44)
_SIX_BYTES = np.uint64(0xFFFF_FFFF_FFFF)


class Needles:
    """Texts to look for, all at once: their first bytes mark where a whole comparison is worth while."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.by_prefix: dict[bytes, list[bytes]] = {}
        for needle in {text.encode() for text in texts}:
            if len(needle) >= PREFIX:
                self.by_prefix.setdefault(needle[:PREFIX], []).append(needle)
        self._marked = np.zeros(1 << 20, dtype=bool)
        for prefix in self.by_prefix:
            self._marked[_slots(prefix)] = True

    def __len__(self) -> int:
        return sum(map(len, self.by_prefix.values()))

    def found(self, content: bytes) -> list[str]:
        """Return the needles that occur in some bytes."""
        places = np.flatnonzero(self._marked[_slots(content)]).tolist() if len(content) >= PREFIX else []
        met = {
            needle
            for place in places
            for needle in self.by_prefix.get(content[place : place + PREFIX], ())
            if content.startswith(needle, place)
        }
        return sorted(needle.decode() for needle in met)


def contents(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, and what its format hides from a plain search."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        yield from _parquet(path)
    if path.suffix == ".db":
        yield from _sqlite(path)


def _slots(content: bytes) -> np.ndarray:
    padded = content + b"\0\0"
    n = len(content) - PREFIX + 1
    words = np.empty(n, dtype=np.uint64)
    for start in range(min(8, n)):
        part = np.frombuffer(padded, dtype="<u8", offset=start, count=(len(padded) - start) // 8)
        words[start::8] = part[: len(words[start::8])]
    return ((words & _SIX_BYTES) * _MIX) >> _SHIFT


def _parquet(path: Path) -> Iterator[bytes]:
    table = pq.read_table(path)
    for name in table.column_names:
        column = table[name]
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            yield "\n".join(value for value in column.unique().to_pylist() if value).encode()


def _sqlite(path: Path) -> Iterator[bytes]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in tables:
            cells = (cell for row in connection.execute(f'SELECT * FROM "{name}"') for cell in row)
            yield b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells if cell is not None)
    finally:
        connection.close()


DIRECTORY = "directory"
"""Folder whose files may hold names of legal persons, and nothing else that is withheld."""
THEIRS = ("outbox", "truth", "examples.json", "corrections-inbox")
"""What the simulation keeps on the suppliers' side of a home; nothing of the platform writes there."""


def raw_identifiers(outbox: Path) -> tuple[set[str], set[str]]:
    """Return (every withheld value of every delivery, those that are names of legal persons)."""
    withheld: set[str] = set()
    names: set[str] = set()
    for resource_id, resource in RESOURCES.items():
        # One digit says nothing, and is everywhere.
        columns = [column for column in resource.columns if column.sensitivity in WITHHELD and column.id != "plate_color"]
        if not columns:
            continue
        for path in sorted((outbox / resource_id).glob("*.parquet")):
            table = pq.read_table(path, columns=[column.id for column in columns])
            for column in columns:
                values = {str(value) for value in table[column.id].unique().to_pylist() if value is not None}
                withheld |= values
                names |= values if column.sensitivity == "legal_name" else set()
    return withheld, names


def raw_values_in(home: Path, withheld: set[str], legal_names: set[str]) -> tuple[int, dict[str, list[str]]]:
    """Return (files searched, file -> the first withheld values met in it) of everything that the platform wrote.

    A directory may hold the names of legal persons.
    """
    everywhere, in_directory = Needles(withheld), Needles(withheld - legal_names)
    searched, met = 0, {}
    for path in sorted(home.rglob("*")):
        place = path.relative_to(home)
        if not path.is_file() or place.parts[0] in THEIRS:
            continue
        searched += 1
        needles = in_directory if DIRECTORY in place.parts else everywhere
        found = [needle for content in contents(path) for needle in needles.found(content)]
        if found:
            met[str(place)] = found[:3]
    return searched, met

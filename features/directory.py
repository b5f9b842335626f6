"""The directory: names of legal persons by pseudonym, apart from everything that scores.

It is the one place of the platform that holds a name. The door fills it, the console reads it to say whom a decision is
about, and nothing else may import this module (an import contract holds that). Natural persons are not in it: an operator
who is one has no name here.

Rows are bitemporal and never edited, like the warehouse's: `names_at` answers what a name was known to be at an instant.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from registry.errors import NotFound
from registry.resources.schema import ENVELOPE, Resource

FILE: Final = "names.db"
FOLDER: Final = "directory"
COLUMNS: Final = ("enterprise_id", "name", "resource", "row_id", "event_time", "arrived_at", "withdrawn", "delivery_id")
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS names (
    enterprise_id TEXT NOT NULL, name TEXT, resource TEXT NOT NULL, row_id TEXT NOT NULL, event_time INTEGER NOT NULL,
    arrived_at INTEGER NOT NULL, withdrawn INTEGER NOT NULL, delivery_id TEXT NOT NULL,
    PRIMARY KEY (enterprise_id, resource, row_id, arrived_at, delivery_id)
) WITHOUT ROWID
"""
_ASKED_AT_ONCE: Final = 500
_MOST_MET: Final = 500
_AT: Final = """
WITH known AS (
    SELECT enterprise_id, name, event_time, arrived_at, withdrawn, row_number() OVER (
        PARTITION BY enterprise_id, resource, row_id ORDER BY arrived_at DESC, delivery_id DESC
    ) AS version
    FROM names WHERE arrived_at <= ? AND enterprise_id IN ({marks})
)
SELECT enterprise_id, name FROM known WHERE version = 1 AND NOT withdrawn AND name IS NOT NULL
ORDER BY event_time, arrived_at, name
"""


def directory_of(warehouse: Path) -> Path:
    """Return the folder of the directory that belongs to a warehouse: beside it, never inside."""
    return warehouse.with_name(FOLDER)


def names_in(accepted: pa.Table, rows: pa.Table, resource: Resource) -> pa.Table | None:
    """Return what a delivery says about names of legal persons, None where it says nothing.

    Parameters
    ----------
    accepted
        Rows that hold their contract, with raw values, shape (n, columns).
    rows
        The same rows as they enter the warehouse, in the same order, shape (n, columns).
    resource
        Its declaration says which column names whom.

    Returns
    -------
    table
        Columns `COLUMNS`. A row of a natural person keeps its place with a null name, so that an enterprise that becomes
        one is not named any more.
    """
    declared = resource.directory
    if declared is None or not len(accepted):
        return None
    names = accepted[declared.column]
    if declared.unless:
        # Where it is not known whether a bearer is a natural person, he is treated as one.
        legal = pc.invert(pc.fill_null(accepted[declared.unless], True))
        names = pc.if_else(legal, names, pa.scalar(None, pa.string()))
    row_id, arrived_at, withdrawn = (column.id for column in ENVELOPE)
    made = pa.table({
        "enterprise_id": rows[declared.entity], "name": names, "resource": pa.repeat(resource.id, len(rows)),
        "row_id": rows[row_id], "event_time": rows["event_time"].cast(pa.int64()),
        "arrived_at": rows[arrived_at].cast(pa.int64()), "withdrawn": rows[withdrawn].cast(pa.int8()),
        "delivery_id": rows["delivery_id"],
    })
    return made.filter(pc.is_valid(made["enterprise_id"]))


class Directory:
    """Names of legal persons, below a folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def fill(self, names: pa.Table) -> None:
        """Add what a delivery says. The same delivery again changes nothing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        marks = ", ".join("?" * len(COLUMNS))
        with self._open() as database, database:
            database.execute(_TABLE)
            database.executemany(
                f"INSERT OR IGNORE INTO names ({', '.join(COLUMNS)}) VALUES ({marks})",  # noqa: S608 - our own columns
                zip(*(names[column].to_pylist() for column in COLUMNS), strict=True),
            )

    def names_at(self, enterprise_ids: Sequence[str], at: datetime) -> dict[str, str]:
        """Return the names that were known at an instant, by pseudonym; who has none is left out.

        Raises
        ------
        NotFound
            If the directory has never been filled.
        """
        if at.tzinfo is None:
            raise ValueError(f"instant {at.isoformat()} has no zone")
        self._exists()
        moment = _microseconds(at)
        found: dict[str, str] = {}
        with self._open() as database:
            for start in range(0, len(enterprise_ids), _ASKED_AT_ONCE):
                asked = enterprise_ids[start : start + _ASKED_AT_ONCE]
                query = _AT.format(marks=", ".join("?" * len(asked)))
                # The newest of several comes last and stays.
                found.update(database.execute(query, (moment, *asked)).fetchall())
        return found

    def find(self, part: str, at: datetime, *, limit: int) -> dict[str, str]:
        """Return the enterprises whose name at an instant holds a part, by pseudonym, in the order of the names.

        Raises
        ------
        NotFound
            If the directory has never been filled.
        """
        self._exists()
        wanted = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        with self._open() as database:
            met = database.execute(
                "SELECT DISTINCT enterprise_id FROM names WHERE name LIKE ? ESCAPE '\\' LIMIT ?", (f"%{wanted}%", _MOST_MET)
            ).fetchall()
        # A name that somebody had once is no name now.
        named = self.names_at([one for (one,) in met], at)
        found = sorted((name, one) for one, name in named.items() if part in name)
        return {one: name for name, one in found[:limit]}

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Yield every row in the order of `COLUMNS`: for whoever moves the directory to other pseudonyms."""
        self._exists()
        with self._open() as database:
            yield from database.execute(f"SELECT {', '.join(COLUMNS)} FROM names")  # noqa: S608 - our own columns

    def _exists(self) -> None:
        if not self.path.is_file():
            raise NotFound("the directory has never been filled", where=str(self.path), remedy="Run `roadrisk ingest`.")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=60.0)) as database:
            yield database


def _microseconds(at: datetime) -> int:
    since = at.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds

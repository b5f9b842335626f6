"""Scores of a challenger, kept beside the champion's decisions; nobody is ever answered with them.

The table is a measurement and no evidence: decisions are in the chained ledger, this one is not chained and may lose its last
second when the machine fails. Lost or refused scores are counted, so that a comparison can say what it does not see.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.errors import IntegrityError, ServiceUnavailable
from registry.locks import exclusive

if TYPE_CHECKING:
    import pandas as pd

    from registry.settings import Settings

BUSY_S: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class ShadowScore:
    """One entity scored by both.

    Parameters
    ----------
    score_id
        The champion's decision.
    at, as_of
        When it was decided, and the cut-off of its inputs; ISO 8601 in UTC.
    product, entity_id
        What was scored; the pseudonym is empty for a portfolio.
    champion_version, champion_digest, challenger_version, challenger_digest
        The two models.
    champion_points, challenger_points
        Points; None for 灰 grey.
    champion_tier, challenger_tier
        Tier codes.
    champion_answer, challenger_answer
        The quantities answered with, as JSON; None for grey.
    exposure
        Exposure of the decision, if its answer used one.
    took_ms
        How long the challenger took.
    """

    score_id: str
    at: str
    as_of: str
    product: str
    entity_id: str
    champion_version: str
    champion_digest: str
    challenger_version: str
    challenger_digest: str
    champion_points: float | None
    challenger_points: float | None
    champion_tier: str
    challenger_tier: str
    champion_answer: str | None
    challenger_answer: str | None
    exposure: float | None
    took_ms: float


COLUMNS: Final = tuple(field.name for field in fields(ShadowScore))


class ShadowStore:
    """The table of shadow scores in a SQLite file, safe for several workers.

    Parameters
    ----------
    path
        The database file; it and its folder are made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of(cls, settings: Settings) -> ShadowStore:
        """Return the store of a home."""
        return cls(settings.home / "shadow" / "shadow.db")

    def write(self, scores: Sequence[ShadowScore], dropped: Mapping[tuple[str, str, str], int] | None = None) -> None:
        """Keep scores and add to the counts of dropped ones, together or not at all.

        Parameters
        ----------
        scores
            A score that is kept already is left as it is.
        dropped
            (product, challenger's digest, why) -> how many.

        Raises
        ------
        ServiceUnavailable
            If the file cannot be written.
        """
        places = ", ".join("?" * len(COLUMNS))
        with self._connected() as db, db:
            db.executemany(
                f"INSERT OR IGNORE INTO scores ({', '.join(COLUMNS)}) VALUES ({places})",  # noqa: S608 - names of our own
                [astuple(score) for score in scores],
            )
            db.executemany(
                "INSERT INTO dropped (product, digest, why, n) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (product, digest, why) DO UPDATE SET n = n + excluded.n",
                [(*key, n) for key, n in (dropped or {}).items()],
            )

    def read(self, product: str, challenger_digest: str) -> pd.DataFrame:
        """Return the scores of a challenger beside the champion's, oldest first; the answers are objects again."""
        import pandas as pd

        rows: list[tuple[Any, ...]] = []
        if self._path.exists():
            query = f"SELECT {', '.join(COLUMNS)} FROM scores WHERE product = ? AND challenger_digest = ? ORDER BY at, score_id"  # noqa: S608
            with self._connected() as db:
                rows = db.execute(query, (product, challenger_digest)).fetchall()
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        for name in ("at", "as_of"):
            frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601")
        for name in ("champion_points", "challenger_points", "exposure", "took_ms"):
            frame[name] = frame[name].astype("float64")
        for name in ("champion_answer", "challenger_answer"):
            frame[name] = [json.loads(text) if text else None for text in frame[name]]
        return frame

    def dropped(self, product: str, challenger_digest: str) -> dict[str, int]:
        """Return how many decisions the challenger did not score, by why."""
        if not self._path.exists():
            return {}
        with self._connected() as db:
            query = "SELECT why, n FROM dropped WHERE product = ? AND digest = ? ORDER BY why"
            return {str(why): int(n) for why, n in db.execute(query, (product, challenger_digest))}

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # One writer at a time, by a lock of our own: SQLite's makes a worker poll.
            with exclusive(self._path.with_suffix(".lock")), closing(sqlite3.connect(self._path, timeout=BUSY_S)) as db:
                _prepare(db)
                yield db
        except sqlite3.OperationalError as error:
            raise ServiceUnavailable(f"shadow scores cannot be kept or read: {error}", where=str(self._path)) from error
        except sqlite3.DatabaseError as error:
            raise IntegrityError(
                f"shadow scores are damaged: {error}", where=str(self._path), remedy="Move the file away; a new one is made."
            ) from error


def answer_text(answer: Mapping[str, Any] | None) -> str | None:
    """Return an answer's quantities as one JSON text."""
    return None if answer is None else json.dumps(dict(answer), sort_keys=True)


def instant_text(at: datetime) -> str:
    """Return an aware instant as it is kept: sortable as text."""
    return at.isoformat(timespec="microseconds")


def _prepare(db: sqlite3.Connection) -> None:
    kinds = {"float | None": "REAL", "float": "REAL"}
    columns = ", ".join(f"{field.name} {kinds.get(str(field.type), 'TEXT')}" for field in fields(ShadowScore))
    db.execute(f"CREATE TABLE IF NOT EXISTS scores ({columns}, PRIMARY KEY (score_id, challenger_digest))")
    db.execute("CREATE INDEX IF NOT EXISTS scores_by_challenger ON scores (product, challenger_digest, at)")
    db.execute(
        "CREATE TABLE IF NOT EXISTS dropped (product TEXT, digest TEXT, why TEXT, n INTEGER, PRIMARY KEY (product, digest, why))"
    )

"""Somebody who may write the database, and in the end holds its HMAC key: seven ways to falsify a ledger, each found."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from registry.chain import ChainLedger
from registry.chain_format import GENESIS, Head, head_bytes, row_digest, row_hash
from registry.errors import IntegrityError
from registry.ledger_anchors import Anchor, Anchors, public_key, read_anchors, sign_anchor
from registry.ledger_sqlite import SqliteStore
from registry.signing import ANCHOR_VERIFY_KEY, init_keys
from tests.lib.ledgers import AT, KEY

ROWS = 40
CASES = 32
"""Per way; there are seven."""


@dataclass
class Case:
    folder: Path
    rng: random.Random

    @property
    def file(self) -> Path:
        return self.folder / "events.db"

    @property
    def head(self) -> Path:
        return self.folder / "events.head"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    init_keys(folder / "keys")
    anchors = Anchors(folder / "anchors", "events", folder / "keys")
    with ChainLedger(folder / "events.db", KEY, "events", indexed=("name",), anchors=anchors) as ledger:
        for start in range(0, ROWS - 10, 5):
            rows = [({"name": f"n{i}", "value": i * 7}, AT + timedelta(seconds=i)) for i in range(start, start + 5)]
            ledger.append_many(rows)
        shutil.copy(folder / "events.head", folder / "older.head")
        for i in range(ROWS - 10, ROWS):
            ledger.append({"name": f"n{i}", "value": i * 7}, at=AT + timedelta(seconds=i))
    return folder


def anchors_of(folder: Path) -> list[Anchor]:
    key = public_key((folder / "keys" / ANCHOR_VERIFY_KEY).read_bytes(), "test")
    found, problems = read_anchors(folder / "anchors", "events", key)
    assert not problems
    return found


def problems_of(case: Case, anchors: list[Anchor]) -> tuple[str, ...]:
    """Return what an operator is told: on opening, or by verifying."""
    try:
        with closing(ChainLedger(SqliteStore(case.file, "events"), KEY, "events", indexed=("name",))) as ledger:
            return ledger.verify(anchors).problems
    except IntegrityError as error:
        return (error.message,)


def rows_of(db: sqlite3.Connection) -> list[list[Any]]:
    return [list(row) for row in db.execute("SELECT * FROM events ORDER BY seq")]


def put(db: sqlite3.Connection, rows: list[list[Any]]) -> None:
    db.execute("DELETE FROM events")
    db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def change(db: sqlite3.Connection, case: Case) -> None:
    """One byte or field of one row; in half of the cases the digest fits again."""
    row, column = case.rng.choice(rows_of(db)), case.rng.choice(("at", "payload", "digest", "hash", "base", "prev", "k_name"))
    name = f"SELECT {column} FROM events WHERE seq = ?"
    (value,) = db.execute(name, (row[0],)).fetchone()
    text = str(value)
    place = case.rng.randrange(len(text))
    new = text[:place] + case.rng.choice([c for c in "0123456789abcdefx" if c != text[place]]) + text[place + 1 :]
    db.execute(f"UPDATE events SET {column} = ? WHERE seq = ?", (new, row[0]))
    if column in ("at", "payload") and case.rng.random() < 0.5:
        seq, at, prev, payload = db.execute("SELECT seq, at, prev, payload FROM events WHERE seq = ?", (row[0],)).fetchone()
        db.execute("UPDATE events SET digest = ? WHERE seq = ?", (row_digest("events", seq, at, prev, payload), seq))


def remove(db: sqlite3.Connection, case: Case) -> None:
    """Rows that are not the last ones; in half of the cases the later ones move up."""
    rows = rows_of(db)
    start = case.rng.randrange(ROWS - 2)
    del rows[start : min(ROWS - 1, start + case.rng.randint(1, 5))]
    if case.rng.random() < 0.5:
        rows = [[place, *row[1:]] for place, row in enumerate(rows, start=1)]
    put(db, rows)


def reorder(db: sqlite3.Connection, case: Case) -> None:
    """Two rows take each other's place."""
    rows = rows_of(db)
    one, other = case.rng.sample(range(ROWS), 2)
    rows[one], rows[other] = [rows[one][0], *rows[other][1:]], [rows[other][0], *rows[one][1:]]
    put(db, rows)


def insert(db: sqlite3.Connection, case: Case) -> None:
    """A row that the service never wrote, in the middle or at the end; its digests fit, its HMAC is another's or invented."""
    rows = rows_of(db)
    place = case.rng.randint(0, ROWS)
    payload = json.dumps({"name": "forged", "value": case.rng.random()})
    stolen = case.rng.choice([row[5] for row in rows] + ["0" * 64])
    rows.insert(place, [0, AT.isoformat(), "", payload, "", stolen, place, "forged"])
    previous = GENESIS
    for number, row in enumerate(rows, start=1):
        row[0], row[2] = number, previous
        row[4] = previous = row_digest("events", number, row[1], previous, row[3])
    put(db, rows)


def truncate(db: sqlite3.Connection, case: Case) -> None:
    """The newest rows; in half of the cases with an older head that was true once."""
    keep = case.rng.randrange(ROWS)
    if case.rng.random() < 0.5:
        keep = ROWS - 10
        shutil.copy(case.folder / "older.head", case.head)
    db.execute("DELETE FROM events WHERE seq > ?", (keep,))


def rewrite(db: sqlite3.Connection, case: Case) -> None:
    """Everything from some row on, with the stolen HMAC key: chain and head are without a fault."""
    rows = rows_of(db)
    first = case.rng.randrange(ROWS - 1)
    rows[first][3] = json.dumps({"name": "other", "value": case.rng.random()}, sort_keys=True, separators=(",", ":"))
    rows[first][7] = "other"
    head = Head(0, GENESIS, GENESIS)
    for row in rows:
        row[2] = head.digest
        row[4] = row_digest("events", row[0], row[1], row[2], row[3])
        row[5] = row_hash(KEY, "events", row[4], row[6])
        head = Head(row[0], row[4], row[5])
    put(db, rows)
    case.head.write_bytes(head_bytes(KEY, "events", head))


def replace_head(db: sqlite3.Connection, case: Case) -> None:
    """No head, an older one, one with a field changed, or one made with another key."""
    del db
    kept = case.head.read_bytes()
    claim = json.loads(kept[512:] if b'"seq": 40' in kept[512:] else kept[:512])
    way = case.rng.choice(("none", "older", "field", "key", "rubbish"))
    if way == "none":
        case.head.unlink()
    elif way == "older":
        shutil.copy(case.folder / "older.head", case.head)
    elif way == "field":
        field = case.rng.choice(("seq", "digest", "hash", "mac"))
        case.head.write_text(json.dumps(claim | {field: claim[field] + 1 if field == "seq" else claim[field][::-1]}))
    elif way == "key":
        case.head.write_bytes(head_bytes(case.rng.randbytes(32), "events", Head(claim["seq"], claim["digest"], claim["hash"])))
    else:
        case.head.write_bytes(case.rng.randbytes(case.rng.randrange(1, 900)))


WAYS: dict[str, Callable[[sqlite3.Connection, Case], None]] = {
    "change": change, "remove": remove, "reorder": reorder, "insert": insert, "truncate": truncate, "rewrite": rewrite,
    "head": replace_head,
}


def falsified(original: Path, folder: Path, way: str) -> Iterator[Case]:
    for number in range(CASES):
        case = Case(folder / str(number), random.Random(f"{way} {number}"))
        case.folder.mkdir()
        for name in ("events.db", "events.head", "older.head"):
            shutil.copy(original / name, case.folder / name)
        with closing(sqlite3.connect(case.file, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = OFF")
            db.execute("DROP TRIGGER events_no_update")
            db.execute("DROP TRIGGER events_no_delete")
            db.execute("BEGIN")
            WAYS[way](db, case)
            db.execute("COMMIT")
        yield case


def test_an_anchor_of_the_falsified_history_does_not_cover_the_true_one(original: Path, tmp_path: Path) -> None:
    case = next(falsified(original, tmp_path, "rewrite"))
    with closing(ChainLedger(SqliteStore(case.file, "events"), KEY, "events", indexed=("name",))) as ledger:
        last = ledger.last()
        assert last is not None
        # The service goes on and signs what it finds, under the same number as before.
        later = sign_anchor("events", last, original / "keys")
        assert not ledger.verify([later]).problems
        (problem,) = ledger.verify([anchors_of(original)[-1], later]).problems
    assert problem.startswith(f"row {ROWS} is not the one that was anchored at")


def test_the_original_has_nothing_wrong(original: Path) -> None:
    anchors = anchors_of(original)
    assert anchors[-1].seq == ROWS
    assert problems_of(Case(original, random.Random(0)), anchors) == ()


@pytest.mark.parametrize("way", WAYS)
def test_every_falsification_is_found(original: Path, tmp_path: Path, way: str) -> None:
    anchors = anchors_of(original)
    missed = [case.folder.name for case in falsified(original, tmp_path, way) if not problems_of(case, anchors)]
    assert not missed


@pytest.mark.parametrize("way", ["rewrite", "truncate"])
def test_only_anchors_show_what_a_stolen_key_or_an_older_head_hides(original: Path, tmp_path: Path, way: str) -> None:
    hidden = [case for case in falsified(original, tmp_path, way) if not problems_of(case, [])]
    assert len(hidden) == CASES if way == "rewrite" else hidden
    for case in hidden:
        (problem, *_) = problems_of(case, anchors_of(original))
        assert "history was written anew" in problem or "rows were cut off" in problem

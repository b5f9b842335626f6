from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.chain import ChainLedger, Soon
from registry.errors import ConfigurationError, IntegrityError, ServiceUnavailable
from registry.ledger_sqlite import SqliteStore

KEY = bytes(range(32))
AT = datetime(2026, 7, 4, 8, 0, tzinfo=UTC)


def ledger_at(folder: Path, n: int = 0) -> ChainLedger:
    ledger = ChainLedger(folder / "x.db", KEY, "events", indexed=("name",))
    for i in range(n):
        ledger.append({"name": f"n{i}", "value": i / 3, "zh": "红"}, at=AT)
    return ledger


def tampered(folder: Path, *statements: str) -> ChainLedger:
    ledger_at(folder, 5).close()
    db = sqlite3.connect(folder / "x.db")
    db.execute("DROP TRIGGER events_no_update")
    db.execute("DROP TRIGGER events_no_delete")
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()
    return ledger_at(folder)


def test_entries_come_back_in_order_and_verify(tmp_path):
    with ledger_at(tmp_path, 5) as ledger:
        entries = list(ledger.entries())
        assert [e.seq for e in entries] == [1, 2, 3, 4, 5]
        assert entries[1].payload == {"name": "n1", "value": 1 / 3, "zh": "红"}
        assert entries[1].at == AT
        assert [e.seq for e in ledger.entries(after=2, limit=2)] == [3, 4]
        assert ledger.last() == entries[-1]
        assert ledger.verify().ok


def test_find_reads_by_index(tmp_path):
    with ledger_at(tmp_path, 5) as ledger:
        assert [e.seq for e in ledger.find("name", "n3")] == [4]
        assert ledger.find("name", "none") == []
        with pytest.raises(ConfigurationError, match="not indexed"):
            ledger.find("value", "1")


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE events SET payload = replace(payload, 'n2', 'nX') WHERE seq = 3", "row 3 was changed"),
        ("UPDATE events SET at = '2020-01-01T00:00:00+00:00' WHERE seq = 3", "row 3 was changed"),
        ("DELETE FROM events WHERE seq = 3", "rows 3 to 3 are missing"),
        ("DELETE FROM events WHERE seq = 1", "rows 1 to 1 are missing"),
    ],
)
def test_changed_and_removed_rows_are_found(tmp_path, statement, problem):
    with tampered(tmp_path, statement) as ledger:
        report = ledger.verify()
    assert any(problem in p for p in report.problems), report


def test_reordered_rows_are_found(tmp_path):
    swap = ("UPDATE events SET seq = 99 WHERE seq = 2", "UPDATE events SET seq = 2 WHERE seq = 3",
            "UPDATE events SET seq = 3 WHERE seq = 99")
    with tampered(tmp_path, *swap) as ledger:
        assert len(ledger.verify().problems) >= 2


def test_a_changed_row_is_never_handed_out(tmp_path):
    change = "UPDATE events SET payload = json_set(payload, '$.value', 9) WHERE seq = 3"
    with tampered(tmp_path, change) as ledger, pytest.raises(IntegrityError, match="row 3 of ledger"):
        ledger.find("name", "n2")


def test_truncation_is_refused_on_opening(tmp_path):
    with pytest.raises(IntegrityError, match="rows were cut off"):
        tampered(tmp_path, "DELETE FROM events WHERE seq = 5")


def test_rewriting_with_another_key_is_found(tmp_path):
    ledger_at(tmp_path, 3).close()
    with pytest.raises(IntegrityError, match="head of ledger events does not verify"):
        ChainLedger(tmp_path / "x.db", b"k" * 32, "events")


def test_a_removed_head_is_refused(tmp_path):
    ledger_at(tmp_path, 3).close()
    (tmp_path / "events.head").unlink()
    with pytest.raises(IntegrityError, match="head was replaced"):
        ledger_at(tmp_path)


def lagging_by(folder: Path, rows: int) -> None:
    ledger_at(folder, 3).close()
    lagging = (folder / "events.head").read_bytes()
    ledger_at(folder, rows).close()
    (folder / "events.head").write_bytes(lagging)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_head_that_a_crash_left_behind_is_repaired(tmp_path, rows):
    lagging_by(tmp_path, rows)
    with ledger_at(tmp_path) as ledger:
        assert ledger.verify().ok
        assert ledger.append({"name": "next"}, at=AT).seq == 4 + rows


def sparing(folder: Path, n: int = 0) -> ChainLedger:
    ledger = ChainLedger(SqliteStore(folder / "x.db", "events", head_every=8), KEY, "events")
    for i in range(n):
        ledger.append({"name": f"n{i}"}, at=AT)
    return ledger


@pytest.mark.parametrize(("rows", "holds"), [(1, True), (9, True), (10, False)])
def test_a_head_that_is_synced_every_eight_rows_may_be_as_far_behind(tmp_path, rows, holds):
    sparing(tmp_path, 3).close()
    lagging = (tmp_path / "events.head").read_bytes()
    sparing(tmp_path, rows).close()
    (tmp_path / "events.head").write_bytes(lagging)
    if holds:
        with sparing(tmp_path) as ledger:
            assert ledger.append({"name": "next"}, at=AT).seq == 4 + rows
            assert ledger.verify().ok
    else:
        with pytest.raises(IntegrityError, match="head was replaced"):
            sparing(tmp_path)


def test_a_head_that_is_synced_now_and_then_may_not_be_missing(tmp_path):
    # The first one is synced when it is made, so no loss of power explains that there is none.
    sparing(tmp_path, 5).close()
    (tmp_path / "events.head").unlink()
    with pytest.raises(IntegrityError, match="head was replaced"):
        sparing(tmp_path)


def test_a_head_that_no_crash_leaves_behind_is_refused(tmp_path):
    lagging_by(tmp_path, 3)
    with pytest.raises(IntegrityError, match="head was replaced"):
        ledger_at(tmp_path)


def test_rows_cannot_be_updated_or_deleted(tmp_path):
    ledger_at(tmp_path, 1).close()
    db = sqlite3.connect(tmp_path / "x.db")
    for statement in ("DELETE FROM events", "UPDATE events SET at = ''"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(statement)
    db.close()


def test_naive_instants_and_nan_are_refused(tmp_path):
    with ledger_at(tmp_path) as ledger:
        with pytest.raises(ValueError, match="no time zone"):
            ledger.append({}, at=datetime(2026, 7, 4))  # noqa: DTZ001 - a naive instant is the case
        with pytest.raises(ValueError, match="not JSON compliant"):
            ledger.append({"x": float("nan")}, at=AT)
        assert ledger.verify().rows == 0


def soon(ledger, n):
    """Append a row without waiting; return what will hold its outcome."""
    told = Future()

    def then(error):
        if error is None:
            told.set_result(n)
        else:
            told.set_exception(error)

    ledger.append_each_soon([Soon([({"kind": "soon", "n": n}, AT)], None, then)])
    return told


def test_rows_that_nobody_waits_for_share_the_chain_with_those_of_threads(tmp_path):
    with ledger_at(tmp_path) as ledger:
        threads = [
            threading.Thread(target=lambda: [ledger.append({"kind": "waited"}, at=AT) for _ in range(40)]) for _ in range(3)
        ]
        for one in threads:
            one.start()
        told = [soon(ledger, n) for n in range(120)]
        for one in threads:
            one.join()
        assert [one.result(timeout=30) for one in told] == list(range(120))
        kinds = [entry.payload["kind"] for entry in ledger.entries()]
        assert (kinds.count("soon"), kinds.count("waited")) == (120, 120)
        # In the order in which they were asked for.
        assert [entry.payload["n"] for entry in ledger.entries() if entry.payload["kind"] == "soon"] == list(range(120))
        groups, additions = ledger.group_sizes
        assert additions == 240 > groups
        assert ledger.verify().ok


def test_a_row_that_nobody_waits_for_tells_why_it_did_not_enter(tmp_path, monkeypatch):
    with ledger_at(tmp_path) as ledger:
        change = type(ledger.store).change

        def full(*_):
            raise ServiceUnavailable("the disk is full")

        monkeypatch.setattr(type(ledger.store), "change", full)
        with pytest.raises(ServiceUnavailable, match="full"):
            soon(ledger, 1).result(timeout=30)
        monkeypatch.setattr(type(ledger.store), "change", change)
        assert soon(ledger, 2).result(timeout=30) == 2
        assert [entry.payload["n"] for entry in ledger.entries()] == [2]


def test_closing_waits_for_what_was_asked_for(tmp_path):
    ledger = ledger_at(tmp_path)
    told = [soon(ledger, n) for n in range(50)]
    ledger.close()
    assert all(one.done() for one in told)
    with ledger_at(tmp_path) as again:
        assert len(list(again.entries())) == 50


def test_threads_and_two_connections_share_one_chain(tmp_path):
    ledgers = [ledger_at(tmp_path), ledger_at(tmp_path)]

    def work(ledger: ChainLedger) -> None:
        for _ in range(15):
            ledger.append({"name": "t"}, at=AT)

    threads = [threading.Thread(target=work, args=(ledger,)) for ledger in ledgers * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = ledgers[0].verify()
    assert (report.rows, report.problems) == (60, ())
    for ledger in ledgers:
        ledger.close()


APPENDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from registry.chain import ChainLedger
ledger = ChainLedger(Path(sys.argv[1]), bytes(range(32)), "events")
while True:
    entry = ledger.append({"name": "x" * 200}, at=datetime(2026, 7, 4, tzinfo=UTC))
    sys.stdout.write(f"{entry.seq} {entry.hash}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("acknowledged", [1, 7, 40, 90])
def test_every_acknowledged_row_survives_kill_9(tmp_path, acknowledged):
    path = tmp_path / "x.db"
    with subprocess.Popen([sys.executable, "-c", APPENDER, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(acknowledged)]
        os.kill(child.pid, signal.SIGKILL)
        lines += child.stdout.readlines()
    told = [line.split() for line in lines if line.endswith("\n")]
    with ChainLedger(path, KEY, "events") as ledger:
        kept = {str(e.seq): e.hash for e in ledger.entries()}
        assert len(told) >= acknowledged
        assert all(kept[seq] == digest for seq, digest in told)
        assert ledger.verify().ok
        assert ledger.append({"name": "after"}, at=AT).seq == len(kept) + 1

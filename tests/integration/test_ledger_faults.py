"""When disk, lock, file, server or folder of anchors fail: an error that names it, no answer, and no repair by hand."""

from __future__ import annotations

import fcntl
import json
import logging
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from registry.chain import ChainLedger
from registry.errors import IntegrityError, ServiceUnavailable
from registry.ledger_anchors import Anchors
from registry.signing import init_keys
from tests.lib.ledgers import AT, DECISION, KEY, decision, decisions, events, postgresql_at, sqlite_at
from tests.lib.postgresql import DRIVER, INSTALLED, new_database, postgresql, restart, stop
from tests.lib.processes import ROOT

DEADLINE_S = 120
needs_postgresql = pytest.mark.skipif(not INSTALLED or not DRIVER, reason="PostgreSQL's programs or psycopg are not installed")

DISK_FULL = """
import json, resource, sys
from pathlib import Path
from registry.errors import ServiceUnavailable
from tests.lib.ledgers import AT, events, sqlite_at
folder = Path(sys.argv[1])
ledger, kept, refused = events(sqlite_at(folder)), [], []
kept += [ledger.append({"name": "before", "pad": "x" * 3000}, at=AT).seq for _ in range(10)]
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
size = (folder / "events.db-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30_000, hard))
for _ in range(20):
    try:
        kept.append(ledger.append({"name": "while", "pad": "x" * 3000}, at=AT).seq)
    except ServiceUnavailable as error:
        refused.append(str(error))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
kept += [ledger.append({"name": "after"}, at=AT).seq for _ in range(5)]
print(json.dumps({"kept": kept, "refused": refused, "problems": ledger.verify().problems}))
"""


def test_a_full_disk_refuses_and_is_recovered_from_without_a_restart(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DISK_FULL, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True, timeout=DEADLINE_S
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["refused"]
    assert all("cannot be used" in one and "has space" in one for one in found["refused"])
    assert found["problems"] == []
    with events(sqlite_at(tmp_path)) as ledger:
        assert [one.seq for one in ledger.entries()] == found["kept"]
        assert ledger.find("name", "while")


def test_a_database_that_another_program_locks_is_waited_for_and_named(tmp_path: Path) -> None:
    events(sqlite_at(tmp_path), 1).close()
    other = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
    with closing(other), events(sqlite_at(tmp_path, wait_s=0.2)) as ledger:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServiceUnavailable, match=r"database is locked.*no other program locks the file"):
            ledger.append({"name": "refused"}, at=AT)
        assert [one.seq for one in ledger.entries()] == [1]
        other.execute("ROLLBACK")
        assert ledger.append({"name": "kept"}, at=AT).seq == 2
        assert ledger.verify().ok


@pytest.mark.parametrize("name", ["lock", "turn"])
def test_a_process_that_does_not_let_go_is_waited_for_and_named(tmp_path: Path, name: str) -> None:
    with events(sqlite_at(tmp_path, wait_s=0.2), 1) as ledger, (tmp_path / f"events.db.{name}").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ServiceUnavailable, match="another process does not let go of the ledger"):
            ledger.append({"name": "refused"}, at=AT)
        assert ledger.last() is not None
        fcntl.flock(other, fcntl.LOCK_UN)
        assert ledger.append({"name": "kept"}, at=AT).seq == 2


def test_calls_that_come_while_the_ledger_is_busy_share_one_transaction(tmp_path: Path) -> None:
    with events(sqlite_at(tmp_path)) as ledger, (tmp_path / "events.db.lock").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        threads = [threading.Thread(target=ledger.append, args=({"name": f"n{i}"},), kwargs={"at": AT}) for i in range(16)]
        for thread in threads:
            thread.start()
        until(lambda: ledger.waiting == 16)
        fcntl.flock(other, fcntl.LOCK_UN)
        for thread in threads:
            thread.join(DEADLINE_S)
        assert ledger.group_sizes == (1, 16)
        assert ledger.verify().rows == 16


def test_whoever_waits_for_a_ledger_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    with events(sqlite_at(tmp_path, wait_s=0.3)) as ledger, (tmp_path / "events.db.lock").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def work() -> None:
            with pytest.raises(ServiceUnavailable, match="does not let go") as met:
                ledger.append({"name": "refused"}, at=AT)
            told.append(met.value.slug)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_S)
        assert told == ["unavailable"] * 8
        fcntl.flock(other, fcntl.LOCK_UN)
        assert ledger.append({"name": "kept"}, at=AT).seq == 1


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


THREE_ROWS = """
import os, sys
from pathlib import Path
from tests.lib.ledgers import AT, events, sqlite_at
with events(sqlite_at(Path(sys.argv[1])), 1) as ledger:
    for i in range(3):
        os.write(1, b"asked")
        ledger.append({"name": f"n{i}"}, at=AT)
        os.write(1, b"acknowledged")
"""


NOW_AND_THEN = THREE_ROWS.replace("sqlite_at(Path(sys.argv[1]))", "spared").replace("range(3)", "range(16)").replace(
    "with events", """
from registry.ledger_sqlite import SqliteStore
def spared(table):
    return SqliteStore(Path(sys.argv[1]) / f"{table}.db", table, head_every=8)
with events""",
)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_head_that_is_synced_now_and_then_leaves_every_row_synced(tmp_path: Path) -> None:
    steps = synced_steps(tmp_path, NOW_AND_THEN)
    assert len(steps) == 16
    assert all(any("events.db-wal>" in line for line in step) for step in steps)
    # One row was there before the first of these: positions 8 and 16 are reached by the seventh and the fifteenth.
    assert [place for place, step in enumerate(steps) if any("events.head>" in line for line in step)] == [6, 14]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_log_and_head_are_synced_before_anything_is_acknowledged(tmp_path: Path) -> None:
    # A kill of the process proves nothing about a loss of power, because what was written stays with the system.
    for step in synced_steps(tmp_path, THREE_ROWS):
        log = next(place for place, line in enumerate(step) if "events.db-wal>" in line)
        assert any("events.head>" in line for line in step[log:]), step


def synced_steps(folder: Path, program: str) -> list[list[str]]:
    """Return the successful syncs between each request of a program and its acknowledgement."""
    trace = folder / "trace"
    traced = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync,write", "-o", str(trace)]
    command = [*traced, sys.executable, "-c", program, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S)
    if "Operation not permitted" in done.stderr:
        pytest.skip("tracing is not permitted here")
    assert done.returncode == 0, done.stderr
    steps = trace.read_text().split('"asked"')[1:]
    assert len(steps) >= 3
    return [
        [line for line in step.partition('"acknowledged"')[0].splitlines() if "sync(" in line and line.endswith("= 0")]
        for step in steps
    ]


def test_a_damaged_file_is_named_and_never_read_as_something_else(tmp_path: Path) -> None:
    with events(sqlite_at(tmp_path)) as ledger:
        for i in range(200):
            ledger.append_many([({"name": f"n{i}", "pad": "x" * 300}, AT)])
    whole = (tmp_path / "events.db").read_bytes()
    for start in range(0, len(whole), 4096):
        damaged = bytearray(whole)
        damaged[start : start + 4096] = bytes(4096)
        (tmp_path / "events.db").write_bytes(damaged)
        assert damage(tmp_path), f"the page at {start} was lost and nobody said so"
    (tmp_path / "events.db").write_bytes(b"no database at all, but long enough to be one" * 200)
    with pytest.raises(IntegrityError, match="ledger events is damaged: file is not a database"):
        events(sqlite_at(tmp_path))


def damage(folder: Path) -> list[str]:
    try:
        with events(sqlite_at(folder)) as ledger:
            found = list(ledger.verify().problems)
            return found + [f"n{i} is not found" for i in range(200) if not ledger.find("name", f"n{i}")]
    except (IntegrityError, ServiceUnavailable) as error:
        return [error.message]


def test_a_ledger_of_an_older_version_is_named(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "events.db")) as db:
        db.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, at TEXT, prev TEXT, payload TEXT, hash TEXT)")
    with pytest.raises(IntegrityError, match=r"written by version 0\.2 or older.*move it away, and start a new one"):
        events(sqlite_at(tmp_path))


def test_a_head_cut_in_half_leaves_the_one_before(tmp_path: Path) -> None:
    events(sqlite_at(tmp_path), 2).close()
    content = (tmp_path / "events.head").read_bytes()
    newer = 0 if b'"seq": 2,' in content[:512] else 512
    (tmp_path / "events.head").write_bytes(content[: newer + 40] + bytes(472) + content[newer + 512 :])
    with events(sqlite_at(tmp_path)) as ledger:
        assert ledger.verify().ok
        assert ledger.append({"name": "next"}, at=AT).seq == 3


def test_an_empty_head_of_a_process_that_died_at_once_is_none(tmp_path: Path) -> None:
    (tmp_path / "events.head").touch()
    with events(sqlite_at(tmp_path), 1) as ledger:
        assert ledger.verify().ok


def test_anchors_that_cannot_be_written_stop_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    init_keys(tmp_path / "keys")
    (tmp_path / "away").write_text("a file where the folder was")
    anchors = Anchors(tmp_path / "away", "events", tmp_path / "keys")
    with caplog.at_level(logging.WARNING), ChainLedger(tmp_path / "events.db", KEY, "events", anchors=anchors) as ledger:
        for i in range(3):
            ledger.append({"name": f"n{i}"}, at=AT.replace(hour=9 + i))
        assert anchors.failing
        (tmp_path / "away").unlink()
        ledger.append({"name": "later"}, at=AT.replace(hour=20))
        assert not anchors.failing
    assert [record.getMessage() for record in caplog.records] == ["anchors of ledger events cannot be written: FileExistsError"]
    assert '"seq": 4' in (tmp_path / "away" / "events.anchors").read_text()


@needs_postgresql
def test_a_server_that_goes_away_and_comes_back_needs_no_restart_of_ours(tmp_path: Path) -> None:
    with postgresql() as address, closing(decisions(postgresql_at(address, wait_s=2))) as ledger:
        ledger.record(DECISION)
        stop(address)
        with pytest.raises(ServiceUnavailable, match=r"ledger decisions cannot be used: PostgreSQL answers \w+.*127\.0\.0\.1"):
            ledger.record(decision())
        with pytest.raises(ServiceUnavailable, match="PostgreSQL answers"):
            ledger.get(DECISION.score_id)
        restart(address)
        assert ledger.get(DECISION.score_id) == DECISION
        ledger.record(decision())
        restart(address)
        ledger.record(decision())
        assert ledger.verify().rows == 3
        assert ledger.verify().ok


@needs_postgresql
def test_a_server_that_vanishes_without_a_word_is_waited_for_no_longer_than_was_said() -> None:
    with postgresql() as address, events(postgresql_at(address, wait_s=2), 1) as ledger:
        with cut_off(address):
            began = time.monotonic()
            with pytest.raises(ServiceUnavailable, match="PostgreSQL answers"):
                ledger.append({"name": "refused"}, at=AT)
            with pytest.raises(ServiceUnavailable, match="PostgreSQL answers"):
                ledger.last()
            assert time.monotonic() - began < 30
        assert ledger.append({"name": "kept"}, at=AT).seq == 2
        assert ledger.verify().ok


@contextmanager
def cut_off(address: str) -> Iterator[None]:
    """Let nothing of what is sent to a server arrive; skip the test where packets may not be dropped."""
    port = address.rpartition(":")[2].partition("/")[0]
    rule = ["INPUT", "-i", "lo", "-p", "tcp", "--dport", port, "-j", "DROP"]
    if shutil.which("iptables") is None or subprocess.run(["iptables", "-I", *rule], check=False, capture_output=True).returncode:
        pytest.skip("packets cannot be dropped here, which needs iptables and root")
    try:
        yield
    finally:
        subprocess.run(["iptables", "-D", *rule], check=True)


@needs_postgresql
def test_a_row_that_another_client_locks_is_waited_for_and_named() -> None:
    import psycopg

    with postgresql() as server:
        address = new_database(server, "locked")
        with events(postgresql_at(address, wait_s=0.3), 1) as ledger:
            with psycopg.connect(address) as other:
                other.execute("SELECT * FROM roadrisk_ledger.ledger_heads FOR UPDATE")
                with pytest.raises(ServiceUnavailable, match="PostgreSQL answers LockNotAvailable"):
                    ledger.append({"name": "refused"}, at=AT)
                other.rollback()
            assert ledger.append({"name": "kept"}, at=AT).seq == 2


@needs_postgresql
def test_falsified_rows_in_postgresql_are_found() -> None:
    import psycopg

    with postgresql() as server:
        for number, (statement, problem) in enumerate({
            "UPDATE events SET payload = replace(payload, 'n2', 'nX') WHERE seq = 3": "row 3 was changed",
            "DELETE FROM events WHERE seq = 3": "rows 3 to 3 are missing",
            "DELETE FROM events WHERE seq = 5": "rows were cut off",
            "UPDATE ledger_heads SET head = NULL": "the head was replaced",
        }.items()):
            address = new_database(server, f"falsified_{number}")
            events(postgresql_at(address), 5).close()
            with psycopg.connect(address, options="-c search_path=roadrisk_ledger") as db:
                db.execute("ALTER TABLE events DISABLE TRIGGER ALL")
                db.execute(statement.encode())
            assert any(problem in one for one in problems_in(address)), statement


def problems_in(address: str) -> list[str]:
    try:
        with events(postgresql_at(address)) as ledger:
            return list(ledger.verify().problems)
    except IntegrityError as error:
        return [error.message]

"""Writers of the decision ledger killed under load, 200 times: what was acknowledged is there, once, and the chain is whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.lib.ledgers import MakeStore, decisions, postgresql_at, sqlite_at
from tests.lib.postgresql import DRIVER, INSTALLED, postgresql
from tests.lib.processes import ROOT

DEADLINE_S = 120
AT_ONCE = 2
"""Writers that share the ledger at any moment."""


class Nursery:
    """Writers, and what they acknowledged."""

    def __init__(self, folder: Path, address: str | None) -> None:
        command = [sys.executable, "-m", "tests.lib.ledger_nursery", str(folder), *([address] if address else [])]
        self._process = subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._acks = folder / "acks"
        self._acks.touch()
        self.alive: list[int] = []

    def start(self, name: str) -> None:
        self.alive.append(self.ask(name))

    def kill(self, place: int) -> None:
        victim = self.alive.pop(place)
        os.kill(victim, signal.SIGKILL)
        assert self.ask(f"wait {victim}") == -signal.SIGKILL, "a writer gave up by itself"

    def ask(self, line: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def acknowledged(self) -> list[str]:
        return self._acks.read_text().split()

    def wait_for(self, more_bytes: int) -> None:
        """Wait until so much more is acknowledged than now."""
        deadline, wanted = time.monotonic() + DEADLINE_S, self._acks.stat().st_size + more_bytes
        while self._acks.stat().st_size < wanted:
            assert time.monotonic() < deadline, "nothing is acknowledged any more"
            time.sleep(0.001)

    def close(self) -> None:
        for writer in self.alive:
            os.kill(writer, signal.SIGKILL)
        self._process.communicate(timeout=DEADLINE_S)


def killed(nursery: Nursery, kills: int) -> None:
    rng = random.Random(20260704)
    for number in range(AT_ONCE):
        nursery.start(f"w{number}")
    for number in range(kills):
        # Some die while they open the ledger, most while they write; the moment within a write is the machine's.
        nursery.wait_for(rng.choice((0, 0, 1, 50, 200, 600)))
        time.sleep(rng.uniform(0, 0.004))
        nursery.kill(rng.randrange(AT_ONCE))
        nursery.start(f"w{AT_ONCE + number}")
    nursery.wait_for(200)
    while nursery.alive:
        nursery.kill(0)


def check(make: MakeStore, acknowledged: list[str], *, at_least: int) -> None:
    assert len(set(acknowledged)) == len(acknowledged) > at_least
    with closing(decisions(make)) as ledger:
        # The counts are held against the chain too, so nothing was counted without its record, or recorded without its count.
        report = ledger.verify()
        assert report.problems == ()
        kept = [one.score_id for one in ledger.decisions()]
        assert len(kept) == len(set(kept)) == report.rows
        assert set(acknowledged) <= set(kept)
        assert all(ledger.stored_answer("insurer", score_id) is not None for score_id in kept[:: max(1, len(kept) // 500)])
        entries = list(ledger.chain.entries())
        assert [one.seq for one in entries] == list(range(1, len(entries) + 1))


def test_200_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with closing(Nursery(tmp_path, None)) as nursery:
        killed(nursery, 200)
        check(sqlite_at(tmp_path), nursery.acknowledged(), at_least=1000)


@pytest.mark.skipif(not INSTALLED or not DRIVER, reason="PostgreSQL's programs or psycopg are not installed")
def test_kills_of_writers_to_postgresql_lose_nothing(tmp_path: Path) -> None:
    with postgresql() as address, closing(Nursery(tmp_path, address)) as nursery:
        killed(nursery, 40)
        check(postgresql_at(address), nursery.acknowledged(), at_least=200)

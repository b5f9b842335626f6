"""The writer of the book of alerts killed under load: what it acknowledged is there once, the chain is whole, and it goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from registry.ledger_open import open_ledger
from registry.settings import Settings
from registry.signing import init_keys
from registry.supervision.book import ALERTS, AlertBook
from registry.supervision.events import AlertEvent, read_happening
from tests.lib.alert_writer import events_of
from tests.lib.processes import ROOT

KILLS = int(os.environ.get("ROADRISK_TEST_BOOK_KILLS", "5"))
DEADLINE_S = 120


def test_kills_lose_nothing_that_was_acknowledged_and_write_nothing_twice(tmp_path: Path) -> None:
    settings, acks, rng = Settings(home=tmp_path / "home", keys_dir=tmp_path / "keys"), tmp_path / "acks", random.Random(20260704)
    init_keys(settings.keys_dir)
    acks.touch()
    command = [sys.executable, "-m", "tests.lib.alert_writer", str(settings.home), str(settings.keys_dir), str(acks)]
    for _ in range(KILLS):
        before = len(acks.read_text().split())
        with subprocess.Popen(command, cwd=ROOT) as writer:
            deadline = time.monotonic() + DEADLINE_S
            while len(acks.read_text().split()) < before + rng.choice((1, 3, 10)):
                assert time.monotonic() < deadline, "nothing is acknowledged"
                assert writer.poll() is None, "the writer gave up by itself"
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.01))
            writer.kill()
            assert writer.wait(DEADLINE_S) == -signal.SIGKILL
    acknowledged = [int(line) for line in acks.read_text().split()]
    assert acknowledged == list(range(len(acknowledged)))
    with closing(open_ledger(settings, ALERTS, indexed=("alert_id",))) as ledger:
        assert ledger.verify().problems == ()
        told = [what for what in (read_happening(entry.payload) for entry in ledger.entries()) if isinstance(what, AlertEvent)]
    kept = [(what.alert_id, what.kind, what.at_s) for what in told]
    assert len(set(kept)) == len(kept)
    wanted = [(what.alert_id, what.kind, what.at_s) for minute in acknowledged for what in events_of(minute)]
    assert set(wanted) <= set(kept)
    assert kept[:len(wanted)] == wanted
    with AlertBook.open(settings) as book:
        assert {one.alert_id for one in book.alerts()} == {alert_id for alert_id, _, _ in kept}
        ended = {alert_id for alert_id, kind, _ in kept if kind == "cleared"}
        assert all(one.is_open == (one.alert_id not in ended) for one in book.alerts())

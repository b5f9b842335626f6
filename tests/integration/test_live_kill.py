"""The live service killed under load again and again: no accepted message is lost and none is counted twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from features.door.source import KEY_HEADER
from features.live.fold import LiveFold
from features.live.layout import NEWEST, T
from features.live.service import open_service
from registry.signing import init_keys
from tests.lib.kafka_cluster import N_PARTITIONS, kafka_cluster
from tests.lib.live import records
from tests.lib.live_nursery import KEY, PLATES, roster_for, settings_of
from tests.lib.positions import MIDNIGHT, message
from tests.lib.processes import ROOT, free_port

KILLS = int(os.environ.get("ROADRISK_TEST_LIVE_KILLS", "8"))
HEADERS = {KEY_HEADER: KEY, "Content-Type": "application/x-ndjson"}
DEADLINE_S = 60


class Sender(threading.Thread):
    """Sends message after message of all vehicles, each group again until it is accepted, sometimes one that was."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._url, self._rng = f"http://127.0.0.1:{port}/v1/live/positions", random.Random(5)
        self.over = threading.Event()
        self.rows: list[list[dict[str, Any]]] = []
        self.accepted = self.again = 0

    def run(self) -> None:
        with httpx.Client(timeout=10) as client:
            while not self.over.is_set():
                self.rows.append(step(len(self.rows)))
                self._send(client, self.rows[-1])
                self.accepted += len(self.rows[-1])
                if self._rng.random() < 0.2:
                    self._send(client, self.rows[-1])

    def _send(self, client: httpx.Client, rows: list[dict[str, Any]]) -> None:
        body = b"".join(json.dumps(row, default=datetime.isoformat).encode() + b"\n" for row in rows)
        while True:
            try:
                answer = client.post(self._url, content=body, headers=HEADERS)
            except httpx.TransportError:
                self.again += 1
                time.sleep(0.01)
                continue
            assert answer.status_code in (202, 429), answer.text
            if answer.status_code == 202:
                return


def step(n: int) -> list[dict[str, Any]]:
    """Return the n-th message of every vehicle; some rest, some drive all the time."""
    rows = []
    for place, (plate, colour) in enumerate(PLATES):
        speed = 0.0 if (n // 40 + place) % 5 == 0 else 60.0
        received = MIDNIGHT + timedelta(seconds=30 * n + 1)
        rows.append(message(30 * n, speed, n * 0.4, plate_no=plate, plate_color=colour, recv_time=received))
    return rows


def test_killed_at_random_under_load_nothing_is_lost_or_counted_twice(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "home", tmp_path / "keys")
    init_keys(settings.keys_dir)
    port, rng = free_port(), random.Random(20260704)
    command = [sys.executable, "-m", "tests.lib.live_nursery", str(settings.home), str(settings.keys_dir), str(port)]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as nursery:
        sender = Sender(port)
        for kill in range(KILLS):
            child = ask(nursery, "start")
            if kill == 0:
                sender.start()
            before = sender.accepted
            deadline = time.monotonic() + DEADLINE_S
            while sender.accepted == before:
                assert time.monotonic() < deadline, "nothing was accepted"
                assert sender.is_alive(), "the sender met an answer that it should not"
                time.sleep(0.002)
            time.sleep(rng.random() * 0.6)
            os.kill(child, signal.SIGKILL)
            assert ask(nursery, f"wait {child}") == -signal.SIGKILL
        last = ask(nursery, "start")
        sender.over.set()
        sender.join(DEADLINE_S)
        assert not sender.is_alive()
        os.kill(last, signal.SIGKILL)
        ask(nursery, f"wait {last}")
        assert nursery.stdin is not None
        nursery.stdin.close()
    assert sender.again > 0, "no kill met a request"
    assert_state_is_that_of_the_messages(settings_of(settings.home, settings.keys_dir), sender.rows)


def test_the_kafka_door_killed_at_random_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "home", tmp_path / "keys")
    init_keys(settings.keys_dir)
    port, rng, rows = free_port(), random.Random(20260704), []
    with kafka_cluster("positions") as cluster:
        command = [
            sys.executable, "-m", "tests.lib.live_nursery", str(settings.home), str(settings.keys_dir), str(port), cluster.brokers,
        ]
        committed = [0] * N_PARTITIONS
        with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as nursery:
            for _ in range(KILLS):
                child = ask(nursery, "start")
                until = time.monotonic() + 0.6 + rng.random()
                while time.monotonic() < until:
                    rows.append(step(len(rows)))
                    cluster.put([(place % N_PARTITIONS, line(row)) for place, row in enumerate(rows[-1])])
                    time.sleep(0.02)  # this cluster keeps five megabytes of a partition
                os.kill(child, signal.SIGKILL)
                assert ask(nursery, f"wait {child}") == -signal.SIGKILL
                committed, before = cluster.committed("roadrisk-live"), committed
                assert all(map(int.__le__, before, committed))
            last = ask(nursery, "start")
            # What many rounds left behind may take long on a busy machine; what must not be is that it stands still.
            deadline, taken = time.monotonic() + DEADLINE_S, 0
            while (now := sum(cluster.committed("roadrisk-live"))) < sum(map(len, rows)):
                if now > taken:
                    deadline, taken = time.monotonic() + DEADLINE_S, now
                assert time.monotonic() < deadline, f"nothing was committed after {taken} of {sum(map(len, rows))}"
                time.sleep(0.1)
            os.kill(last, signal.SIGKILL)
            ask(nursery, f"wait {last}")
            assert nursery.stdin is not None
            nursery.stdin.close()
    assert sum(committed) < sum(map(len, rows)), "no kill came between two commits"
    assert_state_is_that_of_the_messages(settings, rows)


def line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, default=datetime.isoformat).encode()


def ask(nursery: subprocess.Popen[str], line: str) -> int:
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(f"{line}\n")
    nursery.stdin.flush()
    return int(nursery.stdout.readline())


def assert_state_is_that_of_the_messages(settings: Any, groups: list[list[dict[str, Any]]]) -> None:
    roster = roster_for(settings)
    service = open_service(settings, replay=True, roster=roster)
    service.start()
    service.stop()
    kept = service.engine.fold
    sent = [row for rows in groups for row in rows]
    assert kept.counts["folded"] == len(sent)
    straight = LiveFold.empty(len(roster), cap_kmh=roster.cap_kmh)
    found = records(sent)
    numbers = roster.numbers_of([(row["plate_no"], row["plate_color"]) for row in sent])
    slots = roster.slots_of(numbers)
    roads = service.engine.roads.classes(found["lon_e6"] / 1e6, found["lat_e6"] / 1e6)
    straight.apply(slots, found, roads)
    np.testing.assert_array_equal(kept.state.vehicle, straight.state.vehicle)
    np.testing.assert_array_equal(kept.state.tally, straight.state.tally)
    day = (datetime(2026, 3, 2, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    of_day = kept.state.tally[:, NEWEST, day & 1, T["n_messages"]]
    assert (of_day == min(len(groups), 2880)).all()

"""Real processes killed with SIGKILL in the middle of a pull and of a push: what entered is whole, and nothing is lost or twice.

An ingestion of files is killed in `test_ingest.py`.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from features.door.outbox_pages import OutboxPages
from features.door.reference_server import Faults, create_source
from features.warehouse import Warehouse
from registry.settings import Settings
from tests.lib.door import KEY, door_command, held, pushed, sent_rows, served, small_outbox
from tests.lib.processes import ROOT, environment_of, free_port
from tests.lib.provinces import settled

EVENTS = "traffic_emergency"
START_S = 120


def started(settings: Settings, *arguments: str) -> subprocess.Popen[bytes]:
    environment = environment_of(settings) | {"ROADRISK_PULL_KEY": KEY, "ROADRISK_PUSH_KEY": KEY}
    return subprocess.Popen(
        door_command(*arguments), env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def wait_until(holds: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while not holds():
        assert time.monotonic() < deadline
        assert process.poll() is None, "the process ended by itself"
        time.sleep(0.005)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    assert process.wait() == -signal.SIGKILL


def whole(warehouse: Warehouse, undisturbed: Warehouse | None = None) -> None:
    warehouse.verify(EVENTS)
    if undisturbed is not None:
        known = undisturbed.deliveries(EVENTS)
        assert all(delivery in known for delivery in warehouse.deliveries(EVENTS))


def test_a_killed_pull_goes_on_and_ends_as_one_that_was_not(tmp_path: Path) -> None:
    outbox, rng = small_outbox(tmp_path / "outbox", resources=(EVENTS,)), random.Random(20260704)
    settings, calm = settled(tmp_path / "killed"), Settings(home=tmp_path / "calm", keys_dir=tmp_path / "killed" / "keys")
    asked = ["pull", "--resource", EVENTS, "--page-rows", "10", "--delivery-rows", "100"]
    with served(create_source(OutboxPages(outbox), key=KEY)) as base:
        assert started(calm, *asked, "--url", base).wait(START_S) == 0
    undisturbed, warehouse = Warehouse(calm.warehouse_dir), Warehouse(settings.warehouse_dir)
    state = settings.intake_dir / "pull" / EVENTS
    with served(create_source(OutboxPages(outbox), key=KEY, faults=Faults(slow_s=0.03))) as base:
        for committed in (0, 3):
            process = started(settings, *asked, "--url", base)
            wait_until(lambda: deliveries_of(state) >= committed and (state / "segment.json").exists(), process)  # noqa: B023
            time.sleep(rng.uniform(0, 0.3))
            kill(process)
            whole(warehouse, undisturbed)
        assert started(settings, *asked, "--url", base).wait(START_S) == 0
    assert warehouse.snapshot() == undisturbed.snapshot()
    assert held(warehouse, EVENTS) == held(undisturbed, EVENTS)
    assert len(undisturbed.deliveries(EVENTS)) == 6
    assert [path.name for path in state.iterdir()] == ["watermark.json"]


def deliveries_of(state: Path) -> int:
    path = state / "watermark.json"
    return int(json.loads(path.read_bytes())["deliveries"]) if path.exists() else 0


@contextmanager
def receiver(settings: Settings) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    process = started(settings, "receive", "--port", str(port), "--seal-rows", "30", "--seal-seconds", "0.2")
    base = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(base), process)
        yield process, base
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/readyz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_killed_receiver_keeps_what_it_acknowledged_and_takes_nothing_twice(tmp_path: Path) -> None:
    settings, rng = settled(tmp_path), random.Random(20260704)
    warehouse = Warehouse(settings.warehouse_dir)
    rows = sent_rows(EVENTS, 600)
    batches = {f"batch-{place}": rows[place : place + 10] for place in range(0, len(rows), 10)}
    unacknowledged, acknowledged = dict(batches), set[str]()
    for _ in range(2):
        with receiver(settings) as (process, base):
            due = time.monotonic() + rng.uniform(0.5, 1.2)
            for once, batch in list(unacknowledged.items()):
                if time.monotonic() > due:
                    break
                assert pushed(base, EVENTS, batch, once=once, lines=True).status_code == 202
                acknowledged.add(once)
                # Every third sender does not hear the answer and will send again.
                if rng.random() > 1 / 3:
                    unacknowledged.pop(once)
            kill(process)
        whole(warehouse)
    assert 0 < len(acknowledged) < len(batches)
    with receiver(settings) as (process, base):
        known = {row["row_id"] for row in held(warehouse, EVENTS)}
        repeated = [pushed(base, EVENTS, batch, once=once, lines=True) for once, batch in unacknowledged.items()]
        assert {answer.status_code for answer in repeated} == {202}
        assert any("Idempotent-Replay" in answer.headers for answer in repeated)
        process.send_signal(signal.SIGTERM)
        process.wait(START_S)
    found: list[dict[str, Any]] = held(warehouse, EVENTS)
    assert len(found) == len({row["row_id"] for row in found}) == len(rows)
    assert known <= {row["row_id"] for row in found}
    assert sorted(row["event_id"] for row in found) == sorted(row["event_id"] for row in rows)


def test_a_receiver_without_a_key_does_not_start(tmp_path: Path) -> None:
    settings = settled(tmp_path)
    done = subprocess.run(
        door_command("receive"), env=environment_of(settings), cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=START_S,
    )
    assert (done.returncode, "Set ROADRISK_PUSH_KEY" in done.stderr) == (10, True)



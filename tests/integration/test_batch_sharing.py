"""Several processes at one batch: each chunk is worked at by one of them, and what somebody holds is left alone."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.access.local import local_token
from serving.app import create_app
from serving.batches import formats
from serving.batches.claims import CHUNKS_PER_PROCESS, claim, processes_for
from serving.batches.folder import READ_WITHIN
from serving.batches.worker import found
from tests.lib.batch_desks import VEHICLE, Office, mixed, ndjson, office
from tests.lib.client import AppClient

ROWS, CHUNK = 60, 4


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr(formats, "CHUNK_ROWS", CHUNK)
    return office(tmp_path)


def test_workers_at_the_same_time_answer_every_row_once(made: Office) -> None:
    alone = made.submit(mixed(ROWS))["id"]
    made.work()
    shared = made.submit(mixed(ROWS))["id"]
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: made.work(), range(3)))
    assert sum(done) == ROWS // CHUNK
    assert made.timeless(shared) == made.timeless(alone)
    recorded = [one.score_id for one in made.desk.decisions.decisions() if one.batch == shared]
    answered = [line["answer"]["score_id"] for line in made.result(shared) if "answer" in line]
    assert len(recorded) == len(set(recorded))
    assert sorted(recorded) == sorted(answered)
    assert made.desk.decisions.verify().ok


def test_what_another_process_holds_is_left_to_it(made: Office) -> None:
    folder = made.batches.folders.root / made.submit(mixed(ROWS))["id"]
    (waiting,) = made.batches.folders.waiting()
    with claim(waiting, f"{1:06d}") as mine:
        assert mine
        assert made.work() == ROWS // CHUNK - 1
        assert set(range(ROWS // CHUNK)) - set(waiting.parts()) == {1}
    assert made.work() == 1
    assert made.client.get(f"/v1/batches/{folder.name}").json()["status"] == "done"


def test_a_batch_that_was_removed_stays_so(made: Office) -> None:
    made.submit(mixed(ROWS))
    (waiting,) = made.batches.folders.waiting()
    waiting.remove()
    with pytest.raises(FileNotFoundError), claim(waiting, "model"):
        pass
    assert not waiting.path.exists()


def test_further_processes_are_for_large_batches(made: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3})
    settings = made.settings.model_copy(update={"threads": 3})
    assert processes_for(settings, []) == 1
    made.submit(mixed((2 * CHUNKS_PER_PROCESS - 1) * CHUNK))
    assert processes_for(settings, made.batches.folders.waiting()) == 1
    made.submit(mixed(CHUNK))
    assert processes_for(settings, made.batches.folders.waiting()) == 2
    made.submit(mixed(9 * CHUNKS_PER_PROCESS * CHUNK))
    assert processes_for(settings, made.batches.folders.waiting()) == 3


def test_a_worker_that_is_early_waits_for_a_batch_that_is_being_read(made: Office) -> None:
    folders, slept = made.batches.folders, list[float]()
    assert found(folders, slept.append) == []
    staged = folders.staging()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            made.submit(mixed(ROWS))

    assert [folder.header.rows for folder in found(folders, sleep)] == [ROWS]
    assert len(slept) == 2
    made.work()
    # What a killed process left is waited for no longer than a batch takes to be read.
    left = (datetime.now(UTC) - READ_WITHIN - timedelta(seconds=1)).timestamp()
    os.utime(staged.path, (left, left))
    assert found(folders, sleep) == []
    assert len(slept) == 2


def test_for_a_large_body_a_worker_starts_before_it_has_been_read(made: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[int]()
    batches = replace(made.batches, start=lambda: seen.append(len(made.batches.folders.waiting())))
    client = AppClient(create_app(made.desk, made.gate, batches=batches), key=local_token(made.settings))
    for least, expected in ((10_000_000, [1]), (1, [1, 2])):
        monkeypatch.setattr("serving.batches.desk.EARLY_BYTES", least)
        seen.clear()
        body, headers = ndjson(mixed(ROWS)), {"content-type": formats.NDJSON, "prefer": "respond-async"}
        assert client.post(f"/v1/{VEHICLE}/batches", content=body, headers=headers).status_code == 202
        assert seen == expected

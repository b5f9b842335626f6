"""An erasure reaches the copies of answers outside the ledger: results of batches, their staged rows, answers kept for a key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from registry.answer_copies import erased_problem, forget_erased, unpacked_lines
from registry.cli import main
from registry.decisions import DecisionLedger
from registry.settings import Settings
from registry.signing import init_keys
from serving.problems import TYPE_PREFIX
from tests.lib.batch_desks import NOW, PLATE, VEHICLE, VIN, Office, ndjson, office, read_lines
from tests.lib.desks import tiny_desk, tiny_inputs

ROWS: list[Any] = [{"entity": (VIN, PLATE)[i % 2], "ref": f"r-{i}"} for i in range(9)]
GONE, KEPT = "e1", "e2"
Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Office]:
    """A service on a home's own ledger that knows two vehicles."""
    settings = Settings(home=tmp_path / "home", keys_dir=tmp_path / "access-keys")
    init_keys(settings.keys_dir)
    desk = tiny_desk(tmp_path)
    desk.decisions.close()
    desk.source.keys[tuple(PLATE.values())] = KEPT  # type: ignore[attr-defined]
    desk.source.inputs[KEPT] = replace(tiny_inputs(8), entity_id=KEPT)  # type: ignore[attr-defined]
    ledger = DecisionLedger.open(settings)
    yield office(tmp_path, desk=replace(desk, decisions=ledger))
    ledger.close()


@pytest.fixture
def erase(made: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("ROADRISK_HOME", str(made.settings.home))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(made.settings.keys_dir))

    def command(*arguments: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        status = main(["ledger", "erase", *arguments, "--reason", "consent withdrawn", "--by", "李工", "--json"])
        return status, json.loads(capsys.readouterr().out)

    return command


def ended(made: Office) -> str:
    told = made.submit(ROWS)
    made.work()
    return str(told["id"])


def of_vin(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return lines[::2]


def folder_of(made: Office, batch_id: str) -> Path:
    return made.settings.batch_dir / batch_id


def staged(made: Office, batch_id: str) -> list[str | None]:
    found: list[str | None] = pq.read_table(folder_of(made, batch_id) / "input.parquet")["entity_id"].to_pylist()
    return found


def texts(made: Office, batch_id: str) -> bytes:
    return b"".join(unpacked_lines(path) for path in sorted((folder_of(made, batch_id) / "parts").iterdir()))


def check_gone(made: Office, batch_id: str, before: list[dict[str, Any]]) -> None:
    after = made.result(batch_id)
    assert [line["problem"] for line in of_vin(after)] == [erased_problem(batch_id)] * 5
    assert after[1::2] == before[1::2]
    assert [line["ref"] for line in after] == [line["ref"] for line in before]
    assert not any(line["answer"]["score_id"].encode() in texts(made, batch_id) for line in of_vin(before))
    assert staged(made, batch_id) == [None if i % 2 == 0 else KEPT for i in range(9)]


def test_the_rows_of_an_erased_subject_leave_the_results(made: Office, erase: Run) -> None:
    first, second = ended(made), ended(made)
    before = {batch_id: made.result(batch_id) for batch_id in (first, second)}
    assert staged(made, first) == [(GONE, KEPT)[i % 2] for i in range(9)]
    assert erase("--entity", GONE, "--dry-run")[1]["answers_in_batches"] == 0
    assert made.result(first) == before[first]
    status, found = erase("--entity", GONE)
    assert (status, found["erased"], found["answers_in_batches"]) == (0, 10, 10)
    for batch_id in (first, second):
        check_gone(made, batch_id, before[batch_id])
    problems = made.client.get(f"/v1/batches/{first}/problems").content
    assert len(read_lines(problems)) == 5
    for form in ("csv", "parquet", "arrow"):
        assert made.client.get(f"/v1/batches/{first}/result?format={form}").status_code == 200
    assert made.client.get(f"/v1/batches/{first}").json()["status"] == "done"
    assert made.desk.decisions.verify().ok


def test_one_decision_leaves_and_the_others_of_its_subject_stay(made: Office, erase: Run) -> None:
    batch_id = ended(made)
    before = made.result(batch_id)
    status, found = erase("--score-id", before[2]["answer"]["score_id"])
    assert (status, found["answers_in_batches"]) == (0, 1)
    after = made.result(batch_id)
    assert after[2]["problem"]["type"] == f"{TYPE_PREFIX}erased"
    assert after[:2] + after[3:] == before[:2] + before[3:]


def test_an_erasure_that_was_interrupted_before_the_copies_is_ended_by_the_next_worker_and_the_next_erasure(
    made: Office, erase: Run
) -> None:
    first = ended(made)
    before = made.result(first)
    made.desk.decisions.erase(entity_id=GONE, reason="r", by="b", at=NOW)
    made.work()
    check_gone(made, first, before)
    second = ended(made)
    before = made.result(second)
    made.desk.decisions.erase(entity_id=GONE, reason="r", by="b", at=NOW)
    assert erase("--entity", GONE)[0] == 30
    check_gone(made, second, before)
    assert forget_erased(made.settings.batch_dir, made.desk.decisions) == 0


def test_a_chunk_that_was_recorded_and_erased_before_its_part_was_written_holds_no_answer(made: Office, erase: Run) -> None:
    batch_id = ended(made)
    before = made.result(batch_id)
    folder = made.batches.folders.find(batch_id, "local")
    (part,) = folder.parts().values()
    part.unlink()
    folder.write_pending(0, {})
    assert erase("--entity", GONE)[1]["answers_in_batches"] == 0
    made.work()
    after = made.result(batch_id)
    assert {line["problem"]["type"] for line in of_vin(after)} == {f"{TYPE_PREFIX}erased"}
    assert after[1::2] == before[1::2]
    assert len(list(made.desk.decisions.decisions())) == 4


def test_the_kept_answer_of_a_small_batch_goes_with_the_first_of_its_decisions(made: Office, erase: Run) -> None:
    def ask(key: str, rows: list[Any]) -> Any:
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
        return made.client.post(f"/v1/{VEHICLE}/batches", content=ndjson(rows), headers=headers)

    both, other = ask("both", ROWS), ask("other", ROWS[1:2])
    assert ask("both", ROWS).content == both.content
    assert erase("--entity", GONE)[1]["erased"] == 5
    again = ask("both", ROWS)
    assert "idempotent-replayed" not in again.headers
    assert again.content != both.content
    assert ask("other", ROWS[1:2]).content == other.content

"""Push: what is acknowledged is durable and enters once; what breaks its contract is named row by row."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from features.door.journal import PushJournal
from features.door.push import PUSHED, Receiver, ReceiverLimits
from features.door.sealing import Sealer, SealLimits
from features.pseudonyms import Pseudonymiser
from features.warehouse import Warehouse
from registry.errors import ConfigurationError
from tests.lib.door import KEY, held, pushed, sent_rows, served

EVENTS = "traffic_emergency"


class Door:
    """A receiver and what it writes to."""

    def __init__(self, folder: Path, *, replay: bool = False, seal: SealLimits | None = None) -> None:
        self.warehouse = Warehouse(folder / "warehouse")
        self.journal = PushJournal(folder / "intake")
        self.sealer = Sealer(
            self.journal, self.warehouse, Pseudonymiser(bytes(32)), seal or SealLimits(age_s=3600),
        )
        limits = ReceiverLimits(body_bytes=200_000, body_s=2)
        self.app: Starlette = Receiver(self.journal, self.sealer, KEY, replay=replay, limits=limits).app()


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Events of an emergency source, without their arrival."""
    return sent_rows(EVENTS, 40)


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


@pytest.fixture
def base(door: Door) -> Iterator[str]:
    with served(door.app) as address:
        yield address


def test_the_real_time_resources_are_pushed() -> None:
    assert {"vehicle_location", "roadworks_event", "toll_control", EVENTS, "driving_hour"} == PUSHED


def test_rows_enter_once_with_the_instant_of_their_receipt(door: Door, rows: list[dict[str, Any]]) -> None:
    before = datetime.now(UTC)
    with served(door.app) as base:
        answers = [pushed(base, EVENTS, rows[:20], once="a"), pushed(base, EVENTS, rows[20:], once="b", lines=True),
                   pushed(base, EVENTS, rows[:20], once="a")]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert answers[0].json() == {"resource": EVENTS, "accepted": 20, "refused": 0, "errors": []}
    assert answers[2].content == answers[0].content
    assert answers[2].headers["Idempotent-Replay"] == "true"
    found = held(door.warehouse, EVENTS)
    assert len(found) == len({row["row_id"] for row in found}) == len(rows)
    arrivals = [row["arrived_at"] for row in found]
    assert before <= arrivals[0] < arrivals[-1] <= datetime.now(UTC)
    assert len(set(arrivals)) == len(rows)
    (delivery,) = door.warehouse.deliveries(EVENTS)
    assert delivery.complete_until == delivery.last_arrival == arrivals[-1].isoformat()


def test_a_bad_row_is_named_and_quarantined_and_the_others_enter(door: Door, rows: list[dict[str, Any]]) -> None:
    spoiled = [rows[0], rows[1] | {"region_code": "99"}, rows[2] | {"found_time": None}]
    with served(door.app) as base:
        answer = pushed(base, EVENTS, spoiled)
    assert answer.status_code == 202
    assert (answer.json()["accepted"], answer.json()["refused"]) == (1, 2)
    assert sorted(answer.json()["errors"], key=lambda error: error["row"]) == [
        {"row": 1, "field": "region_code", "problem": "must be a valid region"},
        {"row": 2, "field": "found_time", "problem": "must be present"},
    ]
    (delivery,) = door.warehouse.deliveries(EVENTS)
    assert (delivery.rows, delivery.quarantined) == (1, 2)
    assert list((door.warehouse.root / ".quarantine" / EVENTS).glob("*.json"))


def test_no_news_is_news(door: Door) -> None:
    with served(door.app) as base:
        answer = pushed(base, EVENTS, [], complete_until="2026-07-01T00:00:00+08:00")
    assert answer.status_code == 202
    (delivery,) = door.warehouse.deliveries(EVENTS)
    assert (delivery.rows, delivery.complete_until) == (0, "2026-06-30T16:00:00+00:00")


def renamed(row: dict[str, Any]) -> dict[str, Any]:
    return {"colour" if name == "region_code" else name: value for name, value in row.items()}


Make = Callable[[list[dict[str, Any]]], Any]
REFUSED: dict[str, tuple[Make, dict[str, Any], int, str]] = {
    "no key": (lambda rows: rows, {"key": ""}, 401, "no key that is known"),
    "a wrong key": (lambda rows: rows, {"key": "é"}, 401, "no key that is known"),
    "no idempotency key": (lambda rows: rows, {"once": ""}, 400, "Idempotency-Key is not"),
    "an endless idempotency key": (lambda rows: rows, {"once": "x" * 129}, 400, "Idempotency-Key is not"),
    "no JSON": (lambda _: b"hello", {}, 422, "no strict JSON"),
    "JSON cut off": (lambda _: b'[{"row_id": "a"', {}, 422, "no strict JSON"),
    "NaN": (lambda _: b'[{"row_id": NaN}]', {}, 422, "no strict JSON"),
    "a field twice": (lambda _: b'[{"row_id": "a", "row_id": "b"}]', {}, 422, "no strict JSON"),
    "no UTF-8": (lambda _: b'[{"row_id": "\xb8\xd3"}]', {}, 422, "no strict JSON"),
    "nested without end": (lambda _: b"[" * 100_000, {}, 422, "no strict JSON"),
    "an object": (lambda rows: rows[0], {}, 422, "other things than objects"),
    "numbers": (lambda _: [1, 2], {}, 422, "other things than objects"),
    "nothing": (lambda _: [], {}, 422, "has no rows"),
    "a column renamed": (lambda rows: [renamed(row) for row in rows], {}, 422,
                         r"missing \['region_code'\], unknown \['colour'\]"),
    "rows of two forms": (lambda rows: [rows[0], renamed(rows[1])], {}, 422, "do not have the same fields"),
    "a number for text": (lambda rows: [rows[0] | {"region_code": 5}], {}, 422, "cannot read a ndjson delivery"),
    "a naive time": (lambda rows: [rows[0] | {"found_time": "2026-01-01T00:00:00"}], {}, 422, "expected a zone offset"),
    "an arrival of one's own": (lambda rows: [rows[0] | {"arrived_at": "2020-01-01T00:00:00Z"}], {}, 422, "has arrived_at"),
    "only bad rows": (lambda rows: [rows[0] | {"region_code": "99"}], {}, 422, "none of the 1 rows holds"),
    "too much": (lambda rows: rows * 30, {}, 413, "longer than 200000 bytes"),
    "a promise without zone": (lambda rows: rows, {"complete_until": "2026-07-01"}, 422, "has no zone"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_request_leaves_nothing(case: str, door: Door, base: str, rows: list[dict[str, Any]]) -> None:
    make, options, status, reason = REFUSED[case]
    if options.get("key") == "é":
        answer = httpx.post(f"{base}/v1/push/{EVENTS}", content=b"[]", headers={"X-API-Key": "é".encode()}, trust_env=False)
    else:
        answer = pushed(base, EVENTS, make(rows), **options)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert re.search(reason, document["detail"])
    assert door.journal.waiting() == []
    assert not any(str(row["row_id"]) in answer.text for row in rows)


def test_other_paths_methods_and_forms_are_refused(base: str, rows: list[dict[str, Any]]) -> None:
    assert pushed(base, "vehicle_basic", rows).status_code == 404
    assert httpx.get(f"{base}/v1/push/{EVENTS}", trust_env=False).status_code == 405
    assert httpx.get(f"{base}/docs", trust_env=False).json()["status"] == 404
    headers = {"X-API-Key": KEY, "Idempotency-Key": "1", "Content-Type": "text/plain"}
    assert httpx.post(f"{base}/v1/push/{EVENTS}", content=b"[]", headers=headers, trust_env=False).status_code == 415
    packed = headers | {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert httpx.post(f"{base}/v1/push/{EVENTS}", content=b"[]", headers=packed, trust_env=False).status_code == 415


def test_a_key_with_another_body_is_a_conflict(door: Door, base: str, rows: list[dict[str, Any]]) -> None:
    assert pushed(base, EVENTS, rows[:1]).status_code == 202
    assert pushed(base, EVENTS, rows[1:2]).status_code == 409
    assert pushed(base, EVENTS, rows[1:2], once="2").status_code == 202
    assert [waiting[1] for waiting in door.journal.waiting()] == [2]


def test_deliveries_are_sealed_by_size_and_by_age(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    door = Door(tmp_path, seal=SealLimits(rows=10, age_s=0.5))
    with served(door.app) as base:
        for place in range(0, 25, 5):
            assert pushed(base, EVENTS, rows[place : place + 5], once=str(place)).status_code == 202
        deadline = time.monotonic() + 60
        while sum(delivery.rows for delivery in door.warehouse.deliveries(EVENTS)) < 25:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert door.journal.waiting() == []
    assert all(delivery.rows <= 10 for delivery in door.warehouse.deliveries(EVENTS))


def test_a_replay_tells_its_arrivals_but_none_of_the_future(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    door = Door(tmp_path, replay=True)
    times = ["2026-01-01T00:00:00+08:00", "2026-01-02T00:00:00Z", "2199-01-01T00:00:00Z"]
    with served(door.app) as base:
        answer = pushed(base, EVENTS, [row | {"arrived_at": time} for row, time in zip(rows, times, strict=False)])
    assert answer.json()["errors"] == [{"row": 2, "field": "arrived_at", "problem": "must not lie in the future"}]
    assert [row["arrived_at"] for row in held(door.warehouse, EVENTS)] == [
        datetime(2025, 12, 31, 16, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    ]


def test_sealing_again_after_a_commit_makes_no_second_delivery(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    door = Door(tmp_path)
    door.journal.finish = lambda *_, **__: None  # type: ignore[method-assign]  # the process dies before it
    with served(door.app) as base:
        assert pushed(base, EVENTS, rows).status_code == 202
    snapshot = door.warehouse.snapshot()
    again = Door(tmp_path)
    assert len(again.journal.unfinished()) == 1
    again.sealer.finish_all()
    assert again.journal.unfinished() == again.journal.waiting() == []
    assert again.warehouse.snapshot() == snapshot
    again.journal.close()


def test_raw_rows_leave_the_journal_with_their_delivery(door: Door, tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    marked = [row | {"row_id": f"SECRET-{place}"} for place, row in enumerate(rows)]
    with served(door.app) as base:
        assert pushed(base, EVENTS, marked).status_code == 202
        assert any(b"SECRET-" in path.read_bytes() for path in (tmp_path / "intake").iterdir())
    assert not any(b"SECRET-" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_one_receiver_and_no_receiver_without_a_key(door: Door, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="another receiver uses this journal"):
        PushJournal(tmp_path / "intake")
    with pytest.raises(ConfigurationError, match="no key for senders is set"):
        Receiver(door.journal, door.sealer, "")
    door.journal.close()

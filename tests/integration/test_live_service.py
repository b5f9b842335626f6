"""The live service from the door to the online store: accepted is durable, once is once, overload is told, rows are the batch's."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from features.door.source import KEY_HEADER
from features.driving_hours import hours_from_stretches
from features.live import intake as intake_module
from features.live.duty_rows import COLUMNS
from features.live.engine import EngineTimes
from features.live.fold import LiveFold
from features.live.jt809.frames import Frame, FrameReader, encode
from features.live.jt809.messages import (
    UP_CONNECT_REQ,
    UP_CONNECT_RSP,
    UP_EXG_MSG,
    UP_LINKTEST_REQ,
    UP_LINKTEST_RSP,
    Exchange,
    Login,
    exchange_body,
    gnss_of,
    login_body,
)
from features.live.layout import NEWEST
from features.live.online_push import VIEW
from features.live.roster import Roster, roster_of
from features.live.service import LiveService, open_service
from features.packed.keys import text_keys
from features.packed.rows import settled_rows
from features.pseudonyms import pseudonym
from features.reduction import observed_stretches
from features.views import PROJECT
from registry.entities import VEHICLE
from registry.errors import ConfigurationError, ServiceUnavailable
from registry.settings import Settings
from registry.signing import init_keys, pseudonym_keys
from tests.lib.client import AppClient
from tests.lib.live import records
from tests.lib.positions import MIDNIGHT, Leg, drive, message, table

HEADERS = {KEY_HEADER: "secret", "Content-Type": "application/x-ndjson"}
QUICK = EngineTimes(batch_s=0.01, push_s=0.01, checkpoint_s=3600.0)
PLATES = [("赣A12345", "2"), ("赣B54321", "2")]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(home=tmp_path / "home", keys_dir=tmp_path / "keys", push_key=SecretStr("secret"), store_timeout_s=10.0)
    init_keys(made.keys_dir)
    return made


def a_roster(settings: Settings) -> Roster:
    keys = pseudonym_keys(settings.keys_dir, 1)
    return roster_of([(f"v{n}", pseudonym(keys, "plate", *plate), "e", "1") for n, plate in enumerate(PLATES)], keys)


@contextmanager
def running(settings: Settings, *, times: EngineTimes = QUICK) -> Iterator[tuple[LiveService, AppClient]]:
    service = open_service(settings, replay=True, roster=a_roster(settings), times=times)
    service.start()
    try:
        yield service, AppClient(service.app())
    finally:
        service.stop()


def lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row, default=datetime.isoformat).encode() + b"\n" for row in rows)


def a_shift() -> list[dict[str, Any]]:
    return drive([Leg("06:00", "09:30", 60.0), Leg("09:30", "09:55", 0.0), Leg("09:55", "12:10", 72.0)])


def test_what_was_accepted_is_in_the_store_as_the_batch_has_it(settings: Settings) -> None:
    rows = a_shift()
    with running(settings) as (service, client):
        assert client.post("/v1/live/positions", content=gzip.compress(lines(rows)), headers=HEADERS | {
            "Content-Encoding": "gzip"}).json() == {"accepted": len(rows), "refused": 0, "errors": []}
        client.post("/v1/live/positions", content=lines(rows[-50:]), headers=HEADERS)
        wait_for(service, len(rows) + 50)
        duty = client.get("/v1/live/vehicles/v0", headers=HEADERS).json()
        status = client.get("/v1/live/status", headers=HEADERS).json()
    assert duty["limits"][0]["rule"] == "continuous_4h"
    assert duty["limits"][0]["remaining_s"] == 14_400 - 8_100
    assert status["messages"] == {"folded": len(rows), "duplicate": 50, "late": 0, "out_of_order": 0, "drifted": 0}
    assert status["rows_pushed"] > 0
    cutoff_s, values = stored(settings, "v0")
    stretches = observed_stretches(table(rows))[1]
    assert cutoff_s == stretches.end_s[-1]
    batch = hours_from_stretches(stretches)
    drive_s = np.flatnonzero(stretches.state == 1)
    cont = cutoff_s - 3600 - stretches.start_s[drive_s[-1]]
    assert values["duty_cont_drive_h"] == cont / 3600
    assert batch.columns["drive_h_24h"][-1] <= values["duty_drive_h_24h"] == (cont + 12_600) / 3600


def wait_for(service: LiveService, count: int) -> None:
    """Wait for all `count` messages: idle is asked last, as a fold under way has counted messages whose state is not there yet."""
    deadline = time.monotonic() + 60
    while sum(service.engine.fold.counts[name] for name in ("folded", "duplicate", "late")) < count or not service.engine.idle:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stored(settings: Settings, vehicle_id: str) -> tuple[int, dict[str, float]]:
    place = settled_rows(settings, PROJECT)
    (layout,) = place.layouts().values()
    _, ((row,),) = place.fetch([VIEW], text_keys(VEHICLE.id_column, [vehicle_id]))
    place.close()
    assert row is not None
    event_us, told = layout.unpack(row)
    return event_us // 1_000_000, dict(zip(layout.names, told, strict=True))


def test_a_late_message_corrects_a_row_that_was_answered_and_both_are_kept(settings: Settings) -> None:
    rows = drive([Leg("06:00", "08:00", 60.0)])
    late = rows.pop(200) | {"speed_kmh": 90.0}
    rows = [row for row in rows if abs(row["gps_time"] - late["gps_time"]) > timedelta(seconds=70)]
    with running(settings) as (service, client):
        client.post("/v1/live/positions", content=lines(rows), headers=HEADERS)
        wait_for(service, len(rows))
        before = stored(settings, "v0")
        client.post("/v1/live/positions", content=lines([late]), headers=HEADERS)
        wait_for(service, len(rows) + 1)
        corrections = client.get("/v1/live/vehicles/v0", headers=HEADERS).json()["corrections"]
    after = stored(settings, "v0")
    assert before[0] == after[0]
    assert before[1] != after[1]
    told = {entry["feature"]: (entry["before"], entry["after"]) for entry in corrections}
    assert told == {name: (before[1][name], after[1][name]) for name in COLUMNS if before[1][name] != after[1][name]}
    assert "duty_speed_cv" in told


def test_a_new_process_takes_up_what_was_accepted(settings: Settings) -> None:
    rows = a_shift()
    with running(settings) as (service, client):
        client.post("/v1/live/positions", content=lines(rows[:300]), headers=HEADERS)
        wait_for(service, 300)
        first = service.engine.fold.now(10**9 * 2)[0]["drive_7d_s"]
    with running(settings) as (service, client):
        assert service.engine.replayed == 0
        assert service.engine.fold.now(10**9 * 2)[0]["drive_7d_s"] == first
        client.post("/v1/live/positions", content=lines(rows[200:]), headers=HEADERS)
        wait_for(service, len(rows) + 100)
        assert service.engine.fold.counts["folded"] == len(rows)


def test_each_refusal_has_its_reason_and_the_others_are_taken(settings: Settings) -> None:
    rows = [
        message(0, 60.0, 0.0), message(30, 60.0, 0.0, plate_no="赣X00000"), message(60, 60.0, 0.0, lat_deg=95.0),
        message(90, 60.0, 0.0, recv_time=MIDNIGHT - timedelta(hours=1)),
        message(0, 60.0, 0.0, gps_time=datetime.fromisoformat("1999-01-01T00:00Z")),
    ]
    with running(settings) as (_, client):
        answer = client.post("/v1/live/positions", content=lines(rows), headers=HEADERS)
        none = client.post("/v1/live/positions", content=lines(rows[1:2]), headers=HEADERS)
    assert answer.status_code == 202
    assert [(error["row"], error["reason"]) for error in answer.json()["errors"]] == [
        (1, "wrong_plate"), (2, "no_place"), (3, "future"), (4, "no_time"),
    ]
    assert none.status_code == 422


@pytest.mark.parametrize(("body", "headers", "status"), [
    (b"", {KEY_HEADER: "wrong"}, 401), (b"{", {}, 422), (b'{"plate_no": "x"}\n', {}, 422), (b"\xff\xfe", {}, 422),
    (b"{}", {"Content-Type": "text/plain"}, 415), (b"no gzip", {"Content-Encoding": "gzip"}, 422),
    (lines([message(0, 1.0, 0.0) | {"unknown": 1}]), {}, 422),
    (lines([message(0, 1.0, 0.0) | {"gps_time": "2026-03-02T00:00:00"}]), {}, 422),
    (gzip.compress(b" " * (17 * 2**20)), {"Content-Encoding": "gzip"}, 422),
])
def test_what_is_no_push_is_a_problem(settings: Settings, body: bytes, headers: dict[str, str], status: int) -> None:
    with running(settings) as (service, client):
        answer = client.post("/v1/live/positions", content=body, headers=HEADERS | headers)
        assert service.intake.journal.last == 0
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_overload_is_told_and_nothing_of_it_is_taken(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "MAX_WAITING", 100)
    with running(settings) as (service, client):
        answer = client.post("/v1/live/positions", content=lines(a_shift()[:101]), headers=HEADERS)
        assert service.intake.journal.last == 0
        assert client.post("/v1/live/positions", content=lines(a_shift()[:100]), headers=HEADERS).status_code == 202
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


def test_the_platform_link_fills_the_same_state_as_the_http_door(settings: Settings) -> None:
    rows = drive([Leg("06:00", "08:00", 60.0)])
    for row in rows:
        # What 809 can say: whole km/h and whole kilometres.
        row["odometer_km"] = float(int(row["odometer_km"]))
    found = records(rows)
    exchanges = b"".join(
        encode(Frame(UP_EXG_MSG, n, 1, exchange_body(Exchange(*PLATES[0], resent, gnss_of(found[n:n + 1])))))
        for n in range(len(found)) for resent in ([False, True] if n % 50 == 0 else [False])
    )
    login = encode(Frame(UP_CONNECT_REQ, 0, 1, login_body(Login(0, b"open"))))

    async def talk(service: LiveService) -> bytes:
        service.link.password = "open"
        server = await service.link.listen("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        writer.write(login + exchanges + encode(Frame(UP_LINKTEST_REQ, 9, 1, b"")))
        writer.write_eof()
        answered = await reader.read()
        writer.close()
        server.close()
        return answered

    with running(settings) as (service, client):
        service.clock.saw(int(rows[-1]["recv_time"].timestamp() * 1e6))
        answered = asyncio.run(talk(service))
        wait_for(service, len(rows) + len(rows) // 50 + 1)
        by_link = service.engine.fold.state.vehicle[service.roster.slot("v0"), NEWEST].copy()
        status = client.get("/v1/live/status", headers=HEADERS).json()
    again = [frame.message_id for frame in FrameReader().feed(answered) if isinstance(frame, Frame)]
    assert again == [UP_CONNECT_RSP, UP_LINKTEST_RSP]
    assert status["by_door"] == {"jt809": len(rows), "jt809_resent": len(rows) // 50 + 1}
    assert status["messages"]["duplicate"] == len(rows) // 50 + 1
    straight = LiveFold.empty(2)
    roads = service.engine.roads.classes(found["lon_e6"] / 1e6, found["lat_e6"] / 1e6)
    straight.apply(np.zeros(len(found), np.int64), found, roads)
    assert by_link == straight.state.vehicle[0, NEWEST]


def test_a_fold_that_fails_takes_nothing_more_and_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = a_shift()
    with running(settings) as (service, client):
        service.engine.subscribe(lambda _: 1 / 0)  # type: ignore[arg-type,return-value]
        client.post("/v1/live/positions", content=lines(rows[:10]), headers=HEADERS)
        wait_for(service, 10)
        assert service.engine.failed_listeners > 0
        assert client.get("/readyz").status_code == 200
        monkeypatch.setattr(threading, "excepthook", lambda _: None)
        monkeypatch.setattr(service.engine.fold, "apply", lambda *_: 1 / 0)
        assert client.post("/v1/live/positions", content=lines(rows[10:20]), headers=HEADERS).status_code == 202
        deadline = time.monotonic() + 30
        while not service.intake.refusing:
            assert time.monotonic() < deadline
        assert client.post("/v1/live/positions", content=lines(rows[20:30]), headers=HEADERS).status_code == 503
        assert client.get("/readyz").json() == {"ready": False, "why": "the fold has stopped (ZeroDivisionError)"}
    with running(settings) as (service, _):
        assert service.engine.fold.counts["folded"] == 20


def test_rows_that_the_store_did_not_take_are_pushed_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = a_shift()
    with running(settings) as (service, client):
        assert service.engine.push is not None
        whole = service.engine.push.write
        monkeypatch.setattr(service.engine.push, "write", lambda *_: (_ for _ in ()).throw(ServiceUnavailable("away")))
        client.post("/v1/live/positions", content=lines(rows), headers=HEADERS)
        deadline = time.monotonic() + 30
        while not service.engine.rows.failed:
            assert time.monotonic() < deadline
        monkeypatch.setattr(service.engine.push, "write", whole)
        wait_for(service, len(rows))
    assert stored(settings, "v0")[0] == int(rows[-1]["gps_time"].timestamp())


def test_two_services_do_not_share_a_home(settings: Settings) -> None:
    with running(settings), pytest.raises(ConfigurationError, match="another live service"):
        open_service(settings, roster=a_roster(settings))

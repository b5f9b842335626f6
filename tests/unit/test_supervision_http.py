"""Alerts over HTTP: who sees which, who may judge, the stream and its resumption."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from registry.access.changes import Writer
from serving.app import create_app
from serving.gate import open_gate
from serving.supervision.desk import open_alerts
from tests.lib.access import NOW, REQUEST, activate, add_consumer, token_of
from tests.lib.alerts import AT, alerting_home, event, id_of
from tests.lib.client import AppClient
from tests.lib.desks import tiny_desk

ROOT = "/v1/vehicle_supervision"
ROLES = {"authority": "regulator", "carrier": "operator", "insurer-a": "insurer"}


@pytest.fixture
def home(tmp_path):
    settings = alerting_home(tmp_path)
    for consumer, role in ROLES.items():
        add_consumer(settings, consumer, role)
        activate(settings, replace(REQUEST, consumer=consumer, product="vehicle_supervision", charge="public"))
    return settings


@pytest.fixture
def desk(home):
    opened = open_alerts(home, lambda: NOW, stream_s=0.3)
    yield opened
    opened.book.close()


@pytest.fixture
def ask(home, desk, tmp_path):
    scoring = tiny_desk(tmp_path)
    app = create_app(scoring, open_gate(home, scoring.decisions, lambda: NOW), alerts=desk)
    clients = {consumer: AppClient(app, key=token_of(home, consumer)) for consumer in ROLES}
    yield clients
    scoring.decisions.close()


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [one["alert_id"] for one in answer.json()["alerts"]]


def test_everybody_sees_what_concerns_them(ask):
    assert ids(ask["authority"].get(f"{ROOT}/alerts")) == [id_of("a2"), id_of("a1")]
    assert ids(ask["carrier"].get(f"{ROOT}/alerts")) == [id_of("a1")]
    assert ask["carrier"].get(f"{ROOT}/alerts/{id_of('a2')}").status_code == 404
    assert ask["insurer-a"].get(f"{ROOT}/alerts").status_code == 403


def test_a_scenario_that_does_not_cover_positions_shows_no_speeding(home, desk, ask):
    narrow = replace(
        REQUEST, consumer="authority", product="vehicle_supervision", charge="public", resources=frozenset({"vehicle_inspection"})
    )
    made = activate(home, narrow)
    assert ids(ask["authority"].get(f"{ROOT}/alerts", headers={"X-Scenario": made})) == []


@pytest.mark.parametrize(("query", "expected"), [
    ("severity=red", ["a2"]), ("rule=sleepiness", []), ("vehicle=v1", ["a1"]), ("enterprise=enterprise-2", ["a2"]),
    ("status=handled", []), ("only_open=true&limit=1", ["a2"]), ("offset=1", ["a1"]),
])
def test_filters(ask, query, expected):
    assert ids(ask["authority"].get(f"{ROOT}/alerts?{query}")) == [id_of(name) for name in expected]


def test_a_carrier_handles_and_the_authority_judges(ask):
    path = f"{ROOT}/alerts/{id_of('a1')}"
    assert ask["carrier"].post(f"{path}/acknowledge", json={"official": "陈队"}).json()["status"] == "acknowledged"
    for wrong, body in (("dismiss", {"reason": "drift"}), ("handle", {"outcome": "violation_confirmed"})):
        assert ask["carrier"].post(f"{path}/{wrong}", json={"official": "陈队", **body}).status_code == 403
    handled = ask["carrier"].post(f"{path}/handle", json={"official": "陈队", "outcome": "driver_warned"}).json()
    assert (handled["status"], handled["violation"]) == ("handled", False)
    assert ask["authority"].post(f"{path}/acknowledge", json={"official": "周敏"}).status_code == 409
    dismissed = ask["authority"].post(f"{path}/dismiss", json={"official": "周敏", "reason": "objection_upheld"}).json()
    assert [one["what"] for one in dismissed["life"]] == ["raised", "acknowledge", "handle", "dismiss"]
    assert dismissed["life"][1]["by"] == "carrier: 陈队"


def test_a_note_that_names_a_plate_is_refused_and_not_repeated(ask):
    answer = ask["authority"].post(f"{ROOT}/alerts/{id_of('a1')}/acknowledge", json={"official": "周敏", "note": "赣A12345"})
    assert answer.status_code == 422
    assert "赣A12345" not in answer.text


def test_the_ranking_adds_up(ask):
    found = ask["authority"].get(f"{ROOT}/vehicles").json()["vehicles"]
    assert [(one["vehicle"], one["points"], one["tier"]) for one in found] == [("v2", 200.0, "orange"), ("v1", 50.0, "yellow")]
    assert all(one["points"] == sum(alert["points"] for alert in one["alerts"]) for one in found)


def streamed(answer):
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [dict(line.split(": ", 1) for line in block.split("\n") if ": " in line) for block in answer.text.split("\n\n")]
    return [(int(one["id"]), json.loads(one["data"])) for one in blocks if "data" in one]


def test_the_stream_resumes_without_loss_or_repetition(ask, desk):
    assert streamed(ask["authority"].get(f"{ROOT}/stream")) == []
    first = streamed(ask["authority"].get(f"{ROOT}/stream?after=0"))
    assert [(seq, one["what"]) for seq, one in first] == [(1, "raised"), (2, "raised")]
    assert [one["alert"]["alert_id"] for _, one in first] == [id_of("a1"), id_of("a2")]
    desk.book.record([event(kind="worsened", after_s=60, severity="red")], at=AT)
    again = streamed(ask["authority"].get(f"{ROOT}/stream", headers={"Last-Event-ID": "2"}))
    assert [(seq, one["what"], one["alert"]["severity"]) for seq, one in again] == [(3, "worsened", "red")]


def test_the_stream_shows_a_carrier_its_own_and_goes_on_behind_the_rest(ask):
    answer = ask["carrier"].get(f"{ROOT}/stream?after=0")
    assert [one["alert"]["enterprise"] for _, one in streamed(answer)] == ["enterprise-1"]
    assert answer.headers["cache-control"] == "no-store"


def test_a_line_written_while_the_stream_waits_arrives(home, desk, ask):
    import threading

    from registry.supervision.book import AlertBook

    def write():
        # Another process would hold a book of its own.
        with AlertBook.open(home) as other:
            other.record([event("a3", severity="red")], at=AT + timedelta(seconds=1))

    writer = threading.Timer(0.4, write)
    writer.start()
    object.__setattr__(desk, "stream_s", 1.5)
    found = streamed(ask["authority"].get(f"{ROOT}/stream?after=2"))
    writer.join()
    assert [one["alert"]["alert_id"] for _, one in found] == [id_of("a3")]


def test_without_a_scenario_nothing_is_told(home, ask):
    Writer(home, "张局", NOW).take_step("authority-vehicle_supervision-1", "suspend", reason="复核")
    for path in ("alerts", "vehicles", "stream", "webhooks"):
        assert ask["authority"].get(f"{ROOT}/{path}").status_code == 403

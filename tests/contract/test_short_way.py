"""The short way to a score answers what the framework answers, and leaves to it whatever it has something to say about."""

from __future__ import annotations

import json
import threading
import time

import pytest

from registry.errors import ServiceUnavailable
from serving import durable, short_way
from serving.app import create_app
from tests.lib.client import AppClient
from tests.lib.desks import VIN, tiny_access, tiny_desk

PATH = "/v1/insurance_pricing/scores"
JSON = {"Content-Type": "application/json"}
ITS_OWN = ("x-request-id", "date")


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    made = tiny_desk(tmp_path_factory.mktemp("desk"))
    yield made
    made.decisions.close()


@pytest.fixture(scope="module", params=[False, True], ids=["in a thread", "at once"])
def ways(desk, tmp_path_factory, request):
    """Return a client that is led the short way, one that is led through the framework, and how often the first was."""
    gate, key = tiny_access(tmp_path_factory.mktemp("access"), desk)
    short = create_app(desk, gate, at_once=request.param)
    lanes = short_way._asked
    taken: list[bool] = []

    def watched(scope, lane):
        found = lanes(scope, lane)
        taken.append(found is not None)
        return found

    patch = pytest.MonkeyPatch()
    patch.setattr(short_way, "_asked", watched)
    yield AppClient(short, key=key), AppClient(without(create_app(desk, gate)), key=key), taken
    patch.undo()


def without(app):
    app.user_middleware[:] = [one for one in app.user_middleware if one.cls is not short_way.ShortWay]
    return app


def told(answer):
    body = json.loads(answer.content)
    for name in ("score_id", "instance"):
        body.pop(name, None)
    headers = {name: value for name, value in answer.headers.items() if name not in ITS_OWN}
    return answer.status_code, headers, body


@pytest.mark.parametrize(("body", "headers", "short"), [
    (json.dumps({"entity": VIN}), {}, True),
    (json.dumps({"entity": VIN}), {"Idempotency-Key": "a-key-that-is-one"}, True),
    (json.dumps({"entity": VIN}), {"Idempotency-Key": "no key"}, True),
    (json.dumps({"entity": VIN}), {"X-Scenario": "nobody-s"}, True),
    (json.dumps({"entity": {"vin": "LZZZZZZZZZZZZZZZ1"}}), {}, None),
    (json.dumps({"entity": VIN}), {"X-Scenario": "x" * 65}, False),
    (json.dumps({"entity": VIN}), {"X-Scenario": ""}, False),
    (json.dumps({"entity": VIN}), {"Idempotency-Key": ""}, False),
    (json.dumps({"entity": VIN, "more": 1}), {}, False),
    (json.dumps({"entity": {"vin": 7}}), {}, False),
    (json.dumps({"entity": {}}), {}, False),
    ("[]", {}, False),
    ("null", {}, False),
    ("", {}, False),
])
def test_both_ways_answer_the_same(ways, body, headers, short, request):
    client, framework, taken = ways
    named = headers.get("Idempotency-Key") == "a-key-that-is-one"
    if named:
        # Both applications answer from one ledger, in which a key is used once.
        headers = {"Idempotency-Key": f"a-key-that-is-one-{request.node.callspec.params['ways']}"}
    taken.clear()
    # An idempotency key belongs to a body and a consumer: the second would be given what the first was.
    one = client.post(PATH, content=body, headers=JSON | headers)
    if short is not None:
        assert taken == [short]
    other = framework.post(PATH, content=body, headers=JSON | headers)
    mine, theirs = told(one), told(other)
    replayed = theirs[1].pop("idempotent-replayed", None)
    assert (replayed is not None) == named
    assert mine == theirs


def test_what_a_store_refuses_is_the_same_problem_both_ways(ways, desk, monkeypatch):
    def refuse(*_, **__):
        raise ServiceUnavailable("the store is away", remedy="Wait.")

    monkeypatch.setattr(type(desk.source), "read", refuse)
    client, framework, _ = ways
    one, other = (way.post(PATH, json={"entity": VIN}) for way in (client, framework))
    assert one.status_code == 503
    assert told(one) == told(other)


def test_the_figures_name_the_route_both_ways(ways):
    client, framework, _ = ways
    for way in (client, framework):
        assert way.post(PATH, json={"entity": VIN}).status_code == 200
        text = way.get("/metrics").text
        assert f'route="{PATH}"' in text


def test_a_slow_store_holds_the_event_loop_once_and_then_threads_wait_for_it(desk, tmp_path, monkeypatch):
    gate, key = tiny_access(tmp_path, desk)
    client = AppClient(create_app(desk, gate, at_once=True), key=key)
    read, seen, pause_s = type(desk.source).read, [], [0.0]

    def watched(*args, **options):
        seen.append(threading.current_thread() is threading.main_thread())
        time.sleep(pause_s[0])
        return read(*args, **options)

    monkeypatch.setattr(type(desk.source), "read", watched)
    for pause_s[0] in (0.0, durable.SLOW_S * 2, 0.0):
        assert client.post(PATH, json={"entity": VIN}).status_code == 200
    assert seen == [True, True, False]
    time.sleep(durable.PAUSE_S)
    assert client.post(PATH, json={"entity": VIN}).status_code == 200
    assert seen[-1]


def test_what_the_ledger_refuses_is_the_same_problem_both_ways(ways, desk, monkeypatch):
    def full(*_):
        raise ServiceUnavailable("the disk is full", remedy="Make room.")

    monkeypatch.setattr(type(desk.decisions.chain.store), "change", full)
    client, framework, _ = ways
    one, other = (way.post(PATH, json={"entity": VIN}) for way in (client, framework))
    assert one.status_code == 503
    assert told(one) == told(other)

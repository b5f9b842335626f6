"""Requests that come together are scored in one go: each is answered as if it had come alone."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import closing

import httpx
import pytest

from registry.chain import ChainLedger
from registry.decisions import DecisionLedger
from registry.errors import ServiceUnavailable, UnknownEntity
from serving import together
from serving.app import create_app
from tests.lib.desks import PLATE, USCC, VIN, tiny_access, tiny_desk

STRANGER = {"plate_no": "赣A54321", "plate_color": "2"}
PRICING = "/v1/insurance_pricing/scores"
ASKED = (
    (PRICING, {"entity": VIN}), (PRICING, {"entity": PLATE}), ("/v1/maintenance/scores", {"entity": VIN}),
    ("/v1/enterprise_risk/scores", {"entity": USCC}), (PRICING, {"entity": STRANGER}),
)


@pytest.fixture
def desk(tmp_path):
    with closing((made := tiny_desk(tmp_path)).decisions):
        yield made


@pytest.fixture
def app(desk, tmp_path):
    gate, key = tiny_access(tmp_path, desk)
    return create_app(desk, gate, at_once=True), {"Authorization": f"Bearer {key}"}


@pytest.fixture
def sizes(desk, monkeypatch):
    """How many entities each look into the store was for."""
    found, read_many = [], type(desk.source).read_many

    def watched(self, product_id, entity_ids, **options):
        found.append(len(entity_ids))
        return read_many(self, product_id, entity_ids, **options)

    monkeypatch.setattr(type(desk.source), "read_many", watched)
    return found


def asked_together(app, asked, headers=None):
    """Return the answers to requests (path, body) that are sent in one moment."""
    made, key = app

    async def send():
        transport = httpx.ASGITransport(made, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://roadrisk.test", headers=key) as client:
            posts = (client.post(path, json=body, headers=headers or {}) for path, body in asked)
            return await asyncio.wait_for(asyncio.gather(*posts), 60)

    return asyncio.run(send())


def told(answer):
    return answer.status_code, {k: v for k, v in json.loads(answer.content).items() if k not in ("score_id", "instance")}


def test_each_is_answered_as_it_is_alone_and_recorded_by_itself(app, desk, sizes):
    alone = [told(asked_together(app, [one])[0]) for one in ASKED]
    assert [status for status, _ in alone] == [200, 200, 200, 200, 404]
    assert set(sizes) == {1}
    sizes.clear()
    before = desk.decisions.chain.group_sizes
    answers = asked_together(app, ASKED * 8)
    assert [told(answer) for answer in answers] == alone * 8
    assert sum(sizes) == 32
    assert len(sizes) < 16
    groups, additions = (after - then for after, then in zip(desk.decisions.chain.group_sizes, before, strict=True))
    assert additions == 32
    assert groups <= 8
    ids = [answer.json()["score_id"] for answer in answers if answer.status_code == 200]
    kept = {one.score_id: one for one in desk.decisions.decisions()}
    assert len(set(ids)) == len(ids) == 32
    assert {kept[one].product for one in ids} == {"insurance_pricing", "maintenance", "enterprise_risk"}
    assert desk.decisions.verify().ok


def test_a_key_that_comes_twice_in_one_moment_is_one_decision(app, desk):
    answers = asked_together(app, [ASKED[0]] * 12, {"Idempotency-Key": "one-and-the-same"})
    assert {answer.content for answer in answers} == {answers[0].content}
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 11
    assert len(list(desk.decisions.decisions())) == 1


def test_what_cannot_be_scored_is_no_trouble_of_the_others(app, desk, monkeypatch):
    made = together.score_many

    def poisoned(model, inputs, **options):
        if model.manifest.product == "maintenance":
            raise ZeroDivisionError("a defect")
        return made(model, inputs, **options)

    monkeypatch.setattr(together, "score_many", poisoned)
    answers = asked_together(app, ASKED * 4)
    # Alone, in a thread, it meets no defect.
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 404] * 4
    assert len(list(desk.decisions.decisions())) == 16


def test_an_entity_that_is_refused_is_no_trouble_of_the_others(app, desk, monkeypatch):
    desk.source.keys[tuple(STRANGER.values())] = "e2"

    def read_many(self, product_id, entity_ids, **options):
        del product_id, options
        return [self.inputs[one] if one in self.inputs else UnknownEntity("nobody of this name") for one in entity_ids]

    monkeypatch.setattr(type(desk.source), "read_many", read_many)
    other = (PRICING, {"entity": STRANGER})
    answers = asked_together(app, [ASKED[0], other] * 6)
    assert [answer.status_code for answer in answers] == [200, 404] * 6
    assert "nobody of this name" in answers[1].json()["detail"]


def test_a_store_that_does_not_answer_is_told_to_each(app, desk, monkeypatch):
    def refuse(*_, **__):
        raise ServiceUnavailable("the store is away", remedy="Wait.")

    for name in ("read", "read_many"):
        monkeypatch.setattr(type(desk.source), name, refuse)
    answers = asked_together(app, [ASKED[0]] * 12)
    assert {answer.status_code for answer in answers} == {503}
    assert list(desk.decisions.decisions()) == []


@pytest.mark.parametrize("name", ["change", "read"])
def test_a_ledger_that_refuses_leaves_nobody_waiting(app, desk, monkeypatch, name):
    def full(*_):
        raise ServiceUnavailable("the disk is full", remedy="Make room.")

    with monkeypatch.context() as patch:
        patch.setattr(type(desk.decisions.chain.store), name, full)
        answers = asked_together(app, [ASKED[0]] * 12, {"Idempotency-Key": "a-key"})
        assert {answer.status_code for answer in answers} == {503}
    assert asked_together(app, [ASKED[0]])[0].status_code == 200


@pytest.mark.parametrize(("owner", "name"), [(DecisionLedger, "_rows"), (ChainLedger, "_addition")])
def test_what_cannot_be_written_is_no_trouble_of_the_others(app, desk, monkeypatch, owner, name):
    write, met = getattr(owner, name), []

    def third(*args):
        met.append(args)
        if len(met) == 3:
            raise ValueError("a number that is none")
        return write(*args)

    monkeypatch.setattr(owner, name, third)
    answers = asked_together(app, [ASKED[0]] * 12)
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [500]
    assert asked_together(app, [ASKED[0]])[0].status_code == 200
    assert desk.decisions.verify().rows == 12


def test_one_that_comes_alone_is_not_kept_waiting(app, monkeypatch):
    monkeypatch.setattr(together, "EACH_S", 30.0)
    monkeypatch.setattr(together, "LONGEST_S", 30.0)
    started = time.monotonic()
    assert {asked_together(app, [ASKED[0]])[0].status_code for _ in range(5)} == {200}
    assert time.monotonic() - started < 20


def test_more_than_are_scored_in_one_go_all_get_their_turn(app, sizes, monkeypatch):
    monkeypatch.setattr(together, "MOST", 3)
    answers = asked_together(app, [ASKED[0]] * 20)
    assert {answer.status_code for answer in answers} == {200}
    assert sum(sizes) == 20
    assert max(sizes) <= 3


def test_whoever_goes_away_keeps_nobody_from_an_answer(app, desk):
    made, key = app

    async def send():
        transport = httpx.ASGITransport(made, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://roadrisk.test", headers=key) as client:
            tasks = [asyncio.create_task(client.post(PRICING, json={"entity": VIN})) for _ in range(8)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
            after = await client.post(PRICING, json={"entity": VIN})
            return [one.status_code for one in done if isinstance(one, httpx.Response)], after

    statuses, after = asyncio.run(send())
    assert statuses == [200] * 4
    assert after.status_code == 200
    assert desk.decisions.verify().ok

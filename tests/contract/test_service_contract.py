"""Who may ask what, what leaves at which detail, and that one request is one decision; on the real application and ledgers."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest

from registry.access.changes import Writer
from registry.access.parties import Quota
from registry.access.scenarios import Request
from registry.access.terms import Term
from registry.canonical_json import canonical_json
from registry.products import PRODUCTS
from registry.settings import Settings
from serving.answer_schema import ScoreAnswer
from serving.app import create_app
from serving.gate import OPEN_PATHS
from serving.past_schema import DutiesOut, DutyOut, ExplanationOut, NoticeOut, PastAnswer, ReplayOut, WhatIfOut
from serving.recourse_schema import RecourseOut
from tests.lib.bundles import PORTFOLIO, tiny_rows
from tests.lib.client import AppClient
from tests.lib.desks import NOW, PLATE, RESOURCES, USCC, tiny_access, tiny_desk

PRICING = "/v1/insurance_pricing/scores"
ENTITY = {"entity": PLATE}
ROW = tiny_rows(7, 1)[0]
TERM = Term(date(2026, 1, 1), date(2026, 12, 31))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("contract")


@pytest.fixture(scope="module")
def desk(folder):
    made = tiny_desk(folder)
    yield made
    made.decisions.close()


@pytest.fixture(scope="module")
def gate(folder, desk):
    return tiny_access(folder, desk)


@pytest.fixture(scope="module")
def app(desk, gate):
    return create_app(desk, gate[0])


@pytest.fixture(scope="module")
def local(app, gate):
    return AppClient(app, key=gate[1])


@pytest.fixture(scope="module")
def writer(folder):
    return Writer(Settings(home=folder / "access", keys_dir=folder / "access-keys"), "test", NOW)


def consumer(app, writer, name: str, *, role="insurer", detail="reasons", resources=None, products=("insurance_pricing",)):
    """Return a client of a new consumer with an active scenario for each product."""
    writer.add_consumer(name, role=role, zh=name, en=name)
    for product in products:
        scenario = writer.apply_for(Request(
            consumer=name, product=product, purpose_zh="定价", purpose_en="pricing", resources=resources, detail=detail,
            term=TERM, basis="test", charge="paid",
        ))
        for person, step in (("reviewer", "review"), ("approver", "approve"), ("operator", "activate")):
            Writer(writer.settings, person, NOW).take_step(scenario.id, step, reason="test")
    return AppClient(app, key=writer.issue_key(name).token.text)


def test_without_a_live_key_only_health_answers(app):
    nobody = AppClient(app)
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            answer = nobody.request(method.upper(), path.replace("{score_id}", "a" * 32).replace("{name}", "x"))
            assert (answer.status_code == 401) == (path not in OPEN_PATHS), (method, path)
    for path in ("/", "/docs", "/openapi.json", "/metrics", "/nothing"):
        assert nobody.get(path).status_code == 401, path


@pytest.mark.parametrize("header", [
    {}, {"Authorization": "Bearer "}, {"Authorization": "Bearer rr_x_y"}, {"Authorization": "Basic abc"}, {"X-Api-Key": "none"},
])
def test_every_wrong_key_gets_the_same_answer(app, header):
    answers = [AppClient(app).post(PRICING, json=ENTITY, headers={"X-Request-Id": "same", **h}) for h in (header, {})]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].content == answers[1].content


def test_a_call_outside_its_scenario_is_refused_and_names_what_is_lacking(app, writer):
    client = consumer(app, writer, "one-product")
    assert client.post(PRICING, json=ENTITY).status_code == 200
    refused = client.post("/v1/maintenance/scores", json=ENTITY)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:roadrisk:problem:forbidden")
    assert "no scenario for maintenance" in refused.json()["detail"]
    assert client.post(PRICING, json=ENTITY, headers={"X-Scenario": "foreign"}).status_code == 403
    assert client.post(f"/v2/models/{PORTFOLIO}/infer", json={}).status_code in (403, 422)
    assert client.get("/metrics").status_code == 403


def test_a_scenario_that_expired_or_was_suspended_lets_nothing_through(app, desk, gate, writer):
    client = consumer(app, writer, "expiring")
    later = replace(gate[0], clock=lambda: NOW + timedelta(days=400))
    old = AppClient(create_app(desk, later), key=client._headers["Authorization"].removeprefix("Bearer "))
    assert client.post(PRICING, json=ENTITY).status_code == 200
    assert old.post(PRICING, json=ENTITY).status_code in (401, 403)


def test_a_revoked_key_is_refused_by_the_next_call(app, writer):
    client = consumer(app, writer, "revoked")
    assert client.post(PRICING, json=ENTITY).status_code == 200
    key_id = client._headers["Authorization"].split("_")[1]
    writer.revoke_key(key_id, reason="test")
    assert client.post(PRICING, json=ENTITY).status_code == 401


@pytest.mark.parametrize("detail", ["reasons", "groups"])
def test_what_leaves_is_what_the_scenario_lets_out(app, writer, local, detail):
    client = consumer(app, writer, f"sees-{detail}", detail=detail)
    body = client.post(PRICING, json=ENTITY).json()
    ScoreAnswer.model_validate(body, strict=True)
    assert (body["detail"], body["decomposition"]) == (detail, None)
    assert all(float(reason["contribution"]).is_integer() for reason in body["reasons"])
    if detail == "reasons":
        assert (body["groups"], body["factors"], body["lines"]) == ([], None, [])
        assert body["points"] == body["score"] == round(body["score"])
        assert all(value == float(f"{value:.3g}") for value in body["answer"].values())
    else:
        assert math.prod(f["factor"] for f in body["factors"]) == pytest.approx(body["answer"]["relativity"], rel=1e-9)
    score_id = body["score_id"]
    again = client.get(f"/v1/scores/{score_id}").json()
    PastAnswer.model_validate(again, strict=True)
    assert all(again[name] == value for name, value in body.items() if name != "decomposition")
    explained = client.get(f"/v1/scores/{score_id}/explanation").json()
    ExplanationOut.model_validate(explained, strict=True)
    assert (explained["decomposition"], explained["inputs"], explained["verification"]) == (None, [], None)
    assert client.get(f"/v1/scores/{score_id}/replay").status_code == 403
    whole = local.get(f"/v1/scores/{score_id}/explanation").json()
    assert whole["decomposition"] is not None
    assert len(whole["inputs"]) == len(ROW)


def test_a_field_that_the_scenario_does_not_cover_is_not_read_and_named(app, writer):
    covered = frozenset(name for name in RESOURCES if name != "vehicle_transport_permit")
    client = consumer(app, writer, "partial", resources=covered)
    body = client.post(PRICING, json=ENTITY).json()
    ScoreAnswer.model_validate(body, strict=True)
    assert body["tier"]["code"] == "grey"
    assert {entry["id"] for entry in body["no_score"]["missing"]} == {"vehicle_transport_permit"}
    assert {w["subject"] for w in body["warnings"] if w["code"] == "source-not-authorised"} >= {"vehicle_transport_permit"}


def test_a_foreign_decision_looks_like_none(app, writer, local):
    score_id = local.post(PRICING, json=ENTITY).json()["score_id"]
    stranger = consumer(app, writer, "stranger")
    for path in ("", "/explanation", "/duties"):
        foreign, absent = (stranger.get(f"/v1/scores/{i}{path}", headers={"X-Request-Id": "r"}) for i in (score_id, "0" * 32))
        assert (foreign.status_code, foreign.content) == (404, absent.content), path


def test_every_look_is_recorded(desk, local):
    score_id = local.post(PRICING, json=ENTITY).json()["score_id"]
    for path in ("", "/explanation", "/replay"):
        assert local.get(f"/v1/scores/{score_id}{path}").status_code == 200
    assert [(look.who, look.what) for look in desk.decisions.looks(score_id)] == [
        ("local", "answer"), ("local", "explanation"), ("local", "replay"),
    ]


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_replay_gives_the_same_bytes(local, product):
    key = USCC if PRODUCTS[product].entity == "enterprise" else PLATE
    score_id = local.post(f"/v1/{product}/scores", json={"entity": key}).json()["score_id"]
    replayed = local.get(f"/v1/scores/{score_id}/replay").json()
    ReplayOut.model_validate(replayed, strict=True)
    assert (replayed["equal"], replayed["differences"]) == (True, [])


def test_a_replay_says_what_differs(desk, local):
    score_id = local.post(PRICING, json=ENTITY).json()["score_id"]
    decision = desk.decisions.get(score_id)
    changed = replace(decision, score_id="d" * 32, answer={**decision.answer, "points": decision.answer["points"] + 1})
    desk.decisions.record(changed)
    replayed = local.get(f"/v1/scores/{'d' * 32}/replay").json()
    assert (replayed["equal"], [one["part"] for one in replayed["differences"]]) == (False, ["points"])


def test_the_same_key_and_body_get_the_stored_bytes_and_one_decision(desk, local):
    before = sum(1 for _ in desk.decisions.decisions())
    first, second = (local.post(PRICING, json=ENTITY, headers={"Idempotency-Key": "k1"}) for _ in range(2))
    assert first.content == second.content
    assert ("idempotent-replayed" in first.headers, second.headers["idempotent-replayed"]) == (False, "true")
    assert sum(1 for _ in desk.decisions.decisions()) == before + 1
    other = local.post(PRICING, json={"entity": {"vin": "L99000248R0000017"}}, headers={"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["type"]) == (422, "urn:roadrisk:problem:idempotency-key-reused")
    assert local.post(PRICING, json=ENTITY, headers={"Idempotency-Key": " "}).status_code == 422


def test_fifty_at_once_under_one_key_are_one_decision(desk, local):
    before = sum(1 for _ in desk.decisions.decisions())
    with ThreadPoolExecutor(16) as pool:
        bodies = set(pool.map(
            lambda _: local.post(PRICING, json=ENTITY, headers={"Idempotency-Key": "race"}).content, range(50)
        ))
    assert len(bodies) == 1
    assert sum(1 for _ in desk.decisions.decisions()) == before + 1


def test_a_key_belongs_to_its_consumer(app, writer, local):
    other = consumer(app, writer, "same-key")
    mine, theirs = (c.post(PRICING, json=ENTITY, headers={"Idempotency-Key": "shared"}).json() for c in (local, other))
    assert mine["score_id"] != theirs["score_id"]


def test_exactly_as_many_calls_pass_as_the_quota_allows(app, writer, desk):
    client = consumer(app, writer, "limited")
    writer.set_quota("limited", "insurance_pricing", Quota(per_month=7, rate_per_s=1000.0, burst=1000))
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: client.post(PRICING, json=ENTITY).status_code, range(71)))
    assert (statuses.count(200), statuses.count(429)) == (7, 64)
    refused = client.post(PRICING, json=ENTITY)
    assert int(refused.headers["retry-after"]) > 0
    assert sum(count.n for count in desk.decisions.usage(consumer="limited") if count.kind == "score") == 7


def test_too_many_at_once_are_told_when_to_come_back(app, writer):
    client = consumer(app, writer, "eager")
    writer.set_quota("eager", "insurance_pricing", Quota(rate_per_s=0.01, burst=2))
    statuses = [client.post(PRICING, json=ENTITY) for _ in range(3)]
    assert [answer.status_code for answer in statuses] == [200, 200, 429]
    assert 0 < int(statuses[-1].headers["retry-after"]) <= 100


def test_what_if_moves_only_what_the_subject_can_change(local, desk):
    model = desk.live.current.product("insurance_pricing")
    actionable = next(f for f in model.manifest.features if f.actionable and f.dtype == "float")
    fixed = next(f for f in model.manifest.features if not f.actionable)
    path = "/v1/insurance_pricing/what-if"
    answer = local.post(path, json={**ENTITY, "changes": {actionable.name: 0.0}})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    WhatIfOut.model_validate(body, strict=True)
    assert body["points_change"] == pytest.approx(body["assumed"]["points"] - body["current"]["points"])
    assert local.get(f"/v1/scores/{body['score_id']}").status_code == 200
    refused = local.post(path, json={**ENTITY, "changes": {fixed.name: 0.0, "nothing": 1}})
    assert {(e["field"], e["problem"]) for e in refused.json()["errors"]} == {
        (f"changes.{fixed.name}", "is nothing that the subject can change"), ("changes.nothing", "is no input of this model"),
    }


def test_recourse_names_changes_that_lower_the_tier_when_they_are_made(local, desk):
    path = "/v1/insurance_pricing/recourse"
    answer = local.post(path, json={**ENTITY, "target_tier": "blue"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    RecourseOut.model_validate(body, strict=True)
    assert local.get(f"/v1/scores/{body['score_id']}").status_code == 200
    assert (body["none_because"] is None) == bool(body["ways"])
    for way in body["ways"]:
        changes = {change["feature"]: change["new"] for change in way["changes"]}
        tried = local.post("/v1/insurance_pricing/what-if", json={**ENTITY, "changes": changes}).json()
        assert tried["assumed"]["points"] == way["points"] < body["below_points"]
        assert tried["assumed"]["tier"] == way["tier"]
    refused = local.post(path, json={**ENTITY, "target_tier": "grey"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "target_tier"


def test_recourse_of_a_past_decision_is_that_of_its_inputs_and_is_a_look(local, desk):
    asked = local.post("/v1/insurance_pricing/recourse", json=ENTITY).json()
    answer = local.get(f"/v1/scores/{asked['score_id']}/recourse")
    assert answer.status_code == 200, answer.text
    assert answer.json() == asked
    assert [look.what for look in desk.decisions.looks(asked["score_id"])] == ["recourse"]


def test_recourse_says_why_there_is_no_way(local, desk):
    model = desk.live.current.product("insurance_pricing")
    current = local.post(PRICING, json=ENTITY).json()
    met = current["tier"]["code"]
    body = local.post("/v1/insurance_pricing/recourse", json={**ENTITY, "target_tier": "orange"}).json()
    assert body["below_points"] == model.manifest.cut_points[2]
    if met != "red":
        assert body["ways"] == []
        assert body["none_because"]["en"] == "the points are below that tier's limit already"


def test_the_open_inference_protocol_gives_the_scores_of_the_service(local, desk):
    rows = tiny_rows(3, 5)
    manifest = desk.live.current.named(PORTFOLIO).manifest
    assert local.get("/v2").json()["extensions"] == ["explain"]
    described = local.get(f"/v2/models/{PORTFOLIO}").json()
    assert [one["name"] for one in described["inputs"]] == list(manifest.feature_names)
    assert local.get(f"/v2/models/{PORTFOLIO}/ready").json() == {"name": PORTFOLIO, "ready": True}
    tensors = [
        {"name": one["name"], "shape": [5], "datatype": one["datatype"], "data": [row[one["name"]] for row in rows]}
        for one in described["inputs"]
    ]
    answer = local.post(f"/v2/models/{PORTFOLIO}/infer", json={"id": "7", "inputs": tensors, "parameters": {"explain": True}})
    assert answer.status_code == 200, answer.text
    outputs = {one["name"]: one for one in answer.json()["outputs"]}
    singles = [local.post(f"/v1/portfolios/{PORTFOLIO}/scores", json={"features": row}).json() for row in rows]
    assert outputs["points"]["data"] == [one["points"] for one in singles]
    width = len(manifest.features)
    assert outputs["contributions"]["shape"] == [5, width]
    for i in range(5):
        parts = outputs["contributions"]["data"][i * width : (i + 1) * width]
        whole = math.fsum([outputs["base"]["data"][i], outputs["clamp"]["data"][i], *parts])
        assert whole == pytest.approx(outputs["points"]["data"][i], abs=1e-9)
    assert desk.decisions.get(outputs["score_id"]["data"][0]).product == PORTFOLIO


@pytest.mark.parametrize("form", ["dataframe_records", "dataframe_split", "inputs"])
def test_mlflow_clients_get_the_scores_of_the_service(local, form):
    rows = tiny_rows(3, 3)
    names = list(rows[0])
    table = {
        "dataframe_records": rows,
        "dataframe_split": {"columns": names, "data": [[row[name] for name in names] for row in rows]},
        "inputs": {name: [row[name] for row in rows] for name in names},
    }[form]
    answer = local.post(f"/v1/models/{PORTFOLIO}/invocations", json={form: table})
    singles = [local.post(f"/v1/portfolios/{PORTFOLIO}/scores", json={"features": row}).json() for row in rows]
    assert [one["points"] for one in answer.json()["predictions"]] == [one["points"] for one in singles]
    assert local.post(f"/v1/models/{PORTFOLIO}/invocations", json={}).status_code == 422


def test_a_bad_row_of_many_is_named_and_nothing_is_recorded(local, desk):
    rows = tiny_rows(3, 3)
    before = sum(1 for _ in desk.decisions.decisions())
    answer = local.post(f"/v1/models/{PORTFOLIO}/invocations", json={"dataframe_records": [*rows, {**rows[0], "age_year": "x"}]})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "rows.3.features.age_year")
    assert sum(1 for _ in desk.decisions.decisions()) == before


def test_the_subject_is_told_objects_and_asks_for_a_person(local):
    notice = local.get("/v1/notices/insurance_pricing").json()
    NoticeOut.model_validate(notice, strict=True)
    assert "第二十四条" in notice["zh"]
    score_id = local.post(PRICING, json=ENTITY).json()["score_id"]
    made = local.post(f"/v1/scores/{score_id}/objections", json={"ground": "data_wrong", "reference": "case-1"})
    assert made.status_code == 201, made.text
    DutyOut.model_validate(made.json(), strict=True)
    assert local.post(f"/v1/scores/{score_id}/reviews", json={"reference": "case-1"}).status_code == 201
    again = local.post(f"/v1/scores/{score_id}/objections", json={"ground": "data_wrong", "reference": "case-1"})
    assert again.status_code == 409
    assert local.post(f"/v1/scores/{score_id}/objections", json={"ground": "other", "reference": "13812345678"}).status_code == 422
    listed = local.get(f"/v1/scores/{score_id}/duties").json()
    DutiesOut.model_validate(listed, strict=True)
    assert [one["kind"] for one in listed["duties"]] == ["objection", "human_review"]


def test_an_erased_decision_is_gone_and_says_so(local, desk):
    score_id = local.post(PRICING, json=ENTITY).json()["score_id"]
    desk.decisions.erase(score_id=score_id, reason="test", by="test", at=NOW)
    answer = local.get(f"/v1/scores/{score_id}")
    assert (answer.status_code, answer.headers["content-type"]) == (410, "application/problem+json")
    assert desk.decisions.verify().ok


def test_no_answer_depends_on_the_order_of_names(local):
    entity = dict(reversed(PLATE.items()))
    first, second = (
        local.post(PRICING, content=json.dumps({"entity": e}), headers={"Content-Type": "application/json"}).json()
        for e in (PLATE, entity)
    )
    for answer in (first, second):
        del answer["score_id"]
    assert canonical_json(first) == canonical_json(second)

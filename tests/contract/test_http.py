"""The HTTP contract, on the real application over tiny real bundles and a real ledger."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from registry.errors import IntegrityError, ServiceUnavailable
from registry.products import PRODUCTS
from serving.answer_schema import ProblemOut, ScoreAnswer
from serving.app import create_app
from serving.past_schema import ExplanationOut, PastAnswer
from tests.lib.bundles import PORTFOLIO, tiny_rows
from tests.lib.client import AppClient
from tests.lib.desks import PLATE, USCC, VIN, tiny_access, tiny_desk, tiny_inputs, with_age

PRICING = "/v1/insurance_pricing/scores"
JSON = {"Content-Type": "application/json"}
ROW = tiny_rows(7, 1)[0]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    made = tiny_desk(tmp_path_factory.mktemp("desk"))
    yield made
    made.decisions.close()


@pytest.fixture(scope="module")
def access(desk, tmp_path_factory):
    return tiny_access(tmp_path_factory.mktemp("access"), desk)


def app_client(desk, access) -> AppClient:
    gate, key = access
    return AppClient(create_app(desk, gate), key=key)


@pytest.fixture(scope="module")
def client(desk, access):
    return app_client(desk, access)


def key_of(product: str) -> dict[str, str]:
    return USCC if PRODUCTS[product].entity == "enterprise" else PLATE


def problem_of(answer, status: int) -> ProblemOut:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = ProblemOut.model_validate_json(answer.content, strict=True)
    assert problem.status == status
    assert problem.type.startswith("urn:roadrisk:problem:")
    assert problem.detail
    assert problem.instance == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    return problem


@pytest.mark.parametrize("product", PRODUCTS)
def test_each_product_answers_and_its_explanation_is_the_same(client, product):
    answer = client.post(f"/v1/{product}/scores", json={"entity": key_of(product)})
    assert answer.status_code == 200
    body = answer.json()
    ScoreAnswer.model_validate(body, strict=True)
    parts = body["decomposition"]
    added = math.fsum([parts["base"], parts["clamp"], *(line["points"] for line in parts["contributions"])])
    assert added == pytest.approx(body["points"], abs=1e-9)

    explained = client.get(f"/v1/scores/{body['score_id']}/explanation").json()
    ExplanationOut.model_validate(explained, strict=True)
    shared = set(explained) & set(body)
    assert {name: explained[name] for name in shared} == {name: body[name] for name in shared}
    assert explained["verification"]["max_difference_points"] == 0.0

    recorded = client.get(f"/v1/scores/{body['score_id']}").json()
    PastAnswer.model_validate(recorded, strict=True)
    unchanged = {"supersedes": None, "superseded_by": None, "revisions": []}
    assert recorded == {name: value for name, value in body.items() if name != "decomposition"} | unchanged


def test_a_vehicle_is_found_by_plate_as_people_write_it_and_by_vin(client):
    answers = [
        client.post(PRICING, json={"entity": entity}).json()["points"]
        for entity in (PLATE, {**PLATE, "plate_no": " 赣a·12345"}, VIN)
    ]
    assert answers[0] == answers[1] == answers[2]


def test_a_portfolio_row_is_scored(client):
    body = client.post(f"/v1/portfolios/{PORTFOLIO}/scores", json={"features": ROW}).json()
    assert math.prod(f["factor"] for f in body["factors"]) == pytest.approx(body["answer"]["relativity"], rel=1e-9)


GOOD = json.dumps({"entity": PLATE}).encode()
BAD_BODIES = [
    ({"entity": {**PLATE, "plate_no": "XX"}}, 422, "entity.plate_no", "is no number plate"),
    ({"entity": {**PLATE, "plate_color": "77"}}, 422, "entity.plate_color", "is no code of a plate colour"),
    ({"entity": {**PLATE, "plate_color": "93"}}, 422, "entity", "plate_color does not have"),
    ({"entity": {"plate_no": "赣A12345"}}, 422, "entity.plate_color", "is missing"),
    ({"entity": {**PLATE, "owner": "x"}}, 422, "entity.owner", "Extra inputs"),
    ({"entity": PLATE, "more": 1}, 422, "more", "Extra inputs"),
    ({"entity": {"plate_no": 12345, "plate_color": "2"}}, 422, "entity.plate_no", "valid string"),
    ({"entity": {"vin": "L99000248R0000018"}}, 422, "entity.vin", "is no VIN"),
    ({"entity": {**VIN, **PLATE}}, 422, "entity.plate_no", "Extra inputs"),
    ({"entity": None}, 422, "entity", "valid dictionary"),
    ({}, 422, "entity", "is missing"),
    ([], 422, "body", "valid dictionary"),
]


@pytest.mark.parametrize(("body", "status", "field", "says"), BAD_BODIES)
def test_a_bad_field_is_named_and_never_repeated(client, body, status, field, says):
    problem = problem_of(client.post(PRICING, json=body), status)
    error = next(e for e in problem.errors if e.field == field)
    assert says in error.problem
    assert problem.remedy
    assert "12345" not in problem.model_dump_json()


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "slug"),
    [
        ("POST", PRICING, {"json": {"entity": {**PLATE, "plate_no": "赣A99999"}}}, 404, "unknown-entity"),
        ("POST", "/v1/nothing/scores", {"json": {"entity": PLATE}}, 404, "not-found"),
        ("POST", "/v1/赣A12345/scores", {"json": {}}, 404, "not-found"),
        ("POST", "/v1/portfolios/nothing/scores", {"json": {"features": {}}}, 404, "not-found"),
        ("POST", "/v1/enterprise_risk/scores", {"json": {"entity": {"uscc": "1"}}}, 422, "invalid-request"),
        ("GET", PRICING, {}, 405, "method-not-allowed"),
        ("DELETE", "/v1/products", {}, 405, "method-not-allowed"),
        ("GET", "/nothing/here", {}, 404, "no-such-path"),
        ("GET", "/v1/products/", {}, 404, "no-such-path"),
        ("GET", "/docs.json", {}, 404, "no-such-path"),
        ("GET", "/v1/scores/" + "f" * 32, {}, 404, "not-found"),
        ("GET", "/v1/scores/" + "f" * 32 + "/explanation", {}, 404, "not-found"),
        ("GET", "/v1/scores/x", {}, 422, "invalid-request"),
        ("POST", PRICING, {"content": b"x" * 10_000_000, "headers": JSON}, 413, "body-too-long"),
        ("GET", "/v1/products", {"content": b"x" * 10_000_000}, 413, "body-too-long"),
        ("POST", PRICING, {"content": b'{"entity": "\xff"}', "headers": JSON}, 400, "invalid-utf-8"),
        ("POST", PRICING, {"content": b'{"entity": 1, "entity": 2}', "headers": JSON}, 400, "duplicate-name"),
        ("POST", PRICING, {"content": b'{"entity": NaN}', "headers": JSON}, 400, "malformed-json"),
        ("POST", PRICING, {"content": b'{"entity": Infinity}', "headers": JSON}, 400, "malformed-json"),
        ("POST", PRICING, {"content": b'{"entity": 1e999}', "headers": JSON}, 422, "out-of-range"),
        ("POST", PRICING, {"content": b"[" * 5000, "headers": JSON}, 422, "out-of-range"),
        ("POST", PRICING, {"content": b"{", "headers": JSON}, 400, "malformed-json"),
        ("POST", PRICING, {}, 422, "invalid-request"),
        ("POST", PRICING, {"content": GOOD}, 415, "unsupported-media-type"),
        ("POST", PRICING, {"content": GOOD, "headers": {"Content-Type": "text/plain"}}, 415, "unsupported-media-type"),
        ("POST", PRICING, {"data": {"entity": "x"}}, 415, "unsupported-media-type"),
        ("POST", PRICING, {"content": GOOD, "headers": {**JSON, "Content-Encoding": "gzip"}}, 415,
         "unsupported-media-type"),
        ("POST", PRICING, {"content": GOOD, "headers": {"Content-Type": "application/json; charset=gbk"}}, 415,
         "unsupported-media-type"),
    ],
)
def test_every_bad_request_is_a_problem_document(client, method, path, options, status, slug):
    problem = problem_of(client.request(method, path, **options), status)
    assert problem.type == f"urn:roadrisk:problem:{slug}"
    assert problem.remedy
    assert "赣A" not in problem.model_dump_json()


def test_a_wrong_method_says_which_is_right(client):
    assert client.get(PRICING).headers["allow"] == "POST"


def test_a_portfolio_row_lists_every_bad_input(client):
    row = {name: value for name, value in ROW.items() if name != "fleet_n"} | {"age_year": "old", "use": 3, "extra": 1}
    problem = problem_of(client.post(f"/v1/portfolios/{PORTFOLIO}/scores", json={"features": row}), 422)
    assert {(e.field, e.problem) for e in problem.errors} == {
        ("features.fleet_n", "is missing"), ("features.extra", "is no input of this model"),
        ("features.age_year", "must be a number or null"), ("features.use", "must be text or null"),
    }


def test_a_body_sent_in_pieces_is_counted(client):
    async def pieces():
        for _ in range(40):
            yield b"x" * 50_000

    problem_of(client.post(PRICING, content=pieces(), headers=JSON), 413)


def test_request_ids_and_trace_context_come_back(client):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = client.get("/livez", headers={"X-Request-Id": "abc-1", "traceparent": trace})
    assert (answer.headers["x-request-id"], answer.headers["traceparent"]) == ("abc-1", trace)
    assert answer.headers["x-content-type-options"] == "nosniff"
    odd = client.get("/livez", headers={"X-Request-Id": "<script>", "traceparent": "zz"})
    assert odd.headers["x-request-id"] != "<script>"
    assert "traceparent" not in odd.headers


def test_the_record_is_durable_before_the_answer(desk, client):
    body = client.post(PRICING, json={"entity": PLATE}, headers={"X-Request-Id": "mine"}).json()
    decision = desk.decisions.get(body["score_id"])
    assert (decision.request_id, decision.entity_id, decision.digest) == ("mine", "e1", body["model"]["digest"])
    assert decision.inputs == {name: desk.source.inputs["e1"].values[name] for name in decision.inputs}
    assert "赣A12345" not in json.dumps(decision.answer, ensure_ascii=False)


class FailingLedger:
    """A ledger whose disk is full."""

    def record(self, decision, *, beside=None):
        del decision, beside
        raise ServiceUnavailable("ledger decisions cannot be written: disk full", remedy="Free some space.")


class BrokenLedger:
    """A ledger with a defect of ours; the text of the exception must not leave."""

    def record(self, decision, *, beside=None):
        del beside
        raise RuntimeError("about " + decision.entity_id)


def test_without_a_record_there_is_no_answer(desk, access):
    client = app_client(replace(desk, decisions=FailingLedger()), access)
    answer = client.post(PRICING, json={"entity": PLATE})
    problem = problem_of(answer, 503)
    assert "disk full" in problem.detail
    assert answer.headers["retry-after"]
    assert "points" not in answer.text


def test_a_defect_of_ours_is_a_problem_without_its_text(desk, access, caplog):
    client = app_client(replace(desk, decisions=BrokenLedger()), access)
    problem = problem_of(client.post(PRICING, json={"entity": PLATE}), 500)
    assert problem.type == "urn:roadrisk:problem:internal"
    assert "RuntimeError" in caplog.text
    assert "about e1" not in caplog.text + problem.model_dump_json()


def test_grey_is_recorded_and_explained(desk, access):
    source = replace(desk.source, inputs={"e1": with_age(tiny_inputs(), "vehicle_basic", None)})
    client = app_client(replace(desk, source=source), access)
    body = client.post(PRICING, json={"entity": PLATE}).json()
    assert (body["tier"]["code"], body["score"]) == ("grey", None)
    explained = client.get(f"/v1/scores/{body['score_id']}/explanation").json()
    ExplanationOut.model_validate(explained, strict=True)
    assert explained["no_score"] == body["no_score"]


def test_an_input_that_the_store_does_not_hold_is_our_fault(desk, access):
    values = {name: value for name, value in tiny_inputs().values.items() if name != "use"}
    source = replace(desk.source, inputs={"e1": replace(tiny_inputs(), values=values)})
    client = app_client(replace(desk, source=source), access)
    assert problem_of(client.post(PRICING, json={"entity": PLATE}), 503).details == {"missing": ["use"]}


def test_an_explanation_that_does_not_recompute_is_refused(desk, client):
    body = client.post(PRICING, json={"entity": PLATE}).json()
    decision = replace(desk.decisions.get(body["score_id"]), score_id="e" * 32, base=1.0)
    desk.decisions.record(decision)
    problem = problem_of(client.get(f"/v1/scores/{'e' * 32}/explanation"), 503)
    assert problem.type == f"urn:roadrisk:problem:{IntegrityError.slug}"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/v1/products", "/v1/models", "/v1/reason-codes",
                                  "/metrics", "/openapi.json", "/docs", "/"])
def test_catalogue_and_health_answer(client, path):
    assert client.get(path).status_code == 200


def test_the_page_loads_nothing_from_elsewhere(client):
    page = client.get("/docs").text
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


def test_metrics_have_templates_and_no_raw_path(client):
    client.get("/v1/scores/" + "a" * 32)
    client.get("/赣A12345")
    figures = client.get("/metrics").text
    assert 'route="/v1/scores/{score_id}"' in figures
    assert 'route="unmatched"' in figures
    assert "a" * 32 not in figures
    assert "12345" not in figures

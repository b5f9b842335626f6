"""While the online store does not answer: a product that may answers from its last decision and says so, the others refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from registry.errors import ServiceUnavailable
from serving.answer_schema import ScoreAnswer
from serving.breaker import Breaker
from tests.lib.desks import PLATE, VIN, DictSource, tiny_client, tiny_desk


class Stopped(DictSource):
    """Pseudonyms of a VIN need no store; plates and inputs do."""

    def resolve(self, entity, key):
        if "vin" not in key:
            raise ServiceUnavailable("the feature store does not answer (TimeoutError)")
        return super().resolve(entity, key)

    def read(self, product_id, entity_id, *, resources=None):
        raise ServiceUnavailable("the feature store does not answer (TimeoutError)")


@pytest.fixture
def desk(tmp_path):
    made = tiny_desk(tmp_path)
    yield made
    made.decisions.close()


def test_a_degraded_answer_has_the_inputs_of_the_last_decision(desk, tmp_path):
    before = tiny_client(tmp_path / "a", desk).post("/v1/maintenance/scores", json={"entity": VIN}).json()
    stopped = Stopped(desk.source.keys, desk.source.inputs)
    client = tiny_client(tmp_path / "b", replace(desk, source=Breaker(stopped), degraded=frozenset({"maintenance"})))
    body = client.post("/v1/maintenance/scores", json={"entity": VIN}).json()
    ScoreAnswer.model_validate(body, strict=True)
    assert (body["degraded"], body["points"], body["as_of"]) == (True, before["points"], before["as_of"])
    assert "degraded" in {warning["code"] for warning in body["warnings"]}
    decision = desk.decisions.get(body["score_id"])
    assert (decision.degraded, decision.inputs) == (True, desk.decisions.get(before["score_id"]).inputs)
    assert client.get(f"/v1/scores/{body['score_id']}/replay").json()["equal"]


@pytest.mark.parametrize(("product", "entity"), [
    ("insurance_pricing", VIN), ("maintenance", PLATE), ("driver_fatigue", VIN),
])
def test_what_may_not_answer_without_the_store_refuses(desk, tmp_path, product, entity):
    stopped = Stopped(desk.source.keys, desk.source.inputs)
    degraded = frozenset({"maintenance", "driver_fatigue"})
    client = tiny_client(tmp_path / "a", replace(desk, source=stopped, degraded=degraded))
    answer = client.post(f"/v1/{product}/scores", json={"entity": entity})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:roadrisk:problem:unavailable")
    assert int(answer.headers["retry-after"]) > 0

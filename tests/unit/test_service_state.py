"""Readiness, drift of scores and the line that is logged per request."""

from __future__ import annotations

import json
import logging
import random
from dataclasses import replace

import pytest

from registry.errors import ServiceUnavailable
from serving.breaker import Breaker
from serving.drift import LEAST, RecentScores, stability_index
from serving.readiness import readiness
from serving.request_log import LOGGER
from tests.lib.desks import PLATE, RESOURCES, DictSource, tiny_client, tiny_desk, tiny_inputs, with_age

QUANTILES = [float(value) for value in range(0, 1001, 10)]


@pytest.fixture
def desk(tmp_path):
    made = tiny_desk(tmp_path)
    yield made
    made.decisions.close()


def aged(*resources: str) -> DictSource:
    inputs = tiny_inputs()
    for name in resources:
        inputs = with_age(inputs, name, None)
    return DictSource({}, {"e1": inputs})


def test_ready_names_models_and_what_is_stale(desk):
    told = readiness(desk)
    assert set(told["models"]) == set(desk.live.current.live)
    assert told["stale"] == {}
    partly = readiness(replace(desk, source=Breaker(aged("driving_hour"))))
    assert (partly["stale"], partly["breaker"]) == ({"driver_fatigue": ["driving_hour"]}, "closed")


def test_not_ready_where_every_answer_would_be_grey_or_the_store_is_away(desk):
    with pytest.raises(ServiceUnavailable, match="mandatory sources of every product are stale"):
        readiness(replace(desk, source=aged(*RESOURCES)))

    class Away(DictSource):
        def ready(self):
            raise ServiceUnavailable("the feature store does not answer")

    with pytest.raises(ServiceUnavailable, match="does not answer"):
        readiness(replace(desk, source=Away()))


def test_the_index_is_near_zero_for_the_reference_and_large_for_others():
    rng = random.Random(3)
    alike = [rng.uniform(0, 1000) for _ in range(5000)]
    assert stability_index(alike, QUANTILES) < 0.01
    assert stability_index([value / 2 for value in alike], QUANTILES) > 1.0
    assert stability_index([999.0] * 500, QUANTILES) > 1.0


def test_an_index_needs_enough_answers_of_one_bundle():
    recent = RecentScores()
    for _ in range(LEAST - 1):
        recent.add("p", "a", 500.0)
    assert recent.index("p", "a", QUANTILES) is None
    recent.add("p", "a", 500.0)
    assert recent.index("p", "a", QUANTILES) is not None
    assert recent.index("p", "b", QUANTILES) is None
    recent.add("p", "b", 500.0)
    assert recent.index("p", "a", QUANTILES) is None


def test_a_request_is_one_line_that_names_nobody(desk, tmp_path, caplog):
    client = tiny_client(tmp_path / "access", desk)
    with caplog.at_level(logging.INFO, logger=LOGGER):
        client.post("/v1/maintenance/scores", json={"entity": PLATE}, headers={"X-Request-Id": "mine"})
        client.post("/v1/maintenance/scores", json={"entity": {**PLATE, "plate_no": "赣A99999"}})
        client.get("/赣A12345/secret")
        client.get("/livez")
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == LOGGER]
    assert [(line["route"], line["status"], line["problem"]) for line in lines] == [
        ("/v1/maintenance/scores", 200, None), ("/v1/maintenance/scores", 404, "unknown-entity"),
        ("unmatched", 404, "no-such-path"),
    ]
    assert (lines[0]["request_id"], lines[0]["consumer"]) == ("mine", "local")
    assert not any(word in caplog.text for word in ("赣A", "12345", "99999", "secret", "rr_"))


def test_figures_tell_replays_problems_and_drift(desk, tmp_path):
    client = tiny_client(tmp_path / "access", desk)
    for _ in range(2):
        client.post("/v1/maintenance/scores", json={"entity": PLATE}, headers={"Idempotency-Key": "k"})
    client.post("/v1/maintenance/scores", json={})
    figures = client.get("/metrics").text
    assert "roadrisk_idempotent_replays_total 1.0" in figures
    assert 'roadrisk_problems_total{problem="invalid-request"} 1.0' in figures

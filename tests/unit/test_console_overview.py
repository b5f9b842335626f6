"""The overview and the models: figures about few are hidden and cannot be computed back; what was live at an instant."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from registry.decisions import DecisionLedger
from registry.evidence import card_folder, write_evidence
from registry.promotion import Promotion
from serving.console.decision_counts import DecisionCounts
from serving.console.model_history import _version, instant_of
from tests.lib.client import AppClient
from tests.lib.consoles import Installed, tiny_console
from tests.lib.desks import USCC
from tests.lib.ledgers import decision


@pytest.fixture
def installed(tmp_path) -> Installed:
    return tiny_console(tmp_path)


@pytest.fixture
def ledger(installed) -> DecisionLedger:
    return installed.desk.decisions


def put(ledger: DecisionLedger, tier: str, n: int, *, month: int = 7, first: int = 0) -> None:
    """Record n decisions about n entities."""
    for number in range(first, first + n):
        made = decision()
        answer = {**made.answer, "tier": {"code": tier}, "coverage": {"share": 0.5}}
        ledger.record(replace(
            made, score_id=hashlib.md5(f"{tier}{number}{month}".encode(), usedforsecurity=False).hexdigest(), product="maintenance",
            entity_id=f"{number:024d}"[::-1], at=datetime(2026, month, 4, tzinfo=UTC), answer=answer,
        ))


def test_counts_are_those_of_the_ledger(ledger):
    put(ledger, "blue", 30)
    put(ledger, "grey", 12, first=100)
    put(ledger, "blue", 11, month=8, first=200)
    found = DecisionCounts(ledger, min_cell=10).counts()
    one = found.products["maintenance"]
    assert found.whole
    assert (one.n, one.entities) == (53, 53)
    assert (one.tiers["blue"], one.tiers["grey"], one.tiers["red"]) == (41, 12, 0)
    assert one.months == (("2026-07", 42), ("2026-08", 11))
    assert one.grey_share == pytest.approx(12 / 53)
    assert one.coverage == pytest.approx(0.5)


def test_a_product_about_few_shows_nothing(ledger):
    put(ledger, "blue", 9)
    one = DecisionCounts(ledger, min_cell=10).counts().products["maintenance"]
    assert (one.n, one.entities, one.grey_share, one.coverage) == (None, None, None, None)
    assert one.tiers["blue"] is None


def test_a_hidden_cell_does_not_follow_from_the_total(ledger):
    put(ledger, "blue", 30)
    put(ledger, "yellow", 15, first=100)
    put(ledger, "red", 3, first=200)
    one = DecisionCounts(ledger, min_cell=10).counts().products["maintenance"]
    assert one.n == 48
    assert (one.tiers["red"], one.tiers["yellow"], one.tiers["blue"]) == (None, None, 30)


def test_the_same_entity_again_is_one_entity(ledger):
    for month in range(1, 13):
        put(ledger, "blue", 1, month=month)
    assert DecisionCounts(ledger, min_cell=10).counts().products["maintenance"].n is None


def test_a_long_ledger_is_counted_on_in_the_background(ledger):
    put(ledger, "blue", 130)
    counter = DecisionCounts(ledger, min_cell=10)
    first = counter.counts(budget_s=0.0)
    assert (first.whole, first.until) == (False, 100)
    assert counter._thread is not None
    counter._thread.join(20)
    found = counter.counts(budget_s=0.0)
    assert (found.whole, found.products["maintenance"].n) == (True, 130)


def test_the_overview_hides_decisions_from_who_does_not_see_them_all(installed):
    AppClient(installed.app, key=installed.key).post("/v1/enterprise_risk/scores", json={"entity": USCC})
    insurer = installed.consumer("insurer-b", "insurer", ("enterprise_risk",))
    assert 'id="scored"' in installed.visitor(installed.key).get("/console/overview").text
    text = installed.visitor(insurer).get("/console/overview").text
    assert 'id="scored"' not in text
    assert 'id="fresh"' in text


def test_every_resource_of_the_annex_is_listed_also_where_nothing_was_delivered(installed):
    text = installed.visitor(installed.key).get("/console/overview").text
    assert text.count("state-absent") == 35


def test_models_say_when_none_was_live_and_refuse_what_is_no_instant(installed):
    visitor = installed.visitor(installed.key)
    assert "当时没有在用模型" in visitor.get("/console/models?at=2020-01-01T00:00").text
    assert visitor.get("/console/models?at=<script>").status_code == 422


def test_an_instant_without_a_zone_is_one_of_shanghai():
    assert instant_of("2026-07-04T08:00") == datetime(2026, 7, 4, tzinfo=UTC)
    assert instant_of("") is None


def test_a_version_is_shown_with_its_rivals_and_whether_its_card_is_the_one_decided_on(installed):
    settings, digest = installed.settings, "ab" * 32
    overall = {"difference": 0.1, "interval": [0.05, 0.15], "verdict": "beats"}
    write_evidence(settings, "maintenance", digest, "judgement", {
        "main": "events", "level": 0.95, "metrics": {"events": {"gini": 0.31, "n_rows": 9}},
        "comparison": {"events": {"measure": "gini", "rivals": [{"zh": "常数", "en": "constant", "overall": overall}]}},
    })
    card = card_folder(settings, "maintenance", digest) / "card.json"
    card.write_text(json.dumps({"digest": digest}))
    line = Promotion(
        seq=1, at=datetime(2026, 7, 4, tzinfo=UTC), kind="promote", product="maintenance", version=1, digest=digest, previous=None,
        approver="张局", reason="x", grounds={"card": hashlib.sha256(card.read_bytes()).hexdigest()},
    )
    found = _version(settings, line)
    assert found.measures == {"gini": 0.31}
    assert [(one.zh, one.low, one.high, one.verdict) for one in found.rivals] == [("常数", 0.05, 0.15, "beats")]
    assert found.card_holds is True
    card.write_text(json.dumps({"digest": digest, "changed": 1}))
    assert _version(settings, line).card_holds is False
    assert _version(settings, replace(line, grounds={})).card_holds is None

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from registry.chain import ChainLedger
from registry.decisions import INDEXED, ONCE, Decision, DecisionLedger, as_encoded, check_recomputed, recorded_matrix
from registry.errors import ConfigurationError, IntegrityError, NotFound
from registry.settings import Settings

KEY = bytes(range(32))
DECISION = Decision(
    score_id="a" * 32, request_id="r1", at=datetime(2026, 7, 4, 8, tzinfo=UTC), product="maintenance", entity_id="e1",
    as_of=datetime(2026, 7, 1, tzinfo=UTC), model_version="3", digest="d" * 64, inputs={"x": 1 / 3, "y": None, "z": "红"},
    encoded=(1 / 3, None, 2.0), exposure=None, answer={"score": 501.4}, base=500.0, clamp=0.0,
    contributions={"x": 1.0, "y": 0.4, "z": 0.0}, latency_ms=4.5,
)


@pytest.fixture
def ledger(tmp_path):
    opened = DecisionLedger(ChainLedger(tmp_path / "decisions.db", KEY, "decisions", indexed=INDEXED, once=ONCE), KEY)
    yield opened
    opened.close()


def test_a_decision_comes_back_as_it_was(ledger):
    ledger.record(DECISION)
    ledger.record(replace(DECISION, score_id="b" * 32))
    assert ledger.get("a" * 32) == DECISION
    assert [d.score_id for d in ledger.decisions(after=1)] == ["b" * 32]
    assert ledger.verify().ok


def test_an_unknown_score_is_not_found(ledger):
    with pytest.raises(NotFound, match="no score has this id"):
        ledger.get("c" * 32)


def test_lookup_uses_the_index(ledger, tmp_path):
    ledger.record(DECISION)
    with sqlite3.connect(tmp_path / "decisions.db") as db:
        plan = db.execute(
            "EXPLAIN QUERY PLAN SELECT seq FROM decisions WHERE k_score_id = 'x'"
        ).fetchall()
    db.close()
    assert "USING INDEX decisions_by_score_id" in plan[0][3] or "COVERING INDEX decisions_by_score_id" in plan[0][3]


def test_the_matrix_of_the_record_is_the_row_that_was_scored():
    assert as_encoded(recorded_matrix(DECISION)) == DECISION.encoded


@pytest.mark.parametrize(
    ("changes", "match"),
    [({"base": 500.1}, "recorded ones by 0.1"), ({"contributions": {"x": 1.0}}, "other features than its bundle")],
)
def test_an_explanation_that_is_not_the_recorded_one_is_refused(changes, match):
    recomputed = {"base": 500.0, "clamp": 0.0, "contributions": dict(DECISION.contributions)} | changes
    with pytest.raises(IntegrityError, match=match):
        check_recomputed(DECISION, **recomputed)


def test_without_a_key_there_is_no_ledger(tmp_path):
    with pytest.raises(ConfigurationError, match=r"key ledger\.key does not exist"):
        DecisionLedger.open(Settings(home=tmp_path, keys_dir=tmp_path / "none"))

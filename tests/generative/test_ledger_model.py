"""Whatever is recorded, looked at, erased, refused and reopened in whatever order: the ledger says what a few dictionaries say."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from registry.decision import Decision
from registry.errors import Erased, KeyReused, NotFound, QuotaExceeded
from registry.ledger_beside import AlreadyAnswered
from registry.ledger_records import Look
from tests.lib.ledgers import AT, answer, beside, count, decision, decisions, sqlite_at

ENTITIES = st.sampled_from(("e1", "e2", "e3"))
PRODUCTS = st.sampled_from(("maintenance", "driver_fatigue"))
LIMIT = 5


class LedgerModel(RuleBasedStateMachine):
    """Operations on a ledger beside the same on dictionaries."""

    recorded: Bundle[str] = Bundle("recorded")

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = decisions(sqlite_at(Path(self.folder.name)))
        self.kept: dict[str, Decision] = {}
        self.erased: set[str] = set()
        self.looks: dict[str, list[Look]] = {}
        self.answers: dict[str, str] = {}
        self.used: dict[str, int] = {}
        self.rows = self.erasures = 0

    @rule(target=recorded, entity=ENTITIES, product=PRODUCTS, related=ENTITIES, n=st.integers(1, 3))
    def record(self, entity: str, product: str, related: str, n: int) -> object:
        made = [decision(entity_id=entity, product=product, related={"other": related}, at=self.now()) for _ in range(n)]
        counted = count(n, product=product, limit=LIMIT)
        try:
            self.ledger.record_many(made, beside=beside(counted))
        except QuotaExceeded:
            assert self.used.get(product, 0) + n > LIMIT
            return multiple()
        self.used[product] = self.used.get(product, 0) + n
        assert self.used[product] <= LIMIT
        self.kept |= {one.score_id: one for one in made}
        self.rows += n
        return multiple(*(one.score_id for one in made))

    @rule(target=recorded, entity=ENTITIES, key=st.sampled_from("ab"), body=st.sampled_from("xy"))
    def record_under_a_key(self, entity: str, key: str, body: str) -> object:
        one = decision(entity_id=entity, related={}, at=self.now())
        given = answer(key, body, score_id=one.score_id)
        if key in self.answers:
            stored = self.ledger.stored_answer("insurer", key)
            assert stored is not None
            assert stored.score_id == self.answers[key]
            with pytest.raises(AlreadyAnswered if stored.body_hash == body else KeyReused, match="idempotency key"):
                self.ledger.record(one, beside=beside(answer=given))
            return multiple()
        self.ledger.record(one, beside=beside(answer=given))
        self.answers[key] = one.score_id
        self.kept[one.score_id] = one
        self.rows += 1
        return one.score_id

    @rule(score_id=recorded)
    def look(self, score_id: str) -> None:
        look = Look(score_id=score_id, at=self.now(), who="regulator", what="answer")
        self.ledger.record_look(look)
        self.looks.setdefault(score_id, []).append(look)
        self.rows += 1

    @rule(score_id=consumes(recorded))
    def erase_one(self, score_id: str) -> None:
        if score_id in self.erased:
            with pytest.raises(Erased, match="was erased"):
                self.ledger.erase(score_id=score_id, reason="r", by="b", at=self.now())
            return
        self.ledger.erase(score_id=score_id, reason="r", by="b", at=self.now())
        self.forget({score_id})

    @rule(entity=ENTITIES)
    def erase_entity(self, entity: str) -> None:
        about = {one.score_id for one in self.present() if entity in (one.entity_id, *one.related.values())}
        if not about:
            with pytest.raises(NotFound, match="nothing to erase"):
                self.ledger.erase(entity_id=entity, reason="r", by="b", at=self.now())
            return
        assert len(self.ledger.erase(entity_id=entity, reason="r", by="b", at=self.now()).rows) == len(about)
        self.forget(about)

    @rule()
    def reopen(self) -> None:
        self.ledger.close()
        self.ledger = decisions(sqlite_at(Path(self.folder.name)))

    @invariant()
    def the_ledger_says_what_the_dictionaries_say(self) -> None:
        if not hasattr(self, "ledger"):
            return
        assert list(self.ledger.decisions()) == self.present()
        for entity in ("e1", "e2", "e3"):
            mine = [one for one in self.present() if (one.entity_id, one.product) == (entity, "maintenance")]
            assert self.ledger.latest_for("maintenance", entity) == (mine[-1] if mine else None)
        assert {one.product: one.n for one in self.ledger.usage()} == self.used

    def teardown(self) -> None:
        if not hasattr(self, "ledger"):
            return
        report = self.ledger.verify()
        assert (report.problems, report.rows) == ((), self.rows + self.erasures)
        for score_id, looks in self.looks.items():
            assert self.ledger.looks(score_id) == looks
        for score_id in self.erased:
            with pytest.raises(Erased, match="was erased"):
                self.ledger.get(score_id)
        self.ledger.close()
        self.folder.cleanup()

    def now(self) -> object:
        return AT + timedelta(seconds=self.rows)

    def present(self) -> list[Decision]:
        return [one for one in self.kept.values() if one.score_id not in self.erased]

    def forget(self, score_ids: set[str]) -> None:
        self.erased |= score_ids
        self.answers = {key: score_id for key, score_id in self.answers.items() if score_id not in score_ids}
        self.erasures += 1


TestLedgerModel = LedgerModel.TestCase
TestLedgerModel.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)

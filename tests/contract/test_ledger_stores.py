"""One contract of the ledgers over both databases that they can lie in: SQLite and a real PostgreSQL."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from registry.chain import ChainLedger
from registry.decisions import INDEXED, ONCE, DecisionLedger
from registry.errors import Conflict, Erased, IntegrityError, KeyReused, NotFound, QuotaExceeded
from registry.ledger_beside import AlreadyAnswered
from registry.ledger_records import Duty, Look
from tests.lib.ledgers import (
    AT,
    DECISION,
    KEY,
    PERSON,
    WRAP,
    MakeStore,
    answer,
    beside,
    count,
    decision,
    decisions,
    events,
    postgresql_at,
    sqlite_at,
)
from tests.lib.postgresql import DRIVER, INSTALLED, new_database, postgresql

_databases = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if not INSTALLED or not DRIVER:
        pytest.skip("PostgreSQL's programs or psycopg are not installed")
    with postgresql() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> MakeStore:
    if request.param == "sqlite":
        return sqlite_at(tmp_path)
    address = request.getfixturevalue("server")
    return postgresql_at(new_database(address, f"ledger_{next(_databases)}"))


@pytest.fixture
def ledger(make: MakeStore) -> Iterator[DecisionLedger]:
    with closing(decisions(make)) as opened:
        yield opened


def in_threads(work: Callable[[int], None], n: int) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)


def test_rows_come_back_in_order_are_found_and_verify(make: MakeStore) -> None:
    with events(make, 5) as ledger:
        found = list(ledger.entries())
        assert [one.seq for one in found] == [1, 2, 3, 4, 5]
        assert found[1].payload == {"name": "n1", "value": 1 / 3, "zh": "红"}
        assert found[1].at == AT
        assert [one.seq for one in ledger.entries(after=2, limit=2)] == [3, 4]
        assert ledger.last() == found[-1]
        assert ledger.find("name", "n3") == [found[3]]
        assert ledger.verify().ok
    with events(make) as again:
        assert list(again.entries()) == found
        assert again.append({"name": "next"}, at=AT).seq == 6
        assert again.verify().rows == 6


def test_rows_and_their_tables_are_the_same_in_both_databases(make: MakeStore, tmp_path: Path) -> None:
    with events(make, 3) as one, events(sqlite_at(tmp_path / "other"), 3) as other:
        assert list(one.entries()) == list(other.entries())


@pytest.mark.parametrize("statement", ["UPDATE events SET at = 'x' WHERE seq = 1", "DELETE FROM events WHERE seq = 1"])
def test_rows_cannot_be_updated_or_deleted(make: MakeStore, statement: str) -> None:
    with events(make, 2) as ledger:
        with pytest.raises(IntegrityError, match="append-only"):
            ledger.store.change(lambda tx: tx.execute(statement) and None)
        assert ledger.verify().ok


def test_rows_that_belong_together_enter_together(make: MakeStore) -> None:
    with events(make) as ledger:
        made = ledger.append_many([({"name": f"n{i}"}, AT) for i in range(1200)])
        assert [one.seq for one in made] == list(range(1, 1201))
        assert ledger.verify().rows == 1200


def test_what_is_refused_fails_alone(make: MakeStore) -> None:
    with events(make) as ledger:
        def refuse(_tx: Any, _first: int) -> None:
            raise Conflict("not this one")

        outcomes: dict[int, str] = {}

        def work(number: int) -> None:
            try:
                ledger.append({"name": f"n{number}"}, at=AT, beside=refuse if number % 3 == 0 else None)
                outcomes[number] = "kept"
            except Conflict:
                outcomes[number] = "refused"

        in_threads(work, 24)
        assert {number for number, outcome in outcomes.items() if outcome == "refused"} == set(range(0, 24, 3))
        assert {one.payload["name"] for one in ledger.entries()} == {f"n{i}" for i in range(24) if i % 3}
        assert ledger.verify().rows == 16


def test_what_fails_for_all_fails_for_each_and_leaves_nothing(make: MakeStore) -> None:
    with events(make, 1) as ledger:
        def break_down(tx: Any, _first: int) -> None:
            tx.execute("INSERT INTO no_such_table (x) VALUES (1)")

        with pytest.raises(Exception, match="ledger events cannot be used"):
            ledger.append({"name": "lost"}, at=AT, beside=break_down)
        assert ledger.append({"name": "next"}, at=AT).seq == 2
        assert ledger.verify().ok


def test_threads_and_connections_share_one_chain(make: MakeStore) -> None:
    opened = [events(make) for _ in range(3)]
    in_threads(lambda number: [opened[number % 3].append({"name": f"t{number}"}, at=AT) for _ in range(8)] and None, 9)
    assert opened[0].verify().rows == 72
    assert opened[0].verify().ok
    groups, additions = map(sum, zip(*(one.group_sizes for one in opened), strict=True))
    assert additions == 72
    assert groups <= 72
    for one in opened:
        one.close()


def test_a_ledger_written_with_another_key_is_refused(make: MakeStore) -> None:
    events(make, 2).close()
    with pytest.raises(IntegrityError, match="head of ledger events does not verify"):
        ChainLedger(make("events"), bytes(32), "events", indexed=("name",))


def test_what_rows_are_found_by_is_held_against_what_was_chained(make: MakeStore) -> None:
    with events(make, 3) as ledger:
        drop = ("DROP TRIGGER events_no_update" if ledger.store.head_lag else "DROP TRIGGER events_no_change ON events")
        ledger.store.prepare([drop, "UPDATE events SET k_name = 'n9' WHERE seq = 2"])
        with pytest.raises(IntegrityError, match="row 2 of ledger events was changed"):
            ledger.find("name", "n9")
        assert ledger.verify().problems == ("row 2 was changed or moved",)


def test_a_decision_comes_back_as_it_was(ledger: DecisionLedger) -> None:
    ledger.record(DECISION)
    later = decision(at=AT + timedelta(hours=1), supersedes=DECISION.score_id)
    ledger.record(later)
    assert ledger.get(DECISION.score_id) == DECISION
    assert list(ledger.decisions()) == [DECISION, later]
    assert list(ledger.decisions(after=1, limit=1)) == [later]
    assert ledger.successor(DECISION.score_id) == later
    assert ledger.successor(later.score_id) is None
    assert ledger.latest_for("maintenance", PERSON) == later
    assert ledger.latest_for("driver_fatigue", PERSON) is None
    assert ledger.latest_for("maintenance", "nobody") is None
    assert ledger.verify().ok


def test_a_score_id_is_used_once(ledger: DecisionLedger) -> None:
    ledger.record(DECISION)
    with pytest.raises(Conflict, match="a score id has been used before"):
        ledger.record(DECISION)
    again = decision()
    with pytest.raises(Conflict, match="a score id has been used before"):
        ledger.record_many([again, again])
    assert list(ledger.decisions()) == [DECISION]


def test_nothing_personal_stands_in_the_clear(ledger: DecisionLedger) -> None:
    ledger.record(DECISION, beside=beside(answer=answer(score_id=DECISION.score_id)))
    ledger.record_duty(Duty(score_id=DECISION.score_id, at=AT, duty="objection", by="insurer", payload={"why": "of-somebody"}))
    tables = ("decisions", "decisions_keys", "decisions_subjects", "decisions_answers", "decisions_usage")
    held = repr([ledger.chain.store.read(f"SELECT * FROM {table}") for table in tables])
    assert "somebody" not in held
    assert "insurer" in held


def test_the_same_request_gets_the_stored_answer(make: MakeStore) -> None:
    given = answer(score_id=DECISION.score_id)
    with closing(decisions(make)) as ledger:
        ledger.record(DECISION, beside=beside(count(), answer=given))
    with closing(decisions(make)) as ledger:
        assert ledger.stored_answer("insurer", "k") == given
        assert ledger.stored_answer("insurer", "k", now=AT + timedelta(hours=25)) is None
        assert ledger.stored_answer("another", "k") is None
        with pytest.raises(AlreadyAnswered, match="has been answered") as met:
            ledger.record(decision(), beside=beside(count(), answer=answer()))
        assert met.value.stored == given
        with pytest.raises(KeyReused, match="came with another request"):
            ledger.record(decision(), beside=beside(count(), answer=answer(body="other")))
        assert list(ledger.decisions()) == [DECISION]
        assert ledger.usage() == [count()]


def test_an_answer_is_forgotten_in_time(ledger: DecisionLedger) -> None:
    ledger.record(decision(), beside=beside(answer=answer("old")))
    ledger.keep(beside(answer=answer("other", at=AT + timedelta(hours=23))), at=AT)
    late = AT + timedelta(hours=24, seconds=1)
    assert ledger.purge_answers(late) == 1
    assert ledger.stored_answer("insurer", "old") is None
    assert ledger.stored_answer("insurer", "other") is not None
    after = AT + timedelta(days=3)
    ledger.record(decision(), beside=beside(answer=answer("other", body="new request", at=after)))
    found = ledger.stored_answer("insurer", "other")
    assert found is not None
    assert (found.body_hash, found.at) == ("new request", after)


def test_of_requests_at_once_under_one_key_one_is_recorded(make: MakeStore) -> None:
    opened = [decisions(make) for _ in range(3)]
    outcomes: list[str] = []

    def work(number: int) -> None:
        try:
            opened[number % 3].record(decision(), beside=beside(answer=answer()))
            outcomes.append("recorded")
        except AlreadyAnswered:
            outcomes.append("replayed")

    in_threads(work, 12)
    assert sorted(outcomes) == ["recorded"] + ["replayed"] * 11
    assert len(list(opened[0].decisions())) == 1
    for one in opened:
        one.close()


def test_a_quota_lets_exactly_so_many_through(make: MakeStore) -> None:
    n = 16
    opened = [decisions(make) for _ in range(3)]
    refused: list[QuotaExceeded] = []

    def work(number: int) -> None:
        try:
            opened[number % 3].record(decision(), beside=beside(count(limit=n, scenario=f"s{number % 2}")))
        except QuotaExceeded as error:
            refused.append(error)

    in_threads(work, n + 64)
    for one in opened:
        one.close()
    with closing(decisions(make)) as again:
        assert len(refused) == 64
        assert sum(one.n for one in again.usage(consumer="insurer", period="2026-07")) == n
        assert len(list(again.decisions())) == n
        with pytest.raises(QuotaExceeded, match="quota of 16 for maintenance in 2026-07 does not allow 1 more after 16") as met:
            again.record(decision(), beside=beside(count(limit=n)))
        assert met.value.details["used"] == n
        again.record(decision(), beside=beside(count(limit=n, period="2026-08")))
        assert again.usage(period="2026-08") == [count(period="2026-08")]
        assert again.verify().ok


def test_a_batch_that_exceeds_its_quota_leaves_nothing(ledger: DecisionLedger) -> None:
    ledger.record_many([decision() for _ in range(7)], beside=beside(count(7, kind="batch", limit=10)))
    two = count(2, kind="batch", limit=10)
    with pytest.raises(QuotaExceeded, match="does not allow 4 more after 7"):
        ledger.record_many([decision() for _ in range(4)], beside=beside(two, two))
    assert len(list(ledger.decisions())) == 7
    assert ledger.usage() == [count(7, kind="batch")]


def test_counts_can_be_computed_again_from_the_chain(ledger: DecisionLedger) -> None:
    ledger.record(decision(), beside=beside(count(), count(2, kind="explanation")))
    ledger.keep(beside(count(3, kind="catalogue")), at=AT)
    assert ledger.verify().ok
    ledger.chain.store.prepare(["UPDATE decisions_usage SET n = 1 WHERE kind = 'explanation'"])
    (problem,) = ledger.verify().problems
    assert problem.startswith("use of maintenance by insurer in 2026-07 (explanation, scenario s1) is kept as 1, the chain says 2")


def test_looks_at_a_decision_are_kept(ledger: DecisionLedger) -> None:
    ledger.record(DECISION)
    looks = [
        Look(score_id=DECISION.score_id, at=AT + timedelta(minutes=i), who="regulator", what=what, scenario="s9", purpose="监管")
        for i, what in enumerate(("answer", "explanation", "replay"))
    ]
    for look in looks:
        ledger.record_look(look)
    ledger.record_look(replace(looks[0], score_id="b" * 32))
    assert ledger.looks(DECISION.score_id) == looks
    assert list(ledger.decisions()) == [DECISION]
    assert ledger.verify().rows == 5


def test_duties_are_kept_and_sealed_with_the_decision(ledger: DecisionLedger) -> None:
    ledger.record(DECISION)
    duty = Duty(score_id=DECISION.score_id, at=AT, duty="human_review", by="operator", payload={"asked": "看一下", "n": 2})
    ledger.record_duty(duty)
    assert ledger.duties() == ledger.duties(DECISION.score_id) == [duty]
    with pytest.raises(NotFound, match="no score has this id"):
        ledger.record_duty(replace(duty, score_id="b" * 32))
    ledger.erase(score_id=DECISION.score_id, reason="asked for", by="李工", at=AT)
    assert ledger.duties() == [replace(duty, payload=None)]
    with pytest.raises(Erased, match="was erased"):
        ledger.record_duty(duty)


def test_one_decision_is_erased(ledger: DecisionLedger) -> None:
    other = decision()
    ledger.record(DECISION, beside=beside(answer=answer(score_id=DECISION.score_id)))
    ledger.record(other)
    done = ledger.erase(score_id=DECISION.score_id, reason=" asked for ", by="李工", at=AT + timedelta(days=1))
    assert (done.rows, done.reason) == ((1,), "asked for")
    with pytest.raises(Erased, match="the personal part of this decision was erased on 2026-07-05") as met:
        ledger.get(DECISION.score_id)
    assert met.value.http_status == 410
    assert met.value.details == {
        "erased_at": (AT + timedelta(days=1)).isoformat(), "reason": "asked for", "decided_at": AT.isoformat(),
        "product": "maintenance",
    }
    assert ledger.stored_answer("insurer", "k") is None
    assert list(ledger.decisions()) == [other]
    assert ledger.latest_for("maintenance", PERSON) == other
    assert ledger.erasures() == [done]
    assert ledger.verify().ok
    with pytest.raises(Erased, match="was erased"):
        ledger.erase(score_id=DECISION.score_id, reason="r", by="b", at=AT)
    with pytest.raises(NotFound, match="nothing to erase"):
        ledger.erase(score_id="c" * 32, reason="r", by="b", at=AT)


def test_what_was_erased_does_not_stand_in_the_way_of_what_was_not(ledger: DecisionLedger) -> None:
    first, second = decision(), decision(supersedes=DECISION.score_id)
    last = decision(supersedes=second.score_id)
    ledger.record_many([DECISION, first, second, last])
    ledger.erase(score_id=second.score_id, reason="r", by="b", at=AT)
    assert ledger.known(second.score_id) is None
    assert ledger.known("c" * 32) is None
    assert ledger.known(last.score_id) == last
    assert ledger.successor(DECISION.score_id) is None
    assert ledger.successor(second.score_id) == last


def test_everything_about_an_entity_is_erased(ledger: DecisionLedger) -> None:
    mine = [decision(), decision(product="driver_fatigue"), decision(entity_id="another", related={"driver": PERSON})]
    others = decision(entity_id="another", related={})
    ledger.record_many([*mine, others])
    assert ledger.erasable(entity_id=PERSON) == (1, 2, 3)
    assert ledger.erase(entity_id=PERSON, reason="r", by="b", at=AT).rows == (1, 2, 3)
    assert list(ledger.decisions()) == [others]
    assert ledger.latest_for("maintenance", PERSON) is None
    assert ledger.latest_for("maintenance", "another") == others
    with pytest.raises(NotFound, match="nothing to erase"):
        ledger.erase(entity_id=PERSON, reason="r", by="b", at=AT)
    with pytest.raises(ValueError, match="either a score id or an entity"):
        ledger.erase(reason="r", by="b", at=AT)


def test_a_data_key_that_went_without_an_erasure_is_found(ledger: DecisionLedger) -> None:
    ledger.record(DECISION)
    ledger.chain.store.prepare(["DELETE FROM decisions_keys"])
    assert ledger.verify().problems == ("decisions lost their data keys without an erasure: rows 1",)


def test_without_the_wrapping_key_nothing_personal_is_read(make: MakeStore) -> None:
    with closing(decisions(make)) as ledger:
        ledger.record(DECISION)
    chain = ChainLedger(make("decisions"), KEY, "decisions", indexed=INDEXED, once=ONCE)
    other = DecisionLedger(chain, WRAP[::-1])
    with closing(other), pytest.raises(IntegrityError, match="the data key of a record cannot be opened"):
        other.get(DECISION.score_id)


def test_a_clock_that_steps_back_is_recorded_as_it_is(ledger: DecisionLedger) -> None:
    instants = [AT, AT - timedelta(days=400), AT + timedelta(seconds=1)]
    for at in instants:
        ledger.record(decision(at=at))
    assert [one.at for one in ledger.decisions()] == instants
    assert ledger.verify().ok


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_have_is_refused(ledger: DecisionLedger, value: float) -> None:
    for bad in (decision(inputs={"x": value}), decision(answer={"score": {"deep": [value]}}), decision(latency_ms=value)):
        with pytest.raises(ValueError, match="not JSON compliant"):
            ledger.record(bad)
    with pytest.raises(ValueError, match="no time zone"):
        ledger.record(decision(at=datetime(2026, 7, 4)))  # noqa: DTZ001 - a naive instant is the case
    assert ledger.verify().rows == 0

"""The ledger of alerts: life cycle, what counts as a violation, escalation, replays and two writers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from registry.errors import Conflict, InvalidRequest, NotFound
from registry.model_ledgers import verify
from registry.supervision.book import ALERTS, AlertBook
from registry.supervision.events import AlertStep
from registry.supervision.ranking import ranked
from tests.lib.access import installation
from tests.lib.alerts import AT, event, id_of


def step(kind: str, code: str = "", name: str = "a1", note: str = "") -> AlertStep:
    return AlertStep(alert_id=id_of(name), kind=kind, by="周敏", code=code, note=note)


@pytest.fixture
def settings(tmp_path):
    return installation(tmp_path)


@pytest.fixture
def book(settings):
    with AlertBook.open(settings) as opened:
        opened.record([event()], at=AT)
        yield opened


def test_an_alert_lives_from_raised_to_handled(book, settings):
    assert book.get(id_of("a1")).status == "raised"
    assert book.step(step("acknowledge"), at=AT).status == "acknowledged"
    alert = book.step(step("handle", "violation_confirmed"), at=AT)
    assert (alert.status, alert.is_violation) == ("handled", True)
    assert [one.what.kind for one in alert.lived] == ["raised", "acknowledge", "handle"]
    assert verify(settings, ALERTS).ok


def test_a_raised_alert_is_no_violation(book):
    assert not book.get(id_of("a1")).is_violation
    assert not book.step(step("handle", "driver_warned"), at=AT).is_violation


@pytest.mark.parametrize("before", [[], [step("acknowledge")], [step("handle", "violation_confirmed")]])
def test_a_dismissed_alert_is_never_a_violation(book, before):
    for one in before:
        book.step(one, at=AT)
    alert = book.step(step("dismiss", "drift"), at=AT)
    assert not alert.is_violation
    # Whatever the machine says afterwards.
    book.record([event(kind="worsened", after_s=60, severity="red")], at=AT)
    assert book.get(id_of("a1")).status == "dismissed"
    assert not book.get(id_of("a1")).is_violation
    with pytest.raises(Conflict):
        book.step(step("handle", "violation_confirmed"), at=AT)


@pytest.mark.parametrize(
    "wrong", [step("handle"), step("handle", "drift"), step("dismiss"), step("dismiss", "other"), step("acknowledge", "drift"),
              step("dismiss", "drift", note="车牌赣A12345")],
)
def test_codes_and_notes_are_checked(book, wrong):
    with pytest.raises(InvalidRequest):
        book.step(wrong, at=AT)
    assert book.get(id_of("a1")).status == "raised"


def test_nobody_acknowledges_and_it_is_escalated_once(book):
    assert book.escalate(AT + timedelta(seconds=3_599)) == []
    assert [alert.alert_id for alert in book.escalate(AT + timedelta(seconds=3_600))] == [id_of("a1")]
    assert book.get(id_of("a1")).status == "escalated"
    assert book.escalate(AT + timedelta(days=1)) == []
    assert book.step(step("acknowledge"), at=AT).status == "acknowledged"


def test_what_ended_by_itself_is_let_go_unless_it_had_been_red(book):
    book.record([event(kind="cleared", after_s=10), event("a2", severity="red"), event("a2", "cleared", 10, "red")], at=AT)
    assert [alert.alert_id for alert in book.escalate(AT + timedelta(days=1))] == [id_of("a2")]


def test_what_got_worse_waits_again(book):
    book.step(step("acknowledge"), at=AT)
    book.record([event(kind="worsened", after_s=7_200, severity="red")], at=AT)
    alert = book.get(id_of("a1"))
    assert (alert.status, alert.severity, alert.worst) == ("raised", "red", "red")
    assert alert.escalates_at() == AT + timedelta(seconds=7_200 + 300)


def test_a_replay_writes_nothing_twice(book, settings):
    again = [event(), event(kind="cleared", after_s=60)]
    assert book.record(again, at=AT) == 1
    assert book.record(again, at=AT) == 0
    with AlertBook.open(settings) as other:
        assert other.record(again, at=AT) == 0
        assert other.get(id_of("a1")) == book.get(id_of("a1"))


def test_two_books_see_each_other(book, settings):
    with AlertBook.open(settings) as other:
        other.step(step("acknowledge"), at=AT)
        with pytest.raises(Conflict):
            book.step(step("acknowledge"), at=AT)
        found, seen = other.lines(after=1, limit=10)
        assert ([one.what.kind for one in found], seen) == (["acknowledge"], 2)


def test_somebody_elses_alert_looks_like_none(book):
    for ask in (lambda: book.get(id_of("a1"), lambda alert: alert.enterprise_id == "enterprise-2"), lambda: book.get("none")):
        with pytest.raises(NotFound, match="no alert with this id"):
            ask()


def test_the_score_is_the_sum_of_declared_points(book):
    book.record([event("a2", severity="red", rule_id="sleepiness"), event("a3", severity="red", vehicle_id="v2")], at=AT)
    first, second = ranked(book.alerts())
    assert (first.vehicle_id, first.points, first.tier) == ("v1", 200 * 0.25 + 240, "orange")
    assert first.points == sum(alert.points() for alert in first.alerts)
    assert (second.vehicle_id, second.points) == ("v2", 200.0)
    book.step(step("dismiss", "drift", "a2"), at=AT)
    assert [(one.vehicle_id, one.points) for one in ranked(book.alerts())] == [("v2", 200.0), ("v1", 50.0)]

"""The life cycle of a scenario as a table: which step from where, by whom, and what the calendar adds."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from registry.access.scenarios import STATUSES, STEPS, Decided, Scenario, Status, Step
from registry.access.terms import Term
from registry.errors import Conflict
from tests.lib.access import NOW, REQUEST

LEADS_TO: dict[tuple[Status, Step], Status] = {
    ("applied", "review"): "reviewed",
    ("applied", "refuse"): "refused",
    ("reviewed", "refuse"): "refused",
    ("reviewed", "approve"): "approved",
    ("approved", "approve"): "approved",
    ("approved", "activate"): "active",
    ("active", "suspend"): "suspended",
    ("suspended", "resume"): "active",
    ("approved", "expire"): "expired",
    ("active", "expire"): "expired",
    ("suspended", "expire"): "expired",
}
APPLIED = Decided(step="apply", at=NOW, by="a", reason="")


def scenario(standing: Status, *decided: Decided, term: Term = REQUEST.term) -> Scenario:
    return Scenario(id="s1", request=replace(REQUEST, term=term), standing=standing, decided=(APPLIED, *decided))


@pytest.mark.parametrize("standing", STATUSES)
@pytest.mark.parametrize("step", STEPS)
def test_a_step_leads_where_the_table_says_or_is_refused(standing: Status, step: Step) -> None:
    before = scenario(standing)
    if (standing, step) not in LEADS_TO:
        with pytest.raises(Conflict, match=f"scenario s1 is {standing}: {step} is possible where it is"):
            before.after(step, at=NOW, by="b", reason="r")
        return
    after = before.after(step, at=NOW, by="b", reason="r")
    assert after.standing == LEADS_TO[standing, step]
    assert after.decided == (APPLIED, Decided(step=step, at=NOW, by="b", reason="r"))
    assert after.request == before.request


@pytest.mark.parametrize(
    ("standing", "earlier", "step", "by", "allowed"),
    [
        ("applied", (), "review", "a", False),
        ("applied", (), "review", " Ａ ", False),
        ("applied", (), "review", "b", True),
        ("reviewed", (("review", "b"),), "approve", "a", False),
        ("reviewed", (("review", "b"),), "approve", "b", False),
        ("reviewed", (("review", "b"),), "approve", "c", True),
        ("approved", (("review", "b"), ("approve", "c")), "approve", "C", False),
        ("approved", (("review", "b"), ("approve", "c")), "approve", "d", True),
        ("approved", (("review", "b"), ("approve", "c")), "activate", "c", True),
        ("applied", (), "refuse", "a", True),
        ("active", (("review", "b"), ("approve", "c")), "suspend", "a", True),
    ],
)
def test_who_decided_before_does_not_decide_again(
    standing: Status, earlier: tuple[tuple[Step, str], ...], step: Step, by: str, allowed: bool
) -> None:
    before = scenario(standing, *(Decided(step=one, at=NOW, by=who, reason="") for one, who in earlier))
    if allowed:
        assert before.after(step, at=NOW, by=by, reason="r").decided[-1].by == by
    else:
        with pytest.raises(Conflict, match="somebody else must"):
            before.after(step, at=NOW, by=by, reason="r")


def test_the_approvers_are_those_who_approved() -> None:
    steps = (Decided(step="review", at=NOW, by="b", reason=""), Decided(step="approve", at=NOW, by="c", reason=""))
    assert scenario("approved", *steps).after("approve", at=NOW, by="d", reason="r").approvers == ("c", "d")


@pytest.mark.parametrize("standing", STATUSES)
def test_a_term_that_is_over_expires_everything_but_a_refusal(standing: Status) -> None:
    one = scenario(standing)
    after = one.request.term.ends_at
    assert one.status(after - timedelta(seconds=1)) == standing
    assert one.status(after) == ("refused" if standing == "refused" else "expired")
    assert one.in_force(after - timedelta(seconds=1)) == (standing == "active")
    assert not one.in_force(after)


@pytest.mark.parametrize("step", ["review", "approve", "activate", "resume"])
def test_nothing_begins_after_the_term(step: Step) -> None:
    standing = next(status for status, one in LEADS_TO if one == step)
    with pytest.raises(Conflict, match="the term of scenario s1 ended on 2029-07-03"):
        scenario(standing).after(step, at=REQUEST.term.ends_at, by="b", reason="r")


@pytest.mark.parametrize("step", ["suspend", "expire"])
def test_what_ends_may_end_after_the_term(step: Step) -> None:
    assert scenario("active").after(step, at=REQUEST.term.ends_at, by="b", reason="r").decided[-1].step == step


@pytest.mark.parametrize(
    ("standing", "term", "lacking"),
    [
        ("active", REQUEST.term, ""),
        ("active", Term(date(2026, 7, 11), date(2026, 8, 1)), "starts on 2026-07-11"),
        ("active", Term(date(2026, 7, 1), date(2026, 7, 9)), "expired at the end of 2026-07-09"),
        ("approved", REQUEST.term, "is approved and not active yet"),
        ("applied", REQUEST.term, "is applied and not active yet"),
        ("applied", Term(date(2026, 7, 1), date(2026, 7, 9)), "expired at the end of 2026-07-09"),
        ("suspended", REQUEST.term, "is suspended since 2026-07-10 12:00"),
        ("refused", REQUEST.term, "is refused since 2026-07-10 12:00"),
        ("expired", REQUEST.term, "is expired since 2026-07-10 12:00"),
    ],
)
def test_what_is_lacking_is_said(standing: Status, term: Term, lacking: str) -> None:
    assert scenario(standing, term=term).lacking(NOW) == lacking

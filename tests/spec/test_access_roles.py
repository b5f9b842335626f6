"""Role, action and product as a table: what passes, what is refused, and what the refusal names."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import get_args

import pytest

from registry.access.fold import apply
from registry.access.grants import Grant, grant_for
from registry.access.parties import Quota
from registry.access.roles import ACTIONS, DETAILS, ROLES, Action, Detail, Role
from registry.access.rules import AccessRules
from registry.access.state import AccessState
from registry.access.terms import Term
from registry.errors import AccessRefused, InvalidRequest
from tests.lib.access import NOW, REQUEST, active, caller, grant, state_of

COVERED, OTHER = "insurance_pricing", "maintenance"
FREE = ("catalogue", "metrics", "duties", "govern")
"""What needs no scenario."""
MATRIX: dict[Role, str] = {
    #            score batch what_if read explain replay catalogue invoke metrics duties govern alerts handle_alerts
    "insurer": "yes   yes   yes     yes  yes     no     yes       no     no      yes     no     no     no",
    "operator": "yes   no    yes     yes  yes     no     yes       no     no      yes     no     yes    yes",
    "engineer": "yes   yes   yes     yes  yes     yes    yes       yes    yes     no     no     no     no",
    "regulator": "yes   yes   no      yes  yes     yes    yes       no     no      yes     yes    yes    yes",
    "local": "yes   yes   yes     yes  yes     yes    yes       yes    yes     yes     yes    yes    yes",
}
CELLS = [
    (role, action, allowed == "yes") for role, row in MATRIX.items()
    for action, allowed in zip(ACTIONS, row.split(), strict=True)
]


def asked(
    state: AccessState, role: Role, product: str, action: Action = "score", scenario: str | None = None
) -> Grant:
    return grant_for(
        state, AccessRules(), caller(role), product=product, action=action, now=NOW, scenario=scenario
    )


def test_the_table_has_every_role_and_action() -> None:
    assert tuple(MATRIX) == get_args(Role)
    assert len(CELLS) == len(ROLES) * len(ACTIONS)


@pytest.mark.parametrize(("role", "action", "allowed"), CELLS)
def test_a_role_does_what_the_table_says(role: Role, action: Action, allowed: bool) -> None:
    state = state_of(role, active("s1", role, product=COVERED))
    if not allowed:
        with pytest.raises(AccessRefused, match=f"the role {role} may not {action}"):
            asked(state, role, COVERED, action)
        return
    found = asked(state, role, COVERED, action)
    assert action in found.actions
    assert found.scenario == ("" if action in FREE else "s1")


@pytest.mark.parametrize(("role", "action", "allowed"), CELLS)
def test_a_product_without_a_scenario_is_refused(role: Role, action: Action, allowed: bool) -> None:
    state = state_of(role, active("s1", role, product=COVERED))
    if allowed and action in FREE:
        assert asked(state, role, OTHER, action).scenario == ""
        return
    lacking = "c has no scenario for maintenance that is in force: none was applied for" if allowed else "may not"
    with pytest.raises(AccessRefused, match=lacking):
        asked(state, role, OTHER, action)


def test_what_needs_no_scenario_reads_nothing() -> None:
    found = asked(state_of("insurer"), "insurer", COVERED, "duties")
    assert (found.resources, found.detail, found.scenario) == (frozenset(), "reasons", "")
    assert found.covers(())
    assert not found.covers(["policy"])
    assert "score" not in found.actions


def test_the_only_scenario_in_force_is_taken() -> None:
    over = active("over", term=Term(date(2026, 1, 1), date(2026, 7, 9)))
    later = active("later", term=Term(date(2026, 7, 11), date(2026, 12, 31)))
    suspended = replace(active("suspended"), standing="suspended")
    assert asked(state_of("insurer", over, later, suspended, active("now")), "insurer", COVERED).scenario == "now"
    with pytest.raises(AccessRefused, match=r"over expired at the end of 2026-07-09; later starts on 2026-07-11; suspended is"):
        asked(state_of("insurer", over, later, suspended), "insurer", COVERED)


def test_of_several_one_must_be_named() -> None:
    state = state_of("insurer", active("b"), active("a"))
    with pytest.raises(AccessRefused, match="several scenarios for insurance_pricing: a, b") as refused:
        asked(state, "insurer", COVERED)
    assert refused.value.details == {"lacking": "choice", "scenarios": ["a", "b"]}
    assert asked(state, "insurer", COVERED, scenario="b").scenario == "b"


def test_a_named_scenario_must_be_one_s_own_in_force_and_for_the_product() -> None:
    foreign = active("foreign", consumer="somebody-else")
    ended = replace(active("ended"), standing="expired")
    state = state_of("insurer", active("mine"), foreign, ended)
    with pytest.raises(AccessRefused, match="c has no scenario of this id"):
        asked(state, "insurer", COVERED, scenario="nowhere")
    with pytest.raises(AccessRefused, match="c has no scenario of this id"):
        asked(state, "insurer", COVERED, scenario="foreign")
    with pytest.raises(AccessRefused, match="scenario ended is expired since"):
        asked(state, "insurer", COVERED, scenario="ended")
    with pytest.raises(AccessRefused, match="scenario mine is for insurance_pricing, not for maintenance"):
        asked(state, "insurer", OTHER, scenario="mine")


def test_a_portfolio_is_a_product_like_any_other() -> None:
    state = state_of("engineer", active("p", "engineer", product="french_mtpl"))
    assert asked(state, "engineer", "french_mtpl", "invoke").product == "french_mtpl"


@pytest.mark.parametrize(
    ("resources", "wanted", "covered"),
    [
        (None, ["policy", "claim"], True),
        (frozenset({"policy"}), ["policy"], True),
        (frozenset({"policy"}), ["policy", "claim"], False),
        (frozenset({"policy"}), [], True),
        (frozenset[str](), ["policy"], False),
    ],
)
def test_a_grant_covers_the_resources_of_its_scenario(
    resources: frozenset[str] | None, wanted: list[str], covered: bool
) -> None:
    state = state_of("insurer", active("s1", resources=resources))
    assert asked(state, "insurer", COVERED).covers(wanted) is covered


@pytest.mark.parametrize(
    ("role", "whose", "entities", "seen"),
    [
        ("insurer", "c", (), True),
        ("insurer", "somebody", ("enterprise-1",), False),
        ("engineer", "somebody", ("enterprise-1",), False),
        ("operator", "somebody", ("vehicle-9", "enterprise-1"), True),
        ("operator", "somebody", ("enterprise-2",), False),
        ("operator", "c", ("enterprise-2",), True),
        ("regulator", "somebody", (), True),
        ("local", "somebody", (), True),
    ],
)
def test_whose_decisions_a_role_sees(role: Role, whose: str, entities: tuple[str, ...], seen: bool) -> None:
    assert grant(role).may_see(whose, entities) is seen


def test_an_operator_asks_about_itself_only() -> None:
    assert grant("operator").may_ask_about({"vehicle-9", "enterprise-1"})
    assert not grant("operator").may_ask_about({"vehicle-9", "enterprise-2"})
    assert grant("insurer").may_ask_about({"vehicle-9"})


@pytest.mark.parametrize("role", get_args(Role))
@pytest.mark.parametrize("detail", DETAILS)
def test_exact_contributions_are_not_for_insurers_and_operators(role: Role, detail: Detail) -> None:
    state = state_of(role)
    line = {
        "kind": "scenario_applied", "id": "s1", "by": "a", "reason": "", "consumer": "c", "product": COVERED,
        "purpose_zh": "z", "purpose_en": "e", "resources": None, "detail": detail, "start": "2026-07-04",
        "end": "2026-07-05", "basis": "b", "charge": "public", "attachments": [],
    }
    if detail == "exact" and role in {"insurer", "operator"}:
        with pytest.raises(InvalidRequest, match=f"detail 'exact' is not for the role {role}"):
            apply(state, line, at=NOW)
    else:
        apply(state, line, at=NOW)
        assert state.scenarios["s1"].request.detail == detail


def test_an_agreed_quota_takes_the_place_of_the_role_s_limits() -> None:
    state = state_of("insurer", active("s1"))
    usual = asked(state, "insurer", COVERED)
    assert (usual.rate_per_s, usual.burst, usual.per_month, usual.per_day) == (50, 100, None, None)
    state.quotas["c", COVERED] = Quota(per_month=1000, rate_per_s=2.5)
    agreed = asked(state, "insurer", COVERED)
    assert (agreed.rate_per_s, agreed.burst, agreed.per_month, agreed.per_day) == (2.5, 100, 1000, None)


def test_a_grant_says_everything_about_its_call() -> None:
    found = grant()
    assert (found.consumer, found.role, found.scenario, found.product) == ("c", "insurer", "s1", COVERED)
    assert (found.purpose_zh, found.purpose_en, found.detail) == (REQUEST.purpose_zh, REQUEST.purpose_en, "groups")
    assert (found.charge, found.subject, found.sight) == ("commercial", None, "own")

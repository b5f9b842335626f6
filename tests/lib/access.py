"""Installations with consumers, keys and scenarios, for tests of who may ask what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from registry.access.changes import Writer
from registry.access.grants import Grant, grant_for
from registry.access.parties import Caller, Consumer
from registry.access.roles import ROLES, Action, Role
from registry.access.rules import AccessRules
from registry.access.scenarios import Decided, Request, Scenario
from registry.access.state import AccessState
from registry.access.terms import Term
from registry.settings import Settings
from registry.signing import init_keys

NOW = datetime(2026, 7, 10, 4, tzinfo=UTC)
"""Noon of 10 July 2026 in Shanghai."""
TERM = Term(date(2026, 7, 4), date(2029, 7, 3))
APPLICANT, REVIEWER, APPROVER = "李工", "王工", "张局"
REQUEST = Request(
    consumer="insurer-a", product="insurance_pricing", purpose_zh="车险定价", purpose_en="motor pricing", resources=None,
    detail="groups", term=TERM, basis="contract 17", charge="commercial",
)


def installation(folder: Path) -> Settings:
    """Return settings of an installation with keys and nothing else."""
    settings = Settings(home=folder / "home", keys_dir=folder / "keys")
    init_keys(settings.keys_dir)
    return settings


def add_consumer(settings: Settings, consumer: str = "insurer-a", role: Role = "insurer", at: datetime = NOW) -> None:
    """Add a consumer; an operator gets a subject."""
    subject = "enterprise-1" if role == "operator" else None
    Writer(settings, APPLICANT, at).add_consumer(consumer, role=role, zh="消费方", en="consumer", subject=subject)


def activate(settings: Settings, request: Request = REQUEST, at: datetime = NOW) -> str:
    """Bring a scenario to life by three persons; return its id."""
    made = Writer(settings, APPLICANT, at).apply_for(request).id
    Writer(settings, REVIEWER, at).take_step(made, "review", reason="评审通过")
    Writer(settings, APPROVER, at).take_step(made, "approve", reason="备案")
    Writer(settings, APPROVER, at).take_step(made, "activate", reason="合同生效")
    return made


def token_of(settings: Settings, consumer: str = "insurer-a", at: datetime = NOW, **limits: Any) -> str:
    """Issue a key; return its token."""
    return Writer(settings, APPLICANT, at).issue_key(consumer, **limits).token.text


def state_of(role: Role, *scenarios: Scenario) -> AccessState:
    """Return a state with one consumer, `c`, and scenarios; nothing is written."""
    state = AccessState()
    state.consumers["c"] = Consumer(
        id="c", role=role, zh="消费方", en="consumer", subject="enterprise-1" if role == "operator" else None, epoch=1,
        added_at=NOW, added_by=APPLICANT,
    )
    for one in scenarios:
        state.put(one)
    return state


def active(name: str, role: Role = "insurer", **changes: Any) -> Scenario:
    """Return an active scenario of consumer `c`."""
    detail = "groups" if "groups" in ROLES[role].details else "reasons"
    request = replace(REQUEST, **{"consumer": "c", "detail": detail, **changes})
    decided = tuple(Decided(step=step, at=NOW, by="x", reason="x") for step in ("apply", "review", "approve", "activate"))
    return Scenario(id=name, request=request, standing="active", decided=decided)


def caller(role: Role) -> Caller:
    """Return consumer `c` as a caller."""
    subject = "enterprise-1" if role == "operator" else None
    return Caller(consumer="c", role=role, key_id="0" * 12, zh="消费方", en="consumer", subject=subject)


def grant(role: Role = "insurer", action: Action = "score", rules: AccessRules | None = None, **changes: Any) -> Grant:
    """Return the grant of a call by consumer `c`, with some of its fields changed."""
    state = state_of(role, active("s1", role))
    found = grant_for(
        state, rules or AccessRules(), caller(role), product="insurance_pricing", action=action, now=NOW
    )
    return replace(found, **changes)

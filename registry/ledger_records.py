"""What the decision ledger holds beside decisions, in the same chain: looks at them, duties to those they are about, erasures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from registry.chain import Entry

LOOK: Final = "look"
DUTY: Final = "duty"
ERASURE: Final = "erasure"
COUNT: Final = "count"
"""Use that was counted without a decision."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """Somebody looked at a past decision.

    Parameters
    ----------
    score_id
        The decision.
    at
        When, aware UTC.
    who, role, key_id
        Consumer, its role, and the key it came with; a person's name where a person looked.
    what
        What was looked at: answer, explanation, replay, console, export.
    scenario, purpose
        Under which authorisation and for what.
    request_id
        The request.
    """

    score_id: str
    at: datetime
    who: str
    what: str
    role: str = ""
    key_id: str = ""
    scenario: str = ""
    purpose: str = ""
    request_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Duty:
    """What was asked or done for the person that a decision is about (PIPL, 个人信息保护法).

    Parameters
    ----------
    score_id
        The decision.
    at
        When, aware UTC.
    duty
        Which: objection, human_review, review_result, notice_given.
    by
        Who asked or did it: a consumer or the name of a reviewer.
    payload
        The rest; it is sealed with the decision and erased with it. None where that has happened.
    """

    score_id: str
    at: datetime
    duty: str
    by: str
    payload: Mapping[str, Any] | None = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """The personal parts of decisions were erased.

    Parameters
    ----------
    at
        When, aware UTC.
    rows
        Ledger positions of the decisions.
    reason, by
        Why and by whom.
    """

    at: datetime
    rows: tuple[int, ...]
    reason: str
    by: str


def look_payload(look: Look) -> dict[str, Any]:
    """Return a look as its row has it."""
    fields = asdict(look)
    del fields["at"]
    return {"kind": LOOK, "about": fields.pop("score_id"), **fields}


def look_of(entry: Entry) -> Look:
    """Return the look of a row."""
    fields = {name: value for name, value in entry.payload.items() if name not in ("kind", "about")}
    return Look(at=entry.at, score_id=entry.payload["about"], **fields)


def duty_payload(duty: Duty, sealed: str) -> dict[str, Any]:
    """Return a duty as its row has it."""
    return {"kind": DUTY, "about": duty.score_id, "duty": duty.duty, "by": duty.by, "sealed": sealed}


def erasure_payload(erasure: Erasure) -> dict[str, Any]:
    """Return an erasure as its row has it."""
    return {"kind": ERASURE, "rows": list(erasure.rows), "reason": erasure.reason, "by": erasure.by}


def erasure_of(entry: Entry) -> Erasure:
    """Return the erasure of a row."""
    found = entry.payload
    return Erasure(at=entry.at, rows=tuple(found["rows"]), reason=found["reason"], by=found["by"])

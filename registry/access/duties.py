"""Duties towards the persons who are judged (PIPL Art. 24): what is recorded beside a decision, and which step follows which.

Payloads hold codes, references and what an official decided, never a person's own words: those lie in the case file that
`reference` names. They are recorded by `registry.access.duty_book`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Literal, get_args

from registry.errors import Conflict, InvalidRequest
from registry.working_days import Deadline, working_days_deadline

Kind = Literal["notice_given", "objection", "human_review", "review_result"]
Ground = Literal["data_wrong", "not_me", "outdated", "automated_only", "terms_unreasonable", "purpose", "other"]
Outcome = Literal["upheld", "corrected", "replaced", "withdrawn"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
GROUNDS: Final[dict[Ground, tuple[str, str]]] = {
    "data_wrong": ("数据有误", "the data are wrong"),
    "not_me": ("不是本人或本车", "it is another person or vehicle"),
    "outdated": ("数据已过期或已撤销", "the data are outdated or were revoked"),
    "automated_only": ("不接受仅由自动化方式作出的决定", "refuses a decision made by automated means alone"),
    "terms_unreasonable": ("交易条件不合理", "the terms are unreasonable"),
    "purpose": ("超出目的或授权", "beyond the purpose or the authorisation"),
    "other": ("其他", "something else"),
}
"""Ground of an objection -> Chinese and English wording. [A]"""
OUTCOMES: Final[dict[Outcome, tuple[str, str]]] = {
    "upheld": ("维持", "the decision stands"),
    "corrected": ("更正数据后重新评分", "data were corrected and it was scored again"),
    "replaced": ("由人工决定替代", "a person decided instead"),
    "withdrawn": ("撤销", "the decision is taken back"),
}
"""[A]"""
_SCORE_ID: Final = re.compile(r"[0-9A-Za-z_-]{0,64}")
_ALNUM: Final = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z]{17,18}(?![0-9A-Za-z])")
_PLATE: Final = re.compile(r"[一-鿿][A-Za-z][·•.\-\s]?[A-Za-z0-9]{4,5}[A-Za-z0-9挂学警港澳]")
_PHONE: Final = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")


@dataclass(frozen=True, kw_only=True)
class NoticeGiven:
    """A person was told: by which version of the notice (`registry.access.notices`), over which channel."""

    kind: ClassVar[Kind] = "notice_given"
    version: str
    channel: str
    consent: bool | None = None
    reference: str = ""


@dataclass(frozen=True, kw_only=True)
class Objection:
    """A person, or who speaks for it, objects to a decision."""

    kind: ClassVar[Kind] = "objection"
    ground: Ground
    reference: str


@dataclass(frozen=True, kw_only=True)
class HumanReview:
    """A person asks that a human looks at a decision."""

    kind: ClassVar[Kind] = "human_review"
    reference: str


@dataclass(frozen=True, kw_only=True)
class ReviewResult:
    """What an official decided.

    Parameters
    ----------
    reviewer, outcome, reason
        Who, what, and why, without anything that identifies the person concerned.
    answers
        Number of the objection or request that it answers, among all that was recorded for the decision, from 1.
    successor
        Score id of the decision that took the place of the first; empty where there is none.
    """

    kind: ClassVar[Kind] = "review_result"
    reviewer: str
    outcome: Outcome
    reason: str
    answers: int
    successor: str = ""
    reference: str = ""


Duty = NoticeGiven | Objection | HumanReview | ReviewResult
_TYPES: Final[dict[str, type[Duty]]] = {one.kind: one for one in (NoticeGiven, Objection, HumanReview, ReviewResult)}


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A duty as it was recorded: the how manieth of its decision, from 1; when, and by which consumer or official."""

    n: int
    at: datetime
    by: str
    duty: Duty


def payload_of(duty: Duty) -> dict[str, Any]:
    """Return a duty as it is recorded.

    Raises
    ------
    InvalidRequest
        If a value is missing, unknown or identifies a person, vehicle or enterprise.
    """
    fields = asdict(duty)
    _check_choice(duty)
    for name, value in fields.items():
        if name == "successor":
            _check_id(value)
        elif isinstance(value, str):
            _check_text(name, value, required=name in {"version", "channel", "ground", "reviewer", "outcome", "reason"})
    return {"duty": duty.kind, **fields}


def read_duty(payload: Mapping[str, Any]) -> Duty:
    """Return the duty of a payload.

    Raises
    ------
    InvalidRequest
        If its kind or a field is unknown, or a value is not allowed.
    """
    fields = dict(payload)
    kind = fields.pop("duty", None)
    if kind not in _TYPES:
        raise InvalidRequest(f"there is no duty {kind!r}", where="duty", remedy=f"Duties are: {', '.join(KINDS)}.")
    try:
        duty = _TYPES[kind](**fields)
    except TypeError as error:
        raise InvalidRequest(f"the fields of a duty {kind} are wrong: {', '.join(sorted(fields))}", where="duty") from error
    payload_of(duty)
    return duty


def due(asked: Recorded, *, working_days: int) -> Deadline:
    """Return until when a person answers an objection or a request for review."""
    return working_days_deadline(asked.at, working_days)


def unanswered(recorded: Sequence[Recorded]) -> list[Recorded]:
    """Return the objections and requests for review of one decision that no result answers, oldest first."""
    answered = {one.duty.answers for one in recorded if isinstance(one.duty, ReviewResult)}
    return [one for one in recorded if isinstance(one.duty, Objection | HumanReview) and one.n not in answered]


def check_follows(duty: Duty, recorded: Sequence[Recorded]) -> None:
    """Refuse what does not follow from what was recorded for a decision before.

    Raises
    ------
    Conflict
        If a result answers nothing that is open, or the same request is made while one of its kind is open.
    """
    waiting = unanswered(recorded)
    if isinstance(duty, ReviewResult):
        if duty.answers not in {one.n for one in waiting}:
            raise Conflict(
                f"number {duty.answers} is no open objection or request of this decision", where="duties",
                remedy="List the open ones with `roadrisk access duties list`.",
            )
    elif any(one.duty == duty for one in waiting):
        raise Conflict("the same request is open already", where="duties", remedy="It will be answered by a person.")


def identifies(text: str) -> bool:
    """Return whether a text holds a plate, VIN, credit code, identity card or mobile number."""
    from registry.formats import normalise_plate, valid_id_card, valid_plate, valid_uscc, valid_vin

    if _PHONE.search(text):
        return True
    if any(valid_plate(normalise_plate(found)) for found in _PLATE.findall(text)):
        return True
    # Seventeen digits are rather the number of a case than a VIN.
    return any(
        (valid_vin(found) and not found.isdigit()) or valid_uscc(found) or valid_id_card(found)
        for found in _ALNUM.findall(text.upper())
    )


def _check_choice(duty: Duty) -> None:
    if isinstance(duty, Objection) and duty.ground not in GROUNDS:
        raise InvalidRequest(f"there is no ground {duty.ground!r}", where="ground", remedy=f"Grounds: {', '.join(GROUNDS)}.")
    if isinstance(duty, ReviewResult) and duty.outcome not in OUTCOMES:
        raise InvalidRequest(
            f"there is no outcome {duty.outcome!r}", where="outcome", remedy=f"Outcomes: {', '.join(OUTCOMES)}."
        )
    if isinstance(duty, ReviewResult) and duty.outcome == "corrected" and not duty.successor:
        raise InvalidRequest("a corrected decision has a successor", where="successor", remedy="Name its score id.")


def _check_id(value: str) -> None:
    if not _SCORE_ID.fullmatch(value):
        raise InvalidRequest("the successor is no score id", where="successor", remedy="Give the id of a score.")


def _check_text(name: str, value: str, *, required: bool) -> None:
    if required and not value.strip():
        raise InvalidRequest(f"{name} is empty", where=name, remedy="Say it: it is kept in the ledger.")
    if len(value) > 500:
        raise InvalidRequest(f"{name} has {len(value)} signs, at most 500 are kept", where=name)
    if identifies(value):
        # The value itself stays out of the message, which goes into answers and logs.
        raise InvalidRequest(
            f"{name} identifies a person, vehicle or enterprise", where=name,
            remedy="Leave identifiers in the case file and name its reference.",
        )

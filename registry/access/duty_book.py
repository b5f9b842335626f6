"""Duties on the decision ledger: recorded beside the decision that they are about, sealed with it and erased with it."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from registry.access.duties import Duty, Recorded, ReviewResult, check_follows, payload_of, read_duty, unanswered
from registry.decisions import DecisionLedger
from registry.decisions import Duty as Line
from registry.errors import NotFound


def recorded(ledger: DecisionLedger, score_id: str) -> list[Recorded]:
    """Return what was recorded for a decision, oldest first; what was erased with it is left out."""
    return _read(ledger.duties(score_id))


def record(ledger: DecisionLedger, score_id: str, duty: Duty, *, by: str, at: datetime) -> Recorded:
    """Record a duty durably.

    Parameters
    ----------
    by
        Consumer who asked, or official who decided.
    at
        When, aware.

    Raises
    ------
    NotFound
        If there is no such decision, or no successor of the name that a result gives.
    Erased
        If its personal part was erased.
    InvalidRequest
        If a value is not allowed or identifies somebody.
    Conflict
        If it does not follow from what was recorded before.
    """
    payload, lines = payload_of(duty), ledger.duties(score_id)
    check_follows(duty, _read(lines))
    if isinstance(duty, ReviewResult) and duty.successor:
        _check_successor(ledger, score_id, duty.successor)
    ledger.record_duty(Line(score_id=score_id, at=at, duty=duty.kind, by=by, payload=payload))
    return Recorded(n=len(lines) + 1, at=at, by=by, duty=duty)


def open_requests(ledger: DecisionLedger) -> list[tuple[str, Recorded]]:
    """Return (score id, objection or request for review) of all that nobody has answered, oldest first."""
    by_score: dict[str, list[Line]] = defaultdict(list)
    for line in ledger.duties():
        by_score[line.score_id].append(line)
    found = [(score_id, one) for score_id, lines in by_score.items() for one in unanswered(_read(lines))]
    return sorted(found, key=lambda pair: pair[1].at)


def _check_successor(ledger: DecisionLedger, score_id: str, successor: str) -> None:
    if successor == score_id or ledger.get(successor).product != ledger.get(score_id).product:
        raise NotFound(
            "the successor is no other decision of the same product", where="successor",
            remedy="Name the score id of the decision that was made after the correction.",
        )


def _read(lines: list[Line]) -> list[Recorded]:
    return [
        Recorded(n=place, at=line.at, by=line.by, duty=read_duty(line.payload))
        for place, line in enumerate(lines, start=1) if line.payload is not None
    ]

"""Re-score every decision that used a row that was corrected or withdrawn since; the old decision stays as it is.

The new decision names the one whose place it takes, so a second run finds nothing left to do. Where the online store does not
hold the changed rows yet, the decision waits: features are built and loaded first.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from features.affected import Affected, affected_decisions
from registry.decisions import Decision, DecisionLedger
from registry.errors import NotFound
from registry.locks import exclusive
from registry.resources import RESOURCES
from serving.asked import Asked
from serving.desk import ScoringDesk

if TYPE_CHECKING:
    from registry.settings import Settings

LOCK: Final = "rescore.lock"
REQUEST_ID: Final = "rescore"
Outcome = Literal["rescored", "waiting", "no_score_possible", "planned"]


@dataclass(frozen=True, kw_only=True)
class Rescored:
    """What became of one affected decision.

    Parameters
    ----------
    affected
        The decision and the rows.
    outcome
        ``rescored``; ``waiting`` where the online store is older than the newest row, or no model is live;
        ``no_score_possible`` where the store does not hold the entity any more; ``planned`` in a dry run.
    new_score_id
        Score id of the new decision.
    old_points, new_points
        Points; None where there is no score.
    note
        Why there is no new decision.
    """

    affected: Affected
    outcome: Outcome
    new_score_id: str | None = None
    old_points: float | None = None
    new_points: float | None = None
    note: str = ""

    def as_record(self) -> dict[str, Any]:
        """Return it as `--json` shows it."""
        found = self.affected
        return {
            "score_id": found.score_id, "product": found.product, "as_of": found.as_of.isoformat(), "outcome": self.outcome,
            "new_score_id": self.new_score_id, "old_points": self.old_points, "new_points": self.new_points,
            "n_rows": found.n_changes, "rows": [change.as_record() for change in found.changes], "note": self.note,
        }


def planned(settings: Settings, *, since: datetime | None = None) -> Iterator[Rescored]:
    """Yield the affected decisions that would be re-scored; nothing is written."""
    ledger = DecisionLedger.open(settings)
    try:
        for found in affected_decisions(settings, ledger.decisions(), since=since):
            yield Rescored(affected=found, outcome="planned", old_points=ledger.get(found.score_id).answer["points"])
    finally:
        ledger.close()


def rescore(settings: Settings, desk: ScoringDesk, *, since: datetime | None = None) -> Iterator[Rescored]:
    """Re-score the affected decisions one by one, each with the current online inputs, and yield what became of them.

    Parameters
    ----------
    desk
        Live models, online store and decision ledger.
    since
        Only for rows superseded by what arrived after this instant; by default after the oldest cut-off of a decision.

    Raises
    ------
    ServiceUnavailable
        If store or ledger do not answer; what was recorded until then stays, and the next run goes on from there.
    """
    # One run at a time: two would give one decision two successors.
    with exclusive(settings.ledger_dir / LOCK):
        for found in affected_decisions(settings, desk.decisions.decisions(), since=since):
            yield _rescore_one(desk, found, settings.pseudonym_epoch)


def _rescore_one(desk: ScoringDesk, found: Affected, epoch: int) -> Rescored:
    before = desk.decisions.get(found.score_id)
    points = before.answer["points"]
    live = desk.live.current.live
    if found.product not in live or desk.source.epoch != epoch:
        absent = found.product not in live
        note = f"{found.product} has no live model" if absent else "the online store has pseudonyms of an older key"
        return Rescored(affected=found, outcome="waiting", old_points=points, note=note)
    asked = Asked(REQUEST_ID, time.perf_counter())
    try:
        inputs = desk.source.read(found.product, found.entity_id, resources=_allowed(before))
    except NotFound as error:
        return Rescored(affected=found, outcome="no_score_possible", old_points=points, note=error.message)
    if inputs.as_of < found.known_at:
        note = f"the online store is as of {inputs.as_of.isoformat()}, a row arrived at {found.known_at.isoformat()}"
        return Rescored(affected=found, outcome="waiting", old_points=points, note=note)
    rows = [change.as_record() for change in found.changes]
    answer = desk.score_again(before, inputs, rows, found.n_changes, asked)
    return Rescored(
        affected=found, outcome="rescored", old_points=points, new_score_id=answer["score_id"], new_points=answer["points"]
    )


def _allowed(before: Decision) -> frozenset[str] | None:
    """Return the resources that the scenario of a decision let it read; None for all."""
    barred = {source["resource"] for source in before.answer["sources"] if not source["authorised"]}
    return frozenset(RESOURCES) - barred if barred else None


def counted(outcomes: Iterable[Rescored]) -> dict[str, int]:
    """Return how many decisions had each outcome."""
    counts: dict[str, int] = dict.fromkeys(("rescored", "waiting", "no_score_possible", "planned"), 0)
    for one in outcomes:
        counts[one.outcome] += 1
    return counts


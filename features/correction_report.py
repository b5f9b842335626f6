"""Withdrawn penalties against the three-day rule: when the source took them back, when we knew, when scores followed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from features.affected import affected_decisions, with_current_pseudonyms
from features.families.enforcement import REVOKED_STATE
from features.families.enterprise_standing import REVOKED_REASON
from features.superseded import Change, changes_since
from features.warehouse import Warehouse
from registry.working_days import calendar_days_deadline

if TYPE_CHECKING:
    from registry.decisions import Decision
    from registry.settings import Settings

PENALTIES: Final = ("enforcement_case", "credit_list")
"""Resources whose rows are published against somebody."""
_SOURCE_TIME: Final = {
    "enforcement_case": f"CASE WHEN state = '{REVOKED_STATE}' THEN close_time END",
    "credit_list": f"CASE WHEN removal_reason = '{REVOKED_REASON}' THEN removed_at::TIMESTAMP - INTERVAL 8 HOUR END::TIMESTAMPTZ",
}
"""Where a resource says when its source revoked a row; nothing else in the contract does."""


@dataclass(frozen=True, kw_only=True)
class Withdrawal:
    """A published penalty that was taken back.

    Parameters
    ----------
    resource, row_id
        The row.
    withdrawn_at
        When the source revoked it; None where the delivery does not say.
    known_at
        When the withdrawal arrived.
    due_at
        End of the third calendar day after `withdrawn_at`, or after `known_at` where the source does not say.
    rescored, waiting
        Decisions that used it: scored again, and not yet.
    rescored_at
        When the last of them was; None where none was.
    """

    resource: str
    row_id: str
    withdrawn_at: datetime | None
    known_at: datetime
    due_at: datetime
    rescored: int = 0
    waiting: int = 0
    rescored_at: datetime | None = None

    def in_time(self, now: datetime) -> bool | None:
        """Whether every score followed within the term; None while it runs and something waits."""
        if self.waiting:
            return None if now < self.due_at else False
        return max(self.known_at, self.rescored_at or self.known_at) < self.due_at


def withdrawals(
    settings: Settings, decisions: Callable[[], Iterable[Decision]], *, since: datetime
) -> list[Withdrawal]:
    """Return the penalties of which a withdrawal arrived after an instant, in the order of arrival.

    Parameters
    ----------
    decisions
        Returns the decision ledger from its beginning, as a stream; read twice.
    since
        Withdrawals that arrived after this instant.
    """
    newest: dict[tuple[str, str], Change] = {}
    for change in changes_since(settings, PENALTIES, since):
        if change.kind == "withdrawn":
            newest[change.resource, change.row_id] = change
    revoked = _revoked_at(settings, newest)
    found = {key: _withdrawal(change, revoked.get(key)) for key, change in newest.items()}
    for key, at in _rescored(settings, decisions(), found):
        one = found[key]
        found[key] = replace(one, rescored=one.rescored + 1, rescored_at=max(one.rescored_at or at, at))
    for affected in affected_decisions(settings, decisions(), since=since):
        for key in {(change.resource, change.row_id) for change in affected.changes} & set(found):
            found[key] = replace(found[key], waiting=found[key].waiting + 1)
    return list(found.values())


def as_record(one: Withdrawal, now: datetime) -> dict[str, Any]:
    """Return a withdrawal as `--json` shows it."""
    return {**vars(one), "in_time": one.in_time(now)}


def _withdrawal(change: Change, revoked_at: datetime | None) -> Withdrawal:
    known_at = change.new_arrived_at
    return Withdrawal(
        resource=change.resource, row_id=change.row_id, withdrawn_at=revoked_at, known_at=known_at,
        due_at=calendar_days_deadline(min(revoked_at or known_at, known_at)).due_at,
    )


def _rescored(
    settings: Settings, decisions: Iterable[Decision], wanted: Iterable[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], datetime]]:
    keys = set(wanted)
    for decision in with_current_pseudonyms(settings, (one for one in decisions if one.supersedes)):
        for key in {(row["resource"], row["row_id"]) for row in decision.changes} & keys:
            yield key, decision.at


def _revoked_at(settings: Settings, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], datetime]:
    import duckdb

    found: dict[tuple[str, str], datetime] = {}
    with duckdb.connect(config={"threads": settings.threads}) as db:
        db.execute("SET TimeZone = 'UTC'")
        for resource, expression in _SOURCE_TIME.items():
            rows = [row_id for name, row_id in wanted if name == resource]
            files = [str(path) for path in Warehouse(settings.warehouse_dir).files(resource)]
            if rows and files:
                times = db.execute(
                    f"SELECT row_id, arg_max({expression}, arrived_at) FROM read_parquet(?, hive_partitioning = false) "  # noqa: S608 - constants
                    "WHERE row_id IN (SELECT unnest(?)) GROUP BY row_id", [files, rows],
                ).fetchall()
                found |= {(resource, row_id): at.astimezone(UTC) for row_id, at in times if at is not None}
    return found

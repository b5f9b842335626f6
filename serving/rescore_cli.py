"""`roadrisk rescore`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import click

from registry.commands import Instant, local_time

if TYPE_CHECKING:
    from rich.console import RenderableType

    from serving.rescore import Rescored

SHOWN: Final = 50


@click.command()
@click.option("--since", type=Instant(), help="Only for rows that were superseded by what arrived after this instant.")
@click.option("--dry-run", is_flag=True, help="List the affected decisions and record nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def rescore(since: dt.datetime | None, dry_run: bool, as_json: bool) -> None:
    """Score again every decision that used a row that was corrected or withdrawn since.

    Old and new decision stay on record and name each other. Run it after `roadrisk features build` and `roadrisk features
    materialise`; a second run has nothing left to do.
    """
    from contextlib import closing

    from registry.output import emit
    from registry.settings import Settings
    from serving.rescore import counted, planned
    from serving.rescore import rescore as score_again
    from serving.start import make_desk, set_environment

    settings = Settings()
    if dry_run:
        found = list(planned(settings, since=since))
    else:
        set_environment()
        desk = make_desk(settings)
        with closing(desk.decisions):
            found = list(score_again(settings, desk, since=since))
    counts = counted(found)
    result = {"since": since, "dry_run": dry_run, **counts, "decisions": [one.as_record() for one in found]}
    emit(result, as_json, lambda _: _view(found, counts))


def _view(found: list[Rescored], counts: dict[str, int]) -> RenderableType | str:
    from registry.output import table

    if not found:
        return "No decision used a row that was superseded since."
    rows = [_line(one) for one in found[:SHOWN]]
    told = ", ".join(f"{name} {n}" for name, n in counts.items() if n)
    more = f"; the first {SHOWN} are shown" if len(found) > SHOWN else ""
    columns = ("score id", "product", "as of", "rows", "outcome", "points before", "points after", "new score id")
    return table(columns, rows, title=f"affected decisions: {told}{more}")


def _line(one: Rescored) -> tuple[Any, ...]:
    def points(value: float | None) -> str | None:
        return None if value is None else f"{value:.1f}"

    found = one.affected
    return (
        found.score_id, found.product, local_time(found.as_of), found.n_changes, one.outcome, points(one.old_points),
        points(one.new_points), one.new_score_id or one.note or None,
    )

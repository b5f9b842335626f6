"""`roadrisk access duties`: objections, requests for human review, their answers, and notices that were given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import click

from registry.access.cli_options import dry_run_option
from registry.access.duties import GROUNDS, OUTCOMES, Ground, HumanReview, NoticeGiven, Objection, Outcome, ReviewResult
from registry.cli_options import by_option, json_option, local_time, now, settings_now

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.access.duties import Duty, Recorded
    from registry.decisions import DecisionLedger

reference_option = click.option("--reference", default="", help="Reference of the case file; no name, plate or number of a person.")


@click.group()
def duties() -> None:
    """Record and answer objections and requests for human review, and notices that were given (PIPL Art. 24)."""


@duties.command("list")
@click.option("--score-id", help="Everything recorded for this decision; without it what is open for any.")
@json_option
def list_duties(score_id: str | None, as_json: bool) -> None:
    """List what was recorded for a decision, or every objection and request that waits for a person's answer."""
    from registry.access.duties import unanswered
    from registry.access.duty_book import open_requests, recorded
    from registry.output import emit, table

    with _ledger() as ledger:
        if score_id is None:
            found = [(one_id, one, True) for one_id, one in open_requests(ledger)]
        else:
            past = recorded(ledger, score_id)
            waiting = unanswered(past)
            found = [(score_id, one, one in waiting) for one in past]
    rows = [_row(one_id, one, waits=waits) for one_id, one, waits in found]

    def render(_: object) -> RenderableType:
        cells = [
            (row["score_id"], row["n"], row["duty"], local_time(row["at"]), row["by"], row["words"], row["due"]) for row in rows
        ]
        return table(("score", "no.", "what", "when", "by", "", "answer until"), cells) if cells else "Nothing waits for an answer."

    emit({"duties": rows}, as_json, render)


@duties.command()
@click.argument("score_id")
@click.option("--ground", type=click.Choice(list(GROUNDS)), help="Ground of an objection; without one it asks for human review.")
@reference_option
@by_option
@dry_run_option
@json_option
def ask(score_id: str, ground: Ground | None, reference: str, by: str, dry_run: bool, as_json: bool) -> None:
    """Record an objection or a request for human review that came by letter, by telephone or at a counter."""
    duty = HumanReview(reference=reference) if ground is None else Objection(ground=ground, reference=reference)
    _record(score_id, duty, by, dry_run, as_json)


@duties.command()
@click.argument("score_id")
@click.argument("answers", type=click.IntRange(min=1), metavar="NUMBER")
@click.option("--outcome", type=click.Choice(list(OUTCOMES)), required=True)
@click.option("--reason", required=True, help="Why; without anything that identifies a person, vehicle or enterprise.")
@click.option("--successor", default="", help="Score id of the decision that takes the place of this one.")
@reference_option
@by_option
@dry_run_option
@json_option
def answer(
    score_id: str, answers: int, outcome: Outcome, reason: str, successor: str, reference: str, by: str, dry_run: bool,
    as_json: bool,
) -> None:
    """Answer the objection or request of this number, as the person who reviewed it."""
    duty = ReviewResult(
        reviewer=by, outcome=outcome, reason=reason, answers=answers, successor=successor, reference=reference
    )
    _record(score_id, duty, by, dry_run, as_json)


@duties.command()
@click.argument("score_id")
@click.option("--channel", required=True, help="How: app, letter, counter.")
@click.option("--consent/--no-consent", default=None, help="Whether the person consented separately (PIPL Art. 29), where asked.")
@reference_option
@by_option
@dry_run_option
@json_option
def told(score_id: str, channel: str, consent: bool | None, reference: str, by: str, dry_run: bool, as_json: bool) -> None:
    """Record that the person was given the present notice of the decision's product."""
    from registry.access.notices import notice_of
    from registry.access.rules import access_rules

    with _ledger() as ledger:
        product = ledger.get(score_id).product
    version = notice_of(product, access_rules(settings_now())).version
    duty = NoticeGiven(version=version, channel=channel, consent=consent, reference=reference)
    _record(score_id, duty, by, dry_run, as_json)


def _record(score_id: str, duty: Duty, by: str, dry_run: bool, as_json: bool) -> None:
    from registry.access.duties import check_follows, payload_of
    from registry.access.duty_book import record, recorded
    from registry.output import emit

    with _ledger() as ledger:
        if dry_run:
            ledger.get(score_id)
            payload_of(duty)
            check_follows(duty, recorded(ledger, score_id))
            emit({"dry_run": True, "score_id": score_id, "duty": duty.kind}, as_json, lambda _: f"Would record {duty.kind}.")
            return
        made = record(ledger, score_id, duty, by=by, at=now())
    row = _row(score_id, made, waits=isinstance(duty, Objection | HumanReview))
    until = f" A person answers it by {row['due']}." if row["due"] else ""
    emit({"dry_run": False, **row}, as_json, lambda _: f"Recorded {duty.kind} as number {made.n} of {score_id}.{until}")


def _row(score_id: str, one: Recorded, *, waits: bool) -> dict[str, Any]:
    from registry.access.duties import due
    from registry.access.rules import access_rules

    days = access_rules(settings_now()).review_working_days
    return {
        "score_id": score_id, "n": one.n, "duty": one.duty.kind, "at": one.at, "by": one.by, "words": _words(one.duty),
        **vars(one.duty), "due": due(one, working_days=days).last_day if waits else None,
    }


def _words(duty: Duty) -> str:
    if isinstance(duty, Objection):
        return "{} ({})".format(*GROUNDS[duty.ground])
    if isinstance(duty, ReviewResult):
        return "{} ({}): {}, answers no. {}".format(*OUTCOMES[duty.outcome], duty.reason, duty.answers)
    return f"version {duty.version}, {duty.channel}" if isinstance(duty, NoticeGiven) else duty.reference


@contextmanager
def _ledger() -> Iterator[DecisionLedger]:
    from registry.decisions import DecisionLedger

    with closing(DecisionLedger.open(settings_now())) as ledger:
        yield ledger

"""`roadrisk corrections`: requests with their ten working days, and what became of withdrawn penalties."""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from registry.commands import Instant, json_option, local_time

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.corrections import Correction
    from registry.settings import Settings


@click.group()
def corrections() -> None:
    """Receive, decide and report correction requests (更正申请): 10 working days; withdrawn penalties: 3 days."""


@corrections.command("open")
@click.argument("resource")
@click.option("--row", required=True, help="Identifier of the row: the platform's, or the supplier's own.")
@click.option("--field", help="Column that is wrong; plate_id for a plate.")
@click.option("--claimed", help="The right value; a plate as number|colour.")
@click.option("--empty", is_flag=True, help="The right value is none at all.")
@click.option("--withdraw", is_flag=True, help="The row must not stand at all.")
@click.option("--evidence", required=True, help="Number of the document that shows it; no names, no natural keys.")
@click.option("--received-at", type=Instant(), help="When the request came in.  [default: now]")
@click.option("--dry-run", is_flag=True, help="Check the request and its deadline; write nothing.")
@json_option
def open_one(
    resource: str, row: str, field: str | None, claimed: str | None, empty: bool, withdraw: bool, evidence: str,
    received_at: dt.datetime | None, dry_run: bool, as_json: bool,
) -> None:
    """Open a request about one row of RESOURCE and start its clock."""
    from features.correction_delivery import request_about
    from registry.corrections import WITHDRAWN, open_request
    from registry.output import emit
    from registry.working_days import working_days_deadline

    if withdraw == (field is not None) or (field is not None) != ((claimed is not None) != empty):
        raise click.UsageError("Give --field with --claimed or --empty, or give --withdraw.")
    settings, now = _settings(), _now()
    field, claimed = (WITHDRAWN, "true") if field is None else (field, claimed)
    request = request_about(settings, resource_id=resource, row_id=row, field=field, claimed=claimed, evidence=evidence)
    if dry_run:
        due = working_days_deadline(received_at or now)
        emit({"written": False, **vars(request), **vars(due)}, as_json, _fields)
        return
    made = open_request(settings, request, received_at=received_at or now, at=now)
    emit(_record(made, now), as_json, _fields)


@corrections.command("list")
@click.option("--status", type=click.Choice(["open", "accepted", "refused", "overdue"]), help="Only these.")
@json_option
def list_all(status: str | None, as_json: bool) -> None:
    """List requests with what is due when; the overdue ones are marked."""
    from registry.corrections import corrections as all_of
    from registry.output import emit, table

    now = _now()
    rows = [_record(one, now) for one in all_of(_settings())]
    if status == "overdue":
        rows = [row for row in rows if row["status"] == "open" and row["overdue"]]
    elif status is not None:
        rows = [row for row in rows if row["status"] == status]

    def render(_: object) -> RenderableType | str:
        if not rows:
            return "No such request."
        cells = [
            (row["id"], row["resource"], row["field"], local_time(row["received_at"]), _due(row), row["status"],
             "OVERDUE" if row["overdue"] else "", row["decided_by"])
            for row in rows
        ]
        return table(("id", "resource", "field", "received", "due before", "status", "", "decided by"), cells)

    emit({"corrections": rows}, as_json, render)


@corrections.command()
@click.argument("correction_id")
@json_option
def show(correction_id: str, as_json: bool) -> None:
    """Show one request and its decision."""
    from registry.corrections import correction
    from registry.output import emit

    emit(_record(correction(_settings(), correction_id), _now()), as_json, _fields)


@corrections.command()
@click.argument("correction_id")
@click.option("--accept/--refuse", "accept", default=None, help="The decision.")
@click.option("--by", "decided_by", required=True, help="Who decides.")
@click.option("--result", required=True, help="Why; kept in the ledger.")
@click.option("--deliver", is_flag=True, help="With --accept: also write the corrected row, where the source does not.")
@click.option("--arrived-at", type=Instant(), help="With --deliver: when the corrected row arrives.  [default: now]")
@click.option("--dry-run", is_flag=True, help="Show the request as it stands; write nothing.")
@json_option
def decide(
    correction_id: str, accept: bool | None, decided_by: str, result: str, deliver: bool, arrived_at: dt.datetime | None,
    dry_run: bool, as_json: bool,
) -> None:
    """Accept or refuse a request, once.

    An accepted correction is delivered by its source as a further version of the row; with --deliver the operator of the
    platform delivers it. Nothing is edited in place.
    """
    from features.correction_delivery import deliver as deliver_row
    from registry.corrections import correction, record_delivery
    from registry.corrections import decide as decide_request
    from registry.output import emit

    if accept is None or (deliver and not accept):
        raise click.UsageError("Give --accept or --refuse; --deliver goes with --accept.")
    settings, now = _settings(), _now()
    if dry_run:
        emit(_record(correction(settings, correction_id), now) | {"written": False}, as_json, _fields)
        return
    made = decide_request(settings, correction_id, accept=accept, decided_by=decided_by, result=result, at=now)
    if deliver:
        manifest = deliver_row(settings, made, arrived_at=arrived_at or now)
        made = record_delivery(settings, correction_id, delivery_id=manifest.delivery_id, at=now)
    emit(_record(made, now), as_json, _fields)


@corrections.command()
@click.argument("correction_id")
@click.option("--arrived-at", type=Instant(), help="When the corrected row arrives.  [default: now]")
@json_option
def deliver(correction_id: str, arrived_at: dt.datetime | None, as_json: bool) -> None:
    """Write the corrected row of an accepted request, where its source does not; doing it again changes nothing."""
    from features.correction_delivery import deliver as deliver_row
    from registry.corrections import correction, record_delivery
    from registry.output import emit

    settings, now = _settings(), _now()
    manifest = deliver_row(settings, correction(settings, correction_id), arrived_at=arrived_at or now)
    made = record_delivery(settings, correction_id, delivery_id=manifest.delivery_id, at=now)
    emit(_record(made, now), as_json, _fields)


@corrections.command()
@click.option("--since", type=Instant(), help="Withdrawals that arrived after this instant.  [default: 92 days ago]")
@json_option
def report(since: dt.datetime | None, as_json: bool) -> None:
    """Report the share of requests decided in time, and each withdrawn penalty against its three days."""
    from features.correction_report import as_record, withdrawals
    from registry.corrections import corrections as all_of
    from registry.corrections import service_level
    from registry.decisions import DecisionLedger
    from registry.output import emit

    settings, now = _settings(), _now()
    with closing(DecisionLedger.open(settings)) as ledger:
        found = withdrawals(settings, ledger.decisions, since=since or now - dt.timedelta(days=92))
    known = all_of(settings)
    level = service_level(known, now)
    rows = [as_record(one, now) for one in found]
    undelivered = [one.id for one in known if one.status == "accepted" and not _delivered(settings, one)]
    emit(
        {"requests": vars(level), "accepted_not_delivered": undelivered, "withdrawals": rows}, as_json,
        lambda shown: _report(shown),
    )


def _report(shown: dict[str, Any]) -> RenderableType:
    from rich.console import Group

    from registry.output import record, table

    level = dict(shown["requests"])
    share = level.pop("share_in_time")
    level["decided in 10 working days"] = "-" if share is None else f"{share:.1%}"
    level["accepted, not delivered"] = ", ".join(shown["accepted_not_delivered"]) or "none"
    verdicts = {True: "yes", False: "NO", None: "running"}
    rows = [
        (row["resource"], row["row_id"], row["withdrawn_at"] and local_time(row["withdrawn_at"]), local_time(row["known_at"]),
         local_time(row["due_at"]), row["rescored"], row["waiting"], row["rescored_at"] and local_time(row["rescored_at"]),
         verdicts[row["in_time"]])
        for row in shown["withdrawals"]
    ]
    columns = ("resource", "row", "withdrawn", "known", "due before", "rescored", "waiting", "last rescored", "in time")
    return Group(record(level, title="更正申请 requests"), table(columns, rows, title="撤回处罚 withdrawn penalties"))


def _delivered(settings: Settings, one: Correction) -> bool:
    from features.correction_delivery import is_delivered
    from registry.errors import NotFound

    if one.delivery_id is not None:
        return True
    try:
        return is_delivered(settings, one)
    except NotFound:
        return False


def _record(one: Correction, now: dt.datetime) -> dict[str, Any]:
    fields = {name: value for name, value in vars(one).items() if name not in ("id", "request")}
    return {"id": one.id, **vars(one.request), **fields, "overdue": one.overdue(now)}


def _fields(shown: dict[str, Any]) -> RenderableType:
    from registry.output import record

    return record({name: local_time(value) if isinstance(value, dt.datetime) else value for name, value in shown.items()})


def _due(row: dict[str, Any]) -> str:
    return local_time(row["due_at"]) + (" (provisional)" if row["provisional"] else "")


def _settings() -> Settings:
    from registry.settings import Settings

    return Settings()


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)

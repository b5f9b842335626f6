"""`roadrisk supervision`: alerts of key commercial vehicles, the steps of their life, reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.cli_options import by_option, json_option, local_time, now, settings_now
from registry.supervision.events import DISMISS_REASONS, OUTCOMES, StepKind
from registry.supervision.life_cycle import STATUSES
from registry.supervision.rules import SEVERITIES
from serving.supervision import webhook_cli  # noqa: F401 - it adds its commands to the group
from serving.supervision.group import supervision

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.supervision.book import AlertBook

__all__ = ["supervision"]

note_option = click.option("--note", default="", help="In words; no name, plate or number of a person.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Only check; write nothing.")


@supervision.command("alerts")
@click.option("--status", type=click.Choice(list(STATUSES)), help="Only those of this status.")
@click.option("--severity", type=click.Choice(list(SEVERITIES)), default="yellow", show_default=True, help="Least severity.")
@click.option("--rule", help="Only those of this rule.")
@click.option("--vehicle", help="Only those of this vehicle (pseudonym).")
@click.option("--enterprise", help="Only those of this enterprise (pseudonym).")
@click.option("--open", "only_open", is_flag=True, help="Only those whose condition goes on.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@json_option
def list_alerts(
    status: str | None, severity: str, rule: str | None, vehicle: str | None, enterprise: str | None, only_open: bool, limit: int,
    as_json: bool,
) -> None:
    """List alerts, the newest first."""
    from registry.output import emit, table
    from registry.supervision.rule_table import RULES_BY_ID, alert_rule
    from serving.supervision.shapes import alert_out

    if rule is not None:
        alert_rule(rule)
    wanted = {"status": status, "rule_id": rule, "vehicle_id": vehicle, "enterprise_id": enterprise}
    asked = {name: value for name, value in wanted.items() if value is not None}
    least = SEVERITIES.index(severity)
    with _book() as book:
        found = book.alerts(lambda one: (
            SEVERITIES.index(one.severity) >= least and (one.is_open or not only_open)
            and all(getattr(one, name) == value for name, value in asked.items())
        ))

    def render(_: object) -> RenderableType:
        rows = [
            (one.alert_id, local_time(one.raised_at), one.severity, RULES_BY_ID[one.rule_id].zh, one.vehicle_id,
             one.status, "open" if one.is_open else "over", one.value)
            for one in found[:limit]
        ]
        columns = ("alert", "raised", "severity", "rule", "vehicle", "status", "", "value")
        return table(columns, rows, title=f"{len(found)} alerts") if rows else "No alert. `roadrisk live` raises them."

    emit({"total": len(found), "alerts": [alert_out(one) for one in found[:limit]]}, as_json, render)


@supervision.command()
@click.argument("alert_id")
@json_option
def show(alert_id: str, as_json: bool) -> None:
    """Show an alert and everything that happened to it."""
    with _book() as book:
        _emit_alert(book, alert_id, as_json)


@supervision.command()
@click.argument("alert_id")
@by_option
@note_option
@dry_run_option
@json_option
def acknowledge(alert_id: str, by: str, note: str, dry_run: bool, as_json: bool) -> None:
    """Say that somebody has taken notice of an alert."""
    _step(alert_id, "acknowledge", by, "", note, dry_run, as_json)


@supervision.command()
@click.argument("alert_id")
@click.option("--outcome", type=click.Choice(list(OUTCOMES)), required=True)
@by_option
@note_option
@dry_run_option
@json_option
def handle(alert_id: str, outcome: str, by: str, note: str, dry_run: bool, as_json: bool) -> None:
    """Say what was done about an alert; only `violation_confirmed` makes it a violation."""
    _step(alert_id, "handle", by, outcome, note, dry_run, as_json)


@supervision.command()
@click.argument("alert_id")
@click.option("--reason", type=click.Choice(list(DISMISS_REASONS)), required=True)
@by_option
@note_option
@dry_run_option
@json_option
def dismiss(alert_id: str, reason: str, by: str, note: str, dry_run: bool, as_json: bool) -> None:
    """Say why an alert was none; it is never counted as a violation."""
    _step(alert_id, "dismiss", by, reason, note, dry_run, as_json)


@supervision.command()
@json_option
def escalate(as_json: bool) -> None:
    """Escalate every alert that nobody has acknowledged in time."""
    from registry.output import emit

    with _book() as book:
        found = book.escalate(now())
    emit({"escalated": [one.alert_id for one in found]}, as_json, lambda _: f"{len(found)} alerts were escalated.")


@supervision.command()
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@json_option
def rank(limit: int, as_json: bool) -> None:
    """Rank vehicles by their supervision score: the points of the alerts that go on."""
    from registry.output import emit, table
    from registry.supervision.ranking import ranked
    from serving.supervision.shapes import ranked_out

    with _book() as book:
        found = ranked(book.alerts())
    rows = [
        (one.vehicle_id, one.points, one.tier, ", ".join(f"{a.rule_id} {a.severity} {a.points():g}" for a in one.alerts))
        for one in found[:limit]
    ]
    emit(
        {"total": len(found), "vehicles": [ranked_out(one) for one in found[:limit]]}, as_json,
        lambda _: table(("vehicle", "points", "tier", "of"), rows, title=f"{len(found)} vehicles with alerts"),
    )


@supervision.command()
@click.argument("period")
@click.option("--enterprise", help="Only this enterprise (pseudonym).")
@click.option("--city", help="Only enterprises of this city, by the code of its division, as 360100.")
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write: .json, .md or .pdf.")
@json_option
def report(period: str, enterprise: str | None, city: str | None, language: str, out: Path | None, as_json: bool) -> None:
    """Report on a day (2026-06-03) or a month (2026-06): the province, a city or an enterprise."""
    from features.supervision.cities import enterprise_cities
    from registry.documents.markdown import render_markdown
    from registry.output import emit
    from registry.supervision.report import Period, report_document, supervision_report

    settings = settings_now()
    cities = enterprise_cities(settings.warehouse_dir)
    chosen = frozenset({enterprise}) if enterprise else None
    if city is not None:
        chosen = frozenset(one for one, held in cities.items() if held == city)
    with _book() as book:
        made = supervision_report(
            book.alerts(), Period.of(period), about=enterprise or city or "江西省 Jiangxi", enterprises=chosen, city_of=cities
        )
    document = report_document(made, "zh" if language == "zh" else "en")
    if out is not None:
        out.write_bytes(_report_bytes(out, made, document))
    emit(made, as_json, lambda _: render_markdown(document) if out is None else f"Wrote {out}.")


def _report_bytes(out: Path, made: dict[str, Any], document: Any) -> bytes:
    from registry.documents.fonts import find_cjk_font
    from registry.documents.markdown import render_markdown
    from registry.documents.pdf import render_pdf
    from registry.errors import InvalidRequest
    from registry.output import to_json

    if out.suffix == ".pdf":
        font = find_cjk_font(settings_now().cjk_font)
        return render_pdf(document, {}, font=font, attachments={"report.json": to_json(made).encode()})
    if out.suffix not in {".json", ".md"}:
        raise InvalidRequest(f"{out.name} is no .json, .md or .pdf", where="--out", remedy="Name a file that ends so.")
    return (to_json(made) + "\n" if out.suffix == ".json" else render_markdown(document)).encode()


def _step(alert_id: str, kind: StepKind, by: str, code: str, note: str, dry_run: bool, as_json: bool) -> None:
    from registry.output import emit
    from registry.supervision.events import AlertStep
    from serving.supervision.shapes import alert_with_life

    with _book() as book:
        alert = book.step(AlertStep(alert_id=alert_id, kind=kind, by=by, code=code, note=note), at=now(), dry_run=dry_run)
    said = f"Would {kind} it." if dry_run else f"The alert is {alert.status}."
    emit({"dry_run": dry_run, **alert_with_life(alert)}, as_json, lambda _: said)


def _emit_alert(book: AlertBook, alert_id: str, as_json: bool) -> None:
    from registry.output import emit, table
    from registry.supervision.rule_table import RULES_BY_ID
    from serving.supervision.shapes import alert_with_life

    made = alert_with_life(book.get(alert_id))
    rule = RULES_BY_ID[made["rule"]["rule_id"]]
    rows = [
        (one["seq"], one["at"], one["what"], one.get("severity"), one.get("value"), one.get("by"), one.get("code"), one.get("note"))
        for one in made["life"]
    ]
    title = f"{rule.zh} {rule.en}, {made['status']}, {'open' if made['open'] else 'over'}"
    emit(made, as_json, lambda _: table(("line", "at", "what", "severity", rule.unit, "by", "code", "note"), rows, title=title))


@contextmanager
def _book() -> Iterator[AlertBook]:
    from registry.supervision.book import AlertBook

    with AlertBook.open(settings_now()) as book:
        yield book

"""`roadrisk access scenarios`: apply, review, approve, activate, suspend, resume, expire, list, show."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import click

from registry.access.cli_options import dry_run_option, state_now, writer_now
from registry.access.roles import DETAILS, Detail
from registry.access.scenarios import CHARGE_CLASSES, STATUSES, ChargeClass, Step
from registry.cli_options import by_option, json_option, local_time, now, reason_option, settings_now
from registry.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from registry.access.scenarios import Request, Scenario
    from registry.settings import Settings

DAY: Final = click.DateTime(["%Y-%m-%d"])
ALL: Final = "all"
_STEPS: Final[dict[Step, str]] = {
    "review": "Say that a scenario was reviewed and may be approved; not by who applied for it.",
    "refuse": "Refuse a scenario that was applied for or reviewed.",
    "approve": "Approve a scenario; neither by who applied for it nor by who reviewed it.",
    "activate": "Let calls be made under an approved scenario, within its term.",
    "suspend": "Refuse calls under a scenario until it is resumed.",
    "resume": "Let calls be made again under a suspended scenario.",
    "expire": "End a scenario for good before its term does.",
}


@click.group()
def scenarios() -> None:
    """Apply for scenarios (场景) and decide about them: one consumer, product, purpose and term each."""


@scenarios.command("apply")
@click.argument("consumer")
@click.argument("product")
@click.option("--purpose-zh", required=True, help="What for, in Chinese.")
@click.option("--purpose-en", required=True, help="What for, in English.")
@click.option("--resources", default=ALL, show_default=True, help="Ids of the resources that may be read, with commas between.")
@click.option("--detail", type=click.Choice(DETAILS), default="reasons", show_default=True,
              help="How much of an explanation may leave.")
@click.option("--start", type=DAY, help="First day; today by default.")
@click.option("--end", type=DAY, required=True, help="Last day, itself included; at most three years.")
@click.option("--basis", required=True, help="Legal basis: contract, law, consent.")
@click.option("--charge", type=click.Choice(CHARGE_CLASSES), default="commercial", show_default=True,
              help="public for public governance and the public good, which is free of charge.")
@click.option("--attachment", "attachments", multiple=True, help="Reference of a document; may be given several times.")
@click.option("--id", "scenario", help="Identifier; made of consumer and product by default.")
@by_option
@dry_run_option
@json_option
def apply_for(
    consumer: str, product: str, purpose_zh: str, purpose_en: str, resources: str, detail: Detail,
    start: dt.datetime | None, end: dt.datetime, basis: str, charge: ChargeClass, attachments: tuple[str, ...],
    scenario: str | None, by: str, dry_run: bool, as_json: bool,
) -> None:
    """Apply for a scenario."""
    from registry.access.scenarios import Request
    from registry.access.terms import Term, shanghai_day
    from registry.output import emit

    settings, at = settings_now(), now()
    _check_product(settings, product)
    first = shanghai_day(at) if start is None else start.date()
    request = Request(
        consumer=consumer, product=product, purpose_zh=purpose_zh, purpose_en=purpose_en, resources=_resources(resources),
        detail=detail, term=Term(first, end.date()), basis=basis, charge=charge, attachments=attachments,
    )
    made, notes = writer_now(by, dry_run).apply_for(request, scenario=scenario), _notes(request)
    told = [f"{'Would have applied' if dry_run else 'Applied'} for scenario {made.id}.", *notes]
    emit({"dry_run": dry_run, **scenario_row(made, at), "notes": notes}, as_json, lambda _: "\n".join(told))


def _step_command(step: Step, words: str) -> None:
    @scenarios.command(step, help=words)
    @click.argument("scenario")
    @by_option
    @reason_option
    @dry_run_option
    @json_option
    def take(scenario: str, by: str, reason: str, dry_run: bool, as_json: bool) -> None:
        from registry.output import emit

        made = writer_now(by, dry_run).take_step(scenario, step, reason=reason)
        told = f"Scenario {scenario} {'would be' if dry_run else 'is'} {made.standing}."
        emit({"dry_run": dry_run, **scenario_row(made, now())}, as_json, lambda _: told)


for name, described in _STEPS.items():
    _step_command(name, described)


@scenarios.command("list")
@click.option("--consumer", help="Only those of this consumer.")
@click.option("--product", help="Only those for this product or portfolio.")
@click.option("--status", type=click.Choice(STATUSES), help="Only those of this status now.")
@json_option
def list_scenarios(consumer: str | None, product: str | None, status: str | None, as_json: bool) -> None:
    """List scenarios and whether calls may be made under them now."""
    from registry.output import emit

    at = now()
    rows = [scenario_row(one, at) for one in state_now().scenarios.values()]
    wanted = {"consumer": consumer, "product": product, "status": status}
    found = [row for row in rows if all(value in (None, row[field]) for field, value in wanted.items())]
    emit({"scenarios": found}, as_json, lambda _: scenario_table(found) if found else "There is no such scenario.")


@scenarios.command("show")
@click.argument("scenario")
@json_option
def show(scenario: str, as_json: bool) -> None:
    """Show a scenario and what was decided about it, by whom and when."""
    from rich.console import Group

    from registry.output import emit, record, table

    found, at = state_now().scenario(scenario), now()
    row = scenario_row(found, at)
    steps = [vars(one) for one in found.decided]

    def render(_: object) -> RenderableType:
        cells = [(one.step, local_time(one.at), one.by, one.reason) for one in found.decided]
        fields = {field: _cell(value) for field, value in row.items()} | {"resources": _cell(row["resources"] or [ALL])}
        return Group(record(fields), table(("step", "when", "by", "reason"), cells, title="decided"))

    emit({**row, "decided": steps}, as_json, render)


def scenario_row(one: Scenario, at: dt.datetime) -> dict[str, Any]:
    """Return a scenario as it is shown."""
    request = one.request
    return {
        "id": one.id, "consumer": request.consumer, "product": request.product, "status": one.status(at),
        "in_force": one.in_force(at), "start": request.term.start, "end": request.term.end, "detail": request.detail,
        "resources": None if request.resources is None else sorted(request.resources), "charge": request.charge,
        "purpose_zh": request.purpose_zh, "purpose_en": request.purpose_en, "basis": request.basis,
        "attachments": list(request.attachments), "approvers": list(one.approvers), "lacking": one.lacking(at),
    }


def scenario_table(rows: Sequence[dict[str, Any]]) -> RenderableType:
    """Return scenarios as a table."""
    from registry.output import table

    columns = ("scenario", "product", "status", "from", "to", "detail", "resources", "lacking")
    return table(columns, [
        (row["id"], row["product"], row["status"], row["start"], row["end"], row["detail"],
         ALL if row["resources"] is None else str(len(row["resources"])), row["lacking"]) for row in rows
    ], title="scenarios")


def _check_product(settings: Settings, product: str) -> None:
    from registry.data_products import DATA_PRODUCTS
    from registry.promotion import live

    if product not in DATA_PRODUCTS and product not in (portfolios := live(settings)):
        known = ", ".join([*DATA_PRODUCTS, *sorted(portfolios)])
        raise NotFound(f"no product or live portfolio {product!r}", where="scenario", remedy=f"There are: {known}.")


def _resources(text: str) -> frozenset[str] | None:
    from registry.resources import RESOURCES

    if text.strip() == ALL:
        return None
    named = frozenset(part.strip() for part in text.split(",") if part.strip())
    unknown = sorted(named - set(RESOURCES))
    if unknown or not named:
        raise NotFound(
            f"no resource {', '.join(unknown) or 'at all'}", where="--resources", remedy="See docs/reference/resources.md."
        )
    return named


def _notes(request: Request) -> list[str]:
    from registry.access.notices import TRACKS
    from registry.data_products import DATA_PRODUCTS
    from registry.products import PRODUCTS

    notes = []
    product, scored = DATA_PRODUCTS.get(request.product), PRODUCTS.get(request.product)
    drawn = frozenset(product.resources) if product else frozenset()
    read = drawn if request.resources is None else request.resources
    if scored and (missing := sorted(set(scored.mandatory) - read)):
        notes.append(f"Every answer will be grey (灰): {', '.join(missing)} must be read and is not covered.")
    if product and (beyond := sorted(read - drawn)):
        notes.append(f"Not needed: {request.product} does not draw on {', '.join(beyond)}.")
    if TRACKS & read & drawn:
        notes.append("Tracks of movement are read: natural persons must have consented separately (PIPL Art. 29).")
    return notes


def _cell(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value

"""`roadrisk access statement` and `disclosure`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from registry.access.cli_options import state_now
from registry.cli_options import json_option, now, settings_now

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.ledger_beside import Count

ASSUMED: Final = "[A]"
_PLACEHOLDER: Final = " [A]: a placeholder of this program, no published charge."
month_option = click.option("--month", help="Month in Shanghai, as 2026-07; the last one that is over by default.")


@click.command()
@click.argument("consumer")
@month_option
@json_option
def statement(consumer: str, month: str | None, as_json: bool) -> None:
    """Print what a consumer used in a month and what it costs, line by line with the rule."""
    from rich.console import Group

    from registry.access.rules import access_rules
    from registry.access.statements import as_json as machine
    from registry.access.statements import statement as made_of
    from registry.output import emit, table

    month = month or _last_month()
    settings = settings_now()
    found = made_of(state_now(), access_rules(settings), _usage(consumer, month), consumer, month)

    def render(_: object) -> RenderableType:
        lines = [(one.product, one.scenario, one.kind, one.calls, one.amount, one.rule) for one in found.lines]
        title = f"{found.zh} ({found.en}), {found.month}"
        drawn = table(("product", "scenario", "kind", "calls", "yuan", "rule"), lines, title=title)
        return Group(drawn, f"Total: {found.total} yuan.{_PLACEHOLDER * any(ASSUMED in one.rule for one in found.lines)}")

    emit(machine(found), as_json, render)


@click.command()
@month_option
@json_option
def disclosure(month: str | None, as_json: bool) -> None:
    """Print what is disclosed of a month: usage and fees by product, charges, products, authorised resources."""
    from rich.console import Group

    from registry.access.rules import access_rules
    from registry.access.statements import as_json as machine
    from registry.access.statements import disclosure as made_of
    from registry.output import emit, table

    month = month or _last_month()
    settings = settings_now()
    found = made_of(state_now(), access_rules(settings), _usage(None, month), month)

    def render(_: object) -> RenderableType:
        few, kept = f"<{found.min_consumers}", "withheld"
        used = table(("product", "", "consumers", "calls", "yuan"), [
            (one.product, one.zh, few if one.consumers is None else one.consumers, kept if one.calls is None else one.calls,
             kept if one.fees is None else one.fees) for one in found.products
        ], title=f"usage in {found.month}")
        charges = table(("product", "kind", f"yuan per call {found.price_source}"), [
            (product, kind, price) for product, prices in found.charges.items() for kind, price in prices.items()
        ], title="charges")
        return Group(used, charges, f"{len(found.resources)} resources of Annex 1, {len(found.data_products)} products of Annex 2.")

    emit(machine(found), as_json, render)


def _last_month() -> str:
    from registry.access.statements import last_month
    from registry.access.terms import shanghai_day

    return last_month(shanghai_day(now()))


def _usage(consumer: str | None, month: str) -> list[Count]:
    from contextlib import closing

    from registry.decisions import DecisionLedger

    with closing(DecisionLedger.open(settings_now())) as ledger:
        return ledger.usage(consumer=consumer, period=month)

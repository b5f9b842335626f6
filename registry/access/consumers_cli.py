"""`roadrisk access consumers` and `quota`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final, get_args

import click

from registry.access.cli_options import dry_run_option, state_now, would, writer_now, written
from registry.access.keys_cli import key_row, key_table
from registry.access.roles import Role
from registry.cli_options import by_option, json_option, local_time, now, reason_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.access.parties import Consumer
    from registry.access.state import AccessState

GRANTED_ROLES: Final = [role for role in get_args(Role) if role != "local"]


@click.group()
def consumers() -> None:
    """Add and show consumers: the organisations that call."""


@consumers.command("add")
@click.argument("consumer")
@click.option("--role", type=click.Choice(GRANTED_ROLES), required=True)
@click.option("--zh", required=True, help="Chinese name.")
@click.option("--en", required=True, help="English name.")
@click.option("--subject", help="Pseudonym of the enterprise that an operator is; for the role operator only.")
@by_option
@dry_run_option
@json_option
def add_consumer(
    consumer: str, role: Role, zh: str, en: str, subject: str | None, by: str, dry_run: bool, as_json: bool
) -> None:
    """Add a consumer."""
    from registry.output import emit

    made = writer_now(by, dry_run).add_consumer(consumer, role=role, zh=zh, en=en, subject=subject).consumer(consumer)
    emit(written(made, dry_run), as_json, lambda _: f"{would(dry_run, 'Added')} {consumer} ({role}).")


@consumers.command("bind")
@click.argument("consumer")
@click.option("--subject", required=True, help="Pseudonym of its enterprise under the present keys.")
@by_option
@reason_option
@dry_run_option
@json_option
def bind_consumer(consumer: str, subject: str, by: str, reason: str, dry_run: bool, as_json: bool) -> None:
    """Bind an operator to its enterprise again after the pseudonym keys were rotated."""
    from registry.output import emit

    made = writer_now(by, dry_run).bind_consumer(consumer, subject=subject, reason=reason).consumer(consumer)
    told = f"{would(dry_run, 'Bound')} {consumer} under the keys of epoch {made.epoch}."
    emit(written(made, dry_run), as_json, lambda _: told)


@consumers.command("close")
@click.argument("consumer")
@by_option
@reason_option
@dry_run_option
@json_option
def close_consumer(consumer: str, by: str, reason: str, dry_run: bool, as_json: bool) -> None:
    """Close a consumer for good: the next call with any of its keys is refused."""
    from registry.output import emit

    made = writer_now(by, dry_run).close_consumer(consumer, reason=reason).consumer(consumer)
    emit(written(made, dry_run), as_json, lambda _: f"{would(dry_run, 'Closed')} {consumer}.")


@consumers.command("list")
@json_option
def list_consumers(as_json: bool) -> None:
    """List the consumers with their valid keys and the scenarios in force."""
    from registry.output import emit, table

    state, at = state_now(), now()
    rows = [_consumer_row(state, one, at) for one in state.consumers.values()]

    def render(_: object) -> RenderableType:
        columns = ("consumer", "role", "zh", "en", "keys", "scenarios", "added", "by", "")
        cells = [
            (row["id"], row["role"], row["zh"], row["en"], row["keys"], row["scenarios"], local_time(row["added_at"]),
             row["added_by"], "closed" if row["closed_at"] else "") for row in rows
        ]
        return table(columns, cells) if cells else "There is no consumer. Add one with `roadrisk access consumers add`."

    emit({"consumers": rows}, as_json, render)


@consumers.command("show")
@click.argument("consumer")
@json_option
def show_consumer(consumer: str, as_json: bool) -> None:
    """Show a consumer with its keys, scenarios and quotas."""
    from rich.console import Group

    from registry.access.scenarios_cli import scenario_row, scenario_table
    from registry.output import emit, record, table

    state, at = state_now(), now()
    found = state.consumer(consumer)
    keys_of = [key_row(key, at) for key in state.keys.values() if key.consumer == consumer]
    scenarios_of = [scenario_row(one, at) for one in state.owned.get(consumer, {}).values()]
    quotas = [{"product": product, **vars(one)} for (owner, product), one in state.quotas.items() if owner == consumer]

    def render(_: object) -> RenderableType:
        limits = table(("product", "per month", "per day", "per second", "burst"),
                       [tuple(one.values()) for one in quotas], title="quotas")
        return Group(record(vars(found)), key_table(keys_of), scenario_table(scenarios_of), *([limits] if quotas else []))

    emit({"consumer": found, "keys": keys_of, "scenarios": scenarios_of, "quotas": quotas}, as_json, render)


@click.command()
@click.argument("consumer")
@click.argument("product")
@click.option("--per-month", type=click.IntRange(min=1), help="Calls in a calendar month of Shanghai; no limit by default.")
@click.option("--per-day", type=click.IntRange(min=1), help="Calls in a day of Shanghai; no limit by default.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Calls per second; that of the role by default.")
@click.option("--burst", type=click.IntRange(min=1), help="Calls at once; that of the role by default.")
@by_option
@dry_run_option
@json_option
def quota(
    consumer: str, product: str, per_month: int | None, per_day: int | None, rate: float | None, burst: int | None, by: str,
    dry_run: bool, as_json: bool,
) -> None:
    """Set what was agreed with a consumer for a product or portfolio; it takes the place of what was set before."""
    from registry.access.parties import Quota
    from registry.output import emit

    agreed = Quota(per_month=per_month, per_day=per_day, rate_per_s=rate, burst=burst)
    writer_now(by, dry_run).set_quota(consumer, product, agreed)
    made = {"consumer": consumer, "product": product, **vars(agreed)}
    emit(written(made, dry_run), as_json, lambda _: f"{would(dry_run, 'Set')} the quota of {consumer} for {product}.")


def _consumer_row(state: AccessState, one: Consumer, at: dt.datetime) -> dict[str, Any]:
    return {
        **vars(one),
        "keys": sum(key.consumer == one.id and key.valid(at) and one.closed_at is None for key in state.keys.values()),
        "scenarios": sum(scenario.in_force(at) for scenario in state.owned.get(one.id, {}).values()),
    }

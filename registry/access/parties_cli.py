"""`roadrisk access consumers`, `keys` and `quota`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from registry.access.roles import Role
from registry.cli_options import Instant, by_option, json_option, local_time, now, reason_option, settings_now
from registry.errors import Conflict

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.access.changes import IssuedKey, Writer
    from registry.access.parties import ApiKey, Consumer
    from registry.access.state import AccessState

dry_run_option = click.option("--dry-run", is_flag=True, help="Only check; write nothing.")
key_file_option = click.option(
    "--to", "key_file", type=click.Path(dir_okay=False, path_type=Path),
    help="Write the token to this new file, readable by its owner only, instead of showing it.",
)
GRANTED_ROLES = [role for role in get_args(Role) if role != "local"]


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
    emit(_written(made, dry_run), as_json, lambda _: f"{_would(dry_run, 'Added')} {consumer} ({role}).")


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
    emit(_written(made, dry_run), as_json, lambda _: f"{_would(dry_run, 'Closed')} {consumer}.")


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
        return Group(record(vars(found)), _key_table(keys_of), scenario_table(scenarios_of), *([limits] if quotas else []))

    emit({"consumer": found, "keys": keys_of, "scenarios": scenarios_of, "quotas": quotas}, as_json, render)


@click.group()
def keys() -> None:
    """Issue, rotate and revoke API keys. A token is shown once and kept nowhere."""


@keys.command("issue")
@click.argument("consumer")
@click.option("--not-before", type=Instant(), help="First instant at which it is valid; at once by default.")
@click.option("--not-after", type=Instant(), help="First instant at which it is not valid any more.")
@key_file_option
@by_option
@dry_run_option
@json_option
def issue(
    consumer: str, not_before: dt.datetime | None, not_after: dt.datetime | None, key_file: Path | None, by: str,
    dry_run: bool, as_json: bool,
) -> None:
    """Issue a key for a consumer."""
    _check_new(key_file)
    made = writer_now(by, dry_run).issue_key(consumer, not_before=not_before, not_after=not_after)
    _hand_over(made, key_file, dry_run, as_json, note="")


@keys.command("rotate")
@click.argument("key_id")
@click.option("--overlap-days", type=click.FloatRange(min=0), help="How long the old key stays valid; the rules say by default.")
@click.option("--not-after", type=Instant(), help="First instant at which the new key is not valid any more.")
@key_file_option
@by_option
@dry_run_option
@json_option
def rotate(
    key_id: str, overlap_days: float | None, not_after: dt.datetime | None, key_file: Path | None, by: str, dry_run: bool,
    as_json: bool,
) -> None:
    """Issue a new key in the place of another, which stays valid for an overlap."""
    _check_new(key_file)
    overlap = None if overlap_days is None else dt.timedelta(days=overlap_days)
    writer = writer_now(by, dry_run)
    made = writer.rotate_key(key_id, overlap=overlap, not_after=not_after)
    ends = writer.state().key(key_id).not_after
    note = "" if ends is None else f" Key {key_id} ends at {local_time(ends)}."
    _hand_over(made, key_file, dry_run, as_json, note=note)


@keys.command("revoke")
@click.argument("key_id")
@by_option
@reason_option
@dry_run_option
@json_option
def revoke(key_id: str, by: str, reason: str, dry_run: bool, as_json: bool) -> None:
    """Revoke a key for good: the next call with it is refused."""
    from registry.output import emit

    at = now()
    key = writer_now(by, dry_run).revoke_key(key_id, reason=reason).key(key_id)
    emit(_written(key_row(key, at), dry_run), as_json, lambda _: f"{_would(dry_run, 'Revoked')} key {key_id} of {key.consumer}.")


@keys.command("list")
@click.option("--consumer", help="Only those of this consumer.")
@json_option
def list_keys(consumer: str | None, as_json: bool) -> None:
    """List the keys, with the signs of each that may be shown."""
    from registry.output import emit

    at = now()
    rows = [key_row(key, at) for key in state_now().keys.values() if consumer in (None, key.consumer)]
    emit({"keys": rows}, as_json, lambda _: _key_table(rows) if rows else "There is no key.")


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
    emit(_written(made, dry_run), as_json, lambda _: f"{_would(dry_run, 'Set')} the quota of {consumer} for {product}.")


def writer_now(by: str, dry_run: bool) -> Writer:
    """Return what writes in the name of a person, now."""
    from registry.access.changes import Writer

    return Writer(settings_now(), by, now(), dry_run=dry_run)


def state_now() -> AccessState:
    """Return what holds now."""
    from registry.access.state import fold
    from registry.model_ledgers import ACCESS, lines

    return fold(lines(settings_now(), ACCESS))


def key_row(key: ApiKey, at: dt.datetime) -> dict[str, Any]:
    """Return what may be shown of a key."""
    from registry.access.tokens import PREFIX

    return {
        "id": key.id, "consumer": key.consumer, "shown": f"{PREFIX}_{key.id}_…{key.tail}", "status": key.status(at),
        "not_before": key.not_before, "not_after": key.not_after, "issued_at": key.issued_at, "issued_by": key.issued_by,
        "replaced_by": key.replaced_by, "revoked_at": key.revoked_at, "reason": key.reason,
    }


def _check_new(key_file: Path | None) -> None:
    # Asked before the key is issued: a token that cannot be handed over is lost.
    if key_file is not None and (key_file.exists() or not key_file.absolute().parent.is_dir()):
        raise Conflict(f"{key_file} cannot be a new file", where="--to", remedy="Name a new file in a folder that exists.")


def _hand_over(made: IssuedKey, key_file: Path | None, dry_run: bool, as_json: bool, *, note: str) -> None:
    from registry.access.local import write_token
    from registry.output import emit

    shown: dict[str, Any] = {"dry_run": dry_run, "consumer": made.consumer}
    if dry_run:
        emit(shown, as_json, lambda _: f"Would issue a key for {made.consumer}.")
        return
    if key_file is not None:
        write_token(key_file, made.token)
    told = f"its token lies in {key_file}." if key_file else f"its token is shown this once:\n{made.token.text}\n"
    fields = {"key_id": made.key_id, "token": None if key_file else made.token.text, "file": key_file}
    emit(shown | fields, as_json, lambda _: f"Issued key {made.key_id} for {made.consumer}; {told}{note}")


def _key_table(rows: list[dict[str, Any]]) -> RenderableType:
    from registry.output import table

    columns = ("key", "consumer", "status", "valid from", "until", "issued", "by", "reason")
    return table(columns, [
        (row["shown"], row["consumer"], row["status"], _time(row["not_before"]), _time(row["not_after"]),
         local_time(row["issued_at"]), row["issued_by"],
         row["reason"] or (f"replaced by {row['replaced_by']}" if row["replaced_by"] else "")) for row in rows
    ], title="keys")


def _consumer_row(state: AccessState, one: Consumer, at: dt.datetime) -> dict[str, Any]:
    return {
        **vars(one),
        "keys": sum(key.consumer == one.id and key.valid(at) and one.closed_at is None for key in state.keys.values()),
        "scenarios": sum(scenario.in_force(at) for scenario in state.owned.get(one.id, {}).values()),
    }


def _time(instant: dt.datetime | None) -> str | None:
    return None if instant is None else local_time(instant)


def _written(made: object, dry_run: bool) -> dict[str, object]:
    return {"dry_run": dry_run, **(made if isinstance(made, dict) else vars(made))}


def _would(dry_run: bool, done: str) -> str:
    return f"Would have {done.lower()}" if dry_run else done

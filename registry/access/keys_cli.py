"""`roadrisk access keys`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.access.cli_options import dry_run_option, state_now, would, writer_now, written
from registry.cli_options import Instant, by_option, json_option, local_time, now, reason_option
from registry.errors import Conflict

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.access.changes import IssuedKey
    from registry.access.parties import ApiKey

key_file_option = click.option(
    "--to", "key_file", type=click.Path(dir_okay=False, path_type=Path),
    help="Write the token to this new file, readable by its owner only, instead of showing it.",
)


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
    emit(written(key_row(key, at), dry_run), as_json, lambda _: f"{would(dry_run, 'Revoked')} key {key_id} of {key.consumer}.")


@keys.command("list")
@click.option("--consumer", help="Only those of this consumer.")
@json_option
def list_keys(consumer: str | None, as_json: bool) -> None:
    """List the keys, with the signs of each that may be shown."""
    from registry.output import emit

    at = now()
    rows = [key_row(key, at) for key in state_now().keys.values() if consumer in (None, key.consumer)]
    emit({"keys": rows}, as_json, lambda _: key_table(rows) if rows else "There is no key.")


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


def key_table(rows: list[dict[str, Any]]) -> RenderableType:
    from registry.output import table

    columns = ("key", "consumer", "status", "valid from", "until", "issued", "by", "reason")
    return table(columns, [
        (row["shown"], row["consumer"], row["status"], _time(row["not_before"]), _time(row["not_after"]),
         local_time(row["issued_at"]), row["issued_by"],
         row["reason"] or (f"replaced by {row['replaced_by']}" if row["replaced_by"] else "")) for row in rows
    ], title="keys")


def _time(instant: dt.datetime | None) -> str | None:
    return None if instant is None else local_time(instant)

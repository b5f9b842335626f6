"""`roadrisk ledger`: verify, anchor, export, check, show and erase."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import click

from registry.cli_options import by_option, json_option, local_time, now, reason_option, settings_now
from registry.errors import IntegrityError

if TYPE_CHECKING:
    from rich.console import RenderableType

NOT_SHOWN: Final = frozenset({
    "kind", "event", "sealed", "as_of", "engine", "epoch", "latency_ms", "n_changes", "request_id", "key_id", "role", "degraded",
})
name_option = click.option("--ledger", "name", default="decisions", show_default=True, help="Which ledger.")


@click.group()
def ledger() -> None:
    """Verify, anchor, export and show the chained ledgers; erase what is personal in the decisions."""


@ledger.command()
@click.option("--anchors", type=click.Path(path_type=Path, file_okay=False, exists=True),
              help="Folder of anchors.  [default: ROADRISK_ANCHOR_DIR]")
@click.option("--ledger", "names", multiple=True, help="Only this ledger; may be given several times.")
@json_option
@click.pass_context
def verify(ctx: click.Context, anchors: Path | None, names: tuple[str, ...], as_json: bool) -> None:
    """Walk ledgers and hold them against their heads and anchors; ends with 40 if something was tampered with."""
    from registry.ledger_audit import audit_ledgers
    from registry.output import emit, table

    found = audit_ledgers(settings_now(), anchors=anchors, names=names)
    ok = all(one.ok for one in found)

    def render(_: object) -> RenderableType:
        rows = [
            ("ok" if one.ok else "FAIL", one.ledger, one.rows, one.anchors, one.anchored or None, "; ".join(one.problems) or None)
            for one in found
        ]
        return table(("", "ledger", "rows", "anchors", "anchored to row", "problems"), rows)

    emit({"ok": ok, "ledgers": [asdict(one) for one in found]}, as_json, render)
    if not ok:
        ctx.exit(IntegrityError.exit_code)


@ledger.command()
@click.option("--ledger", "names", multiple=True, help="Only this ledger; may be given several times.")
@json_option
def anchor(names: tuple[str, ...], as_json: bool) -> None:
    """Sign the newest row of each ledger and keep it in the folder of anchors."""
    from registry.ledger_audit import anchor_ledgers
    from registry.output import emit, table

    made = anchor_ledgers(settings_now(), names=names)
    rows = [(one.ledger, one.seq, one.at, one.digest[:16]) for one in made]
    emit({"anchors": [asdict(one) for one in made]}, as_json, lambda _: table(("ledger", "row", "at", "digest"), rows))


@ledger.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@name_option
@json_option
def export(file: Path, name: str, as_json: bool) -> None:
    """Write a ledger with its anchors and the public key to FILE, for somebody who holds no secret.

    The newest row is anchored first, so that the anchors cover the whole file.
    """
    from registry.ledger_anchors import public_key, read_anchors
    from registry.ledger_audit import anchor_ledgers, verify_key
    from registry.ledger_export import write_export
    from registry.ledger_open import anchor_folder, open_ledger
    from registry.output import emit, record

    settings = settings_now()
    _existing(name)
    anchor_ledgers(settings, names=[name])
    pem = verify_key(settings)
    anchors, problems = read_anchors(anchor_folder(settings), name, public_key(pem, str(settings.keys_dir)))
    if problems:
        raise IntegrityError("; ".join(problems), where=str(anchor_folder(settings)), remedy="Restore the folder of anchors.")
    with closing(open_ledger(settings, name, indexed=None)) as opened:
        rows = write_export(opened, anchors, pem, file)
    emit({"file": file, "ledger": name, "rows": rows, "anchors": len(anchors)}, as_json, record)


@ledger.command("check-export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False, exists=True),
              help="Public key that the anchors must carry, got on another way than FILE.")
@json_option
@click.pass_context
def check_export(ctx: click.Context, file: Path, key: Path | None, as_json: bool) -> None:
    """Check an exported ledger; no secret is needed. Ends with 40 if something does not hold."""
    from registry.ledger_export import check_export as check
    from registry.output import emit, record

    found = check(file, key=key.read_bytes() if key else None)
    shown = {"ok": found.ok, **asdict(found), "problems": list(found.problems)}
    emit(shown, as_json, lambda fields: record(fields | {"problems": "; ".join(found.problems) or "none"}))
    if not found.ok:
        ctx.exit(IntegrityError.exit_code)


@ledger.command()
@name_option
@click.option("-n", "--rows", type=click.IntRange(1), default=20, show_default=True, help="How many of the newest rows.")
@json_option
def show(name: str, rows: int, as_json: bool) -> None:
    """Show the newest rows; personal parts stay sealed."""
    from registry.ledger_open import open_ledger
    from registry.output import emit, table

    _existing(name)
    with closing(open_ledger(settings_now(), name, indexed=None)) as opened:
        last = opened.last()
        found = list(opened.entries(after=max(0, (last.seq if last else 0) - rows)))
    shown = [
        {"seq": one.seq, "at": one.at.isoformat(), "hash": one.hash, "digest": one.digest, **_open_part(one.payload)}
        for one in found
    ]

    def render(_: object) -> RenderableType:
        lines = [(one.seq, local_time(one.at), one.digest[:12], *_said(name, one.payload)) for one in found]
        return table(("row", "at", "digest", "kind", "what"), lines)

    emit({"ledger": name, "rows": shown}, as_json, render)


@ledger.command()
@click.option("--score-id", help="One decision.")
@click.option("--entity", "entity_id", help="Every decision that this pseudonym is the subject of, or a related entity in.")
@reason_option
@by_option
@click.option("--dry-run", is_flag=True, help="Only say how many decisions it would be.")
@json_option
def erase(
    score_id: str | None, entity_id: str | None, reason: str, by: str, dry_run: bool, as_json: bool
) -> None:
    """Erase the personal parts of decisions for ever; the chain stays whole and keeps that it was done, why and by whom."""
    from registry.answer_copies import forget_erased
    from registry.decisions import DecisionLedger
    from registry.output import emit, record

    if (score_id is None) == (entity_id is None):
        raise click.UsageError("Give either --score-id or --entity.")
    settings = settings_now()
    with closing(DecisionLedger.open(settings)) as decisions:
        # An erasure that was interrupted is ended first: what it erased in the ledger nobody can name any more.
        copies = 0 if dry_run else forget_erased(settings.batch_dir, decisions)
        if dry_run:
            rows = decisions.erasable(score_id=score_id, entity_id=entity_id)
        else:
            rows = decisions.erase(reason=reason, by=by, at=now(), score_id=score_id, entity_id=entity_id).rows
            copies += forget_erased(settings.batch_dir, decisions)
    found = {"erased": 0 if dry_run else len(rows), "decisions": len(rows), "answers_in_batches": copies}
    emit(found | {"rows": list(rows)}, as_json, lambda _: record(found))


def _existing(name: str) -> None:
    from registry.errors import NotFound
    from registry.ledger_open import ledger_names

    known = ledger_names(settings_now())
    if name not in known:
        raise NotFound(f"there is no ledger {name!r}", remedy=f"There are: {', '.join(known) or 'none'}.")


def _open_part(payload: dict[str, Any]) -> dict[str, Any]:
    return {"payload": {key: value for key, value in payload.items() if key != "sealed"}}


def _said(name: str, payload: dict[str, Any]) -> tuple[str, str]:
    """Return the kind of a row and what a person wants to know of it; `--json` has the rest."""
    kind = str(payload.get("kind") or payload.get("event") or ("decision" if name == "decisions" else "line"))
    kept = {key: value for key, value in payload.items() if key not in NOT_SHOWN and isinstance(value, str | int) and value != ""}
    return kind, ", ".join(f"{key} {value[:12] if _is_hex(value) else value}" for key, value in kept.items())


def _is_hex(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) >= 40 and set(value) <= set("0123456789abcdef")

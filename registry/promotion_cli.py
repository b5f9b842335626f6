"""Decisions about versions: `roadrisk models gates`, `approve`, `promote`, `rollback`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from registry.cli_options import (
    approver_option,
    by_option,
    chosen,
    json_option,
    local_time,
    now,
    reason_option,
    settings_now,
)
from registry.errors import PromotionRefused
from registry.models_cli import models

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.gates import Verdict
    from registry.promotion_gates import Examination


@models.command()
@click.argument("product")
@click.argument("version", type=int, required=False)
@click.option("--approver", help="Also say whether this person may promote it.")
@json_option
@click.pass_context
def gates(ctx: click.Context, product: str, version: int | None, approver: str | None, as_json: bool) -> None:
    """Say what every promotion gate says about a version; exit code 60 where one refuses."""
    from registry.output import emit
    from registry.promotion import examine

    settings = settings_now()
    made = chosen(settings, product, version)
    found = examine(settings, product, made.version, approver=approver, at=now())
    emit(_examined(found), as_json, lambda _: _gate_table(found.verdicts))
    ctx.exit(PromotionRefused.exit_code if found.failed else 0)


@models.command()
@click.argument("product")
@click.argument("version", type=int)
@by_option
@reason_option
@json_option
def approve(product: str, version: int, by: str, reason: str, as_json: bool) -> None:
    """Approve a version as a second person, on the card and the evidence of now; somebody else promotes it."""
    from registry.approvals import approve as approve_version
    from registry.output import emit

    made = approve_version(settings_now(), product, version, by=by, reason=reason, at=now())
    told = f"{made.by} approved {product} version {version} at {local_time(made.at)} (ledger line {made.seq})."
    emit(asdict(made), as_json, lambda _: told)


@models.command()
@click.argument("product")
@click.argument("version", type=int)
@approver_option
@reason_option
@click.option("--dry-run", is_flag=True, help="Only say what the gates say.")
@json_option
@click.pass_context
def promote(
    ctx: click.Context, product: str, version: int, approver: str, reason: str, dry_run: bool, as_json: bool
) -> None:
    """Let a version go live if every gate lets it pass."""
    from registry.output import emit
    from registry.promotion import examine
    from registry.promotion import promote as promote_version

    settings = settings_now()
    if dry_run:
        found = examine(settings, product, version, approver=approver, at=now())
        emit(_examined(found), as_json, lambda _: _gate_table(found.verdicts))
        ctx.exit(PromotionRefused.exit_code if found.failed else 0)
    line = promote_version(settings, product, version, approver=approver, reason=reason, at=now())
    emit(asdict(line), as_json, lambda _: f"{product} version {version} is live (ledger line {line.seq}).")


@models.command()
@click.argument("product")
@approver_option
@reason_option
@click.option("--dry-run", is_flag=True, help="Only say which version would come back.")
@json_option
def rollback(product: str, approver: str, reason: str, dry_run: bool, as_json: bool) -> None:
    """Bring back the version that was live before the present one."""
    from registry.output import emit
    from registry.promotion import rollback as roll_back
    from registry.promotion import rollback_target

    if dry_run:
        target = rollback_target(settings_now(), product)
        plan = {"product": product, "version": target.version, "digest": target.digest}
        emit(plan, as_json, lambda _: f"{product} would go back to version {target.version}.")
        return
    line = roll_back(settings_now(), product, approver=approver, reason=reason, at=now())
    told = f"{product} is back at version {line.version} (ledger line {line.seq})."
    emit(asdict(line), as_json, lambda _: told)


def _examined(found: Examination) -> dict[str, object]:
    return {
        "product": found.product, "version": found.version, "digest": found.judged.digest, "would_pass": not found.failed,
        "profile": found.rules.profile, "requires_second_person": found.rules.requires_second_person,
        "approved_by": [one.by for one in found.seconds], "gates": list(map(asdict, found.verdicts)),
    }


def _gate_table(verdicts: Sequence[Verdict]) -> RenderableType:
    from registry.output import table

    return table(("gate", "verdict", "stands in the way", "reason"), [
        (verdict.gate, verdict.verdict, "" if verdict.passed else "yes", verdict.reason) for verdict in verdicts
    ])

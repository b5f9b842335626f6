"""`roadrisk decision verify-report`: needs a file and a public key, and nothing of an installation."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.cli_options import json_option
from registry.errors import IntegrityError

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.group()
def decision() -> None:
    """Signed reports of past decisions: make one, check one."""


@decision.command("verify-report")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--public-key", "key", required=True, type=click.Path(path_type=Path, dir_okay=False, exists=True),
              help="Public key of the platform (ledger-verify.pem), got on another way than FILE.")
@json_option
@click.pass_context
def verify_report(ctx: click.Context, file: Path, key: Path, as_json: bool) -> None:
    """Check a signed report, JSON or PDF, off line; ends with 40 if something does not hold."""
    from registry.decision_report import check_report
    from registry.output import emit, table

    found = check_report(file.read_bytes(), key=key.read_bytes(), where=str(file))

    def render(_: object) -> RenderableType:
        rows = [("ok", one) for one in found.holds] + [("FAIL", one) for one in found.problems]
        return table(("", "checked"), rows, title=f"decision {found.score_id}, row {found.row}, key {found.key}")

    emit({"ok": found.ok, **asdict(found)}, as_json, render)
    if not found.ok:
        ctx.exit(IntegrityError.exit_code)

"""`roadrisk doctor`, and the group `roadrisk models` with everything in it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from registry import promotion_cli, shadow_cli  # noqa: F401 - they add their commands to the group
from registry.cli_options import Instant, json_option, local_time, settings_now
from registry.errors import ConfigurationError
from registry.models_cli import models

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Instant", "doctor", "json_option", "local_time", "models"]


@click.command()
@click.option("--init-keys", is_flag=True, help="First make every key that does not exist yet.")
@json_option
@click.pass_context
def doctor(ctx: click.Context, init_keys: bool, as_json: bool) -> None:
    """Check this installation and say what to do about what is wrong."""
    from registry.doctor import examine
    from registry.output import emit, table
    from registry.signing import init_keys as make_keys

    settings = settings_now()
    made = make_keys(settings.keys_dir) if init_keys else []
    checks = examine(settings)
    failed = [check.name for check in checks if check.status == "fail"]
    found = {"ok": not failed, "keys_made": made, "checks": list(map(asdict, checks))}

    def render(_: object) -> RenderableType:
        return table(
            ("", "check", "found", "what to do"),
            [(check.status, check.name, check.found, check.remedy) for check in checks],
            title=f"keys made: {', '.join(made)}" if made else None,
        )

    emit(found, as_json, render)
    if failed:
        ctx.exit(ConfigurationError.exit_code)

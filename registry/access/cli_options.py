"""What the commands of access share: who writes, what holds, and how a dry run speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from registry.cli_options import now, settings_now

if TYPE_CHECKING:
    from registry.access.changes import Writer
    from registry.access.state import AccessState

dry_run_option = click.option("--dry-run", is_flag=True, help="Only check; write nothing.")


def writer_now(by: str, dry_run: bool) -> Writer:
    """Return what writes in the name of a person, now."""
    from registry.access.changes import Writer

    return Writer(settings_now(), by, now(), dry_run=dry_run)


def state_now() -> AccessState:
    """Return what holds now."""
    from registry.access.fold import fold
    from registry.model_ledgers import ACCESS, lines

    return fold(lines(settings_now(), ACCESS))


def written(made: object, dry_run: bool) -> dict[str, object]:
    """Return what was written, or would be, for a machine."""
    return {"dry_run": dry_run, **(made if isinstance(made, dict) else vars(made))}


def would(dry_run: bool, done: str) -> str:
    """Return what was done in words, or that it would be."""
    return f"Would have {done.lower()}" if dry_run else done

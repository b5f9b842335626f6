"""`roadrisk keys`: which pseudonym keys there are, moving to the next one, removing what earlier ones left."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from features.pseudonym_cli import pseudonym

if TYPE_CHECKING:
    from rich.console import RenderableType

JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would be done and write nothing.")


@click.group()
def keys() -> None:
    """List the pseudonym keys, rotate them, remove what earlier keys left."""


keys.add_command(pseudonym)


@keys.command("list")
@JSON_OPTION
def list_keys(as_json: bool) -> None:
    """Show the epochs of the pseudonym keys, never a key."""
    from registry.output import emit
    from registry.settings import Settings
    from registry.signing import listed_pseudonym_keys

    settings = Settings()
    found = listed_pseudonym_keys(settings.keys_dir, settings.pseudonym_epoch)
    emit({"keys_dir": settings.keys_dir, "epoch": settings.pseudonym_epoch, "keys": found}, as_json, _key_table)


@keys.command("rotate-pseudonyms")
@DRY_RUN
@JSON_OPTION
def rotate_pseudonyms(dry_run: bool, as_json: bool) -> None:
    """Move warehouse and directory to a new pseudonym key; raw identifiers are not needed. Deliveries wait meanwhile."""
    from features.key_rotation import planned_rotation
    from features.key_rotation import rotate_pseudonyms as rotate
    from registry.output import emit, progress
    from registry.settings import Settings

    settings = Settings()
    if dry_run:
        emit(asdict(planned_rotation(settings)), as_json, _rotation)
        return
    with progress("rotate") as report:
        done = rotate(settings, progress=report)
    emit(asdict(done), as_json, _rotation)


@keys.command()
@DRY_RUN
@JSON_OPTION
def prune(dry_run: bool, as_json: bool) -> None:
    """Remove data under earlier pseudonym keys, once the features are built on the current one. The keys stay."""
    from features.key_rotation import prune_generations
    from registry.output import emit, record
    from registry.settings import Settings

    removed = prune_generations(Settings(), dry_run=dry_run)
    emit({"removed": [str(path) for path in removed], "dry_run": dry_run}, as_json, lambda found: record(
        {"dry_run": dry_run, "removed": "\n".join(found["removed"]) or "nothing"}
    ))


def _key_table(found: dict[str, Any]) -> RenderableType:
    from registry.output import table

    columns = ("epoch", "file", "state", "made", "fingerprint")
    rows = [[one[column] for column in columns] for one in found["keys"]]
    return table(columns, rows, title=f"pseudonym keys in {found['keys_dir']}")


def _rotation(found: dict[str, Any]) -> RenderableType:
    from registry.output import record

    shown = {name: value for name, value in found.items() if name != "next_steps"}
    return record(shown | {"then": "; ".join(found["next_steps"])}, title="rotation of the pseudonym key")

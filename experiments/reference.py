"""The generated part of the documentation: which pages there are, how they are written, and whether they are current."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import click

from experiments.reference_pages import (
    NOTE,
    exit_codes_page,
    features_page,
    products_page,
    reason_codes_page,
    settings_page,
)
from registry.catalogue import render_catalogue
from registry.cli import PROGRAM, roadrisk

REFERENCE: Final = Path("docs/reference")
CLIENT: Final = Path("serving/api_client.py")
HELP_WIDTH: Final = 100


def cli_page() -> str:
    """Return the `--help` text of every command, groups before their commands."""
    parts = [f"# Command line 命令行\n\n{NOTE}"]
    for context, command in commands():
        parts.append(f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```")
    return "\n\n".join(parts) + "\n"


def commands(
    command: click.Command = roadrisk, parent: click.Context | None = None, name: str = PROGRAM
) -> Iterator[tuple[click.Context, click.Command]]:
    """Yield every command of the command line with its context, depth first in order of names."""
    settings: dict[str, Any] = {**command.context_settings, "terminal_width": HELP_WIDTH}
    context = click.Context(command, parent=parent, info_name=name, **settings)
    yield context, command
    if isinstance(command, click.Group):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            assert child is not None, child_name
            yield from commands(child, context, child_name)


def openapi_document() -> str:
    """Return the service's OpenAPI document; no model is loaded and nothing listens."""
    return json.dumps(contract(), ensure_ascii=False, indent=1) + "\n"


def live_openapi_document() -> str:
    """Return the OpenAPI document of the live service's own port."""
    from serving.live_contract import live_contract

    return json.dumps(live_contract(), ensure_ascii=False, indent=1) + "\n"


@lru_cache(maxsize=1)
def contract() -> dict[str, Any]:
    """Return the OpenAPI document as an object."""
    from registry.decisions import DecisionLedger
    from registry.settings import Settings
    from registry.signing import init_keys
    from serving.app import create_app
    from serving.batches.desk import BatchDesk
    from serving.batches.folder import BatchFolders
    from serving.desk import ScoringDesk
    from serving.gate import open_gate
    from serving.live import LiveModels
    from serving.start import NoStore
    from serving.supervision.desk import open_alerts

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(home=folder / "home", keys_dir=folder / "keys", ledger_url="")
        init_keys(settings.keys_dir)
        # The contract speaks of declared products alone; the desk behind it has no model and an empty ledger.
        ledger, clock = DecisionLedger.open(settings), partial(datetime.now, UTC)
        try:
            desk = ScoringDesk(LiveModels({}, folder, folder), NoStore(), ledger, clock)
            batches = BatchDesk(desk, BatchFolders(settings.batch_dir), lambda: None)
            alerts = open_alerts(settings, clock)
            with alerts.book:
                return create_app(desk, open_gate(settings, ledger, clock), batches=batches, alerts=alerts).openapi()
        finally:
            ledger.close()


def write_client(path: Path, *, check: bool = False) -> bool:
    """Write the Python client of the service; return whether it had to change. With `check` nothing is written."""
    from experiments.client_generation import client_source

    source = client_source(contract())
    changed = _read(path) != source
    if changed and not check:
        path.write_text(source, encoding="utf-8")
    return changed


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "resources.md": render_catalogue,
    "features.md": features_page,
    "reason-codes.md": reason_codes_page,
    "products.md": products_page,
    "settings.md": settings_page,
    "exit-codes.md": exit_codes_page,
    "cli.md": cli_page,
    "openapi.json": openapi_document,
    "live-openapi.json": live_openapi_document,
}
"""File name -> what renders it. The folder holds nothing else."""


def stale_pages(folder: Path) -> list[str]:
    """Return the names of pages that are missing, differ from what the code says, or have no source any more."""
    stale = [name for name, render in PAGES.items() if _read(folder / name) != render()]
    left_over = sorted({path.name for path in folder.glob("*")} - PAGES.keys()) if folder.is_dir() else []
    return stale + left_over


def write_pages(folder: Path) -> list[str]:
    """Write every page and return the names of those that changed. Writing again changes nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, render in PAGES.items():
        text = render()
        if _read(folder / name) != text:
            (folder / name).write_text(text, encoding="utf-8")
            changed.append(name)
    return changed


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None

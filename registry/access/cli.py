"""`roadrisk access`: who may ask what. Consumers, keys and scenarios in modules of their own; here the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from registry.access.consumers_cli import consumers, quota
from registry.access.duties_cli import duties
from registry.access.keys_cli import keys
from registry.access.scenarios_cli import scenarios
from registry.access.statements_cli import disclosure, statement
from registry.care.cli import consent, consent_notice, health, subject_link, subject_requests
from registry.cli_options import json_option, local_time, now, settings_now

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.chain import Entry

_HIDDEN: Final = frozenset({"mac"})
"""HMACs of secrets: of no use to a reader."""


@click.group()
def access() -> None:
    """Manage who may ask what: consumers, API keys, scenarios (场景), quotas, statements."""


for command in (
    consumers, keys, quota, scenarios, statement, disclosure, duties, subject_link, subject_requests, consent, consent_notice,
    health,
):
    access.add_command(command)


@access.command("init-local")
@click.option("--portfolio", "portfolios", multiple=True, help="Also for this portfolio, which is not live yet.")
@click.option("--dry-run", is_flag=True, help="Only say which products and portfolios would be opened.")
@json_option
def init_local(portfolios: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Let the commands on this machine ask everything; their key goes into the folder of keys, mode 0600."""
    from registry.access.local import init_local as make
    from registry.access.local import wanted_products
    from registry.output import emit

    settings = settings_now()
    if dry_run:
        wanted = wanted_products(settings, portfolios)
        emit({"products": wanted}, as_json, lambda _: f"Would be open to this machine: {', '.join(wanted)}.")
        return
    done = make(settings, now=now(), products=portfolios)
    told = (
        f"Key {done.key_id} {'made' if done.key_made else 'is there'}: {done.key_file}. "
        f"Opened now: {', '.join(done.opened) or 'nothing'}; in force: {len(done.in_force)} scenarios."
    )
    emit(done, as_json, lambda _: told)


@access.command()
@click.argument("product")
@json_option
def notice(product: str, as_json: bool) -> None:
    """Print what individual operators and drivers are told about a product (PIPL Arts. 24 and 28)."""
    from registry.access.notices import notice_of
    from registry.access.rules import access_rules
    from registry.output import emit

    found = notice_of(product, access_rules(settings_now()))

    def render(_: object) -> str:
        return f"{found.zh}\n\n{found.en}\n\nversion {found.version}; sources: {', '.join(found.sources)}"

    emit(found, as_json, render)


@access.command()
@click.option("--consumer", help="Only lines about this consumer.")
@click.option("--last", type=click.IntRange(min=1), default=20, show_default=True, help="So many of the newest lines.")
@json_option
def log(consumer: str | None, last: int, as_json: bool) -> None:
    """Show the newest lines of the access ledger, after the whole of it has verified."""
    from registry.model_ledgers import ACCESS, lines
    from registry.output import emit, table

    rows = list(_told(lines(settings_now(), ACCESS)))
    found = [row for row in rows if consumer in (None, row["consumer"])][-last:]

    def render(_: object) -> RenderableType:
        cells = [
            (row["seq"], local_time(row["at"]), f"{row['what']}{' (void)' * row['void']}", row["about"], row["by"], row["reason"])
            for row in found
        ]
        return table(("line", "when", "what", "about", "by", "reason"), cells) if cells else "Nothing has been written yet."

    emit({"lines": found}, as_json, render)


def _told(entries: list[Entry]) -> list[dict[str, Any]]:
    from registry.access.fold import void

    owners: dict[str, str] = {}
    told = []
    for entry in entries:
        line = entry.payload
        about = str(line.get("id", f"{line.get('consumer')} {line.get('product')}"))
        owner = str(line.get("consumer") or owners.get(about) or about)
        owners.setdefault(about, owner)
        told.append({
            "seq": entry.seq, "at": entry.at, "what": line.get("step", line["kind"]), "about": about, "consumer": owner,
            "void": void(entry), "by": line["by"], "reason": line.get("reason", ""),
            "line": {name: value for name, value in line.items() if name not in _HIDDEN},
        })
    return told

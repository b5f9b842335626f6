"""`roadrisk governance`: the pack of the authorised operation, and what was exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.cli_options import by_option, json_option, local_time, now, settings_now
from registry.errors import InvalidRequest

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.group()
def governance() -> None:
    """Documents of the authorised operation (授权运营): scenario plan, registrations, statements, disclosure, hand-over."""


@governance.command()
@click.option("--scenario", required=True, help="Id of the scenario.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True,
              help="Folder for the files; made where missing.")
@click.option("--month", help="Month of use and charges, as 2026-07.  [default: the last one that is over]")
@by_option
@json_option
def pack(scenario: str, out: Path, month: str | None, by: str, as_json: bool) -> None:
    """Write the six documents of a scenario as PDF and DOCX with Chinese embedded, and a manifest of their digests."""
    from registry.governance.exports import Export, record_export
    from registry.governance.pack import make_pack
    from registry.output import emit, progress, table

    settings, at = settings_now(), now()
    if out.exists() and any(out.iterdir()):
        raise InvalidRequest(f"{out} is not empty", where="--out", remedy="Name a new or empty folder.")
    with progress("pack") as said:
        made = make_pack(settings, scenario, at=at, month=month, progress=said)
    seq = record_export(settings, Export(at=at, what="pack", about=scenario, by=by, via="command", digest=made.digest))
    out.mkdir(parents=True, exist_ok=True)
    for name, content in made.files.items():
        (out / name).write_bytes(content)
    sizes = {name: len(content) for name, content in sorted(made.files.items())}

    def render(_: object) -> RenderableType:
        return table(("file", "bytes"), list(sizes.items()), title=f"{out}: export {seq}, manifest {made.digest[:16]}")

    emit({"out": out, "scenario": scenario, "digest": made.digest, "export": seq, "files": sizes}, as_json, render)


@governance.command("exports")
@json_option
def list_exports(as_json: bool) -> None:
    """List what was exported: when, what, about which scenario, by whom."""
    from dataclasses import asdict

    from registry.governance.exports import exports
    from registry.output import emit, table

    found = exports(settings_now())
    rows = [(one.seq, local_time(one.at), one.what, one.about, one.by, one.via, one.digest[:16]) for one in found]
    emit({"exports": [asdict(one) for one in found]}, as_json,
         lambda _: table(("line", "when", "what", "about", "by", "via", "digest"), rows))

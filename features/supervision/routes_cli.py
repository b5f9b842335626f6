"""`roadrisk live routes`: declare the ways that hazmat vehicles may drive, or make such declarations for the simulated province."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import click

from features.cli import JSON_OPTION


@click.group()
def routes() -> None:
    """Routes that hazmat vehicles were declared: the live service raises an alert about who leaves his."""


@routes.command()
@click.argument("file", type=click.File("rb"))
@click.option("--add", is_flag=True, help="Keep what was declared before, but for what is over.")
@JSON_OPTION
def declare(file: BinaryIO, add: bool, as_json: bool) -> None:
    """Take declared routes from a FILE of one JSON object a line (- is the standard input); all or none."""
    from datetime import UTC

    from features.live.road_map import road_map
    from features.supervision.corridors import read_declarations, write_declarations
    from features.supervision.route_lines import declarations_of
    from registry.generation import epoch_of
    from registry.output import emit, record
    from registry.settings import Settings
    from registry.signing import pseudonym_keys

    settings = Settings()
    epoch = epoch_of(settings.warehouse_dir)
    found = declarations_of(file, pseudonym_keys(settings.keys_dir, epoch), road_map())
    kept = []
    if add:
        over_s = datetime.now(UTC).timestamp()
        kept = [one for one in read_declarations(settings.hazmat_routes_file, epoch=epoch) if one.until_s > over_s]
    # What is declared twice holds once.
    held = sorted({*kept, *found}, key=lambda one: (one.plate_id, one.from_s))
    write_declarations(settings.hazmat_routes_file, held, epoch=epoch)
    emit({"declared": len(found), "holding": len(held), "vehicles": len({one.plate_id for one in held})}, as_json, record)


@routes.command()
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="First local day; by default the newest of the province.")
@click.option("--days", type=click.IntRange(1, 31), default=1, show_default=True, help="How many days.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File that `declare` takes.")
@JSON_OPTION
def simulate(day: datetime | None, days: int, out: Path, as_json: bool) -> None:
    """Write what the hazmat carriers of the simulated province declare (simulated data); some drive another way."""
    import orjson

    from features.simulation.day import newest_day
    from features.simulation.declared_routes import lines_of_province
    from features.simulation.marker import province_of
    from registry.errors import NotFound
    from registry.output import emit, record
    from registry.settings import Settings

    settings = Settings()
    known = province_of(settings.home)
    if known is None:
        raise NotFound("no simulated province", where=str(settings.home), remedy="Run `roadrisk simulate` first.")
    first = newest_day(known["preset"], known["seed"], days=days) if day is None else day.date()
    found = lines_of_province(known["preset"], known["seed"], first, days)
    with out.open("wb") as file:
        file.writelines(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in found)
    emit({"simulated": True, "day": str(first), "declared": len(found)}, as_json, record)

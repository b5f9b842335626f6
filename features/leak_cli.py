"""The leak check on the command line."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.command("leak-check")
@click.option("--cutoff", help="Instant with its offset, ISO; by default 60 days before the newest data.")
@click.option("--family", "family_ids", multiple=True, help="Only this family; may be given more than once.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def leak_check(cutoff: str | None, family_ids: tuple[str, ...], as_json: bool) -> None:
    """Compare every feature at a cut-off with what it is without all that arrived later."""
    import tempfile
    from dataclasses import asdict
    from pathlib import Path

    from features.leak_check import check_leaks
    from features.warehouse import Warehouse
    from registry.errors import IntegrityError
    from registry.output import emit
    from registry.settings import Settings

    settings = Settings()
    warehouse = Warehouse(settings.warehouse_dir)
    instant, start = _instant(warehouse, cutoff)
    # The copy may be large: it belongs beside the features and not into the system's small temporary folder.
    settings.feature_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.feature_dir, prefix=".leak-check-") as folder:
        met = check_leaks(
            _families(family_ids), warehouse, instant, Path(folder), threads=settings.threads,
            memory_limit=settings.memory_limit, history_start=start, every=bool(family_ids),
        )
    leaking = [leak.family for leak in met if leak.columns]
    found = {
        "cutoff": instant.isoformat(), "families": len(met), "compared": sum(leak.rows for leak in met),
        "leaking": leaking, "unproven": [leak.family for leak in met if not leak.rows], "details": [asdict(leak) for leak in met],
    }
    emit(found, as_json, _shown)
    if leaking:
        raise IntegrityError(
            f"{', '.join(leaking)}: values at {instant.isoformat()} depend on what arrived later", where="leak-check",
            remedy="Read through Known.spans, at_cutoffs or state, never through tables or matured.",
        )


def _instant(warehouse: Any, cutoff: str | None) -> tuple[datetime, datetime]:
    from datetime import timedelta

    from features.build import data_window
    from registry.errors import InvalidRequest

    window = data_window(warehouse)
    begin, end = window.begin, window.end
    if cutoff is None:
        return (end - timedelta(days=60)).replace(microsecond=0), begin
    try:
        instant = datetime.fromisoformat(cutoff)
    except ValueError:
        raise InvalidRequest(f"{cutoff!r} is no instant", where="--cutoff", remedy="Write 2026-06-01T00:00:00+08:00.") from None
    if instant.tzinfo is None:
        raise InvalidRequest(f"{cutoff} has no offset", where="--cutoff", remedy="Write 2026-06-01T00:00:00+08:00.")
    return instant, begin


def _families(family_ids: tuple[str, ...]) -> list[Any]:
    from features.families import FAMILIES
    from features.formulas import FORMULA_FAMILIES
    from registry.errors import NotFound

    families = {**FAMILIES, **FORMULA_FAMILIES}
    unknown = [name for name in family_ids if name not in families]
    if unknown:
        raise NotFound(f"no feature family {unknown[0]!r}", where="--family", remedy=f"Choose of {', '.join(families)}.")
    return [families[name] for name in family_ids or families]


def _shown(found: dict[str, Any]) -> RenderableType:
    from registry.output import table

    rows = [[leak["family"], leak["rows"], _differing(leak), ", ".join(leak["entities"])] for leak in found["details"]]
    return table(("family", "rows compared", "differing", "for example"), rows, title=f"leak check at {found['cutoff']}")


def _differing(leak: dict[str, Any]) -> str:
    if not leak["rows"]:
        return "no row: unproven"
    return ", ".join(f"{name} ({count})" for name, count in leak["columns"].items()) or "none"

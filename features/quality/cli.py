"""`roadrisk data quality`: one line per resource, what is wrong below, or the history of one resource."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from registry.commands import Instant

if TYPE_CHECKING:
    from rich.console import RenderableType

    from features.quality.measure import DeliveryQuality
    from features.quality.overview import Overview
    from features.quality.report import ResourceQuality

BARS: Final = "▁▂▃▄▅▆▇█"
BARS_SHOWN: Final = 10
STYLES: Final = {"ok": "green", "warn": "yellow", "stale": "magenta", "broken": "red", "absent": "dim"}


@click.command()
@click.option("--resource", "resource_id", help="One resource only; all by default.")
@click.option("--at", type=Instant(), help="Instant with offset; the clock of ROADRISK_CLOCK by default.")
@click.option("--history", is_flag=True, help="Every delivery, not only the judgement of the newest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def quality(resource_id: str | None, at: dt.datetime | None, history: bool, as_json: bool) -> None:
    """Say how good every source is: completeness, freshness, uniqueness, validity, consistency across resources."""
    from features.quality.overview import look
    from registry.output import emit
    from registry.settings import Settings

    found = look(Settings(), resource_id=resource_id, at=at, now=lambda: dt.datetime.now(dt.UTC))
    emit(_plain(found, history=history), as_json, lambda _: _histories(found) if history else _summary(found))


def sparkline(values: list[int]) -> str:
    """Return numbers as bars, the greatest as the highest; nothing at all as a dot."""
    top = max(values, default=0)
    return "".join("·" if not value else BARS[min(7, value * 8 // (top + 1))] for value in values)


def _plain(found: Overview, *, history: bool) -> dict[str, Any]:
    return {
        "at": found.at, "clock": found.clock, "verdicts": found.verdicts,
        "resources": [asdict(one) for one in found.resources],
        "checks": [asdict(one) | {"share": one.share} for one in found.checks],
    } | ({"deliveries": {name: [asdict(one) for one in each] for name, each in found.deliveries.items()}} if history else {})


def _summary(found: Overview) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from registry.local_time import SHANGHAI

    counts = "  ".join(f"{number} {name}" for name, number in found.verdicts.items() if number)
    title = f"data quality at {found.at.astimezone(SHANGHAI):%Y-%m-%d %H:%M} (Asia/Shanghai, {found.clock} clock): {counts}"
    wrong = [one for one in found.resources if one.verdict not in ("ok", "absent")]
    lines = [
        Text.assemble((f"{one.verdict:>7} ", STYLES[one.verdict]), (one.resource, "bold"), ": ", cause)
        for one in wrong for cause in one.findings
    ]
    return Group(_table(found.resources, title), *lines)


def _table(resources: tuple[ResourceQuality, ...], title: str) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    drawn.add_column("resource", no_wrap=True)
    drawn.add_column("verdict", no_wrap=True)
    for name in ("complete", "age/limit", "unique", "valid", "agrees", "rows", "usual"):
        drawn.add_column(name, justify="right", no_wrap=True)
    drawn.add_column("history", no_wrap=True)
    for one in resources:
        usual = one.rows / one.usual_rows if one.usual_rows else None
        drawn.add_row(
            one.resource, Text(one.verdict, STYLES[one.verdict]), _percent(one.completeness), _age(one),
            _percent(one.uniqueness), _percent(one.validity), _percent(one.consistency), _short(one.rows),
            "-" if usual is None else f"{usual:.0%}", sparkline([rows for _, rows in one.history][-BARS_SHOWN:]),
        )
    return drawn


def _histories(found: Overview) -> RenderableType:
    from rich.console import Group

    return Group(*(_deliveries(name, each) for name, each in found.deliveries.items() if each))


def _deliveries(resource_id: str, deliveries: tuple[DeliveryQuality, ...]) -> RenderableType:
    from registry.output import table

    columns = ("complete until", "delivery", "rows", "accepted", "quarantined", "repeated", "key clashes", "worst rule")
    rows = [
        (one.complete_until[:16], one.delivery_id[:12], one.rows, one.accepted, one.quarantined, one.repeated,
         one.key_clashes, max(one.broken, key=lambda rule: one.broken[rule], default=None))
        for one in deliveries
    ]
    return table(columns, rows, title=resource_id)


def _percent(share: float | None) -> str:
    if share is None:
        return "-"
    # 99.96 % is not all: a round 100 % means every row.
    return "100%" if share == 1 else f"{min(share, 0.999) * 100:.1f}%"


def _short(rows: int) -> str:
    if rows >= 10_000_000:
        return f"{rows / 1e6:.0f}M"
    return f"{rows / 1e3:.0f}k" if rows >= 10_000 else str(rows)


def _age(one: ResourceQuality) -> str:
    return "-" if one.age_d is None else f"{one.age_d:.0f}/{one.limit_d} d"

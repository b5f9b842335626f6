"""`roadrisk monitor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from registry.cli_options import json_option, settings_now
from registry.products import PRODUCTS

if TYPE_CHECKING:
    from rich.console import RenderableType

ACTION_EXIT = 3
"""With --check: something is to be acted upon."""


@click.command()
@click.option("--product", "products", multiple=True, type=click.Choice(tuple(PRODUCTS)), help="Only this; may be repeated.")
@click.option("--check", is_flag=True, help="End with 3 where something is to be acted upon, for a timer's own alarm.")
@json_option
@click.pass_context
def monitor(ctx: click.Context, products: tuple[str, ...], check: bool, as_json: bool) -> None:
    """Hold data, scores, explanations and matured outcomes against what the live models were made for.

    Reads the panel (`roadrisk panel build` first) and the label tables; keeps one report per product, which the console shows:
    drift, calibration as labels mature, an estimate for the months before that, challenger, fairness, inspection, alerts.
    """
    from registry.access.rules import access_rules
    from registry.output import emit, progress
    from serving.monitoring.report import make_reports

    settings = settings_now()
    with progress("monitor") as said:
        made = make_reports(settings, min_cell=access_rules(settings).min_cell, products=products, progress=said)
        said("done", 1.0)
    emit({"products": made}, as_json, lambda _: _view(made))
    if check and any(one["state"] == "act" for found in made.values() for one in found["alerts"]):
        ctx.exit(ACTION_EXIT)


def _view(made: dict[str, dict[str, Any]]) -> RenderableType:
    from rich.console import Group

    from registry.output import table

    parts: list[RenderableType] = []
    for name, found in made.items():
        rows = [
            (one["state"], one["en"], _rounded(one["value"]), f"{one['watch']:g}{_by(one)}", f"{one['act']:g}{_by(one)}",
             one["todo_en"] if one["state"] in ("watch", "act") else None)
            for one in found["alerts"]
        ]
        title = f"{name} version {found['live_version']}, as of {found['as_of'][:10]}{', simulated' * found['simulated']}"
        parts.append(table(("", "measure", "value", "watch", "act", "what to do"), rows, title=title))
        if found["estimate"] and found["estimate"]["summary"]["months"]:
            told = found["estimate"]["summary"]
            parts.append(
                f"Estimate before labels: tested on {told['months']} matured months, mean absolute error of actual over expected "
                f"{told['error']:.3f} (saying 1: {told['error_of_one']:.3f}), inside the interval {told['inside']:.0%}."
            )
    return Group(*parts)


def _by(alert: dict[str, Any]) -> str:
    """Return who says a limit: an assumption of the platform, or the installation's own file."""
    return "" if alert["replaced"] else " [A]"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)

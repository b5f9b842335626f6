"""`roadrisk monitor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from registry.cli_options import json_option, settings_now
from registry.errors import NotFound
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
    from serving.monitoring.report import report
    from serving.monitoring.store import write_report
    from serving.panel.reader import Panel

    settings = settings_now()
    panel = Panel.open(settings)
    chosen = [name for name in panel.products() if not products or name in products]
    if not chosen:
        raise NotFound("no panel of these products was built", where="panel", remedy="Run `roadrisk panel build`.")
    min_cell, made = access_rules(settings).min_cell, {}
    with progress("monitor") as said:
        for place, name in enumerate(chosen):
            said(name, place / len(chosen))
            made[name] = report(settings, panel, name, min_cell=min_cell)
            write_report(settings, name, made[name])
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

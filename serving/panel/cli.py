"""`roadrisk panel`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from registry.products import PRODUCTS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from serving.panel.build import Built


@click.group()
def panel() -> None:
    """Keep the scores of everybody at month ends, for portraits, monitoring and fairness."""


@panel.command()
@click.option("--product", "products", multiple=True, type=click.Choice(tuple(PRODUCTS)), help="Only this; may be repeated.")
@click.option("--months", type=click.IntRange(1, 120), default=24, show_default=True, help="How many months back.")
@click.option("--again", is_flag=True, help="Make every month again, whatever is there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def build(products: tuple[str, ...], months: int, again: bool, as_json: bool) -> None:
    """Score every entity at the end of each month, with what was known and the model that was live then.

    Run it after `roadrisk features build` or a promotion. A month that is there from the same model and the same features is not
    made again.
    """
    from registry.output import emit, progress
    from registry.settings import Settings
    from serving.panel.build import build_panel
    from serving.panel.layout import panel_folder

    settings = Settings()
    with progress("panel") as report:
        built = build_panel(settings, products=products, months=months, again=again, progress=report)
        report("done", 1.0)
    folder = str(panel_folder(settings))
    emit({"folder": folder, "products": [asdict(one) for one in built]}, as_json, lambda _: _view(folder, built))


@panel.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(as_json: bool) -> None:
    """Compare every month of the panel with the hash in its manifest; exit code 40 where one differs."""
    from registry.output import emit
    from registry.settings import Settings
    from serving.panel.reader import Panel

    found = Panel.open(Settings()).verify()
    emit({"months": found}, as_json, lambda _: f"{found} months of the panel are as their manifests say.")


def _view(folder: str, built: list[Built]) -> RenderableType:
    from registry.output import table

    rows = [(one.product, one.months, one.made, one.kept, len(one.skipped), one.rows) for one in built]
    return table(("product", "months", "made", "kept", "skipped", "rows made"), rows, title=f"panel in {folder}")

"""`roadrisk experiment oracle`."""

from __future__ import annotations

from pathlib import Path

import click

from registry.output import emit, progress

STUDIES = "docs/studies"


@click.command("oracle")
@click.argument("products", nargs=-1)
@click.option("--quick", is_flag=True, help="A smaller ceiling and fewer bootstrap draws; its ratios flatter the scores.")
@click.option("--keep/--no-keep", default=True, show_default=True,
              help="Keep what is found as evidence beside the card of each version.")
@click.option("--write", "folder", type=click.Path(path_type=Path, file_okay=False), default=None, is_flag=False,
              flag_value=STUDIES, help=f"Write the page and the result into a folder; without a value {STUDIES}.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def oracle_command(products: tuple[str, ...], quick: bool, keep: bool, folder: Path | None, as_json: bool) -> None:
    """Compare live scores with the best that their inputs allow and with the truth of the simulated province.

    PRODUCTS: only these; by default every product that is live.
    """
    from experiments.oracle import oracle
    from experiments.oracle_page import render, write_study
    from registry.products import product_named
    from registry.settings import Settings
    from training.fit import wait_passively

    wait_passively()
    wanted = [product_named(product).id for product in products]
    with progress("oracle") as tell:
        result = oracle(Settings(), products=wanted, quick=quick, keep=keep, progress=tell)
    if folder is not None:
        write_study(result, folder)
    emit(result, as_json, render)

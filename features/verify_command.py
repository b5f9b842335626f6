"""`roadrisk features verify`: does serving read what training reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from features.cli import JSON_OPTION

if TYPE_CHECKING:
    from rich.console import RenderableType

    from features.verify import Comparison


@click.command()
@click.option("--product", "products", multiple=True, help="Only this product; may be given again. All by default.")
@click.option("--sample", type=click.IntRange(min=1), help="At most so many entities of each product. All by default.")
@JSON_OPTION
def verify(products: tuple[str, ...], sample: int | None, as_json: bool) -> None:
    """Compare the online store with the offline features at its cut-off, value by value; exit 40 if they differ."""
    from features.products import PRODUCT_FEATURES
    from features.verify import Comparison, verify_online
    from registry.errors import IntegrityError
    from registry.output import emit, progress
    from registry.settings import Settings

    unknown = [product for product in products if product not in PRODUCT_FEATURES]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(PRODUCT_FEATURES)}", param_hint="--product")
    with progress("verify") as report:
        found = verify_online(Settings(), products=products or None, sample=sample, progress=report)
    total = Comparison()
    for comparison in found.values():
        total.add(comparison)
    emit(_content(found, total), as_json, _shown)
    if total.different or total.missing:
        click.get_current_context().exit(IntegrityError.exit_code)


def _content(found: dict[str, Comparison], total: Comparison) -> dict[str, Any]:
    from dataclasses import asdict

    counts = {"compared": total.compared, "different": total.different, "missing": total.missing}
    products = {
        name: {key: value for key, value in asdict(comparison).items() if key != "examples"}
        for name, comparison in found.items()
    }
    return {**counts, "products": products, "examples": [asdict(example) for example in total.examples]}


def _shown(content: dict[str, Any]) -> RenderableType:
    from rich.console import Group

    from registry.output import table

    columns = ("entities", "compared", "different", "missing")
    rows = [[name, *(counts[column] for column in columns)] for name, counts in content["products"].items()]
    shown: list[RenderableType] = [table(("product", *columns), rows, title="online store beside offline features")]
    if content["examples"]:
        names = ("product", "feature", "entity", "online", "offline")
        lines = [[str(example[name]) for name in names] for example in content["examples"]]
        shown.append(table(names, lines, title="first differences"))
    return Group(*shown)

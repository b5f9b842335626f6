"""The catalogue of features on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.feature_spec import Feature


@click.command("list")
@click.option("--product", "product_id", help="Only the inputs of this product.")
@click.option("--group", help="Only features of this group.")
@click.option("--columns", is_flag=True, help="Name the columns of the resources that each feature is computed from.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def list_features(product_id: str | None, group: str | None, columns: bool, as_json: bool) -> None:
    """List the declared features: unit, window, null rule, direction and its reason, wording."""
    from registry.output import emit

    chosen = _chosen(product_id, group)
    lineage = _lineage([family for family, _ in chosen]) if columns else {}
    rows = [_row(family, feature, lineage) for family, feature in chosen]
    emit({"count": len(rows), "by_product": _counts(), "features": rows}, as_json, _shown)


def _chosen(product_id: str | None, group: str | None) -> list[tuple[str, Feature]]:
    from features.families import FAMILIES
    from features.products import PRODUCT_FEATURES
    from registry.errors import NotFound
    from registry.feature_spec import GROUPS

    if product_id is not None and product_id not in PRODUCT_FEATURES:
        raise NotFound(f"no product {product_id!r}", where="--product", remedy=f"Choose one of {', '.join(PRODUCT_FEATURES)}.")
    if group is not None and group not in GROUPS:
        raise NotFound(f"no feature group {group!r}", where="--group", remedy=f"Choose one of {', '.join(GROUPS)}.")
    names = None if product_id is None else {feature.name for feature in PRODUCT_FEATURES[product_id].features}
    return [
        (family.id, feature)
        for family in FAMILIES.values() for feature in family.features
        if (names is None or feature.name in names) and (group is None or feature.group == group)
    ]


def _counts() -> dict[str, int]:
    from features.products import PRODUCT_FEATURES

    return {name: len(product.features) for name, product in PRODUCT_FEATURES.items()}


def _lineage(family_ids: list[str]) -> dict[str, list[str]]:
    from features.families import FAMILIES
    from features.lineage import family_columns

    return {
        name: sorted(f"{resource}.{column}" for resource, column in pairs)
        for family_id in dict.fromkeys(family_ids)
        for name, pairs in family_columns(FAMILIES[family_id]).items()
    }


def _row(family: str, feature: Feature, lineage: dict[str, list[str]]) -> dict[str, Any]:
    from dataclasses import asdict

    from features.products import PRODUCT_FEATURES

    products = [
        name for name, product in PRODUCT_FEATURES.items() if feature.name in {other.name for other in product.features}
    ]
    traced = {"columns": lineage[feature.name]} if feature.name in lineage else {}
    return {"family": family, **asdict(feature), "products": products, **traced}


def _shown(found: dict[str, Any]) -> RenderableType:
    from registry.output import table

    rows = [
        [
            row["name"], row["zh"], row["group"], row["unit"], "state" if row["window_d"] is None else f"{row['window_d']} d",
            row["null_rule"], f"{row['monotone']:+d}" if row["monotone"] else "", ", ".join(row.get("columns", row["resources"])),
        ]
        for row in found["features"]
    ]
    counts = ", ".join(f"{name} {count}" for name, count in found["by_product"].items())
    return table(
        ("feature", "中文", "group", "unit", "window", "null", "direction", "sources"), rows,
        title=f"{found['count']} features ({counts})",
    )

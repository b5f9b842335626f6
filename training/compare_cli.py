"""`roadrisk compare`: two versions of one product on the same test rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.cli_options import json_option, now, settings_now
from registry.output import emit, progress, show, table

if TYPE_CHECKING:
    from rich.console import RenderableType

MOST_CHANGES = 40


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--replicates", type=click.IntRange(min=20), default=200, show_default=True, help="Bootstrap draws.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path),
              help="Folder for comparison.json and pictures; <home>/comparisons/A-B by default.")
@click.option("--keep", is_flag=True, help="Keep the result as evidence about A, for its promotion against B.")
@json_option
def compare(a: str, b: str, replicates: int, out: Path | None, keep: bool, as_json: bool) -> None:
    """Compare version A with version B, each `product@number` or the beginning of a digest.

    Both are scored on the same test rows, those after everything that either was made from. Differences are those of A minus B;
    their intervals come from one bootstrap by group. The reading of the test period is recorded.
    """
    from registry.canonical_json import canonical_json
    from registry.evidence import write_evidence
    from training.cards.whole import find_version
    from training.compare import as_evidence, compare_versions
    from training.compare_pictures import draw_comparison
    from training.fit import wait_passively

    wait_passively()
    settings = settings_now()
    first, second = find_version(settings, a), find_version(settings, b)
    with progress(f"compare {first.name} with {second.name}") as tell:
        found = compare_versions(settings, first, second, at=now(), replicates=replicates, progress=tell)
    folder = out or settings.home / "comparisons" / f"{first.product}-{first.digest[:12]}-{second.digest[:12]}"
    pictures = draw_comparison(found, folder, font=settings.cjk_font)
    (folder / "comparison.json").write_bytes(canonical_json(found))
    if keep:
        write_evidence(settings, first.product, first.digest, "comparison", as_evidence(found))
    files = [str(folder / "comparison.json"), *map(str, pictures)]
    emit({**found, "files": files, "kept": keep}, as_json, _render)


def _render(found: Mapping[str, Any]) -> RenderableType | None:
    told = " (simulated data)" if found["simulated"] else ""
    a, b = found["a"]["name"], found["b"]["name"]
    show(table(
        ("part", "measure", f"A {a}", f"B {b}", "A - B", "95 % interval", "better"), _measures(found),
        title=f"{found['rows']} test rows of {found['groups']} groups{told}",
    ))
    show(table(("scores", "value"), _scores(found)))
    show(table(("tier by B", "blue by A", "yellow by A", "orange by A", "red by A"), _tiers(found), title="migration of tiers"))
    show(table(("what", "name", "A", "B"), _changes(found["changes"]), title="what changed"))
    return table(("written",), [(path,) for path in found["files"]])


def _measures(found: Mapping[str, Any]) -> list[tuple[object, ...]]:
    return [
        (part, name, _short(one["a"]), _short(one["b"]), _short(one["difference"]),
         " to ".join(map(_short, one["interval"])) if one["interval"] else None, one["better"])
        for part, measured in found["measures"].items() for name, one in measured["measures"].items()
    ]


def _scores(found: Mapping[str, Any]) -> list[tuple[object, ...]]:
    scores, reasons = found["scores"], found["reasons"]
    named = {
        "mean |A - B|, points": scores["mean_abs_points"], "95th percentile of |A - B|": scores["p95_abs_points"],
        "largest |A - B|": scores["max_abs_points"], "mean A - B": scores["mean_points"],
        "rank correlation": scores["rank_correlation"], "share of rows in another tier": scores["tier_changed"],
        "share of rows in a higher tier": scores["tier_raised"],
        f"share with another first reason (of {reasons['rows']})": reasons["first_differs"],
        "share with other reasons among up to four": reasons["any_differs"],
    }
    return [(name, None if value is None else _short(value)) for name, value in named.items()]


def _tiers(found: Mapping[str, Any]) -> list[tuple[object, ...]]:
    scores = found["scores"]
    return [
        (name, *(f"{share:.1%}" for share in row)) for name, row in zip(scores["tier_names"], scores["tiers"], strict=True)
    ]


def _changes(changes: Mapping[str, Any]) -> list[tuple[object, ...]]:
    inputs = changes["inputs"]
    rows: list[tuple[object, ...]] = [("inputs", "number", inputs["n_a"], inputs["n_b"])]
    rows += [("inputs", "only in A", ", ".join(inputs["added"]), "")] if inputs["added"] else []
    rows += [("inputs", "only in B", "", ", ".join(inputs["removed"]))] if inputs["removed"] else []
    rows += [(
        "inputs", f"{name}.{field}", one["a"], one["b"]
    ) for name, fields in inputs["changed"].items() for field, one in fields.items()]
    for kind, differences in changes.items():
        if kind != "inputs":
            rows += [(kind, name, one["a"], one["b"]) for name, one in differences.items()]
    shown = [tuple(str(cell)[:40] for cell in row) for row in rows[:MOST_CHANGES]]
    more = len(rows) - MOST_CHANGES
    return [*shown, ("…", f"{more} more in comparison.json", "", "")] if more > 0 else [*shown]


def _short(value: float) -> str:
    return f"{value:.4g}"

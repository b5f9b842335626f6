"""`roadrisk evaluate`: judge a trained version on its test period, and keep the judgement beside its card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from registry.output import emit, progress, table
from registry.products import PRODUCTS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.settings import Settings

SHOWN_SOURCES = 8


@click.command()
@click.argument("product", type=click.Choice([*PRODUCTS]))
@click.option("--version", type=click.IntRange(min=1), default=None, help="Version to judge; the newest by default.")
@click.option("--quick", is_flag=True, help="Without GLM, EBM, Tweedie challenger and proxy audit, on fewer draws and rows.")
@click.option("--again", is_flag=True, help="Judge anew a version that has been judged on the same snapshot.")
@click.option("--replicates", type=click.IntRange(min=20), default=None, help="Bootstrap draws; by default 200, quick 100.")
@click.option("--seed", type=int, default=None, help="Seed; by default ROADRISK_SEED.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def evaluate(
    product: str, version: int | None, quick: bool, again: bool, replicates: int | None, seed: int | None, as_json: bool
) -> None:
    """Judge a version of PRODUCT: every formula and glass box in one table, calibration, stability, segments, robustness.

    The reading of the test period is recorded first; a version that was judged on the same snapshot before is shown and not
    judged again. The document is kept beside the version's card.
    """
    from datetime import UTC, datetime

    from registry.settings import Settings
    from training.fit import wait_passively

    wait_passively()
    from training.judgement.judge import QUICK_REPLICATES, REPLICATES, judge

    settings = Settings()
    draws = replicates or (QUICK_REPLICATES if quick else REPLICATES)
    with progress(f"evaluate {product}") as tell:
        document = judge(
            settings, product, version, at=datetime.now(UTC), glass_box=not quick, replicates=draws, seed=seed, again=again,
            progress=tell,
        )
    refresh_documents(settings, product, document["version"])
    emit(document, as_json, _render)


def refresh_documents(settings: Settings, product: str, version: int) -> None:
    """Write the card's documents again, with what has been found out."""
    from registry.evidence import card_folder
    from training.cards.render import write_documents
    from training.cards.whole import find_version, whole_of

    made = find_version(settings, str(version), product=product)
    folder = card_folder(settings, product, made.digest)
    write_documents(whole_of(settings, made), folder, folder, font=settings.cjk_font)


def _render(document: dict[str, Any]) -> RenderableType:
    from rich.console import Group

    parts = [_comparison(document, name) for name in document["comparison"]]
    return Group(*parts, _segments(document), _sources(document), _verdicts(document))


def _comparison(document: dict[str, Any], name: str) -> RenderableType:
    found = document["comparison"][name]
    measure = found["measure"]
    rows: list[tuple[object, ...]] = [("score", "", _round(found["score"]["metrics"][measure]), None, None, None, None)]
    for rival in found["rivals"]:
        within = {axis: one["pooled"] for axis, one in rival["within"].items()}
        rows.append((
            rival["id"], rival["kind"].replace("_", " "), _round(rival["metrics"][measure]),
            _round(rival["overall"]["difference"]), _pair(rival["overall"]["interval"]), rival["overall"]["verdict"],
            ", ".join(f"{axis} {one['verdict']}" for axis, one in within.items()),
        ))
    for left_out in document["skipped_baselines"]:
        rows.append((left_out["id"], left_out["kind"].replace("_", " "), None, None, None, "absent", left_out["reason"]))  # noqa: PERF401
    simulated = " (simulated data)" if document["simulated"] else ""
    title = f"{document['product']} version {document['version']}: {name} on {found['n_rows']} test rows{simulated}"
    columns = ("rival", "kind", measure, "score minus rival", "95 % interval", "overall", "within quintiles of")
    return table(columns, rows, title=title)


def _segments(document: dict[str, Any]) -> RenderableType:
    measure = document["segments"]["measure"]
    rows = [
        (
            name, one["segment"], one["n_groups"], _round(one.get("actual_to_expected")),
            one.get("withheld") or _pair(one.get("actual_to_expected_interval")), _round(one.get(measure)),
            _pair(one.get(f"{measure}_interval")), _round(one.get("mean_points"), 1),
        )
        for name, dimension in document["segments"]["dimensions"].items()
        for one in dimension["segments"]
    ]
    columns = ("by", "segment", "enterprises", "actual/expected", "95 % interval", measure, "95 % interval", "points")
    return table(columns, rows, title="segments")


def _sources(document: dict[str, Any]) -> RenderableType:
    sources = sorted(document["robustness"]["sources"].items(), key=lambda pair: -pair[1]["missing"]["mean_abs_move"])
    rows = [
        (
            name, len(one["inputs"]), _round(one["missing"]["mean_abs_move"], 1), _round(one["missing"]["p95_abs_move"], 1),
            f"{one['missing']['tier_changes']:.1%}", _round(one["missing"]["change"]), f"{one['missing']['grey']:.0%}",
            _round(one["permuted"]["change"]), _round(one["stale"]["mean_abs_move"], 1),
        )
        for name, one in sources[:SHOWN_SOURCES]
    ]
    columns = ("source absent", "inputs", "mean |points|", "95th", "tier changes", "change of measure", "no score 灰",
               "measure if permuted", "mean |points| if stale")
    return table(columns, rows, title="sources that move the score most")


def _verdicts(document: dict[str, Any]) -> RenderableType:
    words = {True: "yes", False: "NO", None: "-"}
    rows = [(one["name"].replace("_", " "), words[one["passed"]], one["reason"]) for one in document["verdicts"]]
    position = document["test_read"]["position"]
    return table(("question", "holds", "reason"), rows, title=f"verdicts; candidate {position} that has read this test period")


def _round(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)


def _pair(pair: list[float] | None) -> str | None:
    return None if pair is None else f"{pair[0]:.3f} to {pair[1]:.3f}"

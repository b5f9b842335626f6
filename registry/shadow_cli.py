"""Champion and challenger: `roadrisk models challenge`, `withdraw`, `challengers`, `shadow`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.cli_options import by_option, json_option, local_time, now, reason_option, settings_now
from registry.errors import NotFound
from registry.models_cli import models

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.settings import Settings
    from registry.shadow_comparison import Wanted


@models.command()
@click.argument("product")
@click.argument("version", type=int)
@by_option
@reason_option
@json_option
def challenge(product: str, version: int, by: str, reason: str, as_json: bool) -> None:
    """Declare a version the challenger: from its next start on the service scores it in shadow beside the live one."""
    from registry.challengers import challenge as declare
    from registry.output import emit

    line = declare(settings_now(), product, version, by=by, reason=reason, at=now())
    emit(asdict(line), as_json, lambda _: f"{product} version {version} is the challenger (ledger line {line.seq}).")


@models.command()
@click.argument("product")
@by_option
@reason_option
@json_option
def withdraw(product: str, by: str, reason: str, as_json: bool) -> None:
    """Withdraw a product's challenger."""
    from registry.challengers import withdraw as end
    from registry.output import emit

    line = end(settings_now(), product, by=by, reason=reason, at=now())
    emit(asdict(line), as_json, lambda _: f"{product} version {line.version} is no challenger any more (ledger line {line.seq}).")


@models.command()
@json_option
def challengers(as_json: bool) -> None:
    """Show the challengers."""
    from registry.challengers import current
    from registry.output import emit, table

    found = sorted(current(settings_now()).values(), key=lambda line: line.product)
    cells = [(line.product, line.version, line.digest[:16], local_time(line.at), line.by, line.reason) for line in found]

    def render(_: object) -> RenderableType:
        return table(("product", "version", "digest", "since", "by", "reason"), cells) if cells else "There is no challenger."

    emit({"challengers": list(map(asdict, found))}, as_json, render)


@models.command()
@click.argument("product")
@click.option("--outcomes", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Outcomes that have matured: CSV or Parquet with score_id, or entity_id and as_of; and target.")
@click.option("--gini", type=click.FloatRange(0, 1, min_open=True), default=0.02, show_default=True,
              help="Difference in Gini that shall be seen.")
@click.option("--auc", type=click.FloatRange(0, 1, min_open=True), default=0.01, show_default=True,
              help="Difference in AUC that shall be seen.")
@click.option("--deviance", type=click.FloatRange(0, 1, min_open=True), default=0.01, show_default=True,
              help="Difference in mean deviance that shall be seen, as a share of it.")
@click.option("--ratio", type=click.FloatRange(0, 1, min_open=True), default=0.1, show_default=True,
              help="Deviation of actual over expected that shall be seen.")
@click.option("--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.05, show_default=True,
              help="Two-sided level of the test.")
@click.option("--power", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.8, show_default=True,
              help="Probability of seeing a difference that is there.")
@json_option
def shadow(product: str, outcomes: Path | None, as_json: bool, alpha: float, power: float, **differences: float) -> None:
    """Compare the challenger with the live version: how far scores move, and how long until a difference can be seen."""
    from registry.errors import DataError
    from registry.output import emit
    from registry.power import Design
    from registry.shadow_comparison import Wanted

    try:
        design = Design(alpha=alpha, power=power)
    except ValueError as error:
        raise DataError(str(error), where="--alpha, --power") from error
    found = compare_shadow(settings_now(), product, wanted=Wanted(design=design, **differences), outcomes=outcomes)
    emit(found, as_json, _render)


def compare_shadow(
    settings: Settings, product: str, *, wanted: Wanted, outcomes: Path | None = None
) -> dict[str, Any]:
    """Return the comparison of a product's challenger with its live version on the decisions that both scored.

    Parameters
    ----------
    wanted
        Differences that shall be seen.
    outcomes
        File of outcomes (`registry.shadow_outcomes.read_outcomes`).

    Raises
    ------
    NotFound
        If there is no challenger.
    BundleRefused
        If the bundle of either does not verify.
    """
    from registry.bundle import parse_bundle, read_files
    from registry.challengers import current
    from registry.models import bundle_folder
    from registry.promotion import live
    from registry.shadow import ShadowStore
    from registry.shadow_comparison import dislocation, waiting
    from registry.shadow_outcomes import on_outcomes, read_outcomes, with_outcomes
    from registry.signing import verify_files

    line = current(settings).get(product)
    if line is None:
        raise NotFound(
            f"{product} has no challenger", where="challenger ledger", remedy="Declare one with `roadrisk models challenge`."
        )
    champion, store = live(settings)[product], ShadowStore.of(settings)
    folders = {digest: bundle_folder(settings, product, digest) for digest in (champion.digest, line.digest)}
    files = {digest: read_files(folder) for digest, folder in folders.items()}
    for digest, folder in folders.items():
        verify_files(files[digest], settings.keys_dir, where=str(folder), digest=digest)
    manifest = parse_bundle(files[champion.digest], where=str(folders[champion.digest])).manifest
    rows = store.read(product, line.digest)
    frame = rows[rows["champion_digest"] == champion.digest].reset_index(drop=True)
    on = with_outcomes(frame, read_outcomes(outcomes)) if outcomes else None
    return {
        "product": product, "champion": {"version": champion.version, "digest": champion.digest},
        "challenger": {"version": line.version, "digest": line.digest, "since": line.at, "by": line.by},
        "dropped": store.dropped(product, line.digest), "beside_other_champions": len(rows) - len(frame),
        "took_ms": None if frame.empty else {"median": frame["took_ms"].median(), "p95": frame["took_ms"].quantile(0.95)},
        **dislocation(frame),
        "waiting": waiting(
            frame, answer=manifest.answer, horizon_d=manifest.horizon_d, wanted=wanted,
            discrimination=_discrimination(settings, product, champion.version, manifest.answer),
        ),
        "outcomes": None if on is None else on_outcomes(on, answer=manifest.answer, wanted=wanted, seed=settings.seed),
    }


def _discrimination(settings: Settings, product: str, version: int, answer: str) -> dict[str, float]:
    """Return AUC or Gini that the champion's card states for the test period, of the part that the outcome is judged by."""
    from registry.gates_card import out_of_time
    from registry.models import ModelRegistry

    registry = ModelRegistry(settings)
    card = registry.card(registry.get(product, version)) or {}
    parts = list((card.get("evaluation") or {}).get("components") or {})
    part = {"hazard": parts[-1:], "pure_premium": ["frequency"]}.get(answer, parts[:1])
    figures = out_of_time(card, part[0]) if part else {}
    return {name: float(figures[name]) for name in ("auc", "gini") if isinstance(figures.get(name), int | float)}


def _render(found: Mapping[str, Any]) -> RenderableType:
    from rich.console import Group

    from registry.output import record, table

    points, wait = found["points"] or {}, found["waiting"]
    head = {
        "rows": found["rows"], "entities": found["entities"], "scored by both": found["both_scored"],
        "dropped": ", ".join(f"{why} {n}" for why, n in found["dropped"].items()) or 0,
        **{f"points, {name.replace('_', ' ')}": round(value, 2) for name, value in points.items()},
        "rank correlation": _rounded(found["rank_correlation"], 4), "same tier": _rounded(found["same_tier_share"], 4),
    }
    tiers = found["tiers"]
    moves = [(tier, *counts) for tier, counts in zip(tiers, found["migration"], strict=True)]
    needed = [
        (name, _rounded(one["difference"], 5), one["rows"], _rounded(one["days"], 1), _rounded(one["days_until_known"], 1))
        for name, one in wait["differences"].items()
    ]
    title = f"{found['product']}: version {found['challenger']['version']} beside live version {found['champion']['version']}"
    parts = [
        record(head, title=title), table(("from \\ to", *tiers), moves, title="tiers"),
        table(
            ("difference in", "of", "scored rows", "days of scoring", "days until known"), needed,
            title=f"until it is seen at level {wait['alpha']:g} with power {wait['power']:g}",
        ),
    ]
    if found["outcomes"]:
        parts.append(_outcome_table(found["outcomes"]))
    return Group(*parts)


def _outcome_table(found: Mapping[str, Any]) -> RenderableType:
    from registry.output import table

    rows = [
        (name, _rounded(one["champion"], 5), _rounded(one["challenger"], 5), _rounded(one["difference"], 5),
         "[{:.5f}, {:.5f}]".format(*one["interval"]) if one["interval"] else None, one["rows_needed"])
        for name, one in found["measures"].items()
    ]
    columns = ("measure", "champion", "challenger", "difference", "95 % interval", "rows needed")
    return table(columns, rows, title=f"outcomes: {found['rows']} rows, {found['events']:g} events")


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)

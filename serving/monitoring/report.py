"""The report about one product: drift, calibration as labels mature, the estimate ahead of them, challenger, fairness, alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from registry.errors import NotFound
from registry.evidence import read_evidence
from registry.local_time import SHANGHAI
from registry.products import PRODUCTS
from serving.monitoring import estimate as ahead_of
from serving.monitoring.alerts import alerts
from serving.monitoring.inspection import inspection
from serving.monitoring.joined import (
    ACTUAL,
    AT,
    EXPECTED,
    GROUP,
    KNOWN_AT,
    MONTH,
    OUTCOMES,
    WEIGHT,
    joined_outcomes,
    unit_of,
)
from serving.monitoring.measures import balance, gini, gini_interval
from serving.monitoring.rules import REFERENCE_LABELS, limits_for
from serving.monitoring.segments import fairness
from serving.monitoring.stability import explanation_drift, feature_drift, score_drift
from serving.monitoring.store import write_report
from serving.panel.reader import Panel

if TYPE_CHECKING:
    import pandas as pd

    from registry.bundle import Manifest
    from registry.output import ProgressCallback
    from registry.settings import Settings
    from serving.panel.reader import PanelMonth

Figures = dict[str, Any]
FORMAT: Final = "roadrisk-monitor/1"


def report(settings: Settings, panel: Panel, product: str, *, min_cell: int) -> Figures:
    """Return everything that is watched about a product, from its panel and its matured labels.

    Raises
    ------
    NotFound
        If the panel was never built.
    BundleRefused
        If the live bundle does not verify.
    """
    index = panel.index(product)
    months = [one for spoke in index.months if (one := panel.under(product, spoke.month, spoke.digest)) is not None]
    if not months:
        raise NotFound(f"the panel of {product} has no month", where="panel", remedy="Run `roadrisk panel build`.")
    manifest = _manifest(settings, product, index.live_digest)
    learnt_until = _instant(manifest.provenance.valid_window[1])
    reference = [one for one in months if one.manifest.as_of_time <= learnt_until] or months[:1]
    joined = joined_outcomes(settings, panel, product, manifest)
    unseen = None if joined is None else joined[joined[AT] > learnt_until].reset_index(drop=True)
    judged = read_evidence(settings, product, index.live_digest).get("judgement", {})
    found: Figures = {
        "format": FORMAT, "product": product, "snapshot": index.snapshot, "live_digest": index.live_digest,
        "live_version": index.live_version, "as_of": months[-1].manifest.as_of, "simulated": months[-1].manifest.simulated,
        "reference": [one.manifest.month for one in reference], "learnt_until": learnt_until.isoformat(),
        "reconstructed": sum(one.reconstructed for one in months),
        "months": score_drift(months, reference), "explanation": explanation_drift(months, reference),
        "features": _features(settings, product, months[-1], reference, manifest),
        "outcome": _outcome(product), "calibration": None if joined is None else calibration(joined, learnt_until),
        "estimate": None if joined is None else _ahead(joined, months, manifest, learnt_until), "test": _tested(judged),
        "challenger": _challenger(settings, product),
        "fairness": fairness(settings, product, months[-1], unseen, min_cell=min_cell),
        "inspection": None if unseen is None else inspection(settings, product, unseen, seed=settings.seed),
        "proxies": judged.get("proxies"), "min_cell": min_cell,
    }
    return found | {"alerts": alerts(found, limits_for(settings, product))}


def make_reports(
    settings: Settings, *, min_cell: int, products: Sequence[str] = (), progress: ProgressCallback | None = None
) -> dict[str, Figures]:
    """Make and keep the reports of all products that have a panel, or of the chosen ones among them.

    Raises
    ------
    NotFound
        If no panel of them was built.
    """
    panel, made = Panel.open(settings), {}
    chosen = [name for name in panel.products() if not products or name in products]
    if not chosen:
        raise NotFound("no panel of these products was built", where="panel", remedy="Run `roadrisk panel build`.")
    for place, name in enumerate(chosen):
        if progress is not None:
            progress(name, place / len(chosen))
        made[name] = report(settings, panel, name, min_cell=min_cell)
        write_report(settings, name, made[name])
    return made


def calibration(joined: pd.DataFrame, learnt_until: datetime) -> Figures:
    """Return actual over expected and the Gini by month of the window's beginning, and of the newest months together."""
    months = []
    for month, rows in joined.groupby(MONTH, sort=True):
        expected, actual, weight = (rows[name].to_numpy(dtype=float) for name in (EXPECTED, ACTUAL, WEIGHT))
        told = balance(actual, expected, rows[GROUP].to_numpy())
        rate = expected / weight
        months.append({
            "month": str(month), **told, "gini": gini(rate, weight, actual),
            "gini_interval": gini_interval(rate, weight, actual, rows[GROUP].to_numpy()),
            "learnt": bool(rows[AT].min() <= learnt_until), "known_at": rows[KNOWN_AT].max().isoformat(),
        })
    newest = joined[joined[MONTH].isin([one["month"] for one in months[-REFERENCE_LABELS:]])]
    expected, actual, weight = (newest[name].to_numpy(dtype=float) for name in (EXPECTED, ACTUAL, WEIGHT))
    told = balance(actual, expected, newest[GROUP].to_numpy())
    return {
        "months": months, "newest_ratio": told["ratio"], "newest_interval": told["interval"],
        "newest_gini": gini(expected / weight, weight, actual), "bands": _bands(newest),
    }


def _bands(rows: pd.DataFrame) -> list[Figures]:
    """Return tenths of the predicted rate by exposure, with what was expected and what came per unit of exposure."""
    expected, actual, weight = (rows[name].to_numpy(dtype=float) for name in (EXPECTED, ACTUAL, WEIGHT))
    order = np.argsort(expected / weight, kind="stable")
    mass = np.cumsum(weight[order])
    tenth = np.empty(len(rows), dtype=np.intp)
    tenth[order] = np.minimum((mass - weight[order] / 2) / mass[-1] * 10, 9).astype(np.intp)
    cluster, found = rows[GROUP].to_numpy(), []
    for place in range(10):
        mine = tenth == place
        told = balance(actual[mine], expected[mine], cluster[mine])
        exposure = float(weight[mine].sum())
        if exposure > 0:
            found.append({
                "band": place + 1, "expected": float(expected[mine].sum()) / exposure,
                "actual": float(actual[mine].sum()) / exposure,
                "interval": told["interval"] and [end * float(expected[mine].sum()) / exposure for end in told["interval"]],
            })
    return found


def _ahead(joined: pd.DataFrame, months: Sequence[PanelMonth], manifest: Manifest, learnt_until: datetime) -> Figures:
    """Return the estimate of the months whose outcomes are not known, and its test on those that have matured."""
    tested = ahead_of.foretold(joined, learnt_until)
    now = months[-1].manifest.as_of_time
    worth = ahead_of.worth_at(joined, now, learnt_until)
    extra = ahead_of.extra_variance(tested, ahead_of.matured_months(joined), now)
    known, usual, found = set(joined[MONTH]), ahead_of.newest_weights(joined), []
    for month in months:
        if worth is None or month.manifest.month <= max(known):
            continue
        scored = ~np.isnan(month.answers)
        weight = usual.reindex(month.ids[scored]).fillna(usual.median()).to_numpy(dtype=float)
        expected = month.answers[scored] * weight * unit_of(manifest)
        if expected.sum() <= 0:
            # Nobody has a score, as where a source had grown too old: nothing is foretold.
            continue
        told = ahead_of.estimate(worth, expected, weight, extra=extra)
        found.append({"month": month.manifest.month, **told})
    return {"ahead": [*map(_plain, found)], "tested": [*map(_plain, tested)], "summary": ahead_of.summary(tested)}


def _plain(told: Figures) -> Figures:
    return {name: value for name, value in told.items() if name not in ("known_at", "own_variance")}


def _features(
    settings: Settings, product: str, newest: PanelMonth, reference: Sequence[PanelMonth], manifest: Manifest
) -> list[Figures]:
    from features.population import populations
    from features.snapshot import read_snapshot

    cutoffs = [reference[-1].manifest.as_of_time, newest.manifest.as_of_time]
    snapshot = read_snapshot(settings.feature_dir)
    before, now = (one.frame for one in populations(product, settings, cutoffs, snapshot))
    same = [one for one in reference if one.manifest.features == newest.manifest.features]
    return feature_drift(now, before, newest, same, manifest)


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=SHANGHAI)


def _manifest(settings: Settings, product: str, digest: str) -> Manifest:
    from registry.bundle import parse_bundle, read_files
    from registry.models import bundle_folder
    from registry.signing import verify_files

    folder = bundle_folder(settings, product, digest)
    files = read_files(folder)
    verify_files(files, settings.keys_dir, where=str(folder), digest=digest)
    return parse_bundle(files, where=str(folder)).manifest


def _outcome(product: str) -> Figures:
    found = OUTCOMES.get(product)
    if found is None:
        scored = PRODUCTS[product]
        return {"zh": scored.outcome_zh, "en": scored.outcome_en, "known_after_d": None}
    return {"zh": found.zh, "en": found.en, "known_after_d": found.known_after_d}


def _tested(judged: Mapping[str, Any]) -> Figures | None:
    main = str(judged.get("main", ""))
    metrics = judged.get("metrics", {}).get(main)
    if not metrics:
        return None
    found = {name: metrics[name] for name in ("gini", "auc", "balance", "n_events", "n_rows") if name in metrics}
    if "gini" not in found and {"auc", "n_events", "n_rows"} <= set(found):
        # What the Lorenz curve says of an event that happens once: of the area, the events' own share cannot be reached.
        found["gini"] = (2.0 * found["auc"] - 1.0) * (1.0 - found["n_events"] / found["n_rows"])
    return found | {"window": judged.get("test_window")}


def _challenger(settings: Settings, product: str) -> Figures | None:
    from registry.challengers import current
    from registry.shadow_cli import compare_shadow
    from registry.shadow_comparison import Wanted

    if product not in current(settings):
        return None
    found = compare_shadow(settings, product, wanted=Wanted())
    return {**found, "challenger": {**found["challenger"], "since": found["challenger"]["since"].isoformat()}}

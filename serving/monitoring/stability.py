"""Drift of data, of scores and of explanations: newest month against the months that the model learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from registry import stability_index
from registry.feature_spec import GROUPS
from registry.scale import TIERS

if TYPE_CHECKING:
    import pandas as pd

    from registry.bundle import Manifest
    from serving.panel.reader import PanelMonth

Floats = npt.NDArray[np.float64]
Figures = dict[str, Any]


def psi(now: Floats, reference: Floats, *, bins: int = stability_index.BINS) -> float | None:
    """Return the stability index of values against a reference; None where either is empty."""
    return stability_index.psi(reference, now, count=bins) if len(now) and len(reference) else None


def psi_of_kinds(now: Sequence[Any], reference: Sequence[Any]) -> float | None:
    """Return the index of categories."""
    import pandas as pd

    if not len(now) or not len(reference):
        return None
    both = [pd.Series(list(map(str, one))).value_counts() for one in (now, reference)]
    names = sorted(set(both[0].index) | set(both[1].index))
    after, before = (np.asarray(one.reindex(names, fill_value=0.0), dtype=np.float64) for one in both)
    return stability_index.stability_index(before, after)


def score_drift(months: Sequence[PanelMonth], reference: Sequence[PanelMonth]) -> list[Figures]:
    """Return for each month the stability of scores, shares of tiers, share without a score, and known inputs."""
    before = np.concatenate([_scored(one) for one in reference]) if reference else np.array([])
    found = []
    for month in months:
        tiers, n = month.tiers, max(len(month.tiers), 1)
        points = _scored(month)
        found.append({
            "month": month.manifest.month, "n": len(month.tiers), "psi": psi(points, before),
            "mean_points": float(points.mean()) if len(points) else None, "coverage": float(np.mean(month.coverage)),
            "grey_share": float(np.isnan(month.points).sum()) / n,
            "tiers": {code: float((tiers == code).sum()) / n for code in TIERS},
        })
    return found


def explanation_drift(months: Sequence[PanelMonth], reference: Sequence[PanelMonth]) -> list[Figures]:
    """Return by feature group how its points moved: mean, share of the movement, and index, newest month and reference."""
    if not months or not reference:
        return []
    now, names = months[-1], months[-1].manifest.groups
    after = {name: _known(now.group(name)) for name in names}
    same = [one for one in reference if set(one.manifest.groups) >= set(names)]
    before = {name: np.concatenate([np.array([]), *(_known(one.group(name)) for one in same)]) for name in names}
    moved = [
        {name: float(np.abs(values).mean()) if len(values) else 0.0 for name, values in one.items()} for one in (after, before)
    ]
    found = [
        {
            "group": name, "zh": GROUPS[name][0], "en": GROUPS[name][1], "mean": _mean(after[name]),
            "mean_reference": _mean(before[name]), "share": moved[0][name] / (sum(moved[0].values()) or 1.0),
            "share_reference": moved[1][name] / (sum(moved[1].values()) or 1.0), "psi": psi(after[name], before[name]),
            "series": [_mean(_known(one.group(name))) if name in one.manifest.groups else None for one in months],
        }
        for name in names
    ]
    return sorted(found, key=lambda one: -one["share"])


def feature_drift(
    now: pd.DataFrame, reference: pd.DataFrame, month: PanelMonth, before: Sequence[PanelMonth], manifest: Manifest
) -> list[Figures]:
    """Return by input the index of its values, how far they moved the points (CSI), and the share that is unknown; worst first.

    Parameters
    ----------
    now, reference
        Values of the inputs of everybody in the newest month and in the newest month of the reference.
    month, before
        Scores of the same, and of all months of the reference.
    """
    after, scored = _means(month), [means for one in before if (means := _means(one)) is not None]
    earlier = np.mean(scored, axis=0) if scored else None
    found = []
    for place, feature in enumerate(manifest.features):
        values, old = now[feature.name], reference[feature.name]
        if feature.dtype == "category":
            index = psi_of_kinds(values.tolist(), old.tolist())
        else:
            index = psi(values.to_numpy(dtype=float), old.to_numpy(dtype=float))
        found.append({
            "feature": feature.name, "zh": feature.zh, "en": feature.en, "group": feature.group, "psi": index,
            "csi_points": None if earlier is None or after is None else float(after[place] - earlier[place]),
            "unknown": float(values.isna().mean()), "unknown_reference": float(old.isna().mean()),
        })
    return sorted(found, key=lambda one: -(one["psi"] or 0.0))


def _means(month: PanelMonth) -> Floats | None:
    contributions = month.contributions()[~np.isnan(month.points)]
    return contributions.astype(np.float64).mean(axis=0) if len(contributions) else None


def _scored(month: PanelMonth) -> Floats:
    return _known(month.points)


def _known(values: npt.NDArray[Any]) -> Floats:
    wide: Floats = np.asarray(values, dtype=np.float64)
    return wide[~np.isnan(wide)]


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None

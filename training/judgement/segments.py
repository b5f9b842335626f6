"""Figures by segment: whether the score is as right about small carriers, single owners and old vehicles as about others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from features.judged_dimensions import DIMENSIONS, Dimension
from training.judgement.resampling import Draws, sums_by
from training.judgement.stability import grouped, poisson_interval
from training.judgement.subject import Part, Subject, tiers_of
from training.judgement.thresholds import Thresholds

ORANGE: Final = 2
"""Tiers from this one on are orange or red."""


def judge_segments(
    subject: Subject, part: Part, *, replicates: int, seed: int, limits: Thresholds,
    dimensions: Sequence[Dimension] = DIMENSIONS,
) -> dict[str, Any]:
    """Return figures by segment on the test rows, and which segments are judged worse.

    Returns
    -------
    dict
        `dimensions`: per dimension its segments with size, mean points, share that is orange or red, actual over expected and
        Gini or AUC with intervals. A segment of fewer events than the limit lacks the latter, and its interval of actual over
        expected is the exact one of a Poisson count, or none for amounts; one of fewer enterprises has its size only. `absent`
        names the dimensions without a column and `off_balance` the segments whose A/E interval excludes 1 by more than the
        limit.
    """
    rows = part.used & subject.test
    absent, found, off = [], {}, []
    draws = Draws.of(subject.frame[subject.task.group].to_numpy()[rows], replicates=replicates, seed=seed)
    for dimension in dimensions:
        if dimension.column not in subject.frame:
            absent.append({"id": dimension.id, "zh": dimension.zh, "en": dimension.en, "reason": f"no column {dimension.column}"})
            continue
        names = dimension.name(subject.frame[dimension.column])[rows].fillna("unknown").astype(str)
        segments = _segments(subject, part, rows, names, draws, limits)
        found[dimension.id] = {"zh": dimension.zh, "en": dimension.en, "segments": segments}
        off += [f"{dimension.id}: {one['segment']}" for one in segments if _off_balance(one, limits)]
    return {
        "part": part.name, "measure": part.measure, "dimensions": found, "absent": absent, "off_balance": off,
        "limits": {"min_groups": limits.min_groups, "min_events": limits.min_events, "balance_band": limits.balance_band,
                   "tag": "[A]"},
    }


def _segments(
    subject: Subject, part: Part, rows: Any, names: pd.Series, draws: Draws, limits: Thresholds
) -> list[dict[str, Any]]:
    values = sorted(set(names), key=_order)
    codes = names.map({value: k for k, value in enumerate(values)}).to_numpy()
    figures = grouped(part, rows, codes.astype(np.intp), len(values), draws)
    expected = sums_by(codes, (part.weight * part.prediction)[rows], len(values))
    points = subject.points[rows]
    high = tiers_of(subject.scorer, points) >= ORANGE
    segments = []
    for k, one in enumerate(figures):
        size = {"segment": values[k], "n_rows": one["n_rows"], "n_groups": one["n_groups"]}
        if one["n_groups"] < limits.min_groups:
            segments.append({**size, "withheld": f"fewer than {limits.min_groups} enterprises"})
            continue
        if one["n_events"] < limits.min_events:
            # Too few events to rank. Resampling none or a handful of them says nothing about balance either; counts have
            # an interval without it, so that many expected and none observed is still found.
            few = poisson_interval(one["actual_to_expected"] * expected[k], expected[k]) if part.counts else None
            one |= {part.measure: None, f"{part.measure}_interval": None, "actual_to_expected_interval": few}
        mine = codes == k
        segments.append({
            **size, **one, "mean_points": float(points[mine].mean()), "share_orange_or_red": float(high[mine].mean()),
        })
    return segments


def _order(name: str) -> tuple[float, str]:
    """Return what segments are shown by: the number that a band or code begins with, then the name."""
    number = name.split(maxsplit=1)[0]
    return (float(number) if number.replace(".", "", 1).isdigit() else np.inf, name)


def _off_balance(segment: dict[str, Any], limits: Thresholds) -> bool:
    found = segment.get("actual_to_expected_interval")
    return found is not None and (found[0] > 1 + limits.balance_band or found[1] < 1 - limits.balance_band)

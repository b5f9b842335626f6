"""Champion and challenger side by side: how far scores and tiers move, and how long until a difference can be seen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from registry.power import (
    Design,
    events_for_ratio,
    rows_for_auc,
    rows_for_binary_deviance,
    rows_for_gini,
    rows_for_poisson_deviance,
)
from registry.scale import TIERS

if TYPE_CHECKING:
    import pandas as pd

    from registry.encoding import Matrix

Figures = dict[str, Any]

MAX_CORRELATION: Final = 0.999
"""Two scores that order all rows alike would never differ: the planning figure needs a last bit of difference."""
SECONDS_PER_DAY: Final = 86_400.0
_HORIZON: Final = re.compile(r"probability_(\d+)d")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The differences that shall be seen.

    Parameters
    ----------
    gini, auc
        Absolute difference of the rank measure.
    deviance
        Share of the champion's mean deviance.
    ratio
        Deviation of actual over expected from 1.
    design
        Level and power of the test.
    """

    gini: float = 0.02
    auc: float = 0.01
    deviance: float = 0.01
    ratio: float = 0.1
    design: Design = field(default_factory=Design)


def dislocation(frame: pd.DataFrame) -> Figures:
    """Return how far points and tiers move from champion to challenger.

    Parameters
    ----------
    frame
        (n,) rows of `registry.shadow.ShadowStore.read`.

    Returns
    -------
    dict
        `rows`, `entities`, `both_scored`; `points` with mean, median, 95th percentile and largest absolute change and the
        mean change; `rank_correlation` (Spearman); `tiers` and `migration`, counts from the champion's tier (row) to the
        challenger's (column); `same_tier_share`; `grey`, who gives no score where the other does. None where there is nothing
        to measure.
    """
    both = frame["champion_points"].notna() & frame["challenger_points"].notna()
    old, new = (frame.loc[both, name].to_numpy(dtype=np.float64) for name in ("champion_points", "challenger_points"))
    tiers = list(TIERS)
    migration = [
        [int(((frame["champion_tier"] == a) & (frame["challenger_tier"] == b)).sum()) for b in tiers] for a in tiers
    ]
    same = sum(migration[k][k] for k in range(len(tiers)))
    return {
        "rows": len(frame), "entities": int(frame["entity_id"].nunique()), "both_scored": int(both.sum()),
        "points": _moved(new - old), "rank_correlation": rank_correlation(old, new),
        "tiers": tiers, "migration": migration, "same_tier_share": same / len(frame) if len(frame) else None,
        "grey": {
            "champion_only": int((frame["champion_points"].isna() & frame["challenger_points"].notna()).sum()),
            "challenger_only": int((frame["champion_points"].notna() & frame["challenger_points"].isna()).sum()),
        },
    }


def waiting(
    frame: pd.DataFrame, *, answer: str, horizon_d: int | None, wanted: Wanted, discrimination: Mapping[str, float]
) -> Figures:
    """Return the rows and days until each wanted difference can be seen, from the predictions of both alone.

    Parameters
    ----------
    answer, horizon_d
        Kind of answer and length of its outcome window.
    discrimination
        ``auc`` or ``gini`` that the champion's card states for the test period; nothing where it states none.

    Returns
    -------
    dict
        `alpha`, `power`, `rows_per_day`, `design_effect` (rows per entity: an entity that is scored again within its outcome window
        shows no new outcome), `expected_events_per_row`, and `differences`: measure -> difference, `rows`, `days` of scoring, and
        `days_until_known` with the outcome window. None where it cannot be told.
    """
    kept = frame[frame["champion_answer"].notna() & frame["challenger_answer"].notna()]
    found: Figures = {
        "alpha": wanted.design.alpha, "power": wanted.design.power, "rows": len(kept), "rows_per_day": _per_day(kept),
        "design_effect": None, "expected_events_per_row": None, "horizon_d": horizon_d, "differences": {},
    }
    if kept.empty:
        return found
    predicted = predictions(kept, answer)
    events = predicted.events
    found["design_effect"] = len(kept) / max(1, _distinct(kept))
    found["expected_events_per_row"] = float(events.mean())
    for measure, (difference, rows) in _needed(kept, predicted, wanted, discrimination).items():
        total = None if rows is None else rows * found["design_effect"]
        days = None if total is None or not found["rows_per_day"] else total / found["rows_per_day"]
        found["differences"][measure] = {
            "difference": difference, "rows": total and int(np.ceil(total)), "days": days,
            "days_until_known": None if days is None else days + (horizon_d or 0),
        }
    return found


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What both predict, (n,) each: a rate per unit of exposure, or a probability where `binary`."""

    champion: Matrix
    challenger: Matrix
    exposure: Matrix
    binary: bool
    counts: bool

    @property
    def events(self) -> Matrix:
        """(n,) expected events half-way between the two; meaningless where the outcome is an amount."""
        mean: Matrix = (self.champion + self.challenger) / 2.0 * (1.0 if self.binary else self.exposure)
        return mean


def predictions(frame: pd.DataFrame, answer: str) -> Predictions:
    """Return the predictions of the outcome that a kind of answer is judged by.

    A pure premium is judged by its frequency here: how long until a difference is seen depends on the claims, and amounts say
    more only later.
    """
    name = _quantity(answer, frame["champion_answer"].iloc[0])
    champion, challenger = (
        np.array([float(one[name]) for one in frame[column]]) for column in ("champion_answer", "challenger_answer")
    )
    exposure = frame["exposure"].fillna(1.0).to_numpy(dtype=np.float64)
    binary = answer in ("probability", "hazard")
    return Predictions(champion=champion, challenger=challenger, exposure=exposure, binary=binary, counts=not binary)


def poisson_deviance_of(mean: Matrix) -> Matrix:
    """Return (n,) expected unit deviances of Poisson counts around their own means: ``2 (E[y ln y] - m ln m)``."""
    top = int(np.ceil(mean.max() + 12.0 * np.sqrt(mean.max()))) + 12
    count_log = np.zeros_like(mean)
    chance = np.exp(-mean)
    for count in range(1, top + 1):
        chance = chance * mean / count
        count_log += chance * count * np.log(count)
    expected: Matrix = 2.0 * (count_log - mean * np.log(mean))
    return expected


def rank_correlation(one: Matrix, other: Matrix) -> float | None:
    """Return Spearman's rank correlation; None for fewer than two rows or where one side does not vary."""
    import pandas as pd

    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    ranks = [pd.Series(values).rank().to_numpy() for values in (one, other)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _quantity(answer: str, example: Mapping[str, float]) -> str:
    match answer:
        case "rate":
            return "expected_rate"
        case "pure_premium":
            return "frequency"
        case "hazard":
            horizons = [found for name in example if (found := _HORIZON.fullmatch(name))]
            return max(horizons, key=lambda found: int(found[1])).string
        case _:
            return "probability"


def _needed(
    frame: pd.DataFrame, predicted: Predictions, wanted: Wanted, discrimination: Mapping[str, float]
) -> dict[str, tuple[float, float | None]]:
    events, design = float(predicted.events.mean()), wanted.design
    correlation = rank_correlation(*(frame[f"{who}_points"].to_numpy(dtype=np.float64) for who in ("champion", "challenger")))
    alike = min(MAX_CORRELATION, max(0.0, correlation or 0.0))
    # At least one event per row, as in large fleets, is no rare event: the formula is left at its end.
    share = min(max(events, 1e-9), 0.5)
    found: dict[str, tuple[float, float | None]] = {}
    if "auc" in discrimination:
        rows = rows_for_auc(
            wanted.auc, auc=_inside(discrimination["auc"]), event_share=share, correlation=alike, design=design
        )
        found["auc"] = (wanted.auc, rows)
    if "gini" in discrimination:
        rows = rows_for_gini(
            wanted.gini, gini=2.0 * _inside((discrimination["gini"] + 1.0) / 2.0) - 1.0, event_share=share, correlation=alike,
            design=design,
        )
        found["gini"] = (wanted.gini, rows)
    found["deviance"] = _deviance_rows(predicted, wanted)
    found["actual_to_expected"] = (wanted.ratio, events_for_ratio(wanted.ratio, design=design) / events)
    return found


def _deviance_rows(predicted: Predictions, wanted: Wanted) -> tuple[float, float | None]:
    a, b, e = predicted.champion, predicted.challenger, predicted.exposure
    if predicted.binary:
        p = np.clip((a + b) / 2.0, 1e-12, 1.0 - 1e-12)
        size = wanted.deviance * float(np.mean(-2.0 * (p * np.log(p) + (1.0 - p) * np.log1p(-p))))
        return size, rows_for_binary_deviance(size, champion=a, challenger=b, design=wanted.design)
    size = wanted.deviance * float(np.mean(poisson_deviance_of(np.maximum(predicted.events, 1e-12))))
    return size, rows_for_poisson_deviance(size, champion=a, challenger=b, exposure=e, design=wanted.design)


def _moved(change: Matrix) -> Figures | None:
    if not len(change):
        return None
    size = np.abs(change)
    return {
        "mean_abs": float(size.mean()), "median_abs": float(np.median(size)), "p95_abs": float(np.quantile(size, 0.95)),
        "max_abs": float(size.max()), "mean": float(change.mean()),
    }


def _per_day(frame: pd.DataFrame) -> float | None:
    if len(frame) < 2:
        return None
    seconds = (frame["at"].max() - frame["at"].min()).total_seconds()
    return len(frame) * SECONDS_PER_DAY / seconds if seconds > 0 else None


def _distinct(frame: pd.DataFrame) -> int:
    # The rows of a portfolio have no entity: each is one.
    named = frame.loc[frame["entity_id"] != "", "entity_id"]
    return int(named.nunique()) + int((frame["entity_id"] == "").sum())


def _inside(share: float) -> float:
    return min(max(share, 0.01), 0.99)

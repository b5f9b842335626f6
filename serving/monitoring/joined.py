"""Outcomes beside the scores that were known when their windows began: the newest month end before, by the model of then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from registry.entities import ENTERPRISE
from registry.products import PRODUCTS
from serving.monitoring.rules import STALE_D

if TYPE_CHECKING:
    import pandas as pd

    from registry.bundle import Manifest
    from registry.settings import Settings
    from serving.panel.reader import Panel

Floats = npt.NDArray[np.float64]
TIMESTAMP: Final = "event_timestamp"
MONTH, AT, KNOWN_AT, GROUP, ENTITY = "month", "at", "known_at", "group", "entity"
WEIGHT, EXPECTED, ACTUAL, POINTS = "weight", "expected", "actual", "points"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a product's outcomes are read.

    Parameters
    ----------
    actual, weight
        Label table -> what happened, and the exposure it happened in.
    columns
        Columns of the label table that both read.
    known_after_d
        Days after the beginning of the window until its outcome is known.
    zh, en
        What is counted.
    """

    actual: Callable[[pd.DataFrame], Floats]
    weight: Callable[[pd.DataFrame], Floats]
    columns: tuple[str, ...]
    known_after_d: int
    zh: str
    en: str


def _ones(frame: pd.DataFrame) -> Floats:
    return np.ones(len(frame))


OUTCOMES: Final[dict[str, Outcome]] = {
    "enterprise_risk": Outcome(
        actual=lambda frame: frame["n_events"].to_numpy(dtype=float), columns=("n_events", "exposure_vehicle_year"),
        weight=lambda frame: frame["exposure_vehicle_year"].to_numpy(dtype=float), known_after_d=180,
        zh="事故与严重执法结果（次）", en="accidents and serious enforcement outcomes",
    ),
    "insurance_pricing": Outcome(
        actual=lambda frame: frame["claim_cny"].to_numpy(dtype=float), columns=("claim_cny", "exposure_year", "is_insured"),
        # A slice of 90 days, and 60 days until its claims are reported and settled (`features.insurance_pricing`).
        weight=lambda frame: frame["exposure_year"].to_numpy(dtype=float), known_after_d=150,
        zh="赔款（元，单案截断）", en="claims cost (yuan, single claims cut)",
    ),
    "maintenance": Outcome(
        actual=lambda frame: np.asarray(frame["event_day"].notna(), dtype=np.float64), columns=("event_day",), weight=_ones,
        known_after_d=90, zh="90天内抛锚或检测不合格", en="breakdown or failed inspection within 90 days",
    ),
}
"""A fatigue event follows within the hour: a score of a month end says nothing about it, so that product has no entry."""


def joined_outcomes(settings: Settings, panel: Panel, product: str, manifest: Manifest) -> pd.DataFrame | None:
    """Return matured outcomes with their expectations; None where the product has none that a month end speaks about.

    Returns
    -------
    DataFrame
        Entity, `GROUP` (the operator), `MONTH` of the score, `AT` of the window's beginning, `KNOWN_AT`, `WEIGHT`, `EXPECTED`,
        `ACTUAL`, `POINTS` of the score.
    """
    import pandas as pd

    outcome, path = OUTCOMES.get(product), settings.feature_dir / f"labels_{product}.parquet"
    if outcome is None or not path.is_file():
        return None
    own, group = f"{PRODUCTS[product].entity}_id", ENTERPRISE.id_column
    labels = pd.read_parquet(path, columns=list(dict.fromkeys([own, group, TIMESTAMP, *outcome.columns])))
    if "is_insured" in labels:
        labels = labels[labels["is_insured"].astype(bool)]
    labels = labels.assign(**{TIMESTAMP: pd.to_datetime(labels[TIMESTAMP], utc=True).astype("datetime64[us, UTC]")})
    scores = scores_of(panel, product, own)
    if labels.empty or scores.empty:
        return None
    rows = pd.merge_asof(
        labels.sort_values([TIMESTAMP, own], kind="stable"), scores, left_on=TIMESTAMP, right_on="as_of", by=own,
        tolerance=pd.Timedelta(days=STALE_D),
    )
    rows = rows[rows["answer"].notna()].reset_index(drop=True)
    weight = outcome.weight(rows)
    at = rows[TIMESTAMP]
    made = pd.DataFrame({
        ENTITY: rows[own], GROUP: rows[group], AT: at, KNOWN_AT: at + timedelta(days=outcome.known_after_d),
        MONTH: rows["score_month"], WEIGHT: weight,
        EXPECTED: weight * rows["answer"].to_numpy(dtype=float) * unit_of(manifest), ACTUAL: outcome.actual(rows),
        POINTS: rows["points"].to_numpy(dtype=float),
    })
    return made[made[WEIGHT] > 0].reset_index(drop=True)


def unit_of(manifest: Manifest) -> float:
    """Return what one unit of a panel's answer is: a relativity is one of the reference population's mean."""
    return manifest.reference.mean_answer if manifest.answer == "pure_premium" else 1.0


def scores_of(panel: Panel, product: str, own: str) -> pd.DataFrame:
    """Return every score of a panel: entity, month and its end, answer, points; by the model that spoke for each month."""
    import pandas as pd

    parts = []
    for spoke in panel.index(product).months:
        month = panel.under(product, spoke.month, spoke.digest)
        if month is not None:
            parts.append(pd.DataFrame({
                own: month.ids, "as_of": pd.Timestamp(datetime.fromisoformat(spoke.as_of)), "answer": month.answers,
                "points": month.points, "score_month": spoke.month,
            }))
    if not parts:
        return pd.DataFrame(columns=[own, "as_of", "answer", "points", "score_month"])
    whole = pd.concat(parts, ignore_index=True)
    return whole.assign(as_of=whole["as_of"].astype("datetime64[us, UTC]")).sort_values("as_of", kind="stable")

"""Fairness: scores, outcomes and errors by city, type of owner, size of the fleet and class of vehicle; few are withheld."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from features.judged_context import with_context
from features.judged_dimensions import DIMENSIONS
from registry.entities import ENTERPRISE
from registry.products import PRODUCTS
from serving.monitoring.joined import ACTUAL, AT, ENTITY, EXPECTED, GROUP, TIMESTAMP, WEIGHT
from serving.monitoring.measures import balance, gini, mean_interval

if TYPE_CHECKING:
    import pandas as pd

    from features.judged_dimensions import Dimension
    from registry.settings import Settings
    from serving.panel.reader import PanelMonth

Figures = dict[str, Any]

SHOWN: Final = ("city", "owner", "fleet_size", "vehicle_class")
LEAST_EVENTS: Final = 30
"""Rows with an outcome below which a segment's order says nothing. [A]"""
BAND: Final = 0.10
"""A segment is marked where the whole interval of its actual over expected lies further than this from that of all. [A]"""


def fairness(settings: Settings, product: str, month: PanelMonth, joined: pd.DataFrame | None, *, min_cell: int) -> list[Figures]:
    """Return for each dimension its segments.

    Parameters
    ----------
    month
        The newest month: what scores are now.
    joined
        Matured outcomes that the model did not learn from; None where there are none.
    min_cell
        Operators below which a segment shows nothing but that it is withheld; a second one hides with a lone one.

    Returns
    -------
    list of dict
        `id`, `zh`, `en`, and `segments`: `segment`, `n`, `groups`, `mean_points` with `interval`, `high_share` (orange or red),
        `balance` with its interval relative to all, `error` (mean absolute deviation over expectation), `gini`, `off`.
    """
    now = _context(settings, product, _frame(month, product))
    past = None if joined is None or joined.empty else _context(settings, product, _past(joined, product))
    return [_dimension(one, now, past, min_cell) for one in DIMENSIONS if one.id in SHOWN and one.column in now]


def _frame(month: PanelMonth, product: str) -> pd.DataFrame:
    import pandas as pd

    made = {f"{PRODUCTS[product].entity}_id": month.ids, ENTERPRISE.id_column: month.enterprise_ids}
    frame = pd.DataFrame({**made, "points": month.points, "tier": month.tiers})
    frame[TIMESTAMP] = pd.Timestamp(month.manifest.as_of_time).as_unit("us")
    return frame[frame["points"].notna()].reset_index(drop=True)


def _past(joined: pd.DataFrame, product: str) -> pd.DataFrame:
    own = f"{PRODUCTS[product].entity}_id"
    named = joined.rename(columns={ENTITY: own, AT: TIMESTAMP})
    return named if own == ENTERPRISE.id_column else named.assign(**{ENTERPRISE.id_column: named[GROUP]})


def _context(settings: Settings, product: str, frame: pd.DataFrame) -> pd.DataFrame:
    del product
    return with_context(frame, settings)[0]


def _dimension(dimension: Dimension, now: pd.DataFrame, past: pd.DataFrame | None, min_cell: int) -> Figures:
    names = dimension.name(now[dimension.column]).fillna("unknown").astype(str)
    then = None
    if past is not None and dimension.column in past:
        then = dimension.name(past[dimension.column]).fillna("unknown").astype(str)
    whole = None if past is None else _balance(past)
    segments = [_segment(name, now[names == name], None if then is None or past is None else past[then == name], whole)
                for name in sorted(set(names), key=_order)]
    hidden = {one["segment"] for one in segments if one["groups"] < min_cell}
    if len(hidden) == 1 and len(segments) > 1:
        # The one that is hidden alone would follow from the whole.
        hidden.add(min((one for one in segments if one["segment"] not in hidden), key=lambda one: one["groups"])["segment"])
    shown = [{"segment": one["segment"], "withheld": True} if one["segment"] in hidden else one for one in segments]
    return {"id": dimension.id, "zh": dimension.zh, "en": dimension.en, "segments": shown}


def _segment(name: str, now: pd.DataFrame, past: pd.DataFrame | None, whole: Figures | None) -> Figures:
    groups = now[ENTERPRISE.id_column].to_numpy()
    mean, interval = mean_interval(now["points"].to_numpy(dtype=float), groups)
    found: Figures = {
        "segment": name, "withheld": False, "n": len(now), "groups": len(set(groups)), "mean_points": mean, "interval": interval,
        "high_share": float(now["tier"].isin(["orange", "red"]).mean()), "balance": None, "balance_interval": None, "error": None,
        "gini": None, "events": 0, "off": False,
    }
    if past is None or past.empty or whole is None or not whole["ratio"]:
        return found
    told = _balance(past)
    expected, actual, weight = (past[column].to_numpy(dtype=float) for column in (EXPECTED, ACTUAL, WEIGHT))
    events, scale = int((actual > 0).sum()), whole["ratio"]
    found |= {"events": events, "balance": None if told["ratio"] is None else told["ratio"] / scale}
    if told["interval"] is not None and events >= LEAST_EVENTS:
        low, high = (end / scale for end in told["interval"])
        found |= {"balance_interval": [low, high], "off": low > 1 + BAND or high < 1 - BAND}
    if expected.sum() > 0 and events >= LEAST_EVENTS:
        found |= {"error": float(np.abs(actual - expected * scale).sum() / (expected.sum() * scale)),
                  "gini": gini(expected / weight, weight, actual)}
    return found


def _balance(rows: pd.DataFrame) -> Figures:
    actual, expected = (rows[column].to_numpy(dtype=float) for column in (ACTUAL, EXPECTED))
    cluster: npt.NDArray[Any] = rows[GROUP].to_numpy() if GROUP in rows else rows[ENTERPRISE.id_column].to_numpy()
    return balance(actual, expected, cluster)


def _order(name: str) -> tuple[float, str]:
    number = name.split(maxsplit=1)[0]
    return (float(number) if number.replace(".", "", 1).isdigit() else np.inf, name)

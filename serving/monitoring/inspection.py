"""Score against inspection intensity: whether a score rises more with what inspectors find in an area than outcomes do.

How hard inspectors look is not recorded: checks that found nothing are absent from Annex 1. What stands in for it is the number of
cases per vehicle-year in the area, which mixes how much is looked with how much there is to find. So the elasticity of the score
is held against that of the outcome: where the score rises more, it follows inspectors. The outcome of `insurance_pricing`
(claims) owes inspectors nothing; that of `enterprise_risk` holds findings of theirs, so its test is blind to what both share, and
says so. On the simulated province, where the truth is known, `roadrisk experiment oracle` makes the sharper test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from registry.elasticity import Grid
from registry.products import PRODUCTS
from serving.monitoring.joined import ACTUAL, AT, ENTITY, EXPECTED, GROUP, POINTS, TIMESTAMP, WEIGHT
from serving.monitoring.measures import balance, codes_of

if TYPE_CHECKING:
    import pandas as pd

    from registry.elasticity import FloatArray
    from registry.settings import Settings

Figures = dict[str, Any]

FIFTHS: Final = 5
REPLICATES: Final = 200
LEAST_ROWS: Final = 500
CONTAMINATED: Final = frozenset({"enterprise_risk"})
"""Products whose outcome holds findings of inspectors."""
_TABLES: Final = {
    "enterprise": ("enterprise_area", "area_case_per_vehicle_year"),
    "vehicle": ("vehicle_area", "vehicle_area_case_per_vehicle_year"),
}


def inspection(settings: Settings, product: str, joined: pd.DataFrame, *, seed: int) -> Figures | None:
    """Return how score and outcome depend on inspection; None where it is not known or hardly varies.

    Returns
    -------
    dict
        `score`, `outcome`, `excess`: elasticity with its 95 % interval by a bootstrap of operators; `verdict`: ``follows`` where
        the whole interval of the excess lies above zero, ``no_more`` otherwise; `fifths` of intensity with mean points and actual
        over expected relative to all; `contaminated`.
    """
    rows = _with_intensity(settings, product, joined)
    if rows is None or len(rows) < LEAST_ROWS or rows["intensity"].nunique() < FIFTHS:
        return None
    weight, expected, actual, x = (rows[name].to_numpy(dtype=float) for name in (WEIGHT, EXPECTED, ACTUAL, "intensity"))
    grid = Grid.of(x, weight)
    rate, came = expected / weight, actual / weight
    codes, groups = codes_of(rows[GROUP].to_numpy())
    random, draws = np.random.default_rng(seed), []
    for _ in range(REPLICATES):
        times = np.bincount(random.integers(0, groups, groups), minlength=groups).astype(float)[codes]
        draws.append((grid.elasticity(rate, times), grid.elasticity(came, times)))
    ones = np.ones(len(rows))
    score, outcome = grid.elasticity(rate, ones), grid.elasticity(came, ones)
    drawn = np.array(draws)
    excess = _told(score - outcome, drawn[:, 0] - drawn[:, 1])
    return {
        "score": _told(score, drawn[:, 0]), "outcome": _told(outcome, drawn[:, 1]), "excess": excess, "n": len(rows),
        "verdict": "follows" if excess["interval"][0] > 0.0 else "no_more", "contaminated": product in CONTAMINATED,
        "fifths": _fifths(rows),
    }


def _with_intensity(settings: Settings, product: str, joined: pd.DataFrame) -> pd.DataFrame | None:
    import pandas as pd

    entity = PRODUCTS[product].entity
    table, column = _TABLES[entity]
    path = settings.feature_dir / f"{table}.parquet"
    if not path.is_file() or joined.empty:
        return None
    own = f"{entity}_id"
    known = pd.read_parquet(path, columns=[own, TIMESTAMP, column]).rename(columns={own: ENTITY, column: "intensity"})
    known = known.assign(**{TIMESTAMP: pd.to_datetime(known[TIMESTAMP], utc=True).astype("datetime64[us, UTC]")})
    rows = pd.merge_asof(
        joined.sort_values([AT, ENTITY], kind="stable"), known.sort_values(TIMESTAMP, kind="stable"), left_on=AT,
        right_on=TIMESTAMP, by=ENTITY,
    )
    return rows[rows["intensity"] > 0].reset_index(drop=True)


def _fifths(rows: pd.DataFrame) -> list[Figures]:
    edges = np.quantile(rows["intensity"], np.linspace(0.0, 1.0, FIFTHS + 1)[1:-1])
    fifth = np.searchsorted(np.unique(edges), rows["intensity"].to_numpy(), side="right")
    whole, found = _balance(rows), []
    for place in sorted(set(fifth)):
        mine = rows[fifth == place]
        told = _balance(mine)
        interval = told["interval"] and [end / whole["ratio"] for end in told["interval"]]
        found.append({
            "intensity": float(mine["intensity"].mean()), "n": len(mine), "groups": told["clusters"],
            "mean_points": float(mine[POINTS].mean()),
            "balance": told["ratio"] / whole["ratio"] if told["ratio"] is not None and whole["ratio"] else None,
            "interval": interval,
        })
    return found


def _balance(rows: pd.DataFrame) -> Figures:
    return balance(rows[ACTUAL].to_numpy(dtype=float), rows[EXPECTED].to_numpy(dtype=float), rows[GROUP].to_numpy())


def _told(value: float, draws: FloatArray) -> Figures:
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return {"value": float(value), "interval": [float(low), float(high)]}

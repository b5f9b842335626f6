"""The rows of a product beside their truth: what happened, what was to be expected, and how hard inspectors looked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from experiments.truth_panel import TruthPanel, hazards, read_panel
from features.build import TIMESTAMP
from features.enterprise_risk import HORIZON_D as ENTERPRISE_D
from registry.entities import ENTERPRISE, VEHICLE
from registry.products import DRIVER_FATIGUE, ENTERPRISE_RISK, INSURANCE_PRICING, MAINTENANCE
from registry.settings import Settings
from registry.units import DAYS_PER_YEAR

FloatArray = npt.NDArray[np.float64]
Kind = Literal["poisson", "binary"]

MAINTENANCE_D: Final = 30
"""Horizon on which the hazard of maintenance is judged, in days."""


@dataclass(frozen=True)
class Judged:
    """Rows of one product as they are judged, arrays of shape (n,).

    Parameters
    ----------
    kind
        ``poisson`` for counts per exposure, ``binary`` for events.
    observed, weight
        Outcome per unit of exposure, and exposure (1 for events).
    truth
        True rate or probability; NaN where it is not known.
    safety
        The part of the truth that no inspector can add to or take away: accidents, claims, breakdowns.
    inspection
        Relative intensity of inspection over the outcome's span, above 0.
    group
        Code of the row's enterprise.
    """

    kind: Kind
    observed: FloatArray
    weight: FloatArray
    truth: FloatArray
    safety: FloatArray
    inspection: FloatArray
    group: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.observed)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(n,) whether a row's truth is known."""
        return np.isfinite(self.truth) & np.isfinite(self.inspection)

    def take(self, rows: npt.NDArray[Any]) -> Judged:
        """Return some rows, by mask or position."""
        arrays = {item.name: getattr(self, item.name)[rows] for item in fields(self) if item.name != "kind"}
        return Judged(kind=self.kind, **arrays)


Judge = Callable[[Settings, TruthPanel, pd.DataFrame], dict[str, Any]]


def judged_rows(product: str, settings: Settings, frame: pd.DataFrame, panel: TruthPanel | None = None) -> Judged:
    """Return the truth of every row of a product's training frame.

    Parameters
    ----------
    product
        Id of a scored product.
    settings
        A home with the truth of a simulated province.
    frame
        (n, columns) as `training.products.training_frame` returns it.
    panel
        The monthly truth, read when it is not given.

    Raises
    ------
    NotFound
        If the home has no truth.
    """
    found = {"weight": np.ones(len(frame)), **JUDGES[product](settings, panel or read_panel(settings), frame)}
    group = pd.factorize(frame[ENTERPRISE.id_column])[0].astype(np.int64)
    return Judged(group=group, **{"safety": found["truth"], **found})


def _enterprise(_settings: Settings, panel: TruthPanel, rows: pd.DataFrame) -> dict[str, Any]:
    """Judge by registered accidents and grave cases of the vehicles held at the cut-off, over the horizon."""
    key = [ENTERPRISE.id_column, TIMESTAMP]
    vehicles = panel.vehicles.reset_index().assign(position=np.arange(len(panel.vehicles)))
    pairs = rows[key].drop_duplicates().merge(vehicles, on=ENTERPRISE.id_column)
    day = (pairs[TIMESTAMP].dt.tz_convert("UTC").dt.tz_localize(None) + pd.Timedelta(hours=8)).dt.normalize()
    pairs = pairs[(pd.to_datetime(pairs.enters) <= day) & (pd.to_datetime(pairs.leaves) > day)]
    position, start = pairs.position.to_numpy(), pairs[TIMESTAMP]
    end = start + pd.Timedelta(days=ENTERPRISE_D)
    summed = pairs[key].assign(
        accidents=panel.between("registered_accident_rate", position, start, end),
        cases=panel.between("serious_case_rate", position, start, end),
        inspection=panel.mean_between("p_detect", position, start, end),
    ).groupby(key, as_index=False).agg(accidents=("accidents", "sum"), cases=("cases", "sum"), inspection=("inspection", "mean"))
    joined = rows[key].merge(summed, on=key, how="left")
    exposure = rows["exposure_vehicle_year"].to_numpy(dtype=np.float64)
    return {
        "kind": "poisson", "weight": exposure, "observed": rows["n_events"].to_numpy(dtype=np.float64) / exposure,
        "truth": (joined.accidents + joined.cases).to_numpy() / exposure, "safety": joined.accidents.to_numpy() / exposure,
        "inspection": joined.inspection.to_numpy(),
    }


def _pricing(_settings: Settings, panel: TruthPanel, rows: pd.DataFrame) -> dict[str, Any]:
    """Judge by motor claims over the slice of the policy."""
    position, start = panel.positions(rows[VEHICLE.id_column]), rows[TIMESTAMP]
    exposure = rows["exposure_year"].to_numpy(dtype=np.float64)
    end = start + pd.to_timedelta(exposure * DAYS_PER_YEAR, unit="D")
    return {
        "kind": "poisson", "weight": exposure, "observed": rows["n_claims"].to_numpy(dtype=np.float64) / exposure,
        "truth": panel.between("claim_rate_motor", position, start, end) / exposure,
        "inspection": panel.mean_between("p_detect", position, start, end),
    }


def _maintenance(_settings: Settings, panel: TruthPanel, rows: pd.DataFrame) -> dict[str, Any]:
    """Judge by a breakdown or a reported failure within 30 days."""
    position, start = panel.positions(rows[VEHICLE.id_column]), rows[TIMESTAMP]
    end = start + pd.Timedelta(days=MAINTENANCE_D)
    expected = panel.between("breakdown_rate", position, start, end)
    expected += panel.between("reported_failure_rate", position, start, end)
    event = rows["event_day"].to_numpy(dtype=np.float64, na_value=np.nan) <= MAINTENANCE_D
    return {
        "kind": "binary", "observed": event.astype(np.float64), "truth": 1.0 - np.exp(-expected),
        "inspection": panel.mean_between("p_detect", position, start, end),
    }


def _fatigue(settings: Settings, panel: TruthPanel, rows: pd.DataFrame) -> dict[str, Any]:
    """Judge by the hazard of the driving hour."""
    position, start = panel.positions(rows[VEHICLE.id_column]), rows[TIMESTAMP]
    return {
        "kind": "binary", "observed": rows["fatigue_event"].to_numpy(dtype=np.float64),
        "truth": hazards(settings, panel, rows),
        "inspection": panel.mean_between("p_detect", position, start, start + pd.Timedelta(hours=1)),
    }


JUDGES: Final[dict[str, Judge]] = {
    ENTERPRISE_RISK.id: _enterprise, INSURANCE_PRICING.id: _pricing, MAINTENANCE.id: _maintenance,
    DRIVER_FATIGUE.id: _fatigue,
}

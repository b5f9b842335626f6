"""Failed inspections by age and mileage: real ones of the United Kingdom, and those of a simulated province.

Real: results of MOT tests (open government data), aggregated by whole year of age and by 10,000 miles; nearly all are cars.
Simulated: regular inspections that a home's province delivered, with the true probability of failing from its truth, which only
studies read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.simulation.marker import MARKER
from registry.errors import ConfigurationError, DataError, NotFound
from registry.settings import Settings

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]

FILE: Final = "maintenance/mot_uk_age_mileage.csv"
OBTAIN: Final = (
    "Get the pass rates of MOT tests by age and mileage (UK open government data, anonymised MOT tests) as CSV with age, mileage, "
    "count and rate in per cent, and name their folder with --data or ROADRISK_REAL_DATA_DIR."
)
KM_PER_MILE: Final = 1.609344
MILES_WIDTH: Final = 10_000
AGES: Final = (3, 5, 7, 9, 11, 13, 15)
"""Edges of the age bands in years; British cars are tested from their third year on."""
KM_EDGES: Final = (0.0, 50e3, 100e3, 150e3, 200e3, 250e3, 300e3, 400e3, 600e3)
QUINTILES: Final = 5
REGULAR: Final = "1"
FAILED: Final = "2"


@dataclass(frozen=True)
class Inspected:
    """Inspections, one per row or many alike, arrays of shape (n,).

    Parameters
    ----------
    age_year, km
        Age and mileage.
    failed
        Failed inspections, a number or an expectation.
    count
        Inspections.
    unit
        Vehicle that is drawn whole by a bootstrap, 0.. ; all zero for aggregated rows.
    """

    age_year: FloatArray
    km: FloatArray
    failed: FloatArray
    count: FloatArray
    unit: IntArray

    @property
    def age_band(self) -> IntArray:
        """Band of age, -1 outside."""
        return _band(self.age_year, AGES)

    @property
    def km_band(self) -> IntArray:
        """Band of mileage, -1 outside."""
        return _band(self.km, KM_EDGES)

    def quintile(self) -> IntArray:
        """Return the fifth of mileage among inspections of the same whole year of age, 0 lowest."""
        year, found = np.floor(self.age_year), np.zeros(len(self.km), dtype=np.int64)
        for value in np.unique(year):
            rows = np.flatnonzero(year == value)
            order = rows[np.argsort(self.km[rows], kind="stable")]
            # The middle of each row's share, so that many alike fall into the fifth where most of them lie.
            below = np.cumsum(self.count[order]) - self.count[order] / 2.0
            found[order] = np.minimum(below / self.count[order].sum() * QUINTILES, QUINTILES - 1).astype(np.int64)
        return found


def _band(values: FloatArray, edges: tuple[float, ...]) -> IntArray:
    place = np.searchsorted(np.array(edges, dtype=np.float64), values, side="right") - 1
    return np.where(place < len(edges) - 1, place, -1).astype(np.int64)


def read_mot(data_dir: Path) -> pd.DataFrame:
    """Return the aggregated tests: `age`, `mileage` (lower bound in miles), `count`, `failed`.

    Raises
    ------
    ConfigurationError
        If the file is not there.
    DataError
        If it lacks a column or its rates are no per cents.
    """
    if not (data_dir / FILE).is_file():
        raise ConfigurationError(f"no file {FILE}", where=str(data_dir), remedy=OBTAIN)
    frame = pd.read_csv(data_dir / FILE)
    missing = sorted({"age", "mileage", "count", "rate"} - {*frame.columns})
    if missing or not frame["rate"].between(0.0, 100.0).all():
        what = f"columns {missing} are missing" if missing else "rates are no per cents"
        raise DataError(what, where=str(data_dir / FILE), remedy=OBTAIN)
    return frame.assign(failed=frame["count"] * (1.0 - frame["rate"] / 100.0))


def real_inspections(mot: pd.DataFrame) -> Inspected:
    """Return the tests whose odometer was read: a reading of 0 on a car of three years and more is none."""
    rows = mot.loc[mot["mileage"] > 0]
    return Inspected(
        rows["age"].to_numpy(dtype=np.float64), (rows["mileage"].to_numpy(dtype=np.float64) + MILES_WIDTH / 2) * KM_PER_MILE,
        rows["failed"].to_numpy(dtype=np.float64), rows["count"].to_numpy(dtype=np.float64), np.zeros(len(rows), dtype=np.int64),
    )


def simulated_inspections(outbox: Path, truth: Path) -> tuple[Inspected, FloatArray]:
    """Return the regular inspections of a province with what was reported, and the (n,) true probabilities of failing.

    Raises
    ------
    NotFound
        If there is no simulated province with its truth.
    """
    needed = (outbox / "vehicle_inspection", outbox / "vehicle_basic", truth / "vehicle_month.parquet")
    if not all(path.exists() for path in needed):
        raise NotFound(
            "no simulated province with its truth", where=str(outbox.parent), remedy="Run `roadrisk simulate` in this home first.",
        )
    inspections = _newest(needed[0], ["vin", "inspect_type", "inspect_date", "odometer_km", "result"])
    vehicles = _newest(needed[1], ["vin", "registered_date"]).drop_duplicates("vin")
    months = pd.read_parquet(needed[2], columns=["month", "vin", "fail_probability"])
    regular = inspections.loc[(inspections["inspect_type"] == REGULAR) & (inspections["odometer_km"] > 0)]
    day = pd.to_datetime(regular["inspect_date"])
    regular = regular.assign(day=day, month=day.dt.strftime("%Y-%m"))
    months["month"] = pd.to_datetime(months["month"]).dt.strftime("%Y-%m")
    rows = regular.merge(vehicles, on="vin").merge(months, on=["vin", "month"])
    age = (rows["day"] - pd.to_datetime(rows["registered_date"])).dt.days.to_numpy() / 365.25
    codes, _ = pd.factorize(rows["vin"])
    found = Inspected(
        age, rows["odometer_km"].to_numpy(dtype=np.float64), (rows["result"] == FAILED).astype(np.float64).to_numpy(),
        np.ones(len(rows)), codes.astype(np.int64),
    )
    return found, rows["fail_probability"].to_numpy(dtype=np.float64)


def _newest(folder: Path, columns: list[str]) -> pd.DataFrame:
    """Return the last standing version of every delivered row."""
    wanted = [*columns, "row_id", "arrived_at", "withdrawn"]
    parts = [pd.read_parquet(path, columns=wanted) for path in sorted(folder.glob("*.parquet"))]
    rows = pd.concat(parts, ignore_index=True).sort_values("arrived_at", kind="stable")
    rows = rows.drop_duplicates("row_id", keep="last")
    return rows.loc[~rows["withdrawn"].astype(bool), columns]


def province_of(settings: Settings) -> dict[str, Any]:
    """Return preset and seed of the home's province, as far as the home says."""
    marker = settings.home / MARKER
    return dict(json.loads(marker.read_text())) if marker.is_file() else {"preset": "unnamed", "seed": settings.seed}

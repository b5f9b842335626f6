"""The truth of a simulated province under the pseudonyms of the home, for studies alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.pseudonyms import pseudonym
from registry.entities import ENTERPRISE, VEHICLE
from registry.errors import NotFound
from registry.settings import Settings
from registry.signing import pseudonym_keys

FloatArray = npt.NDArray[np.float64]

RATES: Final = (
    "registered_accident_rate", "serious_case_rate", "claim_rate_motor", "breakdown_rate", "reported_failure_rate", "p_detect",
)
"""Columns of the monthly truth that the products' oracles are made of."""
LOCAL: Final = pd.Timedelta(hours=8)


@dataclass(frozen=True)
class TruthPanel:
    """Expected counts by vehicle and month.

    Parameters
    ----------
    vehicles
        Index by `vehicle_id` with `enterprise_id`, and `enters` and `leaves` as local days.
    months
        First days of the months and the end of the last, local, shape (n_months + 1,).
    cumulated
        Rate -> (n_vehicles, n_months + 1) running sums.
    """

    vehicles: pd.DataFrame
    months: npt.NDArray[np.datetime64]
    cumulated: dict[str, FloatArray]

    def between(self, rate: str, vehicle: npt.NDArray[np.int64], start: pd.Series, end: pd.Series) -> FloatArray:
        """Return the expected count of each row's vehicle from start to end.

        Parameters
        ----------
        rate
            One of `RATES`.
        vehicle
            (n,) positions in `vehicles`; a row of -1 gives NaN.
        start, end
            (n,) aware instants.
        """
        total = self._until(rate, vehicle, end) - self._until(rate, vehicle, start)
        return np.where(vehicle >= 0, total, np.nan)

    def mean_between(self, rate: str, vehicle: npt.NDArray[np.int64], start: pd.Series, end: pd.Series) -> FloatArray:
        """Return the monthly mean over the same spans, for a rate that is no count."""
        spans = self._place(end) - self._place(start)
        return self.between(rate, vehicle, start, end) / np.maximum(spans, 1e-9)

    def positions(self, vehicle_id: pd.Series) -> npt.NDArray[np.int64]:
        """Return the positions of vehicles, -1 for one that the province does not have."""
        return self.vehicles.index.get_indexer(pd.Index(vehicle_id)).astype(np.int64)

    def _until(self, rate: str, vehicle: npt.NDArray[np.int64], moment: pd.Series) -> FloatArray:
        place, table = self._place(moment), self.cumulated[rate]
        low = np.clip(np.floor(place).astype(np.int64), 0, table.shape[1] - 2)
        share = place - low
        result: FloatArray = table[vehicle, low] * (1.0 - share) + table[vehicle, low + 1] * share
        return result

    def _place(self, moment: pd.Series) -> FloatArray:
        """Return instants as months since the start of the window with their fraction, kept within the window."""
        days = (moment.dt.tz_convert("UTC").dt.tz_localize(None) + LOCAL).to_numpy(dtype="datetime64[s]").astype(np.float64)
        edges = self.months.astype("datetime64[s]").astype(np.float64)
        place: FloatArray = np.interp(days, edges, np.arange(len(edges), dtype=np.float64))
        return place


def read_panel(settings: Settings) -> TruthPanel:
    """Read the monthly truth of a home.

    Raises
    ------
    NotFound
        If the home has no truth of a simulated province.
    """
    path = settings.truth_dir / "vehicle_month.parquet"
    if not path.is_file():
        raise NotFound(
            "no truth of a simulated province", where=str(settings.truth_dir),
            remedy="Run `roadrisk simulate` in this home first.",
        )
    table = pq.read_table(path, columns=["vin", "month", *RATES])
    vehicles = _vehicles(settings)
    row = pd.Index(vehicles["vin"]).get_indexer(table["vin"].to_pandas())
    first = np.unique(table["month"].to_numpy().astype("datetime64[D]"))
    column = np.searchsorted(first, table["month"].to_numpy().astype("datetime64[D]"))
    end = (first[-1:].astype("datetime64[M]") + 1).astype("datetime64[D]")
    cumulated = {}
    for name in RATES:
        values = np.zeros((len(vehicles), len(first) + 1))
        values[row, column + 1] = table[name].to_numpy()
        cumulated[name] = values.cumsum(axis=1)
    return TruthPanel(vehicles, np.concatenate([first, end]), cumulated)


def _vehicles(settings: Settings) -> pd.DataFrame:
    table = pq.read_table(settings.truth_dir / "vehicle.parquet", columns=["vin", "uscc", "plate_no", "enters", "leaves"])
    keys = pseudonym_keys(settings.keys_dir, settings.pseudonym_epoch)
    frame: pd.DataFrame = table.to_pandas()
    operators = {uscc: pseudonym(keys, ENTERPRISE.namespace, uscc) for uscc in frame["uscc"].unique()}
    frame["enterprise_id"] = frame["uscc"].map(operators)
    frame.index = pd.Index([pseudonym(keys, VEHICLE.namespace, vin) for vin in frame["vin"]], name="vehicle_id")
    return frame


def hazards(settings: Settings, panel: TruthPanel, frame: pd.DataFrame) -> FloatArray:
    """Return the true hazard of the driving hours of a frame with `vehicle_id` and `event_timestamp`, NaN where unknown."""
    truth = pq.read_table(settings.truth_dir / "driving_hour.parquet", columns=["row_id", "hazard"]).to_pandas()
    rows = _delivered_hours(sorted((settings.outbox_dir / "driving_hour").glob("*.parquet")))
    hours = rows.merge(truth, on="row_id").merge(
        panel.vehicles.reset_index()[["plate_no", "vehicle_id", "enters", "leaves"]], on="plate_no"
    )
    day = (hours["hour_start"].dt.tz_localize(None) + LOCAL).dt.normalize()
    held = (day >= pd.to_datetime(hours["enters"])) & (day < pd.to_datetime(hours["leaves"]))
    known = hours[held].drop_duplicates(["vehicle_id", "hour_start"]).set_index(["vehicle_id", "hour_start"])["hazard"]
    wanted = pd.MultiIndex.from_arrays([frame["vehicle_id"], frame["event_timestamp"].dt.tz_convert("UTC")])
    found: FloatArray = known.reindex(wanted).to_numpy(dtype=np.float64)
    return found


def _delivered_hours(files: Sequence[Path]) -> pd.DataFrame:
    table = pa.concat_tables([pq.read_table(file, columns=["row_id", "plate_no", "hour_start"]) for file in files])
    columns: dict[str, Any] = {name: pc.cast(table[name], pa.string()) for name in ("row_id", "plate_no")}
    frame: pd.DataFrame = pa.table(columns | {"hour_start": table["hour_start"]}).to_pandas()
    return frame.drop_duplicates("row_id")

"""The warehouse read slowly, with pandas and loops: which rows are known at an instant, who bears a plate, what counts."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.warehouse import Warehouse


class KnownRows:
    """What was known at one cut-off."""

    def __init__(self, warehouse: Warehouse, cutoff: datetime, history_start: datetime) -> None:
        self.warehouse, self.cutoff, self.start = warehouse, pd.Timestamp(cutoff), pd.Timestamp(history_start)
        self._rows: dict[str, pd.DataFrame] = {}

    def rows(self, resource_id: str, *, days: int | None = None) -> pd.DataFrame:
        """The versions that had arrived last, that are not withdrawn and happened before the cut-off."""
        if resource_id not in self._rows:
            tables = [pq.ParquetFile(path).read() for path in self.warehouse.files(resource_id)]
            frame = pa.concat_tables(tables).to_pandas()
            frame = frame[frame.arrived_at <= self.cutoff].sort_values(["arrived_at", "delivery_id"])
            frame = frame.drop_duplicates("row_id", keep="last")
            self._rows[resource_id] = frame[~frame.withdrawn & (frame.event_time < self.cutoff)]
        found = self._rows[resource_id]
        return found if days is None else found[found.event_time >= self.cutoff - timedelta(days=days)]

    def state(self, resource_id: str, key: str) -> pd.DataFrame:
        """The row of each key that happened last."""
        ordered = self.rows(resource_id).sort_values(["event_time", "arrived_at", "row_id"])
        return ordered.dropna(subset=[key]).drop_duplicates(key, keep="last").set_index(key)

    def observed_years(self, days: int) -> float:
        """The part of a window that deliveries cover, in years of 365 days."""
        return float(min((self.cutoff - self.start) / pd.Timedelta(days=1), days) / 365.0)

    @cached_property
    def fleet(self) -> pd.DataFrame:
        """The permits of vehicles in operation, by vehicle."""
        permits = self.state("vehicle_transport_permit", "vehicle_id")
        return permits[permits.op_status == "10"]

    @cached_property
    def fleets(self) -> dict[str, list[str]]:
        """The vehicles in operation of each operator."""
        return {str(owner): list(held.index) for owner, held in self.fleet.groupby("enterprise_id")}

    @cached_property
    def _borne_since(self) -> dict[str, dict[str, pd.Timestamp]]:
        permits = self.rows("vehicle_transport_permit")
        first = permits.groupby(["plate_id", "vehicle_id"]).event_time.min()
        found: dict[str, dict[str, pd.Timestamp]] = {}
        for (plate, vehicle), since in first.items():
            found.setdefault(str(plate), {})[str(vehicle)] = since
        return found

    def bearer(self, plate: str | None, event: pd.Timestamp) -> str | None:
        """The last vehicle that bore a plate by then, else the first that bore it at all."""
        since = self._borne_since.get(plate or "", {})
        by_then = {vehicle: day for vehicle, day in since.items() if day <= event}
        if by_then:
            return min(by_then, key=lambda vehicle: (-by_then[vehicle].value, vehicle))
        return min(since, key=lambda vehicle: (since[vehicle], vehicle)) if since else None

    def findings(self, days: int) -> list[dict[str, Any]]:
        """Decided cases with a penalty: their reason, age, number of vehicles, vehicle and operator."""
        cases = self.rows("enforcement_case", days=days)
        cases = cases[cases.state.isin(["3", "4"]) & ~cases.not_punish]
        plates = self.rows("case_vehicle", days=days + 60).groupby("case_id").plate_id.agg(lambda some: sorted(set(some.dropna())))
        found = []
        for case in cases.to_dict("records"):
            named = plates.get(case["case_id"], [])
            vehicle = self.bearer(named[0] if named else None, case["event_time"])
            owner = case["enterprise_id"]
            if owner is None and vehicle in self.fleet.index:
                owner = self.fleet.enterprise_id[vehicle]
            found.append({
                "reason": case["case_reason"], "age_d": (self.cutoff - case["event_time"]) / pd.Timedelta(days=1),
                "n_vehicles": max(len(named), 1), "vehicle": vehicle, "owner": owner,
            })
        return found

    @cached_property
    def distance_km_90d(self) -> dict[str, float]:
        """Kilometres of 90 days by the vehicle that bore the plate."""
        days = self.rows("vehicle_day", days=90)
        found: dict[str, float] = {}
        for plate, of_plate in days.groupby("plate_id"):
            since = self._borne_since.get(str(plate), {})
            # Whoever alone has ever borne a plate is its bearer of every day.
            bearers = [next(iter(since))] * len(of_plate) if len(since) == 1 else [
                self.bearer(str(plate), event) for event in of_plate.event_time
            ]
            for vehicle, km in zip(bearers, of_plate.distance_km, strict=True):
                if vehicle is not None:
                    found[vehicle] = found.get(vehicle, 0.0) + km
        return found

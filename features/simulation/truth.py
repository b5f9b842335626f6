"""The true intensities, kept apart from everything delivered: for studies that ask how near a model is to the best.

Neither features nor training may read these files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from features.simulation.cities import CITIES
from features.simulation.clock import Month
from features.simulation.events import Event, columns_of
from features.simulation.fatigue import DrivingHours
from features.simulation.identities import Identities
from features.simulation.records_activity import driving_hour_row_ids
from features.simulation.routes import weigh_station_exposure
from features.simulation.world import World

FloatArray = npt.NDArray[np.floating[Any]]


class TruthWriter:
    """Writes the truth as Parquet, one row group per month.

    Parameters
    ----------
    folder
        An existing folder of its own.
    identities
        Keys under which the truth can be joined to what was delivered.
    """

    def __init__(self, folder: Path, identities: Identities) -> None:
        self.folder, self.identities = folder, identities
        self._events: list[Event] = []
        self._months: pq.ParquetWriter | None = None

    def write_month(self, month: Month, columns: dict[str, FloatArray]) -> None:
        """Append expected counts and probabilities by vehicle for a month: each of shape (n_vehicles,)."""
        n = self.identities.n_vehicles
        table = pa.table({
            "month": pa.array(np.full(n, month.first), pa.date32()), "vin": pa.array(self.identities.vin, pa.string()),
            **{name: pa.array(values.astype(np.float32)) for name, values in columns.items()},
        })
        if self._months is None:
            self._months = pq.ParquetWriter(self.folder / "vehicle_month.parquet", table.schema, compression="zstd")
        self._months.write_table(table)

    def write_traits(self, world: World) -> None:
        """Write the latent traits of operators, vehicles and drivers, and the inspection intensity of cities."""
        ids, vehicles, drivers = self.identities, world.vehicles, world.drivers
        self._write("operator", {
            "uscc": ids.uscc, "culture": world.operators.culture, "size": world.operators.size,
            "stratum": world.operators.stratum, "business": world.operators.business,
            "inspection_intensity": world.city_intensity[world.operators.city],
        })
        self._write("vehicle", {
            "vin": ids.vin, "plate_no": ids.plate_no, "uscc": ids.uscc[vehicles.operator], "wear": vehicles.wear,
            "kind": world.vehicles.kind, "enters": vehicles.enters, "leaves": vehicles.leaves,
            "annual_km": vehicles.annual_km, "affiliated": vehicles.affiliated,
            "culture": world.vehicle_culture,
            "weigh_station_exposure": weigh_station_exposure(world),
            "usual_driver": ids.qualification_no[vehicles.driver],
        })
        self._write("driver", {
            "qualification_no": ids.qualification_no, "risk_taking": drivers.risk_taking, "skill": drivers.skill,
        })
        self._write("city", {
            "region_code": np.array([city.code for city in CITIES], dtype=object), "intensity": world.city_intensity,
        })

    def write_hours(self, hours: DrivingHours) -> None:
        """Write the fatigue hazard of every driving hour under the row identifier of its delivery."""
        pq.write_table(
            pa.table({"row_id": driving_hour_row_ids(hours), "hazard": pa.array(hours.hazard)}),
            self.folder / "driving_hour.parquet", compression="zstd",
        )

    def note(self, *events: Event) -> None:
        """Keep what was planted into the data, until the end."""
        self._events.extend(events)

    def close(self) -> None:
        """Write the planted events and finish the monthly file."""
        self._write("events", columns_of(self._events))
        if self._months is not None:
            self._months.close()

    def _write(self, name: str, columns: dict[str, Any]) -> None:
        pq.write_table(pa.table(columns), self.folder / f"{name}.parquet", compression="zstd")

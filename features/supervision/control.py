"""Road works, controlled toll stations and emergencies (annex resources 16 to 18): how each vehicle is concerned at an instant.

Grade 1: congestion or road works where it drives. Grade 2: closed for its trade. A vehicle is on a section when its road and stake
are; at a toll station when it is near. Which side of a divided road is concerned is not looked at: both are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from registry.supervision.rules import TRADES, Trade

if TYPE_CHECKING:
    from features.live.road_map import RoadMap
    from features.warehouse import Warehouse

FloatArray = npt.NDArray[np.float64]
RESOURCES: Final = ("roadworks_event", "toll_control", "traffic_emergency")
STATION_KM: Final = 2.0
"""A vehicle so near to a controlled station is taken to be at it. [A]"""
MARGIN_KM: Final = 2.0
"""A section is felt so far beyond its ends. [A]"""
OPEN_ENDED_S: Final = 43_200
"""An event without any end is taken to last so long. [A]"""
CONGESTION: Final = 1.0
CLOSED: Final = 2.0
_KM_PER_DEG: Final = 111.195
_TRUCKS: Final[frozenset[Trade]] = frozenset({"freight", "hazmat"})
_CLOSED_FOR: Final[dict[str, frozenset[Trade]]] = {
    "1": frozenset(TRADES), "3": _TRUCKS, "4": frozenset({"hazmat"}),
}
"""管制类型 -> trades that may not pass; metered and diverted stations are congestion. [G]"""


@dataclass(frozen=True, kw_only=True)
class ControlEvent:
    """An event that concerns vehicles.

    Parameters
    ----------
    event_id
        Its id.
    from_s, to_s
        When it holds, epoch seconds.
    road_code, begin_km, end_km
        Section; an empty code where it is a place.
    lon_deg, lat_deg
        Place; not-a-number where it is a section.
    grades
        Grade by trade.
    """

    event_id: str
    from_s: int
    to_s: int
    road_code: str
    begin_km: float
    end_km: float
    lon_deg: float
    lat_deg: float
    grades: Mapping[Trade, float]


def control_events(resource: str, rows: Sequence[Mapping[str, Any]]) -> list[ControlEvent]:
    """Return the events of rows, of each its newest one; those without a time or a place are left out."""
    newest: dict[str, Mapping[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row["arrived_at"], row["row_id"])):
        newest[row["event_id"]] = row
    found = [_event(resource, row) for row in newest.values() if not row["withdrawn"]]
    return sorted((one for one in found if one is not None), key=lambda one: one.event_id)


def read_control_events(warehouse: Warehouse) -> list[ControlEvent]:
    """Return all events that the warehouse knows."""
    import pyarrow.parquet as pq

    found: list[ControlEvent] = []
    for resource in RESOURCES:
        found += control_events(resource, [row for path in warehouse.files(resource) for row in pq.read_table(path).to_pylist()])
    return found


class ControlZones:
    """Says how vehicles are concerned.

    Parameters
    ----------
    roads
        Map of the roads.
    events
        Events.
    """

    def __init__(self, roads: RoadMap, events: Sequence[ControlEvent]) -> None:
        self._roads, self._events = roads, tuple(events)
        self._codes = np.array([road.code for road in roads.roads], dtype=object)

    def grades(
        self, at_s: int, lon_deg: FloatArray, lat_deg: FloatArray, trades: Sequence[Trade]
    ) -> FloatArray:
        """Return the grade of each vehicle, 0 where nothing concerns it; not-a-number where its place is unknown."""
        holding = [event for event in self._events if event.from_s <= at_s < event.to_s]
        found = np.where(np.isnan(lon_deg), np.nan, 0.0)
        if not holding:
            return found
        segment, km = self._roads.match(np.nan_to_num(lon_deg), np.nan_to_num(lat_deg))
        code = np.where(segment >= 0, self._codes[self._roads.road[np.maximum(segment, 0)]], "")
        of_trade = np.array(trades, dtype=object)
        for event in holding:
            here = (code == event.road_code) & (km >= event.begin_km - MARGIN_KM) & (km <= event.end_km + MARGIN_KM)
            if not event.road_code:
                east = (lon_deg - event.lon_deg) * np.cos(np.deg2rad(event.lat_deg))
                here = _KM_PER_DEG * np.hypot(east, lat_deg - event.lat_deg) <= STATION_KM
            for trade, grade in event.grades.items():
                found = np.where(here & (of_trade == trade), np.maximum(found, grade), found)
        return found


def _event(resource: str, row: Mapping[str, Any]) -> ControlEvent | None:
    start = row["start_time"] or row["found_time"]
    end = row["actual_end"] or row["expected_end"]
    if start is None or row.get("status") is None:
        return None
    from_s = _epoch(start)
    to_s = from_s + OPEN_ENDED_S if end is None else _epoch(end)
    section = row["road_code"] is not None and row["start_stake_km"] is not None
    begin, finish = sorted((row["start_stake_km"] or 0.0, row["end_stake_km"] or row["start_stake_km"] or 0.0))
    if resource == "traffic_emergency":
        begin, finish = begin - (row["queue_km"] or 0.0), finish + (row["queue_km"] or 0.0)
    # A control is of the station, whatever stretch of road it names.
    section = section and resource != "toll_control"
    if not section and (row["lon_deg"] is None or row["lat_deg"] is None):
        return None
    closed = _CLOSED_FOR.get(row.get("control_type") or "", frozenset()) if resource == "toll_control" else frozenset()
    return ControlEvent(
        event_id=row["event_id"], from_s=from_s, to_s=to_s, road_code=row["road_code"] if section else "", begin_km=begin,
        end_km=finish, lon_deg=np.nan if section else row["lon_deg"], lat_deg=np.nan if section else row["lat_deg"],
        grades={trade: CLOSED if trade in closed else CONGESTION for trade in TRADES},
    )


def _epoch(instant: datetime) -> int:
    return int(instant.timestamp())

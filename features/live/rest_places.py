"""Where a vehicle may legally rest next: the places of annex resources 12, 13 and 15 ahead of it, and how far along the road.

A vehicle goes on in the direction that it drives and does not turn round on a road; at the end of a road it may take every other
one that begins there, and turns where the road ends in the country. So the next place is the one that is reached first, whichever
way is taken: further off by every way than it says it is not, by the way taken it may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from features.live.road_map import RoadMap
from features.live.roster import Trade
from features.simulation.roads import Road
from features.warehouse import Warehouse

Way = tuple[int, bool]
"""A road by its number, and whether it is driven with its stakes."""

RESOURCES: Final = ("highway_rest_stop", "parking_area", "service_area")
HERE_KM: Final = 0.1
"""A place that lies no farther behind is still reached: that much a position and its stake are uncertain. [A]"""
OPEN: Final = "1"
"""设施状态 of a facility that is open."""
SPACES: Final[dict[Trade, str]] = {
    "freight": "truck_spaces", "hazmat": "hazmat_spaces", "passenger": "coach_spaces", "long_distance_coach": "coach_spaces",
}
"""Where a vehicle of a trade may stand; a place that does not tell how many such spaces it has counts as having some. [A]"""
_NEEDED: Final = ("road_code", "stake_km", "lon_deg", "lat_deg")
_UP, _DOWN = "1", "2"
"""方向: 1 for those who drive with the stakes, 2 against them, 3 or none for both. [G]"""


@dataclass(frozen=True)
class RestPlace:
    """A place of rest.

    Parameters
    ----------
    code, name, resource
        Its code and name, and the annex resource that it is of.
    road_code, stake_km
        Where on which road.
    lon_deg, lat_deg
        Position.
    direction
        Code of 方向, or empty.
    trades
        Who may rest there.
    """

    code: str
    name: str
    resource: str
    road_code: str
    stake_km: float
    lon_deg: float
    lat_deg: float
    direction: str
    trades: tuple[Trade, ...]


@dataclass(frozen=True)
class RestAhead:
    """The next place of rest of one vehicle.

    Parameters
    ----------
    place
        The place.
    distance_km
        How far; along the road where `along_road`, else as the crow flies, because the vehicle is on no known road.
    along_road
        Which of both it is.
    """

    place: RestPlace
    distance_km: float
    along_road: bool


def read_rest_places(warehouse: Warehouse) -> tuple[RestPlace, ...]:
    """Return the open places of rest that the warehouse knows now."""
    import pyarrow.parquet as pq

    found: list[RestPlace] = []
    for resource in RESOURCES:
        newest: dict[str, dict[str, Any]] = {}
        for path in warehouse.files(resource):
            for row in pq.read_table(path).to_pylist():
                held = newest.get(row["row_id"])
                if held is None or (held["arrived_at"], held["delivery_id"]) < (row["arrived_at"], row["delivery_id"]):
                    newest[row["row_id"]] = row
        found += places_of(resource, list(newest.values()))
    return tuple(sorted(found, key=lambda place: place.code))


def places_of(resource: str, rows: Sequence[dict[str, Any]]) -> list[RestPlace]:
    """Return the open places of rows, of each facility its newest one."""
    by_code: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row["updated_on"], row["arrived_at"])):
        by_code[row["facility_code"]] = row
    return [
        RestPlace(
            row["facility_code"], row["name"] or row["facility_code"], resource, row["road_code"], row["stake_km"], row["lon_deg"],
            row["lat_deg"], row["direction"] or "",
            tuple(trade for trade, spaces in SPACES.items() if row[spaces] is None or row[spaces] > 0),
        )
        for row in by_code.values()
        if row["status"] == OPEN and not row["withdrawn"] and all(row[name] is not None for name in _NEEDED)
    ]


class RestPlaces:
    """Finds the next place of rest.

    Parameters
    ----------
    roads
        Map of the roads.
    places
        Places of rest; those on no road of the map are found as the crow flies only.
    """

    def __init__(self, roads: RoadMap, places: Sequence[RestPlace]) -> None:
        self._map, self._places = roads, tuple(places)
        self._onward = _onward(roads)
        self._ways = list(self._onward)
        self._along = {trade: {way: self._on_way(trade, *way) for way in self._ways} for trade in SPACES}
        self._reach = {trade: self._reached(trade) for trade in SPACES}

    def ahead(
        self, trade: Trade, lon_deg: float, lat_deg: float, heading_deg: float
    ) -> RestAhead | None:
        """Return the next place for a vehicle that drives in a direction (degrees from north); None where there is none."""
        segment, km = self._map.match(np.array([lon_deg]), np.array([lat_deg]))
        if segment[0] < 0:
            return self._as_the_crow_flies(trade, lon_deg, lat_deg)
        ends = self._map.ends[segment[0]]
        east, north = (ends[2] - ends[0]) * np.cos(np.deg2rad(lat_deg)), ends[3] - ends[1]
        upwards = east * np.sin(np.deg2rad(heading_deg)) + north * np.cos(np.deg2rad(heading_deg)) >= 0.0
        road = int(self._map.road[segment[0]])
        found = self._on_road(trade, road, bool(upwards), float(km[0]))
        return found or self._as_the_crow_flies(trade, lon_deg, lat_deg)

    def _on_road(self, trade: Trade, road: int, upwards: bool, km: float) -> RestAhead | None:
        length = self._map.roads[road].length_km
        gone = km if upwards else length - km
        for at, place in self._along[trade][road, upwards]:
            if at >= gone - HERE_KM:
                return RestAhead(place, max(at - gone, 0.0), True)
        way = self._beyond(self._reach[trade], (road, upwards))
        return None if way is None else RestAhead(way[1], length - gone + way[0], True)

    def _on_way(self, trade: Trade, road: int, upwards: bool) -> list[tuple[float, RestPlace]]:
        """Return the places on a road in the order in which they are reached, with the distance from where it is entered."""
        of, wrong = self._map.roads[road], _DOWN if upwards else _UP
        found = [
            (place.stake_km if upwards else of.length_km - place.stake_km, place)
            for place in self._places
            if place.road_code == of.code and trade in place.trades and place.direction != wrong
        ]
        return sorted(found, key=lambda item: item[0])

    def _reached(self, trade: Trade) -> dict[Way, tuple[float, RestPlace]]:
        """Return for each road and direction how far the first place is from where it is entered."""
        best = {way: places[0] for way, places in self._along[trade].items() if places}
        changed = True
        while changed:
            changed = False
            for way in self._ways:
                found = None if self._along[trade][way] else self._beyond(best, way)
                if found is None:
                    continue
                distance = self._map.roads[way[0]].length_km + found[0]
                if way not in best or distance < best[way][0] - 1e-9:
                    best[way], changed = (distance, found[1]), True
        return best

    def _beyond(self, best: dict[Way, tuple[float, RestPlace]], way: Way) -> tuple[float, RestPlace] | None:
        """Return the first place behind the end of a road."""
        found = [best[onward] for onward in self._onward[way] if onward in best]
        return min(found, key=lambda item: (item[0], item[1].code)) if found else None

    def _as_the_crow_flies(self, trade: Trade, lon_deg: float, lat_deg: float) -> RestAhead | None:
        usable = [place for place in self._places if trade in place.trades]
        if not usable:
            return None
        east = (np.array([p.lon_deg for p in usable]) - lon_deg) * np.cos(np.deg2rad(lat_deg))
        away = 111.195 * np.hypot(east, np.array([p.lat_deg for p in usable]) - lat_deg)
        nearest = int(np.argmin(away))
        return RestAhead(usable[nearest], float(away[nearest]), False)


def _onward(roads: RoadMap) -> dict[Way, list[Way]]:
    """Return for each road and direction those that begin where it ends; the way back where none does."""
    begins: dict[tuple[float, float], list[Way]] = {}
    for number, road in enumerate(roads.roads):
        for upwards in (True, False):
            begins.setdefault(_end(road, at_end=not upwards), []).append((number, upwards))
    return {
        (number, upwards): [way for way in begins[_end(road, at_end=upwards)] if way[0] != number] or [(number, not upwards)]
        for number, road in enumerate(roads.roads) for upwards in (True, False)
    }


def _end(road: Road, *, at_end: bool) -> tuple[float, float]:
    place = -1 if at_end else 0
    return round(float(road.lon[place]), 6), round(float(road.lat[place]), 6)

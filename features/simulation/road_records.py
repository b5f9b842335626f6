"""Roadside facilities (#12 to #15) and toll flows (#10, #11) as the road network has them.

Places, names and stakes come from the network; what it does not know (lanes, parking spaces) stays as it was drawn.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import numpy as np

from features.simulation.cities import CITIES
from features.simulation.clock import around_spring_festival, weekday
from features.simulation.roads import Facility, road_network
from features.simulation.streams import Stream, generator

KINDS: Final = {
    "highway_rest_stop": "rest_stop", "parking_area": "parking_area", "toll_station": "toll_station",
    "service_area": "service_area",
}
"""Resource -> kind of facility."""
FLOWS: Final = ("toll_entry_flow", "toll_exit_flow")
VEHICLES_PER_HOUR: Final = 420.0
"""At a toll station of a city with the mean weight, all classes, by day. [A]"""
ETC_SHARE: Final = 0.68
CLASS_SHARE: Final = 0.1
"""One toll class of about ten. [A]"""
HOURS: Final = np.r_[np.linspace(0.35, 0.25, 6), np.linspace(0.7, 1.4, 4), np.full(9, 1.3), np.linspace(1.1, 0.4, 5)]
"""Traffic by hour of the day over its mean. [A]"""


def facilities_of(resource_id: str) -> tuple[Facility, ...]:
    """Return the facilities that a resource lists; none for other resources."""
    return road_network().of_kind(KINDS[resource_id]) if resource_id in KINDS else ()


def placed(resource_id: str, rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return drawn rows of a facility resource with the places of the network, one per facility, in its order."""
    facilities = facilities_of(resource_id)
    roads = {road.code: road.zh for road in (*road_network().links, *(r for rs in road_network().local for r in rs))}
    key = "station_code" if resource_id == "toll_station" else "facility_code"
    return rows | {
        key: [item.code for item in facilities], "name": [item.zh for item in facilities],
        "road_code": [item.road for item in facilities], "road_name": [roads[item.road] for item in facilities],
        "stake_km": [round(item.km, 1) for item in facilities], "region_code": [CITIES[item.city].code for item in facilities],
        "lon_deg": [round(item.lon, 6) for item in facilities], "lat_deg": [round(item.lat, 6) for item in facilities],
    }


def counted_flow(seed: int, resource_id: str, rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return drawn rows of a toll flow with the stations' names and traffic that follows city, hour, week and festival."""
    station = {item.code: item for item in facilities_of("toll_station")}
    found = [station[code] for code in rows["station_code"]]
    days = np.array([_day(value) for value in rows["stat_date"]], dtype="datetime64[D]")
    weight = np.array([CITIES[item.city].weight for item in found]) * len(CITIES)
    factor = HOURS[np.array(rows["stat_hour"], dtype=np.int64)] * np.where(weekday(days) >= 5, 1.12, 0.95)
    # Freight rests at the festival, but everybody goes home.
    factor *= np.where(around_spring_festival(days, before_d=6, after_d=9), 1.5, 1.0)
    rng = generator(seed, Stream.SAMPLES, 10 + FLOWS.index(resource_id))
    vehicles = rng.poisson(VEHICLES_PER_HOUR * CLASS_SHARE * weight * factor)
    return rows | {
        "station_name": [item.zh for item in found], "road_code": [item.road for item in found],
        "n_vehicles": vehicles.tolist(), "n_etc": rng.binomial(vehicles, ETC_SHARE).tolist(),
    }


def _day(value: date) -> np.datetime64:
    return np.datetime64(value, "D")

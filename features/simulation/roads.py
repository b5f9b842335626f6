"""A made-up road network of the province: expressways between its cities, ordinary roads around them, what stands on them.

Cities lie where they lie; everything else is invented and says so: codes start with ``M`` (模拟), curves are sine waves. The
network is the same for every seed. A road is a polyline with the kilometres along it; `routes` joins roads to routes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.cities import CITIES

FloatArray = npt.NDArray[np.floating[Any]]

URBAN, ORDINARY, EXPRESSWAY = 0, 1, 2
ROAD_CLASSES: Final = ("urban", "ordinary", "expressway")
SPEED_CAPS_KMH: Final = (50.0, 70.0, 100.0)
"""By road class; heavy vehicles on expressways 100, ordinary roads 70 (实施条例 Art. 45, 78)."""

KM_PER_DEG: Final = 111.2
VERTEX_KM: Final = 2.0
ACCESS_KM: Final = 11.0
"""From the middle of a city to its interchange. [A]"""
URBAN_KM: Final = 4.0
SERVICE_AREA_EVERY_KM: Final = 50.0
LOCAL_ROADS: Final = 6
"""Ordinary roads that leave each city. [A]"""
LINKED_CITIES: Final = (
    (0, 3), (0, 1), (3, 1), (1, 10), (10, 5), (5, 0), (0, 9), (9, 5), (0, 4), (4, 8), (8, 2), (4, 7), (9, 7), (7, 6),
    (9, 6), (1, 5),
)
"""Pairs of cities (indices of `CITIES`) with an expressway between them."""


@dataclass(frozen=True)
class Road:
    """A stretch of road as a polyline, arrays of shape (n_vertices,).

    Parameters
    ----------
    code, zh
        Made-up code and name.
    start, end
        City indices; a local road ends in the country of its own city.
    lon, lat
        WGS-84 degrees.
    km
        Kilometres from the start along the road (桩号).
    road_class
        Class of the segment that begins at each vertex: index of `ROAD_CLASSES`.
    """

    code: str
    zh: str
    start: int
    end: int
    lon: FloatArray
    lat: FloatArray
    km: FloatArray
    road_class: npt.NDArray[np.int64]

    @property
    def length_km(self) -> float:
        """Length."""
        return float(self.km[-1])

    def at(self, km: float) -> tuple[float, float]:
        """Return longitude and latitude at a stake."""
        return float(np.interp(km, self.km, self.lon)), float(np.interp(km, self.km, self.lat))


@dataclass(frozen=True)
class Facility:
    """Something that stands on a road.

    Parameters
    ----------
    kind
        ``toll_station``, ``service_area``, ``parking_area``, ``rest_stop`` (公路驿站) or ``weigh_station`` (治超站).
    code, zh
        Made-up code and name.
    road
        Code of its road.
    km
        Stake.
    lon, lat
        WGS-84 degrees.
    city
        Index of the city it belongs to.
    """

    kind: str
    code: str
    zh: str
    road: str
    km: float
    lon: float
    lat: float
    city: int


@dataclass(frozen=True)
class RoadNetwork:
    """All roads of the province.

    Parameters
    ----------
    links
        Expressways, in the order of `LINKED_CITIES`; each runs from interchange to interchange.
    access
        By city: from its middle to its interchange.
    local
        By city: ordinary roads from its middle into the country.
    facilities
        What stands on them, ordered by road and stake.
    """

    links: tuple[Road, ...]
    access: tuple[Road, ...]
    local: tuple[tuple[Road, ...], ...]
    facilities: tuple[Facility, ...]

    def of_kind(self, kind: str) -> tuple[Facility, ...]:
        """Return the facilities of a kind."""
        return tuple(item for item in self.facilities if item.kind == kind)

    def path(self, start: int, end: int) -> tuple[tuple[Road, bool], ...]:
        """Return the shortest way by expressway: links and whether each is driven backwards."""
        return _shortest(self.links, start)[end]


@lru_cache(maxsize=1)
def road_network() -> RoadNetwork:
    """Return the network; it does not depend on any seed."""
    gates = [_gate(city) for city in range(len(CITIES))]
    links = tuple(_link(number, *pair, gates) for number, pair in enumerate(LINKED_CITIES))
    access = tuple(_access(city, gates[city]) for city in range(len(CITIES)))
    local = tuple(tuple(_local(city, number) for number in range(LOCAL_ROADS)) for city in range(len(CITIES)))
    facilities = [item for number, link in enumerate(links) for item in _on_link(number, link)]
    facilities += [item for roads in local for number, road in enumerate(roads) for item in _on_local(number, road)]
    return RoadNetwork(links, access, local, tuple(facilities))


def distance_km(lon: FloatArray, lat: FloatArray) -> FloatArray:
    """Return the lengths of a polyline's segments, shape (n_vertices - 1,), on a locally flat earth."""
    middle = np.cos(np.deg2rad((lat[1:] + lat[:-1]) / 2.0))
    result: FloatArray = KM_PER_DEG * np.hypot(np.diff(lon) * middle, np.diff(lat))
    return result


def _moved(lon: float, lat: float, bearing_rad: float, km: float) -> tuple[float, float]:
    north = km * np.cos(bearing_rad) / KM_PER_DEG
    east = km * np.sin(bearing_rad) / KM_PER_DEG / np.cos(np.deg2rad(lat))
    return lon + float(east), lat + float(north)


def _gate(city: int) -> tuple[float, float]:
    """Return the interchange of a city: on the side of the province's middle."""
    here = CITIES[city]
    east = float(np.mean([c.lon for c in CITIES])) - here.lon
    north = float(np.mean([c.lat for c in CITIES])) - here.lat
    return _moved(here.lon, here.lat, float(np.arctan2(east, north)), ACCESS_KM - 1.5)


def _curve(
    start: tuple[float, float], end: tuple[float, float], phase: float, bend: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a winding line between two points and the kilometres along it; `bend` is its swing as a share of length."""
    straight = float(distance_km(np.array([start[0], end[0]]), np.array([start[1], end[1]]))[0])
    share = np.linspace(0.0, 1.0, max(int(straight / VERTEX_KM), 4) + 1)
    swing = bend * np.sin(np.pi * share) * (np.sin(2.0 * np.pi * share + phase) + 0.4 * np.sin(7.0 * np.pi * share + 2 * phase))
    d_lon, d_lat = end[0] - start[0], end[1] - start[1]
    squeeze = np.cos(np.deg2rad(start[1]))
    lon = start[0] + share * d_lon - swing * d_lat / squeeze
    lat = start[1] + share * d_lat + swing * d_lon * squeeze
    return lon, lat, np.r_[0.0, np.cumsum(distance_km(lon, lat))]


def _link(number: int, start: int, end: int, gates: list[tuple[float, float]]) -> Road:
    lon, lat, km = _curve(gates[start], gates[end], phase=1.7 * number, bend=0.09)
    zh = f"模拟{CITIES[start].zh.removesuffix('市')}{CITIES[end].zh.removesuffix('市')}高速"
    return Road(f"MG{number + 1:02d}", zh, start, end, lon, lat, km, np.full(len(km), EXPRESSWAY))


def _access(city: int, gate: tuple[float, float]) -> Road:
    lon, lat, km = _curve((CITIES[city].lon, CITIES[city].lat), gate, phase=0.9 * city, bend=0.15)
    road_class = np.where(km < URBAN_KM, URBAN, ORDINARY)
    return Road(f"MA{city + 1:02d}", f"模拟{CITIES[city].zh}连接线", city, city, lon, lat, km, road_class)


def _local(city: int, number: int) -> Road:
    here, serial = CITIES[city], LOCAL_ROADS * city + number
    bearing = 2.0 * np.pi * (number + 0.37 * city) / LOCAL_ROADS
    far = _moved(here.lon, here.lat, float(bearing), 14.0 + 9.5 * number)
    lon, lat, km = _curve((here.lon, here.lat), far, phase=1.3 * serial, bend=0.14)
    road_class = np.where(km < URBAN_KM, URBAN, ORDINARY)
    return Road(f"MS{serial + 1:03d}", f"模拟{here.zh}{number + 1}号公路", city, city, lon, lat, km, road_class)


def _on_link(number: int, link: Road) -> list[Facility]:
    stakes: list[tuple[str, str, float]] = [("toll_station", "收费站", 0.8), ("toll_station", "收费站", link.length_km - 0.8)]
    pauses = max(int(link.length_km // SERVICE_AREA_EVERY_KM), 1)
    stakes += [("service_area", "服务区", link.length_km * (index + 0.5) / pauses) for index in range(pauses)]
    stakes.append(("parking_area", "停车区", link.length_km * 0.3))
    if number % 3 != 1:
        stakes.append(("weigh_station", "治超站", link.length_km * 0.62))
    return _facilities(link, stakes)


def _on_local(number: int, road: Road) -> list[Facility]:
    stakes = [("rest_stop", "公路驿站", road.length_km * 0.55)]
    if (number + road.start) % 3 == 0:
        stakes.append(("weigh_station", "治超站", road.length_km * 0.4))
    return _facilities(road, stakes)


def _facilities(road: Road, stakes: list[tuple[str, str, float]]) -> list[Facility]:
    made = []
    for index, (kind, zh, km) in enumerate(sorted(stakes, key=lambda item: item[2])):
        lon, lat = road.at(km)
        city = road.start if km <= road.length_km / 2.0 else road.end
        made.append(Facility(kind, f"{road.code}-{index + 1:02d}", f"{road.zh}K{int(km):03d}{zh}", road.code, km, lon, lat, city))
    return made


@cache
def _ways(lengths: tuple[float, ...], start: int) -> dict[int, tuple[tuple[int, bool], ...]]:
    """Return for every city the shortest way from one: numbers of links and whether each is driven backwards."""
    best: dict[int, tuple[float, tuple[tuple[int, bool], ...]]] = {start: (0.0, ())}
    for _ in range(len(CITIES)):
        for number, pair in enumerate(LINKED_CITIES):
            for here, there, backwards in ((*pair, False), (*pair[::-1], True)):
                if here not in best:
                    continue
                total = best[here][0] + lengths[number]
                if there not in best or total < best[there][0] - 1e-9:
                    best[there] = (total, (*best[here][1], (number, backwards)))
    return {city: way for city, (_, way) in best.items()}


def _shortest(links: tuple[Road, ...], start: int) -> dict[int, tuple[tuple[Road, bool], ...]]:
    ways = _ways(tuple(link.length_km for link in links), start)
    return {city: tuple((links[number], backwards) for number, backwards in way) for city, way in ways.items()}

"""Routes over the road network: which ones a vehicle usually drives, and where it is at a distance along one.

From every city lead routes to all other cities by expressway and routes on its ordinary roads; a vehicle drives a route to
its end and back, again and again, as far as the day goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.cities import CITIES
from features.simulation.roads import LOCAL_ROADS, SPEED_CAPS_KMH, Road, road_network
from features.simulation.streams import Stream, generator
from features.simulation.world import World

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

N_USUAL: Final = 3
USUAL_SHARES: Final = (0.60, 0.28, 0.12)
"""How often a vehicle drives its first, second and third usual route. [A]"""
ROUTES_PER_CITY: Final = len(CITIES) - 1 + LOCAL_ROADS
_STRIDE_KM: Final = 10_000.0


@dataclass(frozen=True)
class Routes:
    """All routes, one after the other; vertex arrays have shape (n_vertices,), route arrays (n_routes,).

    Route ``city * ROUTES_PER_CITY + i`` starts in that city.

    Parameters
    ----------
    lon, lat, km, heading_deg, road_class
        By vertex; heading and class are those of the segment that begins there.
    key
        ``route * 10000 + km``, ascending: finds the segment of a distance.
    length_km
        Length by route.
    first
        First vertex by route.
    destination
        City by route (its own for ordinary roads).
    weigh_stations
        Weigh stations passed by route, one way.
    """

    lon: FloatArray
    lat: FloatArray
    km: FloatArray
    heading_deg: FloatArray
    road_class: IntArray
    key: FloatArray
    length_km: FloatArray
    first: IntArray
    destination: IntArray
    weigh_stations: IntArray


@dataclass(frozen=True)
class RoadPoints:
    """Points on routes, arrays of shape (n,): degrees, degrees clockwise from north, road class, km/h."""

    lon: FloatArray
    lat: FloatArray
    heading_deg: FloatArray
    road_class: IntArray
    speed_cap_kmh: FloatArray


@lru_cache(maxsize=1)
def all_routes() -> Routes:
    """Return the routes of the network."""
    network = road_network()
    weigh = {road: sum(item.road == road for item in network.of_kind("weigh_station"))
             for road in {item.road for item in network.facilities}}
    parts, destinations, stations = [], [], []
    for city in range(len(CITIES)):
        for other in (index for index in range(len(CITIES)) if index != city):
            way = [(network.access[city], False), *network.path(city, other), (network.access[other], True)]
            parts.append(_joined(way))
            destinations.append(other)
            stations.append(sum(weigh.get(road.code, 0) for road, _ in way))
        for road in network.local[city]:
            parts.append(_joined([(road, False)]))
            destinations.append(city)
            stations.append(weigh.get(road.code, 0))
    sizes = np.array([len(part["km"]) for part in parts])
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    route = np.repeat(np.arange(len(parts)), sizes)
    return Routes(
        **columns, key=route * _STRIDE_KM + columns["km"], length_km=np.array([part["km"][-1] for part in parts]),
        first=np.r_[0, np.cumsum(sizes)[:-1]], destination=np.array(destinations), weigh_stations=np.array(stations),
    )


def _joined(way: list[tuple[Road, bool]]) -> dict[str, npt.NDArray[Any]]:
    """Return roads driven one after the other as one polyline."""
    lon, lat, km, road_class, done = [], [], [], [], 0.0
    for road, backwards in way:
        step = slice(None, None, -1) if backwards else slice(None)
        along = road.length_km - road.km[::-1] if backwards else road.km
        # A segment belongs to the vertex it begins at: driven backwards, to the other one.
        classes = np.r_[road.road_class[-2::-1], road.road_class[:1]] if backwards else road.road_class
        keep = slice(0, -1)
        lon.append(road.lon[step][keep])
        lat.append(road.lat[step][keep])
        km.append(done + along[keep])
        road_class.append(classes[keep])
        done += road.length_km
    last, backwards = way[-1]
    lon.append(last.lon[:1] if backwards else last.lon[-1:])
    lat.append(last.lat[:1] if backwards else last.lat[-1:])
    km.append(np.array([done]))
    road_class.append(road_class[-1][-1:])
    columns = {"lon": np.concatenate(lon), "lat": np.concatenate(lat), "km": np.concatenate(km)}
    return columns | {"road_class": np.concatenate(road_class), "heading_deg": _headings(columns["lon"], columns["lat"])}


def _headings(lon: FloatArray, lat: FloatArray) -> FloatArray:
    east = np.diff(lon) * np.cos(np.deg2rad(lat[:-1]))
    heading = np.rad2deg(np.arctan2(east, np.diff(lat))) % 360.0
    result: FloatArray = np.r_[heading, heading[-1:]]
    return result


def route_geometry(route: IntArray, travelled_km: FloatArray) -> RoadPoints:
    """Return where vehicles are that travelled so far on their routes, to and fro.

    Parameters
    ----------
    route
        Route of each point, shape (n,).
    travelled_km
        Kilometres since the start of the route, not negative, shape (n,); beyond the end the vehicle drives back.
    """
    routes = all_routes()
    length = routes.length_km[route]
    phase = np.asarray(travelled_km, dtype=np.float64) % (2.0 * length)
    back = phase > length
    along = np.where(back, 2.0 * length - phase, phase)
    vertex = np.searchsorted(routes.key, route * _STRIDE_KM + along, side="right") - 1
    last = routes.first[route] + _vertices(routes)[route] - 2
    vertex = np.clip(vertex, routes.first[route], last)
    share = (along - routes.km[vertex]) / (routes.km[vertex + 1] - routes.km[vertex])
    road_class = routes.road_class[vertex]
    return RoadPoints(
        lon=routes.lon[vertex] + share * (routes.lon[vertex + 1] - routes.lon[vertex]),
        lat=routes.lat[vertex] + share * (routes.lat[vertex + 1] - routes.lat[vertex]),
        heading_deg=(routes.heading_deg[vertex] + np.where(back, 180.0, 0.0)) % 360.0, road_class=road_class,
        speed_cap_kmh=np.array(SPEED_CAPS_KMH)[road_class],
    )


def vertices_of(route: int) -> FloatArray:
    """Return longitude and latitude of a route's vertices, shape (n, 2)."""
    routes = all_routes()
    span = slice(int(routes.first[route]), int(routes.first[route] + _vertices(routes)[route]))
    return np.stack([routes.lon[span], routes.lat[span]], axis=1)


def _vertices(routes: Routes) -> IntArray:
    result: IntArray = np.diff(np.r_[routes.first, len(routes.km)])
    return result


def usual_routes(world: World) -> npt.NDArray[np.int64]:
    """Return the usual routes of every vehicle, most driven first, shape (n_vehicles, 3).

    Drawn from the routes of the home city: the nearer half a day's kilometres are to a route's length and the larger its
    destination, the likelier. Vehicles with short days drive ordinary roads.
    """
    routes, rng, n = all_routes(), generator(world.seed, Stream.ROADS), len(world.vehicles)
    day_km = world.vehicles.annual_km / 365.25 / world.class_values("active_rate")
    weight = np.array([city.weight for city in CITIES])
    score = rng.gumbel(size=(n, ROUTES_PER_CITY)).astype(np.float32)
    base = world.vehicle_city.astype(np.int64) * ROUTES_PER_CITY
    for index in range(ROUTES_PER_CITY):
        route = base + index
        misfit = np.abs(np.log(routes.length_km[route] / (0.5 * day_km)))
        score[:, index] += -1.5 * misfit + 0.5 * np.log(weight[routes.destination[route]])
    best = np.argpartition(-score, N_USUAL, axis=1)[:, :N_USUAL]
    order = np.argsort(-np.take_along_axis(score, best, axis=1), axis=1, kind="stable")
    result: npt.NDArray[np.int64] = base[:, None] + np.take_along_axis(best, order, axis=1)
    return result


def weigh_station_exposure(world: World) -> npt.NDArray[np.float64]:
    """Return how near each vehicle's usual routes pass weigh stations, mean 1, shape (n_vehicles,).

    A quarter of it is the same for everybody: mobile inspections (流动治超) stand anywhere. [A]
    """
    routes = all_routes()
    per_100_km = 100.0 * routes.weigh_stations / np.maximum(routes.length_km, 20.0)
    passed = per_100_km[usual_routes(world)] @ np.array(USUAL_SHARES)
    result: npt.NDArray[np.float64] = 0.25 + 0.75 * passed / max(float(passed.mean()), 1e-9)
    return result

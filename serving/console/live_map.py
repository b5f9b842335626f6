"""The province under the dots: its roads as lines in millionths of a degree, its cities, and the places where one may rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from features.simulation.cities import CITIES
from features.simulation.roads import ROAD_CLASSES, road_network

if TYPE_CHECKING:
    from features.simulation.roads import Road

REST: Final = ("service_area", "parking_area", "highway_rest_stop")
"""Kinds of facilities that are drawn, in this order of their numbers."""
OPEN: Final = "1"


@cache
def lines() -> list[tuple[int, list[int]]]:
    """Return (class of road, longitude and latitude of each vertex in turn); a line ends where the class changes."""
    network = road_network()
    roads = (*network.links, *network.access, *(road for roads in network.local for road in roads))
    return sorted((line for road in roads for line in _of_one_class(road)), key=lambda line: line[0])


def geometry(places: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the map is drawn from; `places` are facilities of the dossier, open ones of `REST` are drawn."""
    shown = [
        [REST.index(one["resource"]), round(1e6 * one["lon_deg"]), round(1e6 * one["lat_deg"]), one["name"] or ""]
        for one in places
        if one["resource"] in REST and one["status"] == OPEN and one["lon_deg"] is not None and one["lat_deg"] is not None
    ]
    return {
        "classes": ROAD_CLASSES, "roads": lines(), "rest": sorted(shown),
        "cities": [[round(1e6 * city.lon), round(1e6 * city.lat), city.zh.removesuffix("市"), city.weight] for city in CITIES],
    }


def _of_one_class(road: Road) -> list[tuple[int, list[int]]]:
    # The class of a segment is that of the vertex at which it begins.
    points = np.stack([np.rint(1e6 * road.lon), np.rint(1e6 * road.lat)], axis=1).astype(np.int64)
    cuts = [0, *(np.flatnonzero(np.diff(road.road_class[:-1])) + 1).tolist(), len(points) - 1]
    return [
        (int(road.road_class[begin]), points[begin:end + 1].ravel().tolist())
        for begin, end in pairwise(cuts)
    ]

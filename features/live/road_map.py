"""On which road a position lies: the nearest segment within some hundred metres, found over a grid, compiled by numba.

The roads are those of the simulated province (`features.simulation.roads`), the only network that the platform has; a real one
needs no more than the same arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.live.compiled import kernel
from features.simulation.roads import KM_PER_DEG, Road, road_network

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MATCH_KM: Final = 0.3
"""A position farther from every road lies on none. [A]"""
CELL_DEG: Final = 0.02
_MARGIN_DEG: Final = 0.004
"""More than `MATCH_KM` in every direction at these latitudes."""


@dataclass(frozen=True)
class RoadMap:
    """Roads as segments, and which of them pass each cell of a grid.

    Parameters
    ----------
    roads
        The roads.
    ends
        (n_segments, 4): longitude and latitude of both ends.
    along_km
        (n_segments, 2): stake of both ends.
    road, road_class
        (n_segments,): place among `roads`, and class.
    origin, shape
        South-western corner of the grid in degrees, cells from west to east and from south to north.
    first, listed
        Segments that pass cell c are `listed[first[c]:first[c + 1]]`.
    """

    roads: tuple[Road, ...]
    ends: FloatArray
    along_km: FloatArray
    road: IntArray
    road_class: IntArray
    origin: tuple[float, float]
    shape: tuple[int, int]
    first: IntArray
    listed: IntArray

    def match(self, lon_deg: FloatArray, lat_deg: FloatArray) -> tuple[IntArray, FloatArray]:
        """Return segment (-1 on no road) and stake in km of positions, shape (n,) each."""
        segment, km = np.full(len(lon_deg), -1, np.int64), np.zeros(len(lon_deg))
        match_positions(
            lon_deg, lat_deg, self.ends, self.along_km, self.origin, self.shape, self.first, self.listed, segment, km
        )
        return segment, km

    def classes(self, lon_deg: FloatArray, lat_deg: FloatArray) -> npt.NDArray[np.uint8]:
        """Return the class of the road of each position plus one, 0 on no road: as `LiveFold.apply` takes it."""
        segment, _ = self.match(lon_deg, lat_deg)
        return np.where(segment >= 0, self.road_class[segment] + 1, 0).astype(np.uint8)


@kernel
def match_positions(lon_deg, lat_deg, ends, along_km, origin, shape, first, listed, segment, km):  # type: ignore[no-untyped-def]
    """Fill the nearest segment and the stake on it."""
    for i in range(len(lon_deg)):
        lon, lat = lon_deg[i], lat_deg[i]
        east, north = int((lon - origin[0]) / CELL_DEG), int((lat - origin[1]) / CELL_DEG)
        if lon < origin[0] or lat < origin[1] or east >= shape[0] or north >= shape[1]:
            continue
        squeeze = math.cos(math.radians(lat))
        nearest = MATCH_KM
        cell = north * shape[0] + east
        for place in range(first[cell], first[cell + 1]):
            s = listed[place]
            dx, dy = (ends[s, 2] - ends[s, 0]) * squeeze, ends[s, 3] - ends[s, 1]
            px, py = (lon - ends[s, 0]) * squeeze, lat - ends[s, 1]
            share = min(max((px * dx + py * dy) / (dx * dx + dy * dy), 0.0), 1.0)
            away = KM_PER_DEG * math.hypot(px - share * dx, py - share * dy)
            if away < nearest:
                nearest, segment[i] = away, s
                km[i] = along_km[s, 0] + share * (along_km[s, 1] - along_km[s, 0])


@lru_cache(maxsize=1)
def road_map() -> RoadMap:
    """Return the map of the simulated province."""
    network = road_network()
    return map_of((*network.links, *network.access, *(road for roads in network.local for road in roads)))


def map_of(roads: tuple[Road, ...]) -> RoadMap:
    """Return the map of some roads."""
    ends = np.concatenate([np.stack([r.lon[:-1], r.lat[:-1], r.lon[1:], r.lat[1:]], axis=1) for r in roads])
    along = np.concatenate([np.stack([r.km[:-1], r.km[1:]], axis=1) for r in roads])
    road = np.repeat(np.arange(len(roads)), [len(r.km) - 1 for r in roads])
    classes = np.concatenate([r.road_class[:-1] for r in roads])
    west, south = ends[:, [0, 2]].min() - _MARGIN_DEG, ends[:, [1, 3]].min() - _MARGIN_DEG
    east, north = ends[:, [0, 2]].max() + _MARGIN_DEG, ends[:, [1, 3]].max() + _MARGIN_DEG
    shape = (int((east - west) / CELL_DEG) + 1, int((north - south) / CELL_DEG) + 1)
    first, listed = _listed(ends, (west, south), shape)
    return RoadMap(roads, ends, along, road, classes, (float(west), float(south)), shape, first, listed)


def _listed(ends: FloatArray, origin: tuple[float, float], shape: tuple[int, int]) -> tuple[IntArray, IntArray]:
    def cells(low: Any, high: Any, start: float) -> Any:
        return np.floor((low - _MARGIN_DEG - start) / CELL_DEG), np.floor((high + _MARGIN_DEG - start) / CELL_DEG)

    found: list[tuple[int, int]] = []
    for segment, (lon, lat, to_lon, to_lat) in enumerate(ends.tolist()):
        west, east = cells(min(lon, to_lon), max(lon, to_lon), origin[0])
        south, north = cells(min(lat, to_lat), max(lat, to_lat), origin[1])
        for row in range(max(int(south), 0), min(int(north), shape[1] - 1) + 1):
            found += [(row * shape[0] + column, segment) for column in range(max(int(west), 0), min(int(east), shape[0] - 1) + 1)]
    pairs = np.array(sorted(found), dtype=np.int64)
    first = np.searchsorted(pairs[:, 0], np.arange(shape[0] * shape[1] + 1))
    return first.astype(np.int64), np.ascontiguousarray(pairs[:, 1])

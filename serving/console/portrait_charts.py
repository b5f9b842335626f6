"""Geometry of the pictures on the pages of a subject: a year of scores, dimensions among peers, hours of a day, a map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from registry.local_time import SHANGHAI

if TYPE_CHECKING:
    from serving.panel.peers import Peers
    from serving.panel.reader import EntityMonth

TREND_HEIGHT: Final = 190
_ROOM: Final = 24
RADAR: Final = 150
MAP_WIDTH: Final = 640
_KM_PER_DEG: Final = 111.2
_DAY_H: Final = 24.0


@dataclass(frozen=True, kw_only=True)
class Trend:
    """A year of scores: tiers as bands, months as marks.

    Parameters
    ----------
    bands
        (tier, y, height) in pixels from the top.
    marks
        (month's entry, x in per cent, y in pixels).
    lines
        (x1, y1, x2, y2, whether it begins in a reconstructed month).
    """

    bands: tuple[tuple[str, float, float], ...]
    marks: tuple[tuple[EntityMonth, float, float], ...]
    lines: tuple[tuple[float, float, float, float, bool], ...]


def trend(months: Sequence[EntityMonth], cut_points: Sequence[float]) -> Trend | None:
    """Return the picture of months, oldest first; None where none has a score."""
    scored = [one for one in months if one.points is not None]
    if not scored:
        return None
    met = [one.points for one in scored if one.points is not None] + [cut_points[0], cut_points[-1]]
    low, high = min(met) - 15, max(met) + 15

    def y(points: float) -> float:
        return round(_ROOM + (TREND_HEIGHT - 2 * _ROOM) * (high - points) / (high - low), 2)

    step = 100 / max(len(months), 1)
    marks = tuple(
        (one, round(step * (place + 0.5), 3), y(one.points)) for place, one in enumerate(months) if one.points is not None
    )
    edges = [low, *cut_points, high]
    bands = tuple(
        (tier, y(top), round(max(y(bottom) - y(top), 0.0), 2))
        for tier, bottom, top in zip(("blue", "yellow", "orange", "red"), edges, edges[1:], strict=False)
    )
    lines = tuple((a[1], a[2], b[1], b[2], a[0].reconstructed) for a, b in pairwise(marks))
    return Trend(bands=bands, marks=marks, lines=lines)


@dataclass(frozen=True, kw_only=True)
class Radar:
    """Dimensions of a score among peers, as polygons around a centre.

    Parameters
    ----------
    axes
        (group, x and y of its end, x and y of its label, anchor of the label).
    own, low, middle, high
        Points of the polygons as SVG writes them: the subject, and the quarter, half and three quarters of its peers.
    rings
        Radii of the rings, with the points that they stand for.
    """

    axes: tuple[tuple[str, float, float, float, float, str], ...]
    own: str
    low: str
    middle: str
    high: str
    rings: tuple[tuple[float, float], ...]


def radar(groups: Mapping[str, float], peers: Peers) -> Radar | None:
    """Return the picture; None for fewer than three dimensions, which make no polygon."""
    names = list(groups)
    if len(names) < 3:
        return None
    spans = {name: peers.groups[name] for name in names}
    values = [*groups.values(), *(value for one in spans.values() for value in (one[1], one[3]))]
    low, high = min(values), max(values)
    room = max((high - low) * 0.12, 1.0)
    low, high = low - room, high + room

    def at(place: int, points: float) -> tuple[float, float]:
        angle = 2 * math.pi * place / len(names) - math.pi / 2
        radius = RADAR * (points - low) / (high - low)
        return round(radius * math.cos(angle), 2), round(radius * math.sin(angle), 2)

    def polygon(of: Mapping[str, float]) -> str:
        return " ".join(f"{x},{y}" for x, y in (at(place, of[name]) for place, name in enumerate(names)))

    axes = []
    for place, name in enumerate(names):
        x, y = at(place, high)
        anchor = "middle" if abs(x) < 12 else ("start" if x > 0 else "end")
        axes.append((name, x, y, round(x * 1.08, 2), round(y * 1.1 + 4, 2), anchor))
    nice = [points for points in range(-200, 201, 20) if low < points < high]
    return Radar(
        axes=tuple(axes), own=polygon(groups), low=polygon({n: s[1] for n, s in spans.items()}),
        middle=polygon({n: s[2] for n, s in spans.items()}), high=polygon({n: s[3] for n, s in spans.items()}),
        rings=tuple((round(RADAR * (points - low) / (high - low), 2), points) for points in nice),
    )


@dataclass(frozen=True, kw_only=True)
class Day:
    """One day of driving: (x, width, state) of its hours in per cent of the day, and hours driven."""

    day: str
    parts: tuple[tuple[float, float, str], ...]
    drive_h: float


def day_strips(hours: Sequence[Mapping[str, Any]], *, until: datetime, days: int, run_limit_h: float) -> list[Day]:
    """Return the last days, newest first, each with its driving hours.

    An hour is `over` where the run without a rest had passed its limit, `tired` where the sleepiness of the Three-Process Model is
    7 or more, else `drive`. An hour that crosses midnight is on both days.
    """
    last = until.astimezone(SHANGHAI).date()
    found = []
    for back in range(days):
        day = last - timedelta(days=back)
        begin = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)
        parts, driven = [], 0.0
        for one in hours:
            start = (one["hour_start"] - begin).total_seconds() / 3600
            inside = min(start + 1.0, _DAY_H) - max(start, 0.0)
            if inside <= 0:
                continue
            driven += inside
            parts.append((round(100 * max(start, 0.0) / _DAY_H, 3), round(100 * inside / _DAY_H, 3), _state(one, run_limit_h)))
        found.append(Day(day=day.isoformat(), parts=tuple(parts), drive_h=driven))
    return found


def _state(hour: Mapping[str, Any], run_limit_h: float) -> str:
    if hour["cont_drive_h"] is not None and hour["cont_drive_h"] > run_limit_h:
        return "over"
    return "tired" if hour["kss"] is not None and hour["kss"] >= 7.0 else "drive"


@dataclass(frozen=True, kw_only=True)
class Map:
    """Roads and places of the province, in a plane of `MAP_WIDTH` by `height`.

    Parameters
    ----------
    roads
        Points of one line per road, as SVG writes them.
    places
        (facility, x, y) of those that are open.
    nearest
        (facility, x, y, km as the crow flies), the nearest first.
    here
        Where they are near to.
    """

    height: float
    roads: tuple[str, ...]
    places: tuple[tuple[Mapping[str, Any], float, float], ...]
    nearest: tuple[tuple[Mapping[str, Any], float, float, float], ...]
    here: tuple[float, float]


def service_map(
    facilities: Sequence[Mapping[str, Any]], region: str, *, kinds: Sequence[str], n: int, open_code: str
) -> Map | None:
    """Return the map around a region; None where no facility of it has a place.

    Distances are as the crow flies from the middle of the region's facilities, because where a vehicle stands is not told.
    """
    placed = [one for one in facilities if one["lon_deg"] is not None and one["lat_deg"] is not None]
    home = [one for one in placed if one["region_code"] == region]
    if not home:
        return None
    lat = sum(one["lat_deg"] for one in placed) / len(placed)
    shrink = math.cos(math.radians(lat))
    west, east = min(one["lon_deg"] for one in placed), max(one["lon_deg"] for one in placed)
    south, north = min(one["lat_deg"] for one in placed), max(one["lat_deg"] for one in placed)
    scale = (MAP_WIDTH - 40) / max((east - west) * shrink, 1e-6)

    def at(lon: float, lat_deg: float) -> tuple[float, float]:
        return round(20 + (lon - west) * shrink * scale, 1), round(20 + (north - lat_deg) * scale, 1)

    by_road: dict[str, list[Mapping[str, Any]]] = {}
    for one in placed:
        by_road.setdefault(one["road_code"], []).append(one)
    roads = tuple(_line([at(one["lon_deg"], one["lat_deg"]) for one in _along(road)]) for road in by_road.values() if len(road) > 1)
    here = (sum(one["lon_deg"] for one in home) / len(home), sum(one["lat_deg"] for one in home) / len(home))
    open_now = [one for one in placed if one["resource"] in kinds and one["status"] == open_code]

    def km(one: Mapping[str, Any]) -> float:
        east_km = (one["lon_deg"] - here[0]) * shrink * _KM_PER_DEG
        return math.hypot(east_km, (one["lat_deg"] - here[1]) * _KM_PER_DEG)

    nearest = sorted(open_now, key=lambda one: (km(one), one["facility_code"]))[:n]
    return Map(
        height=round(40 + (north - south) * scale, 1), roads=roads,
        places=tuple((one, *at(one["lon_deg"], one["lat_deg"])) for one in open_now),
        nearest=tuple((one, *at(one["lon_deg"], one["lat_deg"]), km(one)) for one in nearest), here=at(*here),
    )


def _along(road: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(road, key=lambda one: one["stake_km"] or 0.0)


def _line(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)

"""Declared routes of hazmat vehicles: how far beyond its corridor each vehicle is, in kilometres.

No resource of the annex holds such a route, so whoever has them (road permits, electronic waybills) declares them beside it
(`roadrisk live routes declare`). A declaration names roads by their code, or a line, and holds for a time. Only pseudonyms of
plates are kept.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from features.live.roster import Roster
from features.simulation.roads import KM_PER_DEG

if TYPE_CHECKING:
    from features.live.road_map import RoadMap

FloatArray = npt.NDArray[np.float64]
WIDTH_KM: Final = 0.5
"""On each side of a declared way, where a declaration says nothing else: places of terminals and lines are no better. [A]"""
_log = logging.getLogger("roadrisk.supervision")


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """The way that a vehicle may drive during a time.

    Parameters
    ----------
    plate_id
        Pseudonym of its plate.
    from_s, until_s
        When it holds, epoch seconds; `until_s` no longer does.
    roads
        Codes of whole roads.
    line
        Longitude and latitude of a line's points.
    width_km
        Half of the corridor's width.
    """

    plate_id: str
    from_s: int
    until_s: int
    roads: tuple[str, ...] = ()
    line: tuple[tuple[float, float], ...] = ()
    width_km: float = WIDTH_KM


class Corridors:
    """The corridors of a roster.

    Parameters
    ----------
    roads
        Map that names of roads are found in; roads that it does not have are no part of a corridor.
    roster
        Vehicles by slot.
    declarations
        Those of vehicles that the roster does not have are left out.
    """

    def __init__(self, roads: RoadMap, roster: Roster, declarations: Sequence[Declaration]) -> None:
        slots = {plate: slot for slot, plate in enumerate(roster.plate_id)}
        ways = {road.code: np.stack([road.lon, road.lat], axis=1).astype(np.float64) for road in roads.roads}
        self._n = len(roster)
        held = [(slots[one.plate_id], one, _ends(one, ways)) for one in declarations if one.plate_id in slots]
        held = [entry for entry in held if len(entry[2])]
        self._slot = np.array([slot for slot, _, _ in held], dtype=np.int64)
        self._from_s = np.array([one.from_s for _, one, _ in held], dtype=np.int64)
        self._until_s = np.array([one.until_s for _, one, _ in held], dtype=np.int64)
        self._width_km = np.array([one.width_km for _, one, _ in held])
        self._ends = [ends for _, _, ends in held]

    def __len__(self) -> int:
        return len(self._ends)

    def beyond_km(self, at_s: int, lon_deg: FloatArray, lat_deg: FloatArray) -> FloatArray:
        """Return how far each vehicle is beyond every corridor that holds for it, 0 inside one.

        Not-a-number where none holds or the place is unknown.
        """
        found = np.full(self._n, np.nan)
        here = np.flatnonzero((self._from_s <= at_s) & (at_s < self._until_s))
        here = here[~np.isnan(lon_deg[self._slot[here]])]
        if not len(here):
            return found
        sizes = np.array([len(self._ends[k]) for k in here])
        slot = self._slot[here]
        away = distance_km(
            np.repeat(lon_deg[slot], sizes), np.repeat(lat_deg[slot], sizes), np.concatenate([self._ends[k] for k in here]),
        )
        nearest = np.minimum.reduceat(away, np.r_[0, np.cumsum(sizes)[:-1]])
        beyond = np.maximum(nearest - self._width_km[here], 0.0)
        np.fmin.at(found, slot, beyond)
        return found


def distance_km(lon_deg: FloatArray, lat_deg: FloatArray, ends: FloatArray) -> FloatArray:
    """Return the distance of each point from its segment (`ends`: longitude and latitude of both), on a locally flat earth."""
    squeeze = np.cos(np.deg2rad(lat_deg))
    dx, dy = (ends[:, 2] - ends[:, 0]) * squeeze, ends[:, 3] - ends[:, 1]
    px, py = (lon_deg - ends[:, 0]) * squeeze, lat_deg - ends[:, 1]
    share = np.clip((px * dx + py * dy) / np.maximum(dx * dx + dy * dy, 1e-18), 0.0, 1.0)
    result: FloatArray = KM_PER_DEG * np.hypot(px - share * dx, py - share * dy)
    return result


def _ends(one: Declaration, ways: dict[str, FloatArray]) -> FloatArray:
    lines = [ways[code] for code in one.roads if code in ways]
    lines += [np.array(one.line, dtype=np.float64)] if one.line else []
    return np.concatenate([np.hstack([line[:-1], line[1:]]) for line in lines] or [np.zeros((0, 4))])


def write_declarations(path: Path, declarations: Sequence[Declaration], *, epoch: int) -> None:
    """Write declarations for the live service, which takes them up at its next look."""
    from registry.answer_copies import write_whole

    path.parent.mkdir(parents=True, exist_ok=True)
    rows = sorted((asdict(one) for one in declarations), key=lambda row: (row["plate_id"], row["from_s"], row["until_s"]))
    write_whole(path, json.dumps({"epoch": epoch, "declarations": rows}).encode())
    path.chmod(0o600)


def read_declarations(path: Path, *, epoch: int) -> list[Declaration]:
    """Return what was declared; nothing where it was declared under other keys of pseudonyms, which name other vehicles."""
    if not path.exists():
        return []
    held = json.loads(path.read_bytes())
    if held["epoch"] != epoch:
        _log.warning("declared routes are of pseudonym epoch %d, the data of %d: declare them again", held["epoch"], epoch)
        return []
    return [
        Declaration(**(row | {"roads": tuple(row["roads"]), "line": tuple((lon, lat) for lon, lat in row["line"])}))
        for row in held["declarations"]
    ]


class DeclaredRoutes:
    """Corridors of a file that is read again when it has changed: waybills come every day.

    Parameters
    ----------
    path, epoch
        The file, and the epoch of the roster's pseudonyms.
    roads, roster
        As of `Corridors`.
    """

    def __init__(self, path: Path, epoch: int, roads: RoadMap, roster: Roster) -> None:
        self._path, self._epoch, self._roads, self._roster = path, epoch, roads, roster
        self._seen_ns = -1
        self._held = Corridors(roads, roster, ())

    def corridors(self) -> Corridors:
        """Return the corridors as they are declared now; those before where the file cannot be read."""
        try:
            stat = self._path.stat().st_mtime_ns if self._path.exists() else 0
            if stat != self._seen_ns:
                self._seen_ns = stat
                self._held = Corridors(self._roads, self._roster, read_declarations(self._path, epoch=self._epoch))
        except (OSError, ValueError, KeyError, TypeError):
            _log.exception("declared routes could not be read; the ones before hold")
        return self._held

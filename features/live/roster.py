"""Whose positions are taken: the vehicles in operation at the cut-off of the built features, and what the law calls them.

A vehicle's place in the roster is its slot in the fold. The roster knows plates by pseudonym only; a plate that came in is looked
up once and remembered for as long as the process lives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from features.live.positions import vehicle_number
from features.pseudonyms import Keys, pseudonym
from features.reduction import EXPRESSWAY_CAP_KMH
from registry.duty_rules import Operation
from registry.errors import DataError, NotFound

IntArray = npt.NDArray[np.int64]
Trade = Literal["freight", "hazmat", "passenger", "long_distance_coach"]

TRADES: Final[dict[str, Trade]] = {"1": "long_distance_coach", "2": "passenger", "3": "hazmat", "10": "passenger", "5": "passenger"}
"""Code of 行业类别 -> trade; freight for the others. Every scheduled coach counts as a long-distance one, because the length of
its line is not known from the archive. [A]"""
CAPS_KMH: Final[dict[Trade, float]] = {"hazmat": 80.0}
"""Caps by trade, `EXPRESSWAY_CAP_KMH` for the others. [G]"""
UNKNOWN: Final = -1
_MAX_REMEMBERED: Final = 2_000_000
_COLUMNS: Final = ("vehicle_id", "plate_id", "enterprise_id", "industry_type", "event_timestamp")


def operation_of(trade: Trade) -> Operation:
    """Return the operation whose duty rules bind a trade."""
    return "freight" if trade == "hazmat" else trade


def places_of(numbers: npt.NDArray[np.uint64], known: npt.NDArray[np.uint64]) -> IntArray:
    """Return the place of each number among ascending ones, `UNKNOWN` where it is none of them."""
    if not len(known):
        return np.full(len(numbers), UNKNOWN)
    place = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    return np.where(known[place] == numbers, place, UNKNOWN)


def no_vehicle() -> NotFound:
    """Return the answer to an id that is none, or none that the caller may know of."""
    return NotFound("no vehicle in operation with this id", where="live roster", remedy="Check the id.")


@dataclass
class Roster:
    """Vehicles by slot, ordered by the pseudonym of their plate.

    Parameters
    ----------
    vehicle_id, plate_id, enterprise_id
        Pseudonyms, shape (n,) each.
    trade
        Trade by slot.
    keys
        Keys of the pseudonyms, for plates that come in.
    """

    vehicle_id: tuple[str, ...]
    plate_id: tuple[str, ...]
    enterprise_id: tuple[str, ...]
    trade: tuple[Trade, ...]
    keys: Keys
    _numbers: npt.NDArray[np.uint64] = field(init=False, repr=False)
    _known: dict[str, int] = field(default_factory=dict, repr=False)
    _places: dict[str, int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._numbers = np.array([vehicle_number(plate) for plate in self.plate_id], dtype=np.uint64)
        if np.any(self._numbers[1:] <= self._numbers[:-1]):
            raise DataError("two vehicles of the roster have one plate", remedy="Build the features again.")

    def __len__(self) -> int:
        return len(self.plate_id)

    @property
    def cap_kmh(self) -> npt.NDArray[np.float64]:
        """Speed cap by slot."""
        return np.array([CAPS_KMH.get(trade, EXPRESSWAY_CAP_KMH) for trade in self.trade])

    @property
    def numbers(self) -> npt.NDArray[np.uint64]:
        """What stands for each vehicle in a record, ascending."""
        return self._numbers

    def slots_of(self, numbers: npt.NDArray[np.uint64]) -> IntArray:
        """Return the slot of each number, `UNKNOWN` where the roster has none."""
        return places_of(numbers, self._numbers)

    def number(self, plate_no: str, plate_color: str) -> int:
        """Return the number of a plate as it came in, whether the roster knows it or not."""
        key = f"{plate_no}\0{plate_color}"
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MAX_REMEMBERED:
                self._known.clear()
            found = self._known[key] = vehicle_number(pseudonym(self.keys, "plate", plate_no, plate_color))
        return found

    def numbers_of(self, plates: Sequence[tuple[str, str]]) -> npt.NDArray[np.uint64]:
        """Return the number of each plate and colour."""
        return np.array([self.number(*plate) for plate in plates], dtype=np.uint64)

    @property
    def places(self) -> Mapping[str, int]:
        """Slot by vehicle."""
        if not self._places:
            self._places.update({name: place for place, name in enumerate(self.vehicle_id)})
        return self._places

    def slot(self, vehicle_id: str) -> int:
        """Return the slot of a vehicle.

        Raises
        ------
        NotFound
            If it is not in the roster.
        """
        found = self.places.get(vehicle_id)
        if found is None:
            raise no_vehicle()
        return found

    def having(self, wanted: Callable[[Trade], bool]) -> IntArray:
        """Return the slots whose trade is wanted."""
        return np.flatnonzero([wanted(trade) for trade in self.trade])


def roster_of(rows: Sequence[tuple[str, str, str, str | None]], keys: Keys) -> Roster:
    """Return the roster of (vehicle, plate, enterprise, code of 行业类别)."""
    ordered = sorted(rows, key=lambda row: vehicle_number(row[1]))
    vehicles, plates, enterprises, codes = zip(*ordered, strict=True) if ordered else ((), (), (), ())
    return Roster(vehicles, plates, enterprises, tuple(TRADES.get(code or "", "freight") for code in codes), keys)


def read_roster(feature_dir: Path, keys: Keys) -> Roster:
    """Return the roster of the newest cut-off of the built features.

    Raises
    ------
    NotFound
        If no features have been built.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = feature_dir / "vehicle_profile.parquet"
    if not path.exists():
        raise NotFound("no features to take the roster of vehicles from", where=path.name, remedy="Run `roadrisk features build`.")
    table = pq.read_table(path, columns=list(_COLUMNS))
    newest = table.filter(pc.equal(table["event_timestamp"], pc.max(table["event_timestamp"])))
    return roster_of(list(zip(*(newest[name].to_pylist() for name in _COLUMNS[:4]), strict=True)), keys)

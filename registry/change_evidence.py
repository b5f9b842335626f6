"""How many similar entities made a change within some months: what the past says about whether advice can be followed.

Similar means of the same peer group and, at one of a few starting instants, in the same band of the present value. An entity made
the change when it came into the band of the new value, or beyond it, within the months that followed. Entities are counted once,
whatever the number of starting instants. The counts are evidence beside a model's card; no single entity can be read from them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal

from registry.fleet_size import FLEET_SIZE_EDGES

KIND: Final = "changes"
"""Kind of evidence (`registry.evidence`)."""
EVERYBODY: Final = "*"
"""Peer group of all entities, asked where the group is not known or too small."""
LEAST_SIMILAR: Final = 10
"""Fewer similar entities than these are not spoken of."""
FLEET_BANDS: Final[tuple[int, ...]] = (0, *FLEET_SIZE_EDGES)
"""Fleets from so many vehicles on are one peer group."""

Direction = Literal["down", "up"]


@dataclass(frozen=True)
class Similar:
    """What became of entities that were like this one.

    Parameters
    ----------
    group
        Peer group; `EVERYBODY` for all.
    n_similar
        Entities of the group in the band of the present value.
    n_changed
        Those of them that came to the new value or beyond it.
    months
        Within so many months.
    low, high
        The band of the present value.
    """

    group: str
    n_similar: int
    n_changed: int
    months: int
    low: float
    high: float

    @property
    def few(self) -> bool:
        """Whether the number that changed is one to nine, which is not said exactly."""
        return 0 < self.n_changed < LEAST_SIMILAR

    def as_answer(self) -> dict[str, Any]:
        """Return what leaves of it."""
        return {
            "group": self.group, "similar": self.n_similar, "changed": None if self.few else self.n_changed,
            "fewer_than": LEAST_SIMILAR if self.few else None, "months": self.months, "low": self.low, "high": self.high,
        }


def vehicle_group(vehicle_type: object) -> str:
    """Return the peer group of a vehicle: letter and size digit of its type (GA/T 16.4)."""
    return str(vehicle_type)[:2] if isinstance(vehicle_type, str) and vehicle_type else EVERYBODY


def enterprise_group(fleet_size: object) -> str:
    """Return the peer group of an enterprise: the band of its fleet's size."""
    if not isinstance(fleet_size, int | float) or not fleet_size >= 0:
        return EVERYBODY
    return f"{FLEET_BANDS[bisect_right(FLEET_BANDS, float(fleet_size)) - 1]}+"


def band_of(edges: Sequence[float], value: float) -> int:
    """Return the band that a value lies in; band k begins at edge k, and what is below the first lies in the first."""
    return max(bisect_right(edges, value) - 1, 0)


class ChangeEvidence:
    """Answers from the document of `features.changes`.

    Parameters
    ----------
    document
        Evidence of kind `KIND`.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._features: Mapping[str, Mapping[str, Any]] = document["features"]
        self.months = int(document["months"])

    def whole(self, feature: str) -> bool:
        """Whether a feature takes whole values only."""
        return bool(self._features.get(feature, {}).get("whole", False))

    def similar(self, feature: str, inputs: Mapping[str, Any], *, old: float, new: float) -> Similar | None:
        """Return what became of entities like this one; None where nothing is known or the change stays within one band.

        Parameters
        ----------
        inputs
            All inputs of the entity: the peer group follows from them.
        """
        found = self._features.get(feature)
        if found is None or old == new:
            return None
        direction: Direction = "down" if new < old else "up"
        edges: list[float] = found["edges"]
        start, end = band_of(edges, old), band_of(edges, new)
        vehicle = found["entity"] == "vehicle"
        own = vehicle_group(inputs.get("vehicle_type")) if vehicle else enterprise_group(inputs.get("fleet_size"))
        if start == end:
            return None
        for group in dict.fromkeys((own, EVERYBODY)):
            counts = found["groups"].get(group, {}).get(direction)
            if counts is None:
                continue
            row: list[int] = counts[start]
            n_similar = sum(row)
            if n_similar >= LEAST_SIMILAR:
                changed = sum(row[: end + 1]) if direction == "down" else sum(row[end:])
                return Similar(group, n_similar, changed, self.months, *self._band(edges, start, found["high"]))
        return None

    def _band(self, edges: Sequence[float], band: int, high: float) -> tuple[float, float]:
        ends = [*edges, max(high, edges[-1])]
        return list(pairwise(ends))[band]

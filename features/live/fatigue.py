"""The live score of fatigue as the live service knows it: one array per fact, and what a scorer of the floor above has to do.

Models are scored in `serving`, which this floor may not know. It says here what a scorer gets and gives; who puts both together
is `features.live.cli`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from features.live.duty_now import STALE_S
from features.live.fold import LiveFold
from features.segments import REDUCTION_RULES
from registry.scale import Tier
from registry.supervision.events import AlertEvent

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SIGNAL: Final = "fatigue_tier"
TIER_RANKS: Final[dict[Tier, int]] = {"grey": 0, "blue": 1, "yellow": 2, "orange": 3, "red": 4}
RANKED_TIERS: Final = tuple(TIER_RANKS)
"""Tier by rank, as `FatigueBoard.tier` holds it."""
AHEAD_MIN: Final = 240
"""So far ahead the score is forecast: nobody may drive longer without a rest. [A]"""
STEP_MIN: Final = 15
"""From one point of the forecast to the next; between two of which one lies above a tier's cut-point every minute is scored. [A]"""


class Why(IntEnum):
    """Why there is no score, `SCORED` where there is one."""

    SCORED = 0
    UNHEARD = 1
    STALE = 2
    RESTING = 3
    SHORT = 4
    NO_MODEL = 5
    NO_INPUTS = 6
    SWAPPED = 7


WHY_WORDS: Final[dict[Why, tuple[str, str]]] = {
    Why.SCORED: ("已评分", "scored"),
    Why.UNHEARD: ("尚无定位，不评分", "no score: nothing was heard of the vehicle"),
    Why.STALE: ("定位已过期，不评分", "no score: its positions are stale"),
    Why.RESTING: ("车辆休息中（停车满20分钟），不评分", "no score: the vehicle rests (20 minutes without driving)"),
    Why.SHORT: (
        "休息后未满一个驾驶小时，或近一小时行驶不足半小时，不评分",
        "no score: the first driving hour after the rest is not full, or less than half of the last hour was driven",
    ),
    Why.NO_MODEL: ("没有在用的疲劳评分模型，不评分", "no score: no model of driver fatigue is live"),
    Why.SWAPPED: (
        "上次休息后换了驾驶员，不评分", "no score: another driver has taken over since the last rest",
    ),
    Why.NO_INPUTS: ("缺少评分所需数据，不评分", "no score: inputs of the model are not known"),
}


@dataclass
class FatigueBoard:
    """What is known of a fleet, arrays of shape (n,) by slot; whoever reads several of them together copies them first.

    Parameters
    ----------
    n_vehicles
        Places of the roster.

    `tier` ranks by `TIER_RANKS`, 0 (grey) where there is no score, for the reason that `why` gives. `points` of the score, and
    `row_s`, the end of the driving hour that it rests on. `orange_min`, `red_min`: minutes from `ahead_s` until the tier is reached
    if driving goes on, 0 where it is, infinite where it is not within `AHEAD_MIN`, not-a-number where nothing is forecast.
    `version` and `digest` name the model, empty where none is live.
    """

    n_vehicles: int
    version: str = ""
    digest: str = ""
    tier: npt.NDArray[np.int8] = field(init=False)
    why: npt.NDArray[np.int8] = field(init=False)
    points: FloatArray = field(init=False)
    row_s: IntArray = field(init=False)
    orange_min: FloatArray = field(init=False)
    red_min: FloatArray = field(init=False)
    ahead_s: IntArray = field(init=False)

    def __post_init__(self) -> None:
        n = self.n_vehicles
        self.tier, self.why = np.zeros(n, np.int8), np.full(n, Why.UNHEARD, np.int8)
        self.row_s, self.ahead_s = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.points, self.orange_min, self.red_min = (np.full(n, np.nan) for _ in range(3))

    def seen_at(self, at_s: int, slots: IntArray | None = None) -> FatigueBoard:
        """Return a copy as of an instant, of all vehicles or of some: what rests on positions that are stale by then is grey."""
        chosen = slice(None) if slots is None else slots
        seen = FatigueBoard(self.n_vehicles if slots is None else len(slots), self.version, self.digest)
        for name in _ARRAYS:
            setattr(seen, name, getattr(self, name)[chosen].copy())
        newest = np.maximum(seen.row_s, seen.ahead_s)
        old = (newest > 0) & (at_s - newest > STALE_S)
        seen.forget(old)
        seen.why[old] = Why.STALE
        return seen

    def signals(self, at_s: int) -> dict[str, FloatArray]:
        """Return the signal of the rule `fatigue_score` by slot, from the newest scores: not-a-number where none is fresh."""
        fresh = (self.tier > 0) & (at_s - self.row_s <= REDUCTION_RULES.silence_s)
        return {SIGNAL: np.where(fresh, self.tier, np.nan)}

    def forget(self, slots: Any = slice(None), *, ahead: bool = True) -> None:
        """Take back the scores of vehicles, all by default, and their forecasts unless these stand."""
        self.tier[slots], self.row_s[slots], self.points[slots] = 0, 0, np.nan
        if ahead:
            self.ahead_s[slots], self.orange_min[slots], self.red_min[slots] = 0, np.nan, np.nan


_ARRAYS: Final = ("tier", "why", "points", "row_s", "orange_min", "red_min", "ahead_s")


@dataclass(frozen=True)
class FatigueRows:
    """Rows of the view `duty` at one look, of vehicles on a trip, taken while the state stood still.

    Parameters
    ----------
    at_s
        Instant of the look, epoch seconds.
    why
        (n_vehicles,): `Why.SCORED` where there is a row, else why there is none.
    fresh
        (n_vehicles,): whether the last message speaks for the instant.
    slots, cutoff_s, values
        Vehicles with a row, shape (n,), the end of its hour, and its columns, shape (n, n_columns).
    """

    at_s: int
    why: npt.NDArray[np.int8]
    fresh: npt.NDArray[np.bool_]
    slots: IntArray
    cutoff_s: IntArray
    values: FloatArray

    @classmethod
    def take(cls, fold: LiveFold, at_s: int, swapped_s: IntArray | None = None) -> FatigueRows:
        """Take the rows of a fleet; whoever calls holds the lock of the state.

        `swapped_s` (n_vehicles,) is since when a driver drives who took the vehicle over, 0 where nobody did.
        """
        now = fold.now(at_s)
        silent_s = at_s - now["last_s"]
        swapped = np.zeros(len(now), bool) if swapped_s is None else swapped_s > now["run_since_s"]
        why = np.select(
            [now["known"] == 0, silent_s > STALE_S, now["resting"] == 1, swapped],
            [Why.UNHEARD, Why.STALE, Why.RESTING, Why.SWAPPED], Why.SCORED,
        ).astype(np.int8)
        slots = np.flatnonzero(why == Why.SCORED)
        cutoff, values = fold.duty_rows(slots)
        here = cutoff > 0
        why[slots[~here]] = Why.SHORT
        fresh = (now["known"] == 1) & (silent_s <= fold.rules.silence_s)
        return cls(at_s, why, fresh, slots[here], cutoff[here], values[here])


class FatigueScorer(Protocol):
    """Scores the live state; every method may be called from one thread that is not the fold's."""

    board: FatigueBoard

    def tiers(self, rows: FatigueRows) -> FloatArray:
        """Score a look and return the signal `fatigue_tier` by slot: rank of the tier, 0 without driving, not-a-number unknown."""
        ...

    def backed(self, events: Sequence[AlertEvent]) -> list[AlertEvent]:
        """Return events, those that a score raised with the id of the decision that will be kept for it."""
        ...

    def keep(self) -> None:
        """Record the decisions behind events; what cannot be recorded is kept for the next time.

        Raises
        ------
        ServiceUnavailable
            If the ledger does not take them.
        """
        ...

    def look_ahead(self, at_s: int) -> None:
        """Forecast the vehicles on a trip."""
        ...

    def document(self, slot: int, at_s: int) -> dict[str, Any]:
        """Return what is known of one vehicle, with the reasons of its score."""
        ...

    def routes(self) -> Sequence[BaseRoute]:
        """Return the paths on which consumers read live scores under their scenarios."""
        ...

    def status(self) -> dict[str, Any]:
        """Return how many were scored and what it cost."""
        ...

    def close(self) -> None:
        """Let go of store and ledgers."""
        ...

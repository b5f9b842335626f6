"""Sleep: the episodes of one sleeper, and the sleep that a long stop of a vehicle suggests.

A stop is not sleep. What a stop allows to suppose is an assumption [A] and everything computed from it is an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]

DAY_S: Final = 86_400
SETTLE_S: Final = 2_700
"""From the last driving to sleep, and from waking to driving. [A]"""
SLEEP_CAP_S: Final = 28_800
"""Longest sleep supposed in one stop. [A]"""
DAYTIME_H: Final = (9.0, 20.0)
"""A stop whose middle lies between these local hours is slept from its beginning, because the day wakes the sleeper;
any other is slept to its end. [A]"""


@dataclass(frozen=True)
class Phase:
    """Where instants lie among sleeps, arrays of shape (n,).

    Parameters
    ----------
    phase
        Number of the phase: odd phases are sleeps.
    asleep
        Whether it is a sleep.
    hours
        Hours since the phase began.
    clock_h
        Local clock hour.
    """

    phase: IntArray
    asleep: npt.NDArray[np.bool_]
    hours: FloatArray
    clock_h: FloatArray


@dataclass(frozen=True)
class Sleeps:
    """Sleep episodes of one person, in local seconds, ordered and apart from one another.

    Parameters
    ----------
    start_s, end_s
        Begin and end of each episode, shape (n,), n >= 1; the end is awake.
    """

    start_s: IntArray
    end_s: IntArray

    def __post_init__(self) -> None:
        edges = self.edges
        if not len(edges) or np.any(np.diff(edges) <= 0):
            raise ValueError(f"{len(self.start_s)} sleeps are not ordered and apart from one another")

    @property
    def edges(self) -> IntArray:
        """Instants at which the sleeper falls asleep or wakes, alternating."""
        return np.stack([self.start_s, self.end_s], axis=1).ravel()

    @property
    def n_phases(self) -> int:
        """Phases: awake before the first sleep, then sleep and wake by turns."""
        return 2 * len(self.start_s) + 1

    def phase_h(self, phase: int) -> float:
        """Return the length of a phase that has both ends, in hours."""
        edges = self.edges
        return float(edges[phase] - edges[phase - 1]) / 3600.0

    def at(self, instants_s: npt.ArrayLike) -> Phase:
        """Return the phase of each instant; before the first sleep, hours are counted from its start and negative."""
        instants = np.asarray(instants_s, dtype=np.int64)
        phase = np.searchsorted(self.edges, instants, side="right")
        since = instants - self.edges[np.maximum(phase - 1, 0)]
        return Phase(phase, phase % 2 == 1, since / 3600.0, (instants % DAY_S) / 3600.0)


def supposed_sleep(stop_start_s: npt.ArrayLike, stop_end_s: npt.ArrayLike) -> tuple[IntArray, IntArray]:
    """Return the sleep that long stops suggest: the stop without its edges, at most one night.

    All of it is an assumption [A].

    Parameters
    ----------
    stop_start_s, stop_end_s
        Local seconds, shape (n,).

    Returns
    -------
    tuple
        Begin and end of the sleeps in local seconds, shape (n,) each; equal where the stop is too short.
    """
    start = np.asarray(stop_start_s, dtype=np.int64)
    end = np.asarray(stop_end_s, dtype=np.int64)
    length = np.clip(end - start - 2 * SETTLE_S, 0, SLEEP_CAP_S)
    middle_h = ((start + end) // 2 % DAY_S) / 3600.0
    daytime = (middle_h > DAYTIME_H[0]) & (middle_h < DAYTIME_H[1])
    begin: IntArray = np.where(daytime, start + SETTLE_S, end - SETTLE_S - length)
    return begin, begin + length

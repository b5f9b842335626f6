"""The protocol of the sleep restriction study, and what models of fatigue say about it day by day.

Days as the data's documentation (R package lme4, `sleepstudy`) numbers them: 0 and 1 adaptation and training, 2 baseline, 3 to 9
the seven days after nights of 3 h in bed. An older reading of the same data takes day 0 for the baseline and restricts every
night after it; it is kept as a second `Protocol`, because figures published on the data use all ten days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.fatigue.safte import SAFTE, effectiveness, reservoir_asleep, reservoir_awake, sleep_intensity
from features.fatigue.sleep import DAY_S, Sleeps
from features.fatigue.tpm import tpm_course
from features.fatigue.unified import unified_course

FloatArray = npt.NDArray[np.floating[Any]]

HOUR_S: Final = 3_600
DAYS: Final = 10


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """When the volunteers lay in bed and when they were tested. All clock times are assumed [A]; the data hold none.

    Parameters
    ----------
    rested_bed_h, restricted_bed_h
        (begin, end) of the time in bed, hours after the midnight that begins the day of waking; the begin may be negative.
        The lengths, 8 h and 3 h, are those of Belenky et al. (2003).
    test_h
        Clock hours of the tests whose mean a row of the data holds.
    last_rested_day
        Last day that a rested night precedes.
    lead_nights
        Rested nights before day 0, after which the models have forgotten their start.
    asleep_share
        Share of the time in bed that is slept.
    """

    rested_bed_h: tuple[float, float] = (-1.0, 7.0)
    restricted_bed_h: tuple[float, float] = (4.0, 7.0)
    test_h: tuple[float, ...] = (9.0, 12.0, 15.0, 21.0)
    last_rested_day: int = 2
    lead_nights: int = 14
    asleep_share: float = 1.0


DOCUMENTED: Final = Protocol()
FROM_DAY_0: Final = Protocol(last_rested_day=0)
"""The older reading: every night after day 0 is restricted."""


@dataclass(frozen=True)
class Course:
    """What models say at the tests, arrays of shape (DAYS, n_tests), and the state that inputs of a score need.

    Parameters
    ----------
    kss
        Sleepiness of the Three-Process Model, not clipped.
    kss_next_hour
        The same an hour later.
    effectiveness
        SAFTE effectiveness in percent.
    unified
        Fatigue of the Unified Model.
    awake_h
        Hours since waking.
    slept_h
        Hours of the night before.
    clock_h
        Local clock hour.
    """

    kss: FloatArray
    kss_next_hour: FloatArray
    effectiveness: FloatArray
    unified: FloatArray
    awake_h: FloatArray
    slept_h: FloatArray
    clock_h: FloatArray


def sleeps_of(protocol: Protocol) -> Sleeps:
    """Return every night from the lead on; day 0 begins at second 0, earlier days are negative."""
    days = np.arange(-protocol.lead_nights + 1, DAYS)
    rested = (days <= protocol.last_rested_day)[:, None]
    bed = np.where(rested, protocol.rested_bed_h, protocol.restricted_bed_h)
    # Sleep ends with the time in bed: whoever sleeps less than that falls asleep later.
    length = (bed[:, 1] - bed[:, 0]) * protocol.asleep_share
    end = days * DAY_S + np.rint(bed[:, 1] * HOUR_S).astype(np.int64)
    return Sleeps(end - np.rint(length * HOUR_S).astype(np.int64), end)


def course(protocol: Protocol = DOCUMENTED) -> Course:
    """Return what every model says at the tests of every day."""
    sleeps = sleeps_of(protocol)
    days = np.repeat(np.arange(DAYS), len(protocol.test_h))
    instants = days * DAY_S + np.rint(np.tile(np.array(protocol.test_h) * HOUR_S, DAYS)).astype(np.int64)
    awake_h = sleeps.at(instants).hours
    night = np.searchsorted(sleeps.end_s, instants, side="right") - 1
    slept_h = (sleeps.end_s - sleeps.start_s)[night] / HOUR_S
    values = {
        "kss": tpm_course(instants, sleeps)["kss"], "kss_next_hour": tpm_course(instants + HOUR_S, sleeps)["kss"],
        "effectiveness": _safte(instants, sleeps, night),
        "unified": unified_course(instants, sleeps)["fatigue"], "awake_h": awake_h, "slept_h": slept_h,
        "clock_h": (instants % DAY_S) / HOUR_S,
    }
    return Course(**{name: value.reshape(DAYS, -1) for name, value in values.items()})


def _safte(instants: npt.NDArray[np.int64], sleeps: Sleeps, night: npt.NDArray[np.int64]) -> FloatArray:
    """Return effectiveness at instants awake, from a full reservoir at the first falling asleep."""
    reservoir, intensity = np.empty(len(sleeps.end_s)), np.empty(len(sleeps.end_s))
    level = np.array([SAFTE.capacity])
    for n, (start, end) in enumerate(zip(sleeps.start_s, sleeps.end_s, strict=True)):
        if n:
            level = reservoir_awake(level, (start - sleeps.end_s[n - 1]) / 60.0)
        clock = (start % DAY_S) / HOUR_S
        level = reservoir_asleep(level, np.array([clock]), np.array([(end - start) // 60]))
        reservoir[n] = level[0]
        intensity[n] = sleep_intensity(level, (end % DAY_S) / HOUR_S)[0]
    awake_min = (instants - sleeps.end_s[night]) / 60.0
    now = reservoir_awake(reservoir[night], awake_min)
    return effectiveness(now, (instants % DAY_S) / HOUR_S, awake_min, intensity[night])

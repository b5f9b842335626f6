"""What a long stop does to the models of sleepiness, compiled by numba: as `features.driving_hours` does it for all at once."""

from __future__ import annotations

import math

import numpy as np

from features.driving_hours import START_AWAKE_H, START_RESERVOIR, START_S
from features.fatigue.safte import SAFTE
from features.fatigue.sleep import DAYTIME_H, SETTLE_S, SLEEP_CAP_S
from features.fatigue.tpm import BREAK_LEVEL, LOWER_ASYMPTOTE, SLEEP_RATE_PER_H, UPPER_ASYMPTOTE, WAKE_RATE_PER_H
from features.live.compiled import jit
from features.segments import DAY_S, LOCAL_OFFSET_S

_CAPACITY, _LOSS, _FEEDBACK, _PROPENSITY = SAFTE.capacity, SAFTE.loss_per_min, SAFTE.feedback, SAFTE.propensity
_ONSET_MIN, _ACROPHASE_H, _SECOND_H, _SECOND = SAFTE.onset_delay_min, SAFTE.acrophase_h, SAFTE.second_phase_h, SAFTE.second_weight


@jit
def safte_clock(clock_h):  # type: ignore[no-untyped-def]
    """Return the rhythm of SAFTE, as `features.fatigue.safte.safte_clock`."""
    hours = clock_h - _ACROPHASE_H
    return math.cos(2.0 * math.pi / 24.0 * hours) + _SECOND * math.cos(4.0 * math.pi / 24.0 * (hours - _SECOND_H))


@jit
def _sleep_gain(level, clock_h):  # type: ignore[no-untyped-def]
    return -_PROPENSITY * safte_clock(clock_h) + _FEEDBACK * (_CAPACITY - level)


@jit
def _s_asleep(s, hours):  # type: ignore[no-untyped-def]
    slope = SLEEP_RATE_PER_H * (BREAK_LEVEL - UPPER_ASYMPTOTE)
    break_h = (BREAK_LEVEL - s) / slope
    if hours < break_h:
        return s + hours * slope
    level = BREAK_LEVEL if s < BREAK_LEVEL else s
    return UPPER_ASYMPTOTE - (UPPER_ASYMPTOTE - level) * math.exp(SLEEP_RATE_PER_H * (hours - max(break_h, 0.0)))


@jit
def slept(r, begin, end):  # type: ignore[no-untyped-def]
    """Carry the models over a long stop that has ended (`features.driving_hours`)."""
    local_begin, local_end = begin + LOCAL_OFFSET_S, end + LOCAL_OFFSET_S
    length = min(max(local_end - local_begin - 2 * SETTLE_S, 0), SLEEP_CAP_S)
    middle_h = ((local_begin + local_end) // 2 % DAY_S) / 3600.0
    by_day = DAYTIME_H[0] < middle_h < DAYTIME_H[1]
    asleep = local_begin + SETTLE_S if by_day else local_end - SETTLE_S - length
    chained = r.sleep == 1
    awake_h = (asleep - LOCAL_OFFSET_S - np.int64(r.wake_s)) / 3600.0 if chained else START_AWAKE_H
    s_before = r.s_at_wake if chained else START_S
    s = LOWER_ASYMPTOTE + (s_before - LOWER_ASYMPTOTE) * math.exp(WAKE_RATE_PER_H * awake_h)
    r.s_at_wake = _s_asleep(s, length / 3600.0)
    bed_h = asleep % DAY_S / 3600.0
    level = max(r.reservoir - _LOSS * (awake_h * 60.0), 0.0) if chained else START_RESERVOIR
    for minute in range(_ONSET_MIN, length // 60):
        level = min(max(level + _sleep_gain(level, bed_h + minute / 60.0), 0.0), _CAPACITY)
    r.reservoir = level
    r.intensity = _sleep_gain(level, bed_h + length / 3600.0)
    r.wake_s = asleep + length - LOCAL_OFFSET_S
    r.woke_s = end
    r.sleep = 1

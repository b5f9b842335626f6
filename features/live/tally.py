"""What is counted of the last two local days of a vehicle, compiled by numba."""

from __future__ import annotations

import numpy as np

from features.live.compiled import jit
from features.live.layout import T
from features.segments import DAY_S, LOCAL_OFFSET_S

_T_DAY, _T_ODO, _T_BY_SPEED = T["day"], T["by_odometer"], T["by_speed"]


@jit
def day_of(st, slot, copy, instant):  # type: ignore[no-untyped-def]
    """Return the parity under which a day is counted; -1 where it is over for long."""
    day = (np.int64(instant) + LOCAL_OFFSET_S) // DAY_S
    parity = day & 1
    counted = st.tally[slot, copy, parity, _T_DAY]
    if counted > day:
        return -1
    if counted < day:
        st.tally[slot, copy, parity, :] = 0
        st.tally[slot, copy, parity, _T_DAY] = day
    return parity


@jit
def count(st, slot, copy, instant, which, amount):  # type: ignore[no-untyped-def]
    parity = day_of(st, slot, copy, instant)
    if parity >= 0:
        st.tally[slot, copy, parity, which] += amount


@jit
def count_span(st, slot, copy, start, end, which):  # type: ignore[no-untyped-def]
    """Count seconds, each on its day."""
    while start < end:
        cut = min(end, ((start + LOCAL_OFFSET_S) // DAY_S + 1) * DAY_S - LOCAL_OFFSET_S)
        count(st, slot, copy, start, which, cut - start)
        start = cut


@jit
def distributed(st, slot, copy, start, end, by_odometer, by_speed):  # type: ignore[no-untyped-def]
    begin, whole = start, end - start
    while begin < end:
        cut = min(end, ((begin + LOCAL_OFFSET_S) // DAY_S + 1) * DAY_S - LOCAL_OFFSET_S)
        count(st, slot, copy, begin, _T_ODO, by_odometer * (cut - start) // whole - by_odometer * (begin - start) // whole)
        count(st, slot, copy, begin, _T_BY_SPEED, by_speed * (cut - start) // whole - by_speed * (begin - start) // whole)
        begin = cut


@jit
def sped(st, slot, copy, begin, until, start, end, which, rules):  # type: ignore[no-untyped-def]
    """Count an interval above a cap; return where the run that it belongs to began."""
    if begin == 0 or until != start:
        begin = start
    if end - begin >= rules.overspeed_s:
        count_span(st, slot, copy, start if start - begin >= rules.overspeed_s else begin, end, which)
    return begin

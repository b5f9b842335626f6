"""Rows of the view `duty` as the state gives them, compiled by numba: what the driving hour that ends now says.

The batch gives a row at the end of each full hour after a rest. Here the hour slides: it ends at the last message, begins no
earlier than the first driving after the rest, and holds half an hour of driving as in the batch. So a row means the same
wherever it comes from, and at the end of each full hour both give the same values.

Rows of hours that end later say what will be if driving goes on from the last message: what is counted grows, what the clock
decides moves on, and what the last hour showed of speed and lane stays as it is.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from features.driving_hours import MAX_AWAKE_H, MAX_REST_AGE_H, MIN_DRIVE_S, MIN_SHIFTS
from features.families.duty import FAMILY
from features.live.compiled import jit, kernel
from features.live.evaluate import (
    WEEK_S,
    crossings,
    driven,
    driven_on,
    end_of,
    kss_at,
    longest_stop_s,
    rests,
    sleepiness,
    stretch_at,
)
from features.live.layout import DRIFTED, DRIVING, LANE_WARNED, NEWEST
from features.segments import DAY_S, HOUR_S, LOCAL_OFFSET_S, STOP
from registry.duty_rules import rule_named

COLUMNS: Final = tuple(feature.name for feature in FAMILY.features)
"""Features of the view in declared order: the columns of what `read_rows` fills."""
(
    _SINCE_REST, _CONT, _DAY, _WEEK, _AWAKE, _LONGEST, _KSS, _KSS_NEXT, _SAFTE, _NIGHT, _SHARE, _SMALL, _OVER, _DAYS, _SPREAD,
    _NEAREST, _CV, _CLOCK, _LANE,
) = (COLUMNS.index(f"duty_{name}") for name in (
    "hours_since_rest_h", "cont_drive_h", "drive_h_24h", "drive_h_7d", "hours_awake_proxy_h", "longest_rest_24h_h", "kss",
    "kss_next_hour", "safte_effectiveness", "night_drive_h_24h", "night_share_24h", "h_2_5_7d", "n_over_4h_7d",
    "days_without_24h_rest", "shift_start_sd_h", "nearest_limit_h", "speed_cv", "clock_hour", "lane_departure_n",
))
_RUN_H, _DAY_H, _WEEK_H = (rule_named(name).limit_s / 3600.0 for name in ("continuous_4h", "passenger_24h", "passenger_7d"))


@jit
def _spread(st, slot, instant, long_rest_s):  # type: ignore[no-untyped-def]
    """Return the circular standard deviation of the clock at which the shifts of seven days began."""
    n, east, north = 0, 0.0, 0.0
    k = min(stretch_at(st, slot, instant), np.int64(st.vehicle[slot, NEWEST].n_stretches) - 2)
    while k >= 0 and end_of(st, slot, k) > instant - WEEK_S:
        stretch, end = st.stretches[st.t_at[slot] + k], end_of(st, slot, k)
        if stretch.state == STOP and end <= instant and end - np.int64(stretch.start_s) >= long_rest_s:
            angle = 2.0 * math.pi * ((end + LOCAL_OFFSET_S) % DAY_S) / DAY_S
            n, east, north = n + 1, east + math.cos(angle), north + math.sin(angle)
        k -= 1
    if n < MIN_SHIFTS:
        return np.nan
    length = min(max(math.hypot(east, north) / n, 1e-6), 1.0)
    return min(math.sqrt(-2.0 * math.log(length)) * 24.0 / (2.0 * math.pi), 24.0)


@jit
def _within(st, slot, start, silence_s):  # type: ignore[no-untyped-def]
    """Return variation of speed and lane departures of the hour that begins at an instant."""
    n, total, squares, lanes = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    warned, before = False, np.int64(0)
    for k in range(st.m_count[slot]):
        m = st.messages[st.m_at[slot] + k]
        if m.bits & DRIFTED:
            continue
        instant = np.int64(m.time_s)
        inside = start <= instant < start + HOUR_S
        if inside and m.bits & DRIVING:
            speed = np.int64(m.speed)
            n, total, squares = n + 1, total + speed, squares + speed * speed
        here = m.bits & LANE_WARNED != 0
        if inside and here and not (warned and instant - before <= silence_s):
            lanes += 1
        warned, before = here, instant
    if n == 0:
        return np.nan, lanes
    return math.sqrt(n * squares - total * total) / (total if total > 1 else 1), lanes


def same_values(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which values of two rows, or of many, are the same; null equals null."""
    same: npt.NDArray[np.bool_] = (one == other) | (np.isnan(one) & np.isnan(other))
    return same


@jit
def _filled(st, slot, r, start, long_rest_s, row):  # type: ignore[no-untyped-def]
    """Fill what duty, rest and clock say of the hour that begins at an instant, as if driving went on from the last message."""
    now, day, week = driven_on(st, slot, start), driven(st, slot, start - DAY_S), driven(st, slot, start - WEEK_S)
    cont, day_h, week_h = (now[0] - np.int64(r.run_drive_s)) / 3600.0, (now[0] - day[0]) / 3600.0, (now[0] - week[0]) / 3600.0
    night_h = (now[1] - day[1]) / 3600.0
    row[_SINCE_REST] = min((start - np.int64(r.run_since_s)) / 3600.0, MAX_REST_AGE_H)
    row[_CONT], row[_DAY], row[_WEEK], row[_NIGHT] = cont, day_h, week_h, night_h
    row[_SHARE] = night_h / day_h if day_h > 0.0 else np.nan
    row[_SMALL] = (now[2] - week[2]) / 3600.0
    row[_LONGEST] = longest_stop_s(st, slot, start) / 3600.0
    row[_OVER] = crossings(st, slot, start)
    row[_DAYS] = (start - np.int64(r.day_rest_s)) / DAY_S if r.day_rest_s else np.nan
    row[_SPREAD] = _spread(st, slot, start, long_rest_s)
    row[_NEAREST] = min(min(_RUN_H - cont, _DAY_H - day_h), _WEEK_H - week_h)
    row[_CLOCK] = ((start + LOCAL_OFFSET_S) % DAY_S // HOUR_S + 1) % 24
    stop_h = (start - np.int64(r.woke_s)) / 3600.0
    row[_AWAKE] = row[_KSS] = row[_KSS_NEXT] = row[_SAFTE] = np.nan
    if r.sleep == 1 and stop_h <= MAX_AWAKE_H:
        row[_AWAKE] = stop_h
        row[_KSS], row[_SAFTE] = sleepiness(r, start + HOUR_S // 2)
        row[_KSS_NEXT] = kss_at(r, start + HOUR_S * 3 // 2)


@kernel
def read_rows(st, slots, silence_s, long_rest_s, cutoff_s, out):  # type: ignore[no-untyped-def]
    """Fill the columns of `COLUMNS` for vehicles.

    Parameters
    ----------
    cutoff_s
        (n,): the instant at which the hour ends; 0 asks for the last message, and becomes it. Where there is no row, because less
        was driven or the messages of so long ago are forgotten, it becomes 0.
    out
        (n, n_columns).
    """
    for i in range(len(slots)):
        slot = slots[i]
        r = st.vehicle[slot, NEWEST]
        cutoff = cutoff_s[i] if cutoff_s[i] else np.int64(r.last_s)
        cutoff_s[i] = 0
        start = cutoff - HOUR_S
        if not r.last_s or not r.run_begin_s or start < np.int64(r.run_begin_s) or cutoff > np.int64(r.last_s):
            continue
        oldest = np.int64(st.messages[st.m_at[slot]].time_s)
        if oldest > start and oldest > np.int64(r.first_s):
            continue  # what its messages showed is forgotten
        now, until = driven(st, slot, start), driven(st, slot, cutoff)
        if until[0] - now[0] < MIN_DRIVE_S:
            continue
        cutoff_s[i] = cutoff
        _filled(st, slot, r, start, long_rest_s, out[i])
        out[i, _CV], out[i, _LANE] = _within(st, slot, start, silence_s)


@kernel
def read_rows_ahead(st, slots, silence_s, rest_s, long_rest_s, limit_s, cutoff_s, out):  # type: ignore[no-untyped-def]
    """Fill the columns of `COLUMNS` for hours that end at the last message or later, if driving goes on from it.

    Parameters
    ----------
    cutoff_s
        (n, m): instants at which hours end. Where there is no row, because the vehicle rests or less will have been driven, it
        becomes 0.
    limit_s
        Continuous driving that is counted once it is passed.
    out
        (n, m, n_columns).
    """
    for i in range(len(slots)):
        slot = slots[i]
        r = st.vehicle[slot, NEWEST]
        last, begin = np.int64(r.last_s), np.int64(r.run_begin_s)
        if not last or not begin or rests(st, slot, r, last, rest_s):
            cutoff_s[i] = 0
            continue
        variation, lanes = _within(st, slot, max(last - HOUR_S, begin), silence_s)
        cont = np.int64(r.drive_s) - np.int64(r.run_drive_s)
        passes = last + limit_s - cont if cont <= limit_s else np.int64(0)
        for k in range(cutoff_s.shape[1]):
            cutoff = cutoff_s[i, k]
            start = cutoff - HOUR_S
            cutoff_s[i, k] = 0
            if start < begin or cutoff < last or driven_on(st, slot, cutoff)[0] - driven_on(st, slot, start)[0] < MIN_DRIVE_S:
                continue
            cutoff_s[i, k] = cutoff
            _filled(st, slot, r, start, long_rest_s, out[i, k])
            out[i, k, _CV], out[i, k, _LANE] = variation, lanes
            if passes and passes <= start:
                out[i, k, _OVER] += 1

"""What the state says at an instant, compiled by numba: where a vehicle is and does, and every limit to the second.

A message speaks for the time until the next one, at most for 90 seconds: so far it is supposed that what the vehicle did at its
last message goes on. Where the last message is older than that, everything is said as of it, and `stale` says so.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from features.driving_hours import MAX_AWAKE_H
from features.fatigue.safte import SAFTE
from features.fatigue.tpm import (
    CIRCADIAN_AMPLITUDE,
    CIRCADIAN_PEAK_H,
    INERTIA_AMPLITUDE,
    INERTIA_RATE_PER_H,
    KSS_INTERCEPT,
    KSS_SLOPE,
    LOWER_ASYMPTOTE,
    ULTRADIAN_AMPLITUDE,
    ULTRADIAN_MESOR,
    WAKE_RATE_PER_H,
)
from features.live.compiled import jit, kernel, night_s, window_s
from features.live.layout import CLASS_SHIFT, DRIVING, NEWEST, TALLIES, T
from features.live.sleeping import safte_clock
from features.segments import DAY_S, DRIVE, HOUR_S, LOCAL_OFFSET_S, OFFLINE, STOP

WEEK_S: Final = 7 * DAY_S
AHEAD_H: Final = (0, 1, 2, 3, 4)
"""Hours from now at which sleepiness is forecast if nobody sleeps."""
NOW: Final = np.dtype([
    ("at_s", "<i8"), ("last_s", "<i8"), ("received_us", "<i8"), ("lon_deg", "<f8"), ("lat_deg", "<f8"), ("speed_kmh", "<f8"),
    ("odometer_km", "<f8"), ("state_since_s", "<i8"), ("run_since_s", "<i8"), ("cont_s", "<i8"), ("drive_24h_s", "<i8"),
    ("drive_7d_s", "<i8"), ("night_24h_s", "<i8"), ("small_7d_s", "<i8"), ("longest_rest_24h_s", "<i8"), ("long_rest_s", "<i8"),
    ("n_over_4h_7d", "<i8"), ("alarm_bits", "<u4"), ("heading_deg", "<u2"), ("door", "<u2"),
    ("kss", "<f8", (len(AHEAD_H),)), ("safte", "<f8", (len(AHEAD_H),)), ("today", "<i4", (len(TALLIES),)),
    ("n_drifted", "<u4"), ("known", "u1"), ("stale", "u1"), ("state", "u1"), ("resting", "u1"), ("long_rest", "u1"),
    ("road_class", "i1"),
])
"""One vehicle now. `at_s`: the instant that all of it is about. `last_s`, `received_us`: device time of the last message, and its
receipt. `state` (`features.segments`: stop, drive, offline) since `state_since_s`. `run_since_s`: end of the last rest. `cont_s`:
driving since. `long_rest_s`: end of the last stop of five hours, 0 where none was seen. `kss`, `safte`: at `AHEAD_H`,
not-a-number where no sleep was observed or the vehicle stands in a long stop. `today`: `layout.TALLIES` of the local day.
`resting`: in a rest of 20 minutes; `long_rest`: in one of five hours. `road_class`: -1 off the known roads, else index of
`features.simulation.roads.ROAD_CLASSES`. Where `known` is 0 nothing else counts."""
LIMIT: Final = np.dtype([
    ("used_s", "<i8"), ("remaining_s", "<i8"), ("reached_s", "<i8"), ("unobserved_s", "<i8"), ("complete", "u1"),
])
"""One limit of one vehicle, as `features.duty_ledger.DutyEntry`."""
RUN, NIGHT_RUN, ROLLING, STANDSTILL = 0, 1, 2, 3
_T_DAY = T["day"]
_CAPACITY, _LOSS, _SWING, _SWING_MORE = SAFTE.capacity, SAFTE.loss_per_min, SAFTE.amplitude, SAFTE.amplitude_growth
_INERTIA, _INERTIA_RATE, _INERTIA_MIN = SAFTE.inertia, SAFTE.inertia_rate, SAFTE.inertia_min
_AHEAD = np.array(AHEAD_H, dtype=np.int64) * HOUR_S


@jit
def stretch_at(st, slot, instant):  # type: ignore[no-untyped-def]
    """Return the number of the stretch in which an instant lies, -1 before the first."""
    at, low, high = st.t_at[slot], np.int64(0), np.int64(st.vehicle[slot, NEWEST].n_stretches)
    while low < high:
        middle = (low + high) // 2
        if np.int64(st.stretches[at + middle].start_s) <= instant:
            low = middle + 1
        else:
            high = middle
    return low - 1


@jit
def end_of(st, slot, k):  # type: ignore[no-untyped-def]
    """Return when a stretch ends as far as messages tell."""
    r = st.vehicle[slot, NEWEST]
    if k + 1 < np.int64(r.n_stretches):
        return np.int64(st.stretches[st.t_at[slot] + k + 1].start_s)
    return np.int64(r.last_s)


@jit
def driven(st, slot, instant):  # type: ignore[no-untyped-def]
    """Return driving, that from 22 to 6 and that from 2 to 5 o'clock up to an instant, beyond the last message as it went on."""
    r = st.vehicle[slot, NEWEST]
    last = np.int64(r.last_s)
    if instant >= last:
        total, night, small = np.int64(r.drive_s), np.int64(r.night_s), np.int64(r.small_s)
        if r.bits & DRIVING:
            total += instant - last
            night += night_s(last, instant)
            small += window_s(last, instant, 2, 5)
        return total, night, small
    k = stretch_at(st, slot, instant)
    stretch = st.stretches[st.t_at[slot] + max(k, 0)]
    total, night, small = np.int64(stretch.drive_s), np.int64(stretch.night_s), np.int64(stretch.small_s)
    if k >= 0 and stretch.state == DRIVE:
        start = np.int64(stretch.start_s)
        total += instant - start
        night += night_s(start, instant)
        small += window_s(start, instant, 2, 5)
    return total, night, small


@jit
def driven_on(st, slot, instant):  # type: ignore[no-untyped-def]
    """Return what `driven` does, as if driving went on from the last message whatever it said."""
    last = np.int64(st.vehicle[slot, NEWEST].last_s)
    total, night, small = driven(st, slot, min(instant, last))
    if instant > last:
        total += instant - last
        night += night_s(last, instant)
        small += window_s(last, instant, 2, 5)
    return total, night, small


@jit
def longest_stop_s(st, slot, instant):  # type: ignore[no-untyped-def]
    """Return the longest stop in the 24 hours before an instant, as messages tell."""
    longest = np.int64(0)
    k = stretch_at(st, slot, instant - 1)
    while k >= 0:
        stretch, end = st.stretches[st.t_at[slot] + k], end_of(st, slot, k)
        if end <= instant - DAY_S:
            break
        if stretch.state == STOP:
            longest = max(longest, min(end, instant) - max(np.int64(stretch.start_s), instant - DAY_S))
        k -= 1
    return longest


@jit
def crossings(st, slot, instant):  # type: ignore[no-untyped-def]
    """Return how often continuous driving passed four hours in the seven days before an instant."""
    n = np.int64(0)
    k = stretch_at(st, slot, instant)
    while k >= 0 and end_of(st, slot, k) > instant - WEEK_S:
        crossed = np.int64(st.stretches[st.t_at[slot] + k].crossed_s)
        n += 1 if instant - WEEK_S < crossed <= instant else 0
        k -= 1
    return n


@jit
def kss_at(r, instant):  # type: ignore[no-untyped-def]
    """Return KSS at an instant from what the last long stop suggests."""
    awake_h = (instant - np.int64(r.wake_s)) / 3600.0
    clock_h = ((instant + LOCAL_OFFSET_S) % DAY_S) / 3600.0
    alert = LOWER_ASYMPTOTE + (r.s_at_wake - LOWER_ASYMPTOTE) * math.exp(WAKE_RATE_PER_H * awake_h)
    alert += CIRCADIAN_AMPLITUDE * math.cos(2.0 * math.pi / 24.0 * (clock_h - CIRCADIAN_PEAK_H))
    alert += ULTRADIAN_MESOR + ULTRADIAN_AMPLITUDE * math.cos(2.0 * math.pi / 12.0 * (clock_h - CIRCADIAN_PEAK_H - 3.0))
    alert += INERTIA_AMPLITUDE * math.exp(INERTIA_RATE_PER_H * awake_h)
    return min(max(KSS_INTERCEPT + KSS_SLOPE * alert, 1.0), 9.0)


@jit
def sleepiness(r, instant):  # type: ignore[no-untyped-def]
    """Return KSS and effectiveness at an instant from what the last long stop suggests."""
    awake_min = (instant - np.int64(r.wake_s)) / 3600.0 * 60.0
    clock_h = ((instant + LOCAL_OFFSET_S) % DAY_S) / 3600.0
    level = max(r.reservoir - _LOSS * awake_min, 0.0)
    swing = _SWING + _SWING_MORE * (_CAPACITY - level) / _CAPACITY
    groggy = awake_min <= _INERTIA_MIN and r.intensity > 0.0
    inertia = -_INERTIA * math.exp(-(_INERTIA_RATE * awake_min / r.intensity)) if groggy else 0.0
    return kss_at(r, instant), 100.0 * level / _CAPACITY + safte_clock(clock_h) * swing + inertia


@jit
def _as_of(st, slot, at, silence_s):  # type: ignore[no-untyped-def]
    """Return the instant for which the vehicle is known, and whether that is long ago."""
    last = np.int64(st.vehicle[slot, NEWEST].last_s)
    if at <= last or at - last > silence_s:
        return last, at - last > silence_s
    return at, False


@jit
def _doing(st, slot, until):  # type: ignore[no-untyped-def]
    """Return what a vehicle does at an instant from its last message on, since when, and the spare time of a silence."""
    r = st.vehicle[slot, NEWEST]
    last, n = np.int64(r.last_s), np.int64(r.n_stretches)
    following = DRIVE if r.bits & DRIVING else STOP
    if n == 0:
        return following, last, np.int64(0)
    stretch = st.stretches[st.t_at[slot] + n - 1]
    if until > last and stretch.state != following:
        return following, last, np.int64(0)
    return np.int64(stretch.state), np.int64(stretch.start_s), np.int64(stretch.spare_s)


@jit
def _run(st, slot, r, until, rest_s):  # type: ignore[no-untyped-def]
    """Return whether the vehicle is in a rest or in what may hold one; since when it runs, and driving up to then."""
    state, since, spare = _doing(st, slot, until)
    last_s, n = np.int64(r.last_s), np.int64(r.n_stretches)
    if (state == STOP and until - since >= rest_s) or (state == OFFLINE and spare >= rest_s):
        return True, until, np.int64(r.drive_s), np.int64(r.night_s)
    if n and until > last_s and since == last_s:
        # What the last interval was is over, and it may have been a rest.
        last = st.stretches[st.t_at[slot] + n - 1]
        stood = last_s - np.int64(last.start_s)
        if (last.state == STOP and stood >= rest_s) or (last.state == OFFLINE and last.spare_s >= rest_s):
            return False, last_s, np.int64(r.drive_s), np.int64(r.night_s)
    return False, np.int64(r.run_since_s), np.int64(r.run_drive_s), np.int64(r.run_night_s)


@jit
def rests(st, slot, r, until, rest_s):  # type: ignore[no-untyped-def]
    """Return whether a vehicle is in a rest, or in what may hold one, at an instant from its last message on."""
    return _run(st, slot, r, until, rest_s)[0]


@kernel
def read_now(st, slots, at_s, silence_s, rest_s, long_rest_s, out):  # type: ignore[no-untyped-def]
    """Fill `NOW` for vehicles at an instant."""
    for i in range(len(slots)):
        slot, now = slots[i], out[i]
        r = st.vehicle[slot, NEWEST]
        now.known = 1 if r.last_s else 0
        if not r.last_s:
            continue
        until, stale = _as_of(st, slot, at_s, silence_s)
        now.at_s, now.last_s, now.received_us, now.stale = until, r.last_s, st.received_us[slot], stale
        now.lon_deg, now.lat_deg, now.speed_kmh = r.lon_e6 / 1e6, r.lat_e6 / 1e6, r.speed / 10.0
        now.odometer_km = np.nan if r.odometer_m == np.uint32(0xFFFFFFFF) else r.odometer_m / 1000.0
        now.heading_deg, now.alarm_bits, now.door = st.heading[slot], r.alarm_bits, st.door[slot]
        now.road_class, now.n_drifted = np.int64(r.bits >> CLASS_SHIFT) - 1, r.n_drifted
        state, since, _ = _doing(st, slot, until)
        resting, run_since, before, _ = _run(st, slot, r, until, rest_s)
        now.state, now.state_since_s, now.resting = state, since, resting
        now.long_rest = state == STOP and until - since >= long_rest_s
        now.long_rest_s = r.long_rest_s
        now.run_since_s = run_since
        here, day, week = driven(st, slot, until), driven(st, slot, until - DAY_S), driven(st, slot, until - WEEK_S)
        now.cont_s = here[0] - before
        now.drive_24h_s, now.drive_7d_s = here[0] - day[0], here[0] - week[0]
        now.night_24h_s, now.small_7d_s = here[1] - day[1], here[2] - week[2]
        now.longest_rest_24h_s, now.n_over_4h_7d = longest_stop_s(st, slot, until), crossings(st, slot, until)
        told = r.sleep == 1 and not now.long_rest and (until - np.int64(r.woke_s)) / 3600.0 <= MAX_AWAKE_H
        for k in range(len(_AHEAD)):
            now.kss[k], now.safte[k] = sleepiness(r, until + _AHEAD[k]) if told else (np.nan, np.nan)
        local_day = (until + LOCAL_OFFSET_S) // DAY_S
        counted = st.tally[slot, NEWEST, local_day & 1]
        for k in range(len(counted)):
            now.today[k] = counted[k] if counted[_T_DAY] == local_day else 0
        now.today[_T_DAY] = local_day


@jit
def _window(instant, from_h, to_h):  # type: ignore[no-untyped-def]
    length = (to_h - from_h) % 24 * HOUR_S
    begin = (instant + LOCAL_OFFSET_S - from_h * HOUR_S) // DAY_S * DAY_S + from_h * HOUR_S - LOCAL_OFFSET_S
    if instant >= begin + length:
        begin += DAY_S
    return begin, begin + length


@jit
def _spent_in_windows(instant, left, from_h, to_h):  # type: ignore[no-untyped-def]
    """Return when some seconds of a daily window are spent if driving goes on."""
    here = instant
    while left > 0:
        begin, end = _window(here, from_h, to_h)
        begin = max(begin, here)
        if left <= end - begin:
            return begin + left
        here, left = end, left - (end - begin)
    return here


@jit
def _filled(st, slot, until, span, left):  # type: ignore[no-untyped-def]
    """Return when a rolling span is full if driving goes on: once so many seconds without driving have left it."""
    here = until - span
    k = stretch_at(st, slot, here)
    n = np.int64(st.vehicle[slot, NEWEST].n_stretches)
    while True:
        following = end_of(st, slot, k)
        drives = k >= 0 and st.stretches[st.t_at[slot] + k].state == DRIVE
        if k + 1 >= n and here >= following:
            # Behind the last message, where it stands on: all before has been spent.
            return here + left + span
        if not drives:
            if left <= following - here:
                return here + left + span
            left -= following - here
        here = following
        k += 1


@jit
def _unseen(st, slot, begin, until):  # type: ignore[no-untyped-def]
    """Return off-line seconds between two instants."""
    total = np.int64(0)
    k = np.int64(st.vehicle[slot, NEWEST].n_stretches) - 1
    while k >= 0:
        end = end_of(st, slot, k)
        if end <= begin:
            break
        stretch = st.stretches[st.t_at[slot] + k]
        if stretch.state == OFFLINE:
            total += max(min(end, until) - max(np.int64(stretch.start_s), begin), 0)
        k -= 1
    return total


@kernel
def read_limits(st, slots, at_s, silence_s, rules, out):  # type: ignore[no-untyped-def]
    """Fill `LIMIT` for vehicles and rules (rows of kind, limit, rest, span, from hour, to hour) at an instant."""
    for i in range(len(slots)):
        slot = slots[i]
        r = st.vehicle[slot, NEWEST]
        if not r.last_s:
            continue
        until, _ = _as_of(st, slot, at_s, silence_s)
        first, here = np.int64(r.first_s), driven(st, slot, until)
        lived = r.n_stretches > 0 or until > np.int64(r.last_s)
        for k in range(len(rules)):
            kind, limit, rest_s, span, from_h, to_h = rules[k]
            entry = out[i, k]
            if kind in (RUN, NIGHT_RUN):
                resting, since, drive, night = _run(st, slot, r, until, rest_s)
                used = here[0] - drive if kind == RUN else here[1] - night
                left = max(limit - used, 0)
                entry.reached_s = until + left if kind == RUN else _spent_in_windows(until, left, from_h, to_h)
                entry.unobserved_s = np.int64(0) if resting else _unseen(st, slot, since, until)
                entry.complete = resting or since > first
            elif kind == ROLLING:
                used = here[0] - driven(st, slot, until - span)[0]
                left = max(limit - used, 0)
                entry.reached_s = until if left == 0 else _filled(st, slot, until, span, left)
                entry.unobserved_s = _unseen(st, slot, until - span, until)
                entry.complete = lived and first <= until - span
            else:
                begin, close = _window(until, from_h, to_h)
                used = here[2] - driven(st, slot, begin)[2] if begin < until else np.int64(0)
                left = max(limit - used, 0)
                entry.reached_s = max(begin, until) + left
                entry.unobserved_s = _unseen(st, slot, begin, close)
                entry.complete = lived and first <= begin
            entry.used_s, entry.remaining_s = used, left

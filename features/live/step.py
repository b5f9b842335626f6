"""The fold, message by message, compiled by numba; import it late, compiling takes some seconds once.

It builds the stretches that `features.track` and `features.segments` build of all messages at once, in whole seconds and whole
units of distance. The newest state is stepped as messages come. One that comes out of order makes it begin again from the settled
state, which moves on only once nothing older is waited for; so any order in which each message comes in time gives the same
state, and a message costs two steps however many wait.
"""

from __future__ import annotations

import math

import numpy as np

from features.live.compiled import jit, kernel, night_s, window_s
from features.live.layout import ACC, CLASS_SHIFT, DRIFTED, DRIVING, FIXED, LANE_WARNED, NEWEST, SETTLED, T
from features.live.lists import grown_messages, grown_stretches, pruned_messages, pruned_stretches
from features.live.positions import E6, LANE, NO_ODOMETER, NO_SPEED, Refusal
from features.live.sleeping import slept
from features.live.tally import count, count_span, day_of, distributed, sped
from features.reduction import ALARMS
from features.segments import DAY_S, DRIVE, LOCAL_OFFSET_S, OFFLINE, STOP
from features.track import KM_PER_DEG, UNITS_PER_KM, UNITS_PER_M

_FATIGUE, _SPEED, _COLLISION = ALARMS["n_alarm_fatigue"], ALARMS["n_alarm_speed"], ALARMS["n_alarm_collision"]
_LATE, _DUPLICATE, _NONE = int(Refusal.LATE), int(Refusal.DUPLICATE), int(Refusal.NONE)
_STATUS_ACC, _STATUS_FIXED = 1, 2
_T_DRIVE, _T_NIGHT, _T_SMALL, _T_OFFLINE = T["drive_s"], T["night_s"], T["small_s"], T["offline_s"]
_T_OVER, _T_URBAN, _T_ALARM, _T_BRAKE = T["overspeed_s"], T["over_urban_s"], T["n_alarm_fatigue"], T["n_harsh_brake"]
_T_4H, _T_REST, _T_LONGEST, _T_MESSAGES = T["n_cont_over_4h"], T["n_rest_20min"], T["longest_s"], T["n_messages"]


@jit
def _closed(st, slot, copy, r, stretch, end, rules):  # type: ignore[no-untyped-def]
    """Note what the end of a stretch means."""
    length = end - np.int64(stretch.start_s)
    stood = stretch.state == STOP
    hidden = stretch.state == OFFLINE
    if (stood and length >= rules.rest_s) or (hidden and stretch.spare_s >= rules.rest_s):
        r.run_since_s, r.run_begin_s, r.run_drive_s, r.run_night_s = end, 0, r.drive_s, r.night_s
    if stood and rules.rest_s <= length < rules.long_rest_s:
        count(st, slot, copy, end, _T_REST, 1)
    if stood and length >= DAY_S:
        r.day_rest_s = end
    if stood and length >= rules.long_rest_s:
        r.long_rest_s = end
        slept(r, np.int64(stretch.start_s), end)
    elif hidden and stretch.spare_s >= rules.long_rest_s:
        r.sleep, r.woke_s = 2, end


@jit
def _extended(st, slot, copy, r, start, state, spare, rules):  # type: ignore[no-untyped-def]
    """Return the place of the stretch that an interval belongs to, a new one where it is of another kind."""
    n = np.int64(r.n_stretches)
    if n:
        last = st.stretches[st.t_at[slot] + n - 1]
        if last.state == state and state != OFFLINE:
            return st.t_at[slot] + n - 1
        _closed(st, slot, copy, r, last, start, rules)
    else:
        r.run_since_s = start
    if copy == NEWEST:
        if n >= st.t_size[slot]:
            if not pruned_stretches(st, slot):
                grown_stretches(st, slot, n, n + n // 4 + 1)
            n = np.int64(r.n_stretches)
        made = st.stretches[st.t_at[slot] + n]
        made.start_s, made.state, made.spare_s, made.crossed_s = start, state, spare, 0
        made.drive_s, made.night_s, made.small_s = r.drive_s, r.night_s, r.small_s
    r.n_stretches = n + 1
    return st.t_at[slot] + n


@jit
def _drove(st, slot, copy, r, place, start, end, rules):  # type: ignore[no-untyped-def]
    if r.run_begin_s == 0:
        r.run_begin_s = start
    while start < end:
        cut = min(end, ((start + LOCAL_OFFSET_S) // DAY_S + 1) * DAY_S - LOCAL_OFFSET_S)
        length, by_night, small = cut - start, night_s(start, cut), window_s(start, cut, 2, 5)
        before = np.int64(r.drive_s) - np.int64(r.run_drive_s)
        if before <= rules.limit_s < before + length:
            count(st, slot, copy, start, _T_4H, 1)
            if copy == NEWEST:
                st.stretches[place].crossed_s = start + rules.limit_s - before
        r.drive_s += length
        r.night_s += by_night
        r.small_s += small
        parity = day_of(st, slot, copy, start)
        if parity >= 0:
            tally = st.tally[slot, copy, parity]
            tally[_T_DRIVE] += length
            tally[_T_NIGHT] += by_night
            tally[_T_SMALL] += small
            tally[_T_LONGEST] = max(tally[_T_LONGEST], before + length)
        start = cut


@jit
def _haversine_m(lon, lat, to_lon, to_lat):  # type: ignore[no-untyped-def]
    half = math.sin(math.radians(to_lat - lat) / 2.0) ** 2
    half += math.cos(math.radians(lat)) * math.cos(math.radians(to_lat)) * math.sin(math.radians(to_lon - lon) / 2.0) ** 2
    return np.int64(np.rint(2.0 * 6371008.8 * math.asin(math.sqrt(half))))


@jit
def _interval(st, slot, copy, r, m, caps, rules):  # type: ignore[no-untyped-def]  # noqa: C901 - one interval, as the batch
    """Take what lies between the last message and this one."""
    start, end = np.int64(r.last_s), np.int64(m.time_s)
    seconds = end - start
    heard = seconds <= rules.silence_s
    by_speed = np.int64(0)
    if heard:
        if r.bits & DRIVING:
            by_speed = np.int64(r.speed) * seconds
    elif r.bits & FIXED and m.bits & FIXED:
        by_speed = UNITS_PER_M * _haversine_m(r.lon_e6 / E6, r.lat_e6 / E6, m.lon_e6 / E6, m.lat_e6 / E6)
    by_odometer = by_speed
    if r.odometer_m != NO_ODOMETER and m.odometer_m != NO_ODOMETER:
        advance = (np.int64(m.odometer_m) - np.int64(r.odometer_m)) * UNITS_PER_M
        if 0 <= advance <= seconds * np.int64(round(rules.max_kmh * 10)) + UNITS_PER_KM:
            by_odometer = advance
    farther = max(by_odometer, by_speed)
    state, spare = STOP, np.int64(0)
    if heard:
        state = DRIVE if r.bits & DRIVING else STOP
    elif farther >= rules.moved_m * UNITS_PER_M:
        state, spare = OFFLINE, seconds - farther // (rules.gap_kmh * 10)
    else:
        by_odometer = by_speed = np.int64(0)
    place = _extended(st, slot, copy, r, start, state, spare, rules)
    if by_odometer or by_speed:
        distributed(st, slot, copy, start, end, by_odometer, by_speed)
    if state == OFFLINE:
        count_span(st, slot, copy, start, end, _T_OFFLINE)
    if state != DRIVE:
        return
    _drove(st, slot, copy, r, place, start, end, rules)
    if r.speed > st.cap[slot]:
        r.fast_start_s = sped(st, slot, copy, np.int64(r.fast_start_s), np.int64(r.fast_end_s), start, end, _T_OVER, rules)
        r.fast_end_s = end
    road = r.bits >> CLASS_SHIFT
    if road and r.speed > caps[road]:
        begin = np.int64(r.over_start_s) if r.over_class == road else np.int64(0)
        which = _T_URBAN + road - 1
        r.over_start_s = sped(st, slot, copy, begin, np.int64(r.over_end_s), start, end, which, rules)
        r.over_end_s, r.over_class = end, road


@jit
def _far(r, m, rules):  # type: ignore[no-untyped-def]
    reach = rules.max_kmh / 3600.0 / KM_PER_DEG * (np.int64(m.time_s) - np.int64(r.place_s))
    east = (m.lon_e6 / E6 - r.place_lon_e6 / E6) * math.cos(math.radians(r.place_lat_e6 / E6))
    north = m.lat_e6 / E6 - r.place_lat_e6 / E6
    return east * east + north * north > reach * reach


@jit
def _step(st, slot, copy, at, caps, rules):  # type: ignore[no-untyped-def]
    """Take one message, the next in time."""
    m, r = st.messages[at], st.vehicle[slot, copy]
    instant = np.int64(m.time_s)
    count(st, slot, copy, instant, _T_MESSAGES, 1)
    m.bits &= ~np.uint16(DRIFTED)
    if not r.known:
        r.known, r.first_s = 1, instant
    if m.bits & FIXED:
        if r.placed and r.dropped < rules.max_drift_run and _far(r, m, rules):
            r.dropped += 1
            r.n_drifted += 1
            m.bits |= np.uint16(DRIFTED)
            return
        r.placed, r.dropped = 1, 0
        r.place_s, r.place_lon_e6, r.place_lat_e6 = m.time_s, m.lon_e6, m.lat_e6
    heard = False
    if r.last_s:
        gap = instant - np.int64(r.last_s)
        heard = gap <= rules.silence_s
        _interval(st, slot, copy, r, m, caps, rules)
        hard = gap <= rules.brake_within_s and np.int64(r.speed) - np.int64(m.speed) >= gap * rules.brake
        if hard and not r.braking:
            count(st, slot, copy, instant, _T_BRAKE, 1)
        r.braking = hard
    raised = np.uint8(0)
    for n, mask in enumerate((_FATIGUE, _SPEED, _COLLISION)):
        if m.alarm_bits & np.uint32(mask):
            raised |= np.uint8(1 << n)
            if not (heard and r.raised & np.uint8(1 << n)):
                count(st, slot, copy, instant, _T_ALARM + n, 1)
    r.raised = raised
    r.last_s, r.speed, r.bits, r.odometer_m, r.alarm_bits = m.time_s, m.speed, m.bits, m.odometer_m, m.alarm_bits
    r.lon_e6, r.lat_e6 = m.lon_e6, m.lat_e6


@jit
def _begin_again(st, slot, caps, rules):  # type: ignore[no-untyped-def]
    """Make the newest state from the settled one and all messages that wait."""
    st.vehicle[slot, NEWEST] = st.vehicle[slot, SETTLED]
    st.tally[slot, NEWEST] = st.tally[slot, SETTLED]
    settled = st.vehicle[slot, SETTLED]
    if settled.n_stretches:
        last = st.stretches[st.t_at[slot] + np.int64(settled.n_stretches) - 1]
        if last.crossed_s > settled.last_s:
            last.crossed_s = 0
    for k in range(st.m_settled[slot], st.m_count[slot]):
        _step(st, slot, NEWEST, st.m_at[slot] + k, caps, rules)


@jit
def _settle(st, slot, caps, rules):  # type: ignore[no-untyped-def]
    until = st.newest_s[slot] - rules.lateness_s
    while st.m_settled[slot] < st.m_count[slot]:
        at = st.m_at[slot] + st.m_settled[slot]
        if np.int64(st.messages[at].time_s) > until:
            return
        # What the newest state has marked in the message stays as it is: both copies mark alike.
        _step(st, slot, SETTLED, at, caps, rules)
        st.m_settled[slot] += 1


@jit
def _written(m, record, road, rules):  # type: ignore[no-untyped-def]
    m.received_us, m.time_s, m.lon_e6, m.lat_e6 = record.received_us, record.time_s, record.lon_e6, record.lat_e6
    m.odometer_m, m.alarm_bits = record.odometer_m, record.alarm_bits
    speed = int(record.speed)
    if speed == NO_SPEED:
        speed = int(record.recorder) if record.recorder != NO_SPEED else 0
    m.speed = speed
    bits = np.int64(road) << CLASS_SHIFT
    if record.status_bits & np.uint32(_STATUS_ACC):
        bits |= ACC
        if speed >= rules.driving:
            bits |= DRIVING
    if record.status_bits & np.uint32(_STATUS_FIXED):
        bits |= FIXED
    if record.warn == LANE:
        bits |= LANE_WARNED
    m.bits = bits


@jit
def _before(record, m):  # type: ignore[no-untyped-def]
    """Return whether a record takes the place of a message of the same instant: the one received first counts.

    Two received at once are told apart by what they say, so that their order does not matter.
    """
    if record.received_us != m.received_us:
        return record.received_us < m.received_us
    if record.lon_e6 != m.lon_e6:
        return record.lon_e6 < m.lon_e6
    if record.lat_e6 != m.lat_e6:
        return record.lat_e6 < m.lat_e6
    return record.odometer_m < m.odometer_m


@kernel
def fold_records(st, slots, records, roads, first, caps, rules, said):  # type: ignore[no-untyped-def]  # noqa: C901 - one pass
    """Take records in the order of their arrival, from place `first` on.

    Parameters
    ----------
    st
        `features.live.layout.State`.
    slots, records, roads
        Vehicle, `POSITION` and road class plus one (0: no road) of each record.
    caps
        Cap of each road class plus one, 0.1 km/h.
    rules
        `StepRules`.
    said
        Filled with 0 (in order), a `Refusal`, or 6 where the record came out of order.

    Returns
    -------
    int
        Place of the first record that was not taken because a pool is full, or the number of records.
    """
    for i in range(first, len(slots)):
        slot = slots[i]
        record = records[i]
        waiting = st.m_count[slot] - st.m_settled[slot]
        if st.tops[0] + 4 * (np.int64(st.m_size[slot]) + 8) > len(st.messages):
            return i
        if st.tops[1] + 4 * (np.int64(st.t_size[slot]) + waiting + 8) > len(st.stretches):
            return i
        instant = np.int64(record.time_s)
        at, n, settled = st.m_at[slot], st.m_count[slot], st.m_settled[slot]
        if settled and instant <= np.int64(st.messages[at + settled - 1].time_s):
            # It may be one that is known: then it says nothing new, and nothing has to be corrected.
            known = False
            for k in range(settled):
                known = known or np.int64(st.messages[at + k].time_s) == instant
            said[i] = _DUPLICATE if known else _LATE
            st.counts[1 if known else 2] += 1
            continue
        place = n
        while place > settled and np.int64(st.messages[at + place - 1].time_s) > instant:
            place -= 1
        if place > settled and np.int64(st.messages[at + place - 1].time_s) == instant:
            said[i] = _DUPLICATE
            st.counts[1] += 1
            if _before(record, st.messages[at + place - 1]):
                _written(st.messages[at + place - 1], record, roads[i], rules)
                _begin_again(st, slot, caps, rules)
            continue
        if n >= st.m_size[slot]:
            settled_before = settled
            if not pruned_messages(st, slot):
                grown_messages(st, slot, n + n // 4 + 1)
            place -= settled_before - st.m_settled[slot]
            at, n = st.m_at[slot], st.m_count[slot]
        for k in range(n, place, -1):
            st.messages[at + k] = st.messages[at + k - 1]
        _written(st.messages[at + place], record, roads[i], rules)
        st.m_count[slot] = n + 1
        st.counts[0] += 1
        if place == n:
            st.newest_s[slot], st.heading[slot], st.door[slot] = instant, record.heading_deg, record.door
            st.received_us[slot] = record.received_us
            _step(st, slot, NEWEST, at + place, caps, rules)
            said[i] = _NONE
        else:
            st.counts[3] += 1
            _begin_again(st, slot, caps, rules)
            said[i] = 6
        _settle(st, slot, caps, rules)
    return len(slots)

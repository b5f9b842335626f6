"""Frames of the live fleet: what changed since any frame, by any copy; tiers of vehicles at an instant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.live.fleet import BLUE, FLEET, RED, SILENT, YELLOW, Fleet, look_of, read_frame
from features.live.fold import LiveFold
from features.live.roster import roster_of
from features.segments import DRIVE
from features.supervision.fleet_look import fleet_rows
from registry.errors import IntegrityError
from registry.supervision.rules import TRADES
from tests.lib.live import fed, records
from tests.lib.positions import MIDNIGHT, Leg, at, drive

START_S = int(MIDNIGHT.timestamp())
N = 5
looks = st.lists(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=N, max_size=N), min_size=1, max_size=8)


def rows_of(look):
    rows = np.zeros(N, FLEET)
    rows["lon_e6"], rows["known"] = [115_000_000 + place for place, _ in look], [known for _, known in look]
    return rows


@given(looks, st.integers(0, 9), st.lists(st.booleans(), min_size=N, max_size=N))
def test_a_reader_of_any_frame_gets_what_changed_and_ends_with_the_newest(frames, seen, wanted):
    fleet, copy = Fleet.empty(7, N), Fleet.empty(7, N)
    truth, history = np.zeros(N, FLEET), []
    for at_s, look in enumerate(frames):
        rows = rows_of(look)
        fleet.take(rows, at_s)
        truth = np.where(rows["known"] == 1, rows, truth)
        history.append((fleet.number, truth.copy()))
        copy.apply(fleet.since(copy.number))
        assert np.array_equal(copy.rows, truth)
        assert (copy.number, copy.at_s) == (fleet.number, at_s)
    number, then = next(((n, rows) for n, rows in history if n >= seen), history[-1])
    for teller in (fleet, copy):
        head, columns = read_frame(teller.since(number, np.array(wanted)))
        changed = np.flatnonzero((then != truth) & np.array(wanted))
        # A vehicle that changed and changed back is told too; none that changed is left out, and none that may not be seen is told.
        assert set(changed) <= set(columns["slot"].tolist()) <= set(np.flatnonzero(wanted))
        assert head["number"] == fleet.number
        assert columns["lon_e6"].tolist() == truth["lon_e6"][columns["slot"]].tolist()


def test_what_is_no_frame_of_this_fleet_is_refused():
    fleet = Fleet.empty(7, N)
    fleet.take(rows_of([(1, True)] * N), 5)
    frame = fleet.since(0)
    for broken in (b"", frame[:-1], frame + b"x", b"XXXX" + frame[4:], frame[:12] + b"{" + frame[13:]):
        with pytest.raises(IntegrityError):
            Fleet.empty(7, N).apply(broken)
    with pytest.raises(IntegrityError):
        Fleet.empty(8, N).apply(frame)
    with pytest.raises(IntegrityError):
        Fleet.empty(7, N - 1).apply(frame)


def test_a_look_holds_its_parts():
    for trade in range(len(TRADES)):
        look = int(look_of(RED, DRIVE, 1, trade))
        assert (look & 7, look >> 3 & 3, look >> 5 & 1, look >> 6) == (RED, DRIVE, 1, trade)


@pytest.mark.parametrize(("clock", "tier", "left_s"), [
    ("10:00", BLUE, 7_200), ("11:31", YELLOW, 1_740), ("12:00", RED, 0), ("12:05", RED, 0), ("12:25", RED, None),
    ("12:31", BLUE, None), ("12:45", SILENT, None),
])
def test_a_truck_turns_yellow_before_its_limit_red_at_it_blue_in_its_rest_and_grey_when_unheard(clock, tier, left_s):
    roster = roster_of([("v1", "00000000000000aa", "e1", "8")], None)
    fold, now = LiveFold.empty(1, cap_kmh=roster.cap_kmh), START_S + at(clock)
    found = records(drive([Leg("08:00", "12:10", 70.0), Leg("12:10", "12:40", 0.0)]))
    fed(fold, found[:int(np.searchsorted(found["time_s"], now, side="right"))])
    (row,) = fleet_rows(fold, roster, np.array([TRADES.index("freight")]), now)
    assert int(row["look"]) & 7 == tier
    assert (max(int(row["due_s"]) - now, 0) if row["due_s"] else None) == left_s
    assert TRADES[int(row["look"]) >> 6] == "freight"


def test_a_tier_of_the_fatigue_score_is_shown_where_it_is_given():
    roster = roster_of([("v1", "00000000000000aa", "e1", "8")], None)
    fold = LiveFold.empty(1, cap_kmh=roster.cap_kmh)
    fed(fold, records(drive([Leg("08:00", "09:00", 70.0)])))
    now, trade = START_S + at("09:00"), np.array([0])
    assert int(fleet_rows(fold, roster, trade, now)[0]["look"]) & 7 == BLUE
    (row,) = fleet_rows(fold, roster, trade, now, {"fatigue_tier": np.array([4.0])})
    assert int(row["look"]) & 7 == RED

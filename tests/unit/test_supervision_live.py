"""From messages to alerts: a coach that drives on, rests, and is cleared; silence, papers, and what is not known."""

from __future__ import annotations

import numpy as np
import pytest

from features.live.fold import LiveFold
from features.live.roster import roster_of
from features.supervision.papers import Papers
from features.supervision.signals import read_signals
from features.supervision.supervisor import Supervisor
from tests.lib.live import fed, records
from tests.lib.positions import MIDNIGHT, Leg, at, drive

START_S = int(MIDNIGHT.timestamp())
PLATE = "00000000000000aa"


def watched(legs, until, *, code="1", papers=None, every_s=60):
    """Return the events of a vehicle that drives a timetable, looked at every minute up to a clock."""
    roster = roster_of([("v1", PLATE, "e1", code)], None)
    fold = LiveFold.empty(1, cap_kmh=roster.cap_kmh)
    supervisor = Supervisor(fold, roster, papers)
    found = records(drive(legs))
    events, done = [], 0
    for now in range(START_S + at(legs[0].start), START_S + at(until) + 1, every_s):
        upto = int(np.searchsorted(found["time_s"], now, side="right"))
        fed(fold, found[done:upto])
        done = upto
        events += supervisor.look(now)
    return events


def clock(event):
    minutes = (event.at_s - START_S) // 60
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def told(events, rule):
    return [(clock(event), event.kind, event.severity) for event in events if event.rule_id == rule]


def test_a_truck_approaches_its_limit_passes_it_and_rests():
    events = watched([Leg("08:00", "12:10", 70.0), Leg("12:10", "13:00", 0.0)], "13:00", code="8")
    assert told(events, "duty_continuous_4h") == [
        ("11:30", "raised", "yellow"), ("12:00", "worsened", "red"), ("12:30", "cleared", "red"),
    ]


def test_a_coach_at_night_is_warned_before_two_and_red_after():
    events = watched([Leg("00:30", "02:20", 60.0), Leg("02:20", "03:00", 0.0)], "03:00")
    kinds = told(events, "coach_2_to_5")
    assert kinds[0][1:] == ("raised", "yellow")
    assert kinds[0][0] <= "01:32"
    assert ("02:01", "worsened", "red") in kinds
    assert kinds[-1][1] == "cleared"


def test_a_freight_truck_may_drive_at_night():
    events = watched([Leg("01:00", "03:00", 60.0)], "03:00", code="8")
    assert told(events, "coach_2_to_5") == []


def test_speeding_beyond_the_vehicles_cap_is_raised_after_a_minute():
    events = watched([Leg("08:00", "08:10", 90.0), Leg("08:10", "08:20", 125.0), Leg("08:20", "08:30", 80.0)], "08:30", code="8")
    found = told(events, "speeding_vehicle")
    assert [kind for _, kind, _ in found] == ["raised", "cleared"]
    assert found[0][2] == "red"


def test_a_terminal_that_falls_silent_while_driving():
    events = watched([Leg("08:00", "09:00", 60.0), Leg("09:00", "10:00", 60.0, silent=True)], "09:40", code="8")
    assert told(events, "terminal_silent")[0][1:] == ("raised", "yellow")
    assert [event for event in events if event.rule_id.startswith("speeding")] == []


def test_a_vehicle_that_stands_and_falls_silent_raises_nothing():
    events = watched([Leg("08:00", "08:30", 60.0), Leg("08:30", "09:00", 0.0)], "12:00", code="8")
    assert told(events, "terminal_silent") == []


def test_papers_run_out_with_the_days():
    papers = Papers({"inspection_overdue_d": np.array([0.5]), "permit_overdue_d": np.array([np.nan])}, START_S)
    day = START_S + 86_400
    assert papers.signals(day)["inspection_overdue_d"] == pytest.approx([0.5])
    assert np.isnan(papers.signals(day)["permit_overdue_d"]).all()


def test_of_a_vehicle_never_heard_of_nothing_is_known():
    fold = LiveFold.empty(2)
    assert all(np.isnan(values).all() for values in read_signals(fold, START_S).values())

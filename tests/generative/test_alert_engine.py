"""The alert engine against a slow oracle, for any signals at any instants; and what must hold of every course of events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.supervision.engine import AlertBoard, alert_id
from registry.supervision.rule_table import ALERT_RULES
from registry.supervision.rules import AlertRule, Level
from tests.lib.slow_alerts import slow_events

RULE = AlertRule(
    rule_id="made", zh="测试", en="made for tests", alert_class="speeding", signal="made", unit="1", again_s=90, lapse_s=240,
    levels=(
        Level(severity="yellow", on=1.0, off=0.0, on_for_s=60, off_for_s=60),
        Level(severity="orange", on=2.0, off=1.0, off_for_s=30),
        Level(severity="red", on=3.0, off=1.0, on_for_s=30),
    ),
)
VALUES = st.sampled_from([float("nan"), -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0])
LOOKS = st.lists(st.tuples(st.sampled_from([1, 29, 30, 31, 60, 120]), st.lists(VALUES, min_size=3, max_size=3)), max_size=40)


def looked(steps, rule=RULE):
    at, found = 1_000, []
    for pause, values in steps:
        at += pause
        found.append((at, values))
    return found


def run(board, looks, signal="made"):
    return [event for at, values in looks for event in board.look(at, {signal: np.array(values)})]


def board_of(rules=(RULE,), n=3):
    return AlertBoard([f"v{k}" for k in range(n)], ["e"] * n, ["freight"] * n, rules)


@given(LOOKS)
@settings(max_examples=300, deadline=None)
def test_the_engine_agrees_with_the_oracle(steps):
    looks = looked(steps)
    events = run(board_of(), looks)
    for slot in range(3):
        expected = slow_events(RULE, [(at, values[slot]) for at, values in looks])
        met = [(e.at_s, e.kind, e.severity, e.alert_id) for e in events if e.vehicle_id == f"v{slot}"]
        assert met == [(at, kind, severity, alert_id(f"v{slot}", "made", raised)) for at, kind, severity, raised in expected]


@given(LOOKS, st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_a_board_goes_on_from_a_snapshot(steps, cut):
    looks = looked(steps)
    whole = run(board_of(), looks)
    first, second = board_of(), board_of()
    begun = run(first, looks[:cut])
    second.restore(first.snapshot())
    assert begun + run(second, looks[cut:]) == whole


@given(LOOKS)
@settings(max_examples=60, deadline=None)
def test_every_alert_is_raised_once_and_lives_in_order(steps):
    open_now: dict[str, bool] = {}
    for event in run(board_of(), looked(steps)):
        if event.kind == "raised":
            assert event.alert_id not in open_now
        elif event.kind == "reopened":
            assert open_now[event.alert_id] is False
        else:
            assert open_now[event.alert_id] is True
        open_now[event.alert_id] = event.kind != "cleared"


def test_a_signal_between_both_thresholds_changes_nothing():
    board = board_of()
    steps = [(60, [1.0] * 3), (60, [1.0] * 3), *[(60, [0.5 + 0.4 * (k % 2)] * 3) for k in range(20)]]
    assert [event.kind for event in run(board, looked(steps))] == ["raised"] * 3


def test_a_rule_looks_at_its_trades_only():
    board = AlertBoard(["truck", "tanker"], ["e", "e"], ["freight", "hazmat"])
    events = [e for at in (0, 60) for e in board.look(at, {"off_route_grade": np.array([2.0, 2.0])})]
    assert [(e.vehicle_id, e.rule_id, e.severity) for e in events] == [("tanker", "hazmat_off_route", "red")]


def test_a_signal_that_is_missing_leaves_its_rule_alone():
    board = board_of(ALERT_RULES)
    assert board.look(0, {}) == []


@pytest.mark.parametrize("rule", ALERT_RULES, ids=lambda rule: rule.rule_id)
def test_every_rule_can_go_on_and_off(rule):
    board = AlertBoard(["v"], ["e"], [rule.trades[0]], (rule,))
    high = [(k * 60, [rule.levels[-1].on]) for k in range(20)]
    low = [(1_200 + k * 60, [rule.levels[0].off]) for k in range(20)]
    events = run(board, high + low, rule.signal)
    assert events[-1].kind == "cleared"
    assert max(e.severity for e in events if e.kind in {"raised", "worsened"}) in {level.severity for level in rule.levels}
    assert rule.zh
    assert rule.en


def test_alerts_that_go_on_are_taken_up_and_not_raised_anew():
    first = board_of()
    (raised,) = [e for e in run(first, [(0, [2.0, 0.0, 0.0]), (60, [2.0, 0.0, 0.0])]) if e.kind == "raised"]
    second = board_of()
    second.resume([("made", "v0", "orange", raised.at_s), ("made", "gone", "red", 0), ("old", "v1", "red", 0)])
    assert run(second, [(300, [2.0, 0.0, 0.0]), (360, [2.0, 0.0, 0.0])]) == []
    later = run(second, [(420, [-1.0, 0.0, 0.0]), (480, [-1.0, 0.0, 0.0])])
    assert [(e.kind, e.alert_id) for e in later if e.kind == "cleared"] == [("cleared", raised.alert_id)]

"""The study of hazmat routes: figures of courses that are known, and the rule through the fold on a small province."""

from __future__ import annotations

import numpy as np

from experiments.off_route import DAY_S, judged, off_route_study
from features.segments import LOCAL_OFFSET_S
from registry.supervision.events import AlertEvent


def raised(vehicle, day, kind="raised"):
    return AlertEvent(
        alert_id="a", kind=kind, rule_id="hazmat_off_route", vehicle_id=str(vehicle), enterprise_id="",
        at_s=day * DAY_S - LOCAL_OFFSET_S + 60, severity="orange", value=1.0, lapsed=False,
    )


def test_figures():
    driven = {(1, 10): (True, 4_000.0), (2, 10): (True, 20.0), (3, 10): (False, 0.0), (4, 10): (True, 900.0)}
    found = judged([raised(1, 10), raised(1, 10), raised(3, 10), raised(1, 10, "cleared")], np.array([1, 2, 3, 4]), driven)
    assert (found["deviating"], found["beyond"], found["alerts"], found["false"]) == (3, 2, 3, 1)
    assert found["false_share"] == 1 / 3
    assert found["false_per_1000_days"] == 1000.0
    assert found["found_share"] == 0.5


def test_the_rule_finds_who_deviates_in_a_small_province():
    found = off_route_study("tiny", 20260704, None, 1)
    assert found["deviating"] >= found["beyond"] > 0
    assert found["found_share"] >= 0.8
    assert found["false_share"] <= 0.2

"""The study of false alarms: figures on hours whose answer is known by hand, and agreement with the rules' thresholds."""

from __future__ import annotations

import numpy as np

from experiments.supervision import alarmed_levels, judged


def hours(vehicle, start_h, cont_h, kss, hazard, event):
    return {
        "vehicle": np.array(vehicle), "start_s": np.array(start_h) * 3600.0, "cont_s": np.array(cont_h) * 3600.0,
        "kss": np.array(kss, dtype=float), "hazard": np.array(hazard), "event": np.array(event, dtype=bool),
    }


ROWS = hours(
    [0, 0, 0, 0, 0, 1, 1], [0, 1, 2, 3, 4, 0, 9], [0, 1, 2, 3, 4, 0, 0], [5, 5, 5, 5, 5, 7.2, 8.5],
    [0.01, 0.01, 0.01, 0.02, 0.03, 0.02, 0.04], [0, 0, 0, 0, 1, 0, 0],
)


def test_the_engine_alarms_the_hours_that_the_thresholds_say():
    found = alarmed_levels(ROWS)
    # Yellow begins half an hour before the limit, inside the fourth hour; red at it.
    assert found["duty_continuous_4h"].tolist() == [0, 0, 0, 1, 2, 0, 0]
    assert found["sleepiness"].tolist() == [0, 0, 0, 0, 0, 1, 2]


def test_figures_of_an_alarm():
    alarmed = np.array([0, 0, 0, 1, 1, 0, 0], dtype=bool)
    made = judged(alarmed, ROWS)
    assert made["alarmed"] == 2
    assert (made["no_event_share"], made["not_riskier_share"], made["found_share"]) == (0.5, 0.5, 1.0)
    np.testing.assert_allclose(made["lift"], 0.025 / 0.02)


def test_no_alarm_has_no_share():
    assert judged(np.zeros(7, bool), ROWS)["not_riskier_share"] is None

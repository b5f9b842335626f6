from __future__ import annotations

import numpy as np
import pytest

from features.fatigue.tpm import homeostasis_asleep, homeostasis_awake, steady_state_s_at_wake, tpm_kss


@pytest.mark.parametrize(
    ("sleep_h", "clock_h", "awake_h", "expected"),
    [
        (8.0, 8.0, 1.0, 4.309),
        (8.0, 15.0, 8.0, 3.200),
        (8.0, 23.0, 16.0, 5.675),
        (8.0, 3.0, 20.0, 7.657),
        (8.0, 5.0, 22.0, 7.775),
        (5.0, 3.0, 20.0, 8.611),
    ],
)
def test_kss_of_steady_sleepers(sleep_h: float, clock_h: float, awake_h: float, expected: float) -> None:
    kss = tpm_kss(clock_h, awake_h, steady_state_s_at_wake(sleep_h))
    assert kss == pytest.approx(expected, abs=2e-3)


def test_homeostasis_of_a_night_sleeper() -> None:
    at_wake = steady_state_s_at_wake(8.0)
    assert at_wake == pytest.approx(13.820, abs=1e-3)
    assert homeostasis_awake(at_wake, 16.0) == pytest.approx(8.892, abs=1e-3)


def test_sleep_is_continuous_at_the_break_level_and_never_overshoots() -> None:
    hours = np.linspace(0.0, 20.0, 2001)
    for start in (3.0, 8.0, 12.19, 12.21, 14.0):
        curve = homeostasis_asleep(start, hours)
        assert curve[0] == pytest.approx(start)
        assert np.all(np.diff(curve) > 0.0)
        assert np.max(np.diff(curve)) < 0.02
        assert curve[-1] < 14.3


def test_kss_stays_on_its_scale() -> None:
    clock, awake = np.meshgrid(np.arange(24.0), np.arange(0.0, 60.0, 0.5))
    kss = tpm_kss(clock, awake, 12.0)
    assert kss.min() >= 1.0
    assert kss.max() <= 9.0

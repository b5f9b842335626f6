"""The models of fatigue against published values and against the outputs of a reference implementation."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from features.fatigue.safte import SafteParameters, effectiveness, reservoir_asleep, reservoir_awake, sleep_intensity
from features.fatigue.sleep import Sleeps, supposed_sleep
from features.fatigue.tpm import tpm_course
from features.fatigue.unified import UNIFIED, pressure_asleep, unified_course
from registry.settings import Settings

FOLDER = Settings().real_data_dir / "fatigue"
SCHEDULES = ("day_regular", "night_haul")
needs_data = pytest.mark.skipif(
    not (FOLDER / "tpm_day_regular.csv").is_file(), reason=f"the reference outputs are not in {FOLDER} (ROADRISK_REAL_DATA_DIR)"
)
H = 3600


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def local_s(values: list[str]) -> np.ndarray:
    return np.array([int(datetime.strptime(v, "%Y-%m-%dT%H:%M:%S%z").timestamp()) + 8 * H for v in values])


def slept(schedule: str) -> Sleeps:
    rows = rows_of(FOLDER / f"sleeptimes_{schedule}.csv")
    return Sleeps(local_s([row["sleep.start"] for row in rows]), local_s([row["sleep.end"] for row in rows]))


@needs_data
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_three_process_model_agrees_with_the_reference_on_every_row(schedule: str) -> None:
    rows = rows_of(FOLDER / f"tpm_{schedule}.csv")
    course = tpm_course(local_s([row["datetime"] for row in rows]), slept(schedule))
    for ours, theirs in {"s": "s", "c": "c", "u": "u", "w": "w", "alertness": "alertness", "kss": "KSS"}.items():
        np.testing.assert_allclose(course[ours], [float(row[theirs]) for row in rows], rtol=0.0, atol=1e-6)


@needs_data
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_unified_model_agrees_with_the_reference_on_every_row(schedule: str) -> None:
    rows = rows_of(FOLDER / f"unified_{schedule}.csv")
    course = unified_course(local_s([row["datetime"] for row in rows]), slept(schedule))
    for name in ("s", "l", "c", "w", "fatigue"):
        np.testing.assert_allclose(course[name], [float(row[name]) for row in rows], rtol=0.0, atol=1e-6)


def test_pressure_follows_the_floor_as_its_equation_says() -> None:
    """A small-step solution of dS/dt = (L - S)/tau_s, dL/dt = (-2 U0 - L)/tau_la."""
    s, floor, step = 10.0, 3.0, 1e-4
    for _ in range(60_000):
        s, floor = s + step * (floor - s) / UNIFIED.tau_s_h, floor + step * (-2 * UNIFIED.u0 - floor) / UNIFIED.tau_la_h
    assert pressure_asleep(10.0, 3.0, 6.0) == pytest.approx(s, abs=1e-3)


@pytest.mark.parametrize(("clock_h", "awake_h", "expected"), [(12.0, 5.0, 94.79), (18.0, 11.0, 96.11), (23.0, 16.0, 87.32),
                                                             (5.0, 22.0, 67.2)])
def test_safte_effectiveness_of_a_night_sleeper(clock_h: float, awake_h: float, expected: float) -> None:
    """Sleep 23 to 7 for 14 days from a full reservoir, gain capped at 3.4, without inertia and onset delay."""
    p = SafteParameters(gain_cap_per_min=3.4, onset_delay_min=0, inertia=0.0)
    reservoir = np.array(2880.0)
    for _ in range(14):
        reservoir = reservoir_asleep(reservoir_awake(reservoir, 960, p), 23.0, 480, p)
    now = reservoir_awake(reservoir, 60 * awake_h, p)
    assert effectiveness(now, clock_h, 60 * awake_h, 1.0, p) == pytest.approx(expected, abs=0.006 if awake_h < 20 else 0.05)


def test_safte_inertia_fades_and_an_onset_delay_costs_sleep() -> None:
    p = SafteParameters()
    at_wake = sleep_intensity(2700.0, 7.0, p)
    groggy = effectiveness(2700.0, 7.0, [0.0, 30.0, 120.0, 121.0], at_wake, p)
    rested = effectiveness(2700.0, 7.0, 0.0, at_wake, SafteParameters(inertia=0.0))
    assert groggy[0] == pytest.approx(rested - 5.0)
    assert np.all(np.diff(groggy) > 0.0)
    assert groggy[3] == rested
    assert reservoir_asleep(2000.0, 23.0, 240, p) < reservoir_asleep(2000.0, 23.0, 240, SafteParameters(onset_delay_min=0))


@pytest.mark.parametrize(
    ("stop", "sleep"),
    [
        ((22 * H, 32 * H), (23.25, 31.25)),  # ten hours by night: eight hours to three quarters before the start
        ((8 * H, 15 * H), (8.75, 14.25)),  # seven hours by day: from three quarters after the stop began
        ((8 * H, 20 * H), (8.75, 16.75)),  # twelve hours by day: at most eight
        ((0, H), (0.25, 0.25)),  # an hour holds none
    ],
)
def test_the_sleep_that_a_stop_suggests(stop: tuple[int, int], sleep: tuple[float, float]) -> None:
    start, end = supposed_sleep([stop[0]], [stop[1]])
    assert (start[0] / H, end[0] / H) == sleep


def test_sleeps_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="not ordered"):
        Sleeps(np.array([0, 5]), np.array([6, 9]))

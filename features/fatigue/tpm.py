"""The Three-Process Model of alertness: sleep pressure, body clock, twelve-hour rhythm and sleep inertia.

Source of every formula and constant: Åkerstedt's Three-Process Model as given by Ingre et al. (2014), PLoS ONE,
doi 10.1371/journal.pone.0108679. Clock hours are local solar-like hours, 0 to 24; durations are hours; alertness runs
from about 1 to 21, higher is more alert; KSS is the Karolinska sleepiness scale, 1 to 9, higher is sleepier.

All functions are pure and take arrays of any one broadcastable shape.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.fatigue.sleep import Sleeps

FloatArray = npt.NDArray[np.floating[Any]]

LOWER_ASYMPTOTE: Final = 2.4
UPPER_ASYMPTOTE: Final = 14.3
BREAK_LEVEL: Final = 12.2
WAKE_RATE_PER_H: Final = -0.0353
SLEEP_RATE_PER_H: Final = math.log((14.3 - 14.0) / (14.3 - 7.96)) / 8.0
CIRCADIAN_AMPLITUDE: Final = 2.5
CIRCADIAN_PEAK_H: Final = 16.8
ULTRADIAN_MESOR: Final = -0.5
ULTRADIAN_AMPLITUDE: Final = 0.5
INERTIA_AMPLITUDE: Final = -5.72
INERTIA_RATE_PER_H: Final = -1.51
KSS_INTERCEPT: Final = 10.6
KSS_SLOPE: Final = -0.6
S_AT_START: Final = 7.96
"""Process S when a simulation begins, as the reference implementation (R package FIPS) sets it."""


def homeostasis_awake(s_at_wake: npt.ArrayLike, awake_h: npt.ArrayLike) -> FloatArray:
    """Return process S after some hours awake: an exponential fall towards the lower asymptote.

    Parameters
    ----------
    s_at_wake
        Process S at the moment of waking.
    awake_h
        Hours since waking.
    """
    start = np.asarray(s_at_wake, dtype=np.float64)
    return LOWER_ASYMPTOTE + (start - LOWER_ASYMPTOTE) * np.exp(WAKE_RATE_PER_H * np.asarray(awake_h, dtype=np.float64))


def homeostasis_asleep(s_at_sleep: npt.ArrayLike, asleep_h: npt.ArrayLike) -> FloatArray:
    """Return process S after some hours of sleep: linear up to the break level, then exponential saturation.

    Parameters
    ----------
    s_at_sleep
        Process S at the moment of falling asleep.
    asleep_h
        Hours asleep.
    """
    start = np.asarray(s_at_sleep, dtype=np.float64)
    hours = np.asarray(asleep_h, dtype=np.float64)
    slope = SLEEP_RATE_PER_H * (BREAK_LEVEL - UPPER_ASYMPTOTE)
    break_h = (BREAK_LEVEL - start) / slope
    # A sleeper who starts above the break level is already on the saturating branch.
    linear = start + hours * slope
    from_level = np.where(start < BREAK_LEVEL, BREAK_LEVEL, start)
    saturating = UPPER_ASYMPTOTE - (UPPER_ASYMPTOTE - from_level) * np.exp(
        SLEEP_RATE_PER_H * (hours - np.maximum(break_h, 0.0))
    )
    result: FloatArray = np.where(hours < break_h, linear, saturating)
    return result


def circadian(clock_h: npt.ArrayLike) -> FloatArray:
    """Return process C, the 24-hour rhythm that peaks at 16.8 h."""
    hours = np.asarray(clock_h, dtype=np.float64)
    return CIRCADIAN_AMPLITUDE * np.cos(2.0 * np.pi / 24.0 * (hours - CIRCADIAN_PEAK_H))


def ultradian(clock_h: npt.ArrayLike) -> FloatArray:
    """Return process U, the 12-hour rhythm with its dip in the early afternoon."""
    hours = np.asarray(clock_h, dtype=np.float64)
    phase = 2.0 * np.pi / 12.0 * (hours - CIRCADIAN_PEAK_H - 3.0)
    return ULTRADIAN_MESOR + ULTRADIAN_AMPLITUDE * np.cos(phase)


def sleep_inertia(awake_h: npt.ArrayLike) -> FloatArray:
    """Return process W, the sleepiness of the first hour after waking."""
    return INERTIA_AMPLITUDE * np.exp(INERTIA_RATE_PER_H * np.asarray(awake_h, dtype=np.float64))


def tpm_alertness(clock_h: npt.ArrayLike, awake_h: npt.ArrayLike, s_at_wake: npt.ArrayLike) -> FloatArray:
    """Return alertness S + C + U + W.

    Parameters
    ----------
    clock_h
        Local clock hour, 0 to 24.
    awake_h
        Hours since waking.
    s_at_wake
        Process S at waking; see `steady_state_s_at_wake` and `homeostasis_asleep`.
    """
    return homeostasis_awake(s_at_wake, awake_h) + circadian(clock_h) + ultradian(clock_h) + sleep_inertia(awake_h)


def tpm_kss(clock_h: npt.ArrayLike, awake_h: npt.ArrayLike, s_at_wake: npt.ArrayLike) -> FloatArray:
    """Return the predicted KSS, 10.6 - 0.6 (S + C + U + W), clipped to the scale 1 to 9.

    Parameters
    ----------
    clock_h
        Local clock hour, 0 to 24.
    awake_h
        Hours since waking.
    s_at_wake
        Process S at waking.
    """
    kss: FloatArray = np.clip(KSS_INTERCEPT + KSS_SLOPE * tpm_alertness(clock_h, awake_h, s_at_wake), 1.0, 9.0)
    return kss


def s_after_sleep(s_at_previous_wake: npt.ArrayLike, awake_h: npt.ArrayLike, asleep_h: npt.ArrayLike) -> FloatArray:
    """Return process S at waking after one wake-sleep episode.

    Parameters
    ----------
    s_at_previous_wake
        Process S when the wake period began.
    awake_h
        Length of the wake period.
    asleep_h
        Length of the sleep that followed; zero leaves S where the wake period ended.
    """
    return homeostasis_asleep(homeostasis_awake(s_at_previous_wake, awake_h), asleep_h)


def steady_state_s_at_wake(asleep_h: npt.ArrayLike, *, days: int = 60) -> FloatArray:
    """Return process S at waking after many days of one sleep length per 24 h.

    Parameters
    ----------
    asleep_h
        Hours of sleep per day.
    days
        Days to iterate; 60 settles to 1e-9.
    """
    hours = np.asarray(asleep_h, dtype=np.float64)
    state: FloatArray = np.full_like(hours, UPPER_ASYMPTOTE - 0.3)
    for _ in range(days):
        state = s_after_sleep(state, 24.0 - hours, hours)
    return state


def tpm_course(instants_s: npt.ArrayLike, sleeps: Sleeps, *, s_at_start: float = S_AT_START) -> dict[str, FloatArray]:
    """Return the processes and the unclipped KSS of one sleeper at any instants.

    Conventions of the reference implementation (R package FIPS, `TPM_simulate`), with whose outputs this agrees: an
    instant at the end of a sleep is awake, inertia W is zero asleep, and `alertness` is S + C + U while KSS includes W.

    Parameters
    ----------
    instants_s
        Local seconds (midnight at multiples of 86400), shape (n,).
    sleeps
        When the sleeper slept; S is `s_at_start` at the first falling asleep.
    s_at_start
        Process S at the first sleep's start.
    """
    at = sleeps.at(instants_s)
    phases = np.empty(sleeps.n_phases)
    phases[0] = phases[1] = s_at_start
    for phase in range(2, sleeps.n_phases):
        hours = sleeps.phase_h(phase - 1)
        grow = homeostasis_awake if phase % 2 == 1 else homeostasis_asleep
        phases[phase] = grow(phases[phase - 1], hours)
    start = phases[at.phase]
    s = np.where(at.asleep, homeostasis_asleep(start, at.hours), homeostasis_awake(start, at.hours))
    c, u = circadian(at.clock_h), ultradian(at.clock_h)
    w = np.where(at.asleep, 0.0, sleep_inertia(at.hours))
    return {"s": s, "c": c, "u": u, "w": w, "alertness": s + c + u, "kss": KSS_INTERCEPT + KSS_SLOPE * (s + c + u + w)}

"""SAFTE (Sleep, Activity, Fatigue and Task Effectiveness): a reservoir of sleep, a body clock, and sleep inertia.

Source of equations and constants: patent WO2012015383A1, equations 1 to 9, as published implementations state them (F2; the
full commercial model has more than the patent says). The reservoir loses 0.5 units a minute awake and gains
-a_s c(T) + f (Rc - R) a minute asleep; effectiveness is 100 R/Rc + c(T) (7 + 5 (Rc - R)/Rc) + I, in percent.

All functions are pure and take arrays of any one broadcastable shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class SafteParameters:
    """Constants of the patent; minutes and reservoir units.

    Parameters
    ----------
    capacity
        Reservoir capacity Rc.
    loss_per_min
        Loss awake.
    feedback, propensity
        f and a_s of the gain asleep.
    gain_cap_per_min
        Highest gain; None for none. The patent's equations have none, a second implementation caps at 3.4.
    onset_delay_min
        First minutes of a sleep that fill nothing.
    inertia, inertia_rate, inertia_min
        Inertia at waking in percentage points, its rate, and how long it lasts; `inertia` 0 leaves it out.
    acrophase_h, second_phase_h, second_weight
        Body clock.
    amplitude, amplitude_growth
        Percentage points of the body clock, and what an empty reservoir adds to them.
    """

    capacity: float = 2880.0
    loss_per_min: float = 0.5
    feedback: float = 0.00312
    propensity: float = 0.55
    gain_cap_per_min: float | None = None
    onset_delay_min: int = 5
    inertia: float = 5.0
    inertia_rate: float = 0.04
    inertia_min: float = 120.0
    acrophase_h: float = 18.0
    second_phase_h: float = 3.0
    second_weight: float = 0.5
    amplitude: float = 7.0
    amplitude_growth: float = 5.0


SAFTE: Final = SafteParameters()


def safte_clock(clock_h: npt.ArrayLike, p: SafteParameters = SAFTE) -> FloatArray:
    """Return the rhythm c at local clock hours."""
    hours = np.asarray(clock_h, dtype=np.float64) - p.acrophase_h
    second = np.cos(4.0 * np.pi / 24.0 * (hours - p.second_phase_h))
    result: FloatArray = np.cos(2.0 * np.pi / 24.0 * hours) + p.second_weight * second
    return result


def sleep_intensity(reservoir: npt.ArrayLike, clock_h: npt.ArrayLike, p: SafteParameters = SAFTE) -> FloatArray:
    """Return the gain per minute of sleep: propensity of the hour and pull of the debt."""
    gain = -p.propensity * safte_clock(clock_h, p) + p.feedback * (p.capacity - np.asarray(reservoir, dtype=np.float64))
    result: FloatArray = gain if p.gain_cap_per_min is None else np.minimum(gain, p.gain_cap_per_min)
    return result


def reservoir_awake(reservoir: npt.ArrayLike, minutes: npt.ArrayLike, p: SafteParameters = SAFTE) -> FloatArray:
    """Return the reservoir after some minutes awake, at least 0."""
    result: FloatArray = np.maximum(np.asarray(reservoir) - p.loss_per_min * np.asarray(minutes, dtype=np.float64), 0.0)
    return result


def reservoir_asleep(
    reservoir: npt.ArrayLike, asleep_at_h: npt.ArrayLike, minutes: npt.ArrayLike, p: SafteParameters = SAFTE
) -> FloatArray:
    """Return the reservoir after some whole minutes of sleep, in steps of one minute, at most the capacity.

    Parameters
    ----------
    reservoir
        When sleep begins, shape (n,).
    asleep_at_h
        Local clock hour when sleep begins, shape (n,).
    minutes
        Whole minutes of sleep, shape (n,).
    p
        Parameters.
    """
    state, start, length = np.broadcast_arrays(
        np.asarray(reservoir, dtype=np.float64), np.asarray(asleep_at_h, dtype=np.float64), np.asarray(minutes, np.int64)
    )
    state = state.copy()
    for minute in range(p.onset_delay_min, int(length.max(initial=0))):
        gain = sleep_intensity(state, start + minute / 60.0, p)
        state = np.where(minute < length, np.clip(state + gain, 0.0, p.capacity), state)
    return state


def effectiveness(
    reservoir: npt.ArrayLike, clock_h: npt.ArrayLike, awake_min: npt.ArrayLike, intensity_at_wake: npt.ArrayLike,
    p: SafteParameters = SAFTE,
) -> FloatArray:
    """Return effectiveness in percent.

    Parameters
    ----------
    reservoir
        Now.
    clock_h
        Local clock hour.
    awake_min
        Minutes since waking.
    intensity_at_wake
        `sleep_intensity` in the last minute of sleep; where it is not positive there is no inertia.
    p
        Parameters.
    """
    level = np.asarray(reservoir, dtype=np.float64)
    awake = np.asarray(awake_min, dtype=np.float64)
    intensity = np.asarray(intensity_at_wake, dtype=np.float64)
    swing = p.amplitude + p.amplitude_growth * (p.capacity - level) / p.capacity
    groggy = (awake <= p.inertia_min) & (intensity > 0.0)
    decay = p.inertia_rate * awake / np.where(groggy, intensity, 1.0)
    inertia = np.where(groggy, -p.inertia * np.exp(-decay), 0.0)
    result: FloatArray = 100.0 * level / p.capacity + safte_clock(clock_h, p) * swing + inertia
    return result

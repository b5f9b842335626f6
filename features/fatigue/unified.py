"""The Unified Model of Performance: sleep pressure with a debt that moves its floor, and a body clock of five harmonics.

Source of the equations: Rajdev et al. (2013), J. Theor. Biol. 331, 66-77, doi 10.1016/j.jtbi.2013.04.013; of the group
parameters: Ramakrishnan et al. (2016), Sleep 39(1), 249-262, doi 10.5665/sleep.5358. Start values, phase and what is summed
follow the reference implementation (R package FIPS), with whose outputs this agrees: its `fatigue` is S + kappa C and leaves
sleep inertia W out.

S and L are the solutions of dS/dt = (U0 - S)/tau_w awake and (L - S)/tau_s asleep, dL/dt = (U0 - L)/tau_la awake and
(-2 U0 - L)/tau_la asleep. Higher is more impaired.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.fatigue.sleep import Sleeps

FloatArray = npt.NDArray[np.floating[Any]]

HARMONICS: Final = (0.97, 0.22, 0.07, 0.03, 0.0001)
"""Weights of the body clock's harmonics of 24 h; the fifth is 0.001 in parts of the literature [G]."""


@dataclass(frozen=True)
class UnifiedParameters:
    """Group parameters; hours throughout.

    Parameters
    ----------
    u0, l0, s0
        Upper asymptote; L and S when the simulation begins.
    phi_h
        Phase of the body clock.
    kappa
        Weight of the body clock.
    tau_s_h, tau_w_h, tau_la_h
        Time constants of S asleep and awake, and of the floor L.
    inertia, inertia_rate_per_h
        Sleep inertia at waking and its decay.
    """

    u0: float = 24.12
    l0: float = 0.0
    s0: float = 0.0
    phi_h: float = 2.02
    kappa: float = 4.13
    tau_s_h: float = 1.0
    tau_w_h: float = 40.0
    tau_la_h: float = 4.06 * 24.0
    inertia: float = 1.14
    inertia_rate_per_h: float = -0.46


UNIFIED: Final = UnifiedParameters()


def pressure_awake(s: npt.ArrayLike, hours: npt.ArrayLike, p: UnifiedParameters = UNIFIED) -> FloatArray:
    """Return S after some hours awake."""
    return _towards(s, p.u0, np.asarray(hours) / p.tau_w_h)


def pressure_asleep(
    s: npt.ArrayLike, floor: npt.ArrayLike, hours: npt.ArrayLike, p: UnifiedParameters = UNIFIED
) -> FloatArray:
    """Return S after some hours asleep: it follows the sinking floor L, which stood at `floor` when sleep began."""
    time = np.asarray(hours, dtype=np.float64)
    fast, slow = np.exp(-time / p.tau_s_h), np.exp(-time / p.tau_la_h)
    deepest = -2.0 * p.u0
    lag = p.tau_la_h / (p.tau_la_h - p.tau_s_h)
    result: FloatArray = deepest + (np.asarray(s) - deepest) * fast + (np.asarray(floor) - deepest) * lag * (slow - fast)
    return result


def floor_awake(floor: npt.ArrayLike, hours: npt.ArrayLike, p: UnifiedParameters = UNIFIED) -> FloatArray:
    """Return the floor L after some hours awake: debt grows."""
    return _towards(floor, p.u0, np.asarray(hours) / p.tau_la_h)


def floor_asleep(floor: npt.ArrayLike, hours: npt.ArrayLike, p: UnifiedParameters = UNIFIED) -> FloatArray:
    """Return the floor L after some hours asleep: debt is paid."""
    return _towards(floor, -2.0 * p.u0, np.asarray(hours) / p.tau_la_h)


def body_clock(clock_h: npt.ArrayLike, p: UnifiedParameters = UNIFIED) -> FloatArray:
    """Return the rhythm C at local clock hours."""
    angle = 2.0 * np.pi / 24.0 * (np.asarray(clock_h, dtype=np.float64) + p.phi_h)
    result: FloatArray = np.sum([weight * np.sin((n + 1) * angle) for n, weight in enumerate(HARMONICS)], axis=0)
    return result


def unified_course(
    instants_s: npt.ArrayLike, sleeps: Sleeps, p: UnifiedParameters = UNIFIED
) -> dict[str, FloatArray]:
    """Return S, L, C, W and the fatigue of one sleeper at any instants.

    Parameters
    ----------
    instants_s
        Local seconds (midnight at multiples of 86400), shape (n,).
    sleeps
        When the sleeper slept; S and L are the start values at the first falling asleep.
    p
        Parameters.
    """
    at = sleeps.at(instants_s)
    s, floor = np.empty(sleeps.n_phases), np.empty(sleeps.n_phases)
    s[:2], floor[:2] = p.s0, p.l0
    for phase in range(2, sleeps.n_phases):
        before, hours = phase - 1, sleeps.phase_h(phase - 1)
        awake = before % 2 == 0
        s[phase] = pressure_awake(s[before], hours, p) if awake else pressure_asleep(s[before], floor[before], hours, p)
        floor[phase] = floor_awake(floor[before], hours, p) if awake else floor_asleep(floor[before], hours, p)
    s0, l0 = s[at.phase], floor[at.phase]
    pressure = np.where(at.asleep, pressure_asleep(s0, l0, at.hours, p), pressure_awake(s0, at.hours, p))
    debt = np.where(at.asleep, floor_asleep(l0, at.hours, p), floor_awake(l0, at.hours, p))
    c = body_clock(at.clock_h, p)
    w = np.where(at.asleep, 0.0, p.inertia * np.exp(p.inertia_rate_per_h * at.hours))
    return {"s": pressure, "l": debt, "c": c, "w": w, "fatigue": pressure + p.kappa * c}


def _towards(start: npt.ArrayLike, limit: float, time: npt.ArrayLike) -> FloatArray:
    result: FloatArray = limit + (np.asarray(start, dtype=np.float64) - limit) * np.exp(-np.asarray(time))
    return result

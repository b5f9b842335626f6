"""Signals of a fleet at an instant, from the live state: what every alert rule looks at, not-a-number where it is not known.

Of a vehicle that was not heard of for `FRESH_S` nothing is said but its silence: what it does now is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.live.fold import ROAD_CAPS_KMH, LiveFold
from features.segments import DAY_S, DRIVE, HOUR_S, LOCAL_OFFSET_S, OFFLINE, STOP
from registry.duty_rules import DUTY_RULES

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FRESH_S: Final = 90
"""A message speaks for so long: `features.segments.REDUCTION_RULES.silence_s`."""
TAMPER_BITS: Final = (1 << 4) | (1 << 5) | (1 << 6) | (1 << 8)
"""GNSS fault, antenna cut, antenna short, main power lost: JT/T 808 alarm bits."""
OFF_ROUTE_BIT: Final = 1 << 23
OFF_ROUTE_KM: Final = (0.0, 1.0, 5.0)
"""Kilometres beyond a declared corridor that are grade 0, 1 and 2. [A]"""
TERMINAL_GRADE: Final = 2.0
"""Grade of the terminal's own alarm."""
NIGHT_H: Final = (22, 6)
NIGHT_SHARE: Final = 0.8
"""Share of the limit by day that a coach may drive by night. [F2]"""
STANDS_S: Final = 300
"""Who has stood for so long does not drive towards a limit; shorter stops are traffic. [A]"""
ROAD_NAMES: Final = ("urban", "ordinary", "expressway")
STANDS: Final = -100.0
"""Percent above a limit of who does not drive there."""
_STANDSTILL: Final = next(rule for rule in DUTY_RULES if rule.kind == "standstill")


def read_signals(
    fold: LiveFold, at_s: int, *, further: Mapping[str, FloatArray] | None = None, slots: IntArray | None = None
) -> dict[str, FloatArray]:
    """Return the signals at an instant.

    Parameters
    ----------
    fold
        The live state.
    at_s
        Epoch seconds.
    further
        Signals from elsewhere: papers, tiers of the fatigue score (`fatigue_tier`), grade of control (`control_grade`),
        kilometres beyond the declared corridor (`off_route_km`).
    slots
        Vehicles; all by default.
    """
    caps = fold.state.cap / 10.0 if slots is None else fold.state.cap[slots] / 10.0
    return signals_of(fold.now(at_s, slots), fold.limits(at_s, DUTY_RULES, slots), caps, at_s, further=further)


def signals_of(
    now: Any, limits: Any, caps: FloatArray, at_s: int, *, further: Mapping[str, FloatArray] | None = None
) -> dict[str, FloatArray]:
    """Return the signals of vehicles whose state (`LiveFold.now`) and limits (`LiveFold.limits`) have been read.

    Parameters
    ----------
    caps
        Speed cap of each vehicle in km/h.
    """
    fresh, further = (now["known"] == 1) & (at_s - now["last_s"] <= FRESH_S), dict(further or {})
    found = {
        **_speeding(now, caps, fresh, at_s), **_duty(limits, now, fresh, at_s), **_terminal(now, fresh, at_s),
        "driving_kss": np.where(fresh, np.where(now["state"] == DRIVE, np.nan_to_num(now["kss"][:, 0], nan=1.0), 1.0), np.nan),
    }
    beyond_km = further.pop("off_route_km", np.full(len(now), np.nan))
    found["off_route_grade"] = np.where(fresh, off_route_grade(beyond_km, (now["alarm_bits"] & OFF_ROUTE_BIT) != 0), np.nan)
    return {name: values.astype(np.float64) for name, values in (found | further).items()}


def off_route_grade(beyond_km: FloatArray, alarm: npt.NDArray[np.bool_]) -> FloatArray:
    """Return one grade of the corridor and of the terminal's own alarm, so that both are one alert.

    Parameters
    ----------
    beyond_km
        Kilometres beyond the corridor; not-a-number where none was declared.
    alarm
        Whether the terminal says that the vehicle is off its route.
    """
    by_corridor = np.where(np.isnan(beyond_km), 0.0, np.interp(beyond_km, OFF_ROUTE_KM, (0.0, 1.0, 2.0)))
    return np.maximum(by_corridor, np.where(alarm, TERMINAL_GRADE, 0.0))


def _speeding(now: Any, caps: FloatArray, fresh: npt.NDArray[np.bool_], at_s: int) -> dict[str, FloatArray]:
    speed, road = now["speed_kmh"], now["road_class"].astype(np.int64)
    drives = fresh & (now["state"] != STOP)
    # The road's cap holds where it is lower than that of the vehicle.
    here = np.minimum(np.array([*ROAD_CAPS_KMH, np.inf])[road], caps)
    over = np.where(drives, 100.0 * (speed / here - 1.0), STANDS)
    found = {
        f"over_{name}_pct": np.where(fresh, np.where(road == place, over, STANDS), np.nan) for place, name in enumerate(ROAD_NAMES)
    }
    found["over_vehicle_pct"] = np.where(fresh, np.where(road == -1, over, STANDS), np.nan)
    hour = (at_s + LOCAL_OFFSET_S) % DAY_S // HOUR_S
    night = hour >= NIGHT_H[0] or hour < NIGHT_H[1]
    by_night = np.where(drives, 100.0 * (speed / (NIGHT_SHARE * here) - 1.0), STANDS) if night else np.full(len(speed), STANDS)
    found["over_night_pct"] = np.where(fresh, by_night, np.nan)
    return found


def _duty(limits: Any, now: Any, fresh: npt.NDArray[np.bool_], at_s: int) -> dict[str, FloatArray]:
    drives = now["state"] == DRIVE
    found: dict[str, FloatArray] = {}
    for place, rule in enumerate(DUTY_RULES):
        entry = limits[:, place]
        if rule is _STANDSTILL:
            begin_s = entry["reached_s"]
            # Before the window, time until it if driving goes on; inside, driving in it; nothing for who stands.
            inside = begin_s <= at_s
            spent = np.where(inside, entry["used_s"], at_s - begin_s)
            found["small_hours_s"] = np.where(fresh, np.where(drives, spent, -DAY_S), np.nan)
        else:
            # Who stands comes no nearer to a limit, and who rests is no longer beyond one, whatever is still counted.
            stands = (now["state"] == STOP) & (now["at_s"] - now["state_since_s"] >= STANDS_S)
            quiet = (now["resting"] == 1) | (stands & (entry["used_s"] < rule.limit_s))
            found[f"over_{rule.rule_id}_s"] = np.where(fresh, np.where(quiet, 0, entry["used_s"]) - rule.limit_s, np.nan)
    return found


def _terminal(now: Any, fresh: npt.NDArray[np.bool_], at_s: int) -> dict[str, FloatArray]:
    known = now["known"] == 1
    silent = np.where((now["state"] == DRIVE) | (now["state"] == OFFLINE), at_s - now["last_s"], 0)
    return {
        "silent_driving_s": np.where(known, np.where(fresh, 0, silent), np.nan),
        "tamper_bits": np.where(fresh, (now["alarm_bits"] & TAMPER_BITS) != 0, np.nan),
    }

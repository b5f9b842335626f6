"""The packets of one vehicle-day: which ticks speak, how fast, with which alarms; places on the road come later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.activity import BlockDay
from features.simulation.behaviour import DRIFT_OF_LOST
from features.simulation.trips import DAY, TICK_S, Shifts

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]

ACC: Final = 1
BIT_SPEED, BIT_FATIGUE, BIT_SPEED_WARNING, BIT_FATIGUE_WARNING, BIT_COLLISION = 1, 2, 13, 14, 29
SLOT: Final = 3
"""Every planned event has three ticks of its own, so that no two touch."""
SLOWEST_KMH: Final = 5.0
BRAKE_KMH: Final = 10.0
"""What a harsh brake takes off within the second before a tick: 2.8 m/s2. [A]"""
SMOOTH_TICKS: Final = 12


@dataclass(frozen=True)
class Packets:
    """Packets of one vehicle-day, arrays of shape (n,).

    Parameters
    ----------
    second
        Seconds since local midnight.
    columns
        Measured columns; `travelled_km` (since midnight) and `drifted` become positions.
    """

    second: IntArray
    columns: dict[str, npt.NDArray[Any]]

    def repeated(self, rng: np.random.Generator, share: float) -> Packets:
        """Return the packets with some of them received twice."""
        again = np.flatnonzero(rng.random(len(self.second)) < share)
        rows = np.r_[np.arange(len(self.second)), again]
        columns = {name: values[rows] for name, values in self.columns.items()}
        columns["delay_s"][len(self.second):] += rng.integers(1, 90, len(again))
        return Packets(self.second[rows], columns)


@dataclass(frozen=True)
class _Ticks:
    """What happens in each of a day's ticks, shape (2880,)."""

    drive: BoolArray
    offline: BoolArray
    heard: BoolArray
    acc: BoolArray


def packets_of(rng: np.random.Generator, part: BlockDay, row: int) -> Packets:
    """Return the packets of one row of a block's day."""
    ticks = _ticks(part, int(part.vehicle[row]))
    events = _events(rng, part, row, ticks)
    speed = _speeds(rng, part, row, ticks, events)
    steps = np.where(ticks.drive | ticks.offline, speed * TICK_S / 3600.0, 0.0)
    planned = float(part.driving.odometer_km[row])
    steps *= planned / max(float(steps.sum()), 1e-9)
    before = np.r_[0.0, np.cumsum(steps)[:-1]]
    drifted = np.zeros(DAY, dtype=np.bool_)
    n_drifted = len(events["lost"]) // DRIFT_OF_LOST
    drifted[events["lost"][:n_drifted]] = True
    heard = ticks.heard.copy()
    heard[events["lost"][n_drifted:]] = False
    alarms, warn_type = _alarms(rng, ticks, events)
    rows = np.flatnonzero(heard)
    shown = np.where(ticks.drive | (ticks.offline & ticks.heard), speed, 0.0)
    packets = {
        "speed_kmh": np.round(shown[rows], 1), "travelled_km": before[rows], "drifted": drifted[rows],
        "status_bits": ticks.acc[rows].astype(np.int64), "alarm_bits": alarms[rows], "warn_type": warn_type[rows],
    }
    return _with_brakes(rows * TICK_S, packets, events["brake"], speed, before, steps)


def _with_brakes(
    second: IntArray, columns: dict[str, npt.NDArray[Any]], brake: IntArray, speed: FloatArray, before: FloatArray,
    steps: FloatArray,
) -> Packets:
    """Add the packet that a terminal sends one second before the tick in which a harsh brake shows."""
    extra: dict[str, npt.NDArray[Any]] = {
        "speed_kmh": np.round(np.round(speed[brake], 1) + BRAKE_KMH, 1),
        "travelled_km": before[brake] - steps[brake - 1] / TICK_S, "drifted": np.zeros(len(brake), dtype=np.bool_),
        "status_bits": np.full(len(brake), ACC), "alarm_bits": np.zeros(len(brake), dtype=np.int64),
        "warn_type": np.full(len(brake), None, dtype=object),
    }
    seconds = np.r_[second, brake * TICK_S - 1]
    order = np.argsort(seconds, kind="stable")
    return Packets(seconds[order], {name: np.concatenate([values, extra[name]])[order] for name, values in columns.items()})


def _ticks(part: BlockDay, vehicle: int) -> _Ticks:
    masks = _Ticks(*(np.zeros(DAY, dtype=np.bool_) for _ in range(4)))
    for shifts, midnight in ((part.before, DAY), (part.today, 0)):
        if shifts is None:
            continue
        at = int(np.searchsorted(shifts.vehicle, vehicle))
        if at < len(shifts) and shifts.vehicle[at] == vehicle:
            _mark(masks, shifts, at, midnight)
    return masks


def _mark(masks: _Ticks, shifts: Shifts, at: int, midnight: int) -> None:
    for start, end in zip((shifts.start[:, at] - midnight).tolist(), (shifts.end[:, at] - midnight).tolist(), strict=True):
        if end <= start or end < 0:
            continue
        window = slice(max(start, 0), max(min(end, DAY), 0))
        masks.drive[window] = masks.heard[window] = masks.acc[window] = True
        if 0 <= end < DAY:
            masks.heard[end] = True
    gap_from, gap_to = (min(max(int(tick) - midnight, 0), DAY) for tick in (shifts.gap_from[at], shifts.gap_to[at]))
    masks.drive[gap_from:gap_to] = False
    if shifts.offline[at]:
        masks.offline[gap_from:gap_to] = True
        masks.heard[gap_from + 1 : gap_to] = False


def _events(rng: np.random.Generator, part: BlockDay, row: int, ticks: _Ticks) -> dict[str, IntArray]:
    """Give every planned event ticks of its own inside a stretch of driving."""
    slots = _slots(ticks.drive)
    free = np.ones(len(slots), dtype=np.bool_)
    runs, total = int(part.driving.fast_runs[row]), int(part.driving.fast_ticks[row])
    fast: list[IntArray] = []
    for place in rng.permutation(np.flatnonzero(np.diff(slots) == SLOT)).tolist():
        if len(fast) == runs:
            break
        if free[place] and free[place + 1]:
            free[[place, place + 1]] = False
            length = total // runs + (len(fast) < total % runs)
            fast.append(slots[place] + 1 + np.arange(length))
    rest = rng.permutation(slots[free]) + 1
    counts = {
        "warned": int(part.driving.warned[row]), "fatigue": int(part.columns["n_alarm_fatigue"][row]),
        "collision": int(part.columns["n_alarm_collision"][row]), "brake": int(part.columns["n_harsh_brake"][row]),
        "lost": int(part.driving.lost[row]),
    }
    edges = np.cumsum([0, *counts.values()])
    events = {name: rest[low:high] for name, low, high in zip(counts, edges[:-1], edges[1:], strict=True)}
    return events | {"fast": np.concatenate([*fast, np.zeros(0, dtype=np.int64)]).astype(np.int64)}


def _slots(drive: BoolArray) -> IntArray:
    """Return the first ticks of all slots inside stretches of driving, their edges left out."""
    change = np.diff(np.r_[False, drive, False].astype(np.int8))
    first, last = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    parts = [
        start + 1 + SLOT * np.arange(max((end - start - 2) // SLOT, 0))
        for start, end in zip(first.tolist(), last.tolist(), strict=True)
    ]
    return np.concatenate([*parts, np.zeros(0, dtype=np.int64)]).astype(np.int64)


def _speeds(
    rng: np.random.Generator, part: BlockDay, row: int, ticks: _Ticks, events: dict[str, IntArray]
) -> FloatArray:
    """Return speeds by tick: the day's planned values in a smooth order, slow at the ends of a stretch."""
    mean, exponent = float(part.driving.mean_kmh[row]), float(part.driving.exponent[row])
    wave = np.convolve(rng.standard_normal(DAY + 4 * SMOOTH_TICKS), np.ones(SMOOTH_TICKS) / SMOOTH_TICKS**0.5, "same")
    wave = wave[2 * SMOOTH_TICKS : DAY + 2 * SMOOTH_TICKS] + 0.1 * rng.standard_normal(DAY)
    edge = np.flatnonzero(np.diff(ticks.drive.astype(np.int8)) != 0)
    for step, dip in enumerate((4.0, 1.5, 0.5)):
        wave[np.clip(np.r_[edge - step, edge + 1 + step], 0, DAY - 1)] -= dip
    wave[events["brake"]] -= 6.0
    speed = np.full(DAY, mean)
    slow = ticks.drive.copy()
    slow[events["fast"]] = False
    places = np.flatnonzero(slow)
    order = np.argsort(np.argsort(wave[places], kind="stable"), kind="stable")
    speed[places] = np.maximum(mean * (1.0 + exponent) * ((order + 0.5) / max(len(places), 1)) ** exponent, SLOWEST_KMH)
    speed[events["fast"]] = float(part.driving.fast_kmh[row])
    return speed


def _alarms(
    rng: np.random.Generator, ticks: _Ticks, events: dict[str, IntArray]
) -> tuple[IntArray, npt.NDArray[np.object_]]:
    bits, warn = np.zeros(DAY, dtype=np.int64), np.full(DAY, None, dtype=object)
    warning = rng.random(len(events["fatigue"])) < 0.5
    bits[events["fast"]] |= 1 << BIT_SPEED
    bits[events["warned"]] |= 1 << BIT_SPEED_WARNING
    bits[events["fatigue"]] |= np.where(warning, 1 << BIT_FATIGUE_WARNING, 1 << BIT_FATIGUE)
    bits[events["collision"]] |= 1 << BIT_COLLISION
    for name, code in (("fast", "0x0001"), ("fatigue", "0x0002"), ("collision", "0x0011")):
        warn[events[name]] = code
    return bits, warn



"""The reduction message by message: the state of one vehicle, fed by a receiver, gives the rows that the batch gives.

The state has a fixed size but for one count per speed of the open day and the messages that wait for late ones. A message
is settled once a newer one is `lateness_s` ahead of it; whatever arrives still later is left to the batch, which sees all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from features.reduction import ALARMS, EXPRESSWAY_CAP_KMH, distance_units, nearest_rank, share_until
from features.segments import DAY_S, HOUR_S, LOCAL_OFFSET_S, REDUCTION_RULES, ReductionRules
from features.track import (
    ACC,
    FIXED,
    UNITS_PER_KM,
    UNITS_PER_M,
    great_circle_units,
    spare_seconds,
    unreachable,
)

LATENESS_S: Final = 600
"""How long a message waits for older ones. [A]"""
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, kw_only=True, order=True)
class Message:
    """One position of one vehicle, as JT/T 808 sends it.

    Parameters
    ----------
    time_s, received_us
        GPS time in epoch seconds, time of receipt in epoch microseconds.
    speed_kmh
        Speed; None where neither terminal nor recorder knows it.
    lon_deg, lat_deg
        Position.
    odometer_km
        None where it is not sent.
    status_bits, alarm_bits
        As declared.
    """

    time_s: int
    received_us: int
    speed_kmh: float | None = field(compare=False)
    lon_deg: float = field(compare=False)
    lat_deg: float = field(compare=False)
    odometer_km: float | None = field(compare=False)
    status_bits: int = field(compare=False)
    alarm_bits: int = field(compare=False, default=0)

    @property
    def speed(self) -> int:
        """Speed in 0.1 km/h."""
        return round(10.0 * (self.speed_kmh or 0.0))

    @property
    def metres(self) -> int | None:
        """Odometer in metres."""
        return None if self.odometer_km is None else round(self.odometer_km * 1000.0)

    @property
    def fixed(self) -> bool:
        """Whether the position was fixed."""
        return bool(self.status_bits & FIXED)


@dataclass
class _Day:
    """What is counted of one local day."""

    seconds: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    speeds: Counter[int] = field(default_factory=Counter)
    by_odometer: int = 0
    by_speed: int = 0
    longest_s: int = 0

    def row(self, rules: ReductionRules) -> dict[str, Any]:
        """Return the columns of `vehicle_day`."""
        hours = ("drive_h", "night_drive_h", "h_2_5", "offline_h")
        return {
            "distance_km": float(distance_units(self.by_odometer, self.by_speed, rules)) / UNITS_PER_KM,
            **{name: self.seconds[name] / HOUR_S for name in hours},
            "max_cont_drive_h": self.longest_s / HOUR_S,
            "overspeed_min": self.seconds["overspeed"] / 60.0,
            "p95_speed_kmh": self._p95(),
            **{name: self.counts[name] for name in ("n_cont_over_4h", "n_rest_20min", *ALARMS, "n_harsh_brake", "n_messages")},
        }

    def _p95(self) -> float | None:
        left = nearest_rank(self.speeds.total()) if self.speeds else -1
        for speed in sorted(self.speeds):
            left -= self.speeds[speed]
            if left < 0:
                return speed / 10.0
        return None


class DayReducer:
    """The open state of one vehicle.

    Parameters
    ----------
    speed_cap_kmh
        Cap of the vehicle's class.
    rules
        Thresholds.
    lateness_s
        How long a message waits for older ones.
    """

    def __init__(
        self, *, speed_cap_kmh: float = EXPRESSWAY_CAP_KMH, rules: ReductionRules = REDUCTION_RULES, lateness_s: int = LATENESS_S
    ) -> None:
        self._rules, self._cap, self._lateness_s = rules, round(10.0 * speed_cap_kmh), lateness_s
        self._waiting: list[Message] = []
        self._days: dict[int, _Day] = {}
        self._newest_s = self._settled_s = -(2**62)
        self._last: Message | None = None
        self._place: Message | None = None
        self._dropped = 0
        self._run_s = 0
        self._stop_since: int | None = None
        self._fast: tuple[int, int] | None = None
        self._braking = False
        self._raised = dict.fromkeys(ALARMS, False)
        self.late = 0

    def feed(self, message: Message) -> list[dict[str, Any]]:
        """Take a message and return the rows of the days that it closed, each with its `day`.

        A message behind everything settled changes nothing and is counted in `late`.
        """
        if message.time_s <= self._settled_s:
            self.late += 1
            return []
        self._waiting.append(message)
        self._newest_s = max(self._newest_s, message.time_s)
        self._settle(self._newest_s - self._lateness_s)
        if self._last is None:
            return []
        # Speeding that goes on is counted when it ends, for the day in which it began too.
        return list(self._close(_day(min(self._last.time_s, self._fast[0] if self._fast else self._last.time_s))))

    def close(self) -> list[dict[str, Any]]:
        """Settle what waits and return the rows of all open days."""
        self._settle(self._newest_s)
        self._end_speeding()
        return list(self._close(2**62))

    def _close(self, before: int) -> Iterator[dict[str, Any]]:
        for day in sorted(self._days):
            if day < before:
                yield {"day": _EPOCH + timedelta(days=day), **self._days.pop(day).row(self._rules)}

    def _settle(self, until_s: int) -> None:
        ready = sorted(message for message in self._waiting if message.time_s <= until_s)
        self._waiting = [message for message in self._waiting if message.time_s > until_s]
        for message in ready:
            if message.time_s > self._settled_s:
                self._settled_s = message.time_s
                self._of(message.time_s).counts["n_messages"] += 1
                if not self._drifted(message):
                    self._step(message)

    def _of(self, instant_s: int) -> _Day:
        return self._days.setdefault(_day(instant_s), _Day())

    def _drifted(self, message: Message) -> bool:
        if not message.fixed:
            return False
        last = self._place
        if last is not None and self._dropped < self._rules.max_drift_run and unreachable(
            last.lon_deg, last.lat_deg, message.lon_deg, message.lat_deg, message.time_s - last.time_s, self._rules
        ):
            self._dropped += 1
            return True
        self._place, self._dropped = message, 0
        return False

    def _drives(self, message: Message) -> bool:
        return message.speed >= round(self._rules.driving_kmh * 10) and bool(message.status_bits & ACC)

    def _step(self, message: Message) -> None:
        last, heard = self._last, False
        if last is not None:
            heard = message.time_s - last.time_s <= self._rules.silence_s
            self._interval(last, message, heard)
            self._brake(last, message)
        for name, bits in ALARMS.items():
            raised = bool(message.alarm_bits & bits)
            if raised and not (self._raised[name] and heard):
                self._of(message.time_s).counts[name] += 1
            self._raised[name] = raised
        if self._drives(message):
            self._of(message.time_s).speeds[message.speed] += 1
        self._last = message

    def _brake(self, last: Message, message: Message) -> None:
        seconds = message.time_s - last.time_s
        hard = seconds <= self._rules.brake_within_s
        hard = hard and last.speed - message.speed >= seconds * round(self._rules.brake_kmh_s * 10)
        if hard and not self._braking:
            self._of(message.time_s).counts["n_harsh_brake"] += 1
        self._braking = hard

    def _interval(self, last: Message, message: Message, heard: bool) -> None:
        start, end = last.time_s, message.time_s
        by_odometer, by_speed = self._distances(last, message, heard)
        driving = heard and self._drives(last)
        offline = not heard and max(by_odometer, by_speed) >= self._rules.moved_m * UNITS_PER_M
        if not heard and not offline:
            by_odometer = by_speed = 0
        self._distribute(start, end, by_odometer, by_speed)
        self._speeding(driving and last.speed > self._cap, start, end)
        if not driving and not offline:
            self._stop_since = start if self._stop_since is None else self._stop_since
            return
        self._moves_again(start)
        if driving:
            self._drive(start, end)
            return
        for begin, finish in _pieces(start, end):
            self._of(begin).seconds["offline_h"] += finish - begin
        if spare_seconds(end - start, max(by_odometer, by_speed), self._rules) >= self._rules.rest_s:
            self._run_s = 0

    def _distances(self, last: Message, message: Message, heard: bool) -> tuple[int, int]:
        seconds, before, after = message.time_s - last.time_s, last.metres, message.metres
        if heard:
            by_speed = last.speed * seconds if self._drives(last) else 0
        elif last.fixed and message.fixed:
            by_speed = int(great_circle_units(last.lon_deg, last.lat_deg, message.lon_deg, message.lat_deg))
        else:
            by_speed = 0
        if before is None or after is None:
            return by_speed, by_speed
        advance = (after - before) * UNITS_PER_M
        plausible = 0 <= advance <= seconds * round(self._rules.max_kmh * 10) + UNITS_PER_KM
        return (advance if plausible else by_speed), by_speed

    def _distribute(self, start: int, end: int, by_odometer: int, by_speed: int) -> None:
        for begin, finish in _pieces(start, end):
            share = [
                share_until(units, finish - start, end - start) - share_until(units, begin - start, end - start)
                for units in (by_odometer, by_speed)
            ]
            if share != [0, 0]:
                day = self._of(begin)
                day.by_odometer += share[0]
                day.by_speed += share[1]

    def _speeding(self, fast: bool, start: int, end: int) -> None:
        if fast:
            self._fast = (self._fast[0] if self._fast else start, end)
        else:
            self._end_speeding()

    def _end_speeding(self) -> None:
        if self._fast and self._fast[1] - self._fast[0] >= self._rules.overspeed_s:
            for begin, finish in _pieces(*self._fast):
                self._of(begin).seconds["overspeed"] += finish - begin
        self._fast = None

    def _moves_again(self, instant_s: int) -> None:
        """End the stop that lasted until now."""
        if self._stop_since is None:
            return
        stood = instant_s - self._stop_since
        if stood >= self._rules.rest_s:
            self._run_s = 0
            if stood < self._rules.long_rest_s:
                self._of(instant_s).counts["n_rest_20min"] += 1
        self._stop_since = None

    def _drive(self, start: int, end: int) -> None:
        for begin, finish in _pieces(start, end):
            day, length = self._of(begin), finish - begin
            day.seconds["drive_h"] += length
            day.seconds["night_drive_h"] += _overlap(begin, finish, 0, 6) + _overlap(begin, finish, 22, 24)
            day.seconds["h_2_5"] += _overlap(begin, finish, 2, 5)
            if self._run_s <= self._rules.limit_s < self._run_s + length:
                day.counts["n_cont_over_4h"] += 1
            self._run_s += length
            day.longest_s = max(day.longest_s, self._run_s)


def _day(instant_s: int) -> int:
    return (instant_s + LOCAL_OFFSET_S) // DAY_S


def _pieces(start_s: int, end_s: int) -> Iterator[tuple[int, int]]:
    """Cut at local midnights."""
    while start_s < end_s:
        cut = min(end_s, (_day(start_s) + 1) * DAY_S - LOCAL_OFFSET_S)
        yield start_s, cut
        start_s = cut


def _overlap(start_s: int, end_s: int, from_h: int, to_h: int) -> int:
    """Return the seconds of a piece of one local day between two hours."""
    midnight = _day(start_s) * DAY_S - LOCAL_OFFSET_S
    return max(0, min(end_s, midnight + to_h * HOUR_S) - max(start_s, midnight + from_h * HOUR_S))

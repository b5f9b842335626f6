"""How each vehicle of a fleet stands with its limits now: a tier, and when the first limit is reached, for maps of the whole fleet.

The tier is that of the rules on driving time, night and fatigue (`registry.supervision.rule_table`) at this instant, without the
dwell of an alert: a dot turns with the vehicle, an alert waits until it is sure.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.live.duty_now import rules_of
from features.live.fleet import BLUE, FLEET, SILENT, Fleet, look_of
from features.live.fold import LiveFold
from features.live.roster import Roster
from features.segments import DRIVE
from features.supervision.signals import FRESH_S, signals_of
from registry.duty_rules import DUTY_RULES
from registry.supervision.rule_table import ALERT_RULES
from registry.supervision.rules import SEVERITIES, TRADES, AlertClass

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
CLASSES: Final[frozenset[AlertClass]] = frozenset({"duty", "night", "fatigue"})
FRAME_S: Final = 1.0
"""Shortest time from one frame to the next."""
SHARE: Final = 0.1
"""Frames take about this share of a core, however many vehicles there are, unless one of them is older than `MOST_S`."""
MOST_S: Final = 10.0
_RULES: Final = tuple(rule for rule in ALERT_RULES if rule.alert_class in CLASSES)


def tiers(signals: Mapping[str, FloatArray], trade: IntArray, fresh: npt.NDArray[np.bool_]) -> IntArray:
    """Return the tier of each vehicle.

    Parameters
    ----------
    signals
        As of `signals_of`; with `fatigue_tier` where scores are given.
    trade
        Place in `TRADES` of each vehicle's trade.
    fresh
        Whether it was heard of just now.
    """
    found = np.where(fresh, BLUE, SILENT).astype(np.int64)
    for rule in _RULES:
        if rule.signal not in signals:
            continue
        bound = fresh & np.isin(trade, [TRADES.index(one) for one in rule.trades])
        for level in rule.levels:
            tier = BLUE + 1 + SEVERITIES.index(level.severity)
            with np.errstate(invalid="ignore"):
                found = np.where(bound & (signals[rule.signal] >= level.on), np.maximum(found, tier), found)
    return found


def fleet_rows(
    fold: LiveFold, roster: Roster, trade: IntArray, at_s: int, further: Mapping[str, FloatArray] | None = None
) -> npt.NDArray[Any]:
    """Return `features.live.fleet.FLEET` of all vehicles at an instant."""
    now, limits = fold.now(at_s), fold.limits(at_s, DUTY_RULES)
    fresh = (now["known"] == 1) & (at_s - now["last_s"] <= FRESH_S)
    signals = signals_of(now, limits, fold.state.cap / 10.0, at_s, further=further)
    drives = fresh & (now["state"] == DRIVE)
    rows = np.zeros(len(now), FLEET)
    rows["known"] = now["known"]
    rows["lon_e6"], rows["lat_e6"] = np.rint(1e6 * now["lon_deg"]), np.rint(1e6 * now["lat_deg"])
    rows["last_s"] = now["last_s"]
    rows["due_s"] = np.where(drives, _first_due(limits["reached_s"], trade, at_s), 0)
    rows["speed_kmh"] = np.where(fresh, np.clip(np.rint(now["speed_kmh"]), 0, 255), 0)
    rows["heading"] = np.rint(now["heading_deg"] * (256 / 360)).astype(np.int64) % 256
    rows["look"] = look_of(tiers(signals, trade, fresh), now["state"], now["resting"], trade)
    return rows


def _first_due(reached_s: IntArray, trade: IntArray, at_s: int) -> IntArray:
    """Return when the first of the limits that bind each vehicle is reached."""
    first = np.zeros(len(trade), np.int64)
    for place, name in enumerate(TRADES):
        columns = [DUTY_RULES.index(rule) for rule in rules_of(name, at_s)]
        mine = trade == place
        if columns and mine.any():
            first[mine] = reached_s[mine][:, columns].min(axis=1)
    return first


class FleetLook:
    """Frames of a live fleet, made when somebody asks and at most so often that they cost little.

    Parameters
    ----------
    fold
        Returns the state; it is read under `lock`.
    roster
        Whose it is.
    lock
        Held while the state is read.
    clock
        Now in epoch microseconds.
    further
        Returns further signals, such as tiers of the fatigue score.
    """

    def __init__(
        self, fold: LiveFold, roster: Roster, lock: threading.RLock, clock: Callable[[], int],
        further: Callable[[int], Mapping[str, FloatArray]] | None = None,
    ) -> None:
        self._fold, self._roster, self._lock, self._clock, self._further = fold, roster, lock, clock, further
        self._trade = np.array([TRADES.index(one) for one in roster.trade], dtype=np.int64)
        self.fleet = Fleet.empty(time.time_ns() // 1_000_000, len(roster))
        self._asked, self._next = threading.Lock(), 0.0
        with lock:
            # Once now, so that the first reader does not wait for the compiler.
            fleet_rows(fold, roster, self._trade, clock() // 1_000_000)

    def since(self, run: int, number: int) -> bytes:
        """Return what changed since a frame of a run; everything to who has seen another run."""
        with self._asked:
            if time.monotonic() >= self._next:
                began = time.thread_time()
                at_s = self._clock() // 1_000_000
                with self._lock:
                    rows = fleet_rows(
                        self._fold, self._roster, self._trade, at_s, self._further(at_s) if self._further is not None else None
                    )
                self.fleet.take(rows, at_s)
                spent = time.thread_time() - began
                self._next = time.monotonic() + min(max(FRAME_S - spent, spent / SHARE), MOST_S)
            return self.fleet.since(number if run == self.fleet.run else 0)

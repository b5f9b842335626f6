"""Duty now: what a driver may still drive, when each limit is reached if driving goes on, and where the next rest is.

Facts beside the score. Everything is of the vehicle, because positions do not say who drives; it is a lower bound where
`unobserved_s` is not zero or `complete` is false, and is not said at all of a vehicle that was not heard of for long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np

from features.live.evaluate import AHEAD_H
from features.live.fold import LiveFold
from features.live.rest_places import RestAhead, RestPlaces
from features.live.roster import Roster, Trade, operation_of
from features.segments import DAY_S, DRIVE, LOCAL_OFFSET_S
from registry.duty_rules import DUTY_RULES, DutyRule, rules_in_force

STALE_S: Final = 600
"""A vehicle unheard of for longer gets no ledger and no score: what it does is not known. [A]"""


@dataclass(frozen=True)
class LimitNow:
    """One limit of one vehicle.

    Parameters
    ----------
    rule
        The rule.
    used_s, remaining_s
        Driving counted, and what is left.
    reached_s
        When nothing is left if driving goes on from now, epoch seconds.
    unobserved_s, complete
        As of `features.duty_ledger.DutyEntry`.
    """

    rule: DutyRule
    used_s: int
    remaining_s: int
    reached_s: int
    unobserved_s: int
    complete: bool


@dataclass(frozen=True)
class DutyNow:
    """What is said of one vehicle.

    Parameters
    ----------
    vehicle_id
        Pseudonym.
    at_s, age_s
        Instant that all of it is about, and seconds from the last message to the instant that was asked for.
    abstains
        The vehicle was not heard of for `STALE_S`: what follows is what was known then.
    driving, resting
        Whether it drives, and whether it stands in a rest of 20 minutes.
    limits
        Limits that bind it, the one that is reached first leading.
    rest
        Next legal place of rest; None where none is known.
    kss, safte_effectiveness
        Hours from now -> estimate if nobody sleeps; empty where no sleep was observed.
    """

    vehicle_id: str
    at_s: int
    age_s: int
    abstains: bool
    driving: bool
    resting: bool
    limits: tuple[LimitNow, ...]
    rest: RestAhead | None
    kss: dict[int, float]
    safte_effectiveness: dict[int, float]

    @property
    def nearest(self) -> LimitNow | None:
        """The limit that is reached first."""
        return self.limits[0] if self.limits else None

    def words(self) -> tuple[str, str]:
        """Return one sentence in Chinese and one in English."""
        if self.abstains:
            minutes = self.age_s // 60
            return f"已{minutes}分钟没有定位，不作判断。", f"No position for {minutes} min; nothing is said."
        first = self.nearest
        if first is None:
            return "没有适用的驾驶时限。", "No limit on driving applies."
        minutes = max(first.reached_s - self.at_s, 0) // 60
        if first.remaining_s == 0 and first.reached_s <= self.at_s:
            zh, en = f"已达到时限：{first.rule.zh}", f"Limit reached: {first.rule.en}"
        else:
            zh, en = f"再驾驶{minutes}分钟达到时限：{first.rule.zh}", f"{minutes} min until the limit: {first.rule.en}"
        if self.rest is None:
            return zh + "。", en + "."
        km = f"{self.rest.distance_km:.1f}"
        how_zh, how_en = ("沿路", "along the road") if self.rest.along_road else ("直线", "as the crow flies")
        name = self.rest.place.name
        return f"{zh}；{how_zh}{km}公里处可休息：{name}。", f"{en}; next rest in {km} km {how_en}: {name}."


class DutyReader:
    """Reads the duty ledger of vehicles from the fold.

    Parameters
    ----------
    fold, roster
        The state, and whose it is.
    places
        Places of rest.
    """

    def __init__(self, fold: LiveFold, roster: Roster, places: RestPlaces) -> None:
        self._fold, self._roster, self._places = fold, roster, places

    def read(self, slots: Sequence[int], now: datetime) -> list[DutyNow]:
        """Return what is said of vehicles at an instant; vehicles never heard of are left out."""
        at_s, chosen = int(now.timestamp()), np.asarray(slots, dtype=np.int64)
        states, limits = self._fold.now(at_s, chosen), self._fold.limits(at_s, DUTY_RULES, chosen)
        return [
            self._of(slot, state, entries, at_s)
            for slot, state, entries in zip(chosen.tolist(), states, limits, strict=True) if state["known"]
        ]

    def _of(self, slot: int, state: Any, entries: Any, at_s: int) -> DutyNow:
        trade = self._roster.trade[slot]
        binding = rules_of(trade, int(state["at_s"]))
        limits = [_limit(rule, entry) for rule, entry in zip(DUTY_RULES, entries, strict=True) if rule in binding]
        slept = not np.isnan(state["kss"][0])
        return DutyNow(
            self._roster.vehicle_id[slot], int(state["at_s"]), at_s - int(state["last_s"]), at_s - int(state["last_s"]) > STALE_S,
            bool(state["state"] == DRIVE), bool(state["resting"]), tuple(sorted(limits, key=lambda limit: limit.reached_s)),
            self._places.ahead(trade, float(state["lon_deg"]), float(state["lat_deg"]), float(state["heading_deg"])),
            dict(zip(AHEAD_H, state["kss"].tolist(), strict=True)) if slept else {},
            dict(zip(AHEAD_H, state["safte"].tolist(), strict=True)) if slept else {},
        )


def rules_of(trade: Trade, at_s: int) -> list[DutyRule]:
    """Return the rules that bind a trade at an instant, in the order of `DUTY_RULES`."""
    binding = set(rules_in_force(_local_day(at_s), operation_of(trade)))
    return [rule for rule in DUTY_RULES if rule in binding]


def _limit(rule: DutyRule, entry: Any) -> LimitNow:
    used, remaining, reached, unobserved, complete = entry.tolist()
    return LimitNow(rule, used, remaining, reached, unobserved, bool(complete))


def _local_day(at_s: int) -> date:
    return datetime.fromtimestamp((at_s + LOCAL_OFFSET_S) // DAY_S * DAY_S, UTC).date()

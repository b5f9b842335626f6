"""Who drives: cards put into terminals and taken out (JT/T 808 0x0702), and the duty of a driver over the vehicles he drove.

Positions do not say who drives; a provider that has the terminal's card events hands them on. A card in a vehicle begins its
driver's time there; it ends when the card is taken out, when another one is put in, or when the same card is put in elsewhere. The
number on the card becomes the pseudonym of the person at the door and is kept nowhere.
"""

from __future__ import annotations

import json
import os
import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from features.duty_ledger import DutyEntry, duty_ledger
from features.live.fold import LiveFold
from features.segments import DRIVE, STOP, Stretches, stretches_of
from registry.duty_rules import DutyRule
from registry.errors import InvalidRequest, ServiceUnavailable

IntArray = npt.NDArray[np.int64]
CARDS_FILE: Final = "cards.ndjson"
_OPEN: Final = 2**62
Kind = Literal["in", "out"]


@dataclass(frozen=True, order=True)
class CardEvent:
    """A card put in or taken out; pseudonyms of vehicle and driver, epoch seconds."""

    at_s: int
    vehicle_id: str
    driver_id: str
    kind: Kind


@dataclass(frozen=True)
class Session:
    """A driver's time in a vehicle; `end_s` is far ahead while the card is in."""

    vehicle_id: str
    driver_id: str
    begin_s: int
    end_s: int


class CardLog:
    """Card events of an installation, in memory and in a file that is only appended to.

    Parameters
    ----------
    folder
        Folder of the live state.
    """

    def __init__(self, folder: Path) -> None:
        self._path, self._lock = folder / CARDS_FILE, threading.RLock()
        self._events: set[CardEvent] = set()
        self._by_vehicle: dict[str, list[Session]] = {}
        self._by_driver: dict[str, list[Session]] = {}
        if self._path.exists():
            whole, _, torn = self._path.read_bytes().rpartition(b"\n")
            if torn:
                # What was cut off by a kill had not been answered.
                with self._path.open("r+b") as file:
                    file.truncate(len(whole) + 1 if whole else 0)
            self._events = {CardEvent(**json.loads(line)) for line in whole.splitlines() if line}
        self._told()

    def add(self, events: Iterable[CardEvent]) -> int:
        """Keep events durably and return how many were new; the same event counts once.

        Raises
        ------
        ServiceUnavailable
            If the disk does not take them; nothing of them counts then.
        """
        with self._lock:
            new = sorted(set(events) - self._events)
            if new:
                text = "".join(json.dumps(asdict(event), sort_keys=True) + "\n" for event in new)
                try:
                    self._path.parent.mkdir(parents=True, exist_ok=True)
                    with self._path.open("ab") as file:
                        os.fchmod(file.fileno(), 0o600)
                        file.write(text.encode())
                        file.flush()
                        os.fsync(file.fileno())
                except OSError as error:
                    raise ServiceUnavailable(
                        "card events cannot be kept", where=CARDS_FILE, remedy="Check the disk, then send them again.",
                    ) from error
                self._events.update(new)
                self._told()
            return len(new)

    def driver_at(self, vehicle_id: str, at_s: int) -> Session | None:
        """Return whose card is in a vehicle at an instant; None where there is none."""
        sessions = self._by_vehicle.get(vehicle_id, [])
        place = bisect_right(sessions, at_s, key=lambda one: one.begin_s) - 1
        return sessions[place] if place >= 0 and at_s < sessions[place].end_s else None

    def sessions_of(self, driver_id: str) -> list[Session]:
        """Return a driver's times in vehicles, in order."""
        return self._by_driver.get(driver_id, [])

    def swapped_s(self, vehicle_id: str, at_s: int) -> int:
        """Return since when the driver drives who took a vehicle over from another one; 0 where nobody did."""
        sessions = self._by_vehicle.get(vehicle_id, [])
        for place in range(bisect_right(sessions, at_s, key=lambda one: one.begin_s) - 1, 0, -1):
            if sessions[place].driver_id != sessions[place - 1].driver_id:
                return sessions[place].begin_s
        return 0

    @property
    def vehicles(self) -> Iterable[str]:
        """Vehicles that had a card."""
        return list(self._by_vehicle)

    def _told(self) -> None:
        """Work the sessions out anew: a late event may end one that seemed to go on."""
        begun: dict[str, tuple[str, int]] = {}  # vehicle -> driver and begin
        where: dict[str, str] = {}  # driver -> vehicle
        by_vehicle: dict[str, list[Session]] = defaultdict(list)
        by_driver: dict[str, list[Session]] = defaultdict(list)

        def end(vehicle_id: str, at_s: int) -> None:
            driver_id, begin_s = begun.pop(vehicle_id)
            where.pop(driver_id, None)
            session = Session(vehicle_id, driver_id, begin_s, at_s)
            by_vehicle[vehicle_id].append(session)
            by_driver[driver_id].append(session)

        for event in sorted(self._events, key=lambda one: (one.at_s, one.kind == "in", one.vehicle_id, one.driver_id)):
            held = begun.get(event.vehicle_id)
            if event.kind == "out":
                if held is not None and held[0] == event.driver_id:
                    end(event.vehicle_id, event.at_s)
                continue
            if held is not None and held[0] == event.driver_id:
                continue
            if held is not None:
                end(event.vehicle_id, event.at_s)
            if event.driver_id in where:
                # He is in one vehicle at a time.
                end(where[event.driver_id], event.at_s)
            begun[event.vehicle_id], where[event.driver_id] = (event.driver_id, event.at_s), event.vehicle_id
        for vehicle_id in list(begun):
            end(vehicle_id, _OPEN)
        self._by_vehicle, self._by_driver = dict(by_vehicle), dict(by_driver)


def driver_stretches(fold: LiveFold, sessions: Iterable[Session], slots: Mapping[str, int], at_s: int) -> Stretches:
    """Return what a driver did up to an instant: the stretches of the vehicles in which his card was, and rest in between.

    That he drove nowhere else is supposed, so every limit is a lower bound.

    Parameters
    ----------
    fold
        The state; whoever calls holds its lock.
    sessions
        His times in vehicles.
    slots
        Place of each vehicle in the roster.
    at_s
        Epoch seconds.
    """
    parts: list[Stretches] = []
    in_vehicle_until_s = 0
    for session in sessions:
        slot = slots.get(session.vehicle_id)
        if slot is None or session.begin_s >= at_s:
            continue
        in_vehicle_until_s = max(in_vehicle_until_s, session.end_s)
        kept, now = fold.stretches(slot), fold.now(at_s, np.array([slot]))[0]
        if now["known"] and now["at_s"] > now["last_s"]:
            # A message speaks for the time until now.
            doing = DRIVE if now["state"] == DRIVE else STOP
            kept = Stretches(*(np.r_[old, new] for old, new in zip(
                (kept.vehicle, kept.start_s, kept.end_s, kept.state, kept.spare_s),
                (0, int(now["last_s"]), int(now["at_s"]), doing, 0), strict=True,
            )))
        begins, ends = np.maximum(kept.start_s, session.begin_s), np.minimum(kept.end_s, session.end_s)
        whole = (begins == kept.start_s) & (ends == kept.end_s)
        # How much of an off-line time can be rest is not known of a part of it.
        parts.append(Stretches(kept.vehicle, begins, ends, kept.state, np.where(whole, kept.spare_s, 0)))
    if not parts:
        empty = np.zeros(0, np.int64)
        return Stretches(empty, empty, empty, empty.astype(np.int8), empty)
    newest = max(int(part.end_s.max(initial=0)) for part in parts)
    if in_vehicle_until_s <= at_s and 0 < newest < at_s:
        # His card is in no vehicle: he rests until now.
        parts.append(Stretches(*(np.array([value]) for value in (0, newest, at_s, STOP, 0))))
    names = ("start_s", "end_s", "state", "spare_s")
    start, end, state, spare = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    return stretches_of(np.zeros(len(start), np.int64), start, end, state, spare)


def driver_duty(
    fold: LiveFold, sessions: Iterable[Session], slots: Mapping[str, int], rules: Iterable[DutyRule], at_s: int
) -> tuple[DutyEntry, ...]:
    """Return the entries of a driver's duty ledger at an instant, the one that is reached first leading."""
    stretches = driver_stretches(fold, sessions, slots, at_s)
    found = duty_ledger(stretches, rules, at_s).entries if len(stretches) else ()
    return tuple(sorted(found, key=lambda entry: entry.reached_s))


def read_card_lines(body: bytes) -> list[dict[str, Any]]:
    """Return the rows of NDJSON of card events.

    Raises
    ------
    InvalidRequest
        If a line has another shape.
    """
    names = {"plate_no": str, "plate_color": str, "qualification_no": str, "card_time": str, "event": str}
    try:
        rows = [json.loads(line) for line in body.splitlines() if line.strip()]
        good = all(
            set(row) == set(names) and all(isinstance(row[name], kind) for name, kind in names.items())
            and row["event"] in ("in", "out") for row in rows
        )
    except (ValueError, TypeError):
        good = False
    if not good:
        raise InvalidRequest(
            "the body is no NDJSON of card events", where="cards",
            remedy="Send plate_no, plate_color, qualification_no, card_time with its zone, and event: in or out.",
        )
    return rows

"""Card events in, and the duty of drivers out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from features.live.cards import CardEvent, CardLog, Session, driver_duty, read_card_lines
from features.live.documents import iso, limit_document
from features.live.duty_now import rules_of
from features.live.roster import UNKNOWN
from features.pseudonyms import pseudonym
from registry.errors import NotFound

if TYPE_CHECKING:
    from features.live.fold import LiveFold
    from features.live.roster import Roster

PERSON: Final = "person"
"""Namespace of `registry.resources.columns.DRIVER_ID`."""
AHEAD_S: Final = 300
"""A card event may lie so far ahead of now. [A]"""


class Drivers:
    """Drivers of a roster's vehicles.

    Parameters
    ----------
    log
        Card events.
    fold, roster
        The live state, read under the lock that the caller holds, and whose it is.
    """

    def __init__(self, log: CardLog, fold: LiveFold, roster: Roster) -> None:
        self._log, self._fold, self._roster = log, fold, roster

    def take(self, body: bytes, now_s: int) -> dict[str, Any]:
        """Keep the card events of a push, and return what became of them.

        Raises
        ------
        InvalidRequest
            If the body is none.
        ServiceUnavailable
            If they cannot be kept.
        """
        rows, kept, refused = read_card_lines(body), [], []
        slots = self._roster.slots_of(self._roster.numbers_of([(row["plate_no"], row["plate_color"]) for row in rows]))
        for place, (row, slot) in enumerate(zip(rows, slots.tolist(), strict=True)):
            at_s = _seconds(row["card_time"])
            reason = "wrong_plate" if slot == UNKNOWN else "no_time" if at_s is None else "future" if at_s > now_s + AHEAD_S else ""
            if reason or at_s is None:
                refused.append({"row": place, "reason": reason})
                continue
            driver = pseudonym(self._roster.keys, PERSON, row["qualification_no"])
            kept.append(CardEvent(at_s, self._roster.vehicle_id[slot], driver, row["event"]))
        return {"accepted": len(kept), "new": self._log.add(kept), "refused": len(refused), "errors": refused}

    def of_vehicle(self, vehicle_id: str, at_s: int) -> dict[str, Any] | None:
        """Return the duty of whoever's card is in a vehicle; None where there is none."""
        session = self._log.driver_at(vehicle_id, at_s)
        return None if session is None else self._document(session.driver_id, session, at_s)

    def document(self, driver_id: str, at_s: int) -> dict[str, Any]:
        """Return the duty of a driver.

        Raises
        ------
        NotFound
            If his card was in none of the vehicles.
        """
        past = [one for one in self._log.sessions_of(driver_id) if one.begin_s <= at_s]
        if not past:
            raise NotFound("no card of this driver was in a vehicle", where="live cards", remedy="Check the id.")
        return self._document(driver_id, past[-1], at_s)

    def swapped_s(self, at_s: int) -> npt.NDArray[np.int64]:
        """Return by slot since when a driver drives who took the vehicle over from another one, 0 where nobody did."""
        found = np.zeros(len(self._roster), np.int64)
        for vehicle_id in self._log.vehicles:
            slot = self._roster.places.get(vehicle_id)
            if slot is not None:
                found[slot] = self._log.swapped_s(vehicle_id, at_s)
        return found

    def _document(self, driver_id: str, newest: Session, at_s: int) -> dict[str, Any]:
        rules = rules_of(self._roster.trade[self._roster.slot(newest.vehicle_id)], at_s)
        entries = driver_duty(self._fold, self._log.sessions_of(driver_id), self._roster.places, rules, at_s)
        return {
            "driver_id": driver_id, "at": iso(at_s), "since": iso(newest.begin_s),
            "vehicle_id": newest.vehicle_id if at_s < newest.end_s else None,
            "limits": list(map(limit_document, entries)),
            "zh": "按插卡记录计算；未插卡时间视为休息，为下限。",
            "en": "By card events; time without a card counts as rest, so these are lower bounds.",
        }


def _seconds(text: str) -> int | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found.tzinfo is None else int(found.timestamp())

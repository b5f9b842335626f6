"""Pushed rows become deliveries: by size, by age, and once more after a kill."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from features.door.journal import PushJournal
from features.landing import enter, prepare
from features.pseudonyms import Pseudonymiser
from features.readers import Delivered
from features.warehouse import Warehouse
from registry.errors import DeliveryRefused, RoadRiskError
from registry.resources.schema import COMPLETE_UNTIL

_LOG: Final = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 1.0

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """Return now, aware: the edge at which a receiver learns when something arrived."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class SealLimits:
    """When the rows that wait become a delivery.

    Parameters
    ----------
    rows
        Rows of one delivery; a request is never divided.
    age_s
        Seconds after which even one row makes a delivery.
    """

    rows: int = 200_000
    age_s: float = 60.0


class Sealer:
    """Makes deliveries of what a journal holds; `start` does so in a thread of its own until `stop`."""

    def __init__(
        self, journal: PushJournal, warehouse: Warehouse, pseudonyms: Pseudonymiser, limits: SealLimits | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        self._journal, self._warehouse, self._pseudonyms = journal, warehouse, pseudonyms
        self._limits, self._clock = limits or SealLimits(), clock
        self._stop, self._nudged = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="seal", daemon=True)
        self.refused: dict[int, str] = {}
        """Seals whose delivery was refused, with the reason: their rows stay in the journal."""

    def start(self) -> None:
        """Finish what a killed process left, then go on in a thread."""
        self.finish_all()
        self._thread.start()

    def nudge(self) -> None:
        """Say that rows came in, so that a full delivery does not wait for the next look."""
        self._nudged.set()

    def stop(self) -> None:
        """End the thread and make deliveries of all that waits."""
        self._stop.set()
        self._nudged.set()
        self._thread.join()
        self.seal_due(at_once=True)

    def seal_due(self, *, at_once: bool = False) -> None:
        """Make a delivery of each resource that is full or old enough, or of all."""
        now = self._clock()
        for resource_id, rows, oldest in self._journal.waiting():
            old = now - oldest >= timedelta(seconds=self._limits.age_s)
            while rows >= self._limits.rows or old or at_once:
                number = self._journal.seal(resource_id, max_rows=self._limits.rows)
                if number is None:
                    break
                self._finish(number)
                rows = sum(left for name, left, _ in self._journal.waiting() if name == resource_id)

    def finish_all(self) -> None:
        """Commit every sealed delivery that is not known to be committed; one that was refused waits for a restart."""
        for number in self._journal.unfinished():
            if number not in self.refused:
                self._finish(number)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._nudged.wait(_LOOK_EVERY_S)
            self._nudged.clear()
            try:
                self.finish_all()
                self.seal_due()
            except (RoadRiskError, OSError) as error:
                # Nothing is lost: the rows are in the journal, and the next look tries again.
                _LOG.error("pushed rows wait: %s", error)

    def _finish(self, number: int) -> None:
        sealed = self._journal.sealed(number)
        name = f"push-{number:08d}.ndjson"
        note = json.dumps({COMPLETE_UNTIL: sealed.complete_until}).encode()
        delivered = Delivered(
            name=name, where=f"{sealed.resource}, {name}", suffix=".ndjson", content=sealed.content, note=note
        )
        try:
            prepared = prepare(
                delivered, sealed.resource, self._warehouse, self._pseudonyms,
                refused_before=sealed.violations, refused_rows=sealed.refused,
            )
            if prepared is not None:
                enter(prepared, self._warehouse)
        except DeliveryRefused as error:
            self.refused[number] = error.message
            _LOG.error("sealed delivery %s stays in the journal: %s", name, error.message)
            return
        self._journal.finish(number, now=self._clock())

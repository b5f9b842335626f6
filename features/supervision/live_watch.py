"""Supervision of the live service: a look at the fleet at every whole minute of its clock, and the book of alerts kept.

The engine's thread looks, because the state is its own; another thread writes, so that a slow disk stops no message.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from registry.errors import RoadRiskError
from registry.supervision.book import AlertBook
from registry.supervision.events import AlertEvent

if TYPE_CHECKING:
    from features.live.service import LiveService
    from features.supervision.supervisor import Supervisor
    from registry.settings import Settings

LOOK_S: Final = 60
"""From one look to the next, in the service's time. [A]"""
_log = logging.getLogger("roadrisk.supervision")


class LiveWatch:
    """Looks, and writes what it saw.

    Parameters
    ----------
    service
        The live service.
    supervisor
        Says what happened to alerts.
    book
        Where it is written.
    clock
        When a line is written: the wall's clock, or in a replay the service's.
    """

    def __init__(self, service: LiveService, supervisor: Supervisor, book: AlertBook, clock: Callable[[], datetime]) -> None:
        self._service, self._supervisor, self._book, self._clock = service, supervisor, book, clock
        self._looked_s = 0
        self._waiting: queue.SimpleQueue[list[AlertEvent] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="alert-book", daemon=True)
        self.written = 0

    def start(self) -> None:
        """Begin to listen to the engine."""
        self._writer.start()
        self._service.engine.subscribe(self._heard)

    def stop(self) -> None:
        """Write what waits, then end."""
        self._waiting.put(None)
        self._writer.join()
        self._book.close()

    def look(self, at_s: int) -> None:
        """Look at the fleet at an instant."""
        with self._service.engine.lock:
            events = self._supervisor.look(at_s)
        self._waiting.put(events)

    def _heard(self, _: object) -> None:
        # A minute is looked at once, however many batches it has; one without a batch is looked at with the next.
        minute_s = int(self._service.now.timestamp()) // LOOK_S * LOOK_S
        if minute_s > self._looked_s:
            self._looked_s = minute_s
            self.look(minute_s)

    def _write(self) -> None:
        while (events := self._waiting.get()) is not None:
            try:
                at = self._clock()
                self.written += self._book.record(events, at=at)
                self._book.escalate(at)
            except RoadRiskError as error:
                # The engine names the same alerts again after a restart; what is lost here is one look.
                _log.error("alerts were not written: %s", error)


def watch_live(service: LiveService, settings: Settings) -> LiveWatch:
    """Return the watch of a live service of a home."""
    from features.live.road_map import road_map
    from features.supervision.control import ControlZones, read_control_events
    from features.supervision.papers import Papers
    from features.supervision.supervisor import Supervisor
    from features.warehouse import Warehouse

    papers = Papers.read(settings.feature_dir, service.roster)
    zones = ControlZones(road_map(), read_control_events(Warehouse(settings.warehouse_dir)))
    supervisor = Supervisor(service.engine.fold, service.roster, papers, zones)
    clock: Callable[[], datetime] = (lambda: service.now) if service.replay else (lambda: datetime.now(UTC))
    book = AlertBook.open(settings)
    # Alerts that went on when the service stopped go on: they are not raised anew.
    supervisor.board.resume(
        (one.rule_id, one.vehicle_id, one.severity, int(one.raised_at.timestamp())) for one in book.alerts(lambda one: one.is_open)
    )
    return LiveWatch(service, supervisor, book, clock)

"""Supervision of the live service: a look at the fleet at every whole minute of its clock, and the book of alerts kept.

The engine's thread looks, because the state is its own; another thread scores, turns signals into alerts and writes, so that
neither a model nor a slow disk stops a message.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from features.live.fatigue import SIGNAL, FatigueRows
from registry.errors import RoadRiskError
from registry.supervision.book import AlertBook

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from features.live.service import LiveService
    from features.supervision.supervisor import Supervisor
    from registry.settings import Settings
    from registry.supervision.events import AlertEvent

LOOK_S: Final = 60
"""From one look to the next, in the service's time. [A]"""
_log = logging.getLogger("roadrisk.supervision")


@dataclass(frozen=True)
class Look:
    """What was seen at an instant.

    Parameters
    ----------
    at_s
        Epoch seconds.
    signals
        Signals of the rules; None where nobody supervises.
    rows
        Rows to score; None where nobody scores.
    """

    at_s: int
    signals: dict[str, npt.NDArray[np.float64]] | None
    rows: FatigueRows | None


class LiveWatch:
    """Looks, scores, and writes what it saw.

    Parameters
    ----------
    service
        The live service; its scorer of fatigue scores each look.
    supervisor
        Says what happened to alerts; None where nobody supervises.
    book
        Where it is written; None without a supervisor.
    clock
        When a line is written: the wall's clock, or in a replay the service's.
    """

    def __init__(
        self, service: LiveService, supervisor: Supervisor | None, book: AlertBook | None, clock: Callable[[], datetime]
    ) -> None:
        self._service, self._supervisor, self._book, self._clock = service, supervisor, book, clock
        self._looked_s = 0
        self._waiting: queue.SimpleQueue[Look | None] = queue.SimpleQueue()
        self._worker = threading.Thread(target=self._work, name="live-watch", daemon=True)
        self.written = 0
        self.skipped_forecasts = 0
        self._pending: list[AlertEvent] = []

    def start(self) -> None:
        """Begin to listen to the engine; what signals need is compiled before."""
        if self._supervisor is not None:
            with self._service.engine.lock:
                self._supervisor.signals(int(self._service.now.timestamp()))
        self._worker.start()
        self._service.engine.subscribe(self._heard)

    def stop(self) -> None:
        """Write what waits, then end."""
        self._waiting.put(None)
        self._worker.join()
        if self._book is not None:
            self._book.close()
        if self._service.fatigue is not None:
            self._service.fatigue.close()

    def look(self, at_s: int) -> None:
        """Look at the fleet at an instant."""
        with self._service.engine.lock:
            signals = None if self._supervisor is None else self._supervisor.signals(at_s)
            rows = None if self._service.fatigue is None else FatigueRows.take(
                self._service.engine.fold, at_s, self._service.drivers.swapped_s(at_s),
            )
        self._waiting.put(Look(at_s, signals, rows))

    def _heard(self, _: object) -> None:
        # A minute is looked at once, however many batches it has; one without a batch is looked at with the next.
        minute_s = int(self._service.now.timestamp()) // LOOK_S * LOOK_S
        if minute_s > self._looked_s:
            self._looked_s = minute_s
            self.look(minute_s)

    def _work(self) -> None:
        while (look := self._waiting.get()) is not None:
            try:
                self._take(look)
            except RoadRiskError as error:
                # They are kept and written with the next look.
                _log.error("alerts were not written: %s", error)
            except Exception:  # noqa: BLE001 - a thread that dies would leave the service without alerts unnoticed
                _log.exception("a look failed")

    def _take(self, look: Look) -> None:
        fatigue, signals = self._service.fatigue, look.signals
        if fatigue is not None and look.rows is not None:
            tiers = fatigue.tiers(look.rows)
            signals = None if signals is None else signals | {SIGNAL: tiers}
        if self._supervisor is not None and self._book is not None and signals is not None:
            self._pending += self._book.new(self._supervisor.board.look(look.at_s, signals))
            if fatigue is not None:
                # The decision is durable before the alert that rests on it.
                self._pending = fatigue.backed(self._pending)
                fatigue.keep()
            at = self._clock()
            self.written += self._book.record(self._pending, at=at)
            self._pending = []
            self._book.escalate(at)
        if fatigue is None:
            return
        if self._waiting.empty():
            fatigue.look_ahead(look.at_s)
        else:
            # Whoever is late looks at the present first; alerts do not rest on forecasts.
            self.skipped_forecasts += 1


def watch_live(service: LiveService, settings: Settings, *, supervise: bool = True) -> LiveWatch:
    """Return the watch of a live service of a home; without supervision it only scores."""
    from features.live.road_map import road_map
    from features.supervision.control import ControlZones, read_control_events
    from features.supervision.corridors import DeclaredRoutes
    from features.supervision.papers import Papers
    from features.supervision.supervisor import Supervisor
    from features.warehouse import Warehouse
    from registry.generation import epoch_of

    clock: Callable[[], datetime] = (lambda: service.now) if service.replay else (lambda: datetime.now(UTC))
    if not supervise:
        return LiveWatch(service, None, None, clock)
    papers = Papers.read(settings.feature_dir, service.roster)
    zones = ControlZones(road_map(), read_control_events(Warehouse(settings.warehouse_dir)))
    routes = DeclaredRoutes(settings.hazmat_routes_file, epoch_of(settings.warehouse_dir), road_map(), service.roster)
    supervisor = Supervisor(service.engine.fold, service.roster, papers, zones, routes.corridors)
    book = AlertBook.open(settings)
    # Alerts that went on when the service stopped go on: they are not raised anew.
    supervisor.board.resume(
        (one.rule_id, one.vehicle_id, one.severity, int(one.raised_at.timestamp())) for one in book.alerts(lambda one: one.is_open)
    )
    return LiveWatch(service, supervisor, book, clock)

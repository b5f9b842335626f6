"""One process of the live service: doors, journal, fold, rows, and what is asked of them."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from features.live.cards import CardLog
from features.live.corrections import Corrections
from features.live.documents import duty_document
from features.live.driver_door import Drivers
from features.live.duty_now import DutyNow, DutyReader
from features.live.engine import EngineTimes, LiveEngine
from features.live.fatigue import FatigueScorer
from features.live.fold import LiveFold
from features.live.http_door import newest_receipt_us, records_from, routes
from features.live.intake import Intake
from features.live.journal import JournalLimits, PositionJournal
from features.live.jt809.cipher import Cipher
from features.live.jt809.server import PlatformLink
from features.live.kafka_door import KafkaDoor
from features.live.online_push import OnlinePush
from features.live.positions import Door, Records
from features.live.rest_places import RestPlaces, read_rest_places
from features.live.road_map import road_map
from features.live.roster import Roster, read_roster
from features.packed.rows import PackedRows, settled_rows
from features.views import PROJECT
from registry.errors import ConfigurationError, NotFound
from registry.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from starlette.applications import Starlette
    from starlette.routing import BaseRoute


class LiveClock:
    """Now in epoch microseconds: the wall's, or in a replay that of the newest receipt that a message told, and on from there."""

    def __init__(self, *, replay: bool) -> None:
        self._replay, self._newest_us, self._seen = replay, 0, 0.0
        self._lock = threading.Lock()

    def saw(self, received_us: int) -> None:
        """Note the receipt of a message of a replay."""
        with self._lock:
            if received_us > self._newest_us:
                self._newest_us, self._seen = received_us, time.monotonic()

    def __call__(self) -> int:
        if not self._replay:
            return time.time_ns() // 1_000
        with self._lock:
            return self._newest_us + (int((time.monotonic() - self._seen) * 1e6) if self._newest_us else 0)


@dataclass
class LiveService:
    """Everything of a running service; `open_service` puts it together.

    Parameters
    ----------
    roster, intake, engine, duty_reader
        The parts.
    key
        Key of the providers.
    replay
        Messages tell their own receipt and the service lives in their time: simulated days only.
    clock
        Now.
    link
        The JT/T 809 door.
    kafka
        The Kafka door; it reads once the application lives with it.
    drivers
        Whose cards are in the vehicles.
    fatigue
        Scores fatigue; None where nobody does.
    """

    roster: Roster
    intake: Intake
    engine: LiveEngine
    duty_reader: DutyReader
    key: str
    replay: bool
    clock: LiveClock
    link: PlatformLink
    kafka: KafkaDoor
    drivers: Drivers
    fatigue: FatigueScorer | None = None
    began_s: float = field(default_factory=time.monotonic)

    def saw(self, received_us: int) -> None:
        """Move the clock of a replay."""
        self.clock.saw(received_us)

    @property
    def now(self) -> datetime:
        """The service's now."""
        return datetime.fromtimestamp(self.clock() / 1e6, UTC)

    def start(self) -> None:
        """Take up what was, then begin.

        The kernels are compiled before: half a minute of that in the middle of a stream would let every position grow stale.
        """
        self.engine.fold.warm()
        self.engine.recover()
        if self.replay and self.engine.fold.n_vehicles:
            self.clock.saw(int(self.engine.fold.state.received_us.max()))
        self.intake.start()
        self.engine.start()

    def stop(self) -> None:
        """Fold and keep what waits, then end."""
        self.intake.stop()
        self.engine.join()
        self.intake.journal.close()
        self.engine.corrections.close()
        if self.engine.push is not None:
            self.engine.push.close()

    def app(
        self, more: Sequence[BaseRoute] = (), *, jt809: tuple[str, int] | None = None, kafka: bool = False,
    ) -> Starlette:
        """Return the application; its life is that of the service.

        Parameters
        ----------
        more
            Further routes beside those of the door.
        jt809
            Address and port on which the platform link listens; None for no link.
        kafka
            Whether the Kafka door reads its topics.
        """
        from starlette.applications import Starlette
        from starlette.concurrency import run_in_threadpool

        @asynccontextmanager
        async def life(_: Starlette) -> AsyncIterator[None]:
            await run_in_threadpool(self.start)
            link = None if jt809 is None else await self.link.listen(*jt809)
            if kafka:
                await run_in_threadpool(self.kafka.start)
            yield
            await run_in_threadpool(self.kafka.stop)
            if link is not None:
                link.close()
            await run_in_threadpool(self.stop)

        return Starlette(routes=[*routes(self), *more], lifespan=life)

    def duty_of(self, slots: Sequence[int]) -> list[DutyNow]:
        """Return the duty of vehicles now."""
        with self.engine.lock:
            return self.duty_reader.read(slots, self.now)

    def duty(self, vehicle_id: str) -> dict[str, Any]:
        """Return the duty of one vehicle as a document.

        Raises
        ------
        NotFound
            If the roster does not have it, or it was never heard of.
        """
        slot = self.roster.slot(vehicle_id)
        found = self.duty_of([slot])
        if not found:
            raise NotFound("nothing was heard of this vehicle", where="live state", remedy="Its terminal has sent nothing yet.")
        at_s = int(self.now.timestamp())
        with self.engine.lock:
            driver = self.drivers.of_vehicle(vehicle_id, at_s)
        return duty_document(found[0]) | {
            "corrections": self.engine.corrections.of(vehicle_id), "driver": driver,
            "fatigue": None if self.fatigue is None else self.fatigue.document(slot, at_s),
        }

    def driver(self, driver_id: str) -> dict[str, Any]:
        """Return the duty of a driver as a document; raises NotFound where his card was in none of the vehicles."""
        with self.engine.lock:
            return self.drivers.document(driver_id, int(self.now.timestamp()))

    def status(self) -> dict[str, Any]:
        """Return what came in, how far it is folded, and how fresh the rows are."""
        engine, intake = self.engine, self.intake
        with engine.lock:
            counts, state = engine.fold.counts, engine.fold.state
            heard = int(np.count_nonzero(state.newest_s))
            memory = state.n_bytes
        groups = list(engine.rows.latency_s)
        latency = float(np.average([p95 for _, p95 in groups], weights=[max(n, 1) for n, _ in groups])) if groups else None
        return {
            "now": self.now.isoformat(), "replay": self.replay, "up_s": time.monotonic() - self.began_s,
            "vehicles": len(self.roster), "vehicles_heard": heard, "messages": counts, "refused": dict(intake.refusals),
            "by_door": {Door(door).name.lower(): n for door, n in intake.by_door.items()},
            "waiting_for_disk": intake.waiting[0], "waiting_for_fold": intake.waiting[1],
            "journal_bytes": intake.journal.size_bytes, "checkpoint_bytes": engine.checkpoint_bytes, "state_bytes": memory,
            "replayed_at_start": engine.replayed, "rows_pushed": engine.rows.pushed,
            "rows_unchanged": engine.rows.unchanged, "failed_pushes": engine.rows.failed,
            "failed_listeners": engine.failed_listeners, "failed_checkpoints": engine.failed_checkpoints,
            "refusing": intake.refusing,
            "p95_s": latency, "jt809": dict(self.link.counts), "kafka": self.kafka.status(), **engine.corrections.counts(),
            "fatigue": None if self.fatigue is None else self.fatigue.status(),
        }


def open_service(
    settings: Settings, *, replay: bool = False, roster: Roster | None = None, rows: PackedRows | None = None,
    times: EngineTimes | None = None, limits: JournalLimits | None = None,
) -> LiveService:
    """Return the service of a home.

    Parameters
    ----------
    settings
        Names home, keys and the providers' key.
    replay
        As of `LiveService`.
    roster, rows
        The vehicles and the online store; those of the home by default.
    times, limits
        How often the engine does what, and how large the journal may get.

    Raises
    ------
    ConfigurationError
        If no key for providers is set, or another service runs in the home.
    NotFound
        If no features have been built.
    """
    from features.warehouse import Warehouse
    from registry.generation import epoch_of
    from registry.signing import pseudonym_keys

    key = settings.push_key.get_secret_value()
    if not key:
        raise ConfigurationError("no key for providers is set", remedy="Set ROADRISK_PUSH_KEY.")
    warehouse = Warehouse(settings.warehouse_dir)
    known = roster or read_roster(settings.feature_dir, pseudonym_keys(settings.keys_dir, epoch_of(warehouse.root)))
    folder, clock = settings.live_dir, LiveClock(replay=replay)
    intake = Intake(PositionJournal(folder / "journal", limits), known)
    fold = LiveFold.empty(len(known), cap_kmh=known.cap_kmh)
    push = OnlinePush(rows or settled_rows(settings, PROJECT), known.vehicle_id)
    corrections = Corrections(folder, known.vehicle_id)
    engine = LiveEngine(intake, fold, road_map(), push, corrections, clock, times or EngineTimes())
    places = RestPlaces(road_map(), read_rest_places(warehouse))
    cipher = Cipher.from_text(settings.jt809_cipher.get_secret_value())
    link = PlatformLink(intake, known, clock, settings.jt809_user, settings.jt809_password.get_secret_value(), cipher)

    def records(table: pa.Table) -> Records:
        if replay and len(table):
            clock.saw(newest_receipt_us(table))
        return records_from(table, known, clock(), replay=replay)

    kafka, drivers = KafkaDoor(settings, intake, records), Drivers(CardLog(folder), fold, known)
    return LiveService(known, intake, engine, DutyReader(fold, known, places), key, replay, clock, link, kafka, drivers)

"""What the live service says, for the pages: fetched when somebody looks, with bounded waits, and kept while it is away.

The live service is another process, and may be absent, slow, newly started or of another release. None of it may hold a page:
each question has a deadline, one thread asks at a time and the others go on with what is known, and what is wrong is said.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

import httpx
import numpy as np
import orjson

from features.door.source import KEY_HEADER
from features.live.fleet import BoolArray, Fleet, read_frame
from registry.errors import IntegrityError, NotFound, ServiceUnavailable

if TYPE_CHECKING:
    from registry.settings import Settings

State = Literal["here", "absent", "slow", "refused", "broken"]
"""here: it answers. absent: nobody listens. slow: no answer in time. refused: it does not take our key. broken: no answer of a
live service of this release."""
FRESH_S: Final = 1.0
AGAIN_S: Final = 2.0
"""So long after a failure it is asked again."""
CONNECT_S: Final = 0.5
READ_S: Final = 3.0
MOST_BYTES: Final = 64 * 2**20


@dataclass(frozen=True)
class FleetRoster:
    """Whose the slots of a fleet are.

    Parameters
    ----------
    run
        The process that numbers them.
    replay
        Whether it lives in the time of replayed messages.
    vehicle_id, enterprise_id, trade
        By slot.
    """

    run: int
    replay: bool
    vehicle_id: tuple[str, ...]
    enterprise_id: tuple[str, ...]
    trade: tuple[str, ...]
    _slots: dict[str, int] = field(default_factory=dict, repr=False)
    _of: dict[str, BoolArray] = field(default_factory=dict, repr=False)

    def slot(self, vehicle_id: str) -> int | None:
        """Return the slot of a vehicle; None where it has none."""
        if not self._slots:
            self._slots.update({name: slot for slot, name in enumerate(self.vehicle_id)})
        return self._slots.get(vehicle_id)

    def owned_by(self, enterprise_id: str) -> BoolArray:
        """Return which slots belong to an enterprise."""
        if enterprise_id not in self._of:
            self._of[enterprise_id] = np.array([one == enterprise_id for one in self.enterprise_id], dtype=bool)
        return self._of[enterprise_id]


class LiveRelay:
    """Asks the live service.

    Parameters
    ----------
    url, key
        Where it listens, and the key of its readers.
    clock
        Seconds that only grow.
    """

    def __init__(self, url: str, key: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.url, self._clock = url, clock
        self._client = httpx.Client(
            base_url=url, headers={KEY_HEADER: key} if key else {}, trust_env=False, follow_redirects=False,
            timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
            # It asks once a second at most: a connection of its own each time costs little, and none stays open behind it.
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self._asking, self._changing, self._next = threading.Lock(), threading.Lock(), 0.0
        self.state: State = "absent"
        self.seen: tuple[FleetRoster, Fleet] | None = None

    def refresh(self) -> None:
        """Take in what changed, unless that was done just now or somebody else is doing it."""
        if self._clock() < self._next or not self._asking.acquire(blocking=False):
            return
        try:
            self.state = self._refreshed()
            self._next = self._clock() + (FRESH_S if self.state == "here" else AGAIN_S)
        finally:
            self._asking.release()

    def since(self, run: int, number: int, wanted: BoolArray | None) -> bytes | None:
        """Return what changed behind a frame of a run, as `Fleet.since`; None where that run is none, or is over."""
        seen = self.seen
        if seen is None or seen[0].run != run:
            return None
        with self._changing:
            return seen[1].since(number, wanted)

    def rows(self) -> tuple[FleetRoster, Any, int] | None:
        """Return roster, `FLEET` rows by slot and their instant; None where nothing was seen yet."""
        seen = self.seen
        if seen is None:
            return None
        with self._changing:
            return seen[0], seen[1].rows.copy(), seen[1].at_s

    def vehicle(self, vehicle_id: str) -> dict[str, Any]:
        """Return what the live service says of one vehicle.

        Raises
        ------
        NotFound
            If it does not have it, or never heard of it.
        ServiceUnavailable
            If it does not answer.
        """
        try:
            found: dict[str, Any] = orjson.loads(self._get(f"/v1/live/fleet/vehicles/{quote(vehicle_id, safe='')}"))
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                raise NotFound(
                    "nothing was heard of this vehicle", where="live service", remedy="Its terminal has sent nothing yet.",
                ) from None
            raise _away() from error
        except (httpx.HTTPError, orjson.JSONDecodeError, IntegrityError) as error:
            raise _away() from error
        return found

    def driver(self, driver_id: str) -> dict[str, Any]:
        """Return what the live service says of one driver by his card.

        Raises
        ------
        NotFound
            If his card was in none of the vehicles.
        ServiceUnavailable
            If the service does not answer.
        """
        try:
            found: dict[str, Any] = orjson.loads(self._get(f"/v1/live/fleet/drivers/{quote(driver_id, safe='')}"))
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                raise NotFound("no card of this driver was in a vehicle", where="live service") from None
            raise _away() from error
        except (httpx.HTTPError, orjson.JSONDecodeError, IntegrityError) as error:
            raise _away() from error
        return found

    def _refreshed(self) -> State:
        try:
            run, number = (self.seen[0].run, self.seen[1].number) if self.seen else (0, 0)
            frame = self._get("/v1/live/fleet", run=run, after=number)
            if self.seen is None or read_frame(frame)[0]["run"] != run:
                # A newly started service has numbers and slots of its own.
                roster = _roster(self._get("/v1/live/fleet/roster"))
                fleet = Fleet.empty(roster.run, len(roster.vehicle_id))
                fleet.apply(frame)
                self.seen = roster, fleet
            else:
                with self._changing:
                    self.seen[1].apply(frame)
        except httpx.HTTPStatusError as error:
            return "refused" if error.response.status_code == httpx.codes.UNAUTHORIZED else "broken"
        except httpx.TimeoutException as error:
            return "absent" if isinstance(error, httpx.ConnectTimeout) else "slow"
        except httpx.TransportError:
            return "absent"
        except (httpx.HTTPError, IntegrityError, KeyError, TypeError, orjson.JSONDecodeError):
            return "broken"
        return "here"

    def _get(self, path: str, **asked: int) -> bytes:
        deadline, parts, total = self._clock() + READ_S, [], 0
        with self._client.stream("GET", path, params=asked) as answer:
            answer.raise_for_status()
            for part in answer.iter_bytes():
                parts.append(part)
                total += len(part)
                if total > MOST_BYTES:
                    raise IntegrityError("the live service says too much at once", where="live service")
                if self._clock() > deadline:
                    raise httpx.ReadTimeout("the answer did not come whole in time")
        return b"".join(parts)


def open_relay(settings: Settings) -> LiveRelay:
    """Return the relay of an installation; it asks nothing yet."""
    return LiveRelay(settings.live_url, settings.live_reader_key)


def _roster(body: bytes) -> FleetRoster:
    found = orjson.loads(body)
    return FleetRoster(
        int(found["run"]), bool(found["replay"]), tuple(found["vehicle_id"]), tuple(found["enterprise_id"]), tuple(found["trade"]),
    )


def _away() -> ServiceUnavailable:
    return ServiceUnavailable("the live service does not answer", where="live service", remedy="Run `roadrisk live serve`.")

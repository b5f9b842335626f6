"""The upper platform's side of the link: a lower platform logs in and sends the positions of its vehicles.

Positions are not acknowledged in this protocol. A link test is answered only once every position before it is durable, so a
sender that heard an answer knows what it need not send again; what it sends again counts once. Where too much waits the socket
is not read: the sender's own buffer fills, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from features.live.intake import Intake, Overloaded, Taken
from features.live.jt809.cipher import Cipher
from features.live.jt809.frames import Frame, FrameFault, FrameReader, encode
from features.live.jt809.messages import (
    REAL,
    RESENT,
    UP_CONNECT_REQ,
    UP_CONNECT_RSP,
    UP_DISCONNECT_REQ,
    UP_DISCONNECT_RSP,
    UP_EXG_MSG,
    UP_LINKTEST_REQ,
    UP_LINKTEST_RSP,
    BodyFault,
    Exchange,
    LoginResult,
    exchange_of,
    login_answer,
    login_of,
    records_of_gnss,
)
from features.live.roster import Roster
from registry.errors import ConfigurationError, RoadRiskError

READ_BYTES: Final = 256 * 1024
SILENCE_S: Final = 180.0
"""A link on which nothing came for three link tests (one a minute) is closed. [G]"""
MAX_FAULTS: Final = 100
"""A link that is mostly noise is closed."""
_RETRY_S: Final = 0.2


@dataclass
class PlatformLink:
    """Serves lower platforms.

    Parameters
    ----------
    intake, roster
        Where positions go, and whose they may be.
    clock
        Now in epoch microseconds.
    user, password
        What a lower platform logs in with.
    cipher
        Decrypts bodies; None where none were agreed on, and encrypted ones are refused.
    counts
        What was met, by kind.
    """

    intake: Intake
    roster: Roster
    clock: Callable[[], int]
    user: int
    password: str
    cipher: Cipher | None = None
    counts: Counter[str] = field(default_factory=Counter)

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Begin to serve.

        Raises
        ------
        ConfigurationError
            If no password is set.
        """
        if not self.password:
            raise ConfigurationError(
                "no password of the platform link is set", remedy="Set ROADRISK_JT809_USER and ROADRISK_JT809_PASSWORD.",
            )
        return await asyncio.start_server(self._serve, host, port, limit=READ_BYTES)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counts["links"] += 1
        session = _Session(self)
        try:
            while not session.over:
                async with asyncio.timeout(SILENCE_S):
                    received = await reader.read(READ_BYTES)
                if not received:
                    break
                writer.write(await session.take(received))
                await writer.drain()
        except (TimeoutError, ConnectionError):
            self.counts["links_lost"] += 1
        except RoadRiskError:
            # The disk does not take what came: the sender will find the link down and send again.
            self.counts["links_closed_by_us"] += 1
        finally:
            writer.close()


class _Session:
    """One link, from its login to its end."""

    def __init__(self, link: PlatformLink) -> None:
        self._link, self._reader = link, FrameReader(cipher=link.cipher)
        self._known, self._faults, self._serial = False, 0, 0
        self._waiting: list[Exchange] = []
        self.over = False

    async def take(self, received: bytes) -> bytes:
        """Return what is answered to bytes that came."""
        answers = bytearray()
        for met in self._reader.feed(received):
            if isinstance(met, FrameFault):
                self._fault(met.name.lower())
            elif not self.over:
                try:
                    answers += await self._frame(met)
                except BodyFault:
                    self._fault("body")
        await self._hand_over()
        return bytes(answers)

    def _fault(self, kind: str) -> None:
        self._link.counts[f"fault_{kind}"] += 1
        self._faults += 1
        # Who has not logged in gets no patience.
        self.over = self.over or self._faults >= (MAX_FAULTS if self._known else 1)

    async def _frame(self, frame: Frame) -> bytes:
        if frame.message_id == UP_CONNECT_REQ:
            return self._login(frame)
        if not self._known:
            self.over = True
            self._link.counts["not_logged_in"] += 1
            return b""
        if frame.message_id == UP_EXG_MSG:
            exchange = exchange_of(frame.body)
            if exchange is None:
                self._link.counts["other_messages"] += 1
            else:
                self._waiting.append(exchange)
            return b""
        if frame.message_id in (UP_LINKTEST_REQ, UP_DISCONNECT_REQ):
            await self._hand_over()
            self.over = frame.message_id == UP_DISCONNECT_REQ
            return self._answer(frame, UP_DISCONNECT_RSP if self.over else UP_LINKTEST_RSP, b"")
        self._link.counts["other_messages"] += 1
        return b""

    def _login(self, frame: Frame) -> bytes:
        login = login_of(frame.body)
        right = hmac.compare_digest(login.password, self._link.password.encode()[:8])
        if login.user != self._link.user:
            result = LoginResult.UNKNOWN_USER
        else:
            result = LoginResult.OK if right else LoginResult.WRONG_PASSWORD
        self._known = result == LoginResult.OK
        self.over = not self._known
        self._link.counts["logins" if self._known else "logins_refused"] += 1
        return self._answer(frame, UP_CONNECT_RSP, login_answer(result))

    def _answer(self, frame: Frame, message_id: int, body: bytes) -> bytes:
        self._serial += 1
        return encode(Frame(message_id, self._serial, frame.centre, body))

    async def _hand_over(self) -> None:
        """Give what came to the intake and wait until it is durable."""
        if not self._waiting:
            return
        exchanges, self._waiting = self._waiting, []
        numbers = self._link.roster.numbers_of([(e.plate_no, e.plate_color) for e in exchanges])
        counts = [exchange.count for exchange in exchanges]
        doors = np.repeat([RESENT if exchange.resent else REAL for exchange in exchanges], counts)
        records = records_of_gnss(
            b"".join(exchange.gnss for exchange in exchanges), np.repeat(numbers, counts), doors, self._link.clock()
        )
        taken, durable = await self._taken(records)
        await asyncio.wrap_future(durable)
        self._link.counts["positions"] += taken.accepted
        self._link.counts["positions_refused"] += len(taken.refused)

    async def _taken(self, records: np.typing.NDArray[np.void]) -> tuple[Taken, Future[None]]:
        while True:
            try:
                return self._link.intake.take(records)
            except Overloaded:
                self._link.counts["held_back"] += 1
                await asyncio.sleep(_RETRY_S)

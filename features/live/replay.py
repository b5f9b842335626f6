"""A simulated day sent to a running service, as fast as wanted: what providers would send, in the order in which it arrives.

Messages that were sent late, twice or off the road in the simulation are so here too.
"""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime
from datetime import time as dt_time
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from features.door.source import KEY_HEADER
from features.live.http_door import LINES, MAX_ROWS
from registry.errors import InvalidRequest, ServiceUnavailable
from registry.local_time import SHANGHAI
from registry.output import ProgressCallback

STEP_S: Final = 30.0
"""Simulated seconds that are sent at once, at most."""
_AT_ONCE_S: Final = 600.0
_ATTEMPTS: Final = 60


@dataclass
class Replayed:
    """What became of the messages.

    Parameters
    ----------
    sent, accepted, refused
        Messages.
    waited
        Times that the service asked to wait.
    seconds
        Time taken.
    """

    sent: int = 0
    accepted: int = 0
    refused: int = 0
    waited: int = 0
    seconds: float = 0.0


def steps(messages: pa.Table, step_s: float = STEP_S) -> Iterator[tuple[float, pa.Table]]:
    """Yield (seconds since the first receipt, messages) of successive steps."""
    received = messages["recv_time"].cast(pa.int64()).to_numpy() / 1e6
    at = 0
    while at < len(received):
        until = min(int(np.searchsorted(received, received[at] + step_s, side="left")), at + MAX_ROWS)
        until = max(until, at + 1)
        yield float(received[until - 1] - received[0]), messages.slice(at, until - at)
        at = until


def files_of(messages: pa.Table, folder: Path, *, progress: ProgressCallback | None = None) -> int:
    """Write messages as a collector of positions would, a Parquet file for each ten minutes; return how many.

    Each file was last written at the newest receipt in it, so whoever reads them by age reads them as they arrived.

    Raises
    ------
    InvalidRequest
        If something lies in the folder.
    """
    import pyarrow.parquet as pq

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidRequest("something lies in the folder", where=str(folder), remedy="Name a new one.")
    folder.mkdir(parents=True, exist_ok=True)
    n, done = 0, 0
    for n, (_, part) in enumerate(steps(messages, _AT_ONCE_S), 1):
        path, newest = folder / f"positions-{n:06}.parquet", part["recv_time"][-1].as_py().timestamp()
        pq.write_table(part, path, compression="zstd", coerce_timestamps="us")
        os.utime(path, (newest, newest))
        done += len(part)
        if progress is not None:
            progress("write files", done / len(messages))
    return n


def lines_of(messages: pa.Table) -> bytes:
    """Return messages as NDJSON."""
    import orjson

    columns = {name: messages[name].to_pylist() for name in messages.column_names}
    names = list(columns)
    return b"".join(
        orjson.dumps(dict(zip(names, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE)
        for row in zip(*columns.values(), strict=True)
    )


def replay(
    messages: pa.Table, url: str, key: str, *, speed: float, progress: ProgressCallback | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Replayed:
    """Send messages to a service.

    Parameters
    ----------
    messages
        Ordered by receipt.
    url, key
        The service, and the providers' key.
    speed
        Simulated seconds for each second; 0 sends as fast as the service takes them.

    Raises
    ------
    ServiceUnavailable
        If the service does not answer, or never stops asking to wait.
    """
    import httpx

    told, began = Replayed(), time.monotonic()
    # At high speeds a step of simulated time is no shorter than a request.
    step_s = max(STEP_S, speed * 0.25) if speed > 0.0 else _AT_ONCE_S
    headers = {KEY_HEADER: key, "Content-Type": LINES, "Content-Encoding": "gzip"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        for since, part in steps(messages, step_s):
            if speed > 0.0:
                sleep(max(since / speed - (time.monotonic() - began), 0.0))
            answer = _sent(client, gzip.compress(lines_of(part), 1), told, sleep)
            told.sent += len(part)
            told.accepted += answer.get("accepted", 0)
            told.refused += answer.get("refused", 0)
            if progress is not None:
                progress("replay", told.sent / len(messages))
    told.seconds = time.monotonic() - began
    return told


def replay_from(
    messages: pa.Table, begin: datetime, url: str, key: str, *, speed: float, progress: ProgressCallback | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Replayed:
    """Send messages as `replay` does, paced from an instant on: what was received before goes as fast as the service takes it."""
    received = messages["recv_time"].cast(pa.int64()).to_numpy()
    at = int(np.searchsorted(received, int(begin.timestamp() * 1e6)))
    told = Replayed()
    for part, pace in ((messages.slice(0, at), 0.0), (messages.slice(at), speed)):
        if len(part):
            more = replay(part, url, key, speed=pace, progress=progress, sleep=sleep)
            told = Replayed(*(getattr(told, one.name) + getattr(more, one.name) for one in fields(Replayed)))
    return told


def instant_of(day: date, clock: str) -> datetime:
    """Return the instant of a local time (HH:MM) of a local day.

    Raises
    ------
    InvalidRequest
        If it is none.
    """
    try:
        return datetime.combine(day, dt_time.fromisoformat(clock), SHANGHAI)
    except ValueError:
        raise InvalidRequest("this is no time of a day", where=clock[:16], remedy="Write it as 06:30.") from None


def _sent(client: Any, body: bytes, told: Replayed, sleep: Callable[[float], None]) -> dict[str, Any]:
    import httpx

    for _ in range(_ATTEMPTS):
        try:
            answer = client.post("/v1/live/positions", content=body)
        except httpx.TransportError as error:
            raise ServiceUnavailable(
                f"the live service does not answer ({type(error).__name__})", where=str(client.base_url),
                remedy="Run `roadrisk live serve --replay`.",
            ) from error
        if answer.status_code in (202, 422) and "accepted" in answer.json():
            found: dict[str, Any] = answer.json()
            return found
        if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
            raise ServiceUnavailable(
                f"the live service answered {answer.status_code}: {answer.json().get('detail', '')}",
                where=str(client.base_url), remedy=answer.json().get("remedy", ""),
            )
        told.waited += 1
        sleep(float(answer.headers.get("retry-after", "1")))
    raise ServiceUnavailable("the live service kept asking to wait", where=str(client.base_url), remedy="Send more slowly.")

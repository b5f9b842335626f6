"""What Kafka messages say: each holds rows of `vehicle_location` as the HTTP door takes them; one that says nothing is told apart.

Messages are mostly one row each, and reading rows one at a time costs more than all else. So a whole batch is read at once, and
message by message only where that fails.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from features.door.source import KEY_HEADER
from features.live.http_door import MAX_BODY, MAX_ROWS, read_lines, unpacked
from registry.errors import InvalidRequest

if TYPE_CHECKING:
    import pyarrow as pa

_OBJECT: Final = re.compile(rb"\{.*\}")
"""A line that is an object as a whole: then lines of two messages cannot be one object together."""


@dataclass(frozen=True)
class Poison:
    """A message that nobody can read. Its content is not kept: it may name somebody.

    Parameters
    ----------
    topic, partition, offset
        Where it lies.
    reason
        `unknown_key`, `empty`, or `no_rows`: no NDJSON of declared fields.
    """

    topic: str
    partition: int
    offset: int
    reason: str


@dataclass
class Read:
    """What a batch says.

    Parameters
    ----------
    tables
        Rows.
    poison
        Messages that were passed over.
    """

    tables: list[pa.Table] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)


def read_messages(messages: Sequence[Any], key: str) -> Read:
    """Return what messages say.

    Parameters
    ----------
    messages
        Of `confluent_kafka`, without errors.
    key
        What each must carry in the header `X-API-Key`; nothing is asked for where it is empty.
    """
    found, kept = Read(), []
    for message in messages:
        headers = {name.lower(): value for name, value in message.headers() or []}
        if key and not hmac.compare_digest(headers.get(KEY_HEADER.lower()) or b"", key.encode()):
            found.poison.append(_poison(message, "unknown_key"))
            continue
        try:
            body = message.value() or b""
            body = (unpacked(body) if headers.get("content-encoding") == b"gzip" else body).strip()
        except InvalidRequest:
            found.poison.append(_poison(message, "no_rows"))
            continue
        if body:
            kept.append((message, body))
        else:
            found.poison.append(_poison(message, "empty"))
    if kept and not _at_once([body for _, body in kept], found):
        for message, body in kept:
            try:
                found.tables.append(read_lines(body))
            except InvalidRequest:
                found.poison.append(_poison(message, "no_rows"))
    return found


def _at_once(bodies: Sequence[bytes], found: Read) -> bool:
    """Read bodies together; return whether that can be done."""
    lines = [line for body in bodies for line in body.splitlines()]
    if sum(map(len, bodies)) > MAX_BODY or len(lines) > MAX_ROWS or not all(map(_OBJECT.fullmatch, lines)):
        return False
    try:
        table = read_lines(b"\n".join(lines))
    except InvalidRequest:
        return False
    if len(table) != len(lines):
        return False
    found.tables.append(table)
    return True


def _poison(message: Any, reason: str) -> Poison:
    return Poison(message.topic(), message.partition(), message.offset(), reason)

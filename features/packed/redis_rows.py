"""Packed rows in Redis, a key per view and entity.

A value is the number of the publication that the row belongs to, the row, and while a load is under way also the row before
it. Readers get the number of the current publication in the same MGET as the rows, and take of each value the row that
belongs to it: a load becomes visible with one SET, for all rows at once. What a load that died left behind is undone by the
next one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from features.packed.layout import STAMP, Layout
from features.packed.rows import UNPUBLISHED, Publication, unavailable
from features.snapshot import FeatureSnapshot
from registry.errors import ConfigurationError, Conflict, ServiceUnavailable

_WHERE: Final = "online store in Redis"
_WRITER_WAITS_S: Final = 10.0
_MGET: Final = 5_000
_BATCH: Final = 500
_ATTEMPTS: Final = 3
_HEAD: Final = 8
_OTHER: Final = "OTHERLOAD"

_SHARED: Final = """
local function parts(held)
  local number, length = struct.unpack('>I4I4', held)
  return number, string.sub(held, 9, 8 + length), string.sub(held, 9 + length)
end
local function set(key, number, row, before)
  redis.call('SET', key, struct.pack('>I4I4', number, #row) .. row .. before)
end
local published = tonumber(redis.call('GET', KEYS[1]) or '0')
"""
_WRITE: Final = _SHARED + """
-- KEYS: number, load, rows.  ARGV: token of the load or nothing, rows.
local number = published
if ARGV[1] ~= '' then
  if redis.call('GET', KEYS[2]) ~= ARGV[1] then return redis.error_reply('OTHERLOAD another load has begun') end
  number = published + 1
end
local function not_before(row, held)
  -- A number of Lua holds 53 bits, an instant has 64.
  local a = {struct.unpack('>I4I4I4I4', row, 13)}
  local b = {struct.unpack('>I4I4I4I4', held, 13)}
  for place = 1, 4 do
    if a[place] ~= b[place] then return a[place] > b[place] end
  end
  return true
end
for place = 3, #KEYS do
  local key, row, held = KEYS[place], ARGV[place - 1], redis.call('GET', KEYS[place])
  if not held then
    set(key, number, row, '')
  else
    local at, head, before = parts(held)
    if at > number then
      -- A load is under way and this is no part of it: both what readers see and what they will see have to keep the order.
      if before == '' or not_before(row, before) then before = row end
      if not_before(row, head) then set(key, number, row, '') else set(key, at, head, before) end
    elseif not_before(row, head) then
      if number == published then before = '' elseif at < number then before = head end
      set(key, number, row, before)
    end
  end
end
return #KEYS - 2
"""
_SETTLE: Final = _SHARED + """
-- KEYS: number, rows. What was published keeps its row alone; what was not goes back to the row before it.
for place = 2, #KEYS do
  local held = redis.call('GET', KEYS[place])
  if held then
    local at, head, before = parts(held)
    if at <= published then
      if before ~= '' then set(KEYS[place], at, head, '') end
    elseif before ~= '' then set(KEYS[place], published, before, '')
    else redis.call('DEL', KEYS[place]) end
  end
end
return #KEYS - 1
"""
_PUBLISH: Final = """
-- KEYS: number, load, publication.  ARGV: token, number, publication.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return redis.error_reply('OTHERLOAD another load has begun') end
redis.call('SET', KEYS[3], ARGV[3])
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""


class RedisRows:
    """The place `PackedRows` in a Redis server.

    Parameters
    ----------
    url
        Address of the server.
    timeout_s
        How long a reader waits for a connection, and for an answer.
    project
        Feast's name of the project; keys begin with it.
    """

    def __init__(self, url: str, *, timeout_s: float, project: str) -> None:
        self._readers, self._writers = _client(url, timeout_s), _client(url, max(timeout_s, _WRITER_WAITS_S))
        prefix = f"{project}:online".encode()
        self._rows = prefix + b":row:"
        self._number, self._load = prefix + b":number", prefix + b":load"
        self._publication, self._layouts = prefix + b":publication", prefix + b":layouts"
        self._token = b""
        self._touched: list[bytes] = []

    def fetch(self, views: Sequence[str], keys: Sequence[bytes]) -> tuple[int, list[list[bytes | None]]]:
        """Return the number of the publication and the rows, view by view."""
        names = [prefix + key for prefix in map(self._prefix, views) for key in keys]
        for _ in range(_ATTEMPTS):
            with _told():
                parts = [
                    self._readers.mget([self._number, *names[start:start + _MGET]])
                    for start in range(0, len(names), _MGET)
                ]
            numbers = {int(part[0] or UNPUBLISHED) for part in parts}
            if len(numbers) == 1:
                (number,) = numbers
                found = [None if value is None else _seen(value, number) for part in parts for value in part[1:]]
                return number, [found[at:at + len(keys)] for at in range(0, len(found), len(keys))]
        raise ServiceUnavailable("the feature store is published too often to be read", where=_WHERE, remedy="Try again shortly.")

    def layouts(self) -> Mapping[bytes, Layout]:
        """Return the layouts that rows were ever written under."""
        with _told():
            found = self._readers.hgetall(self._layouts)
        return {digest: Layout.from_json(text.decode()) for digest, text in found.items()}

    def published(self) -> Publication | None:
        """Return the publication; None before the first."""
        with _told():
            found = self._readers.get(self._publication)
        return Publication.from_json(found.decode()) if found else None

    def prepare(self, layout: Layout) -> None:
        """Note the layout of a view."""
        with _told():
            self._writers.hset(self._layouts, layout.digest, layout.to_json().encode())

    def held(self, view: str, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return the stamp of the row of each key."""
        prefix = self._prefix(view)
        found: dict[bytes, bytes] = {}
        for start in range(0, len(keys), _MGET):
            part = keys[start:start + _MGET]
            with _told(), self._writers.pipeline(transaction=False) as pipeline:
                for key in part:
                    pipeline.getrange(prefix + key, _HEAD + STAMP.start, _HEAD + STAMP.stop - 1)
                answers = pipeline.execute()
            found |= {key: head for key, head in zip(part, answers, strict=True) if head}
        return found

    def write(self, view: str, keys: Sequence[bytes], rows: Sequence[bytes]) -> None:
        """Write rows where no later ones lie."""
        prefix = self._prefix(view)
        for start in range(0, len(keys), _BATCH):
            names = [prefix + key for key in keys[start:start + _BATCH]]
            if self._token:
                self._touched += names
            with _told():
                self._write([self._number, self._load, *names], [self._token, *rows[start:start + _BATCH]])

    def begin(self) -> None:
        """Begin a load, from now on the only one; undo what another left behind."""
        token = secrets.token_hex(16).encode()
        with _told():
            before = self._writers.set(self._load, token, get=True)
            self._token, self._touched = token, []
            if before:
                self._settle(self._writers.scan_iter(match=self._rows + b"*", count=_BATCH))

    def publish(self, snapshot: FeatureSnapshot, definitions: str) -> None:
        """Let readers see the load, and give back the room of the rows before."""
        if not self._token:
            self.begin()
        made = Publication.after(self.published(), snapshot, definitions)
        with _told():
            script = self._writers.register_script(_PUBLISH)
            script([self._number, self._load, self._publication], [self._token, made.number, made.to_json().encode()])
            self._settle(iter(self._touched))
            self._end()

    def abandon(self) -> None:
        """Undo the load."""
        if self._token:
            with _told():
                self._settle(iter(self._touched))
                self._end()

    def drop(self, view: str) -> None:
        """Delete the rows of a view."""
        self._forget(self._prefix(view) + b"*")

    def teardown(self) -> None:
        """Delete everything of the project."""
        self._forget(self._rows + b"*")
        with _told():
            self._writers.delete(self._number, self._load, self._publication, self._layouts)

    def close(self) -> None:
        """Close all connections."""
        self._readers.close()
        self._writers.close()

    def _prefix(self, view: str) -> bytes:
        return self._rows + view.encode() + b":"

    def _write(self, keys: Sequence[bytes], args: Sequence[bytes]) -> None:
        self._writers.register_script(_WRITE)(keys, args)

    def _settle(self, names: Iterator[bytes]) -> None:
        script = self._writers.register_script(_SETTLE)
        for part in _parts(names):
            script([self._number, *part])

    def _end(self) -> None:
        # Only its own load: another may have begun since.
        script = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1"
        self._writers.register_script(script)([self._load], [self._token])
        self._token, self._touched = b"", []

    def _forget(self, pattern: bytes) -> None:
        with _told():
            for part in _parts(self._writers.scan_iter(match=pattern, count=_BATCH)):
                self._writers.unlink(*part)


def _seen(value: bytes, number: int) -> bytes | None:
    """Return the row of a value that belongs to a publication."""
    end = _HEAD + int.from_bytes(value[4:8], "big")
    if int.from_bytes(value[:4], "big") <= number:
        return value[_HEAD:end]
    return value[end:] or None


def _parts(names: Iterator[bytes]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    for name in names:
        part.append(name)
        if len(part) == _BATCH:
            yield part
            part = []
    if part:
        yield part


def _client(url: str, timeout_s: float) -> Any:
    try:
        import redis
    except ImportError as error:
        raise ConfigurationError(
            "the driver of Redis is not installed", where="ROADRISK_ONLINE_URL", remedy="Install `roadrisk[server]`."
        ) from error
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    try:
        return redis.Redis.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s,
            # A connection that a restart of the server has cut is made anew; who does not answer is not asked again.
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )
    except ValueError as error:
        raise ConfigurationError(
            "the online store's address cannot be read", where="ROADRISK_ONLINE_URL", remedy="Give redis://HOST:PORT/DB."
        ) from error


@contextmanager
def _told() -> Iterator[None]:
    import redis

    try:
        yield
    except redis.ResponseError as error:
        if str(error).startswith(_OTHER):
            raise Conflict(
                "another load of the online store has begun meanwhile", where=_WHERE,
                remedy="Let one load end before the next one begins.",
            ) from error
        raise unavailable(error, _WHERE) from error
    except (redis.RedisError, OSError) as error:
        raise unavailable(error, _WHERE) from error

"""One contract over the two places for packed rows: loads that are seen at once or not at all, and places that do not answer."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from features.packed.layout import STAMP, Layout
from features.packed.rows import PackedRows, open_rows
from features.snapshot import FeatureSnapshot
from registry.errors import ConfigurationError, Conflict, ServiceUnavailable
from tests.lib.redis_server import RedisServer, redis_or_skip

LAYOUT = Layout("speed", (("kmh", "float"), ("road", "text")))
OTHER = Layout("owner", (("name", "text"),))
TIMEOUT_S = 0.3
PLACES = ("sqlite", "redis")
Opener = Callable[[], PackedRows]


def snapshot(digest: str) -> FeatureSnapshot:
    return FeatureSnapshot(
        warehouse="w", digest=digest, as_of="2026-05-31T16:00:00+00:00", cutoffs=("2026-05-31T16:00:00+00:00",),
        tables={"speed": (1, "h")}, complete_until={"claim": None}, simulated=True,
    )


def row(kmh: float, at: int = 10, created: int | None = None) -> bytes:
    return LAYOUT.pack([kmh, "国道"], at, created)


def seen(rows: PackedRows, *keys: bytes) -> list[float | None]:
    _, (found,) = rows.fetch(["speed"], keys)
    return [None if one is None else LAYOUT.unpack(one)[1][0] for one in found]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    made = redis_or_skip(tmp_path_factory.mktemp("redis"))
    yield made
    made.stop()


@pytest.fixture(params=PLACES)
def address(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("server").url) if request.param == "redis" else ""


@pytest.fixture
def opener(address: str, tmp_path: Path) -> Iterator[Opener]:
    opened: list[PackedRows] = []

    def open_one() -> PackedRows:
        opened.append(open_rows(address, tmp_path / "online.db", timeout_s=TIMEOUT_S, project="places"))
        return opened[-1]

    first = open_one()
    first.prepare(LAYOUT)
    first.prepare(OTHER)
    yield open_one
    for place in opened:
        place.close()
    open_one().teardown()


def test_a_load_is_seen_when_it_is_published_and_all_at_once(opener: Opener) -> None:
    writer, reader = opener(), opener()
    writer.begin()
    writer.write("speed", [b"a", b"b"], [row(1.0), row(2.0)])
    writer.publish(snapshot("one"), "d")
    writer.begin()
    writer.write("speed", [b"a"], [row(3.0, at=11)])
    writer.write("owner", [b"a"], [OTHER.pack(["somebody"], 11, None)])
    writer.write("speed", [b"c"], [row(4.0)])
    number, owners = reader.fetch(["owner"], [b"a"])
    assert (number > 0, owners) == (True, [[None]])
    assert seen(reader, b"a", b"b", b"c", b"d") == [1.0, 2.0, None, None]
    writer.publish(snapshot("two"), "d")
    following, ((owner, none), _) = reader.fetch(["owner", "speed"], [b"a", b"b"])
    assert (following, none, owner is not None) == (number + 1, None, True)
    assert seen(reader, b"a", b"b", b"c", b"d") == [3.0, 2.0, 4.0, None]
    held = reader.published()
    assert held is not None
    assert (held.number, held.snapshot, held.definitions) == (following, snapshot("two"), "d")


def test_what_is_abandoned_was_never_there(opener: Opener) -> None:
    writer, reader = opener(), opener()
    writer.write("speed", [b"a"], [row(1.0)])
    writer.begin()
    writer.write("speed", [b"a", b"b"], [row(2.0, at=11), row(2.0)])
    writer.abandon()
    assert seen(reader, b"a", b"b") == [1.0, None]
    writer.write("speed", [b"a"], [row(3.0, at=10)])
    assert seen(reader, b"a") == [3.0]


LOADING = """
import sys
from pathlib import Path
from features.packed.rows import open_rows
url, path, *rows = sys.argv[1:]
place = open_rows(url, Path(path), timeout_s=30.0, project="places")
place.begin()
place.write("speed", [b"a", b"b"], [bytes.fromhex(row) for row in rows])
print("loading", flush=True)
sys.stdin.read()
"""


def killed_while_it_loads(url: str, path: Path, rows: list[bytes]) -> None:
    """Let a process begin a load, and kill it once its rows are written."""
    command = [sys.executable, "-c", LOADING, url, str(path), *(one.hex() for one in rows)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"loading\n"
        process.kill()


def test_what_a_load_left_that_was_killed_is_forgotten_by_the_next(opener: Opener, address: str, tmp_path: Path) -> None:
    place, reader = opener(), opener()
    place.write("speed", [b"a"], [row(1.0)])
    place.close()
    killed_while_it_loads(address, tmp_path / "online.db", [row(2.0, at=99), row(2.0, at=99)])
    assert seen(reader, b"a", b"b") == [1.0, None]
    following = opener()
    following.begin()
    assert following.held("speed", [b"a", b"b"]) == {b"a": row(1.0)[STAMP]}
    following.write("speed", [b"a"], [row(3.0, at=12)])
    following.publish(snapshot("next"), "d")
    assert seen(reader, b"a", b"b") == [3.0, None]


def test_rows_of_one_load_keep_the_order_too(opener: Opener) -> None:
    place = opener()
    place.begin()
    place.write("speed", [b"a", b"b"], [row(1.0, at=11), row(1.0, 11, 5)])
    place.write("speed", [b"a", b"b"], [row(2.0, at=10), row(2.0, 11, 6)])
    place.publish(snapshot("one"), "d")
    assert seen(place, b"a", b"b") == [1.0, 2.0]


def test_layouts_of_the_past_are_kept(opener: Opener) -> None:
    place, newer = opener(), Layout("speed", (("kmh", "float"), ("road", "text"), ("slope", "float")))
    place.prepare(newer)
    assert dict(place.layouts()) == {layout.digest: layout for layout in (LAYOUT, OTHER, newer)}


def test_a_view_that_is_dropped_takes_its_rows_along(opener: Opener) -> None:
    place = opener()
    place.write("speed", [b"a"], [row(1.0)])
    place.drop("speed")
    place.prepare(LAYOUT)
    assert seen(place, b"a") == [None]


def test_many_rows_are_written_and_read_in_order(opener: Opener) -> None:
    place = opener()
    keys = [f"{number:06}".encode() for number in range(3000)]
    place.begin()
    place.write("speed", keys, [row(float(number)) for number in range(3000)])
    place.publish(snapshot("many"), "d")
    assert seen(place, *reversed(keys)) == [float(number) for number in reversed(range(3000))]
    assert len(place.held("speed", keys)) == 3000


@pytest.fixture
def redis_place(server: RedisServer) -> Iterator[RedisServer]:
    yield server
    server.resume()
    open_rows(server.url, Path(), timeout_s=5.0, project="places").teardown()


def redis_rows(server: RedisServer) -> PackedRows:
    return open_rows(server.url, Path(), timeout_s=TIMEOUT_S, project="places")


def test_a_row_pushed_during_a_load_is_seen_at_once_and_after_it(redis_place: RedisServer) -> None:
    loader, pusher = redis_rows(redis_place), redis_rows(redis_place)
    loader.write("speed", [b"a", b"b", b"c"], [row(1.0), row(1.0), row(1.0)])
    loader.begin()
    loader.write("speed", [b"a", b"b"], [row(2.0, at=20), row(2.0, at=20)])
    pusher.write("speed", [b"a", b"b", b"c"], [row(3.0, at=15), row(4.0, at=25), row(5.0, at=25)])
    assert seen(pusher, b"a", b"b", b"c") == [3.0, 4.0, 5.0]
    loader.publish(snapshot("one"), "d")
    assert seen(pusher, b"a", b"b", b"c") == [2.0, 4.0, 5.0]


def test_of_two_loads_the_one_that_began_first_is_refused(redis_place: RedisServer) -> None:
    first, second = redis_rows(redis_place), redis_rows(redis_place)
    first.begin()
    first.write("speed", [b"a"], [row(1.0)])
    second.begin()
    second.write("speed", [b"a"], [row(2.0, at=9)])
    with pytest.raises(Conflict, match="another load of the online store has begun"):
        first.write("speed", [b"b"], [row(1.0)])
    with pytest.raises(Conflict, match="another load of the online store has begun"):
        first.publish(snapshot("first"), "d")
    second.publish(snapshot("second"), "d")
    assert seen(second, b"a", b"b") == [2.0, None]


def test_a_server_that_stands_still_is_waited_for_so_long_and_read_again_when_it_goes_on(redis_place: RedisServer) -> None:
    place = redis_rows(redis_place)
    place.write("speed", [b"a"], [row(1.0)])
    redis_place.pause()
    with pytest.raises(ServiceUnavailable, match=r"does not answer \(TimeoutError\)"):
        seen(place, b"a")
    redis_place.resume()
    assert seen(place, b"a") == [1.0]


def test_a_server_that_was_started_again_is_read_at_once(redis_place: RedisServer) -> None:
    place = redis_rows(redis_place)
    assert seen(place, b"a") == [None]
    redis_place.restart()
    assert seen(place, b"a") == [None]


def test_a_server_that_is_not_there_is_unavailable_and_its_address_stays_untold(tmp_path: Path) -> None:
    pytest.importorskip("redis", reason="the driver of Redis is not installed")
    place = open_rows("redis://:secret@127.0.0.1:1/0", tmp_path, timeout_s=TIMEOUT_S, project="places")
    with pytest.raises(ServiceUnavailable, match=r"does not answer \(ConnectionError\)") as met:
        place.fetch(["speed"], [b"a"])
    assert "secret" not in str(met.value)


def test_an_address_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="address begins with 'http'"):
        open_rows("http://somewhere", tmp_path, timeout_s=TIMEOUT_S, project="places")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "online.db"
    place = sqlite_rows(path)
    place.prepare(LAYOUT)
    place.write("speed", [b"a"], [row(1.0)])
    place.close()
    return path


def sqlite_rows(path: Path) -> PackedRows:
    return open_rows("", path, timeout_s=TIMEOUT_S, project="places")


def test_a_file_that_somebody_keeps_to_himself_is_waited_for_so_long(file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    place = sqlite_rows(file)
    with pytest.raises(ServiceUnavailable, match=r"does not answer \(OperationalError\)"):
        seen(place, b"a")
    other.close()
    assert seen(place, b"a") == [1.0]


def test_a_file_that_is_gone_is_unavailable_until_it_is_back(file: Path) -> None:
    place, away = sqlite_rows(file), file.with_suffix(".away")
    assert seen(place, b"a") == [1.0]
    file.rename(away)
    with pytest.raises(ServiceUnavailable, match=r"does not answer \(FileNotFoundError\)"):
        seen(place, b"a")
    away.rename(file)
    assert seen(place, b"a") == [1.0]


def test_another_file_in_its_place_is_read_from_then_on(file: Path) -> None:
    place, made = sqlite_rows(file), file.with_name("other.db")
    assert seen(place, b"a") == [1.0]
    other = sqlite_rows(made)
    other.prepare(LAYOUT)
    other.write("speed", [b"a"], [row(2.0)])
    other.close()
    made.replace(file)
    assert seen(place, b"a") == [2.0]


def test_a_file_of_other_bytes_is_unavailable(file: Path) -> None:
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(ServiceUnavailable, match=r"does not answer \(DatabaseError\)"):
        seen(sqlite_rows(file), b"a")

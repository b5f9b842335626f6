"""The Kafka door against the cluster that librdkafka carries: what was put there is folded, committed once durable, and told."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from features.live import kafka_door
from features.live.intake import Overloaded
from features.live.kafka_door import client_settings
from features.live.service import LiveService, open_service
from registry.errors import ConfigurationError, ServiceUnavailable
from registry.settings import Settings
from registry.signing import init_keys
from tests.lib.kafka_cluster import Cluster, kafka_cluster
from tests.lib.live_nursery import KEY, PLATES, TIMES, roster_for, settings_of
from tests.lib.positions import Leg, drive, message

GROUP = "roadrisk-live"


@pytest.fixture(scope="module")
def clusters() -> Iterator[Callable[[], Cluster]]:
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda: stack.enter_context(kafka_cluster("positions"))


@pytest.fixture
def cluster(clusters: Callable[[], Cluster]) -> Cluster:
    return clusters()


def settings_for(tmp_path: Path, cluster: Cluster, **other: Any) -> Settings:
    made = settings_of(tmp_path / "home", tmp_path / "keys", cluster.brokers).model_copy(update=other)
    init_keys(made.keys_dir)
    return made


@contextmanager
def running(settings: Settings) -> Iterator[LiveService]:
    service = open_service(settings, replay=True, roster=roster_for(settings), times=TIMES)
    service.start()
    try:
        service.kafka.start()
        yield service
    finally:
        service.kafka.stop()
        service.stop()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def a_line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, default=datetime.isoformat).encode()


def a_shift(plate: int = 0) -> list[dict[str, Any]]:
    number, colour = PLATES[plate]
    return drive([Leg("06:00", "07:00", 60.0)], plate_no=number, plate_color=colour)


def test_rows_are_folded_and_committed_once_durable_and_what_cannot_be_read_is_told(tmp_path: Path, cluster: Cluster) -> None:
    rows, others = a_shift(0), a_shift(1)
    cluster.put([(0, a_line(row)) for row in rows])
    whole = b"\n".join(map(a_line, others)) + b"\n"
    cluster.put([(1, gzip.compress(whole))], **{"Content-Encoding": "gzip"})
    bad = [b"{", b"", b"\xff", a_line(rows[0] | {"unknown": 1}), b'{"plate_no": "x"', b'}']
    cluster.put([(2, value) for value in bad])
    cluster.put([(3, b"no gzip")], **{"Content-Encoding": "gzip"})
    cluster.put([(2, a_line(message(0, 1.0, 0.0, plate_no="赣X00000")))])
    with running(settings_for(tmp_path, cluster)) as service:
        n = len(rows) + len(others)
        until(lambda: service.kafka.counts["messages"] == len(rows) + 1 + len(bad) + 2, "not all was read")
        until(lambda: service.engine.idle and service.engine.fold.counts["folded"] == n, "not all was folded")
        until(lambda: cluster.committed(GROUP) == [len(rows), 1, len(bad) + 1, 1], "not all was committed")
        told, status = service.kafka.status(), service.status()
    assert (told["positions"], told["positions_refused"]) == (n, 1)
    assert (told["poison_no_rows"], told["poison_empty"]) == (len(bad), 1)
    assert {(one["partition"], one["offset"]) for one in told["poison"]} == {(2, at) for at in range(len(bad))} | {(3, 0)}
    assert status["by_door"] == {"kafka": n}
    assert status["refused"] == {"wrong_plate": 1}
    assert told["error"] == ""


def test_a_start_goes_on_where_the_one_before_ended(tmp_path: Path, cluster: Cluster) -> None:
    rows = a_shift()
    settings = settings_for(tmp_path, cluster)
    for part in (rows[:50], rows[50:]):
        cluster.put([(0, a_line(row)) for row in part])
        with running(settings) as service:
            until(lambda service=service, part=part: service.kafka.counts["positions"] == len(part), "not all was read")
    assert cluster.committed(GROUP)[0] == len(rows)


def test_what_the_broker_let_go_before_it_was_read_is_counted(tmp_path: Path, cluster: Cluster) -> None:
    settings = settings_for(tmp_path, cluster)
    cluster.put([(0, a_line(row)) for row in a_shift()[:2]])
    with running(settings) as service:
        until(lambda: service.kafka.counts["messages"] == 2, "not all was read")
    cluster.put([(0, b"x" * 900_000)] * 10)  # more than this cluster keeps
    with running(settings) as service:
        until(lambda: cluster.committed(GROUP)[0] == 12, "not all was committed")
        assert service.kafka.counts["messages"] + service.kafka.counts["offsets_skipped"] == 10
        assert service.kafka.counts["offsets_skipped"] > 0


def test_with_a_key_asked_for_a_message_without_it_is_passed_over(tmp_path: Path, cluster: Cluster) -> None:
    rows = a_shift()
    cluster.put([(0, a_line(rows[0]))])
    cluster.put([(0, a_line(rows[1]))], **{"X-API-Key": "wrong"})
    cluster.put([(0, a_line(rows[2]))], **{"x-api-key": KEY})
    with running(settings_for(tmp_path, cluster, kafka_message_key=True)) as service:
        until(lambda: service.kafka.counts["messages"] == 3, "not all was read")
        assert service.kafka.counts["poison_unknown_key"] == 2
        assert service.kafka.counts["positions"] == 1


def test_while_too_much_waits_nothing_is_taken_committed_or_lost(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = a_shift()
    cluster.put([(0, a_line(row)) for row in rows])
    settings = settings_for(tmp_path, cluster)
    service = open_service(settings, replay=True, roster=roster_for(settings), times=TIMES)
    whole, refused = service.intake.take, [Overloaded("full"), ServiceUnavailable("the disk is full"), Overloaded("full")]
    held: list[list[int]] = []

    def take(records: Any) -> Any:
        if refused:
            held.append(cluster.committed(GROUP))
            raise refused.pop()
        return whole(records)

    monkeypatch.setattr(service.intake, "take", take)
    monkeypatch.setattr(kafka_door, "MESSAGES_AT_ONCE", 40)
    service.start()
    service.kafka.start()
    until(lambda: service.kafka.counts["positions"] == len(rows), "not all was taken")
    service.kafka.stop()
    service.stop()
    assert held == [[0, 0, 0, 0]] * 3
    assert (service.kafka.counts["held_back"], service.kafka.counts["not_kept"]) == (2, 1)
    assert cluster.committed(GROUP)[0] == len(rows)
    assert service.engine.fold.counts["folded"] == len(rows)


def test_an_intake_that_has_stopped_ends_the_door_and_nothing_is_committed(tmp_path: Path, cluster: Cluster) -> None:
    cluster.put([(0, a_line(row)) for row in a_shift()])
    with running(settings_for(tmp_path, cluster)) as service:
        until(lambda: service.kafka.counts["positions"] > 0, "nothing was taken")
        service.intake.refuse("the fold has stopped")
        cluster.put([(1, a_line(row)) for row in a_shift(1)])
        until(lambda: service.kafka.error == "the fold has stopped", "the door goes on")
    assert cluster.committed(GROUP)[1] == 0


def test_what_is_missing_is_said_and_no_secret_is(tmp_path: Path) -> None:
    plain = Settings(home=tmp_path, keys_dir=tmp_path / "keys")
    with pytest.raises(ConfigurationError, match="no Kafka broker or no topic"):
        client_settings(plain)
    named = plain.model_copy(update={"kafka_brokers": "b:9093", "kafka_topics": ("t",)})
    assert client_settings(named)["security.protocol"] == "ssl"
    account = named.model_copy(update={"kafka_security": "sasl_ssl", "kafka_user": "u"})
    with pytest.raises(ConfigurationError, match="no account"):
        client_settings(account)
    whole = Settings(
        home=tmp_path, keys_dir=tmp_path / "keys", kafka_brokers="b:9093", kafka_topics=("t",), kafka_security="sasl_ssl",
        kafka_user="u", kafka_password="s3cret", kafka_ca_file=tmp_path / "ca.pem",
    )
    assert client_settings(whole)["sasl.password"] == "s3cret"
    assert "s3cret" not in repr(whole)
    door = kafka_door.KafkaDoor(whole, None, None)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="refuses the settings") as met:
        door.start()  # there is no such file of authorities
    assert "s3cret" not in str(met.value)
    assert met.value.__cause__ is None
    assert "s3cret" not in repr(door)

"""The cluster that librdkafka carries within itself, in a process of its own: it speaks the protocol of Kafka over TCP.

`python -m tests.lib.kafka_cluster TOPIC` prints where it listens, then for each line "PARTITION KEY BASE64 [HEADER]" read puts a
message into the topic and answers its offset; "committed GROUP" answers what a group has committed of each partition.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.lib.processes import ROOT

N_PARTITIONS = 4


class Cluster:
    """A cluster that runs.

    Parameters
    ----------
    process
        The process that holds it.
    """

    def __init__(self, process: subprocess.Popen[str], topic: str) -> None:
        self._process, self.topic = process, topic
        self.brokers: str = self._answer()

    def put(self, messages: list[tuple[int, bytes]], **headers: str) -> list[int]:
        """Put messages into partitions; return their offsets once the broker has them."""
        told = [[partition, base64.b64encode(value).decode()] for partition, value in messages]
        return self._ask({"put": told, "headers": headers})  # type: ignore[no-any-return]

    def committed(self, group: str) -> list[int]:
        """Return what a group has committed by partition."""
        return self._ask({"committed": group})  # type: ignore[no-any-return]

    def _ask(self, what: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def kafka_cluster(topic: str) -> Iterator[Cluster]:
    """Run a cluster."""
    command = [sys.executable, "-m", "tests.lib.kafka_cluster", topic]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Cluster(process, topic)
        finally:
            process.kill()


def main(topic: str) -> None:
    """Hold the cluster until the input ends."""
    from confluent_kafka import Consumer, Producer, TopicPartition

    holder = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none", "topic.metadata.refresh.interval.ms": 1000})
    known = holder.list_topics(topic, timeout=10)
    (broker,) = known.brokers.values()
    brokers = f"{broker.host}:{broker.port}"
    _tell(brokers)
    for line in sys.stdin:
        asked = json.loads(line)
        if "committed" in asked:
            reader = Consumer({"bootstrap.servers": brokers, "group.id": asked["committed"]})
            found = reader.committed([TopicPartition(topic, number) for number in range(N_PARTITIONS)], timeout=10)
            reader.close()
            _tell([max(one.offset, 0) for one in found])
            continue
        offsets: list[int] = []
        headers = list(asked["headers"].items())
        for partition, value in asked["put"]:
            holder.produce(
                topic, base64.b64decode(value), partition=partition, headers=headers,
                on_delivery=lambda error, message, offsets=offsets: offsets.append(-1 if error else message.offset()),
            )
        assert holder.flush(20) == 0
        _tell(offsets)


def _tell(what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])

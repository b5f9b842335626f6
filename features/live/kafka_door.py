"""The Kafka door: rows of `vehicle_location` from topics of a broker into the one intake, at least once.

An offset is committed only once its message is durable in the journal; whatever is delivered again counts once, because a message
is known by its vehicle and device time. One service folds in a home, so it reads all partitions of its topics and takes part in no
balancing of a group: the group's name only keeps its offsets, and a start after a kill goes on at once.

Where too much waits the partitions are paused: the broker keeps what is not fetched. A message that cannot be read is passed over,
counted, and named by its place.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from features.live.intake import Intake, Overloaded
from features.live.kafka_batch import Poison, read_messages
from features.live.positions import Door, Records
from registry.errors import ConfigurationError, RoadRiskError

if TYPE_CHECKING:
    import pyarrow as pa

    from registry.settings import Settings

RecordsOf = Callable[["pa.Table"], Records]
MESSAGES_AT_ONCE: Final = 2_000
_WAIT_S: Final = 0.2
_PAUSE_S: Final = 0.2
"""From one try to the next while too much waits."""
_LOOK_S: Final = 30.0
"""A topic is asked so often whether it has got more partitions."""
_COMMIT_S: Final = 0.5
_ANSWER_S: Final = 10.0
_SHOWN: Final = 20
_log = logging.getLogger("roadrisk.kafka")


def client_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings of the client; they hold a secret and are shown to nobody.

    Raises
    ------
    ConfigurationError
        If something is missing.
    """
    if not settings.kafka_brokers or not settings.kafka_topics:
        raise ConfigurationError(
            "no Kafka broker or no topic is set", remedy="Set ROADRISK_KAFKA_BROKERS and ROADRISK_KAFKA_TOPICS.",
        )
    found: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_brokers, "group.id": settings.kafka_group, "client.id": "roadrisk-live",
        "enable.auto.commit": False, "enable.auto.offset.store": False, "auto.offset.reset": "earliest",
        "isolation.level": "read_committed", "security.protocol": settings.kafka_security,
        # What the client may hold that is not taken yet: the rest waits at the broker.
        "queued.max.messages.kbytes": 32 * 1024, "allow.auto.create.topics": False,
    }
    if settings.kafka_ca_file is not None:
        found["ssl.ca.location"] = str(settings.kafka_ca_file)
    if settings.kafka_certificate_file is not None and settings.kafka_key_file is not None:
        found |= {
            "ssl.certificate.location": str(settings.kafka_certificate_file), "ssl.key.location": str(settings.kafka_key_file),
        }
    if settings.kafka_security == "sasl_ssl":
        password = settings.kafka_password.get_secret_value()
        if not settings.kafka_user or not password:
            raise ConfigurationError(
                "no account at the Kafka broker is set", remedy="Set ROADRISK_KAFKA_USER and ROADRISK_KAFKA_PASSWORD.",
            )
        found |= {"sasl.mechanism": settings.kafka_mechanism, "sasl.username": settings.kafka_user, "sasl.password": password}
    return found


@dataclass
class KafkaDoor:
    """Reads topics into an intake on a thread of its own.

    Parameters
    ----------
    settings
        Names brokers, topics, account.
    intake
        Where messages are kept.
    records_from
        Rows as records of the service's roster and clock.
    """

    settings: Settings
    intake: Intake
    records_from: RecordsOf
    counts: Counter[str] = field(default_factory=Counter)
    poison: deque[Poison] = field(default_factory=lambda: deque(maxlen=_SHOWN))
    error: str = ""
    _next: dict[tuple[str, int], int] = field(default_factory=dict)
    _expected: dict[tuple[str, int], int] = field(default_factory=dict)
    _held: set[tuple[str, int]] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def status(self) -> dict[str, Any]:
        """Return what came, and which messages were passed over."""
        return dict(self.counts) | {
            "partitions": len(self._held), "poison": [asdict(one) for one in tuple(self.poison)], "error": self.error,
        }

    def start(self) -> None:
        """Begin to read.

        Raises
        ------
        ConfigurationError
            If the client is not installed, or refuses the settings.
        """
        try:
            from confluent_kafka import Consumer, KafkaException
        except ImportError as error:
            raise ConfigurationError("the client of Kafka is not installed", remedy="Install the extra `kafka`.") from error
        chosen = client_settings(self.settings) | {"error_cb": self._failed}
        try:
            consumer = Consumer(chosen, logger=_log)
        except KafkaException:
            # Its words may repeat a value that was set.
            raise ConfigurationError("the client of Kafka refuses the settings", remedy="Check ROADRISK_KAFKA_*.") from None
        self._thread = threading.Thread(target=self._run, args=(consumer,), name="live-kafka", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Keep what was fetched, commit it, and end."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _failed(self, error: Any) -> None:
        self.counts["errors"] += 1
        self.error = str(error.name())

    def _run(self, consumer: Any) -> None:
        from confluent_kafka import KafkaException

        looked = committed = -_LOOK_S
        try:
            while not self._over.is_set():
                now = time.monotonic()
                try:
                    if now - looked >= (_LOOK_S if self._held else 1.0):
                        self._look(consumer)
                        looked = now
                    if now - committed >= _COMMIT_S:
                        self._commit(consumer)
                        committed = now
                    messages = consumer.consume(MESSAGES_AT_ONCE, _WAIT_S) if self._held else []
                    if not self._held:
                        self._over.wait(_WAIT_S)
                except KafkaException as error:
                    self._failed(error.args[0])
                    self._over.wait(_WAIT_S)
                    continue
                self._take(consumer, [one for one in messages if not self._is_error(one)])
        except RoadRiskError as error:
            # What was not taken is not committed: the next start reads it again.
            self.error = error.message
            _log.error("the Kafka door has stopped: %s", error.message)
        finally:
            try:
                self._commit(consumer)
            except KafkaException as error:
                self._failed(error.args[0])
            consumer.close()

    def _is_error(self, message: Any) -> bool:
        if message.error() is None:
            return False
        self._failed(message.error())
        return True

    def _look(self, consumer: Any) -> None:
        """Read partitions that are not read yet, from where the group left off."""
        from confluent_kafka import TopicPartition

        for topic in self.settings.kafka_topics:
            known = consumer.list_topics(topic, timeout=_ANSWER_S).topics[topic]
            if known.error is not None:
                self._failed(known.error)
                continue
            new = [(topic, partition) for partition in sorted(known.partitions) if (topic, partition) not in self._held]
            if new:
                kept = consumer.committed([TopicPartition(*one) for one in new], timeout=_ANSWER_S)
                self._expected.update({(one.topic, one.partition): one.offset for one in kept if one.offset >= 0})
                consumer.incremental_assign([TopicPartition(*one) for one in new])
                self._held.update(new)

    def _take(self, consumer: Any, messages: list[Any]) -> None:
        """Hand messages over, and go on once they are durable."""
        if not messages:
            return
        key = self.settings.push_key.get_secret_value() if self.settings.kafka_message_key else ""
        read = read_messages(messages, key)
        for one in read.poison:
            self.counts[f"poison_{one.reason}"] += 1
            self.poison.append(one)
            _log.warning("passed over %s[%d]@%d: %s", one.topic, one.partition, one.offset, one.reason)
        for table in read.tables:
            records = self.records_from(table)
            records["door"] = int(Door.KAFKA)
            if not self._handed_over(consumer, records):
                return
        self.counts["messages"] += len(messages)
        for message in messages:
            place, offset = (message.topic(), message.partition()), message.offset()
            if (skipped := offset - self._expected.get(place, offset)) > 0:
                # Marks of a producer's transactions, or messages that the broker let go before they were read.
                self.counts["offsets_skipped"] += skipped
                _log.warning("%s[%d] goes on at %d: %d offsets hold nothing", *place, offset, skipped)
            self._expected[place] = self._next[place] = offset + 1

    def _handed_over(self, consumer: Any, records: Records) -> bool:
        """Return whether records are durable; while too much waits the partitions are paused."""
        from confluent_kafka import TopicPartition

        paused: list[Any] = []
        while True:
            try:
                taken, durable = self.intake.take(records)
                durable.result()
                break
            except Overloaded:
                self.counts["held_back"] += 1
            except RoadRiskError as error:
                # A disk that is full may be emptied; an intake that has ended takes nothing more.
                if self.intake.refusing or self._over.is_set():
                    raise
                self.error = error.message
                self.counts["not_kept"] += 1
            if not paused:
                paused = [TopicPartition(*one) for one in sorted(self._held)]
                consumer.pause(paused)
            if self._over.wait(_PAUSE_S):
                return False
            consumer.poll(0)  # nothing comes, but the client sees that we live
        if paused:
            consumer.resume(paused)
        self.counts["positions"] += taken.accepted
        self.counts["positions_refused"] += len(taken.refused)
        return True

    def _commit(self, consumer: Any) -> None:
        from confluent_kafka import TopicPartition

        if self._next:
            done, self._next = self._next, {}
            try:
                consumer.commit(offsets=[TopicPartition(*one, at) for one, at in sorted(done.items())], asynchronous=False)
            except BaseException:
                self._next = done | self._next
                raise

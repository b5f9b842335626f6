"""A circuit breaker before the online store: while it does not answer, requests are refused at once instead of waiting each.

Closed, every call goes through. After `failures` calls in a row that failed, it opens: calls fail at once until `pause_s` have
passed; then one call is let through, and its outcome closes the breaker or opens it for another pause. That a store answers
that it knows no such entity is an answer.

References
----------
Nygard, "Release It!", 2nd edition 2018, chapter 5, "Circuit Breaker".
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, TypeVar

from features.online import OnlineInputs, looked_up
from registry.entities import Entity
from registry.errors import RoadRiskError, ServiceUnavailable
from serving.ports import FeatureSource

FAILURES: Final = 5
PAUSE_S: Final = 2.0
State = Literal["closed", "open", "half-open"]
Answer = TypeVar("Answer")


class Circuit:
    """The state of a breaker, without what it guards.

    Parameters
    ----------
    failures
        Failures in a row that open it.
    pause_s
        Seconds that it stays open.
    clock
        Seconds that only grow.
    """

    def __init__(
        self, *, failures: int = FAILURES, pause_s: float = PAUSE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._pause_s, self._clock = failures, pause_s, clock
        self._lock = threading.Lock()
        self._failed, self._opened_at_s, self._probing = 0, -math.inf, False

    @property
    def state(self) -> State:
        """How it stands."""
        with self._lock:
            return self._state()

    def enter(self) -> float:
        """Return 0 where a call may go through, else the seconds until one may; a call that may must be `left`."""
        with self._lock:
            match self._state():
                case "closed":
                    return 0.0
                case "half-open" if not self._probing:
                    self._probing = True
                    return 0.0
                case _:
                    return max(self._opened_at_s + self._pause_s - self._clock(), 0.1)

    def leave(self, *, failed: bool) -> None:
        """Note the outcome of a call that was let through."""
        with self._lock:
            self._probing = False
            if not failed:
                self._failed = 0
                return
            self._failed += 1
            if self._failed >= self._limit:
                self._opened_at_s = self._clock()

    def _state(self) -> State:
        if self._failed < self._limit:
            return "closed"
        return "open" if self._clock() < self._opened_at_s + self._pause_s else "half-open"


class Breaker:
    """A feature source behind a circuit breaker.

    Parameters
    ----------
    source
        The store.
    circuit
        The breaker.
    """

    def __init__(self, source: FeatureSource, circuit: Circuit | None = None) -> None:
        self.source, self.circuit = source, circuit or Circuit()

    @property
    def epoch(self) -> int:
        """Epoch of the key that made the store's pseudonyms."""
        return self.source.epoch

    def resolve(self, entity: Entity, key: Mapping[str, str]) -> str:
        """Return the pseudonym of an entity, as the store does."""
        if not looked_up(key):
            # The store has no part in it: that it works says nothing about the store, and it works while the store is away.
            return self.source.resolve(entity, key)
        return self._guarded(lambda: self.source.resolve(entity, key))

    def read(
        self, product_id: str, entity_id: str, *, resources: frozenset[str] | None = None
    ) -> OnlineInputs:
        """Return the inputs of one product for an entity, as the store does."""
        return self._guarded(lambda: self.source.read(product_id, entity_id, resources=resources))

    def resolve_many(self, entity: Entity, keys: Sequence[Mapping[str, str]]) -> list[str | RoadRiskError]:
        """Return pseudonyms of entities, as the store does."""
        if not any(map(looked_up, keys)):
            return self.source.resolve_many(entity, keys)
        return self._guarded(lambda: self.source.resolve_many(entity, keys))

    def read_many(
        self, product_id: str, entity_ids: Sequence[str], *, resources: frozenset[str] | None = None
    ) -> list[OnlineInputs | RoadRiskError]:
        """Return the inputs of entities, as the store does."""
        return self._guarded(lambda: self.source.read_many(product_id, entity_ids, resources=resources))

    def stale(self, product_id: str) -> list[str]:
        """Return what is stale, as the store does, which knows it without being asked."""
        return self.source.stale(product_id)

    def ready(self) -> None:
        """Check that the store answers, whatever the breaker says; an answer helps to close it."""
        self.source.ready()

    def _guarded(self, ask: Callable[[], Answer]) -> Answer:
        wait_s = self.circuit.enter()
        if wait_s:
            raise ServiceUnavailable(
                "the feature store did not answer just now and is not asked again yet", where="circuit breaker",
                remedy="Try again shortly.", details={"retry_after_s": math.ceil(wait_s)},
            )
        failed = True
        try:
            answer = ask()
            failed = False
        except ServiceUnavailable:
            raise
        except Exception:
            # That it knows no such entity, or refuses a key, is an answer.
            failed = False
            raise
        finally:
            self.circuit.leave(failed=failed)
        return answer

"""Requests that come together are scored together, by the event loop of a worker.

Most of what a request costs is hardly more for several than for one: a look into the store, a walk of the trees, a transaction of
the ledger. A request that comes alone is scored at once. While others are in hand, those that come within a few milliseconds are
read, scored and recorded in one go; each keeps its own grant, answer, record and error.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool

from registry.decisions import AlreadyAnswered
from registry.entities import ENTITIES
from registry.errors import RoadRiskError
from registry.products import product_named
from serving.desk import Made, Ready, Reply, ScoringDesk
from serving.durable import Pace, Settling
from serving.rows import score_many
from serving.stages import Marks, marks_of_request, stage, together

if TYPE_CHECKING:
    from features.online import OnlineInputs
    from serving.asked import Asked

EACH_S: Final = 0.006
"""For how long a request may be kept for each other one in hand: what to score one alone takes. [A]"""
LONGEST_S: Final = 0.025
"""For how long at most. [A]"""
REMEMBERED_S: Final = 0.2
"""How long it is remembered how many were in hand. [A]"""
MOST: Final = 16
"""How many are scored in one go: more would hold the event loop for long. [A]"""


@dataclass(eq=False)
class _One:
    """A request that waits; `made` and `ready` stay None where it has to go on alone."""

    product_id: str
    entity_id: str
    asked: Asked
    came_s: float
    durable: asyncio.Future[None]
    marks: Marks
    made: Made | None = None
    ready: Ready | None = None

    @property
    def alike(self) -> tuple[str, frozenset[str] | None, bool]:
        """What requests have in common that are read and scored in one go."""
        return self.product_id, self.asked.resources, self.asked.detail == "exact"

    def finish(self, error: BaseException | None) -> None:
        """Let the request go on, unless whoever asked has gone; the record stays."""
        if self.durable.done():
            return
        if error is None:
            self.durable.set_result(None)
        else:
            self.durable.set_exception(error)


class Together:
    """Scores the entities of the requests of one event loop.

    Parameters
    ----------
    desk
        Reads, scores and records.
    pace
        Is told how long the event loop was held by what may hang.
    """

    def __init__(self, desk: ScoringDesk, pace: Pace) -> None:
        self._desk, self._pace = desk, pace
        self._waiting: list[_One] = []
        self._timer: asyncio.TimerHandle | None = None
        self._in_hand = self._recording = 0
        self._peak, self._peak_s, self._began_s = 0, 0.0, 0.0

    async def score(self, product_id: str, key: Mapping[str, str], asked: Asked) -> Reply:
        """Return the recorded answer for one entity; it raises what `ScoringDesk.score_entity` raises."""
        with self._held():
            earlier = self._desk.earlier(asked)
            if earlier is not None:
                return earlier
            product = product_named(product_id)
            # Said before anybody is looked for; who waits is scored by whatever is live then.
            self._desk.live.current.product(product_id)
            with stage("resolve"):
                entity_id = self._desk.source.resolve(ENTITIES[product.entity], key)
        loop = asyncio.get_running_loop()
        one = _One(product_id, entity_id, asked, time.perf_counter(), loop.create_future(), marks_of_request())
        self._in_hand += 1
        try:
            self._take(loop, one)
            await one.durable
        except AlreadyAnswered as answered:
            # The same request under the same key was faster.
            return Reply.again(answered.stored)
        finally:
            self._in_hand -= 1
        if one.made is None or one.ready is None:
            return await run_in_threadpool(self._desk.score_entity, product_id, key, asked)
        self._desk.offer(one.made, one.ready.decision.at)
        return one.ready.reply

    def _take(self, loop: asyncio.AbstractEventLoop, one: _One) -> None:
        self._waiting.append(one)
        if self._in_hand >= self._peak or one.came_s - self._peak_s > REMEMBERED_S:
            self._peak, self._peak_s = self._in_hand, one.came_s
        self._start(loop, one.came_s)

    def _start(self, loop: asyncio.AbstractEventLoop, now_s: float) -> None:
        """Score who waits, now or in a moment."""
        # Whoever commits has to get the interpreter back after each statement, and other workers wait for it: no scoring meanwhile.
        if self._recording or not self._waiting:
            return
        starts_s = self._began_s + min(LONGEST_S, EACH_S * (self._peak - 1))
        if starts_s <= now_s or len(self._waiting) >= MOST:
            self._run(loop)
        elif self._timer is None:
            self._timer = loop.call_later(starts_s - now_s, self._run, loop)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Score and record whoever waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        self._began_s = time.perf_counter()
        alike: dict[object, list[_One]] = {}
        for one in waiting:
            alike.setdefault(one.alike, []).append(one)
        for some in alike.values():
            self._make(some)
        self._record(loop, [(one, one.ready) for one in waiting if one.ready is not None])

    def _record(self, loop: asyncio.AbstractEventLoop, made: Sequence[tuple[_One, Ready]]) -> None:
        self._recording, began_s = len(made), time.perf_counter()

        def settled(one: _One, error: BaseException | None) -> None:
            one.marks.append(("record", began_s, time.perf_counter()))
            one.finish(error)
            self._recording -= 1
            self._start(loop, time.perf_counter())

        settling = Settling(loop)
        self._desk.decisions.record_each_soon([
            (ready.decision, ready.beside, settling.then(partial(settled, one))) for one, ready in made
        ])
        self._start(loop, began_s)

    def _make(self, some: Sequence[_One]) -> None:
        """Make what may leave for requests that are alike, or let each of them go on alone."""
        began_s = time.perf_counter()
        with together() as marks:
            try:
                self._score(some)
            except Exception:  # noqa: BLE001 - whatever it is, each meets it alone, in a thread, and the others do not
                for one in some:
                    one.made = one.ready = None
                    one.finish(None)
        for one in some:
            one.marks += [("gather", one.came_s, began_s), *marks]

    def _score(self, some: Sequence[_One]) -> None:
        desk, first = self._desk, some[0]
        model = desk.live.current.product(first.product_id)
        with self._held(), stage("read"):
            found = desk.source.read_many(first.product_id, [one.entity_id for one in some], resources=first.asked.resources)
        good: list[tuple[_One, OnlineInputs]] = []
        for one, inputs in zip(some, found, strict=True):
            told = desk.known(model, inputs, one.asked)
            if isinstance(told, RoadRiskError):
                one.finish(told)
            else:
                good.append((one, told))
        with stage("score"):
            scored = score_many(
                model, [inputs for _, inputs in good], product=product_named(first.product_id),
                exact=first.asked.detail == "exact", written=True,
            )
        with stage("encode"):
            for (one, inputs), answer in zip(good, scored, strict=True):
                one.made = model, inputs, answer
                one.ready = desk.ready(*one.made, one.asked, "score")

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Tell the pace how long the event loop was held by what may hang."""
        began_s = time.perf_counter()
        try:
            yield
        finally:
            self._pace.took(time.perf_counter() - began_s)

"""The challenger scores what the champion has answered: afterwards, aside, and never at the answer's expense.

A decision is offered after it was recorded. A thread takes it no sooner than `AFTER_ANSWER_S` later, when its answer has
left, and rests between scores, so that the champion has most of the processor. The queue is bounded; what does not fit is
counted and gone.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from features.online import OnlineInputs
from registry.encoding import as_row
from registry.errors import RoadRiskError
from registry.products import PRODUCTS
from registry.shadow import ShadowScore, ShadowStore, answer_text, instant_text
from serving.answering import Scored, answer_score
from serving.live import LiveScorer

if TYPE_CHECKING:
    from registry.settings import Settings

QUEUE_SIZE: Final = 1000
AFTER_ANSWER_S: Final = 0.2
BUSY_SHARE: Final = 0.2
"""Share of a worker's time that its shadow may take."""
WRITE_EVERY_S: Final = 1.0
FULL: Final = "queue full"
LACKING: Final = "inputs missing"
FAILED: Final = "failed"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Job:
    due: float
    at: datetime
    champion: LiveScorer
    inputs: OnlineInputs
    answer: Mapping[str, Any]


class Shadow:
    """Scores challengers in a thread of its own, which starts with the first decision.

    Parameters
    ----------
    challengers
        Product -> the challenger's scorer.
    store
        Where the scores are kept.
    size, after_s, share
        Bound of the queue, seconds that a decision waits, share of the time that scoring may take.
    """

    def __init__(
        self, challengers: Mapping[str, LiveScorer], store: ShadowStore, *, size: int = QUEUE_SIZE,
        after_s: float = AFTER_ANSWER_S, share: float = BUSY_SHARE,
    ) -> None:
        self._challengers, self._store = dict(challengers), store
        self._after_s, self._share = after_s, share
        self._queue: queue.Queue[_Job | None] = queue.Queue(size)
        self._dropped: Counter[tuple[str, str, str]] = Counter()
        self._kept: list[ShadowScore] = []
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def offer(self, champion: LiveScorer, inputs: OnlineInputs, scored: Scored, at: datetime) -> None:
        """Take a recorded decision; costs microseconds, raises nothing, waits for nothing."""
        challenger = self._challengers.get(champion.manifest.product)
        if challenger is None:
            return
        try:
            self._start()
            self._queue.put_nowait(_Job(time.monotonic() + self._after_s, at, champion, inputs, scored.recorded_answer))
        except queue.Full:
            self._drop(challenger, FULL)
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer goes out
            _log.warning("a decision was not offered to the challenger: %s", type(error).__name__)

    def close(self, timeout_s: float = 30.0) -> None:
        """Score and keep what is waiting, then end the thread."""
        thread = self._thread
        if thread is not None:
            self._queue.put(None)
            thread.join(timeout_s)

    def _start(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        written, job = time.monotonic(), None
        while True:
            try:
                job = self._queue.get(timeout=WRITE_EVERY_S)
                if job is None:
                    return self._write()
                self._work(job)
            except queue.Empty:
                pass
            if time.monotonic() - written >= WRITE_EVERY_S:
                self._write()
                written = time.monotonic()

    def _work(self, job: _Job) -> None:
        time.sleep(max(0.0, job.due - time.monotonic()))
        challenger, began = self._challengers[job.champion.manifest.product], time.perf_counter()
        try:
            if any(name not in job.inputs.values for name in challenger.manifest.feature_names):
                self._drop(challenger, LACKING)
                return
            self._kept.append(_shadow_score(job, challenger, began))
        except Exception as error:  # noqa: BLE001 - a challenger may fail in any way, and nobody waits for it
            _log.warning("the challenger of %s failed: %s", challenger.manifest.product, type(error).__name__)
            self._drop(challenger, FAILED)
        took = time.perf_counter() - began
        time.sleep(took * (1.0 - self._share) / self._share)

    def _drop(self, challenger: LiveScorer, why: str) -> None:
        with self._lock:
            self._dropped[challenger.manifest.product, challenger.scorer.digest, why] += 1

    def _write(self) -> None:
        kept, self._kept = self._kept, []
        with self._lock:
            dropped, self._dropped = self._dropped, Counter()
        if not kept and not dropped:
            return
        try:
            self._store.write(kept, dropped)
        except Exception as error:  # noqa: BLE001 - without its table the shadow goes dark and the service goes on
            _log.warning("%d shadow scores were lost: %s", len(kept), error)


class ShadowHolder:
    """The shadow of a running service, opened anew where the challengers changed.

    Parameters
    ----------
    settings
        Where challengers are declared.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._shadow = open_shadow(settings)

    def offer(self, champion: LiveScorer, inputs: OnlineInputs, scored: Scored, at: datetime) -> None:
        """Take a recorded decision where a challenger is declared."""
        shadow = self._shadow
        if shadow is not None:
            shadow.offer(champion, inputs, scored, at)

    def reload(self) -> None:
        """Score with the challengers that are declared now; what the former ones have in hand is finished."""
        former, self._shadow = self._shadow, open_shadow(self._settings)
        if former is not None:
            former.close()

    def close(self) -> None:
        """Finish what is waiting."""
        if self._shadow is not None:
            self._shadow.close()


def open_shadow(settings: Settings) -> Shadow | None:
    """Return the shadow of a service, or None where no product has a challenger that can be used.

    A challenger that does not verify is left out and named in the log: it must not keep the champion from answering.
    """
    try:
        from registry.challengers import current

        found = current(settings)
    except RoadRiskError as error:
        _log.warning("no challenger is scored: %s", error)
        return None
    loaded = {product: scorer for product in found if (scorer := _loaded(settings, product, found[product])) is not None}
    return Shadow(loaded, ShadowStore.of(settings)) if loaded else None


def _loaded(settings: Settings, product: str, challenge: Any) -> LiveScorer | None:
    from registry.models import bundle_folder
    from registry.scorer import load_scorer

    try:
        folder = bundle_folder(settings, product, challenge.digest)
        return LiveScorer(str(challenge.version), load_scorer(folder, settings.keys_dir, digest=challenge.digest, threads=1))
    except RoadRiskError as error:
        _log.warning("the challenger of %s, version %s, is not scored: %s", product, challenge.version, error)
        return None


def _shadow_score(job: _Job, challenger: LiveScorer, began: float) -> ShadowScore:
    product, inputs, answer = job.champion.manifest.product, job.inputs, job.answer
    values = {name: inputs.values[name] for name in challenger.manifest.feature_names}
    theirs = answer_score(
        challenger.scorer, challenger.version, _with_values(inputs, as_row(values)), score_id=answer["score_id"],
        product=PRODUCTS.get(product), exact=False,
    ).answer
    return ShadowScore(
        score_id=answer["score_id"], at=instant_text(job.at), as_of=instant_text(inputs.as_of), product=product,
        entity_id=inputs.entity_id, champion_version=job.champion.version, champion_digest=job.champion.scorer.digest,
        challenger_version=challenger.version, challenger_digest=challenger.scorer.digest,
        champion_points=answer["points"], challenger_points=theirs["points"], champion_tier=answer["tier"]["code"],
        challenger_tier=theirs["tier"]["code"], champion_answer=answer_text(answer["answer"]),
        challenger_answer=answer_text(theirs["answer"]), exposure=inputs.exposure,
        took_ms=round((time.perf_counter() - began) * 1000, 3),
    )


def _with_values(inputs: OnlineInputs, values: Mapping[str, Any]) -> OnlineInputs:
    from dataclasses import replace

    return replace(inputs, values=dict(values))

"""Products trained beside each other, each in a process of its own with its part of the threads.

One product after another leaves a core idle whenever rows are read, intervals drawn or a bundle proven:
a third of the time.
Workers train up to the card; MLflow, the ledger of evidence and whatever else all products share is written by the parent alone.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from registry.errors import TrainingError
from registry.products import DRIVER_FATIGUE, ENTERPRISE_RISK, INSURANCE_PRICING, MAINTENANCE
from registry.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.bundle import ScoreBundle
    from training.pipeline import TrainedScore

LONGEST_FIRST: Final = (MAINTENANCE.id, DRIVER_FATIGUE.id, INSURANCE_PRICING.id, ENTERPRISE_RISK.id)
"""As measured on the demonstration province. It decides when the last product ends, and nothing else."""

Tell = Callable[[str, str, float], None]
"""Called with a product, what is being done, and the share done."""
Trained = Callable[["TrainedScore", "ScoreBundle"], None]


@dataclass(frozen=True)
class Order:
    """What a worker is to train, and how: the options of `roadrisk train`."""

    product: str
    settings: Settings
    trials: int = 0
    timeout_s: float | None = None
    seed: int | None = None
    tuned: bool = False
    by: str = ""


def train_beside(orders: Sequence[Order], trained: Trained, *, jobs: int, tell: Tell) -> None:
    """Train products in worker processes.

    A failure lets no further product begin; those in work are finished and kept, and then it is raised.

    Parameters
    ----------
    orders
        One per product. The threads of their settings are those of all workers together.
    trained
        Called in this process with each score whose bundle and card lie in their places, in the order in which they end.
    jobs
        How many workers.
    tell
        Called by one thread at a time.

    Raises
    ------
    Exception
        What the first product to fail raised.
    TrainingError
        If a worker died.
    """
    fault: Exception | None = None
    context = multiprocessing.get_context("spawn")  # LightGBM's threads do not survive a fork
    with _told(context, tell) as messages, ProcessPoolExecutor(
        jobs, mp_context=context, initializer=_initialiser, initargs=(messages,)
    ) as pool:
        waiting = sorted(orders, key=lambda one: LONGEST_FIRST.index(one.product))
        running: set[Future[tuple[TrainedScore, ScoreBundle]]] = set()
        while running or (waiting and fault is None):
            while waiting and len(running) < jobs and fault is None:  # not all at once: a pool cannot take back what it has queued
                running.add(pool.submit(_train, _with_share(waiting.pop(0), jobs)))
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                try:
                    trained(*future.result())
                except Exception as error:  # noqa: BLE001 - raised below, when what is in work has been kept
                    fault = fault or error
    if isinstance(fault, BrokenProcessPool):
        raise TrainingError(
            "a process that trains died", remedy="Was memory short? `--jobs 1` trains one product at a time."
        ) from fault
    if fault is not None:
        raise fault


def _with_share(order: Order, jobs: int) -> Order:
    return replace(order, settings=order.settings.model_copy(update={"threads": max(1, order.settings.threads // jobs)}))


@contextmanager
def _told(context: Any, tell: Tell) -> Iterator[Any]:
    """Pass on what workers say while they work."""
    messages = context.SimpleQueue()

    def listen() -> None:
        while (message := messages.get()) is not None:
            tell(*message)

    listener = threading.Thread(target=listen, name="train-progress", daemon=True)
    listener.start()
    try:
        yield messages
    finally:
        messages.put(None)
        listener.join()
        messages.close()


_messages: Any = None
"""Of a worker: where it says how far it is."""


def _begin(messages: Any) -> None:
    from training.fit import wait_passively

    global _messages
    _messages = messages
    wait_passively()


_initialiser: Callable[[Any], None] = _begin


def _train(order: Order) -> tuple[TrainedScore, ScoreBundle]:
    """Train one product in a worker: everything but its registration."""
    from training.card import SAMPLE
    from training.pipeline import begin_product, with_parameters
    from training.products import task_for, training_frame
    from training.tuning.stored import stored_parameters

    def tell(label: str, share: float) -> None:
        _messages.put((order.product, label, share))

    product, settings = order.product, order.settings
    task = task_for(product, settings)
    if order.tuned:
        task = with_parameters(task, stored_parameters(settings, product))
    tell("read", 0.0)
    frame, snapshot = training_frame(product, settings)
    begun = begin_product(
        task, frame, settings=settings, snapshot=snapshot, progress=tell, trials=order.trials, timeout_s=order.timeout_s,
        seed=order.seed, by=order.by, register=False,
    )
    made = begun.conclude()
    return replace(made, card={name: value for name, value in made.card.items() if name != SAMPLE}), begun.bundle

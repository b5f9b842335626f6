"""Documents of a card, written by one other process while this one goes on training."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from registry.errors import RoadRiskError, TrainingError


class Aside:
    """One worker process for all documents of a command, so that matplotlib and shap are loaded once.

    It is spawned, not forked, at the first document: LightGBM's threads do not survive a fork. Use it as a context: leaving it
    waits for what was begun, or after an error drops what was not.
    """

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=kind is not None)

    def begin(self, facts: Mapping[str, Any], folder: Path, *, font: Path | None) -> Writing:
        """Begin the documents of a card whose facts and sample lie in a folder already."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        return Writing(self._pool.submit(_written, dict(facts), folder, font), str(facts["product"]))


class Writing:
    """Documents in the making."""

    def __init__(self, future: Future[str], product: str) -> None:
        self._future, self._product = future, product

    def wait(self) -> None:
        """Return when the documents lie in their folder.

        Raises
        ------
        TrainingError
            If they could not be written; the message is that of the other process.
        """
        try:
            fault = self._future.result()
        except BrokenProcessPool as error:
            raise TrainingError(
                "the process that writes the documents of cards died", where=self._product,
                remedy="Was memory short? Train this product again.",
            ) from error
        if fault:
            raise TrainingError(f"the documents of the card could not be written: {fault}", where=self._product)


def _written(facts: Mapping[str, Any], folder: Path, font: Path | None) -> str:
    """Write documents in the worker; return what went wrong, for not every exception can be sent home."""
    from training.cards.render import write_documents

    try:
        write_documents(facts, folder, folder, font=font)
    except (RoadRiskError, OSError, ValueError, RuntimeError, LookupError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return ""

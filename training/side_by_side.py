"""Fits beside each other: small boosters grow sooner one per core than one after another on all cores.

With a third of the inputs per tree there is too little in a tree for two threads to share: they wait for each other between
its steps. LightGBM gives the interpreter back while it grows a tree, so threads of one process are enough.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from registry.output import ProgressCallback

Fitted = TypeVar("Fitted")
MOST_ROWS: Final = 2_000_000
"""Above this many rows fits go one after another: each holds a binned copy of its rows, and its trees keep all cores busy."""


def side_by_side(
    fit: Callable[[int, int, ProgressCallback], Fitted], count: int, *, threads: int, n_rows: int,
    progress: ProgressCallback | None = None,
) -> list[Fitted]:
    """Return what `count` fits give, in their order.

    Parameters
    ----------
    fit
        ``fit(index, threads, progress)``; what it returns may not depend on its number of threads.
    count
        How many.
    threads
        Threads of all fits together.
    n_rows
        Rows of the whole matrix.
    progress
        Told about the mean share done, by one thread at a time.

    Raises
    ------
    Exception
        What the first fit in order raises; fits that have not begun then are not begun.
    """
    beside = min(threads, count) if n_rows <= MOST_ROWS else 1
    shares = _Shares(count, progress)
    if beside <= 1:
        return [fit(index, threads, shares.of(index)) for index in range(count)]
    with ThreadPoolExecutor(beside, thread_name_prefix="fit") as pool:
        running = [pool.submit(fit, index, threads // beside, shares.of(index)) for index in range(count)]
        try:
            return [one.result() for one in running]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


class _Shares:
    """One progress out of many: the mean of their shares, which never falls."""

    def __init__(self, count: int, progress: ProgressCallback | None) -> None:
        self._done, self._progress, self._turn = [0.0] * count, progress, threading.Lock()

    def of(self, index: int) -> ProgressCallback:
        """Return the progress callback of one fit."""

        def tell(label: str, share: float) -> None:
            with self._turn:
                self._done[index] = max(self._done[index], share)
                if self._progress is not None:
                    self._progress(label, sum(self._done) / len(self._done))

        return tell

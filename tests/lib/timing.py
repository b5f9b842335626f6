"""Times of several ways to do one thing, taken in turns, so that a busy moment of the machine hits all of them."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any


def medians(ways: Mapping[str, Callable[[], Any]], *, rounds: int, warm: bool = True) -> dict[str, float]:
    """Return way -> median seconds of its turns.

    Parameters
    ----------
    ways
        What is compared.
    rounds
        How often each has its turn.
    warm
        Whether each runs once before it counts.
    """
    if warm:
        for way in ways.values():
            way()
    spent: dict[str, list[float]] = {name: [] for name in ways}
    # What the imports left is set aside, so that no turn pays for collecting it.
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            spent[name].append(time.perf_counter() - started)
    gc.unfreeze()
    return {name: median(seconds) for name, seconds in spent.items()}

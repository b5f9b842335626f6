"""Whose arithmetic explains: our kernel where it covers every booster of a score, LightGBM's own code where not."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from registry.encoding import Matrix
from registry.errors import BundleRefused
from registry.treeshap.exact import ENGINE, ExactForests
from registry.treeshap.forest import NotCovered, parse_forest

PRED_CONTRIB: Final = "pred_contrib"
"""LightGBM's own TreeSHAP."""


def engine_for(texts: Iterable[str]) -> str:
    """Return the best engine that covers every one of these model texts."""
    try:
        for text in texts:
            parse_forest(text)
    except NotCovered:
        return PRED_CONTRIB
    return ENGINE


class ExactBoosters:
    """Exact contributions of the boosters of one score.

    Parameters
    ----------
    texts
        Model texts, verified.
    boosters
        The same, as `lightgbm.Booster`.
    engine
        Whose arithmetic is used unless a call asks for another.
    threads
        Threads for many rows.
    """

    def __init__(self, texts: Sequence[str], boosters: Sequence[Any], *, engine: str, threads: int) -> None:
        self.engine = engine
        self._texts, self._boosters, self._threads = texts, boosters, threads
        self._lock = threading.Lock()
        self._forests: ExactForests | None = None

    def contributions(self, matrix: Matrix, engine: str | None = None) -> tuple[Sequence[float], Matrix]:
        """Return the expected value of each booster, and (n, n_boosters, n_features) contributions.

        Raises
        ------
        BundleRefused
            If this version does not have the engine, or the engine does not cover the boosters.
        """
        match engine or self.engine:
            case "treeshap/1":
                forests = self._prepared()
                return forests.expected, forests.explain(matrix, threads=self._threads)[0]
            case "pred_contrib":
                expected, parts = zip(*(self._by_lightgbm(booster, matrix) for booster in self._boosters), strict=True)
                return expected, np.stack(parts, axis=1)
            case unknown:
                raise BundleRefused(
                    f"this version has no engine {unknown!r}", where="explanation",
                    remedy="Use the version of the platform that made the bundle or the record.",
                )

    def threaded(self, threads: int) -> ExactBoosters:
        """Return the same with another number of threads for many rows."""
        made = copy.copy(self)
        made._threads = threads
        return made

    def _by_lightgbm(self, booster: Any, matrix: Matrix) -> tuple[float, Matrix]:
        values = np.asarray(booster.predict(matrix, pred_contrib=True, num_threads=self._threads))
        # The expected value is one number; an empty matrix has none to show.
        return (float(values[0, -1]) if len(values) else 0.0), values[:, :-1]

    def _prepared(self) -> ExactForests:
        # Made when first needed: a process that only predicts has no use for it.
        if self._forests is None:
            with self._lock:
                if self._forests is None:
                    try:
                        self._forests = ExactForests(self._texts)
                    except NotCovered as error:
                        raise BundleRefused(f"engine {ENGINE} does not cover the boosters: {error}") from error
        return self._forests

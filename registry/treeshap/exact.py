"""Exact contributions of rows, from a booster's text: the kernel where it covers the model, LightGBM's own code where not."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np

from registry.errors import BundleRefused
from registry.treeshap.forest import Floats, parse_forest
from registry.treeshap.paths import prepare

ENGINE: Final = "treeshap/1"
"""Name of this arithmetic. A change that moves a last bit gets a new one, because records name the engine that they rest on."""
LEAST_ROWS_PER_THREAD: Final = 64


class ExactForests:
    """Exact path-dependent TreeSHAP values of the boosters of one score, all of them in one walk.

    Parameters
    ----------
    texts
        Their model texts, verified; at least one.

    Raises
    ------
    NotCovered
        If a model has what the kernel does not explain.
    BundleRefused
        If a text does not describe trees, or the models do not read the same features.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        forests = [parse_forest(text) for text in texts]
        self.n_features = forests[0].n_features
        if any(forest.n_features != self.n_features for forest in forests):
            raise BundleRefused("the boosters of one score have different numbers of features")
        paths = prepare(forests)
        self.expected = paths.expected
        self._arrays, self._most_splits = paths.arrays(), paths.most_splits

    def explain(self, matrix: Floats, *, threads: int = 1) -> tuple[Floats, Floats]:
        """Return contributions (n, n_boosters, n_features) and raw margins (n, n_boosters).

        A booster's `expected` plus a row's contributions is its margin. A row's values do not depend on the other rows or on the
        number of threads.
        """
        from registry.treeshap.kernel import explain_rows

        # The kernel is compiled for one kind of arrays: aligned, contiguous and writable. To ask first is cheaper for one row.
        as_needed = matrix.dtype == np.float64 and matrix.flags.carray
        rows = matrix if as_needed else np.require(matrix, np.float64, ["C", "A", "W"])
        if rows.ndim != 2 or rows.shape[1] != self.n_features:
            raise ValueError(f"a matrix of shape {rows.shape} has not {self.n_features} features")
        n, n_boosters = len(rows), len(self.expected)
        out, raw = np.zeros((n, n_boosters, self.n_features)), np.zeros((n, n_boosters))
        parts = max(1, min(threads, n // LEAST_ROWS_PER_THREAD))
        if parts == 1:
            explain_rows(*self._arrays, rows, out, raw, self._most_splits)
            return out, raw
        edges = np.linspace(0, n, parts + 1).astype(int).tolist()
        # The kernel lets go of the interpreter's lock, so plain threads share the rows.
        with ThreadPoolExecutor(parts) as pool:
            tasks = [
                pool.submit(partial(explain_rows, *self._arrays), rows[a:b], out[a:b], raw[a:b], self._most_splits)
                for a, b in pairwise(edges)
            ]
            for task in tasks:
                task.result()
        return out, raw


class ExactForest:
    """The same of one booster; it raises what `ExactForests` raises."""

    def __init__(self, text: str) -> None:
        self._forests = ExactForests([text])
        (self.expected,) = self._forests.expected

    def explain(self, matrix: Floats, *, threads: int = 1) -> tuple[Floats, Floats]:
        """Return contributions (n, n_features) and raw margins (n,)."""
        out, raw = self._forests.explain(matrix, threads=threads)
        return out[:, 0], raw[:, 0]

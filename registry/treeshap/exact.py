"""Exact contributions of rows, from a booster's text: the kernel where it covers the model, LightGBM's own code where not."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Final

import numpy as np

from registry.errors import BundleRefused
from registry.treeshap.forest import Floats, parse_forest
from registry.treeshap.paths import prepare

ENGINE: Final = "treeshap/1"
"""Name of this arithmetic. A change that moves a last bit gets a new one, because records name the engine that they rest on."""
LEAST_ROWS_PER_THREAD: Final = 64
MANY: Final = 64
"""From so many rows on it pays to look for those that go the same way at every split of a tree."""
_MOST_AT_ONCE: Final = 2048
_SHARED_BYTES: Final = 16 * 1024 * 1024
"""How much may be kept for the rows that go the same way, at one time and for one tree."""


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
        kept = 8 * (2 * int(paths.walks.max(initial=1)) * paths.most_splits + 1)
        self._at_once = max(MANY, min(_MOST_AT_ONCE, _SHARED_BYTES // kept))

    def explain(self, matrix: Floats, *, threads: int = 1) -> tuple[Floats, Floats]:
        """Return contributions (n, n_boosters, n_features) and raw margins (n, n_boosters).

        A booster's `expected` plus a row's contributions is its margin. A row's values do not depend on the other rows or on the
        number of threads.
        """
        # The kernel is compiled for one kind of arrays: aligned, contiguous and writable. To ask first is cheaper for one row.
        as_needed = matrix.dtype == np.float64 and matrix.flags.carray
        rows = matrix if as_needed else np.require(matrix, np.float64, ["C", "A", "W"])
        if rows.ndim != 2 or rows.shape[1] != self.n_features:
            raise ValueError(f"a matrix of shape {rows.shape} has not {self.n_features} features")
        n, n_boosters = len(rows), len(self.expected)
        out, raw = np.zeros((n, n_boosters, self.n_features)), np.zeros((n, n_boosters))
        parts = max(1, min(threads, n // LEAST_ROWS_PER_THREAD))
        if parts == 1:
            self._add(rows, out, raw)
            return out, raw
        edges = np.linspace(0, n, parts + 1).astype(int).tolist()
        # The kernel lets go of the interpreter's lock, so plain threads share the rows.
        with ThreadPoolExecutor(parts) as pool:
            for task in [pool.submit(self._add, rows[a:b], out[a:b], raw[a:b]) for a, b in pairwise(edges)]:
                task.result()
        return out, raw

    def _add(self, rows: Floats, out: Floats, raw: Floats) -> None:
        """Add contributions and margins of rows; the bytes are the same whichever way they are walked."""
        if len(rows) < MANY:
            from registry.treeshap.kernel import explain_rows

            explain_rows(*self._arrays, rows, out, raw, self._most_splits)
            return
        from registry.treeshap.many_kernel import explain_many

        for first in range(0, len(rows), self._at_once):
            part = slice(first, first + self._at_once)
            some = rows[part]
            apart = np.zeros((*out.shape[1:], len(some)))
            margins = np.zeros((len(self.expected), len(some)))
            explain_many(*self._arrays, some, np.ascontiguousarray(some.T), apart, margins, self._most_splits)
            out[part], raw[part] = apart.transpose(2, 0, 1), margins.T


class ExactForest:
    """The same of one booster; it raises what `ExactForests` raises."""

    def __init__(self, text: str) -> None:
        self._forests = ExactForests([text])
        (self.expected,) = self._forests.expected

    def explain(self, matrix: Floats, *, threads: int = 1) -> tuple[Floats, Floats]:
        """Return contributions (n, n_features) and raw margins (n,)."""
        out, raw = self._forests.explain(matrix, threads=threads)
        return out[:, 0], raw[:, 0]

"""Exact contributions of rows, from a booster's text: the kernel where it covers the model, LightGBM's own code where not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np

from registry.treeshap.forest import Floats, parse_forest
from registry.treeshap.paths import prepare

ENGINE: Final = "treeshap/1"
"""Name of this arithmetic. A change that moves a last bit gets a new one, because records name the engine that they rest on."""
LEAST_ROWS_PER_THREAD: Final = 64


class ExactForest:
    """Exact path-dependent TreeSHAP values of one booster.

    Parameters
    ----------
    text
        Its model text, verified.

    Raises
    ------
    NotCovered
        If the model has what the kernel does not explain.
    BundleRefused
        If the text does not describe trees.
    """

    def __init__(self, text: str) -> None:
        forest = parse_forest(text)
        paths = prepare(forest)
        self.n_features = forest.n_features
        self.expected = paths.expected
        self._arrays, self._most_nodes = paths.arrays(), paths.most_nodes

    def explain(self, matrix: Floats, *, threads: int = 1) -> tuple[Floats, Floats]:
        """Return contributions (n, n_features) and raw margins (n,); `expected` plus a row's contributions is its margin.

        A row's values do not depend on the other rows or on the number of threads.
        """
        from registry.treeshap.kernel import explain_rows

        # The kernel is compiled for one kind of arrays: aligned, contiguous and writable. To ask first is cheaper for one row.
        as_needed = matrix.dtype == np.float64 and matrix.flags.carray
        rows = matrix if as_needed else np.require(matrix, np.float64, ["C", "A", "W"])
        if rows.ndim != 2 or rows.shape[1] != self.n_features:
            raise ValueError(f"a matrix of shape {rows.shape} has not {self.n_features} features")
        out, raw = np.zeros(rows.shape), np.zeros(len(rows))
        parts = max(1, min(threads, len(rows) // LEAST_ROWS_PER_THREAD))
        if parts == 1:
            explain_rows(*self._arrays, rows, out, raw, self._most_nodes)
            return out, raw
        edges = np.linspace(0, len(rows), parts + 1).astype(int).tolist()
        # The kernel lets go of the interpreter's lock, so plain threads share the rows.
        with ThreadPoolExecutor(parts) as pool:
            tasks = [
                pool.submit(partial(explain_rows, *self._arrays), rows[a:b], out[a:b], raw[a:b], self._most_nodes)
                for a, b in pairwise(edges)
            ]
            for task in tasks:
                task.result()
        return out, raw

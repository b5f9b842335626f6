"""Rows of a matrix as LightGBM reads them batch by batch, so that a selection of many rows is never copied whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from registry.encoding import Matrix
from training.matrix import Mask

BATCH_ROWS: Final = 1 << 16
LEAST_ROWS: Final = 500_000
"""Fewer rows are copied: drawing the sample for the bins row by row costs LightGBM a second, whatever their number."""


class MatrixRows:
    """Chosen rows of a matrix, read as `lightgbm.Sequence` is.

    Parameters
    ----------
    matrix
        (n, n_features), of either float width; batches are float64, which is exact for both.
    rows
        (n,) which rows.
    """

    batch_size = BATCH_ROWS

    def __init__(self, matrix: Matrix, rows: Mask) -> None:
        self._matrix, self._positions = matrix, np.flatnonzero(rows)

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, chosen: int | slice | list[int]) -> Matrix:
        batch: Matrix = self._matrix[self._positions[chosen]].astype(np.float64, copy=False)
        return batch

    def batches(self) -> Iterator[tuple[slice, Matrix]]:
        """Yield every batch and which of the chosen rows it holds."""
        for start in range(0, len(self), self.batch_size):
            chosen = slice(start, min(start + self.batch_size, len(self)))
            yield chosen, self[chosen]


def readable(matrix: Matrix, rows: Mask) -> Any:
    """Return what a `lightgbm.Dataset` of these rows is made from: a copy of few rows, a reader of many.

    Both give the same bins, and so the same trees: the sample that bins are found from is drawn by LightGBM itself.
    """
    import lightgbm

    if int(rows.sum()) < LEAST_ROWS:
        return matrix[rows]
    lightgbm.Sequence.register(MatrixRows)
    return MatrixRows(matrix, rows)


def predicted(booster: Any, matrix: Matrix, rows: Mask, *, threads: int) -> Matrix:
    """Return (number of rows,) raw margins of a booster on these rows, without a copy of them."""
    reader = MatrixRows(matrix, rows)
    margins = np.empty(len(reader))
    for chosen, batch in reader.batches():
        margins[chosen] = booster.predict(batch, raw_score=True, num_threads=threads)
    return margins

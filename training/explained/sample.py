"""Rows on which explanations are audited: of the test period, with the score's own points and contributions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from registry.encoding import Matrix
from registry.reasons import SUPPRESS
from registry.scorer import Explanation, Scorer
from training.splits import FOLD, TEST, TRAIN, VALID

ROWS: Final = 300
BACKGROUND: Final = 50

Codes = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Sample:
    """A verified score on some rows.

    Parameters
    ----------
    scorer
        The score.
    positions
        (n,) positions of the rows in the frame that they were drawn from.
    matrix
        (n, n_features) encoded rows of the test period.
    background
        (m, n_features) encoded rows of the reference population.
    columns
        Columns that are numbers, not categories.
    """

    scorer: Scorer
    positions: Codes
    matrix: Matrix
    background: Matrix
    columns: Codes

    @cached_property
    def explanation(self) -> Explanation:
        """The exact explanation of the rows, as the service gives it."""
        return self.scorer.explain(self.matrix)

    @property
    def contributions(self) -> Matrix:
        """(n, n_features) points."""
        return self.explanation.contributions

    @property
    def points(self) -> Matrix:
        """(n,) clamped points, predicted and not summed."""
        return self.scorer.points(self.matrix)

    @cached_property
    def typical(self) -> Matrix:
        """(n_features,) what stands for an input that is taken away: its median, or most frequent code, in the background."""
        values = np.empty(self.matrix.shape[1])
        numbers = set(self.columns.tolist())
        for j in range(self.matrix.shape[1]):
            known = self.background[:, j][~np.isnan(self.background[:, j])]
            if not len(known):
                values[j] = np.nan
            elif j in numbers:
                values[j] = float(np.median(known))
            else:
                codes, counts = np.unique(known, return_counts=True)
                values[j] = float(codes[np.argmax(counts)])
        return values


def draw_sample(scorer: Scorer, frame: pd.DataFrame, *, seed: int, rows: int = ROWS, background: int = BACKGROUND) -> Sample:
    """Return rows of the test period and a background of the development period, drawn at random.

    Parameters
    ----------
    frame
        (n, columns) with a fold, as `training.products.training_frame` returns it.
    """
    rng, fold = np.random.default_rng(seed), frame[FOLD].to_numpy(dtype=object)
    tested = np.flatnonzero(fold == TEST)
    known = np.flatnonzero((fold == TRAIN) | (fold == VALID))
    chosen = np.sort(rng.choice(tested, min(rows, len(tested)), replace=False))
    behind = np.sort(rng.choice(known, min(background, len(known)), replace=False))
    numbers = [j for j, feature in enumerate(scorer.manifest.features) if feature.dtype == "float"]
    return Sample(
        scorer, chosen.astype(np.intp), scorer.encode_frame(frame.iloc[chosen]), scorer.encode_frame(frame.iloc[behind]),
        np.array(numbers, dtype=np.intp),
    )


def top_codes(scorer: Scorer, contributions: Matrix) -> list[tuple[str, ...]]:
    """Return the reason codes that each row would be given, in order, by the rule of the service.

    Parameters
    ----------
    contributions
        (n, n_features) points.
    """
    codes = scorer.manifest.reason_codes
    found = []
    for row in contributions.tolist():
        totals = zip(codes.sums(row), codes.names, strict=True)
        pairs = [(total, code) for total, code in totals if abs(total) >= SUPPRESS.least_points]
        pairs.sort(key=lambda one: (one[0] < 0, -abs(one[0]), one[1]))
        found.append(tuple(code for _, code in pairs[: SUPPRESS.most_reasons]))
    return found


def overlap(left: list[tuple[str, ...]], right: list[tuple[str, ...]]) -> dict[str, Any]:
    """Return how alike two lists of reasons are: mean Jaccard index, and the share with the same first reason."""
    jaccard = [len(set(a) & set(b)) / len(set(a) | set(b)) if a or b else 1.0 for a, b in zip(left, right, strict=True)]
    first = [a[:1] == b[:1] for a, b in zip(left, right, strict=True)]
    return {"jaccard": float(np.mean(jaccard)), "same_first": float(np.mean(first))}


def row_correlation(left: Matrix, right: Matrix) -> Matrix:
    """Return (n,) correlations of the rows of two matrices; NaN where a row does not vary."""
    a, b = left - left.mean(axis=1, keepdims=True), right - right.mean(axis=1, keepdims=True)
    below = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    found: Matrix = np.divide((a * b).sum(axis=1), below, out=np.full(len(a), np.nan), where=below > 0)
    return found

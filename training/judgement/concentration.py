"""Gini and AUC within strata, for the rows as they are and for every bootstrap draw, on rows that are sorted once.

Both are one area: cumulate an x and a y over rows from the safest to the riskiest, and take the trapezoids under y. With
x = exposure and y = outcome the Gini index is one minus twice the area as a share; with x = events and y = non-events the AUC is
the share itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from registry.encoding import Matrix
from training.judgement.resampling import Codes, Draws, sums_by
from training.matrix import Mask


@dataclass(frozen=True)
class Concentration:
    """Rows sorted by stratum and ranking, and cut into blocks that no draw needs to look into.

    A block is the rows of one ranking, so that ties are one step. Neighbouring blocks without an event are one: the curve
    is straight there, and events are rare.

    Parameters
    ----------
    block
        (n,) block of each row, ascending along the curve.
    first
        First block of each stratum.
    x, y
        (n,) what is cumulated along the curve.
    binary
        AUC instead of Gini.
    """

    block: Codes
    first: Codes
    x: Matrix
    y: Matrix
    binary: bool

    @classmethod
    def of(
        cls, ranking: Matrix, label: Matrix, weight: Matrix, *, binary: bool, stratum: Codes | None = None
    ) -> Concentration:
        """Return sorted rows.

        Parameters
        ----------
        ranking, label, weight
            (n,) what orders, the outcome (0 or 1 where `binary`, else per unit of weight), and the weight.
        binary
            AUC instead of Gini.
        stratum
            (n,) stratum of each row, 0 and up without a gap; None for one.
        """
        within = np.zeros(len(ranking), dtype=np.intp) if stratum is None else stratum
        outcome = weight * label
        block, first = _blocks(ranking, within, outcome > 0)
        x, y = (outcome, weight - outcome) if binary else (weight, outcome)
        return cls(block, first, x, y, binary)

    def value(self) -> Matrix:
        """Return (n_strata,) measure of each stratum; NaN where there is no event, or nothing else."""
        return self._whole()[0]

    def weights(self) -> Matrix:
        """Return (n_strata,) weight of each stratum."""
        return self._whole()[1]

    def drawn(self, draws: Draws) -> tuple[Matrix, Matrix]:
        """Return (replicates, n_strata) measures, and the weights of the strata in each draw."""
        x, y = (self._by_group(axis, draws.codes, draws.n_groups) for axis in (self.x, self.y))
        parts = [self._measure(x @ times, y @ times) for times in draws.chunks()]
        measures, weights = zip(*parts, strict=True) if parts else ([np.empty((len(self.first), 0))],) * 2
        return np.concatenate(measures, axis=1).T, np.concatenate(weights, axis=1).T

    def _whole(self) -> tuple[Matrix, Matrix]:
        count = int(self.block.max()) + 1
        x, y = (sums_by(self.block, axis, count)[:, None] for axis in (self.x, self.y))
        measure, weight = self._measure(x, y)
        return measure[:, 0], weight[:, 0]

    def _by_group(self, axis: Matrix, codes: Codes, n_groups: int) -> Any:
        """Return the sparse (n_blocks, n_groups) sums of an axis: times a draw they are its curve's steps."""
        from scipy.sparse import csr_array

        some = axis != 0
        shape = (int(self.block.max()) + 1, n_groups)
        return csr_array((axis[some], (self.block[some], codes[some])), shape=shape)

    def _measure(self, x: Matrix, y: Matrix) -> tuple[Matrix, Matrix]:
        """Return (n_strata, k) measures and weights of k curves, given by their (n_blocks, k) steps."""
        width, height = (np.add.reduceat(axis, self.first, axis=0) for axis in (x, y))
        reached = np.cumsum(y, axis=0)
        area = np.add.reduceat(x * (2 * reached - y), self.first, axis=0)
        # A stratum's own curve begins at zero: take away what lay before it.
        start = np.cumsum(height, axis=0) - height
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (area - 2 * start * width) / (width * height)
        share[(width <= 0) | (height <= 0)] = np.nan
        return (share / 2, width + height) if self.binary else (1 - share, width)


def _blocks(ranking: Matrix, stratum: Codes, event: Mask) -> tuple[Codes, Codes]:
    order = np.lexsort((ranking, stratum))
    ordered, strata = ranking[order], stratum[order]
    other_stratum = np.diff(strata, prepend=-1) != 0
    step = np.cumsum(other_stratum | (np.diff(ordered, prepend=np.nan) != 0)) - 1
    starts = np.flatnonzero(np.diff(step, prepend=-1))
    eventful = np.logical_or.reduceat(event[order], starts)
    opens = other_stratum[starts] | eventful | np.append(True, eventful[:-1])
    block_of_step = np.cumsum(opens) - 1
    block = np.empty(len(ranking), dtype=np.intp)
    block[order] = block_of_step[step]
    return block, block_of_step[other_stratum[starts]]


def pooled(measures: Matrix, weights: Matrix) -> Matrix:
    """Return (k,) weighted means over the strata of (k, n_strata) measures; strata without a measure do not count."""
    usable = np.isfinite(measures)
    mass = np.where(usable, weights, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((np.where(usable, measures, 0.0) * mass).sum(axis=1) / mass.sum(axis=1))


def quintiles(values: Matrix, shares: Sequence[float] = (0.2, 0.4, 0.6, 0.8)) -> Codes:
    """Return (n,) quintile of each value, 0 and up without a gap; equal values stay together, missing are a last one."""
    known = values[~np.isnan(values)]
    edges = np.unique(np.quantile(known, shares)) if len(known) else np.array([])
    position = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="right"))
    return np.unique(position, return_inverse=True)[1].astype(np.intp)

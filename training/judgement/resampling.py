"""Bootstrap by group: one set of draws that every figure shares, so that differences are paired."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from registry.encoding import Matrix

LEVEL: Final = 0.95
CHUNK: Final = 64
"""So many draws are worked on at a time, which bounds the memory."""

Codes = npt.NDArray[np.intp]
Interval = list[float]


@dataclass(frozen=True)
class Draws:
    """Draws of groups with replacement.

    Parameters
    ----------
    codes
        (n,) position of each row's group.
    times
        (replicates, n_groups) how often each group is drawn.

    References
    ----------
    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, sections 8.3 and 13.3.
    """

    codes: Codes
    times: Matrix

    @classmethod
    def of(cls, groups: npt.NDArray[Any] | pd.Series, *, replicates: int, seed: int) -> Draws:
        """Return draws of the groups of n rows."""
        codes, names = pd.factorize(groups)
        generator, count = np.random.default_rng(seed), len(names)
        times = np.empty((replicates, count))
        for position in range(replicates):
            times[position] = np.bincount(generator.integers(0, count, count), minlength=count)
        return cls(codes, times)

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.times.shape[1])

    def chunks(self) -> Iterator[Matrix]:
        """Yield the draws a few at a time, (n_groups, at most `CHUNK`)."""
        for start in range(0, len(self.times), CHUNK):
            yield np.ascontiguousarray(self.times[start:start + CHUNK].T)

    def totals(self, values: Matrix) -> Matrix:
        """Return (replicates, k) totals of (n, k) values: sums only need each group's own sum."""
        columns = values.reshape(len(values), -1)
        sums = np.column_stack([sums_by(self.codes, columns[:, k], self.n_groups) for k in range(columns.shape[1])])
        return np.asarray(self.times @ sums)

    def totals_by(self, values: Matrix, stratum: Codes, count: int) -> Matrix:
        """Return (replicates, count) totals of (n,) values within each of `count` strata."""
        sums = sums_by(self.codes * count + stratum, values, self.n_groups * count)
        return np.asarray(self.times @ sums.reshape(self.n_groups, count))


def sums_by(codes: Codes, values: Matrix, count: int) -> Matrix:
    """Return (count,) sums of (n,) values by (n,) code."""
    return np.bincount(codes, values, minlength=count).astype(np.float64)


def interval(values: Matrix, *, level: float = LEVEL) -> Interval | None:
    """Return the percentile interval of (replicates,) values; None where hardly any is finite.

    A draw in which a figure does not exist (no event was drawn) says nothing about it.
    """
    finite = values[np.isfinite(values)]
    if len(finite) < max(2, len(values) / 2):
        return None
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return [float(low), float(high)]


def excludes_zero(found: Interval | None) -> str:
    """Return which side of zero an interval of (score - other) lies on: beats, loses, or equal."""
    if found is None:
        return "unknown"
    if found[0] > 0:
        return "beats"
    return "loses" if found[1] < 0 else "equal"

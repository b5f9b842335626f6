"""Recourse (整改路径): the fewest changes that would bring a score below a limit, found by looking at all of them.

A forest is a step function: moved alone, an input changes the score at the thresholds of its splits and nowhere else. So an
input has a finite list of values worth trying, and where its direction is promised (a monotone constraint) the last is the best.
Whether a set of inputs can bring the score below the limit is then one question, and all sets of one, two and three inputs can
be asked. Of each set that can, every change is made as small as the others allow.

Only inputs are moved that the subject can change and whose direction is promised; downhill only; and never to a better value
than the median of the reference population, which half of the peers have. [A] So each answer is a place where peers are.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, islice, pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from registry.encoding import Matrix
from registry.treeshap.forest import CATEGORICAL, parse_forest

if TYPE_CHECKING:
    from registry.scorer import Scorer

MOST_CHANGES: Final = 3
MOST_ROWS: Final = 20_000
"""Sets of one size that are tried; beyond it the answer says that not all were."""
RELAXED: Final = 8
"""Sets whose changes are made as small as they may be, those that lower the score most."""
ROUNDING: Final = 0.02
"""Part of the way to the median by which a change may be larger than it must be, for a number of fewer digits. [A]"""


@dataclass(frozen=True)
class Move:
    """One input moved: its column, from where, to where, and which part of the way to the peers' median that is."""

    column: int
    old: float
    new: float
    share: float


@dataclass(frozen=True)
class Way:
    """Moves that bring the score below the limit together, and the points then."""

    moves: tuple[Move, ...]
    points: float

    @property
    def effort(self) -> float:
        """Parts of ways, added up."""
        return sum(move.share for move in self.moves)


@dataclass(frozen=True)
class Recourse:
    """What a search found.

    Parameters
    ----------
    ways
        The ways of the fewest changes, the least effort first; none where three changes are not enough.
    reachable
        Points with every move made as far as it goes.
    n_inputs
        Inputs that could be moved.
    exhaustive
        Whether all sets of the sizes that were tried were looked at.
    """

    ways: tuple[Way, ...]
    reachable: float
    n_inputs: int
    exhaustive: bool


def search(scorer: Scorer, row: Matrix, *, below: float, columns: Collection[int], most_ways: int = 3) -> Recourse:
    """Return the fewest changes of a row that bring its points below a limit.

    Parameters
    ----------
    scorer
        The score.
    row
        (n_features,) encoded inputs; what is missing is not moved.
    below
        Points that must not be reached any more.
    columns
        Columns that may be moved; those without a promised direction are left out.
    most_ways
        How many ways to return.
    """
    steps = {column: found for column in sorted(columns) if len(found := _steps(scorer, row, column))}
    if not steps:
        return Recourse((), float(scorer.points(row[None])[0]), 0, exhaustive=True)
    last = {column: values[-1] for column, values in steps.items()}
    reachable = float(scorer.points(_moved(row, [last]))[0])
    if reachable >= below:
        return Recourse((), reachable, len(steps), exhaustive=True)
    exhaustive = True
    for n in range(1, min(MOST_CHANGES, len(steps)) + 1):
        sets = list(islice(combinations(steps, n), MOST_ROWS))
        exhaustive = exhaustive and len(sets) == math.comb(len(steps), n)
        points = scorer.points(_moved(row, [{column: last[column] for column in one} for one in sets]))
        able = [sets[place] for place in np.argsort(points, kind="stable") if points[place] < below]
        if able:
            ways = [_smallest(scorer, row, {column: steps[column] for column in one}, below) for one in able[:RELAXED]]
            return Recourse(tuple(sorted(ways, key=_order)[:most_ways]), reachable, len(steps), exhaustive)
    return Recourse((), reachable, len(steps), exhaustive)


def _order(way: Way) -> tuple[float, float, tuple[int, ...]]:
    return way.effort, way.points, tuple(move.column for move in way.moves)


def _smallest(scorer: Scorer, row: Matrix, steps: dict[int, list[float]], below: float) -> Way:
    """Return a way none of whose changes can be smaller while the others stay."""
    chosen = {column: values[-1] for column, values in steps.items()}
    for column, values in steps.items():
        points = scorer.points(_moved(row, [chosen | {column: value} for value in values]))
        chosen[column] = values[int(np.argmax(points < below))]
    moves = []
    for column, new in chosen.items():
        old, end = float(row[column]), _median(scorer, column)
        moves.append(Move(column, old, new, (new - old) / (end - old)))
    return Way(tuple(moves), float(scorer.points(_moved(row, [chosen]))[0]))


def _moved(row: Matrix, changes: Sequence[dict[int, float]]) -> Matrix:
    rows = np.repeat(row[None], len(changes), axis=0)
    for place, change in enumerate(changes):
        rows[place, list(change)] = list(change.values())
    return rows


def _median(scorer: Scorer, column: int) -> float:
    median = scorer.manifest.reference.medians.get(scorer.manifest.features[column].name)
    return math.nan if median is None else median


def _steps(scorer: Scorer, row: Matrix, column: int) -> list[float]:
    """Return the values worth trying, the nearest first: one for each piece of the step function down to the median."""
    direction, start, end = scorer.manifest.features[column].monotone, float(row[column]), _median(scorer, column)
    if not direction or math.isnan(start) or math.isnan(end) or (end - start) * direction >= 0:
        return []
    # A split sends what is not above its threshold to the left: a piece ends with a threshold and begins just above one.
    cuts, rounding = thresholds(scorer)[column], ROUNDING * abs(end - start)
    if direction > 0:
        ends = [*(cut for cut in reversed(cuts) if end <= cut < start), -math.inf]
        return [max(_short(max(lower, upper - rounding), upper), end) for upper, lower in pairwise(ends)]
    begins = [*(cut for cut in cuts if start <= cut < end), math.inf]
    return [
        -_short(-min(upper, end, lower + rounding), -math.nextafter(lower, math.inf)) for lower, upper in pairwise(begins)
    ]


def _short(lower: float, upper: float) -> float:
    """Return the number of fewest digits that is above `lower` and not above `upper`, close to `upper`."""
    for digits in range(-3, 9):
        factor = 10.0**digits
        short = math.floor(upper * factor) / factor
        if lower < short <= upper:
            return short
    return upper


@lru_cache(maxsize=32)
def thresholds(scorer: Scorer) -> list[list[float]]:
    """Return for each column the thresholds of all its splits, ascending."""
    found: list[set[float]] = [set() for _ in scorer.manifest.features]
    for component in scorer.manifest.components:
        for tree in parse_forest(scorer.bundle.booster_text(component.name)).trees:
            for feature, threshold, decision in zip(tree.feature, tree.threshold, tree.decision, strict=True):
                if not int(decision) & CATEGORICAL:
                    found[int(feature)].add(float(threshold))
    return [sorted(one) for one in found]

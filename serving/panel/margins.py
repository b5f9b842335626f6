"""Margins of many rows and their exact decomposition, of the components that enter the score alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from registry.scale import POINTS_MAX, POINTS_MIN
from registry.treeshap.forest import NotCovered
from registry.treeshap.patterns import ENGINE, PatternForest

if TYPE_CHECKING:
    from registry.encoding import Matrix
    from registry.scorer import Scorer


@dataclass(frozen=True)
class Decomposed:
    """Exact decomposition of n scores.

    Parameters
    ----------
    contributions
        (n, n_features) in points.
    clamp, points
        (n,) in points; base + contributions + clamp = points.
    component_margins
        (n, n_own) calibrated margins of the components that enter the score, in the manifest's order.
    """

    contributions: Matrix
    clamp: Matrix
    points: Matrix
    component_margins: Matrix


class Margins:
    """The components of a bundle that enter its score, ready to explain many rows.

    Parameters
    ----------
    scorer
        A verified bundle.
    threads
        Threads of the explanation; a row's values do not depend on it.
    """

    def __init__(self, scorer: Scorer, *, threads: int = 1) -> None:
        self._scorer, self._threads = scorer, threads
        self._own = [place for place, component in enumerate(scorer.manifest.components) if component.weight]
        self._components = [scorer.manifest.components[place] for place in self._own]
        try:
            self._forests = [PatternForest(scorer.bundle.booster_text(component.name)) for component in self._components]
            self.engine = ENGINE
        except NotCovered:
            # Trees that tables do not hold are explained row by row, as the bundle says.
            self._forests, self.engine = [], scorer.engine
        golden = np.array([[np.nan if value is None else value for value in scorer.bundle.golden.rows[0]]])
        bases = [base for base, _ in self._parts(golden)]
        self.base = scorer.manifest.scale.points(
            sum((base * component.weight for base, component in zip(bases, self._components, strict=True)), 0.0)
        )

    def of(self, matrix: Matrix) -> Decomposed:
        """Return the decomposition of rows, (n, n_features) encoded."""
        slope = self._scorer.manifest.scale.slope
        contributions = np.zeros(matrix.shape)
        margins = np.zeros((len(matrix), len(self._components)))
        for place, ((base, values), component) in enumerate(zip(self._parts(matrix), self._components, strict=True)):
            margins[:, place] = base + values.sum(axis=1)
            contributions += values * (component.weight * slope)
        unclamped = self.base + contributions.sum(axis=1)
        clamp = np.clip(unclamped, POINTS_MIN, POINTS_MAX) - unclamped
        return Decomposed(contributions, clamp, unclamped + clamp, margins)

    def _parts(self, matrix: Matrix) -> list[tuple[float, Matrix]]:
        """Return, per component, its calibrated expected value and (n, n_features) contributions to its calibrated margin."""
        if self._forests:
            found = [(forest.expected, forest.explain(matrix, threads=self._threads)) for forest in self._forests]
        else:
            explained = self._scorer.explain(matrix)
            return [
                (float(explained.component_base[place]), explained.component_contributions[:, place]) for place in self._own
            ]
        return [
            (expected * component.slope + component.intercept, values * component.slope)
            for (expected, values), component in zip(found, self._components, strict=True)
        ]

"""The best that any model could do on the inputs that a score reads, estimated where the truth is known.

The oracle, the true intensity itself, knows what no record shows: frailty, who really drove, how a month will turn out. No
score is to be held to that. The ceiling is the conditional mean E[true intensity | inputs]: of all functions of the inputs it
has the least expected deviance, and no function of them orders rows better in expectation.

It is estimated by boosting the *noise-free* intensity on the same inputs, cross-fitted over enterprises: who scores a row has
not seen its enterprise, so nothing is remembered, only inferred. Early stopping looks at the truth of enterprises that the
booster has not seen. What a finite number of enterprises can teach even without noise lies below the conditional mean:

- **lower estimate**: fitted on rows before the test period, as a score is. A model that attains it exists.
- **upper estimate**: fitted also on other enterprises' rows of the test period, and then carried on to infinitely many
  enterprises: between half and all of them the metric rises by g; if its distance to the limit falls with the square root of
  their number, what is left after all of them is g / (sqrt(2) - 1). The square root is the slow end of what boosting shows, so
  this errs upwards.

The ceiling belongs to the inputs: one more informative input raises it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from experiments.oracle_rows import FloatArray, Judged
from registry.output import ProgressCallback
from training.metrics import auc, gini

if TYPE_CHECKING:
    import lightgbm

Mask = npt.NDArray[np.bool_]
ROOT_RATE: Final = 1.0 / (2.0**0.5 - 1.0)
"""What is still to gain after all groups, per gain between half and all, when the distance falls with the square root."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How hard the ceiling is looked for.

    Parameters
    ----------
    folds
        Parts of the enterprises, each predicted by a booster that has not seen it.
    max_rows
        Rows per booster at most, whole enterprises; None for all.
    learning_rate, leaves, depth, max_trees, patience
        Of the boosters.
    """

    folds: int
    max_rows: int | None
    learning_rate: float
    leaves: int
    depth: int
    max_trees: int
    patience: int


FULL: Final = Effort(folds=3, max_rows=None, learning_rate=0.1, leaves=24, depth=6, max_trees=800, patience=30)
QUICK: Final = Effort(folds=2, max_rows=15_000, learning_rate=0.12, leaves=16, depth=5, max_trees=250, patience=15)


@dataclass(frozen=True)
class Ceiling:
    """Predictions of the conditional mean on the test rows, (n_test,) rates or probabilities each.

    Parameters
    ----------
    half, before
        Fitted on rows before the test period of half the enterprises, and of all.
    with_test
        Fitted on other enterprises' rows of the test period too.
    n_groups, trees
        Enterprises and trees of a booster of `before`, means over the folds.
    """

    half: FloatArray
    before: FloatArray
    with_test: FloatArray
    n_groups: float
    trees: float

    def bounds(self, rows: Judged, observed: FloatArray) -> tuple[float, float]:
        """Return lower and upper estimate of the gain on the test rows, `observed` being their (n_test,) outcome."""
        half, low, wide = (gain(rows.kind, observed, s, rows.weight) for s in (self.half, self.before, self.with_test))
        return low, max(low, wide) + max(low - half, 0.0) * ROOT_RATE


def gain(kind: str, observed: FloatArray, score: FloatArray, weight: FloatArray) -> float:
    """Return what a score gains over chance: Gini of counts per exposure, AUC above one half of events.

    `observed` may be the expected outcome in place of the one that happened: the metric is then free of the outcomes' noise and
    has the same expectation up to a term of order 1/n.

    Parameters
    ----------
    kind
        ``poisson`` or ``binary``.
    observed, score, weight
        (n,) arrays.
    """
    if kind == "binary":
        return auc(observed, score, weight) - 0.5
    return gini(observed, score, weight)


def fit_ceiling(
    rows: Judged, matrix: FloatArray, test: Mask, *, categories: Sequence[int] = (), effort: Effort = FULL, seed: int = 0,
    threads: int = 2, progress: ProgressCallback | None = None,
) -> Ceiling:
    """Estimate the conditional mean of the truth on the test rows.

    Parameters
    ----------
    rows
        n rows, all with a known truth.
    matrix
        (n, n_inputs) what the score reads, nulls as NaN.
    test
        (n,) whether a row belongs to the test period.
    categories
        Columns of the matrix that hold codes.
    effort, seed, threads
        The seed decides folds and halves.
    """
    tell = progress or (lambda _label, _share: None)
    generator = np.random.default_rng(seed)
    n_groups = int(rows.group.max()) + 1
    fold = generator.permutation(n_groups)[rows.group] % effort.folds
    order = generator.permutation(n_groups)[rows.group]
    wanted = {"half": (~test, 0.5), "before": (~test, 1.0), "with_test": (np.ones(len(rows), dtype=bool), 1.0)}
    data = _Data(rows, matrix, tuple(categories), order, effort, seed, threads)
    found: dict[str, FloatArray] = {}
    sizes: list[tuple[int, int]] = []
    for index, (name, (usable, share)) in enumerate(wanted.items()):
        prediction = np.zeros(len(rows))
        for part in range(effort.folds):
            tell(f"ceiling {name}", (index + part / effort.folds) / len(wanted))
            booster, used = data.fit(usable & (fold != part), usable & (fold == part), share)
            scored = test & (fold == part)
            prediction[scored] = booster.predict(matrix[scored], num_threads=threads)
            sizes += [(used, booster.best_iteration)] if name == "before" else []
        found[name] = prediction[test]
    used, trees = np.mean(sizes, axis=0).tolist()
    return Ceiling(**found, n_groups=used, trees=trees)


@dataclass(frozen=True)
class _Data:
    """Rows and matrix; `order` ranks enterprises at random, so that a share of them is always the same."""

    rows: Judged
    matrix: FloatArray
    categories: tuple[int, ...]
    order: npt.NDArray[np.int64]
    effort: Effort
    seed: int
    threads: int

    def fit(self, train: Mask, stop: Mask, share: float) -> tuple[lightgbm.Booster, int]:
        """Return the booster of the truth of some rows' first share of enterprises, stopped on others, and how many they are."""
        import lightgbm

        effort = self.effort
        fitted = self._thinned(np.flatnonzero(train), share)
        stopped = self._thinned(np.flatnonzero(stop), 1.0)
        train_set = self._set(fitted)
        booster = lightgbm.train(
            {
                "objective": "cross_entropy" if self.rows.kind == "binary" else "poisson",
                "learning_rate": effort.learning_rate, "num_leaves": effort.leaves, "max_depth": effort.depth,
                "min_data_in_leaf": max(20, min(100, len(fitted) // 200)), "feature_fraction": 0.4,
                "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 1.0, "cat_smooth": 20.0, "max_bin": 127,
                "seed": self.seed, "deterministic": True, "force_row_wise": True, "verbosity": -1,
                "num_threads": self.threads,
            },
            train_set, num_boost_round=effort.max_trees, valid_sets=[self._set(stopped, train_set)],
            callbacks=[lightgbm.early_stopping(effort.patience, verbose=False)],
        )
        return booster, len(np.unique(self.order[fitted]))

    def _thinned(self, positions: npt.NDArray[np.int64], share: float) -> npt.NDArray[np.int64]:
        """Return the rows of the first enterprises by the random order: a share of them, within the row limit."""
        order, limit = self.order[positions], self.effort.max_rows
        groups = np.unique(order)
        if limit is not None and len(positions) > limit:
            share *= limit / len(positions)
        last = groups[max(1, round(share * len(groups))) - 1]
        kept: npt.NDArray[np.int64] = positions[order <= last]
        return kept

    def _set(self, positions: npt.NDArray[np.int64], reference: Any = None) -> lightgbm.Dataset:
        import lightgbm

        return lightgbm.Dataset(
            self.matrix[positions], label=self.rows.truth[positions], weight=self.rows.weight[positions],
            categorical_feature=list(self.categories), reference=reference, params={"max_bin": 127, "verbosity": -1},
        )


HOW: Final[Mapping[str, str]] = {
    "oracle": "The score of a row is its true intensity. It knows what no record shows.",
    "ceiling_low": "Boosting of the true intensity on the inputs of the score, cross-fitted over enterprises, fitted on rows "
                   "before the test period: a function of the inputs that reaches this exists.",
    "ceiling_high": "The same fitted on other enterprises' rows of the test period too, carried on to infinitely many "
                    "enterprises at a square-root rate, the slow end of what boosting shows: it errs upwards.",
    "expected": "The outcome of a row is replaced by its true expectation: the same quantity without the noise of the outcomes "
                "that happened. This is the headline, because a ratio of noisy figures moves by more than what it is to show.",
    "interval": "95 % percentile interval of the ratio under a paired bootstrap of enterprises; the boosters are not refitted.",
}
"""How each figure is found, for the page and the evidence."""

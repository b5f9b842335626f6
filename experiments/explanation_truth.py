"""Explanations held against the truth of the simulated province: whether the score says of a row what truth would.

The true rate of a row is known to the simulation alone. A forest is fitted to its logarithm on the same inputs, without any noise
of outcomes, and explained exactly: what it says is how the true rate hangs on what can be observed. Its contributions, in the
points of the score's scale, stand beside the score's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from experiments.oracle_rows import judged_rows
from registry.encoding import Matrix
from training.explained.sample import Sample, overlap, row_correlation, top_codes
from training.splits import FOLD, TEST

if TYPE_CHECKING:
    from registry.settings import Settings

MOST_ROWS: Final = 30_000
PARAMETERS: Final = {
    "objective": "regression", "num_leaves": 31, "learning_rate": 0.1, "min_data_in_leaf": 50, "deterministic": True,
    "force_row_wise": True, "verbose": -1,
}
TREES: Final = 300


def against_truth(sample: Sample, product: str, settings: Settings, frame: pd.DataFrame) -> dict[str, Any]:
    """Return how far the score's contributions agree with those of the true rate.

    Parameters
    ----------
    sample
        Rows of the test period of the frame.
    frame
        As `training.products.training_frame` returns it.

    Returns
    -------
    dict
        ``n_rows``, ``fitted_rows``; ``d2``: share of the variance of the log rate that the inputs explain on the sample;
        ``correlation`` of contributions per row (median, 5th percentile); ``groups``: the same of sums by feature group;
        ``importance``: rank correlation of mean absolute contributions; ``sign``: share of the score's reasons that have the same
        sign; ``jaccard`` and ``same_first`` of the reasons.
    """
    truth = judged_rows(product, settings, frame).truth
    truth_log = np.log(np.maximum(truth, 1e-12))
    known = np.isfinite(truth)
    rows = np.flatnonzero(known & (frame[FOLD] != TEST).to_numpy())
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(settings.seed).choice(rows, MOST_ROWS, replace=False))
    kept = known[sample.positions]
    matrix = sample.matrix[kept]
    explained, predicted = _explained(sample, sample.scorer.encode_frame(frame.iloc[rows]), truth_log[rows], matrix, settings)
    ours = sample.contributions[kept]
    actual = truth_log[sample.positions][kept]
    groups = [sample.scorer.manifest.groups.sums(row) for row in ours.tolist()], [
        sample.scorer.manifest.groups.sums(row) for row in explained.tolist()
    ]
    return {
        "n_rows": len(matrix), "fitted_rows": len(rows),
        "d2": float(1.0 - np.sum((actual - predicted) ** 2) / np.sum((actual - actual.mean()) ** 2)),
        "correlation": _spread(row_correlation(ours, explained)),
        "groups": _spread(row_correlation(np.array(groups[0]), np.array(groups[1]))),
        "importance": _rank(np.abs(ours).mean(axis=0), np.abs(explained).mean(axis=0)), "sign": _signs(ours, explained),
        **overlap(top_codes(sample.scorer, ours), top_codes(sample.scorer, explained)),
    }


def _explained(sample: Sample, rows: Matrix, target: Matrix, asked: Matrix, settings: Settings) -> tuple[Matrix, Matrix]:
    """Return contributions in points and predictions of the log rate by a forest fitted to the truth."""
    import lightgbm

    categories = [j for j, feature in enumerate(sample.scorer.manifest.features) if feature.dtype == "category"]
    data = lightgbm.Dataset(rows, target, categorical_feature=categories, params={"verbose": -1}, free_raw_data=False)
    parameters = {**PARAMETERS, "seed": settings.seed, "num_threads": settings.threads}
    booster = lightgbm.train(parameters, data, num_boost_round=TREES)
    parts = np.asarray(booster.predict(asked, pred_contrib=True), dtype=np.float64)
    return parts[:, :-1] * sample.scorer.manifest.scale.slope, parts.sum(axis=1)


def _spread(values: Matrix) -> dict[str, float]:
    return {"median": float(np.nanmedian(values)), "p05": float(np.nanpercentile(values, 5))}


def _rank(left: Matrix, right: Matrix) -> float:
    return float(pd.Series(left).corr(pd.Series(right), method="spearman"))


def _signs(ours: Matrix, theirs: Matrix) -> float:
    """Return the share of each row's four strongest contributions that truth has with the same sign."""
    strongest = np.argsort(-np.abs(ours), axis=1, kind="stable")[:, :4]
    mine, true = (np.take_along_axis(values, strongest, axis=1) for values in (ours, theirs))
    return float(np.mean(np.sign(mine) == np.sign(true)))

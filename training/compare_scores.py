"""How far scores, tiers and reasons move from one version to another on the same rows."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from registry.encoding import Matrix
from registry.scorer import Scorer
from training.judgement.subject import Subject, tiers_of
from training.matrix import evenly_spaced

EXPLAINED_ROWS: Final = 1000
MAX_REASONS: Final = 4
LEAST_POINTS: Final = 0.5
TIERS: Final = ("blue", "yellow", "orange", "red")
BINS: Final = 60


def dislocation(a: Subject, b: Subject) -> dict[str, Any]:
    """Return how points and tiers of A differ from those of B on every row.

    Returns
    -------
    dict
        Mean, median, 95th percentile and largest absolute difference of points; `rank_correlation` (Spearman, ties at their mean
        rank); `tiers`: shares of all rows, lines for B's tier and columns for A's; `tier_changed`, `tier_raised`; a histogram of
        A minus B.
    """
    moved = a.points - b.points
    from_b, to_a = tiers_of(b.scorer, b.points), tiers_of(a.scorer, a.points)
    matrix = np.bincount(from_b * 4 + to_a, minlength=16).reshape(4, 4) / len(moved)
    size = np.abs(moved)
    counts, edges = np.histogram(moved, bins=BINS)
    return {
        "mean_abs_points": float(size.mean()), "median_abs_points": float(np.median(size)),
        "p95_abs_points": float(np.quantile(size, 0.95)), "max_abs_points": float(size.max()), "mean_points": float(moved.mean()),
        "rank_correlation": spearman(a.points, b.points), "tier_names": list(TIERS), "tiers": matrix.tolist(),
        "tier_changed": float((from_b != to_a).mean()), "tier_raised": float((to_a > from_b).mean()),
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def reasons_changed(a: Subject, b: Subject, *, most: int = EXPLAINED_ROWS) -> dict[str, Any]:
    """Return the share of evenly spaced rows whose first reason, and whose up to four reasons, differ between two versions.

    Returns
    -------
    dict
        `rows`, `first_differs`, `any_differs`, and `first`: code -> share of rows where it comes first, for A and for B.
    """
    chosen = evenly_spaced(len(a.frame), most)
    codes = [reason_codes(one.scorer, one.matrix[chosen]) for one in (a, b)]
    pairs = list(zip(*codes, strict=True))
    firsts = [[row[0] if row else "-" for row in one] for one in codes]
    met = sorted({code for one in firsts for code in one})
    return {
        "rows": len(pairs),
        "first_differs": float(np.mean([ours[:1] != theirs[:1] for ours, theirs in pairs])),
        "any_differs": float(np.mean([set(ours) != set(theirs) for ours, theirs in pairs])),
        "first": {code: {"a": firsts[0].count(code) / len(pairs), "b": firsts[1].count(code) / len(pairs)} for code in met},
    }


def reason_codes(scorer: Scorer, matrix: Matrix) -> list[tuple[str, ...]]:
    """Return the reason codes of each row as the service would give them, at most four.

    Inputs of one code count together; what raises the score comes before what lowers it, and what rounds to no point is left out.
    The service has the rule in `serving.reasons`, which may not be imported here; a test holds the two together.
    """
    features = scorer.manifest.features
    codes = np.array(sorted({feature.reason_code for feature in features}))
    member = (codes[None, :] == np.array([feature.reason_code for feature in features])[:, None]).astype(np.float64)
    totals = scorer.explain(matrix).contributions @ member
    return [_strongest(codes, row) for row in totals]


def _strongest(codes: npt.NDArray[np.str_], totals: Matrix) -> tuple[str, ...]:
    strong = [k for k in range(len(codes)) if abs(totals[k]) >= LEAST_POINTS]
    ordered = sorted(strong, key=lambda k: (totals[k] < 0, -abs(totals[k]), codes[k]))
    return tuple(str(codes[k]) for k in ordered[:MAX_REASONS])


def spearman(x: Matrix, y: Matrix) -> float | None:
    """Return the rank correlation; None where one side is constant."""
    import pandas as pd

    ranks = [pd.Series(values).rank().to_numpy() for values in (x, y)]
    if min(values.std() for values in ranks) == 0.0:
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])

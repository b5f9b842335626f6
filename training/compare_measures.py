"""Measures of two predictions of one outcome side by side, with the paired bootstrap interval of their difference."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from registry.encoding import Matrix
from training import metrics
from training.cards.words import HIGHER_IS_BETTER, LOWER_IS_BETTER
from training.judgement.comparison import point_measures
from training.judgement.concentration import Concentration
from training.judgement.resampling import Draws, interval
from training.judgement.subject import Part
from training.matrix import Mask

POINT_ONLY: Final = ("ece", "ks")
"""Measures of whole curves: their difference is shown without an interval."""


def measured(
    a: Part, b: Part, rows: Mask, groups: npt.NDArray[Any], *, replicates: int, seed: int
) -> dict[str, Any] | None:
    """Return the table of one outcome; None where the rows hold no event of it.

    Parameters
    ----------
    a, b
        The same outcome with two predictions.
    rows, groups
        (n,) rows to judge on, and what is drawn whole.

    Returns
    -------
    dict
        `measures`: name -> `a`, `b`, `difference` (A minus B), `interval`, `better` (a, b, equal; None without an interval).
    """
    kept = rows & a.used & b.used
    y, w = a.label[kept], a.weight[kept]
    if not kept.any() or not (y > 0).any() or (a.binary and bool((y > 0).all())):
        return None
    draws = Draws.of(groups[kept], replicates=replicates, seed=seed)
    points = [
        point_measures(one.objective, y, one.prediction[kept], w, power=one.power, ranking=one.ranking[kept]) for one in (a, b)
    ]
    drawn = [_drawn(one, kept, y, w, draws) for one in (a, b)]
    found = {}
    for name, ours in points[0].items():
        pair = interval(drawn[0][name] - drawn[1][name]) if name in drawn[0] and name not in POINT_ONLY else None
        found[name] = {"a": ours, "b": points[
            1
        ][name], "difference": ours - points[1][name], "interval": pair, "better": better(name, pair)}
    return {"rank_measure": a.measure, "n_rows": len(y), "n_groups": draws.n_groups, "observed": float(w @ y), "measures": found}


def better(name: str, pair: list[float] | None) -> str | None:
    """Return which of two versions an interval of A minus B speaks for; None where nothing is said."""
    if pair is None or (name not in HIGHER_IS_BETTER and name not in LOWER_IS_BETTER):
        return None
    if pair[0] <= 0 <= pair[1]:
        return "equal"
    return "a" if (pair[0] > 0) == (name in HIGHER_IS_BETTER) else "b"


def _drawn(part: Part, kept: Mask, y: Matrix, w: Matrix, draws: Draws) -> dict[str, Matrix]:
    """Return (replicates,) values of every measure that sums or one sorted curve give."""
    mu = part.prediction[kept]
    unit = metrics.unit_deviance(part.objective, y, mu, power=part.power)
    totals = draws.totals(np.column_stack([w, w * y, w * mu, w * unit, w * (y - mu) ** 2]))
    weight, observed, predicted, deviance, squares = totals.T
    curve = Concentration.of(part.ranking[kept], y, w, binary=part.binary)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {"deviance": deviance / weight, "balance": predicted / observed, part.measure: curve.drawn(draws)[0][:, 0]}
        if part.binary:
            mean = observed / weight
            null = -2 * (mean * np.log(mean) + (1 - mean) * np.log1p(-mean))
            found |= {"brier": squares / weight, "log_loss": found["deviance"] / 2, "d2": 1 - found["deviance"] / null}
        elif part.objective == "poisson":
            found["d2"] = 1 - found["deviance"] / _null_poisson(y, w, draws, weight, observed)
    return found


def _null_poisson(y: Matrix, w: Matrix, draws: Draws, weight: Matrix, observed: Matrix) -> Matrix:
    """Return (replicates,) deviance of each draw's own mean, from sums: ``2 (sum w y log y - sum w y log mean) / sum w``."""
    logs = draws.totals(w * np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0)), 0.0))[:, 0]
    null: Matrix = 2 * (logs - observed * np.log(observed / weight)) / weight
    return null

"""Whether a score has learned where inspectors look instead of where the risk is (detection bias).

Cases are found where inspectors look, so a model may take inspection for risk. The truth of the simulated province tells the
relative intensity of inspection of every vehicle, averaged over its class's mix of violations, so that nobody's own conduct is
in it. Three views on the same out-of-time rows:

- **elasticity**: by how many per cent the mean predicted rate rises per per cent of inspection, a log-link regression of the
  prediction on log inspection, weighted by exposure. The same regression of the *true* rate is what there is to see: more
  inspection goes with more or less risk for honest reasons (who drives more is met more). Noise in the regressed rate does
  not bias a log-link slope, so score and truth are comparable, which rank correlations are not: those of a truth with much
  unexplained spread are flattened.
- **residuals**: true over predicted rate by fifth of inspection intensity, scaled to 1 overall. Falling means that the score rises
  more with inspection than the truth does.
- **rank correlation** of score, ceiling and truth with inspection, as description.

The verdict is on the excess, elasticity of the score less elasticity of the truth: a score *follows inspectors* when the whole
interval of the excess lies above zero. A score that reacts to inspection less than the truth does is no case of this bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from experiments.oracle_rows import FloatArray, Judged
from registry.elasticity import Grid
from training.metrics import bootstrap_intervals

FIFTHS: Final = 5
NO_MORE: Final = "no more than the truth"
FOLLOWS: Final = "follows inspectors"
UNDECIDED: Final = "inspection does not vary"


def inspection_dependence(
    rows: Judged, model: FloatArray, ceiling: FloatArray | None = None, *, replicates: int = 200, seed: int = 0
) -> dict[str, Any]:
    """Compare how a score and the truth depend on inspection.

    Parameters
    ----------
    rows
        n rows of the test period, all with a known truth.
    model, ceiling
        (n,) predicted rates or probabilities of the score, and of the best function of its inputs.
    replicates, seed
        Of the bootstrap of enterprises.

    Returns
    -------
    dict
        ``elasticity`` by series, ``excess`` over the truth with ``interval``, ``excess_over_safety`` of score and truth with
        intervals, ``rank_correlation`` by series, ``fifths`` with true over predicted rates, and the ``verdict``.
    """
    series = {"model": model, "truth": rows.truth, "safety": rows.safety}
    if ceiling is not None:
        series["ceiling"] = ceiling
    correlation = {name: rank_correlation(rate, rows.inspection) for name, rate in series.items()}
    if correlation["truth"] is None:
        return {"verdict": UNDECIDED, "rank_correlation": correlation}
    grid = Grid.of(rows.inspection, rows.weight)

    def statistics(multiplicity: FloatArray) -> list[float]:
        slope = {name: grid.elasticity(rate, multiplicity) for name, rate in series.items()}
        return [*slope.values(), slope["model"] - slope["truth"], *(slope[one] - slope["safety"] for one in ("model", "truth"))]

    values = statistics(np.ones(len(rows)))
    intervals = bootstrap_intervals(statistics, rows.group, replicates=replicates, seed=seed)
    told = [{"value": value, "interval": list(interval)} for value, interval in zip(values, intervals, strict=True)]
    excess = told[len(series)]
    return {
        "verdict": FOLLOWS if intervals[len(series)][0] > 0.0 else NO_MORE,
        "elasticity": dict(zip(series, told, strict=False)),
        "excess": excess,
        "excess_over_safety": {"model": told[-2], "truth": told[-1]},
        "rank_correlation": correlation,
        "fifths": _fifths(rows, model),
    }


def _fifths(rows: Judged, model: FloatArray) -> list[dict[str, float]]:
    """Return by fifth of inspection: its mean, and true over predicted rate, of all outcomes and of safety's alone."""
    order = np.argsort(rows.inspection, kind="stable")
    mass = np.cumsum(rows.weight[order])
    fifth = np.empty(len(rows), dtype=np.int64)
    fifth[order] = np.minimum(((mass - rows.weight[order] / 2) / mass[-1] * FIFTHS).astype(np.int64), FIFTHS - 1)
    weight, expected = rows.weight, np.bincount(fifth, rows.weight * model, minlength=FIFTHS)
    inspection = np.bincount(fifth, weight * rows.inspection, minlength=FIFTHS) / np.bincount(fifth, weight, minlength=FIFTHS)
    ratios = {}
    for name, rate in (("truth", rows.truth), ("safety", rows.safety)):
        total = np.bincount(fifth, weight * rate, minlength=FIFTHS)
        ratios[name] = total / expected * (expected.sum() / total.sum())
    return [
        {"inspection": float(inspection[k]), **{f"{name}_to_model": float(ratio[k]) for name, ratio in ratios.items()}}
        for k in range(FIFTHS)
    ]


def rank_correlation(left: FloatArray, right: FloatArray) -> float | None:
    """Return Spearman's correlation; None where one side has no spread."""
    import pandas as pd

    if len(left) < 2 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    return float(np.corrcoef(pd.Series(left).rank(), pd.Series(right).rank())[0, 1])


MEANING: Final[Mapping[str, str]] = {
    NO_MORE: "the interval of score less truth reaches down to zero or below",
    FOLLOWS: "the whole interval of score less truth lies above zero",
    UNDECIDED: "there is nothing to follow",
}
"""Verdict -> what it rests on."""

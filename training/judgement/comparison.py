"""The score against every rival on the same test rows and the same draws: overall, and within quintiles of exposure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from registry.bundle import Objective
from registry.encoding import Matrix
from training import metrics
from training.judgement.baselines import Candidate
from training.judgement.concentration import Concentration, pooled, quintiles
from training.judgement.resampling import Draws, excludes_zero, interval
from training.judgement.subject import Part
from training.matrix import Mask

Figures = dict[str, Any]


def compare(
    part: Part, rivals: Sequence[Candidate], rows: Mask, groups: npt.NDArray[Any], axes: dict[str, Matrix], *,
    replicates: int, seed: int, tell: Callable[[str], None] = lambda _name: None,
) -> Figures:
    """Return the table of one part.

    Parameters
    ----------
    part
        Outcome and the score's prediction.
    rivals
        Baselines, glass boxes and challengers.
    rows
        (n,) rows to judge on; those that the part does not use are left out.
    groups
        (n,) what is drawn whole.
    axes
        Exposure axes: name -> (n,) values. Within their quintiles Gini or AUC are measured too; ``pooled`` is their mean
        weighted by exposure (by rows for a yes or no).
    replicates, seed
        Of the bootstrap; the same draws serve every rival.
    tell
        Told the name of each rival.

    Returns
    -------
    dict
        `measure`; `score` and `rivals`, each with measures; per rival `difference` (score minus rival) with `interval` and
        `verdict` (beats, equal, loses) overall, within each axis, and for the deviance that the score saves.
        `not_beaten` lists the rivals that the score does not beat overall or within an axis.
    """
    kept = rows & part.used
    y, w = part.label[kept], part.weight[kept]
    draws = Draws.of(groups[kept], replicates=replicates, seed=seed)
    strata = {axis: quintiles(values[kept]) for axis, values in axes.items()}
    strata = {axis: stratum for axis, stratum in strata.items() if stratum.max() > 0}
    table = _Table(part, y, w, draws, strata)
    ours = table.line(part.ranking[kept], part.prediction[kept])
    found = []
    for rival in rivals:
        tell(rival.id)
        theirs = table.line(rival.ranking[kept], rival.prediction[kept])
        found.append({
            "id": rival.id, "zh": rival.zh, "en": rival.en, "kind": rival.kind, "source": rival.source, "note": rival.note,
            "assumed": list(rival.assumed),
            "metrics": theirs.metrics, **_difference(ours, theirs),
        })
    return {
        "part": part.name, "objective": part.objective, "measure": part.measure, "n_rows": len(y), "n_groups": draws.n_groups,
        "n_events": int((y > 0).sum()), "observed": float(w @ y),
        "score": {"metrics": ours.metrics, "intervals": table.intervals(ours)}, "rivals": found,
        "not_beaten": [one["id"] for one in found if not beaten(one)],
    }


def beaten(rival: Figures) -> bool:
    """Return whether the score beats a rival overall and within every exposure axis, each with an interval above zero."""
    verdicts = [rival["overall"]["verdict"], *(axis["pooled"]["verdict"] for axis in rival["within"].values())]
    return all(verdict == "beats" for verdict in verdicts)


def point_measures(
    objective: Objective, y: Matrix, mu: Matrix, w: Matrix, *, power: float, ranking: Matrix | None = None
) -> dict[str, float]:
    """Return measures of one prediction; the rank measures use `ranking` where it differs from the prediction."""
    order = mu if ranking is None else ranking
    found = {
        "deviance": metrics.mean_deviance(objective, y, mu, w, power=power),
        "d2": metrics.d2(objective, y, mu, w, power=power),
        "balance": metrics.balance(y, mu, w), "ece": metrics.ece(y, mu, w),
    }
    if objective == "binary":
        return found | {
            "auc": metrics.auc(y, order, w), "ks": metrics.ks(y, order, w), "brier": metrics.brier(y, mu, w),
            "log_loss": metrics.log_loss(y, mu, w),
        }
    return found | {"gini": metrics.gini(y, order, w)}


class _Line:
    """One predictor's measures and their draws."""

    def __init__(self, measures: dict[str, float]) -> None:
        self.metrics = measures
        self.rank = np.empty(0)
        self.deviance = np.empty(0)
        self.within: dict[str, tuple[Matrix, Matrix]] = {}
        """Axis -> (1 + replicates, n_strata) measures and weights; the first row is the rows as they are."""


class _Table:
    """The rows, draws and strata that every line of a part shares."""

    def __init__(
        self, part: Part, y: Matrix, w: Matrix, draws: Draws, strata: dict[str, npt.NDArray[np.intp]]
    ) -> None:
        self.part, self.y, self.w, self.draws, self.strata = part, y, w, draws, strata

    def line(self, ranking: Matrix, prediction: Matrix) -> _Line:
        part, y, w = self.part, self.y, self.w
        line = _Line(point_measures(part.objective, y, prediction, w, power=part.power, ranking=ranking))
        line.rank = self._concentration(ranking, None)[0][:, 0]
        unit = metrics.unit_deviance(part.objective, y, prediction, power=part.power)
        totals = self.draws.totals(np.column_stack([w * unit, w]))
        with np.errstate(divide="ignore", invalid="ignore"):
            line.deviance = totals[:, 0] / totals[:, 1]
        for axis, stratum in self.strata.items():
            line.within[axis] = self._concentration(ranking, stratum)
        return line

    def _concentration(self, ranking: Matrix, stratum: npt.NDArray[np.intp] | None) -> tuple[Matrix, Matrix]:
        curve = Concentration.of(ranking, self.y, self.w, binary=self.part.binary, stratum=stratum)
        measures, weights = curve.drawn(self.draws)
        return np.vstack([curve.value(), measures]), np.vstack([curve.weights(), weights])

    def intervals(self, line: _Line) -> Figures:
        return {
            self.part.measure: interval(line.rank[1:]), "deviance": interval(line.deviance),
            "within": {axis: _pooled_interval(*found) for axis, found in line.within.items()},
        }


def _difference(ours: _Line, theirs: _Line) -> Figures:
    deviance = theirs.metrics["deviance"] - ours.metrics["deviance"]
    return {
        "overall": _judged(ours.rank - theirs.rank),
        "within": {axis: _within(ours.within[axis], theirs.within[axis]) for axis in ours.within},
        "deviance_saved": _judged(np.append(deviance, theirs.deviance - ours.deviance)) | {
            "share": deviance / theirs.metrics["deviance"]
        },
    }


def _within(ours: tuple[Matrix, Matrix], theirs: tuple[Matrix, Matrix]) -> Figures:
    mine, other = pooled(*ours), pooled(*theirs)
    return {
        "score": _plain(mine[0]), "rival": _plain(other[0]), "pooled": _judged(mine - other),
        "quintiles": [
            {"score": _plain(ours[0][0, k]), "rival": _plain(theirs[0][0, k]), **_judged(ours[0][:, k] - theirs[0][:, k])}
            for k in range(ours[0].shape[1])
        ],
    }


def _judged(values: Matrix) -> Figures:
    found = interval(values[1:])
    return {"difference": _plain(values[0]), "interval": found, "verdict": excludes_zero(found)}


def _pooled_interval(measures: Matrix, weights: Matrix) -> Figures:
    values = pooled(measures, weights)
    return {"pooled": _plain(values[0]), "interval": interval(values[1:])}


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

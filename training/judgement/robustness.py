"""Robustness: what happens to the score when a source is mixed up, absent or stale, or sends categories nobody has seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from registry.encoding import OTHER_CODE, Matrix
from registry.products import PRODUCTS, ScoreProduct
from training.judgement.concentration import Concentration
from training.judgement.subject import Part, Subject, points_of, tiers_of
from training.judgement.thresholds import Thresholds
from training.matrix import Mask

MAX_ROWS: Final = 3_000

Codes = npt.NDArray[np.intp]


@dataclass(frozen=True)
class _Trial:
    """The sampled test rows as they are, and what is measured on them."""

    subject: Subject
    part: Part
    product: ScoreProduct | None
    rows: Codes
    matrix: Matrix
    known: Mask
    points: Matrix
    margin: Matrix
    grey: Mask


def judge_robustness(
    subject: Subject, part: Part, *, seed: int, limits: Thresholds, max_rows: int = MAX_ROWS,
    tell: Callable[[str, float], None] = lambda _name, _share: None,
) -> dict[str, Any]:
    """Return how far points, tiers, Gini or AUC and the share without a score move, source by source.

    Parameters
    ----------
    subject, part
        The bundle on its rows, and the outcome to rank by.
    seed
        Of the sample and of the permutation.
    limits
        When a movement is named.
    max_rows
        Test rows at most, drawn at random.
    tell
        Told the resource and the share done.

    Returns
    -------
    dict
        `sources`: per resource its inputs and three disturbances: `permuted` (its inputs of another row, all of one row
        together), `missing` (its inputs null), `stale` (its inputs of the entity's previous cut-off, where there is one).
        `unseen_categories`: every category input a value outside its vocabulary. `baseline`: coverage and grey share of the rows as
        they are. `fragile`: resources whose absence moves the 95th percentile of points by more than the limit while there is
        still a score.
    """
    trial = _trial(subject, part, max_rows, seed)
    previous = _previous(subject, trial.rows)
    resources = sorted({name for feature in subject.scorer.manifest.features for name in feature.resources})
    sources = {}
    for position, resource in enumerate(resources):
        tell(resource, position / len(resources))
        sources[resource] = _source(trial, resource, previous, seed)
    return {
        "part": part.name, "measure": part.measure, "n_rows": len(trial.rows),
        "baseline": {
            part.measure: _rank(trial, trial.margin), "coverage": float(trial.known.mean()), "grey": float(trial.grey.mean()),
            "mandatory": list(trial.product.mandatory) if trial.product else [],
            "min_coverage": trial.product.min_coverage if trial.product else None,
        },
        "sources": sources, "unseen_categories": _unseen(trial),
        "fragile": [name for name, one in sources.items() if _fragile(one["missing"], limits)],
        "limits": {"move_points": limits.move_points, "tag": "[A]"},
    }


def _trial(subject: Subject, part: Part, max_rows: int, seed: int) -> _Trial:
    rows = np.flatnonzero(subject.test & part.used)
    if len(rows) > max_rows:
        rows = np.sort(np.random.default_rng(seed).choice(rows, max_rows, replace=False))
    features = subject.scorer.manifest.features
    known = np.column_stack([
        np.ones(len(rows), dtype=bool) if feature.null_rule == "zero" else subject.frame[feature.name].notna().to_numpy()[rows]
        for feature in features
    ])
    product = PRODUCTS.get(subject.task.id)
    grey = _grey(known, subject, product)
    return _Trial(
        subject, part, product, rows, subject.matrix[rows], known, subject.points[rows], subject.margin[rows], grey
    )


def _grey(known: Mask, subject: Subject, product: ScoreProduct | None) -> Mask:
    """Return (n,) whether a row has no score: a required input unknown, or too few inputs known, as the service rules."""
    required = np.array([feature.null_rule == "required" for feature in subject.scorer.manifest.features])
    grey = (~known[:, required]).any(axis=1)
    if product is not None:
        grey = grey | (known.mean(axis=1) < product.min_coverage)
    return np.asarray(grey)


def _source(trial: _Trial, resource: str, previous: tuple[Codes, Mask], seed: int) -> dict[str, Any]:
    features = trial.subject.scorer.manifest.features
    columns = [j for j, feature in enumerate(features) if resource in feature.resources]
    mandatory = trial.product is not None and resource in trial.product.mandatory
    order = np.random.default_rng(seed).permutation(len(trial.rows))
    permuted, missing, stale = trial.matrix.copy(), trial.matrix.copy(), trial.matrix.copy()
    permuted[:, columns] = trial.matrix[order][:, columns]
    known = trial.known.copy()
    for j in columns:
        missing[:, j] = 0.0 if features[j].null_rule == "zero" else np.nan
        # What is null without its source counts as known where nothing on record means none happened.
        known[:, j] = features[j].null_rule == "zero"
    before, has = previous
    for j in columns:
        stale[has, j] = trial.subject.matrix[before[has], j]
    grey = np.ones(len(trial.rows), dtype=bool) if mandatory else _grey(known, trial.subject, trial.product)
    return {
        "inputs": [features[j].name for j in columns], "mandatory": mandatory,
        "permuted": _moved(trial, permuted),
        "missing": _moved(trial, missing) | {"coverage": float(known.mean()), "grey": float(grey.mean())},
        "stale": _moved(trial, stale) | {"rows_with_previous": float(has.mean())},
    }


def _moved(trial: _Trial, matrix: Matrix) -> dict[str, Any]:
    scorer = trial.subject.scorer
    margin = scorer.margin(matrix)
    points = points_of(scorer, margin)
    moved = np.abs(points - trial.points)
    tiers = tiers_of(scorer, points) != tiers_of(scorer, trial.points)
    rank, before = _rank(trial, margin), _rank(trial, trial.margin)
    return {
        "mean_move": float(np.mean(points - trial.points)), "mean_abs_move": float(moved.mean()),
        "p95_abs_move": float(np.quantile(moved, 0.95)), "tier_changes": float(tiers.mean()), trial.part.measure: rank,
        "change": None if rank is None or before is None else rank - before,
    }


def _rank(trial: _Trial, margin: Matrix) -> float | None:
    part, rows = trial.part, trial.rows
    curve = Concentration.of(margin, part.label[rows], part.weight[rows], binary=part.binary)
    value = float(curve.value()[0])
    return value if np.isfinite(value) else None


def _previous(subject: Subject, rows: Codes) -> tuple[Codes, Mask]:
    """Return (k,) the row of the same entity at its previous cut-off, and whether there is one."""
    task, frame = subject.task, subject.frame
    key = f"{task.entity}_id" if f"{task.entity}_id" in frame else task.group
    before = np.full(len(frame), -1, dtype=np.intp)
    if task.time is not None:
        codes = np.unique(frame[key].to_numpy().astype(str), return_inverse=True)[1]
        order = np.lexsort((frame[task.time].to_numpy(), codes))
        same = codes[order][1:] == codes[order][:-1]
        before[order[1:][same]] = order[:-1][same]
    return before[rows], before[rows] >= 0


def _unseen(trial: _Trial) -> dict[str, Any]:
    features = trial.subject.scorer.manifest.features
    columns: Sequence[int] = [j for j, feature in enumerate(features) if feature.dtype == "category"]
    if not columns:
        return {"inputs": []}
    other = trial.matrix.copy()
    other[:, columns] = OTHER_CODE
    return {"inputs": [features[j].name for j in columns], **_moved(trial, other)}


def _fragile(missing: dict[str, Any], limits: Thresholds) -> bool:
    return bool(missing["p95_abs_move"] > limits.move_points and missing["grey"] < 1.0)

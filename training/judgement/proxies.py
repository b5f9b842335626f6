"""Proxy audit: whether a sensitive attribute can be told from the inputs or from the score alone, and which inputs carry it.

A score may not use an attribute and still tell it. How well a small booster guesses the attribute for enterprises that it has not
seen says how much is in the inputs; how well the points alone guess it says how much has passed into the score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from registry.encoding import Matrix
from training import metrics
from training.judgement.subject import Subject
from training.judgement.thresholds import Thresholds

MAX_ROWS: Final = 8_000
EXPLAINED: Final = 500
TREES: Final = 40
HALVES: Final = 2

Codes = npt.NDArray[np.intp]
_PARAMETERS: Final[dict[str, Any]] = {
    "num_leaves": 15, "learning_rate": 0.15, "min_data_in_leaf": 30, "max_bin": 63, "deterministic": True, "force_row_wise": True,
    "verbosity": -1,
}


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """A sensitive attribute.

    Parameters
    ----------
    id, zh, en
        Name and wording.
    column
        Column of the frame; null where the attribute is not known.
    reason
        Why it must not drive a score.
    """

    id: str
    zh: str
    en: str
    column: str
    reason: str


ATTRIBUTES: Final = (
    Attribute(
        id="owner", zh="个体或企业", en="individual operator or enterprise", column="is_individual",
        reason="individual operators are persons: treatment must be transparent and fair (PIPL Art. 24)",
    ),
    Attribute(
        id="city", zh="地市", en="city", column="city_code",
        reason="inspectors look harder in some cities: a score that tells the city may carry where is looked, not what is done",
    ),
)


def audit(
    subject: Subject, *, seed: int, threads: int, limits: Thresholds, max_rows: int = MAX_ROWS,
    attributes: tuple[Attribute, ...] = ATTRIBUTES,
) -> dict[str, Any]:
    """Return the audit of each attribute on the test rows.

    Returns
    -------
    dict
        `attributes`: per attribute the cross-fitted AUC (mean of one-against-rest over its values) of all inputs, of the points
        alone, and of the inputs without the carriers; `carriers`, the inputs that tell it alone or that the guess leans on most,
        with the share of the score's movement that they make; and a verdict about the score. `absent` says what was not there.
    """
    found, absent = {}, []
    for attribute in attributes:
        if attribute.column not in subject.frame:
            absent.append({"id": attribute.id, "reason": f"no column {attribute.column}"})
            continue
        rows = _sampled(subject, attribute.column, max_rows, seed)
        codes = np.unique(subject.frame[attribute.column].to_numpy()[rows].astype(str), return_inverse=True)[1].astype(np.intp)
        if len(rows) == 0 or codes.max() == 0:
            absent.append({"id": attribute.id, "reason": f"{attribute.column} has one value only"})
            continue
        found[attribute.id] = {
            "zh": attribute.zh, "en": attribute.en, "why_sensitive": attribute.reason, "n_rows": len(rows),
            "n_values": int(codes.max()) + 1, **_told(subject, attribute, rows, codes, seed, threads, limits),
        }
    return {
        "attributes": found, "absent": absent,
        "limits": {"watch": limits.proxy_watch, "proxy": limits.proxy_limit, "carrier_auc": limits.carrier_auc, "tag": "[A]"},
        "reading": (
            "AUC 0.5: the attribute cannot be told. A score that tells an attribute is not thereby unfair: if the groups differ in "
            "risk, a right score differs too. Read it beside the actual over expected of the segments."
        ),
    }


def _sampled(subject: Subject, column: str, max_rows: int, seed: int) -> Codes:
    rows = np.flatnonzero(subject.test & subject.frame[column].notna().to_numpy())
    if len(rows) > max_rows:
        rows = np.sort(np.random.default_rng(seed).choice(rows, max_rows, replace=False))
    return rows


def _told(
    subject: Subject, attribute: Attribute, rows: Codes, codes: Codes, seed: int, threads: int, limits: Thresholds
) -> dict[str, Any]:
    matrix, names = subject.matrix[rows], [feature.name for feature in subject.scorer.manifest.features]
    half = _halves(subject, rows, seed)
    # The attribute itself may be an input; then it is its own first carrier.
    everything, gains = _guess(matrix, codes, half, seed, threads)
    alone = {name: column_auc(matrix[:, j], codes) for j, name in enumerate(names)}
    leaned = gains / gains.sum() if gains.sum() > 0 else gains
    carriers = [
        j for j in np.argsort(-leaned, kind="stable") if leaned[j] >= 0.02 or alone[names[j]] >= limits.carrier_auc
    ]
    kept = [j for j in range(len(names)) if j not in set(carriers)]
    without = _guess(matrix[:, kept], codes, half, seed, threads)[0] if kept else 0.5
    score = column_auc(subject.points[rows], codes, cross=half)
    share = _movement(subject, rows, seed)
    return {
        "auc_inputs": everything, "auc_score": score, "auc_inputs_without_carriers": without, "is_input": attribute.column in names,
        "verdict": limits.proxy(score),
        "carriers": [
            {"input": names[j], "auc_alone": alone[names[j]], "share_of_guess": float(leaned[j]),
             "share_of_score": float(share[j])}
            for j in carriers
        ],
        "carriers_share_of_score": float(share[carriers].sum()),
    }


def _halves(subject: Subject, rows: Codes, seed: int) -> Codes:
    """Return which half of the groups each row belongs to: a guess is judged on groups that it has not seen."""
    names, codes = np.unique(subject.frame[subject.task.group].to_numpy()[rows].astype(str), return_inverse=True)
    return np.asarray(np.random.default_rng(seed).permutation(len(names))[codes] % HALVES)


def _guess(matrix: Matrix, codes: Codes, half: Codes, seed: int, threads: int) -> tuple[float, Matrix]:
    """Return the cross-fitted AUC of a booster that guesses the attribute, and the gain of each input."""
    import lightgbm

    count = int(codes.max()) + 1
    parameters = {**_PARAMETERS, "seed": seed, "num_threads": threads, "objective": "multiclass", "num_class": count}
    chances, gains = np.zeros((len(codes), count)), np.zeros(matrix.shape[1])
    for fold in range(HALVES):
        seen = half != fold
        data = lightgbm.Dataset(matrix[seen], codes[seen], params={"verbosity": -1})
        trees = max(TREES // count, 8)
        booster = lightgbm.train(parameters, data, num_boost_round=trees)
        chances[~seen] = booster.predict(matrix[~seen], num_threads=threads)
        gains += booster.feature_importance("gain")
    return _mean_auc(chances, codes), gains


def column_auc(values: Matrix, codes: Codes, *, cross: Codes | None = None) -> float:
    """Return how well one column alone tells the attribute: AUC of one value against the rest, the better direction, averaged.

    Parameters
    ----------
    values
        (n,) column; missing values stand below all others.
    codes
        (n,) value of the attribute.
    cross
        (n,) halves; the direction is then chosen on the other half, so that chance does not look like knowledge.
    """
    filled = np.where(np.isnan(values), -np.inf, values)
    ranks = np.unique(filled, return_inverse=True)[1].astype(np.float64)
    aucs, weights = [], []
    for k in range(int(codes.max()) + 1):
        is_k = (codes == k).astype(np.float64)
        if cross is None:
            auc = metrics.auc(is_k, ranks)
            aucs.append(max(auc, 1 - auc))
        else:
            aucs.append(_crossed(ranks, is_k, cross))
        weights.append(is_k.sum())
    return float(np.average(aucs, weights=weights))


def _crossed(ranks: Matrix, is_k: Matrix, cross: Codes) -> float:
    found = []
    for fold in range(HALVES):
        other, own = cross != fold, cross == fold
        if not all(0 < is_k[half].sum() < half.sum() for half in (other, own)):
            continue
        sign = 1.0 if metrics.auc(is_k[other], ranks[other]) >= 0.5 else -1.0
        found.append(metrics.auc(is_k[own], sign * ranks[own]))
    return float(np.mean(found)) if found else 0.5


def _mean_auc(chances: Matrix, codes: Codes) -> float:
    shares = np.bincount(codes, minlength=chances.shape[1])
    values = [metrics.auc((codes == k).astype(np.float64), chances[:, k]) for k in range(chances.shape[1])]
    return float(np.average(values, weights=shares))


def _movement(subject: Subject, rows: Codes, seed: int) -> Matrix:
    """Return (n_features,) shares of the mean absolute exact contribution to the points."""
    chosen = rows if len(rows) <= EXPLAINED else np.sort(np.random.default_rng(seed).choice(rows, EXPLAINED, replace=False))
    moved = np.abs(subject.scorer.explain(subject.matrix[chosen]).contributions).mean(axis=0)
    return np.asarray(moved / moved.sum()) if moved.sum() > 0 else np.asarray(moved)

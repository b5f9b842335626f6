"""Calibration by band, and whether the score and its inputs stay what they were: over bands, over time, over quintiles."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from registry.encoding import Matrix
from registry.local_time import months_of
from registry.stability_index import psi, stability_index
from training import metrics
from training.judgement.concentration import Concentration
from training.judgement.resampling import Draws, interval, sums_by
from training.judgement.subject import Part, Subject
from training.judgement.thresholds import Thresholds
from training.matrix import Mask, evenly_spaced
from training.splits import TEST, VALID

BANDS: Final = 10
SHIFT_ROWS: Final = 2_000
"""Rows of either side whose contributions are computed for the shift in points, evenly spaced."""

Codes = npt.NDArray[np.intp]


def calibration(part: Part, rows: Mask, draws: Draws, *, count: int = BANDS) -> dict[str, Any]:
    """Return actual over expected by band of the prediction, with bands in which a calibrated score would lie.

    Parameters
    ----------
    part
        Outcome and prediction.
    rows
        (n,) rows to judge on, that the part uses.
    draws
        Draws over these rows.
    count
        Number of bands of equal weight.

    Returns
    -------
    dict
        Per band expected, actual, `actual_to_expected` with its bootstrap `interval`, and for counts `poisson`: where 95 % of
        Poisson counts with the expected mean lie, over that mean. `inside` says whether the band's figure is compatible with
        calibration: within the Poisson band, or for amounts an interval that holds 1.
    """
    y, mu, w = part.label[rows], part.prediction[rows], part.weight[rows]
    band = band_of(mu, w, count)
    mass, actual, expected = (sums_by(band, values, count) for values in (w, w * y, w * mu))
    with np.errstate(divide="ignore", invalid="ignore"):  # a draw may leave a band without a row
        drawn = draws.totals_by(w * y, band, count) / draws.totals_by(w * mu, band, count)
    figures = []
    for k in np.flatnonzero(mass > 0):
        ratio, found = float(actual[k] / expected[k]), interval(drawn[:, k])
        poisson = poisson_band(float(expected[k])) if part.counts else None
        low, high = poisson or found or (-np.inf, np.inf)
        figures.append({
            "share": float(mass[k] / mass.sum()), "expected": float(expected[k] / mass[k]), "actual": float(actual[k] / mass[k]),
            "actual_to_expected": ratio, "interval": found, "poisson": poisson,
            "inside": bool(low <= (ratio if poisson else 1.0) <= high),
        })
    overall = draws.totals(np.column_stack([w * y, w * mu]))
    return {
        "part": part.name, "bands": figures, "ece": metrics.ece(y, mu, w),
        "ece_share": metrics.ece(y, mu, w) / float(np.average(y, weights=w)),
        "actual_to_expected": float(actual.sum() / expected.sum()), "interval": interval(overall[:, 0] / overall[:, 1]),
        "bands_inside": sum(one["inside"] for one in figures), "n_bands": len(figures),
    }


def poisson_band(expected: float, *, level: float = 0.95) -> list[float]:
    """Return where the middle `level` of Poisson counts with a mean lies, over that mean.

    It takes events for independent; those of one enterprise are not quite, so that the true band is somewhat wider.
    """
    from scipy.stats import poisson

    return [float(poisson.ppf(share, expected) / expected) for share in ((1 - level) / 2, (1 + level) / 2)]


def poisson_interval(observed: float, expected: float, *, level: float = 0.95) -> list[float]:
    """Return the exact interval of the mean behind a Poisson count, over what was expected.

    References
    ----------
    Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28, 1936.
    """
    from scipy.stats import chi2

    tail = (1 - level) / 2
    low = float(chi2.ppf(tail, 2 * observed)) / 2 if observed > 0 else 0.0
    return [low / expected, float(chi2.ppf(1 - tail, 2 * (observed + 1))) / 2 / expected]


def band_of(values: Matrix, weight: Matrix, count: int) -> Codes:
    """Return (n,) band of equal weight of each value, as `training.metrics.bands` cuts them."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    band = np.empty(len(values), dtype=np.intp)
    band[order] = np.minimum((reached - weight[order] / 2) / reached[-1] * count, count - 1).astype(np.intp)
    return band


def category_psi(reference: Matrix, observed: Matrix) -> float:
    """Return the stability index of category codes; missing values are a category of their own."""
    both, positions = np.unique(np.nan_to_num(np.concatenate([reference, observed]), nan=-1.0), return_inverse=True)
    first, second = positions[:len(reference)], positions[len(reference):]
    return stability_index(*(np.bincount(one, minlength=len(both)).astype(np.float64) for one in (first, second)))


def population(subject: Subject, limits: Thresholds) -> dict[str, Any]:
    """Return the stability index of the points, overall and by month of test, and of every input; reference is development."""
    reference, test = subject.development, subject.test
    points, months = subject.points, month_of(subject)
    by_month = {
        month: psi(points[reference], points[test & (months == month)]) for month in sorted(set(months[test].tolist()))
    }
    inputs = {}
    for j, feature in enumerate(subject.scorer.manifest.features):
        index = category_psi if feature.dtype == "category" else psi
        inputs[feature.name] = index(subject.matrix[reference, j], subject.matrix[test, j])
    overall = psi(points[reference], points[test])
    moved = shift_in_points(subject)
    ordered = dict(sorted(inputs.items(), key=lambda pair: (-pair[1], pair[0])))
    return {
        "reference": "development rows", "score_psi": overall, "verdict": limits.stability(overall), "score_psi_by_month": by_month,
        "input_csi": ordered, "input_points": {name: moved[name] for name in ordered},
        "shifted": [name for name, value in ordered.items() if value >= limits.psi_shift],
        "watched": [name for name, value in ordered.items() if limits.psi_watch <= value < limits.psi_shift],
        "limits": {"watch": limits.psi_watch, "shift": limits.psi_shift, "tag": "[A]"},
    }


def shift_in_points(subject: Subject) -> dict[str, float]:
    """Return by how many points the mean contribution of each input differs between test and development.

    A measure of a whole city or of a season has one value for thousands of rows and cannot but be distributed differently in
    another period; what matters of it is whether it moves the score.

    References
    ----------
    Siddiqi, "Credit Risk Scorecards", 2006, chapter 8: the characteristic analysis weighs a shift by the points of an input.
    """
    before, after = (
        subject.scorer.explain(subject.matrix[_spread(rows, SHIFT_ROWS)]).contributions.mean(axis=0)
        for rows in (subject.development, subject.test)
    )
    names = [feature.name for feature in subject.scorer.manifest.features]
    return dict(zip(names, (after - before).tolist(), strict=True))


def _spread(rows: Mask, most: int) -> npt.NDArray[np.intp]:
    chosen = np.flatnonzero(rows)
    return chosen[evenly_spaced(len(chosen), most)]


def over_time(
    part: Part, subject: Subject, *, replicates: int, seed: int, limits: Thresholds, reference: float | None = None
) -> dict[str, Any]:
    """Return Gini or AUC and actual over expected by month of cut-off, in the validation and the test period.

    Parameters
    ----------
    part, subject
        Outcome and rows.
    replicates, seed
        Of the bootstrap.
    limits
        How far the measure may fall.
    reference
        Honest measure of the validation period, as the card has it; None where it is not known. The months of that period are
        shown by the finished score, whose boosters have seen most of them where the task is cross-fitted, and are marked so.
    """
    months = month_of(subject)
    rows = part.used & ((subject.fold == VALID) | (subject.fold == TEST))
    kept = np.char.add(np.where(subject.fold == TEST, "1", "0").astype(str), months.astype(str))[rows]
    names, codes = np.unique(kept, return_inverse=True)
    draws = Draws.of(subject.frame[subject.task.group].to_numpy()[rows], replicates=replicates, seed=seed)
    figures = grouped(part, rows, codes.astype(np.intp), len(names), draws)
    found = [
        {"month": str(name[1:]), "fold": TEST if name[0] == "1" else VALID,
         "in_sample": bool(name[0] == "0" and subject.task.members > 1), **one}
        for name, one in zip(names, figures, strict=True)
    ]
    return {"part": part.name, "measure": part.measure, "months": found, **_drift(found, part, limits, reference)}


def _drift(
    found: list[dict[str, Any]], part: Part, limits: Thresholds, reference: float | None
) -> dict[str, Any]:
    """Return by which share the gain over chance falls from the validation period to the worst month of test."""
    chance = 0.5 if part.binary else 0.0
    tested = [one for one in found if one["fold"] == TEST and one["n_events"] >= limits.min_events]
    gains = [one[part.measure] - chance for one in tested if one[part.measure] is not None]
    if reference is None or not gains or reference <= chance:
        return {"reference": reference, "fall": None, "verdict": "unknown"}
    fall = 1.0 - min(gains) / (reference - chance)
    return {"reference": reference, "fall": fall, "verdict": "watch" if fall > limits.drift_share else "stable"}


def grouped(part: Part, rows: Mask, codes: Codes, count: int, draws: Draws) -> list[dict[str, Any]]:
    """Return size, actual over expected and Gini or AUC of each stratum of the rows, with intervals.

    Parameters
    ----------
    part
        Outcome and prediction.
    rows
        (n,) rows.
    codes, count
        Stratum of each of these rows, 0 to `count` - 1, none empty.
    draws
        Draws over these rows.
    """
    y, mu, w = part.label[rows], part.prediction[rows], part.weight[rows]
    curve = Concentration.of(part.ranking[rows], y, w, binary=part.binary, stratum=codes)
    value, drawn = curve.value(), curve.drawn(draws)[0]
    actual, expected = (sums_by(codes, values, count) for values in (w * y, w * mu))
    ratio = draws.totals_by(w * y, codes, count) / np.maximum(draws.totals_by(w * mu, codes, count), 1e-300)
    events = sums_by(codes, (y > 0).astype(np.float64), count)
    n_groups = _distinct(codes, draws.codes, count)
    return [
        {
            "n_rows": int((codes == k).sum()), "n_groups": int(n_groups[k]), "n_events": int(events[k]),
            "actual_to_expected": float(actual[k] / expected[k]), "actual_to_expected_interval": interval(ratio[:, k]),
            part.measure: float(value[k]) if np.isfinite(value[k]) else None, f"{part.measure}_interval": interval(drawn[:, k]),
        }
        for k in range(count)
    ]


def _distinct(codes: Codes, groups: Codes, count: int) -> Codes:
    pairs = np.unique(codes.astype(np.int64) * (int(groups.max()) + 1) + groups)
    return np.bincount(pairs // (int(groups.max()) + 1), minlength=count)


def month_of(subject: Subject) -> npt.NDArray[Any]:
    """Return (n,) month of each row's cut-off in Shanghai, "" where the data have no time."""
    if subject.task.time is None:
        return np.full(len(subject.frame), "", dtype="U7")
    return months_of(subject.frame[subject.task.time])

"""Affine calibration on the margin: ``slope * raw + intercept`` by maximum likelihood of the component's objective.

Affine, because exact SHAP values of the raw margin then still add up to points. Isotonic calibration is computed only
to say what the affine one leaves on the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from registry.bundle import Objective
from registry.encoding import Matrix
from training.fitted import FittedComponent, FittedScore
from training.matrix import Mask, Outcome, outcome
from training.metrics import inverse_link, mean_deviance
from training.splits import TEST, VALID

FloatArray = npt.NDArray[np.float64]
SLOPE_BOUNDS: Final = (0.5, 2.0)
MAX_SLOPE_ERROR: Final = 0.2
"""A slope with a larger standard error is not used: the correction would be mostly noise."""
MAX_STEPS: Final = 50
LOG_BOUND: Final = 30.0


@dataclass(frozen=True)
class Affine:
    """A calibration, and why it is what it is: "fitted", "slope is not determined" or "slope is out of bounds"."""

    slope: float
    intercept: float
    reason: str


def calibrate(fitted: FittedScore) -> tuple[FittedScore, tuple[Affine, ...]]:
    """Return the score with calibrated components.

    Slope and intercept are fitted on margins of boosters that have not seen the row's group: on the validation fold of a
    task with one member, on all development rows of a cross-fitted one. For log links the intercept is then moved so that
    over train and valid together the predicted total equals the observed total (the balance property of insurance
    pricing). The dispersion is that of the same margins.
    """
    components, reports = [], []
    for k, component in enumerate(fitted.components):
        target = outcome(component.task, fitted.data.frame)
        both = target.used & fitted.data.fitted_rows
        unseen = both if fitted.task.members > 1 else target.used & fitted.data.in_fold(VALID)
        objective, power, raw = component.task.objective, component.task.tweedie_power, fitted.raw[:, k]
        honest = fitted.out_of_fold[:, k]
        affine = fit_affine(objective, honest[unseen], target.label[unseen], target.weight[unseen], power=power)
        spread = dispersion(fitted, component, affine, target, unseen, honest)
        if objective != "binary":
            affine = balanced(affine, raw[both], target.label[both], target.weight[both])
        components.append(replace(
            component, slope=affine.slope, intercept=affine.intercept, dispersion=spread
        ))
        reports.append(affine)
    return replace(fitted, components=tuple(components)), tuple(reports)


def dispersion(
    fitted: FittedScore, component: FittedComponent, affine: Affine, target: Outcome, rows: Mask, raw: Matrix
) -> float | None:
    """Return `spread_between` of a component's units.

    None for a severity, whose amounts say nothing about a unit's mean, and for a task that names no unit.
    """
    unit = fitted.task.unit
    objective = component.task.objective
    if unit is None or objective not in ("poisson", "binary"):
        return None
    codes, _ = pd.factorize(fitted.data.frame.loc[rows, unit])
    mean = inverse_link(objective, affine.slope * raw[rows] + affine.intercept)
    return spread_between(objective, mean, target.label[rows], target.weight[rows], codes)


def spread_between(
    objective: Objective, mean: FloatArray, label: FloatArray, weight: FloatArray, units: npt.NDArray[np.intp]
) -> float:
    """Return the squared coefficient of variation of the true rate between units that are predicted alike, not below 0.

    Parameters
    ----------
    objective
        "poisson": `mean` is a rate and `weight` the exposure; "binary": `mean` is the probability that something happens at a
        hazard ``h = -ln(1 - p)``, which is what differs between units.
    mean, label, weight
        Shape (n,).
    units
        Unit of each row, 0 to n_units - 1.

    With N and M the observed and the expected number of a unit over all its rows and ``theta`` its factor on rate or hazard,
    ``E theta = 1`` and ``Var theta = d``: ``Var N = V + d S**2``. V is the variance of N at ``theta = 1``: M for counts, the sum of
    ``p (1 - p)`` for yes or no, which a count's variance would overstate. S is how N moves with ``theta``: M for counts, the sum
    of ``(1 - p) h`` for yes or no. The estimate is ``sum((N - M)**2 - V) / sum(S**2)``.

    References
    ----------
    Buehlmann and Straub, "Glaubwuerdigkeit fuer Schadensaetze", 1970; Kaas et al., "Modern Actuarial Risk Theory", 2008,
    section 8.4 (the structure parameter by the method of moments).
    """
    def total(each: FloatArray) -> FloatArray:
        return np.bincount(units, each).astype(np.float64)

    expected = mean * ((weight @ label) / (weight @ mean))
    if objective == "binary":
        share = np.clip(expected, 0.0, 1.0 - np.finfo(np.float64).eps)
        noise, moved = total(weight**2 * share * (1.0 - share)), total(weight * (share - 1.0) * np.log1p(-share))
    else:
        noise = moved = total(weight * expected)
    gap = total(weight * label) - total(weight * expected)
    return float(max(0.0, (gap**2 - noise).sum() / (moved**2).sum()))


def fit_affine(
    objective: Objective, raw: Matrix, label: Matrix, weight: Matrix, *, power: float = 1.5
) -> Affine:
    """Return the affine calibration of maximum likelihood, guarded.

    Only the intercept is fitted when the slope's robust standard error exceeds `MAX_SLOPE_ERROR`, or when the slope
    lies outside `SLOPE_BOUNDS`: one so far from 1 speaks of a broken split rather than of a score to be stretched.

    Parameters
    ----------
    objective, power
        Likelihood; the power is Tweedie's.
    raw, label, weight
        (n,) raw margins, labels and weights.

    References
    ----------
    White, "Maximum Likelihood Estimation of Misspecified Models", Econometrica 50(1), 1982 (the standard error).
    """
    slope, intercept = _newton(objective, raw, label, weight, power, free_slope=True)
    error = _slope_error(objective, raw, label, weight, power, slope, intercept)
    if not error <= MAX_SLOPE_ERROR:
        reason = "slope is not determined"
    elif not SLOPE_BOUNDS[0] <= slope <= SLOPE_BOUNDS[1]:
        reason = "slope is out of bounds"
    else:
        return Affine(slope, intercept, "fitted")
    slope, intercept = _newton(objective, raw, label, weight, power, free_slope=False)
    return Affine(slope, intercept, reason)


def balanced(affine: Affine, raw: Matrix, label: Matrix, weight: Matrix) -> Affine:
    """Return the calibration of a log link with the intercept at which predicted and observed totals agree."""
    predicted = float(weight @ np.exp(affine.slope * raw + affine.intercept))
    shift = float(np.log(float(weight @ label) / predicted))
    return replace(affine, intercept=affine.intercept + shift)


def _newton(
    objective: Objective, raw: Matrix, label: Matrix, weight: Matrix, power: float, *, free_slope: bool
) -> tuple[float, float]:
    # Centred and scaled, so that the two parameters are nearly orthogonal and the steps well conditioned.
    centre, spread = float(np.average(raw, weights=weight)), float(raw.std()) or 1.0
    standard = (raw - centre) / spread
    theta = np.array([spread, centre])
    design = np.column_stack([standard, np.ones_like(standard)])
    free = slice(0, 2) if free_slope else slice(1, 2)
    loss = _loss(objective, design @ theta, label, weight, power)
    for _ in range(MAX_STEPS):
        gradient, curvature = _derivatives(objective, design @ theta, label, power)
        columns = design[:, free]
        hessian = (columns * (weight * curvature)[:, None]).T @ columns + 1e-12 * np.eye(columns.shape[1])
        step = np.zeros(2)
        step[free] = np.linalg.solve(hessian, columns.T @ (weight * gradient))
        theta, loss, gained = _line_search(objective, design, label, weight, power, theta, step, loss)
        if gained <= 1e-14 * max(abs(loss), 1.0):
            break
    slope = theta[0] / spread if free_slope else 1.0
    return float(slope), float(theta[1] - slope * centre)


def _slope_error(
    objective: Objective, raw: Matrix, label: Matrix, weight: Matrix, power: float, slope: float, intercept: float
) -> float:
    gradient, curvature = _derivatives(objective, slope * raw + intercept, label, power)
    design = np.column_stack([raw - np.average(raw, weights=weight), np.ones_like(raw)])
    hessian = (design * (weight * curvature)[:, None]).T @ design
    scores = design * (weight * gradient)[:, None]
    if np.linalg.cond(hessian) > 1e12:
        return float("inf")
    bread = np.linalg.inv(hessian)
    return float(np.sqrt((bread @ (scores.T @ scores) @ bread)[0, 0]))


def _line_search(
    objective: Objective, design: Matrix, label: Matrix, weight: Matrix, power: float, theta: Matrix, step: Matrix,
    loss: float,
) -> tuple[Matrix, float, float]:
    share = 1.0
    while share > 1e-6:
        candidate = theta - share * step
        new = _loss(objective, design @ candidate, label, weight, power)
        if new <= loss:
            return candidate, new, loss - new
        share /= 2
    return theta, loss, 0.0


def _loss(objective: Objective, margin: Matrix, label: Matrix, weight: Matrix, power: float) -> float:
    eta = np.clip(margin, -LOG_BOUND, LOG_BOUND)
    match objective:
        case "binary":
            terms = np.logaddexp(0.0, eta) - label * eta
        case "poisson":
            terms = np.exp(eta) - label * eta
        case "gamma":
            terms = eta + label * np.exp(-eta)
        case "tweedie":
            terms = np.exp((2 - power) * eta) / (2 - power) - label * np.exp((1 - power) * eta) / (1 - power)
    return float(weight @ terms)


def _derivatives(objective: Objective, margin: Matrix, label: Matrix, power: float) -> tuple[Matrix, Matrix]:
    eta = np.clip(margin, -LOG_BOUND, LOG_BOUND)
    match objective:
        case "binary":
            mean = inverse_link("binary", eta)
            return mean - label, mean * (1 - mean)
        case "poisson":
            mean = np.exp(eta)
            return mean - label, mean
        case "gamma":
            ratio = label * np.exp(-eta)
            return 1 - ratio, ratio
        case "tweedie":
            high, low = np.exp((2 - power) * eta), label * np.exp((1 - power) * eta)
            return high - low, (2 - power) * high + (power - 1) * low


def isotonic_gain(fitted: FittedScore, component: FittedComponent) -> float | None:
    """Return the share of test deviance that isotonic calibration would save; below 0 where it would lose.

    It is fitted on valid and judged on test. A diagnostic: an isotonic map would break the exact decomposition.
    None where the test fold has no usable row.
    """
    from sklearn.isotonic import IsotonicRegression

    k = [c.task.name for c in fitted.components].index(component.task.name)
    target = outcome(component.task, fitted.data.frame)
    valid, test = (target.used & fitted.data.in_fold(fold) for fold in (VALID, TEST))
    if not test.any() or not (target.label[test] > 0).any():
        return None
    objective, power = component.task.objective, component.task.tweedie_power
    affine = inverse_link(objective, fitted.component_margins[:, k])  # test rows, which no booster has seen
    # A pool of valid rows without an event would predict zero, whose deviance is infinite: keep a floor.
    floor = 1e-3 * float(np.average(target.label[valid], weights=target.weight[valid]))
    isotonic = IsotonicRegression(out_of_bounds="clip", y_min=floor, y_max=1 - 1e-6 if objective == "binary" else None)
    isotonic.fit(fitted.out_of_fold[valid, k], target.label[valid], sample_weight=target.weight[valid])
    bent = isotonic.predict(fitted.raw[test, k])
    before = mean_deviance(objective, target.label[test], affine[test], target.weight[test], power=power)
    after = mean_deviance(objective, target.label[test], bent, target.weight[test], power=power)
    return 1.0 - after / before if before > 0 else None

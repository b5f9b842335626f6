"""Affine calibration: it finds the truth, is guarded, and balances."""

from __future__ import annotations

import numpy as np
import pytest

from registry.bundle import Objective
from tests.lib.frames import FAST, made_up, task
from training.calibration import balanced, calibrate, fit_affine, isotonic_gain, spread_between
from training.fit import fit_score
from training.matrix import outcome
from training.metrics import balance, inverse_link

N = 20_000


def drawn(objective: Objective, mean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    match objective:
        case "binary":
            return (rng.random(len(mean)) < mean).astype(float)
        case "poisson":
            return rng.poisson(mean).astype(float)
        case "gamma":
            return rng.gamma(5.0, mean / 5.0)
        case "tweedie":
            events = rng.poisson(mean)
            return np.where(events > 0, rng.gamma(2.0 * np.maximum(events, 1), 0.5), 0.0)


@pytest.mark.parametrize("objective", ["binary", "poisson", "gamma", "tweedie"])
def test_a_known_distortion_is_undone(objective: Objective) -> None:
    rng = np.random.default_rng(1)
    margin = rng.normal(-0.5, 1.0, N)
    label = drawn(objective, inverse_link(objective, margin), rng)
    affine = fit_affine(objective, (margin + 0.3) / 1.4, label, np.ones(N))
    assert affine.reason == "fitted"
    assert affine.slope == pytest.approx(1.4, abs=0.06)
    assert affine.intercept == pytest.approx(-0.3, abs=0.06)


def test_the_maximum_likelihood_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(6)
    raw = rng.normal(0, 1, 3000)
    label = drawn("binary", inverse_link("binary", 0.8 * raw + 0.2), rng)
    reference = LogisticRegression(C=np.inf, tol=1e-10).fit(raw[:, None], label)
    affine = fit_affine("binary", raw, label, np.ones(3000))
    assert affine.slope == pytest.approx(float(reference.coef_[0, 0]), rel=1e-5)
    assert affine.intercept == pytest.approx(float(reference.intercept_[0]), abs=1e-5)


def test_a_slope_out_of_bounds_or_undetermined_is_not_used() -> None:
    rng = np.random.default_rng(7)
    raw = rng.normal(0, 1, N)
    steep = drawn("poisson", np.exp(3.0 * raw - 4), rng)
    assert fit_affine("poisson", raw, steep, np.ones(N)).slope == 1.0
    assert fit_affine("poisson", raw, steep, np.ones(N)).reason == "slope is out of bounds"
    few = fit_affine("poisson", raw[:40], drawn("poisson", np.exp(raw[:40] - 2), rng), np.ones(40))
    assert (few.slope, few.reason) == (1.0, "slope is not determined")
    constant = fit_affine("poisson", np.zeros(200), rng.poisson(1.0, 200).astype(float), np.ones(200))
    assert constant.reason == "slope is not determined"


def test_balance_moves_the_intercept_alone() -> None:
    raw, label, weight = np.array([0.0, 1.0]), np.array([2.0, 3.0]), np.array([1.0, 2.0])
    affine = fit_affine("poisson", raw, label, weight)
    moved = balanced(affine, raw, label, weight)
    assert moved.slope == affine.slope
    assert balance(label, np.exp(moved.slope * raw + moved.intercept), weight) == pytest.approx(1.0, rel=1e-14)


def test_predicted_totals_meet_observed_ones_on_what_was_fitted() -> None:
    calibrated, reports = calibrate(fit_score(task("pure_premium"), made_up(), seed=7, threads=1, parameters=FAST))
    assert len(reports) == 2
    for k, component in enumerate(calibrated.components):
        target = outcome(component.task, calibrated.data.frame)
        rows = target.used & calibrated.data.fitted_rows
        predicted = np.exp(calibrated.component_margins[rows, k])
        assert balance(target.label[rows], predicted, target.weight[rows]) == pytest.approx(1.0, rel=1e-12)


def test_isotonic_calibration_gains_little_on_a_calibrated_score() -> None:
    calibrated, _ = calibrate(fit_score(task("probability"), made_up(), seed=7, threads=1, parameters=FAST))
    gain = isotonic_gain(calibrated, calibrated.components[0])
    assert gain is not None
    assert gain < 0.02


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.5])
@pytest.mark.parametrize(
    ("objective", "rate"), [("poisson", 0.2), ("poisson", 1.5), ("binary", 0.1), ("binary", 0.2), ("binary", 0.6)],
)
def test_how_far_units_differ_is_found_again_for_counts_and_for_yes_or_no(objective: Objective, rate: float, spread: float) -> None:
    rng = np.random.default_rng(7)
    n_units, n_rows = 30_000, 8
    theta = rng.gamma(1 / spread, spread, n_units) if spread else np.ones(n_units)
    units = np.repeat(np.arange(n_units), n_rows)
    hazard = rate * rng.lognormal(0.0, 0.5, len(units))
    if objective == "poisson":
        label, mean = rng.poisson(hazard * theta[units]).astype(float), hazard
    else:
        label, mean = (rng.random(len(units)) < -np.expm1(-hazard * theta[units])).astype(float), -np.expm1(-hazard)
    found = spread_between(objective, mean, label, np.ones(len(units)), units)
    # The hazard's curvature, which the moments leave out, takes some away where units differ much and most of them fail.
    assert found == pytest.approx(spread, rel=0.35 if objective == "binary" else 0.1, abs=0.03)

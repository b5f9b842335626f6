"""Measures against hand arithmetic, and against scikit-learn on random numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training import metrics

ONE = np.ones(4)


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def test_poisson_deviance_by_hand() -> None:
    # 2 (0 - 0 + 1) = 2 and 2 (2 ln 2 - 2 + 1), weighted 1 to 3.
    expected = (2.0 + 3 * 2 * (2 * math.log(2) - 1)) / 4
    assert metrics.mean_deviance("poisson", array(0, 2), array(1, 1), array(1, 3)) == pytest.approx(expected, rel=1e-14)


def test_gamma_deviance_by_hand() -> None:
    expected = (2 * (math.log(2) + 0.5 - 1) + 0.0) / 2
    assert metrics.mean_deviance("gamma", array(1, 3), array(2, 3)) == pytest.approx(expected, rel=1e-14)


def test_tweedie_deviance_by_hand() -> None:
    # p = 1.5, y = 0, mu = 4: 2 * 4^0.5 / 0.5 = 8.
    assert metrics.mean_deviance("tweedie", array(0), array(4)) == pytest.approx(8.0, rel=1e-14)
    assert metrics.mean_deviance("tweedie", array(4), array(4)) == pytest.approx(0.0, abs=1e-14)


def test_auc_and_ks_by_hand_with_a_tie() -> None:
    observed, predicted = array(0, 1, 0, 1), array(0.1, 0.4, 0.4, 0.8)
    # Pairs: (.4 > .1), (.4 = .4) half, (.8 > .1), (.8 > .4) -> 3.5 / 4.
    assert metrics.auc(observed, predicted) == pytest.approx(3.5 / 4)
    assert metrics.ks(observed, predicted) == pytest.approx(0.5)


def test_gini_by_hand() -> None:
    # Perfect order of outcomes 0, 0, 0, 1: area 1/8, so 1 - 2/8.
    assert metrics.gini(array(0, 0, 0, 1), array(1, 2, 3, 4), ONE) == pytest.approx(0.75)
    # Exposure 3 and 1: outcome rates 0 and 1, the curve goes (0,0), (.75,0), (1,1).
    assert metrics.gini(array(0, 1), array(1, 2), array(3, 1)) == pytest.approx(0.75)


def test_a_constant_has_no_gini_in_any_order_of_rows() -> None:
    assert metrics.gini(array(0, 0, 5, 1), ONE, ONE) == pytest.approx(0.0, abs=1e-15)
    assert metrics.gini(array(5, 1, 0, 0), ONE, ONE) == pytest.approx(0.0, abs=1e-15)


def test_bands_split_by_weight_and_give_actual_over_expected() -> None:
    safe, risky = metrics.bands(array(0, 2, 3, 5), array(1, 1, 2, 2), ONE, count=2)
    assert (safe.share, safe.expected, safe.actual, safe.actual_to_expected) == (0.5, 1.0, 1.0, 1.0)
    assert (risky.expected, risky.actual, risky.actual_to_expected) == (2.0, 4.0, 2.0)
    assert metrics.ece(array(0, 2, 3, 5), array(1, 1, 2, 2), ONE, count=2) == pytest.approx(1.0)


@pytest.mark.parametrize("per_band", [8, 80])
def test_calibration_error_by_chance_is_that_of_a_calibrated_prediction(per_band: int) -> None:
    rng = np.random.default_rng(3)
    met, told = [], []
    for _ in range(200):
        mu = np.exp(rng.normal(size=10 * per_band))
        w = rng.uniform(0.5, 2.0, size=len(mu))
        y = rng.gamma(2.0, mu / 2.0)
        met.append(metrics.ece(y, mu, w))
        told.append(metrics.ece_by_chance(y, mu, w))
    assert np.mean(told) == pytest.approx(np.mean(met), rel=0.1)


def test_balance_is_predicted_over_observed() -> None:
    assert metrics.balance(array(1, 2), array(2, 2), array(1, 3)) == pytest.approx(8 / 7)


def test_agreement_with_scikit_learn() -> None:
    from sklearn import metrics as reference

    rng = np.random.default_rng(3)
    counts, mean, weight = rng.poisson(1.0, 500).astype(float), rng.gamma(2, 0.5, 500), rng.uniform(0.1, 2, 500)
    amounts, events = rng.gamma(2, 3, 500), (rng.random(500) < 0.3).astype(float)
    score = np.round(rng.random(500), 2).clip(0.01, 0.99)
    pairs = [
        (metrics.mean_deviance("poisson", counts, mean, weight),
         reference.mean_poisson_deviance(counts, mean, sample_weight=weight)),
        (metrics.mean_deviance("gamma", amounts, mean, weight),
         reference.mean_gamma_deviance(amounts, mean, sample_weight=weight)),
        (metrics.mean_deviance("tweedie", counts, mean, weight, power=1.9),
         reference.mean_tweedie_deviance(counts, mean, sample_weight=weight, power=1.9)),
        (metrics.d2("tweedie", counts, mean, weight, power=1.9),
         reference.d2_tweedie_score(counts, mean, sample_weight=weight, power=1.9)),
        (metrics.auc(events, score, weight), reference.roc_auc_score(events, score, sample_weight=weight)),
        (metrics.brier(events, score, weight), reference.brier_score_loss(events, score, sample_weight=weight)),
        (metrics.log_loss(events, score, weight), reference.log_loss(events, score, sample_weight=weight)),
    ]
    for ours, theirs in pairs:
        assert ours == pytest.approx(theirs, rel=1e-10)


def test_the_bootstrap_draws_groups_whole_and_repeats_itself() -> None:
    groups = np.array(["a", "a", "b", "b"])

    def statistic(times: np.ndarray) -> list[float]:
        assert times[0] == times[1]
        assert times[2] == times[3]
        return [float(times @ array(0, 0, 1, 1)) / float(times.sum())]

    first = metrics.bootstrap_intervals(statistic, groups, replicates=50, seed=1)
    assert first == metrics.bootstrap_intervals(statistic, groups, replicates=50, seed=1)
    assert first == [(0.0, 1.0)]

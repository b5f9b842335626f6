"""The ceiling recovers a conditional mean that is known, and no function of the inputs beats it."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.ceiling import Ceiling, Effort, fit_ceiling, gain
from experiments.oracle import compare
from experiments.oracle_rows import FloatArray, Judged
from registry.canonical_json import canonical_json

EFFORT = Effort(folds=3, max_rows=None, learning_rate=0.1, leaves=8, depth=4, max_trees=150, patience=10)
N, PER_GROUP = 6_000, 6


def planted(kind: str = "poisson", *, shape: float = 4.0) -> tuple[Judged, FloatArray, FloatArray]:
    """Return rows whose truth is f(inputs) times gamma noise of mean 1 that no input shows, the inputs, and f."""
    rng = np.random.default_rng(11)
    inputs = rng.standard_normal((N, 3))
    level = 0.15 if kind == "binary" else 0.4
    known = level * np.exp(0.5 * inputs[:, 0] + 0.3 * (inputs[:, 1] > 0.5) - 0.2)
    truth = known * rng.gamma(shape, 1.0 / shape, N)
    truth = np.minimum(truth, 0.95) if kind == "binary" else truth
    weight = np.ones(N) if kind == "binary" else rng.uniform(0.5, 2.0, N)
    observed = (rng.random(N) < truth).astype(float) if kind == "binary" else rng.poisson(truth * weight) / weight
    group = np.arange(N, dtype=np.int64) // PER_GROUP
    rows = Judged(kind, observed, weight, truth, truth, rng.lognormal(0.0, 0.4, N), group)  # type: ignore[arg-type]
    return rows, inputs, known


def held_out() -> np.ndarray:
    return np.arange(N) % PER_GROUP >= PER_GROUP - 2


@pytest.mark.parametrize("kind", ["poisson", "binary"])
def test_the_ceiling_is_the_conditional_mean_and_not_the_truth(kind: str) -> None:
    rows, inputs, known = planted(kind)
    test = held_out()
    ceiling = fit_ceiling(rows, inputs, test, effort=EFFORT, seed=3, threads=1)
    judged = rows.take(test)
    low, high = ceiling.bounds(judged, judged.truth)
    best = gain(kind, judged.truth, known[test], judged.weight)
    oracle = gain(kind, judged.truth, judged.truth, judged.weight)
    assert low == pytest.approx(best, rel=0.03)
    assert low <= best <= high < 0.85 * oracle
    assert np.corrcoef(np.log(ceiling.before), np.log(known[test]))[0, 1] > 0.97


def test_the_conditional_mean_itself_reaches_all_of_the_ceiling_and_half_of_the_inputs_does_not() -> None:
    rows, inputs, known = planted()
    test = held_out()
    ceiling = fit_ceiling(rows, inputs, test, effort=EFFORT, seed=3, threads=1)
    judged = rows.take(test)
    best = compare(judged, known[test], ceiling, replicates=30)
    ratio = best["metrics"]["gini_expected"]
    assert best["headline"]["met"]
    assert ratio["interval"][0] < ratio["ratio_to_ceiling"] < ratio["interval"][1]
    half = compare(judged, np.exp(0.3 * (inputs[test, 1] > 0.5)), ceiling, replicates=30)
    assert not half["headline"]["met"]
    assert half["metrics"]["gini_expected"]["interval"][1] < 0.97
    # The outcomes' own noise widens the interval of the same quantity.
    noisy = best["metrics"]["gini"]["interval"]
    assert noisy[1] - noisy[0] > ratio["interval"][1] - ratio["interval"][0]
    assert canonical_json(best)


def test_the_ceiling_is_the_same_twice_and_blind_to_the_own_enterprise() -> None:
    rows, inputs, _ = planted()
    test = held_out()
    # An input that names the enterprise tells nothing of enterprises that were never seen.
    named = np.column_stack([inputs, rows.group.astype(float)])
    first, again = (fit_ceiling(rows, named, test, effort=EFFORT, seed=3, threads=t) for t in (1, 2))
    assert np.array_equal(first.before, again.before)
    judged = rows.take(test)
    plain = fit_ceiling(rows, inputs, test, effort=EFFORT, seed=3, threads=1)
    assert first.bounds(judged, judged.truth)[0] == pytest.approx(plain.bounds(judged, judged.truth)[0], rel=0.03)


def test_the_upper_estimate_carries_the_last_gain_on() -> None:
    rows, _, known = planted()
    rows = rows.take(np.arange(900))
    noise = np.random.default_rng(1).standard_normal(900)
    half, full = known[:900] * np.exp(0.4 * noise), known[:900] * np.exp(0.2 * noise)
    low, high = Ceiling(half, full, full, 150, 10.0).bounds(rows, rows.truth)
    gained = low - gain("poisson", rows.truth, half, rows.weight)
    assert gained > 0
    assert high - low == pytest.approx(gained / (2**0.5 - 1))

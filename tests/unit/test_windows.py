"""Sums over windows that do not depend on the order of rows, and the out-of-time windows of training."""

from __future__ import annotations

import random
from typing import Any

import pandas as pd
import pytest

from features.exact import exact_mean, exact_sum
from registry.products import PRODUCTS
from training.products import PRODUCT_TRAINING
from training.splits import FOLD, NONE, TEST, TRAIN, VALID
from training.windows import Windows

VALUES = [0.1, 0.2, 0.3, 1e9 + 0.001, -1e9, 751.7, 4.51, 1e-6, None]


def summed(values: list[float | None]) -> tuple[Any, Any]:
    import ibis

    table = ibis.memtable(pd.DataFrame({"x": pd.Series(values, dtype="float64")}))
    found = table.aggregate(total=exact_sum(table.x), mean=exact_mean(table.x)).to_pyarrow().to_pylist()[0]
    return found["total"], found["mean"]


def test_the_order_of_rows_changes_no_digit() -> None:
    rng, met, naive = random.Random(1), set(), set()
    for _ in range(6):
        shuffled = rng.sample(VALUES, len(VALUES))
        met.add(summed(shuffled))
        naive.add(sum(value for value in shuffled if value is not None))
    assert len(naive) > 1, "these values were chosen because floats add to different sums"
    total = 0.1 + 0.2 + 0.3 + 751.7 + 4.51 + 0.001001
    ((added, mean),) = met
    assert (added, mean) == (pytest.approx(total, abs=1e-6), pytest.approx(total / 8, abs=1e-6))


def test_nothing_adds_to_null() -> None:
    assert summed([None, None]) == (None, None)


def test_a_condition_picks_what_is_added() -> None:
    import ibis

    table = ibis.memtable(pd.DataFrame({"x": [1.5, 2.5, 4.0], "near": [True, False, True]}))
    assert table.aggregate(total=exact_sum(table.x, where=table.near)).to_pyarrow()["total"].to_pylist() == [5.5]


def frame(days: list[int], groups: int) -> pd.DataFrame:
    start = pd.Timestamp("2025-01-01", tz="UTC")
    rows = [(start + pd.Timedelta(days=day), f"g{group}") for day in days for group in range(groups)]
    return pd.DataFrame(rows, columns=["cutoff", "group"])


def test_training_ends_an_embargo_before_the_test_begins() -> None:
    folded = Windows(test_d=35, embargo_d=90, valid_d=60).fold(frame(list(range(0, 360, 30)), 40), time="cutoff")
    newest = folded["cutoff"].max()
    test, rest = folded[folded[FOLD] == TEST], folded[folded[FOLD].isin([TRAIN, VALID])]
    assert test["cutoff"].min() >= newest - pd.Timedelta(days=35)
    assert rest["cutoff"].max() + pd.Timedelta(days=90) <= newest - pd.Timedelta(days=35)
    assert set(folded[FOLD]) == {TRAIN, VALID, TEST, NONE}
    train, valid = (folded["cutoff"][folded[FOLD] == fold] for fold in (TRAIN, VALID))
    assert train.max() < valid.min()
    assert valid.max() - valid.min() <= pd.Timedelta(days=60)


@pytest.mark.parametrize("product_id", PRODUCT_TRAINING)
def test_no_outcome_that_training_saw_reaches_the_test(product_id: str) -> None:
    windows, task = PRODUCT_TRAINING[product_id].windows, PRODUCT_TRAINING[product_id].task
    # Policies are cut into slices of 90 days: an outcome window there is shorter than the product's horizon.
    horizon = 90 if product_id == "insurance_pricing" else PRODUCTS[product_id].horizon_d
    assert windows.embargo_d >= (1 if horizon is None else horizon)
    assert windows.test_d > 0
    assert task.horizon_d == PRODUCTS[product_id].horizon_d

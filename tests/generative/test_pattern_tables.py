"""Contributions read from tables of patterns are those of the kernel, whatever the trees and the rows."""

from __future__ import annotations

import lightgbm  # noqa: TID253 - its subject
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.treeshap.exact import ExactForest
from registry.treeshap.forest import NotCovered
from registry.treeshap.patterns import PatternForest

N_FEATURES = 6


def trained(seed: int, *, leaves: int, depth: int, missing: bool, trees: int = 8, **more: object) -> str:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(500, N_FEATURES))
    matrix[:, 4] = rng.integers(0, 40, 500)
    matrix[:, 5] = rng.integers(0, 3, 500)
    if missing:
        matrix[rng.random(matrix.shape) < 0.2] = np.nan
    target = np.nan_to_num(matrix[:, 0]) * 2 + np.nan_to_num(matrix[:, 1]) ** 2 + (matrix[:, 4] % 3 == 1) + rng.normal(size=500)
    parameters = {
        "objective": "regression", "num_leaves": leaves, "max_depth": depth, "min_data_in_leaf": 5, "min_data_per_group": 5,
        "cat_smooth": 1.0, "seed": seed, "num_threads": 1, "deterministic": True, "verbose": -1, **more,
    }
    data = lightgbm.Dataset(matrix, target, categorical_feature=[4, 5], params={"verbose": -1})
    return lightgbm.train(parameters, data, num_boost_round=trees).model_to_string()


TEXTS = {
    "small": trained(1, leaves=4, depth=3, missing=True), "usual": trained(2, leaves=16, depth=6, missing=True),
    "large": trained(3, leaves=40, depth=8, missing=True), "complete": trained(4, leaves=16, depth=6, missing=False),
    "stumps": trained(5, leaves=2, depth=1, missing=True),
    "constant": trained(6, leaves=16, depth=6, missing=True, min_data_in_leaf=400),
}
values = st.one_of(
    st.floats(-5, 5), st.sampled_from([np.nan, 0.0, -0.0, 1e-40, -1.0, 1.0, 2.0, 39.0, 40.0, 255.0, 256.0, 3e9, np.inf, -np.inf])
)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(TEXTS)),
    rows=st.lists(st.lists(values, min_size=N_FEATURES, max_size=N_FEATURES), min_size=1, max_size=8),
)
def test_values_are_the_kernels(name: str, rows: list[list[float]]) -> None:
    text, matrix = TEXTS[name], np.array(rows)
    forest = PatternForest(text)
    want, margin = ExactForest(text).explain(matrix)
    met = forest.explain(matrix)
    np.testing.assert_allclose(met, want, rtol=0, atol=1e-12)
    np.testing.assert_allclose(forest.expected + met.sum(axis=1), margin, rtol=0, atol=1e-12)


def test_a_row_gives_the_same_bytes_alone_among_others_and_on_two_threads() -> None:
    forest = PatternForest(TEXTS["large"])
    matrix = np.random.default_rng(9).normal(size=(9000, N_FEATURES))
    whole = forest.explain(matrix)
    np.testing.assert_array_equal(forest.explain(matrix, threads=2), whole)
    np.testing.assert_array_equal(np.concatenate([forest.explain(matrix[:700]), forest.explain(matrix[700:])]), whole)
    np.testing.assert_array_equal(forest.explain(matrix[4100:4101])[0], whole[4100])


def test_no_rows_have_no_values() -> None:
    assert PatternForest(TEXTS["usual"]).explain(np.zeros((0, N_FEATURES))).shape == (0, N_FEATURES)


@pytest.mark.parametrize(("reason", "options"), [
    ("a tree of", {"leaves": 90, "depth": -1}), ("a leaf behind", {"leaves": 30, "depth": -1}),
    ("zero as missing", {"leaves": 8, "depth": 4, "zero_as_missing": True}),
])
def test_what_tables_do_not_hold_is_said(reason: str, options: dict[str, object]) -> None:
    with pytest.raises(NotCovered, match=reason):
        PatternForest(trained(7, missing=True, trees=20, **options))

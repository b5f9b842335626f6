"""Our exact TreeSHAP against LightGBM's own, on trees of every kind that it grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.errors import BundleRefused
from registry.treeshap.engines import PRED_CONTRIB, engine_for
from registry.treeshap.exact import ENGINE, MANY, ExactForest, ExactForests
from registry.treeshap.forest import NotCovered, parse_forest
from registry.treeshap.paths import prepare

N_FEATURES = 7
CATEGORICAL = [2, 3]


def table(seed: int, rows: int = 400) -> tuple[Any, Any]:
    """Return numbers, categories and many nulls and zeros, and an outcome that needs them together."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, N_FEATURES)).round(2)
    x[:, 2], x[:, 3] = rng.integers(0, 60, rows), rng.integers(0, 4, rows)
    x[:, 4] = np.where(rng.random(rows) < 0.6, 0.0, x[:, 4])
    x[rng.random((rows, N_FEATURES)) < 0.1] = np.nan
    known = np.nan_to_num(x)
    return x, known[:, 0] * known[:, 1] + (known[:, 2] % 3) + known[:, 4] + rng.normal(size=rows)


def grown(seed: int, trees: int = 8, **parameters: Any) -> Any:
    import lightgbm

    x, y = table(seed)
    settings_ = {"objective": "regression", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 1, "seed": seed, **parameters}
    if settings_["objective"] != "regression":
        y = (y > 0).astype(float)
    return lightgbm.train(settings_, lightgbm.Dataset(x, y, categorical_feature=CATEGORICAL), trees)


def strange_rows(seed: int) -> Any:
    """Return rows with values that training never saw."""
    x = table(seed + 1, 40)[0]
    x[0], x[1] = np.nan, 0.0
    x[2, 2], x[3, 2], x[4, 2], x[5, 2], x[6, 2] = -3.0, 2.7, 1e12, 999.0, -0.5
    x[7, 0], x[8, 4], x[9, 4], x[10, 1] = np.inf, 1e-36, -1e-30, -np.inf
    return x


def check(booster: Any, rows: Any) -> None:
    theirs = booster.predict(rows, pred_contrib=True, num_threads=1)
    forest = ExactForest(booster.model_to_string())
    ours, raw = forest.explain(rows)
    size = max(1.0, float(np.abs(theirs).max()))
    np.testing.assert_allclose(ours, theirs[:, :-1], rtol=0, atol=1e-12 * size)
    assert forest.expected == theirs[0, -1]
    # The margin is LightGBM's to the last bit: both add the leaves up in the order of the trees.
    np.testing.assert_array_equal(raw, booster.predict(rows, raw_score=True, num_threads=1))
    np.testing.assert_allclose(forest.expected + ours.sum(axis=1), raw, rtol=0, atol=1e-12 * size)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 50), leaves=st.integers(2, 40), depth=st.sampled_from([-1, 1, 3, 7]),
    missing=st.sampled_from([{}, {"zero_as_missing": True}, {"use_missing": False}]),
    objective=st.sampled_from(["regression", "binary", "poisson"]),
)
def test_contributions_and_margins_are_lightgbms(
    seed: int, leaves: int, depth: int, missing: dict[str, bool], objective: str
) -> None:
    check(grown(seed, num_leaves=leaves, max_depth=depth, objective=objective, **missing), strange_rows(seed))


def test_long_paths_over_many_features_need_several_walks() -> None:
    import lightgbm

    rng = np.random.default_rng(3)
    x = rng.normal(size=(3000, 30))
    y = sum((x[:, j] > 0.5).astype(float) * 2.0**-j for j in range(30))
    parameters = {"objective": "regression", "num_leaves": 250, "verbosity": -1, "min_data_in_leaf": 1, "num_threads": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, y), 5)
    assert prepare([parse_forest(booster.model_to_string())]).walks.max() >= 2
    check(booster, x[:50])


def test_trees_that_never_split() -> None:
    import lightgbm

    x = np.zeros((50, 2))
    booster = lightgbm.train({"objective": "regression", "verbosity": -1}, lightgbm.Dataset(x, np.arange(50.0)), 3)
    check(booster, x[:3])


def test_a_row_gives_the_same_bytes_alone_in_a_batch_and_on_two_threads() -> None:
    forest, rows = ExactForest(grown(1, trees=30, num_leaves=31).model_to_string()), table(9, 300)[0]
    together, raw = forest.explain(rows)
    for i in range(0, 300, 37):
        alone, margin = forest.explain(rows[i : i + 1])
        assert (alone.tobytes(), margin.tobytes()) == (together[i : i + 1].tobytes(), raw[i : i + 1].tobytes())
    assert forest.explain(rows, threads=2)[0].tobytes() == together.tobytes()


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 50), leaves=st.sampled_from([2, 5, 31, 64, 65, 120]), rows=st.integers(MANY, 300),
    missing=st.sampled_from([{}, {"zero_as_missing": True}, {"use_missing": False}]),
)
def test_many_rows_share_walks_and_each_gives_the_bytes_of_a_row_alone(
    seed: int, leaves: int, rows: int, missing: dict[str, bool]
) -> None:
    boosters = [grown(seed + i, num_leaves=leaves, **missing) for i in range(2)]
    forests = ExactForests([booster.model_to_string() for booster in boosters])
    matrix = np.concatenate([strange_rows(seed), table(seed + 2, rows - 40)[0]])
    out, raw = forests.explain(matrix)
    for i in range(rows):
        alone, margin = forests.explain(matrix[i : i + 1])
        assert (alone.tobytes(), margin.tobytes()) == (out[i : i + 1].tobytes(), raw[i : i + 1].tobytes())


def test_rows_are_taken_so_many_at_a_time_that_what_they_share_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    text, rows = grown(4, num_leaves=100).model_to_string(), table(5, 500)[0]
    expected = ExactForest(text).explain(rows)[0].tobytes()
    monkeypatch.setattr("registry.treeshap.exact._SHARED_BYTES", 8 * 200 * 100)
    forests = ExactForests([text])
    assert MANY <= forests._at_once < 200
    assert forests.explain(rows)[0].tobytes() == expected


def test_boosters_of_one_score_are_explained_together_as_each_alone() -> None:
    texts = [grown(seed, num_leaves=leaves).model_to_string() for seed, leaves in ((1, 20), (2, 2), (3, 31))]
    together, rows = ExactForests(texts), strange_rows(4)
    out, raw = together.explain(rows)
    for place, forest in enumerate(map(ExactForest, texts)):
        alone, margin = forest.explain(rows)
        assert (alone.tobytes(), margin.tobytes()) == (out[:, place].tobytes(), raw[:, place].tobytes())
        assert together.expected[place] == forest.expected


def test_rows_of_any_kind_of_array_meet_the_one_compiled_kernel() -> None:
    forest, rows = ExactForest(grown(1).model_to_string()), np.round(table(9, 20)[0], 0)
    expected = forest.explain(rows)[0].tobytes()
    for other in (np.frombuffer(rows.tobytes()).reshape(rows.shape), np.asfortranarray(rows), rows.astype(np.float32)):
        assert forest.explain(other)[0].tobytes() == expected


def test_no_rows_have_no_contributions() -> None:
    forest = ExactForest(grown(1).model_to_string())
    assert [part.shape for part in forest.explain(np.zeros((0, N_FEATURES)))] == [(0, N_FEATURES), (0,)]
    with pytest.raises(ValueError, match="has not 7 features"):
        forest.explain(np.zeros((1, 3)))


@pytest.mark.parametrize(("parameters", "why"), [
    ({"linear_tree": True}, "linear trees"),
    ({"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1}, "averaged output"),
    ({"objective": "multiclass", "num_class": 3}, "3 trees per iteration"),
])
def test_what_is_not_covered_says_so_and_lightgbm_explains_it(parameters: dict[str, Any], why: str) -> None:
    import lightgbm

    x, y = np.nan_to_num(table(2)[0]), np.arange(400.0) % 3
    text = lightgbm.train({"objective": "regression", "verbosity": -1, **parameters}, lightgbm.Dataset(x, y), 3).model_to_string()
    with pytest.raises(NotCovered, match=why):
        parse_forest(text)
    assert (engine_for([text]), engine_for([grown(1).model_to_string()])) == (PRED_CONTRIB, ENGINE)


@pytest.mark.parametrize(("before", "after"), [
    ("left_child=", "left_child=0 "), ("num_leaves=8", "num_leaves=9"), ("split_feature=", "split_feature=99 "),
    ("leaf_value=", "leaf_value=nan "), ("max_feature_idx=6", "max_feature_idx=x"), ("threshold=", "thr="),
    ("internal_count=400", "internal_count=0"), ("cat_threshold=", "cat_threshold=-1 "),
    ("tree_sizes=", "tree_sizes=1 "), ("Tree=7\n", "Tree=\n"),
])
def test_a_text_that_describes_no_trees_is_refused(before: str, after: str) -> None:
    text = grown(4, num_leaves=8, max_cat_to_onehot=1, min_data_per_group=1, cat_smooth=0.0).model_to_string()
    assert before in text
    with pytest.raises(BundleRefused, match="the model text cannot be read"):
        parse_forest(text.replace(before, after, 1))


def test_children_in_a_circle_are_refused() -> None:
    text = grown(4, num_leaves=8).model_to_string()
    line = next(line for line in text.splitlines() if line.startswith("left_child="))
    circle = "left_child=" + " ".join("0" if i == 0 else part for i, part in enumerate(line.partition("=")[2].split()))
    with pytest.raises(BundleRefused, match="do not form a tree"):
        parse_forest(text.replace(line, circle, 1))

"""Exact TreeSHAP by quadrature, beside LightGBM's `pred_contrib` and `shap.TreeExplainer` on the same model.

A binary LightGBM model of 300 trees with at most 63 leaves on 40 inputs, two of them categories, with nulls. Each way explains the
same rows on one thread: one row, and a batch of 400. Depth is the trained bundles' (at most 7) and, as `unlimited`, LightGBM's
own default, whose longer paths need more quadrature nodes. `batch_two_threads_vs_one` is our own gain from a second thread.
Differences are absolute, in log-odds; contributions here reach some units. The bench ends with an error if they exceed 1e-12.

FastTreeSHAP 0.1.6 and WOODELF 0.4.8 cannot explain these models: both fail on splits of categories. FastTreeSHAP is also built for
numpy 1 and cannot be imported under numpy 2. So they were run apart, on the same data with categories taken as numbers, all ways
in turns in one process with numpy 1.26 and LightGBM 4.7, ours among them (`pip install "numpy<2"` first, then FastTreeSHAP
without build isolation). Time of `pred_contrib` over theirs, above 1 is faster; the times of 400 rows are medians of three
turns, those of 4,000 rows one turn, and two runs differed by up to 26 %:

| way | 400 rows | 4,000 rows | largest difference from `pred_contrib` |
|---|---:|---:|---|
| ours | 8.3 | 9.9 | 2.5e-14 |
| FastTreeSHAP v1 | 2.3 | 1.6 | 1.3e-15 |
| FastTreeSHAP v2 | 2.9 | 2.6 | 4.2e-15 without nulls; 2.4 with nulls, which are other values |
| WOODELF | 0.23 | 1.8 | 1.7e-5 |
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from registry.treeshap.exact import ExactForest
from tests.lib.timing import medians

TITLE: Final = "Exact TreeSHAP"
FIGURES: Final = {
    "row_vs_pred_contrib": "one row: time of `pred_contrib` / ours",
    "batch_vs_pred_contrib": "400 rows: time of `pred_contrib` / ours",
    "row_vs_shap": "one row: time of `shap.TreeExplainer` / ours",
    "batch_vs_shap": "400 rows: time of `shap.TreeExplainer` / ours",
    "unlimited_row_vs_pred_contrib": "one row, depth not limited: time of `pred_contrib` / ours",
    "unlimited_batch_vs_pred_contrib": "400 rows, depth not limited: time of `pred_contrib` / ours",
    "batch_two_threads_vs_one": "400 rows: our time on one thread / on two",
    "row_us": "our time for one row, in microseconds",
    "row_pred_contrib_us": "`pred_contrib`'s time for one row, in microseconds",
    "prepare_s": "reading the model text and making the tables, once per model, in seconds",
    "max_abs_diff": "largest difference of a contribution from `pred_contrib`",
    "max_additivity_error": "largest difference between expected value plus contributions and the margin",
}
HIGHER_IS_BETTER: Final = tuple(name for name in FIGURES if "_vs_" in name)
TREES, LEAVES, N_INPUTS, N_BATCH = 300, 63, 40, 400
TOLERANCE: Final = 1e-12


def run() -> dict[str, float]:
    """Return the figures."""
    import lightgbm  # noqa: F401 - a limit holds for the libraries that are there already

    # TreeExplainer calls LightGBM without a number of threads, and the booster's own parameters do not reach it.
    with threadpool_limits(1, user_api="openmp"):
        return _measured()


def _measured() -> dict[str, float]:
    rows = table(2, N_BATCH)[0]
    booster, forest, prepare_s = model(max_depth=7)
    unlimited, unlimited_forest, _ = model(max_depth=-1)
    difference, additivity = map(max, zip(_errors(booster, forest, rows), _errors(unlimited, unlimited_forest, rows), strict=True))
    if difference > TOLERANCE:
        raise AssertionError(f"contributions differ by {difference}")
    one = rows[:1]
    single = medians(_ways(booster, forest, one) | {
        "deep": lambda: unlimited_forest.explain(one), "deep_peer": lambda: peer(unlimited, one),
    }, rounds=61)
    batch = medians(_ways(booster, forest, rows) | {
        "two": lambda: forest.explain(rows, threads=2), "deep": lambda: unlimited_forest.explain(rows),
        "deep_peer": lambda: peer(unlimited, rows),
    }, rounds=11)
    return {
        "row_vs_pred_contrib": single["peer"] / single["ours"], "batch_vs_pred_contrib": batch["peer"] / batch["ours"],
        "row_vs_shap": single["shap"] / single["ours"], "batch_vs_shap": batch["shap"] / batch["ours"],
        "unlimited_row_vs_pred_contrib": single["deep_peer"] / single["deep"],
        "unlimited_batch_vs_pred_contrib": batch["deep_peer"] / batch["deep"],
        "batch_two_threads_vs_one": batch["ours"] / batch["two"],
        "row_us": 1e6 * single["ours"], "row_pred_contrib_us": 1e6 * single["peer"], "prepare_s": prepare_s,
        "max_abs_diff": difference, "max_additivity_error": additivity,
    }


def _ways(booster: Any, forest: ExactForest, rows: Any) -> dict[str, Any]:
    import shap

    explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
    return {
        "ours": lambda: forest.explain(rows), "peer": lambda: peer(booster, rows), "shap": lambda: explainer.shap_values(rows),
    }


def peer(booster: Any, rows: Any) -> Any:
    """Return what LightGBM gives on one thread: contributions and, last, the expected value."""
    return booster.predict(rows, pred_contrib=True, num_threads=1)


def _errors(booster: Any, forest: ExactForest, rows: Any) -> tuple[float, float]:
    theirs = peer(booster, rows)
    ours, raw = forest.explain(rows)
    return (
        max(float(np.abs(ours - theirs[:, :-1]).max()), abs(forest.expected - float(theirs[0, -1]))),
        float(np.abs(forest.expected + ours.sum(axis=1) - raw).max()),
    )


def model(*, max_depth: int, categories: bool = True) -> tuple[Any, ExactForest, float]:
    """Return a booster, its forest, and the seconds that reading it took."""
    import time

    import lightgbm

    x, y = table(1, 20_000)
    parameters = {
        "objective": "binary", "num_leaves": LEAVES, "max_depth": max_depth, "verbosity": -1, "num_threads": 1, "seed": 1,
        "deterministic": True,
    }
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, y, categorical_feature=[3, 4] if categories else []), TREES)
    text, started = booster.model_to_string(), time.perf_counter()
    forest = ExactForest(text)
    return booster, forest, time.perf_counter() - started


def table(seed: int, rows: int) -> tuple[Any, Any]:
    """Return inputs and outcomes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, N_INPUTS))
    x[:, 3], x[:, 4] = rng.integers(0, 40, rows), rng.integers(0, 5, rows)
    x[rng.random(x.shape) < 0.05] = np.nan
    known = np.nan_to_num(x)
    y = known[:, 0] * known[:, 1] + known[:, 2] + known[:, 3] % 3 + known[:, 5:20] @ np.linspace(-0.5, 0.5, 15)
    return x, (y + rng.normal(size=rows) > 1.0).astype(float)

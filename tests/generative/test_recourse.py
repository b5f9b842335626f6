"""The search for recourse against a slow one that tries a grid of values of every set of inputs."""

from __future__ import annotations

from functools import cache
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.bundle import Component, Golden, ManifestFeature, make_bundle
from registry.feature_spec import Feature
from registry.recourse import MOST_CHANGES, ROUNDING, Recourse, search
from registry.scorer import Scorer
from tests.lib.bundles import tiny_bundle

MONOTONE = (1, -1, 1, 1, 0)
COLUMNS = range(len(MONOTONE))
SLACK = 1e-9


@cache
def scorer(seed: int) -> Scorer:
    """Return a score of five inputs that the subject can change, four of them with a promised direction."""
    import lightgbm

    rng = np.random.default_rng(seed)
    x = rng.gamma(2.0, 1.0, size=(500, len(MONOTONE))).round(2)
    x[rng.random(x.shape) < 0.1] = np.nan
    risk = np.nan_to_num(x, nan=1.0) @ np.array([0.5, -0.4, 0.3, 0.2, 0.1])
    booster = lightgbm.train(
        {"objective": "binary", "num_leaves": 6, "min_data_in_leaf": 10, "monotone_constraints": list(MONOTONE), "verbose": -1,
         "num_threads": 1, "deterministic": True, "force_row_wise": True, "seed": seed},
        lightgbm.Dataset(x, (risk + rng.normal(size=500) > 1.5).astype(float)), num_boost_round=12,
    )
    raw = booster.predict(x, raw_score=True, num_threads=1)
    like = tiny_bundle("driver_fatigue").manifest
    features = tuple(
        ManifestFeature.of(Feature(
            name=f"x{i}", entity="vehicle", zh="输入", en="input", group="dynamics", reason_code="R14", actionable=True,
            resources=("vehicle_location",), monotone=direction, monotone_reason="made so" if direction else "",
        )) for i, direction in enumerate(MONOTONE)
    )
    medians = {f"x{i}": float(np.nanmedian(x[:, i])) for i in COLUMNS}
    manifest = like.model_copy(update={
        "features": features, "reference": like.reference.model_copy(update={"medians": medians}),
        "components": (Component(name="event", objective="binary", n_trees=12, slope=1.0, intercept=0.0, weight=1.0),),
    })
    golden = Golden(rows=(tuple(None if np.isnan(v) else v for v in x[0].tolist()),), raw=((float(raw[0]),),))
    return Scorer(make_bundle(manifest, golden, {"event": booster.model_to_string()}))


def row_of(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    row = rng.gamma(3.0, 1.2, size=len(MONOTONE)).round(3)
    row[rng.random(len(MONOTONE)) < 0.15] = np.nan
    return row


def grid(subject: Scorer, row: Any, column: int) -> list[float]:
    """Return values between an input and the median, better than the input, the nearest first; dense enough for each step."""
    start, end = row[column], subject.manifest.reference.medians[f"x{column}"]
    assert end is not None
    if not MONOTONE[column] or np.isnan(start) or (end - start) * MONOTONE[column] >= 0:
        return []
    return np.linspace(start, end, 400)[1:].tolist()


def fewest(subject: Scorer, row: Any, below: float) -> int | None:
    """Return the smallest number of inputs whose values on a coarse grid, with all ends in it, bring the points below a limit."""
    values = {column: found[:: -(len(found) // 6)] for column in COLUMNS if (found := grid(subject, row, column))}
    for n in range(1, MOST_CHANGES + 1):
        for columns in combinations(values, n):
            rows = np.array([np.put_along_axis(one := row.copy(), np.array(columns), np.array(v), 0) or one
                             for v in product(*(values[column] for column in columns))])
            if (subject.points(rows) < below).any():
                return n
    return None


def found_for(subject: Scorer, row: Any, below: float) -> Recourse:
    return search(subject, row, below=below, columns=COLUMNS)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3), st.integers(0, 10_000), st.floats(0.5, 120.0))
def test_the_fewest_changes_are_found_and_none_is_larger_than_it_must_be(model, seed, lower_by):
    subject, row = scorer(model), row_of(seed)
    below = float(subject.points(row[None])[0]) - lower_by
    found = found_for(subject, row, below)
    assert found.exhaustive
    least = fewest(subject, row, below)
    assert [len(way.moves) for way in found.ways] == ([] if least is None else [least] * len(found.ways))
    assert bool(found.ways) == (least is not None)
    for way in found.ways:
        assert_least(subject, row, way, below)


def assert_least(subject: Scorer, row: Any, way: Any, below: float) -> None:
    changed = row.copy()
    for move in way.moves:
        changed[move.column] = move.new
        end = subject.manifest.reference.medians[f"x{move.column}"]
        assert (move.new - move.old) * MONOTONE[move.column] < 0 < move.share <= 1
        assert abs(move.new - move.old) <= abs(end - move.old) + SLACK
    assert subject.points(changed[None])[0] == way.points < below
    for move in way.moves:
        slack = ROUNDING * abs(subject.manifest.reference.medians[f"x{move.column}"] - move.old) + SLACK
        nearer = [value for value in grid(subject, row, move.column) if abs(value - move.old) < abs(move.new - move.old) - slack]
        rows = np.repeat(changed[None], len(nearer), axis=0)
        rows[:, move.column] = nearer
        assert not nearer or (subject.points(rows) >= below).all()


def test_what_has_no_promised_direction_is_missing_or_not_allowed_is_not_moved():
    subject = scorer(0)
    row = np.array([9.0, np.nan, 9.0, 9.0, 9.0])
    found = search(subject, row, below=float(subject.points(row[None])[0]) - 1.0, columns=[1, 2, 4])
    assert found.n_inputs == 1
    assert {move.column for way in found.ways for move in way.moves} <= {2}


@pytest.mark.parametrize("row", [np.full(5, np.nan), np.array([0.0, 99.0, 0.0, 0.0, 0.0])])
def test_where_nothing_can_be_moved_there_is_no_way(row):
    found = found_for(scorer(0), row, 0.5)
    assert (found.ways, found.n_inputs) == ((), 0)

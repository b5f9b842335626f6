"""Gini and AUC within strata and under draws beside the plain measures on the rows written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training import metrics
from training.judgement.concentration import Concentration, pooled, quintiles
from training.judgement.resampling import Draws

Row = tuple[float, float, float, int, int]


def rows(label: st.SearchStrategy[float]) -> st.SearchStrategy[list[Row]]:
    ranking = st.integers(0, 5).map(float)  # few values, so that ties are the rule
    row = st.tuples(ranking, label, st.floats(0.1, 3.0), st.integers(0, 4), st.integers(0, 2))
    return st.lists(row, min_size=2, max_size=40)


def columns(found: list[Row]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    ranking, label, weight = (np.array([row[k] for row in found], dtype=float) for k in range(3))
    group = np.array([row[3] for row in found])
    stratum = np.unique([row[4] for row in found], return_inverse=True)[1].astype(np.intp)
    return ranking, label, weight, group, stratum


def slow(ranking: np.ndarray, label: np.ndarray, weight: np.ndarray, *, binary: bool) -> float:
    """Return the measure pair by pair (AUC), or by the plain curve (Gini)."""
    if weight.sum() == 0 or (weight * label).sum() == 0:
        return float("nan")
    if not binary:
        return metrics.gini(label[weight > 0], ranking[weight > 0], weight[weight > 0])
    if (weight * (1 - label)).sum() == 0:
        return float("nan")
    wins = (ranking[:, None] > ranking[None]) + 0.5 * (ranking[:, None] == ranking[None])
    pairs = (weight * label)[:, None] * (weight * (1 - label))[None]
    return float((wins * pairs).sum() / pairs.sum())


@pytest.mark.parametrize(
    ("binary", "label"), [(True, st.sampled_from([0.0, 1.0])), (False, st.sampled_from([0.0, 0.0, 0.5, 2.0]))]
)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_strata_and_draws_are_as_if_each_were_alone(binary: bool, label: st.SearchStrategy[float], data: st.DataObject) -> None:
    ranking, y, w, group, stratum = columns(data.draw(rows(label)))
    curve = Concentration.of(ranking, y, w, binary=binary, stratum=stratum)
    draws = Draws.of(group, replicates=4, seed=1)
    drawn, weights = curve.drawn(draws)
    for k in range(int(stratum.max()) + 1):
        mine = stratum == k
        expected = slow(ranking[mine], y[mine], w[mine], binary=binary)
        np.testing.assert_allclose(curve.value()[k], expected, atol=1e-9)
        for replicate in range(4):
            times = draws.times[replicate][draws.codes]
            expected = slow(ranking[mine], y[mine], (w * times)[mine], binary=binary)
            np.testing.assert_allclose(drawn[replicate, k], expected, atol=1e-9)
            np.testing.assert_allclose(weights[replicate, k], (w * times)[mine].sum(), atol=1e-9)


def test_pooling_weighs_strata_and_leaves_out_those_without_a_measure() -> None:
    measures = np.array([[0.2, 0.6, np.nan], [np.nan, np.nan, np.nan]])
    weights = np.array([[1.0, 3.0, 9.0], [1.0, 1.0, 1.0]])
    np.testing.assert_allclose(pooled(measures, weights), [0.5, np.nan])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.floats(-5, 5), st.just(float("nan"))), min_size=1, max_size=60))
def test_quintiles_keep_equal_values_together_and_have_no_gap(values: list[float]) -> None:
    array = np.array(values)
    position = quintiles(array)
    assert set(position.tolist()) == set(range(int(position.max()) + 1))
    for value in np.unique(array[~np.isnan(array)]):
        assert len(set(position[array == value].tolist())) == 1
    known = array[~np.isnan(array)]
    assert (np.diff(position[~np.isnan(array)][np.argsort(known, kind="stable")]) >= 0).all()

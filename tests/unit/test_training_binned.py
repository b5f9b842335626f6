"""One table of bins for all fits of a task: the trees are those of datasets that are cut at the same places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.lib.frames import FAST, made_up, task
from training import binned as module
from training.binned import binned
from training.fit import answerable, fit_members, fit_score
from training.matrix import TrainingData, outcome, prepare

SEED = 7


def data(members: int = 3) -> TrainingData:
    return prepare(task("pure_premium", members=members), made_up())


def test_members_and_components_share_one_table() -> None:
    rows = data()
    for component in rows.task.components:
        fit_members(rows, component, SEED, 1, parameters=FAST)
    assert len(rows.kept) == 1
    (table,) = rows.kept.values()
    assert table.table.num_data() == int(rows.fitted_rows.sum())


def test_other_bins_are_another_table_and_the_last_one_is_kept() -> None:
    rows, component = data(), data().task.components[0]
    fit_members(rows, component, SEED, 1, parameters=FAST)
    before = list(rows.kept)
    fit_members(rows, component, SEED, 1, parameters={**FAST, "max_bin": 15})
    assert len(rows.kept) == 1
    assert list(rows.kept) != before


def test_a_table_of_many_rows_is_not_kept_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 10)
    rows = data()
    assert binned(rows, {}, seed=SEED, threads=1) is None
    assert binned(data(members=1), {}, seed=SEED, threads=1) is None


def test_labels_and_weights_are_those_of_the_chosen_rows() -> None:
    rows = data()
    target = outcome(rows.task.components[0], rows.frame)
    chosen = rows.fitted_rows & target.used & (np.arange(len(rows.frame)) % 3 == 0)
    found = binned(rows, {}, seed=SEED, threads=1)
    assert found is not None
    made = found.rows(target, chosen, threads=1)
    np.testing.assert_array_equal(made.get_label(), target.label[chosen].astype(np.float32))
    np.testing.assert_array_equal(made.get_weight(), target.weight[chosen].astype(np.float32))


def test_cuts_do_not_know_outcomes() -> None:
    frame = made_up()
    shuffled = frame.assign(claims=frame["claims"].sample(frac=1.0, random_state=1).to_numpy())
    first, second = (binned(prepare(task("pure_premium", members=3), one), {}, seed=SEED, threads=1) for one in (frame, shuffled))
    assert first is not None
    assert second is not None
    names = first.table.get_feature_name()
    assert [first.table.feature_num_bin(name) for name in names] == [second.table.feature_num_bin(name) for name in names]


def test_what_nobody_asks_is_not_predicted() -> None:
    frame = made_up()
    frame.loc[frame.index[:40], "fold"] = "none"
    fitted = fit_score(task("pure_premium", members=3), frame, seed=SEED, threads=1, parameters=FAST)
    outside = (frame["fold"] == "none").to_numpy()
    assert np.isnan(fitted.raw[outside]).all()
    assert np.isfinite(fitted.raw[~outside]).all()
    assert np.isfinite(fitted.margin[~outside]).all()


def test_a_cause_answers_for_the_rows_that_it_was_fitted_on() -> None:
    rows = data()
    component = replace(rows.task.components[1], score_weight=0.0, cause="engine")
    used = outcome(component, rows.frame).used
    assert used.sum() < len(used)
    np.testing.assert_array_equal(answerable(rows, component), used)

"""Folds under any frame: no outcome window reaches the test, and members are dealt whole groups of like size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import TrainingError
from training.members import member_of
from training.splits import NONE, TEST, TRAIN, VALID, out_of_time, random_folds

START = pd.Timestamp("2025-01-01", tz="UTC")
DAYS = st.lists(st.integers(0, 400), min_size=1, max_size=60)


def cutoffs(days: list[int]) -> pd.Series:
    return pd.Series(START + pd.to_timedelta(days, unit="D"), name="cutoff")


def after(days: int) -> pd.Timestamp:
    return START + pd.Timedelta(days=days)


@settings(max_examples=60, deadline=None)
@given(DAYS, st.integers(0, 200), st.integers(1, 200), st.integers(0, 200))
def test_nothing_leaks(days: list[int], valid_d: int, further_d: int, embargo_d: int) -> None:
    cutoff, valid_from, test_from = cutoffs(days), after(valid_d), after(valid_d + further_d)
    fold = out_of_time(cutoff, valid_from=valid_from, test_from=test_from, embargo_d=embargo_d)
    for moment, name in zip(cutoff, fold, strict=True):
        known = moment + pd.Timedelta(days=embargo_d) <= test_from
        expected = TEST if moment >= test_from else NONE if not known else VALID if moment >= valid_from else TRAIN
        assert name == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 25), st.booleans()), min_size=1, max_size=80), st.integers(1, 7), st.integers(0, 9))
def test_members_are_dealt_groups_of_like_size(rows: list[tuple[int, bool]], members: int, seed: int) -> None:
    groups = pd.Series([f"g{group}" for group, _ in rows], name="group")
    counted = np.array([counts for _, counts in rows])
    member = member_of(groups, members=members, seed=seed, counted=counted)
    frame = pd.DataFrame({"group": groups, "rows": counted, "member": member})
    assert len(frame[["group", "member"]].drop_duplicates()) == len(frame["group"].drop_duplicates())
    size = frame.groupby("group")["rows"].sum()
    held = frame.groupby("member")["rows"].sum().reindex(range(members), fill_value=0)
    assert held.max() - held.min() <= size.max()
    assert ((held > 0).sum()) == min(members, (size > 0).sum())
    shuffled = frame.sample(frac=1.0, random_state=seed)
    again = member_of(shuffled["group"], members=members, seed=seed, counted=shuffled["rows"].to_numpy())
    assert again.tolist() == shuffled["member"].tolist()


def test_members_share_the_groups_evenly_and_another_seed_deals_anew() -> None:
    groups = pd.Series([f"g{i}" for i in range(4000)])
    first, second = member_of(groups, members=4, seed=1), member_of(groups, members=4, seed=2)
    assert pd.Series(first).value_counts().tolist() == [1000] * 4
    assert (first != second).mean() == pytest.approx(0.75, abs=0.03)


def test_what_cannot_be_split_is_refused() -> None:
    cutoff = cutoffs([0, 10])
    with pytest.raises(TrainingError, match="naive time"):
        out_of_time(cutoff.dt.tz_localize(None), valid_from=after(0), test_from=after(5), embargo_d=1)
    with pytest.raises(TrainingError, match="naive time"):
        out_of_time(cutoff, valid_from=pd.Timestamp("2025-01-01"), test_from=after(5), embargo_d=1)
    with pytest.raises(TrainingError, match="must begin before the test"):
        out_of_time(cutoff, valid_from=after(5), test_from=after(5), embargo_d=1)
    with pytest.raises(TrainingError, match="1 rows have no time"):
        out_of_time(cutoff.where(cutoff > START), valid_from=after(0), test_from=after(5), embargo_d=1)
    with pytest.raises(TrainingError, match="1 rows have no group"):
        member_of(pd.Series(["a", None], name="enterprise_id"), members=2, seed=1)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_of_validation_is_a_share(share: float) -> None:
    with pytest.raises(TrainingError, match="between 0 and 1"):
        random_folds(pd.Series([True, False]), valid_share=share, seed=1)


def test_random_folds_leave_the_protocols_test_rows_alone() -> None:
    is_test = pd.Series([True, False] * 500)
    fold = random_folds(is_test, valid_share=0.2, seed=3)
    assert (fold[is_test] == TEST).all()
    assert set(fold[~is_test]) == {TRAIN, VALID}
    assert (fold[~is_test] == VALID).mean() == pytest.approx(0.2, abs=0.05)

"""Folds under any frame: no group in both train and valid, no outcome window that reaches the test period."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import TrainingError
from training.splits import TEST, TRAIN, VALID, held_out, out_of_time, random_folds

START = pd.Timestamp("2025-01-01", tz="UTC")


def frame_of(rows: list[tuple[int, int]]) -> pd.DataFrame:
    days, groups = [day for day, _ in rows], [f"g{group}" for _, group in rows]
    return pd.DataFrame({"cutoff": START + pd.to_timedelta(days, unit="D"), "group": groups})


def split(frame: pd.DataFrame, train_d: int, valid_d: int, test_d: int, embargo_d: float, seed: int) -> pd.Series:
    return out_of_time(
        frame, time="cutoff", group="group", train_until=START + pd.Timedelta(days=train_d),
        valid_until=START + pd.Timedelta(days=valid_d), test_from=START + pd.Timedelta(days=test_d),
        embargo_d=embargo_d, holdout_share=0.3, seed=seed,
    )


ROWS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 25)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(0, 200), st.integers(0, 100), st.integers(1, 100), st.integers(0, 200), st.integers(0, 9))
def test_nothing_leaks(rows: list[tuple[int, int]], a: int, b: int, c: int, embargo_d: int, seed: int) -> None:
    frame = frame_of(rows)
    fold = split(frame, a, a + b, a + b + c, embargo_d, seed)
    test_from = START + pd.Timedelta(days=a + b + c)
    known = fold.isin([TRAIN, VALID])
    assert not set(frame.loc[fold == TRAIN, "group"]) & set(frame.loc[fold == VALID, "group"])
    assert (frame.loc[known, "cutoff"] + pd.Timedelta(days=embargo_d) <= test_from).all()
    assert ((fold == TEST) == (frame["cutoff"] >= test_from)).all()


@settings(max_examples=30, deadline=None)
@given(ROWS, ROWS, st.integers(0, 9))
def test_a_group_is_held_out_whatever_else_is_in_the_frame(
    rows: list[tuple[int, int]], others: list[tuple[int, int]], seed: int
) -> None:
    alone = frame_of(rows)["group"]
    together = frame_of(rows + others)["group"]
    held = held_out(together, share=0.3, seed=seed)
    assert held.iloc[: len(alone)].tolist() == held_out(alone, share=0.3, seed=seed).tolist()


def test_another_seed_holds_out_others_at_the_wanted_share() -> None:
    groups = pd.Series([f"g{i}" for i in range(2000)])
    first, second = held_out(groups, share=0.3, seed=1), held_out(groups, share=0.3, seed=2)
    assert first.mean() == pytest.approx(0.3, abs=0.03)
    assert (first != second).mean() > 0.3


def test_random_folds_keep_the_test_rows_that_a_protocol_fixes() -> None:
    is_test = pd.Series([i % 3 == 0 for i in range(3000)])
    fold = random_folds(is_test, valid_share=0.2, seed=1)
    assert ((fold == TEST) == is_test).all()
    assert (fold[~is_test] == VALID).mean() == pytest.approx(0.2, abs=0.03)
    assert fold.equals(random_folds(is_test, valid_share=0.2, seed=1))


def test_windows_and_times_are_checked() -> None:
    frame = frame_of([(1, 1)])
    with pytest.raises(TrainingError, match="windows must ascend"):
        split(frame, 10, 5, 20, 0, 1)
    with pytest.raises(TrainingError, match="naive time"):
        split(frame.assign(cutoff=frame["cutoff"].dt.tz_localize(None)), 1, 2, 3, 0, 1)
    with pytest.raises(TrainingError, match="no time or no group"):
        split(frame.assign(group=None), 1, 2, 3, 0, 1)
    with pytest.raises(TrainingError, match="share of held-out groups"):
        out_of_time(frame, time="cutoff", group="group", train_until=START, valid_until=START,
                    test_from=START + pd.Timedelta(days=1), embargo_d=0, holdout_share=0.0, seed=1)

"""Folds: train, valid, test, none. No group is in both train and valid, and no outcome window reaches the test."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import pandas as pd

from registry.errors import TrainingError

TRAIN: Final = "train"
VALID: Final = "valid"
TEST: Final = "test"
NONE: Final = "none"
FOLD: Final = "fold"


def out_of_time(
    frame: pd.DataFrame, *, time: str, group: str, train_until: pd.Timestamp, valid_until: pd.Timestamp,
    test_from: pd.Timestamp, embargo_d: float, holdout_share: float, seed: int,
) -> pd.Series:
    """Return the fold of each row.

    test: cut-off at or after `test_from`. Before it, only rows whose outcome is known by `test_from` count, that is
    cut-off + embargo <= `test_from`. Among those a group that is held out goes to valid up to `valid_until`, any other
    to train up to `train_until`. The rest is none.

    Parameters
    ----------
    frame
        Rows with a time and a group.
    time, group
        Columns: cut-off (aware) and group (an enterprise). A row without a group is refused.
    train_until, valid_until
        Last cut-offs of train and valid, aware, ascending.
    test_from
        First cut-off of test, aware.
    embargo_d
        Length of the outcome window plus reporting lag, in days.
    holdout_share
        Share of groups held out for validation, more than 0 and less than 1.
    seed
        Another seed holds out other groups; the same seed always the same, whatever else is in the frame.

    Raises
    ------
    TrainingError
        If times are naive or out of order, a group is null, or the share is no share.
    """
    _check(frame, time, group, (train_until, valid_until, test_from), holdout_share)
    held = held_out(frame[group], share=holdout_share, seed=seed)
    cutoff = frame[time]
    known = cutoff + pd.Timedelta(days=embargo_d) <= test_from
    fold = np.full(len(frame), NONE, dtype=object)
    fold[known & ~held & (cutoff <= train_until)] = TRAIN
    fold[known & held & (cutoff <= valid_until)] = VALID
    fold[cutoff >= test_from] = TEST
    return pd.Series(fold, index=frame.index, name=FOLD)


def held_out(groups: pd.Series, *, share: float, seed: int) -> pd.Series:
    """Return whether each row's group is held out, by a hash of seed and group alone."""
    limit = int(share * 2**64)
    unique = groups.unique()
    chosen = {value for value in unique if _hash(seed, value) < limit}
    return groups.isin(chosen)


def random_folds(is_test: pd.Series, *, valid_share: float, seed: int) -> pd.Series:
    """Return folds for a study whose protocol fixes the test rows: valid is drawn at random from the others."""
    if not 0.0 < valid_share < 1.0:
        raise TrainingError(f"share of validation must lie between 0 and 1, met {valid_share}")
    drawn = np.random.default_rng(seed).random(len(is_test)) < valid_share
    fold = np.where(is_test.to_numpy(dtype=bool), TEST, np.where(drawn, VALID, TRAIN))
    return pd.Series(fold.astype(object), index=is_test.index, name=FOLD)


def _hash(seed: int, value: object) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}:{value}".encode(), digest_size=8).digest(), "big")


def _check(
    frame: pd.DataFrame, time: str, group: str, borders: tuple[pd.Timestamp, ...], holdout_share: float
) -> None:
    if not isinstance(frame[time].dtype, pd.DatetimeTZDtype) or any(border.tzinfo is None for border in borders):
        raise TrainingError(
            "a naive time cannot be split on", where=time, remedy="Store cut-offs with their time zone (UTC)."
        )
    train_until, valid_until, test_from = borders
    if not train_until <= valid_until < test_from:
        raise TrainingError(
            f"windows must ascend, met train until {train_until}, valid until {valid_until}, test from {test_from}"
        )
    if not 0.0 < holdout_share < 1.0:
        raise TrainingError(f"share of held-out groups must lie between 0 and 1, met {holdout_share}")
    missing = int(frame[[time, group]].isna().any(axis=1).sum())
    if missing:
        raise TrainingError(
            f"{missing} rows have no time or no group", where=f"{time}, {group}",
            remedy="Give a row without an enterprise a group of its own.",
        )

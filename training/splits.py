"""Folds: train, valid, test, none. No outcome window of a development row reaches the test."""

from __future__ import annotations

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
    cutoff: pd.Series, *, valid_from: pd.Timestamp, test_from: pd.Timestamp, embargo_d: float
) -> pd.Series:
    """Return the fold of each row by its cut-off.

    test: at or after `test_from`. Before it, only rows whose outcome is known by `test_from` are development rows, that is
    cut-off + embargo <= `test_from`: valid from `valid_from` on, train before. The rest is none. Train and valid are not
    separated in time but by group: a booster stops early on groups that it has not seen (`training.members`).

    Parameters
    ----------
    cutoff
        Cut-offs, aware.
    valid_from
        First cut-off of the validation period, aware.
    test_from
        First cut-off of test, aware.
    embargo_d
        Length of the outcome window plus reporting lag, in days.

    Raises
    ------
    TrainingError
        If times are naive, missing or out of order.
    """
    _check(cutoff, valid_from, test_from)
    known = cutoff + pd.Timedelta(days=embargo_d) <= test_from
    fold = np.full(len(cutoff), NONE, dtype=object)
    fold[known & (cutoff < valid_from)] = TRAIN
    fold[known & (cutoff >= valid_from)] = VALID
    fold[cutoff >= test_from] = TEST
    return pd.Series(fold, index=cutoff.index, name=FOLD)


def random_folds(is_test: pd.Series, *, valid_share: float, seed: int) -> pd.Series:
    """Return folds for a study whose protocol fixes the test rows: valid is drawn at random from the others."""
    if not 0.0 < valid_share < 1.0:
        raise TrainingError(f"share of validation must lie between 0 and 1, met {valid_share}")
    drawn = np.random.default_rng(seed).random(len(is_test)) < valid_share
    fold = np.where(is_test.to_numpy(dtype=bool), TEST, np.where(drawn, VALID, TRAIN))
    return pd.Series(fold.astype(object), index=is_test.index, name=FOLD)


def _check(cutoff: pd.Series, valid_from: pd.Timestamp, test_from: pd.Timestamp) -> None:
    if not isinstance(cutoff.dtype, pd.DatetimeTZDtype) or valid_from.tzinfo is None or test_from.tzinfo is None:
        raise TrainingError(
            "a naive time cannot be split on", where=str(cutoff.name), remedy="Store cut-offs with their time zone (UTC)."
        )
    if not valid_from < test_from:
        raise TrainingError(f"the validation period must begin before the test, met {valid_from} and {test_from}")
    missing = int(cutoff.isna().sum())
    if missing:
        raise TrainingError(f"{missing} rows have no time", where=str(cutoff.name), remedy="Leave such rows out.")

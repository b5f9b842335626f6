"""The declared split: which rows are train, valid and test, in one round or in several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
import pandas as pd
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from experiments.table_columns import require
from registry.errors import DataError
from training.members import member_of
from training.splits import NONE, TEST, TRAIN, VALID

ALL: Final = "all"
"""Name of the round that fits what is kept where there are several rounds: no row is a test row."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Drawn(_Strict):
    """A split that draws its validation rows from the rows that are not test rows, by groups where told.

    Parameters
    ----------
    valid_share
        Share of the rows that are not test rows.
    whole_groups
        Whether the rows of a group stay together; false where a published protocol draws rows.
    """

    valid_share: float = Field(default=0.1, gt=0.0, lt=1.0)
    whole_groups: bool = False


class TrainTestSplit(_Drawn):
    """scikit-learn's `train_test_split` with shuffling, one round per random state; its default share without a test size."""

    kind: Literal["train_test"]
    test_size: float | None = Field(default=None, gt=0.0, lt=1.0)
    random_states: tuple[int, ...] = Field(default=(0,), min_length=1)

    def tests(self, frame: pd.DataFrame, group: str) -> Iterator[tuple[str, Any]]:
        """Yield name and test positions of each round."""
        from sklearn.model_selection import GroupShuffleSplit, train_test_split

        for state in self.random_states:
            if self.whole_groups:
                drawn = GroupShuffleSplit(1, test_size=self.test_size, random_state=state)
                _, test = next(drawn.split(frame, groups=frame[group]))
            else:
                _, test = train_test_split(np.arange(len(frame)), test_size=self.test_size, random_state=state)
            yield f"seed {state}", test


class KFoldSplit(_Drawn):
    """scikit-learn's shuffled `StratifiedKFold` (`StratifiedGroupKFold` for whole groups), one round per fold."""

    kind: Literal["stratified_kfold"]
    by: str
    folds: int = Field(default=10, ge=2)
    random_state: int = 0

    def tests(self, frame: pd.DataFrame, group: str) -> Iterator[tuple[str, Any]]:
        """Yield name and test positions of each round."""
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

        require(frame, (self.by,), where="split.by")
        kind = StratifiedGroupKFold if self.whole_groups else StratifiedKFold
        folds = kind(self.folds, shuffle=True, random_state=self.random_state)
        groups = frame[group] if self.whole_groups else None
        try:
            for number, (_, test) in enumerate(folds.split(frame, frame[self.by], groups), start=1):
                yield f"fold {number}", test
        except ValueError as error:
            raise DataError(f"no {self.folds} folds: {error}", where="split.folds", remedy="Use fewer folds.") from error


class ColumnSplit(_Drawn):
    """A column says it: the values that are test rows, and those that are valid rows where it says that too."""

    kind: Literal["column"]
    column: str
    test: tuple[str | int | bool, ...] = Field(min_length=1)
    valid: tuple[str | int | bool, ...] = ()

    def tests(self, frame: pd.DataFrame, group: str) -> Iterator[tuple[str, Any]]:
        """Yield name and test positions of the one round."""
        require(frame, (self.column,), where="split.column")
        yield self.column, np.flatnonzero(frame[self.column].isin(self.test))


class OutOfTimeSplit(_Strict):
    """Later rows judge earlier ones; rows whose outcome is not known by the beginning of the next fold are left out.

    Parameters
    ----------
    time
        Column of aware times.
    valid_from, test_from
        First instants of the two later folds.
    embargo_d
        Days that an outcome takes to be known.
    """

    kind: Literal["out_of_time"]
    time: str
    valid_from: AwareDatetime
    test_from: AwareDatetime
    embargo_d: float = Field(default=0.0, ge=0.0)

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if not self.valid_from < self.test_from:
            raise ValueError(f"valid_from {self.valid_from} must lie before test_from {self.test_from}")
        return self


SplitDeclaration = Annotated[TrainTestSplit | KFoldSplit | ColumnSplit | OutOfTimeSplit, Field(discriminator="kind")]


@dataclass(frozen=True)
class Round:
    """One division of the rows: its name and (n,) folds."""

    name: str
    fold: pd.Series


def rounds(split: SplitDeclaration, frame: pd.DataFrame, *, group: str, seed: int) -> tuple[Round, ...]:
    """Return every round of a split.

    Raises
    ------
    DataError
        If a column is missing, or a fold of a round has no row.
    """
    if isinstance(split, OutOfTimeSplit):
        made: tuple[Round, ...] = (Round("out of time", _by_time(split, frame)),)
    else:
        made = tuple(
            Round(name, _drawn(split, frame, test, group, seed)) for name, test in split.tests(frame, group)
        )
    for one in made:
        empty = [fold for fold in (TRAIN, VALID, TEST) if not (one.fold == fold).any()]
        if empty:
            raise DataError(
                f"round {one.name} has no {' and no '.join(empty)} rows", where=f"split {split.kind}",
                remedy="Check its values and instants against the table.",
            )
    return made


def everything(split: SplitDeclaration, frame: pd.DataFrame, *, group: str, seed: int) -> Round:
    """Return the round without test rows: what is kept after several rounds have judged."""
    share = split.valid_share if isinstance(split, _Drawn) else 0.1
    valid = _chosen(frame, share, group, seed, whole=isinstance(split, _Drawn) and split.whole_groups)
    return Round(ALL, pd.Series(np.where(valid, VALID, TRAIN).astype(object), index=frame.index))


def _drawn(split: TrainTestSplit | KFoldSplit | ColumnSplit, frame: pd.DataFrame, test: Any, group: str, seed: int) -> pd.Series:
    if isinstance(split, ColumnSplit) and split.valid:
        valid = frame[split.column].isin(split.valid).to_numpy()
    else:
        valid = _chosen(frame, split.valid_share, group, seed, whole=split.whole_groups)
    fold = np.where(valid, VALID, TRAIN).astype(object)
    fold[test] = TEST
    return pd.Series(fold, index=frame.index)


def _chosen(frame: pd.DataFrame, share: float, group: str, seed: int, *, whole: bool) -> Any:
    if whole:
        return member_of(frame[group], members=max(2, round(1 / share)), seed=seed) == 0
    return np.random.default_rng(seed).random(len(frame)) < share


def _by_time(split: OutOfTimeSplit, frame: pd.DataFrame) -> pd.Series:
    require(frame, (split.time,), where="split.time")
    try:
        time = pd.to_datetime(frame[split.time], format="ISO8601")
    except (ValueError, TypeError) as error:
        raise DataError(f"not a time: {str(error).splitlines()[0]}", where=split.time, remedy="Write times as ISO 8601.") from error
    if not isinstance(time.dtype, pd.DatetimeTZDtype):
        raise DataError("a naive time cannot be split on", where=split.time, remedy="Write times with their zone.")
    known = time + pd.Timedelta(days=split.embargo_d)
    fold = np.full(len(frame), NONE, dtype=object)
    fold[known <= split.valid_from] = TRAIN
    fold[(time >= split.valid_from) & (known <= split.test_from)] = VALID
    fold[time >= split.test_from] = TEST
    return pd.Series(fold, index=frame.index)

"""From named values to the matrix that LightGBM reads: the one rule of training, serving, replay and MLflow.

Columns are found by name; a category becomes its position in the declared vocabulary from 1, any other text 0, the
explicit "other"; null becomes NaN, or 0 where nothing on record means none. No pandas category, no column order and no
integer type of a caller reaches LightGBM.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from registry.errors import DataError, InvalidRequest

if TYPE_CHECKING:
    import pandas as pd

Matrix = npt.NDArray[np.float64]
Value = float | str | None

OTHER_CODE: Final = 0.0


class InputSpec(Protocol):
    """What encoding must know of a feature; declared features and manifest entries both have it."""

    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def null_rule(self) -> str: ...
    @property
    def vocabulary(self) -> tuple[str, ...]: ...


class Encoder:
    """Encodes rows or frames by a fixed list of features.

    Parameters
    ----------
    features
        Inputs in the order of the matrix.
    """

    def __init__(self, features: Sequence[InputSpec]) -> None:
        self._features = tuple(features)
        self._names = tuple(feature.name for feature in features)
        self._codes = [
            {category: float(code) for code, category in enumerate(feature.vocabulary, start=1)} for feature in features
        ]
        self._known = frozenset(self._names)
        self._nulls = [0.0 if feature.null_rule == "zero" else math.nan for feature in self._features]
        self._floats = [feature.dtype == "float" for feature in self._features]

    def rows(self, rows: Sequence[Mapping[str, Value]]) -> tuple[Matrix, list[list[str]]]:
        """Return the (n, n_features) matrix of rows, and per row the features whose category was never seen.

        Raises
        ------
        InvalidRequest
            If a row lacks a declared name, has one too many, or holds a value of the wrong kind.
        """
        matrix = np.empty((len(rows), len(self._features)))
        unseen: list[list[str]] = [[] for _ in rows]
        for i, row in enumerate(rows):
            matrix[i] = self._encoded(row, unseen[i])
        return matrix, unseen

    def _encoded(self, row: Mapping[str, Value], unseen: list[str]) -> list[float]:
        if row.keys() != self._known:
            self._check_names(row)
        encoded = []
        for name, null, is_float, codes, feature in zip(
            self._names, self._nulls, self._floats, self._codes, self._features, strict=True
        ):
            value = row[name]
            if value is None:
                encoded.append(null)
            elif is_float and value.__class__ is float and value - value == 0.0:
                # The usual case, a finite number, without a call; `_value` says what is wrong with any other.
                encoded.append(value)
            else:
                code = _value(feature, codes, value)
                if not is_float and code == OTHER_CODE:
                    unseen.append(name)
                encoded.append(code)
        return encoded

    def frame(self, frame: pd.DataFrame, *, narrow: bool = False) -> Matrix:
        """Return the (n, n_features) matrix of a frame; columns that are no input are ignored.

        Parameters
        ----------
        frame
            Rows with the inputs by name.
        narrow
            Whether a frame whose numbers are all float32 gives a float32 matrix of half the size. Its values are those of
            the float64 matrix, none is rounded: one wider column makes the whole matrix float64.

        Raises
        ------
        DataError
            If a column is missing, or holds something that is neither its kind nor null.
        """
        missing = [name for name in self._names if name not in frame.columns]
        if missing:
            raise DataError(f"the frame lacks columns {missing}")
        matrix = np.empty((len(frame), len(self._features)), dtype=np.float32 if narrow and self._single(frame) else np.float64)
        for j, feature in enumerate(self._features):
            column = frame[feature.name]
            matrix[:, j] = _floats(feature, column) if feature.dtype == "float" else _categories(feature, self._codes[j], column)
        return matrix

    def _single(self, frame: pd.DataFrame) -> bool:
        # A code is a whole number below 2**24, which float32 holds.
        return all(frame[feature.name].dtype == np.float32 for feature in self._features if feature.dtype == "float")

    def _check_names(self, row: Mapping[str, Value]) -> None:
        missing, extra = [n for n in self._names if n not in row], sorted(set(row) - set(self._names))
        if missing or extra:
            raise InvalidRequest(
                f"inputs do not match the model: missing {missing}, unknown {extra}",
                remedy="Send every declared input by name; null says that it is not known.",
                details={"missing": missing, "unknown": extra},
            )


def as_row(values: Mapping[str, Any]) -> dict[str, Value]:
    """Return plain Python values of a record whose floats may be numpy's and whose nulls may be NaN or NA."""
    return {
        # Most values are plain already: a number that is one, a text or nothing.
        name: value if value is None or value.__class__ is str or (value.__class__ is float and value == value)
        else _plain(value)
        for name, value in values.items()
    }


def _plain(value: Any) -> Value:
    if value is None or isinstance(value, str):
        return value
    # pandas' NA compares to nothing and converts to nothing; its name is all that needs no import of pandas.
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    number = float(value)
    return None if math.isnan(number) else number


def _value(feature: InputSpec, codes: Mapping[str, float], value: Value) -> float:
    if value is None:
        return 0.0 if feature.null_rule == "zero" else math.nan
    if feature.dtype == "category":
        if not isinstance(value, str):
            raise InvalidRequest(f"{feature.name} is a category and must be text, met {type(value).__name__}")
        return codes.get(value, OTHER_CODE)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequest(f"{feature.name} must be a number, met {type(value).__name__}")
    if not math.isfinite(value):
        raise InvalidRequest(f"{feature.name} must be finite, met {value}", remedy="Send null for an unknown value.")
    return float(value)


def _floats(feature: InputSpec, column: pd.Series) -> Matrix:
    if column.dtype == object and column.map(lambda value: isinstance(value, str | bool)).any():
        raise DataError("not a number: text or truth values", where=feature.name)
    try:
        values: Matrix = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(f"not a number: {error}", where=feature.name) from error
    if np.isinf(values).any():
        raise DataError(f"{int(np.isinf(values).sum())} infinite values", where=feature.name)
    return np.where(np.isnan(values), 0.0, values) if feature.null_rule == "zero" else values


def _categories(feature: InputSpec, codes: Mapping[str, float], column: pd.Series) -> Matrix:
    import pandas as pd

    # Distinct values are few and rows many: each value is coded once.
    coded = column if isinstance(column.dtype, pd.CategoricalDtype) else column.astype(object)
    positions, values = pd.factorize(coded, use_na_sentinel=True)
    strangers = sorted({type(value).__name__ for value in values if not isinstance(value, str)})
    if strangers:
        raise DataError(f"a category must be text, met {strangers}", where=feature.name)
    table: Matrix = np.array([codes.get(value, OTHER_CODE) for value in values] + [np.nan])
    return table[positions]

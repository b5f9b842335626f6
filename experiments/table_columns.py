"""From files to one frame: read, join totals, rename, and take the declared steps on columns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from registry.errors import ConfigurationError, DataError

ROW: Final = "row_id"
"""Column with the position of a row, the group of a table whose rows do not belong together."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ClipStep(_Strict):
    """Bound a column."""

    do: Literal["clip"]
    column: str
    lower: float | None = None
    upper: float | None = None

    def take(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame after the step."""
        return frame.assign(**{self.column: frame[self.column].clip(lower=self.lower, upper=self.upper)})

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns that must be there."""
        return (self.column,)


class ZeroStep(_Strict):
    """Set a column to 0 where another is 0: a claim without an amount is no claim."""

    do: Literal["zero_where_zero"]
    column: str
    of: str

    def take(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame after the step."""
        return frame.assign(**{self.column: frame[self.column].mask(frame[self.of] == 0, 0.0)})

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns that must be there."""
        return self.column, self.of


class RatioStep(_Strict):
    """A new column ``of / max(per, 1)``: an average amount per claim, 0 where there is none."""

    do: Literal["average"]
    name: str
    of: str
    per: str

    def take(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame after the step."""
        return frame.assign(**{self.name: frame[self.of] / np.fmax(frame[self.per], 1.0)})

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns that must be there."""
        return self.of, self.per


class AboveStep(_Strict):
    """A new truth column: whether another lies above a limit."""

    do: Literal["above"]
    name: str
    of: str
    limit: float = 0.0

    def take(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame after the step."""
        return frame.assign(**{self.name: frame[self.of] > self.limit})

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns that must be there."""
        return (self.of,)


class KeepStep(_Strict):
    """Keep only the rows whose column lies above a limit."""

    do: Literal["keep_above"]
    column: str
    limit: float = 0.0

    def take(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame after the step."""
        return frame.loc[frame[self.column] > self.limit].reset_index(drop=True)

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns that must be there."""
        return (self.column,)


StepDeclaration = Annotated[ClipStep | ZeroStep | RatioStep | AboveStep | KeepStep, Field(discriminator="do")]


class JoinDeclaration(_Strict):
    """Sum columns of a further file by a key and put the totals beside the rows; a row without any has 0.

    Totals whose key no row has are left out, as the published protocols do.
    """

    file: str
    on: str
    total: dict[str, str] = Field(min_length=1)


class SourceDeclaration(_Strict):
    """Where the rows come from.

    Parameters
    ----------
    file
        Table of one row per case, CSV (plain or gzip) or Parquet, below the folder of the data.
    joins
        Totals from further files.
    columns
        New names by the file's own, for columns that are no features.
    prepare
        Steps on the columns, in this order.
    """

    file: str
    joins: tuple[JoinDeclaration, ...] = ()
    columns: dict[str, str] = {}
    prepare: tuple[StepDeclaration, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that is read."""
        return self.file, *(join.file for join in self.joins)


def read_source(source: SourceDeclaration, folder: Path, *, obtain: str) -> tuple[pd.DataFrame, str]:
    """Return one row per case in the file's order, and a hash of the bytes of all files.

    Raises
    ------
    ConfigurationError
        If a file is not there.
    DataError
        If a file cannot be read as a table or lacks a column.
    """
    digest = hashlib.sha256()
    for name in source.files:
        if not (folder / name).is_file():
            raise ConfigurationError(f"no file {name}", where=str(folder), remedy=obtain)
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    frame = _read(folder / source.file)
    for join in source.joins:
        frame = _joined(frame, _read(folder / join.file), join)
    require(frame, list(source.columns), where=source.file)
    frame = frame.rename(columns=source.columns)
    frame[ROW] = np.arange(len(frame))
    return take_steps(frame, source.prepare, where=source.file), digest.hexdigest()


def take_steps(frame: pd.DataFrame, steps: Sequence[StepDeclaration], *, where: str) -> pd.DataFrame:
    """Return the frame after the declared steps.

    Raises
    ------
    DataError
        If a step reads a column that is not there.
    """
    for step in steps:
        require(frame, step.reads, where=f"{where}, step {step.do}")
        frame = step.take(frame)
    return frame


def require(frame: pd.DataFrame, columns: Sequence[str], *, where: str) -> None:
    """Refuse a frame that lacks a column, naming those it has."""
    missing = [name for name in dict.fromkeys(columns) if name not in frame.columns]
    if missing:
        raise DataError(
            f"columns {missing} are missing, there are {sorted(map(str, frame.columns))}", where=where,
            remedy="Declare the names as the file has them, or its new names under `source.columns`.",
        )


def _joined(frame: pd.DataFrame, other: pd.DataFrame, join: JoinDeclaration) -> pd.DataFrame:
    require(frame, (join.on,), where="source.file")
    require(other, (join.on, *join.total), where=join.file)
    totals = other.groupby(join.on)[list(join.total)].sum()
    return frame.assign(**{
        name: frame[join.on].map(totals[column]).fillna(0.0) for column, name in join.total.items()
    })


def _read(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise DataError(
            f"not a table: {str(error).splitlines()[0]}", where=str(path), remedy="Files are CSV (plain or .gz) or Parquet."
        ) from error
    if frame.empty:
        raise DataError("no rows", where=str(path), remedy="Get the file again.")
    return frame

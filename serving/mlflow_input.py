"""MLflow's scoring requests (`/invocations`): the three ways in which its clients send a table. Pure translation.

References
----------
MLflow, "Local inference server: request formats".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from registry.errors import InvalidRequest
from serving.answering import Scored
from serving.schemas import Strict

Cell = float | str | None


class Split(Strict):
    """A table as columns and rows."""

    columns: list[str] = Field(max_length=1000)
    data: list[list[Cell]]
    index: list[int] | None = Field(default=None, description="ignored")


class InvocationsRequest(Strict):
    """A request of an MLflow client; exactly one of the three forms."""

    dataframe_split: Split | None = None
    dataframe_records: list[dict[str, Cell]] | None = None
    inputs: dict[str, list[Cell]] | None = Field(default=None, description="columns by name")


class InvocationsAnswer(BaseModel):
    """Predictions as MLflow's server gives them, one object per row."""

    predictions: list[dict[str, Any]]


def rows_of(request: InvocationsRequest) -> list[dict[str, Cell]]:
    """Return the rows of a request.

    Raises
    ------
    InvalidRequest
        If it has none or several of the forms, or rows of different lengths.
    """
    forms = [form for form in (request.dataframe_split, request.dataframe_records, request.inputs) if form is not None]
    if len(forms) != 1:
        raise InvalidRequest(
            f"{len(forms)} tables in one request", remedy="Send one of dataframe_split, dataframe_records and inputs."
        )
    if request.dataframe_records is not None:
        return request.dataframe_records
    if request.dataframe_split is not None:
        return _of_split(request.dataframe_split)
    assert request.inputs is not None, "one of the forms is there"
    lengths = {len(column) for column in request.inputs.values()}
    if len(lengths) > 1:
        raise InvalidRequest(f"columns of lengths {sorted(lengths)} make no table", where="inputs")
    return [dict(zip(request.inputs, row, strict=True)) for row in zip(*request.inputs.values(), strict=True)]


def predictions_of(scored: Sequence[Scored]) -> list[dict[str, Any]]:
    """Return the predictions: points, tier, the quantities of the answer, and the id of the recorded decision."""
    return [
        {
            "points": one.answer["points"], **(one.answer["answer"] or {}), "tier": one.answer["tier"]["code"],
            "score_id": one.answer["score_id"],
        }
        for one in scored
    ]


def _of_split(split: Split) -> list[dict[str, Cell]]:
    width = len(split.columns)
    if len(set(split.columns)) != width or any(len(row) != width for row in split.data):
        raise InvalidRequest(
            "rows and columns of the table do not fit each other", where="dataframe_split",
            remedy="Name every column once, and give each row one value for each.",
        )
    return [dict(zip(split.columns, row, strict=True)) for row in split.data]

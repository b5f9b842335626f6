"""Open Inference Protocol v2: tensors in, tensors out. Pure translation between its documents and rows.

The protocol has no explanation; `parameters.explain` of a request asks for the exact decomposition as further outputs.

References
----------
KServe, "Open Inference Protocol (V2)", inference over HTTP/REST.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from registry.bundle import Manifest
from registry.errors import InvalidRequest
from serving.answering import Scored
from serving.live import LiveScorer

NUMBERS: Final = frozenset(("FP64", "FP32", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"))
PLATFORM: Final = "roadrisk_bundle"


class _Open(BaseModel):
    # The protocol lets servers ignore parameters they do not know, so further names are no error here.
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, hide_input_in_errors=True, frozen=True)


class TensorIn(_Open):
    """One input: a column of n values."""

    name: str = Field(max_length=128)
    shape: list[int] = Field(min_length=1, max_length=2, description="[n] or [n, 1]")
    datatype: str = Field(max_length=8, description="a number type, or BYTES for a category")
    data: list[float | str | None] = Field(description="n values, null where it is not known")


class OutputAsked(_Open):
    """One output that the caller wants."""

    name: str = Field(max_length=128)


class InferParameters(_Open):
    """Parameters of a request; others are ignored, as the protocol says."""

    explain: bool = Field(default=False, description="add `base`, `clamp` and `contributions` to the outputs")


class InferRequest(_Open):
    """An inference request."""

    id: str | None = Field(default=None, max_length=128)
    parameters: InferParameters = InferParameters()
    inputs: list[TensorIn] = Field(min_length=1, max_length=1000)
    outputs: list[OutputAsked] | None = None


class TensorOut(BaseModel):
    """One output."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float | str | None]


class InferAnswer(BaseModel):
    """An inference answer; `score_id` names the recorded decision of each row."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[TensorOut]


def rows_of(request: InferRequest) -> list[dict[str, Any]]:
    """Return the rows of a request.

    Raises
    ------
    InvalidRequest
        If tensors are of different lengths, have a name twice, or data that are not of their type.
    """
    lengths = {_length(tensor) for tensor in request.inputs}
    names = [tensor.name for tensor in request.inputs]
    if len(lengths) != 1 or len(set(names)) != len(names):
        raise InvalidRequest(
            f"{len(names)} inputs of lengths {sorted(lengths)} make no table",
            remedy="Send one tensor per input of the model, all of one length.",
        )
    return [dict(zip(names, row, strict=True)) for row in zip(*(tensor.data for tensor in request.inputs), strict=True)]


def _length(tensor: TensorIn) -> int:
    length = math.prod(tensor.shape)
    if len(tensor.data) != length or tensor.shape[1:] not in ([], [1]):
        raise InvalidRequest(f"an input of shape {tensor.shape} has {len(tensor.data)} values", where=f"inputs.{tensor.name[:64]}")
    kind = str if tensor.datatype == "BYTES" else float
    if tensor.datatype not in NUMBERS | {"BYTES"} or any(v is not None and not isinstance(v, kind) for v in tensor.data):
        raise InvalidRequest(
            "an input has a datatype that its values do not have", where=f"inputs.{tensor.name[:64]}",
            remedy="Numbers are FP64 and the like, categories are BYTES.",
        )
    return length


def answer(
    model: LiveScorer, request: InferRequest, scored: Sequence[Scored], *, exact: bool
) -> dict[str, Any]:
    """Return the answer to a request.

    Parameters
    ----------
    exact
        Whether the scenario lets exact contributions out.
    """
    columns = _columns(scored)
    if request.parameters.explain and exact:
        columns |= _explained(model.manifest, scored)
    wanted = None if request.outputs is None else {one.name for one in request.outputs}
    return {
        "model_name": model.manifest.product, "model_version": model.version, "id": request.id,
        "outputs": [tensor for name, tensor in columns.items() if wanted is None or name in wanted],
    }


def metadata(model: LiveScorer) -> dict[str, Any]:
    """Return what the protocol calls a model's metadata."""
    manifest = model.manifest
    return {
        "name": manifest.product, "versions": [model.version], "platform": PLATFORM,
        "inputs": [
            {"name": feature.name, "datatype": "FP64" if feature.dtype == "float" else "BYTES", "shape": [-1]}
            for feature in manifest.features
        ],
        "outputs": [
            {"name": "score_id", "datatype": "BYTES", "shape": [-1]}, {"name": "points", "datatype": "FP64", "shape": [-1]},
            {"name": "tier", "datatype": "BYTES", "shape": [-1]},
        ],
    }


def _columns(scored: Sequence[Scored]) -> dict[str, dict[str, Any]]:
    answers = [one.answer for one in scored]
    found = {
        "score_id": _tensor("score_id", "BYTES", [one["score_id"] for one in answers]),
        "points": _tensor("points", "FP64", [one["points"] for one in answers]),
        "tier": _tensor("tier", "BYTES", [one["tier"]["code"] for one in answers]),
    }
    quantities = dict.fromkeys(name for one in answers for name in (one["answer"] or ()))
    return found | {name: _tensor(name, "FP64", [(one["answer"] or {}).get(name) for one in answers]) for name in quantities}


def _explained(manifest: Manifest, scored: Sequence[Scored]) -> dict[str, dict[str, Any]]:
    names = manifest.feature_names
    flat = [(one.contributions or {}).get(name) for one in scored for name in names]
    return {
        "base": _tensor("base", "FP64", [one.base for one in scored]),
        "clamp": _tensor("clamp", "FP64", [one.clamp for one in scored]),
        "contributions": {"name": "contributions", "datatype": "FP64", "shape": [len(scored), len(names)], "data": flat},
    }


def _tensor(name: str, datatype: str, data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}

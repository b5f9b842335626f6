"""A decision: what was answered, from which inputs, by which model, and to whom.

A record holds pseudonyms and model inputs, never a natural key. Together with the bundle of the recorded digest it answers
every later question about the decision: `recorded_matrix` gives the exact row that was scored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from registry.errors import IntegrityError, NotFound

EXPLANATION_TOLERANCE: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One decision.

    Parameters
    ----------
    score_id, request_id
        Identifiers of the answer and of the request that asked for it.
    at
        When it was made, aware UTC.
    product
        Product or portfolio.
    entity_id
        Pseudonym of the entity; empty for a portfolio, whose inputs the caller sends.
    as_of
        Cut-off of the inputs.
    model_version, digest
        Version and digest of the bundle.
    inputs
        Feature name -> value as it was read, null where it is not known.
    encoded
        The same as the row of the matrix, in the bundle's order, null for NaN.
    exposure
        Exposure over the horizon, if the answer used one.
    answer
        What was answered, without the decomposition.
    base, clamp
        Points of the decomposition that belong to no feature; null without a score.
    contributions
        Feature name -> points; empty without a score.
    latency_ms
        Time from the request's arrival in the application to this record.
    related
        Pseudonyms of related entities whose features were inputs, by entity id; empty in records before they were kept.
    supersedes
        Score id of the decision that this one takes the place of, because rows that it used were corrected or withdrawn.
    changes
        Those rows: resource, row_id, kind, fields, and arrival of the old and the new version; possibly not all of them.
    n_changes
        How many there are.
    epoch
        Epoch of the key that made the pseudonyms.
    consumer, role, key_id
        Who asked, in which role and with which key; empty for what the platform asks itself.
    scenario, detail
        Under which authorisation, and how much of the explanation left.
    engine
        What computed the contributions.
    degraded
        Whether the inputs were the last recorded ones, because the online store did not answer.
    batch
        The batch that it belongs to.
    traceparent
        Trace of the request, as W3C Trace Context writes it.
    written
        Fields that are JSON text already (`orjson.Fragment`), or hold such, sorted as a record sorts them: written in place of the
        fields, which they equal. Empty in what was read.
    """

    score_id: str
    request_id: str
    at: datetime
    product: str
    entity_id: str
    as_of: datetime
    model_version: str
    digest: str
    inputs: dict[str, float | str | None]
    encoded: tuple[float | None, ...]
    exposure: float | None
    answer: dict[str, Any]
    base: float | None
    clamp: float | None
    contributions: dict[str, float]
    latency_ms: float
    related: dict[str, str] = field(default_factory=dict)
    supersedes: str | None = None
    changes: tuple[dict[str, Any], ...] = ()
    n_changes: int = 0
    epoch: int = 1
    consumer: str = ""
    scenario: str = ""
    role: str = ""
    detail: str = ""
    key_id: str = ""
    engine: str = "pred_contrib"
    degraded: bool = False
    batch: str | None = None
    traceparent: str | None = None
    written: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


def no_such_score() -> NotFound:
    """Return the error of a score that does not exist, or that the caller may not know of: both look alike."""
    return NotFound("no score has this id", where="decision ledger", remedy="Use the score_id of an answer of this service.")


def recorded_matrix(decision: Decision) -> npt.NDArray[np.float64]:
    """Return the (1, n_features) matrix that the decision was made on."""
    return np.array([[math.nan if value is None else value for value in decision.encoded]], dtype=np.float64)


def as_encoded(matrix: npt.NDArray[np.float64]) -> tuple[float | None, ...]:
    """Return the first row of a matrix as it is recorded: null for NaN."""
    # Only NaN differs from itself.
    return tuple([value if value == value else None for value in matrix[0].tolist()])


def check_recomputed(decision: Decision, *, base: float, clamp: float, contributions: dict[str, float]) -> float:
    """Return the largest difference between recorded and recomputed points.

    Raises
    ------
    IntegrityError
        If it exceeds `EXPLANATION_TOLERANCE` or the features differ: then the record does not explain the answer.
    """
    if set(contributions) != set(decision.contributions) or decision.base is None or decision.clamp is None:
        raise IntegrityError("the recorded explanation has other features than its bundle", where=decision.score_id)
    pairs = [(decision.base, base), (decision.clamp, clamp)]
    pairs += [(decision.contributions[name], points) for name, points in contributions.items()]
    difference = max(abs(recorded - recomputed) for recorded, recomputed in pairs)
    if not difference <= EXPLANATION_TOLERANCE:
        raise IntegrityError(
            f"recomputed points differ from the recorded ones by {difference:.3g}", where=decision.score_id
        )
    return difference

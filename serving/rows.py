"""Many rows at once: one matrix, one exact explanation of all, one transaction of records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from features.online import OnlineInputs
from registry.decisions import Beside
from registry.encoding import Value
from registry.errors import InvalidRequest
from registry.products import ScoreProduct
from serving.answering import Scored, fill, grey, model_inputs, unscored
from serving.asked import Asked
from serving.desk import ScoringDesk, counted, new_score_id
from serving.live import LiveScorer
from serving.schemas import check_features

MOST_ROWS: Final = 1000
"""Rows of one request of an adapter; more of them are a batch."""


def score_many(
    model: LiveScorer, inputs: Sequence[OnlineInputs], *, product: ScoreProduct | None = None,
    score_ids: Sequence[str] | None = None, exact: bool = True, written: bool = False,
) -> list[Scored]:
    """Return the answers for many entities or rows, in their order.

    Each is what `serving.answering.answer_score` gives for it alone, to the last bit. The inputs hold all that the model reads,
    numbers as floats (`serving.desk.complete`). The ids of the answers are new, unless given.

    Raises
    ------
    InvalidRequest
        If a declared input is absent or a value is of the wrong kind.
    """
    manifest = model.manifest
    values = [model_inputs(manifest, one) for one in inputs]
    matrix, unseen = model.scorer.encode(values)
    blanks = [
        unscored(model.scorer, model.version, one, row, score_id=score_id, product=product)
        for one, row, score_id in zip(inputs, values, score_ids or [new_score_id() for _ in inputs], strict=True)
    ]
    chosen = [i for i, blank in enumerate(blanks) if blank.answer["no_score"] is None]
    part = matrix[chosen]
    explanation = model.scorer.explain(part) if chosen else None
    place = {row: i for i, row in enumerate(chosen)}
    made: list[Scored] = []
    for i, blank in enumerate(blanks):
        if explanation is None or i not in place:
            made.append(grey(blank, manifest, matrix, unseen[i], i))
        else:
            made.append(fill(
                blank, manifest, explanation, part, values[i], inputs[i].exposure, unseen[i], place[i], exact=exact, written=written
            ))
    return made


def score_rows(
    desk: ScoringDesk, model: LiveScorer, rows: Sequence[Mapping[str, Any]], asked: Asked
) -> list[Scored]:
    """Score and record rows whose inputs the caller sent; all of them, or none.

    Raises
    ------
    InvalidRequest
        If there are too many rows, or one does not match the model; the message names the row.
    """
    if not 1 <= len(rows) <= MOST_ROWS:
        raise InvalidRequest(
            f"{len(rows)} rows in one request", where="rows", remedy=f"Send 1 to {MOST_ROWS} rows, or make it a batch."
        )
    now = desk.clock()
    inputs = [
        OnlineInputs(entity_id="", related={}, values=_checked(model, row, i), as_of=now, sources=(), exposure=None)
        for i, row in enumerate(rows)
    ]
    scored = score_many(model, inputs)
    decisions = [desk.decision_of(model, one, answer, asked) for one, answer in zip(inputs, scored, strict=True)]
    desk.decisions.record_many(decisions, beside=Beside(counts=counted(asked, "invoke", now, n=len(decisions))))
    return scored


def _checked(model: LiveScorer, row: Mapping[str, Any], position: int) -> dict[str, Value]:
    try:
        return check_features(model.manifest, row)
    except InvalidRequest as error:
        errors = [{**one, "field": f"rows.{position}.{one['field']}"} for one in error.details.get("errors", ())]
        raise InvalidRequest(
            f"row {position}: {error.message}", remedy=error.remedy, details={"errors": errors}
        ) from None

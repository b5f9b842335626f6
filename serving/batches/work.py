"""One chunk of a batch: read, score, record in one transaction, and say what became of every row."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from features.online import OnlineInputs
from registry.bundle import Manifest
from registry.decisions import Beside, Decision, StoredAnswer
from registry.errors import Erased, NotFound, QuotaExceeded, RoadRiskError
from registry.products import product_named
from serving.answering import DECOMPOSITION, Scored, decomposition
from serving.asked import Asked
from serving.batches.folder import BatchFolder, Header
from serving.batches.intake import Taken
from serving.desk import ScoringDesk, counted
from serving.detail import reduced
from serving.live import LiveScorer
from serving.problems import problem_of
from serving.rows import score_many

ATTEMPTS_AT_QUOTA: Final = 5
Problems = dict[int, dict[str, Any]]
Lines = list[dict[str, Any]]
AnswerOf = Callable[[Lines], StoredAnswer | None]
"""Gives what an idempotency key is to keep for the lines of a chunk."""


@dataclass(frozen=True)
class Made:
    """A row that was scored, ready to be recorded."""

    row: int
    scored: Scored
    decision: Decision


def score_id_of(seed: str, row: int) -> str:
    """Return the score id of a row: the same however often the batch is taken up, and nobody's to guess without the seed."""
    return hashlib.sha256(f"{seed}\n{row}".encode()).hexdigest()[:32]


def answered(
    desk: ScoringDesk, model: LiveScorer, rows: Sequence[Taken], asked: Asked, *, seed: str, folder: BatchFolder | None = None,
    chunk: int = 0, answer_of: AnswerOf = lambda _: None,
) -> Lines:
    """Return a line for every row of a chunk, once the decisions are durable.

    Parameters
    ----------
    asked
        Whose batch it is, with its id.
    seed
        Secret of the batch.
    folder, chunk
        Where the problems are kept before the record; None where nothing is taken up again.
    answer_of
        Gives what is written in the transaction of the record for an idempotency key.

    Raises
    ------
    AlreadyAnswered
        If the same request under the same key was faster.
    ServiceUnavailable
        If store or ledger do not answer; then nothing of the chunk is recorded.
    """
    problems: Problems = {row.row: row.problem for row in rows if row.problem is not None}
    made = _scored(desk, model, rows, asked, seed, problems)
    for attempt in range(ATTEMPTS_AT_QUOTA):
        lines = _lines(rows, made, problems, asked)
        if folder is not None:
            folder.write_pending(chunk, problems)
        try:
            _record(desk, made, asked, answer_of(lines))
        except QuotaExceeded as error:
            # Others may use up the same quota meanwhile: the last attempt takes nothing.
            room = _room(error.details, len(made)) if attempt + 2 < ATTEMPTS_AT_QUOTA else 0
            problem = problem_of(error).document(asked.batch or "")
            problems |= {one.row: problem for one in made[room:]}
            made = made[:room]
        else:
            break
    return lines


def answered_before(
    desk: ScoringDesk, model: LiveScorer, header: Header, rows: Sequence[Taken], folder: BatchFolder, chunk: int, asked: Asked
) -> list[dict[str, Any]] | None:
    """Return the lines of a chunk that was recorded before its part could be written, None where it was not recorded.

    A chunk is recorded in one transaction, so one record of it tells that all were made; none was made before its problems were
    kept.
    """
    if not folder.has_pending(chunk):
        return None
    decisions: dict[int, Decision] = {}
    erased: Problems = {}
    for row in rows:
        if row.entity_id is None:
            continue
        try:
            decisions[row.row] = desk.decisions.get(score_id_of(header.seed, row.row))
        except Erased as error:
            # It was recorded, and erased before its part was written.
            erased[row.row] = problem_of(error).document(header.id)
        except NotFound:
            continue
    if not decisions and not erased:
        return None
    problems = {row.row: row.problem for row in rows if row.problem is not None} | folder.pending(chunk) | erased
    answers = {row: reduced(whole_answer(decision, model.manifest), asked.detail) for row, decision in decisions.items()}
    return [_line(row, answers, problems) for row in rows]


def whole_answer(decision: Decision, manifest: Manifest) -> dict[str, Any]:
    """Return a recorded answer with the decomposition that it was sent with."""
    if decision.base is None:
        return {**decision.answer, DECOMPOSITION: None}
    contributions = [decision.contributions[name] for name in manifest.feature_names]
    return {**decision.answer, DECOMPOSITION: decomposition(
        manifest, contributions, decision.inputs, base=decision.base, clamp=decision.clamp, total=decision.answer["points"]
    )}


def staged_rows(folder: BatchFolder, chunk: int) -> list[Taken]:
    """Return the rows of a chunk as they were staged."""
    return [
        Taken(row["row"], row["ref"], row["entity_id"], orjson.loads(row["problem"]) if row["problem"] else None)
        for row in folder.rows(chunk)
    ]


def _scored(
    desk: ScoringDesk, model: LiveScorer, rows: Sequence[Taken], asked: Asked, seed: str, problems: Problems
) -> list[Made]:
    product = product_named(model.manifest.product)
    instance = asked.batch or ""
    known = [row for row in rows if row.entity_id is not None]
    read = desk.source.read_many(product.id, [str(row.entity_id) for row in known], resources=asked.resources)
    good: list[tuple[Taken, OnlineInputs]] = []
    for row, inputs in zip(known, read, strict=True):
        told = desk.known(model, inputs, asked)
        if isinstance(told, RoadRiskError):
            problems[row.row] = problem_of(told).document(instance)
        else:
            good.append((row, told))
    inputs_of = [inputs for _, inputs in good]
    scored = score_many(
        model, inputs_of, product=product, score_ids=[score_id_of(seed, row.row) for row, _ in good],
        exact=asked.detail == "exact", written=True,
    )
    return [
        Made(row.row, answer, desk.decision_of(model, inputs, answer, asked))
        for (row, inputs), answer in zip(good, scored, strict=True)
    ]


def _record(desk: ScoringDesk, made: Sequence[Made], asked: Asked, answer: StoredAnswer | None) -> None:
    if made:
        counts = counted(asked, "batch", made[0].decision.at, n=len(made))
        desk.decisions.record_many([one.decision for one in made], beside=Beside(answer=answer, counts=counts))
    elif answer is not None:
        desk.decisions.keep(Beside(answer=answer), at=answer.at)


def _room(details: Mapping[str, Any], asked: int) -> int:
    return max(0, min(asked - 1, int(details["limit"]) - int(details["used"])))


def _lines(rows: Sequence[Taken], made: Sequence[Made], problems: Problems, asked: Asked) -> Lines:
    answers = {one.row: one.scored.sendable(asked.detail) for one in made}
    return [_line(row, answers, problems) for row in rows]


def _line(row: Taken, answers: Mapping[int, Any], problems: Problems) -> dict[str, Any]:
    line: dict[str, Any] = {"row": row.row, "ref": row.ref}
    return line | ({"answer": answers[row.row]} if row.row in answers else {"problem": problems[row.row]})

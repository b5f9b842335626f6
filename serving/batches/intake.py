"""The edge of a batch: rows are checked, and natural keys become pseudonyms while they are read. Nothing else is kept of them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydantic import ValidationError

from registry.entities import ENTITIES
from registry.errors import InvalidRequest, RoadRiskError
from registry.formats import valid_id_card, valid_uscc, valid_vin
from registry.products import product_named
from serving.asked import Asked
from serving.batches.folder import BatchFolder, BatchFolders, Header
from serving.batches.formats import Row
from serving.desk import ScoringDesk
from serving.problems import Problem, invalid_fields, problem_of
from serving.schemas import REQUESTS, field_parts, field_problem, json_type

if TYPE_CHECKING:
    from registry.access.parties import Caller

MAX_REF: Final = 64
_REF_SIGNS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


@dataclass(frozen=True)
class Taken:
    """A row as it is kept: its number, the caller's reference, and a pseudonym or a problem."""

    row: int
    ref: str | None
    entity_id: str | None
    problem: dict[str, Any] | None


def taken(desk: ScoringDesk, product_id: str, rows: Sequence[Row], first: int, instance: str) -> list[Taken]:
    """Return the rows of a chunk with pseudonyms in the place of natural keys.

    Parameters
    ----------
    first
        Number of the first row; rows count from 1.
    instance
        What the problem documents of the rows name.

    Raises
    ------
    ServiceUnavailable
        If the store does not answer.
    """
    entity = ENTITIES[product_named(product_id).entity]
    checked = [_checked(entity.id, row) for row in rows]
    good = [i for i, (_, key, _) in enumerate(checked) if key is not None]
    found = dict(zip(good, desk.source.resolve_many(entity, [checked[i][1] or {} for i in good]), strict=True))
    made = []
    for i, (ref, _, problem) in enumerate(checked):
        told = found.get(i)
        if isinstance(told, RoadRiskError):
            problem = problem_of(told)
        made.append(Taken(
            first + i, ref, told if isinstance(told, str) else None, problem.document(instance) if problem else None
        ))
    return made


def stage(
    desk: ScoringDesk, folders: BatchFolders, product_id: str, chunks: Iterator[list[Row]], caller: Caller, asked: Asked
) -> BatchFolder:
    """Keep a batch durably, with pseudonyms only, and return it.

    A batch under an idempotency key has an id that follows from the key, so a repeated request finds the first one.

    Raises
    ------
    InvalidRequest
        If the body cannot be read; then nothing is kept.
    ServiceUnavailable
        If the store does not answer.
    """
    import pyarrow.parquet as pq

    assert asked.grant is not None, "a batch comes through the door"
    batch_id = _batch_id(asked)
    staged, n, count = folders.staging(), 0, 0
    try:
        with pq.ParquetWriter(staged.input, _schema(), compression="zstd") as writer:
            for rows in chunks:
                writer.write_table(_table(taken(desk, product_id, rows, n + 1, batch_id)), row_group_size=len(rows))
                n, count = n + len(rows), count + 1
        staged.write_header(Header(
            id=batch_id, product=product_id, caller=asdict(caller), scenario=asked.grant.scenario, request_id=asked.request_id,
            traceparent=asked.traceparent, at=desk.clock().isoformat(), rows=n, chunks=count, seed=secrets.token_hex(32),
            epoch=desk.source.epoch,
        ))
    except BaseException:
        staged.remove()
        raise
    return folders.publish(staged, batch_id)


def _batch_id(asked: Asked) -> str:
    if asked.key is None:
        return secrets.token_hex(16)
    named = f"{asked.key.consumer}\n{asked.key.key_hash}\n{asked.key.body_hash}"
    return hashlib.sha256(named.encode()).hexdigest()[:32]


def _checked(entity: str, row: Row) -> tuple[str | None, dict[str, str] | None, Problem | None]:
    if row is None:
        return None, None, problem_of(InvalidRequest("the row is no JSON object, or has other cells than columns"))
    ref = row.get("ref")
    if ref is not None and not _good_ref(ref):
        problem = "is no reference: 1 to 64 of A-Z a-z 0-9 . _ - and no identifier of anybody"
        return None, None, invalid_fields([{"field": "ref", "problem": problem, "met": json_type(ref)}])
    try:
        request = REQUESTS[entity].model_validate({name: value for name, value in row.items() if name != "ref"})
    except ValidationError as found:
        return ref, None, invalid_fields([_field(dict(error)) for error in found.errors(include_url=False, include_context=False)])
    return ref, request.entity.key, None


def _good_ref(ref: object) -> bool:
    # A reference is kept and comes back; an identifier of somebody must not be.
    if not isinstance(ref, str) or not 1 <= len(ref) <= MAX_REF or not _REF_SIGNS.issuperset(ref):
        return False
    return not any(valid(ref.upper()) for valid in (valid_vin, valid_uscc, valid_id_card))


def _field(error: dict[str, Any]) -> dict[str, str]:
    path = ".".join(field_parts(error["loc"]))
    if error["type"] == "extra_forbidden":
        # The name is the caller's; a batch is kept, so it is not repeated.
        path = path.rpartition(".")[0] or "row"
    return field_problem(error, path)


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema([("row", pa.int32()), ("ref", pa.string()), ("entity_id", pa.string()), ("problem", pa.string())])


def _table(rows: Sequence[Taken]) -> Any:
    import pyarrow as pa

    columns = {
        "row": [row.row for row in rows], "ref": [row.ref for row in rows], "entity_id": [row.entity_id for row in rows],
        "problem": [orjson.dumps(row.problem, default=str).decode() if row.problem else None for row in rows],
    }
    return pa.table(columns, schema=_schema())

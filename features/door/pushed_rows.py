"""The rows of one pushed request: read strictly, stamped with their arrival, held against their contract one by one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from features.contracts import Violation, check_rows
from features.door.strict_json import json_line, strict_json
from features.readers import Delivered, read_table
from registry.errors import InvalidRequest
from registry.resources.schema import Resource

MAX_ROWS: Final = 10_000
FUTURE: Final = timedelta(minutes=5)
"""An arrival later than this after now is no arrival. [A]"""
_ARRIVED: Final = "arrived_at"


class Arrivals:
    """Gives each row the instant of its receipt; later rows get later instants, so a later version supersedes."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()

    def stamps(self, now: datetime, n: int) -> list[datetime]:
        """Return n instants from now on, in steps of a microsecond, after every one given before."""
        with self._lock:
            first = max(now, self._last + timedelta(microseconds=1)) if self._last.year > 1 else now
            found = [first + timedelta(microseconds=place) for place in range(n)]
            self._last = found[-1] if found else self._last
        return found


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What became of the rows of a request.

    Parameters
    ----------
    lines, accepted
        Rows that hold, as NDJSON, and how many.
    violations, refused
        What the others broke, `row` being the place in the request, and how many they were.
    last_arrival
        Newest arrival of the accepted rows; None where there are none.
    """

    lines: bytes
    accepted: int
    violations: tuple[Violation, ...]
    refused: int
    last_arrival: datetime | None


def rows_of(body: bytes, *, array: bool) -> list[dict[str, Any]]:
    """Return the rows of a body: a JSON array of objects, or one object per line.

    Raises
    ------
    InvalidRequest
        If it is no strict JSON in UTF-8, says a field twice, or has more than `MAX_ROWS` rows.
    """
    try:
        if array:
            found = strict_json(body)
        else:
            found = [strict_json(line) for line in body.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()]
    except (ValueError, RecursionError):
        raise InvalidRequest("the body is no strict JSON in UTF-8", remedy="Send an array of objects, or one per line.") from None
    if not isinstance(found, list) or not all(type(row) is dict for row in found):
        raise InvalidRequest("the body holds other things than objects", remedy="Send an array of objects, or one per line.")
    if len(found) > MAX_ROWS:
        raise InvalidRequest(f"the body has {len(found)} rows, at most {MAX_ROWS} are taken", remedy="Send several requests.")
    return found


def examine(rows: Sequence[dict[str, Any]], resource: Resource, stamps: Sequence[datetime] | None, now: datetime) -> Examined:
    """Hold rows against the contract of their resource.

    Parameters
    ----------
    stamps
        Arrival of each row; None where the rows tell their own, as in a replay.
    now
        Aware instant of receipt.

    Raises
    ------
    InvalidRequest
        If a row tells its arrival and may not.
    DeliveryRefused
        On schema drift, which refuses the whole request.
    """
    if stamps is not None:
        if any(_ARRIVED in row for row in rows):
            raise InvalidRequest(f"a row has {_ARRIVED}", remedy="Leave it out: the receiver says when a row arrived.")
        rows = [row | {_ARRIVED: stamp.isoformat()} for row, stamp in zip(rows, stamps, strict=True)]
    lines = [json_line(row) for row in rows]
    _same_fields(rows, resource)
    where = f"push of {resource.id}"
    delivered = Delivered(name="push", where=where, suffix=".ndjson", content=b"".join(lines))
    table = read_table(delivered, resource)
    checked = check_rows(table, resource, where=where)
    violations = (*checked.violations, *_future(table, now))
    bad = {violation.row for violation in violations}
    kept = [place for place in range(len(rows)) if place not in bad]
    arrivals = table[_ARRIVED].take(pa.array(kept, pa.int64()))
    return Examined(
        lines=b"".join(lines[place] for place in kept), accepted=len(kept), violations=violations,
        refused=len(bad), last_arrival=pc.max(arrivals).as_py() if kept else None,
    )


def _same_fields(rows: Sequence[dict[str, Any]], resource: Resource) -> None:
    """Refuse a row whose fields are not those of the others: the reader would fill them with nulls."""
    if any(row.keys() != rows[0].keys() for row in rows):
        raise InvalidRequest(
            f"the rows of {resource.id} do not have the same fields", remedy="Name every field in every row, null where unknown.",
        )


def _future(table: pa.Table, now: datetime) -> list[Violation]:
    late = pc.fill_null(pc.greater(table[_ARRIVED], pa.scalar(now + FUTURE, pa.timestamp("us", tz="UTC"))), False)
    places = pc.indices_nonzero(late.combine_chunks()).to_pylist() if len(table) else []
    return [Violation(place, _ARRIVED, "must not lie in the future", "(later than now)") for place in places]


"""The answers of a batch as a file: NDJSON with everything, or a table with the main figures and the whole answer as JSON text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, get_args

import orjson

from registry.errors import InvalidRequest
from serving.batches.formats import ARROW, CSV, NDJSON, PARQUET
from serving.problems import TYPE_PREFIX

Format = Literal["ndjson", "csv", "parquet", "arrow"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
MEDIA: Final[dict[Format, str]] = {"ndjson": NDJSON, "csv": CSV, "parquet": PARQUET, "arrow": ARROW}
TEXTS: Final = ("ref", "score_id", "tier", "as_of", "model_version", "model_digest", "reasons", "problem", "problem_detail")
NUMBERS: Final = ("score", "points", "percentile")
WHOLE: Final = "answer"
"""Column of the whole answer; a CSV file leaves it out."""
COLUMNS: Final = ("row", "ref", "score_id", "score", "points", "tier", "percentile", "reasons", "as_of", "model_version",
                  "model_digest", "problem", "problem_detail")


def chosen_format(accept: str | None) -> Format:
    """Return the form that an Accept header asks for; NDJSON where it asks for anything.

    Raises
    ------
    InvalidRequest
        If it names none of ours.
    """
    wanted = [part.partition(";")[0].strip().lower() for part in (accept or "*/*").split(",")]
    for name in wanted:
        if name in ("*/*", "application/*", "application/json", ""):
            return "ndjson"
        for form, media in MEDIA.items():
            if name == media:
                return form
    raise InvalidRequest(
        "the result has none of the forms that Accept names", where="Accept", remedy=f"Accept one of {', '.join(MEDIA.values())}."
    )


def as_file(parts: Iterable[bytes], form: Format) -> Iterator[bytes]:
    """Yield a result file from the NDJSON of its parts, in bounded memory.

    Parameters
    ----------
    parts
        NDJSON of whole lines, in order.
    """
    if form == "ndjson":
        return iter(parts)
    if form == "csv":
        return _csv(parts)
    return _columnar(parts, form)


def problem_lines(part: bytes) -> bytes:
    """Return the lines of a part that hold a problem."""
    return b"".join(line for line in part.splitlines(keepends=True) if "problem" in orjson.loads(line))


def flat(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line as cells of a table."""
    cells: dict[str, Any] = dict.fromkeys(COLUMNS) | {"row": line["row"], "ref": line["ref"], WHOLE: None}
    if "problem" in line:
        problem = line["problem"]
        return cells | {"problem": problem["type"].removeprefix(TYPE_PREFIX), "problem_detail": problem["detail"]}
    answer = line["answer"]
    return cells | {
        "score_id": answer["score_id"], "score": answer["score"], "points": answer["points"], "tier": answer["tier"]["code"],
        "percentile": answer["percentile"], "reasons": " ".join(reason["code"] for reason in answer["reasons"]),
        "as_of": answer["as_of"], "model_version": answer["model"]["version"], "model_digest": answer["model"]["digest"],
        WHOLE: orjson.dumps(answer).decode(),
    }


def _csv(parts: Iterable[bytes]) -> Iterator[bytes]:
    # The mark tells spreadsheets that it is UTF-8.
    yield ("\ufeff" + ",".join(COLUMNS) + "\r\n").encode()
    for part in parts:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
        writer.writerows(flat(orjson.loads(line)) for line in part.splitlines())
        yield text.getvalue().encode()


def _columnar(parts: Iterable[bytes], form: Format) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = (*COLUMNS, WHOLE)
    kinds = {"row": pa.int32(), **dict.fromkeys(NUMBERS, pa.float64())}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in names])
    sink = _Sink()
    file = pa.PythonFile(sink, mode="w")
    writer: Any = pa.ipc.new_stream(file, schema) if form == "arrow" else pq.ParquetWriter(file, schema, compression="zstd")
    for part in parts:
        rows = [flat(orjson.loads(line)) for line in part.splitlines()]
        writer.write_table(pa.table({name: [row[name] for row in rows] for name in names}, schema=schema))
        yield sink.taken()
    writer.close()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """A file that gives away what was written since it was asked last."""

    def __init__(self) -> None:
        self._written: list[bytes] = []
        super().__init__()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        return len(self._written[-1])

    def taken(self) -> bytes:
        found, self._written = b"".join(self._written), []
        return found

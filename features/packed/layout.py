"""How a row of a view becomes bytes: a checksum, a head of layout and instants, numbers, texts.

```text
 4 bytes   CRC-32 of all that follows, little-endian
 8 bytes   first bytes of the layout's digest
16 bytes   event and created instant, microseconds since 1970, big-endian with the sign turned: bytes compare as instants do
 8 n bytes the numbers of the view in declared order, IEEE 754 little-endian; not-a-number is null
 then      each text, and each value of another type as Feast's message: length in 4 bytes, bytes; length 2**32 - 1 is null
```

A row names the layout that it was written under, so a view may be defined anew while older rows lie in the store: what still
has its name and kind is read from them, what is new is absent.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from registry.errors import ServiceUnavailable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

Kind = Literal["float", "text", "message"]
Value = float | str | bytes | None

STAMP: Final = slice(4, 28)
"""Where a row tells its layout and instants: two rows of an entity that agree in them hold the same values."""
DIGEST: Final = slice(4, 12)
"""Where a row tells its layout."""
CREATED: Final = slice(20, 28)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
CHECKED: Final = 4
"""Bytes of the checksum."""
_DIGEST_BYTES: Final = 8
_HEAD: Final = struct.Struct(">8sQQ")
_CHECKSUM: Final = struct.Struct("<I")
_LENGTH: Final = struct.Struct("<I")
_SIGN: Final = 1 << 63
_NO_INSTANT: Final = -_SIGN
"""A row without a created instant is older than one with any."""
_NULL: Final = 0xFFFF_FFFF
_NULL_TEXT: Final = _LENGTH.pack(_NULL)


@dataclass(frozen=True)
class Layout:
    """The columns of one view as its rows hold them.

    Parameters
    ----------
    view
        Name of the view.
    columns
        (name, kind) of each feature in declared order. A float is a number with nulls, a text a string, a message a value of
        any other type as Feast writes it.
    """

    view: str
    columns: tuple[tuple[str, Kind], ...]

    @cached_property
    def digest(self) -> bytes:
        """What the rows of this layout begin with."""
        return hashlib.sha256(self.to_json().encode()).digest()[:_DIGEST_BYTES]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names in the order in which `unpack` gives the values: numbers first."""
        return (*self._named("float"), *(name for name, kind in self.columns if kind != "float"))

    @cached_property
    def places(self) -> dict[str, int]:
        """Name -> place among the values of `unpack`."""
        return {name: place for place, name in enumerate(self.names)}

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """Name -> kind."""
        return dict(self.columns)

    @cached_property
    def n_floats(self) -> int:
        """How many of the values are numbers."""
        return len(self._named("float"))

    @cached_property
    def _numbers(self) -> struct.Struct:
        return struct.Struct(f"<{self.n_floats}d")

    @cached_property
    def _opened(self) -> struct.Struct:
        return struct.Struct(f"<I8s8s8s{self.n_floats}d")

    @cached_property
    def _tail(self) -> tuple[bool, ...]:
        """For each value behind the numbers, whether it is a text."""
        return tuple(kind == "text" for _, kind in self.columns if kind != "float")

    def _named(self, kind: Kind) -> tuple[str, ...]:
        return tuple(name for name, met in self.columns if met == kind)

    def to_json(self) -> str:
        """Return the layout as text."""
        return json.dumps([self.view, self.columns], ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Layout:
        """Return the layout that a text of `to_json` tells."""
        view, columns = json.loads(text)
        return cls(view, tuple((name, kind) for name, kind in columns))

    def pack(self, values: Sequence[Value], event_us: int, created_us: int | None) -> bytes:
        """Return one row; `values` come in the order of `names`."""
        numbers = (float("nan") if value is None else value for value in values[:self.n_floats])
        body = _HEAD.pack(self.digest, event_us + _SIGN, (_NO_INSTANT if created_us is None else created_us) + _SIGN)
        body += self._numbers.pack(*numbers) + b"".join(map(_packed_text, values[self.n_floats:]))
        return _CHECKSUM.pack(zlib.crc32(body)) + body

    def opened(self, row: bytes) -> tuple[Any, ...]:
        """Return checksum, digest, event and created instant as bytes, and from place 4 on the numbers, null as not-a-number.

        Raises
        ------
        ServiceUnavailable
            If the bytes are not those that were written.
        """
        try:
            found = self._opened.unpack_from(row)
        except struct.error as error:
            raise damaged(self.view) from error
        if zlib.crc32(row[CHECKED:]) != found[0]:
            raise damaged(self.view)
        return found

    def tail(self, row: bytes) -> Iterator[str | bytes | None]:
        """Yield the texts and messages of a row that has been opened, in the order of `names`."""
        at = self._opened.size
        for is_text in self._tail:
            (length,) = _LENGTH.unpack_from(row, at)
            at += _LENGTH.size
            if length == _NULL:
                yield None
                continue
            found = row[at:at + length]
            at += length
            yield found.decode() if is_text else found

    def unpack(self, row: bytes) -> tuple[int, list[Any]]:
        """Return the event instant in microseconds and the values, in the order of `names`.

        Raises
        ------
        ServiceUnavailable
            If the bytes are not those that were written.
        """
        found = self.opened(row)
        values: list[Any] = [None if value != value else value for value in found[4:]]
        return micros(found[2]), [*values, *self.tail(row)]

    def pack_columns(
        self, columns: Sequence[pa.ChunkedArray | Sequence[bytes | None]], event_us: npt.NDArray[np.int64],
        created_us: npt.NDArray[np.int64] | None,
    ) -> list[bytes]:
        """Return the rows of a table.

        Parameters
        ----------
        columns
            Column by column in the order of `names`: numbers and texts as Arrow has them, messages as a list.
        event_us, created_us
            Instants in microseconds since 1970; None where the view knows of no created instants.
        """
        import numpy as np

        count, n_floats = len(event_us), self.n_floats
        heads = np.empty(count, dtype=[("digest", f"V{_DIGEST_BYTES}"), ("event", ">u8"), ("created", ">u8")])
        heads["digest"] = np.void(self.digest)
        heads["event"] = event_us.view(np.uint64) + np.uint64(_SIGN)
        heads["created"] = 0 if created_us is None else created_us.view(np.uint64) + np.uint64(_SIGN)
        numbers = np.empty((count, n_floats), dtype="<f8")
        for place in range(n_floats):
            numbers[:, place] = _numbers(columns[place])
        stamps = _bytes_of(heads.view(np.uint8).reshape(count, heads.itemsize))
        parts = [stamps, _bytes_of(numbers), *map(_texts, columns[n_floats:])]
        bodies = list(map(b"".join, zip(*parts, strict=True)))
        sums = np.fromiter(map(zlib.crc32, bodies), dtype="<u4", count=count)
        return list(map(b"".join, zip(_bytes_of(sums.reshape(count, 1)), bodies, strict=True)))

    def pack_numbers(
        self, values: npt.NDArray[np.float64], event_us: npt.NDArray[np.int64], created_us: npt.NDArray[np.int64]
    ) -> list[bytes]:
        """Return the rows of a view of numbers alone; `values` of shape (n, n_floats), not-a-number for null."""
        import numpy as np

        assert self.n_floats == len(self.columns)
        rows = np.empty(len(values), dtype=[
            ("sum", "<u4"), ("digest", f"V{_DIGEST_BYTES}"), ("event", ">u8"), ("created", ">u8"),
            ("numbers", "<f8", (self.n_floats,)),
        ])
        rows["digest"] = np.void(self.digest)
        rows["event"], rows["created"] = (told.view(np.uint64) + np.uint64(_SIGN) for told in (event_us, created_us))
        rows["numbers"] = np.where(np.isnan(values), np.nan, values)  # one not-a-number of the many
        width = rows.itemsize
        told = memoryview(rows.tobytes())
        ends = range(width, width * len(rows) + 1, width)
        rows["sum"] = np.fromiter((zlib.crc32(told[end - width + CHECKED:end]) for end in ends), dtype="<u4", count=len(rows))
        whole = rows.tobytes()
        return [whole[end - width:end] for end in ends]


def micros(instant: bytes) -> int:
    """Return an instant of a row in microseconds since 1970."""
    return int.from_bytes(instant, "big") - _SIGN


def damaged(view: str) -> ServiceUnavailable:
    """Return the error of a row whose bytes are not those that were written."""
    return ServiceUnavailable(
        "a row of the feature store is damaged", where=f"view {view}",
        remedy="Run `roadrisk features materialise --full`, or load a store that is whole.",
    )


def _packed_text(value: Any) -> bytes:
    if value is None:
        return _NULL_TEXT
    told = value.encode() if isinstance(value, str) else value
    return _LENGTH.pack(len(told)) + told


def _bytes_of(matrix: npt.NDArray[Any]) -> list[bytes]:
    """Return the bytes of each row of a matrix."""
    width = matrix.shape[1] * matrix.itemsize
    if not width:
        return [b""] * len(matrix)
    whole = matrix.tobytes()
    return [whole[at:at + width] for at in range(0, len(whole), width)]


def _numbers(column: Any) -> npt.NDArray[np.float64]:
    import pyarrow as pa
    import pyarrow.compute as pc

    found: npt.NDArray[np.float64] = pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy()
    return found


def _texts(column: Any) -> list[bytes]:
    if isinstance(column, list):
        return [_packed_text(value) for value in column]
    # Texts and codes repeat: each distinct one is packed once.
    encoded = column.combine_chunks().dictionary_encode()
    known = [*map(_packed_text, encoded.dictionary.to_pylist()), _NULL_TEXT]
    return [known[code] for code in encoded.indices.fill_null(len(known) - 1).to_pylist()]

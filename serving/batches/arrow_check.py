"""Whether an Arrow stream holds compressed batches, told from its message heads before anything is unfolded.

Arrow's reader allocates whatever length a compressed buffer claims. The heads are flatbuffers; only two fields are read here.

References
----------
Apache Arrow, format/Message.fbs: tables Message (header_type, header) and RecordBatch (compression).
"""

from __future__ import annotations

import struct
from typing import Final

from registry.errors import InvalidRequest

_HEADER_TYPE, _HEADER, _COMPRESSION = 1, 2, 3
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_DATA_OF_DICTIONARY: Final = 1


def check_stream(body: bytes) -> None:
    """Refuse an Arrow stream that holds a compressed batch.

    Raises
    ------
    InvalidRequest
        If it does, or its heads cannot be read.
    """
    import pyarrow as pa

    reader = pa.ipc.MessageReader.open_stream(pa.BufferReader(body))
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return
        try:
            compressed = _compressed(message.metadata.to_pybytes())
        except struct.error:
            raise InvalidRequest("an Arrow message has a broken head", where="body", remedy="Write the stream anew.") from None
        if compressed:
            raise InvalidRequest(
                "the Arrow stream holds compressed batches", where="body",
                remedy="Write it without compression; `Content-Encoding: gzip` is possible.",
            )


def _compressed(head: bytes) -> bool:
    message = _at(head, 0)
    kind_at = _field(head, message, _HEADER_TYPE)
    kind = head[kind_at] if kind_at else 0
    header_at = _field(head, message, _HEADER)
    if kind not in (_DICTIONARY_BATCH, _RECORD_BATCH) or not header_at:
        return False
    batch = _at(head, header_at)
    if kind == _DICTIONARY_BATCH:
        data_at = _field(head, batch, _DATA_OF_DICTIONARY)
        if not data_at:
            return False
        batch = _at(head, data_at)
    return _field(head, batch, _COMPRESSION) != 0


def _at(head: bytes, position: int) -> int:
    return position + int(struct.unpack_from("<I", head, position)[0])


def _field(head: bytes, table: int, number: int) -> int:
    """Return where a field of a table lies, 0 where it is absent."""
    entries = table - int(struct.unpack_from("<i", head, table)[0])
    place = 4 + 2 * number
    if entries < 0 or place >= struct.unpack_from("<H", head, entries)[0]:
        return 0
    offset = int(struct.unpack_from("<H", head, entries + place)[0])
    return table + offset if offset else 0

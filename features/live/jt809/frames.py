"""Frames of JT/T 809: flags, escape, length and CRC. What is no frame becomes a typed refusal, whatever the bytes are.

```text
0x5b | escaped( MSG_LENGTH u4  MSG_SN u4  MSG_ID u2  MSG_GNSSCENTERID u4  VERSION_FLAG 3  ENCRYPT_FLAG u1  ENCRYPT_KEY u4
              | [TIME u8, in the version of 2019] | body | CRC u2 ) | 0x5d
```

Numbers are big-endian. MSG_LENGTH counts everything from flag to flag before the escape. The CRC is CRC-16/CCITT (polynomial
0x1021, start 0xffff) of header and body as they are sent, so an encrypted body is tested before it is decrypted. Escape: 5b as
5a 01, 5a as 5a 02, 5d as 5e 01, 5e as 5e 02.
"""

from __future__ import annotations

import binascii
import re
import struct
from dataclasses import dataclass
from enum import Enum
from typing import Final

from features.live.jt809.cipher import Cipher

BEGIN, END = b"\x5b", b"\x5d"
MAX_FRAME: Final = 64 * 1024
"""A frame that has no end within so many bytes is none."""
_HEADER: Final = struct.Struct(">IIHI3sBI")
_TIME_BYTES: Final = 8
_CRC: Final = struct.Struct(">H")
_ESCAPES: Final = ((b"\x5a", b"\x5a\x02"), (b"\x5b", b"\x5a\x01"), (b"\x5e", b"\x5e\x02"), (b"\x5d", b"\x5e\x01"))
"""In the order of writing: an escape that was written is not escaped again."""
_UNESCAPED: Final = {b"\x5a\x01": b"\x5b", b"\x5a\x02": b"\x5a", b"\x5e\x01": b"\x5d", b"\x5e\x02": b"\x5e"}
_ESCAPED: Final = re.compile(rb"[\x5a\x5e].?", re.DOTALL)


class FrameFault(Enum):
    """Why bytes are no frame."""

    NO_FLAG = "bytes outside of any frame"
    TOO_LONG = "no end of the frame"
    ESCAPE = "an escape that is none"
    SHORT = "shorter than a header"
    LENGTH = "another length than it says"
    CRC = "the checksum does not hold"
    ENCRYPTED = "an encrypted body, of which no key is known"


@dataclass(frozen=True)
class Frame:
    """One message of the link.

    Parameters
    ----------
    message_id, serial, centre
        MSG_ID, MSG_SN and MSG_GNSSCENTERID.
    body
        What is between header and CRC.
    """

    message_id: int
    serial: int
    centre: int
    body: bytes


def crc16(content: bytes) -> int:
    """Return the CRC-16/CCITT of bytes."""
    return binascii.crc_hqx(content, 0xFFFF)


def escaped(content: bytes) -> bytes:
    """Return bytes in which no flag occurs."""
    for plain, written in _ESCAPES:
        content = content.replace(plain, written)
    return content


def unescaped(content: bytes) -> bytes | None:
    """Return what was escaped; None where an escape is none."""
    try:
        return _ESCAPED.sub(lambda met: _UNESCAPED[met[0]], content)
    except KeyError:
        return None


def encode(
    frame: Frame, *, version: bytes = b"\x01\x00\x00", cipher: Cipher | None = None, key: int = 0,
) -> bytes:
    """Return the bytes of a frame of the version of 2011, with its body encrypted where there is a cipher."""
    length = 1 + _HEADER.size + len(frame.body) + _CRC.size + 1
    body = frame.body if cipher is None else cipher.applied(frame.body, key)
    content = _HEADER.pack(length, frame.serial, frame.message_id, frame.centre, version, cipher is not None, key) + body
    return BEGIN + escaped(content + _CRC.pack(crc16(content))) + END


class FrameReader:
    """Cuts a stream of bytes into frames.

    Parameters
    ----------
    with_time
        Whether headers hold the time, as in the version of 2019.
    cipher
        Decrypts bodies; without one they are refused.
    """

    def __init__(self, *, with_time: bool = False, cipher: Cipher | None = None) -> None:
        self._kept, self._cipher = b"", cipher
        self._head = _HEADER.size + (_TIME_BYTES if with_time else 0)

    def feed(self, received: bytes) -> list[Frame | FrameFault]:
        """Return the frames that are whole now, and the faults between them, in order."""
        found: list[Frame | FrameFault] = []
        *ended, kept = (self._kept + received).split(END)
        for part in ended:
            # Before its begin lies nothing, or noise, or a frame that lost its end.
            before, flag, content = part.rpartition(BEGIN)
            if before or not flag:
                found.append(FrameFault.NO_FLAG)
            if flag:
                found.append(FrameFault.TOO_LONG if len(content) > MAX_FRAME else self._frame(content))
        begin = kept.rfind(BEGIN)
        if kept and begin < 0:
            found.append(FrameFault.NO_FLAG)
            kept = b""
        if len(kept) > MAX_FRAME:
            found.append(FrameFault.TOO_LONG)
            kept = b""
        self._kept = kept
        return found

    def _frame(self, escaped_content: bytes) -> Frame | FrameFault:
        content = unescaped(escaped_content)
        if content is None:
            return FrameFault.ESCAPE
        if len(content) < self._head + _CRC.size:
            return FrameFault.SHORT
        length, serial, message_id, centre, _, encrypted, key = _HEADER.unpack_from(content)
        if length != len(content) + 2:
            return FrameFault.LENGTH
        if crc16(content[:-_CRC.size]) != _CRC.unpack_from(content, len(content) - _CRC.size)[0]:
            return FrameFault.CRC
        body = content[self._head:-_CRC.size]
        if encrypted:
            if self._cipher is None:
                return FrameFault.ENCRYPTED
            body = self._cipher.applied(body, key)
        return Frame(message_id, serial, centre, body)

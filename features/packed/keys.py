"""The bytes by which rows of an entity are found: Feast's own serialised entity key, version 3.

They are made here again because Feast's function wants a message per key, and because it cannot be had without Feast. A test
holds the two equal.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

VERSION: Final = 3
_STRING: Final = 2
"""Number of the type STRING among Feast's value types."""


def text_keys(join_key: str, values: Iterable[str]) -> list[bytes]:
    """Return the entity keys of an entity with one join key that is a text."""
    name = join_key.encode()
    prefix = struct.pack("<III", 1, _STRING, len(name)) + name + struct.pack("<I", _STRING)
    # Pseudonyms are of one length, so the whole head is nearly always the one that was made before.
    heads: dict[int, bytes] = {}
    made = []
    for value in values:
        told = value.encode()
        length = len(told)
        head = heads.get(length) or heads.setdefault(length, prefix + struct.pack("<I", length))
        made.append(head + told)
    return made

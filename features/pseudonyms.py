"""Keyed pseudonyms: what stands for a plate, VIN, credit code or person inside the platform.

A plate has about 3e10 possible values, so an unkeyed hash is no protection; HMAC-SHA-256 (RFC 2104) with a key that
lives apart from the data is. Namespaces keep pseudonyms of different kinds from joining.

Keys have epochs. The pseudonym of epoch 1 is the HMAC of the raw value, that of epoch n + 1 the HMAC of the pseudonym of
epoch n under the key n + 1. So a warehouse can be moved to a new key without raw values, and the door, which has them,
applies the whole chain of keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from registry.formats import normalise_plate
from registry.resources.schema import WITHHELD, Resource

SEPARATOR: Final = "|"
ROW_ID: Final = "row_id"
HEX_LENGTH: Final = 24
"""96 bits: among a million entities of a kind the chance of one collision is below 1e-17."""
MAX_REMEMBERED: Final = 1_000_000
"""Entities whose pseudonyms are remembered, about 250 MB of memory; the oldest half is forgotten at the limit."""
_BLOCK_ROWS: Final = 65_536
_SHA256_BLOCK: Final = 64

Keys = bytes | Sequence[bytes]
"""Secret keys of at least 32 bytes, oldest epoch first; one key alone is that of epoch 1."""


def pseudonym(keys: Keys, namespace: str, *parts: str) -> str:
    """Return the pseudonym of natural-key parts in a namespace.

    Parameters
    ----------
    keys
        Keys of all epochs up to the one wanted.
    namespace
        Kind of identifier: plate, vin, uscc, person, licence.
    parts
        Raw values in declared order; they are normalised (Unicode NFKC, upper case, no blanks) first.
    """
    return _chain(keys)(_message(namespace, parts))


def forward(keys: Sequence[bytes], value: str, *, epoch: int) -> str:
    """Return what a pseudonym of an epoch has become under the keys of all later epochs.

    Parameters
    ----------
    keys
        Keys of all epochs, oldest first.
    value
        Pseudonym of an entity, or row identifier, as it was written under `epoch`.
    epoch
        Epoch of the value, from 1.
    """
    return _chain(keys[epoch:])(value.encode()) if len(keys) > epoch else value


class Pseudonymiser:
    """Replaces identifiers by pseudonyms, each distinct value of a session once.

    The same plates come in delivery after delivery; remembering them makes the cost follow the number of entities, not of
    rows or deliveries. Row identifiers never come again and are not remembered. The memory is bounded, ends with the
    process and is written nowhere.

    Parameters
    ----------
    keys
        Keys of all epochs up to the current one.
    """

    def __init__(self, keys: Keys) -> None:
        self._keyed = _chain(keys)
        self._known: dict[str, dict[str, str]] = {}
        self._count = 0

    def apply(self, table: pa.Table, resource: Resource) -> pa.Table:
        """Return the table with pseudonyms in place of identifiers and row identifiers, and without what is withheld.

        The row identifiers of reductions are the platform's own and stay.
        """
        made = {entry.id: self._column(table, entry.namespace, entry.inputs) for entry in resource.pseudonyms}
        withheld = {column.id for column in resource.columns if column.sensitivity in WITHHELD}
        kept = table.select([name for name in table.column_names if name not in withheld])
        for name, values in made.items():
            kept = kept.append_column(name, values)
        if resource.supplier != "reduction":
            row_ids = self.row_ids(table[ROW_ID], resource.id)
            kept = kept.set_column(kept.schema.get_field_index(ROW_ID), ROW_ID, row_ids)
        return kept

    def row_ids(self, values: pa.ChunkedArray, resource_id: str) -> pa.ChunkedArray:
        """Return row identifiers that still tell rows apart; a supplier's are often made of a credit code or a VIN."""
        prefix = SEPARATOR.join(["row", resource_id, ""])
        return pa.chunked_array(
            (
                pa.array([self._keyed(f"{prefix}{value}".encode()) for value in block], pa.string())
                for block in _blocks(values)
            ),
            pa.string(),
        )

    def _column(self, table: pa.Table, namespace: str, inputs: Sequence[str]) -> pa.Array:
        texts = [pc.cast(table[name], pa.string()) for name in inputs]
        joined = (
            texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, SEPARATOR, null_handling="emit_null")
        )
        encoded = pa.chunked_array(joined).combine_chunks().dictionary_encode()
        known = self._known.setdefault(namespace, {})
        values = [known.get(value) or self._new(namespace, value) for value in encoded.dictionary.to_pylist()]
        return pa.array(values, pa.string()).take(encoded.indices)

    def _new(self, namespace: str, value: str) -> str:
        made = self._keyed(_message(namespace, value.split(SEPARATOR)))
        if self._count >= MAX_REMEMBERED:
            self._forget()
        self._known[namespace][value] = made
        self._count += 1
        return made

    def _forget(self) -> None:
        for known in self._known.values():
            for value in list(known)[: (len(known) + 1) // 2]:
                del known[value]
        self._count = sum(map(len, self._known.values()))


class Forwarder:
    """Moves pseudonyms of one epoch to the next key's, without raw values; entities are remembered within bounds.

    Parameters
    ----------
    key
        Key of the next epoch.
    """

    def __init__(self, key: bytes) -> None:
        self._keyed = _chain(key)
        self._known: dict[str, str] = {}

    def entities(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return the next pseudonyms of a column that names entities, null for null, shape (n,)."""
        encoded = values.combine_chunks().dictionary_encode()
        moved = pa.array([self._entity(value) for value in encoded.dictionary.to_pylist()], pa.string())
        return pa.chunked_array([moved.take(encoded.indices)])

    def rows(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return the next row identifiers, shape (n,)."""
        return pa.chunked_array(
            (pa.array([self._keyed(value.encode()) for value in block], pa.string()) for block in _blocks(values)),
            pa.string(),
        )

    def text(self, value: str) -> str:
        """Return the next pseudonym of one value."""
        return self._keyed(value.encode())

    def _entity(self, value: str) -> str:
        found = self._known.get(value)
        if found is None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            found = self._known[value] = self.text(value)
        return found


def _message(namespace: str, parts: Sequence[str]) -> bytes:
    return SEPARATOR.join([namespace, *(normalise_plate(part) for part in parts)]).encode()


def _chain(keys: Keys) -> Callable[[bytes], str]:
    functions = [_keyed(key) for key in ([keys] if isinstance(keys, bytes) else keys)]
    if len(functions) == 1:
        return functions[0]

    def chained(message: bytes) -> str:
        for function in functions[:-1]:
            message = function(message).encode()
        return functions[-1](message)

    return chained


def _keyed(key: bytes) -> Callable[[bytes], str]:
    """Return HMAC-SHA-256 under a key, cut to `HEX_LENGTH`.

    The two keyed hash states are made once and copied per message, which takes half the time of `hmac.digest`.
    """
    block = (hashlib.sha256(key).digest() if len(key) > _SHA256_BLOCK else key).ljust(_SHA256_BLOCK, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(message: bytes) -> str:
        inside = inner.copy()
        inside.update(message)
        outside = outer.copy()
        outside.update(inside.digest())
        return outside.hexdigest()[:HEX_LENGTH]

    return digest


def _blocks(values: pa.ChunkedArray) -> Iterator[list[str]]:
    """Yield values as lists of bounded length: a whole column of Python texts would hold a gigabyte per ten million."""
    for chunk in values.chunks:
        for start in range(0, len(chunk), _BLOCK_ROWS):
            yield chunk.slice(start, _BLOCK_ROWS).to_pylist()

"""Keyed pseudonyms: what stands for a plate, VIN, credit code or person inside the platform.

A plate has about 3e10 possible values, so an unkeyed hash is no protection; HMAC-SHA-256 with a key that lives apart
from the data is. Namespaces keep pseudonyms of different kinds from joining.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from registry.formats import normalise_plate
from registry.resources.schema import Resource

SEPARATOR: Final = "|"
ROW_ID: Final = "row_id"
HEX_LENGTH: Final = 24
"""96 bits: among a million entities of a kind the chance of one collision is below 1e-17."""


def pseudonym(key: bytes, namespace: str, *parts: str) -> str:
    """Return the pseudonym of natural-key parts in a namespace.

    Parameters
    ----------
    key
        Secret key of at least 32 bytes.
    namespace
        Kind of identifier: plate, vin, uscc, person, licence.
    parts
        Raw values in declared order; they are normalised (Unicode NFKC, upper case, no blanks) first.
    """
    text = SEPARATOR.join([namespace, *(normalise_plate(part) for part in parts)])
    return hmac.digest(key, text.encode(), "sha256").hex()[:HEX_LENGTH]


class Pseudonymiser:
    """Replaces identifiers by pseudonyms, each distinct value of a session once.

    The same plates come in delivery after delivery; remembering them makes the cost follow the number of entities, not of
    rows or deliveries. The memory ends with the process and is written nowhere.

    Parameters
    ----------
    key
        Secret key of at least 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: dict[tuple[str, str], str] = {}

    def apply(self, table: pa.Table, resource: Resource) -> pa.Table:
        """Return the table with pseudonyms in place of identifiers and row identifiers, and without personal columns.

        The row identifiers of reductions are the platform's own and stay.
        """
        made = {entry.id: self._column(table, entry.namespace, entry.inputs) for entry in resource.pseudonyms}
        secret = {column.id for column in resource.columns if column.sensitivity in ("identifier", "personal")}
        kept = table.select([name for name in table.column_names if name not in secret])
        for name, values in made.items():
            kept = kept.append_column(name, values)
        if resource.supplier != "reduction":
            row_ids = self._row_ids(table[ROW_ID], resource.id)
            kept = kept.set_column(kept.schema.get_field_index(ROW_ID), ROW_ID, row_ids)
        return kept

    def _row_ids(self, values: pa.ChunkedArray, resource_id: str) -> pa.Array:
        """Return row identifiers that still tell rows apart; a supplier's are often made of a credit code or a VIN."""
        prefix = SEPARATOR.join(["row", resource_id, ""])
        return pa.array(
            [hmac.digest(self._key, f"{prefix}{value}".encode(), "sha256").hex()[:HEX_LENGTH] for value in values.to_pylist()],
            pa.string(),
        )

    def _column(self, table: pa.Table, namespace: str, inputs: Sequence[str]) -> pa.Array:
        texts = [pc.cast(table[name], pa.string()) for name in inputs]
        joined = (
            texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, SEPARATOR, null_handling="emit_null")
        )
        encoded = pa.chunked_array(joined).combine_chunks().dictionary_encode()
        values = [self._of(namespace, value) for value in encoded.dictionary.to_pylist()]
        return pa.array(values, pa.string()).take(encoded.indices)

    def _of(self, namespace: str, value: str) -> str:
        found = self._known.get((namespace, value))
        if found is None:
            found = self._known[namespace, value] = pseudonym(self._key, namespace, *value.split(SEPARATOR))
        return found

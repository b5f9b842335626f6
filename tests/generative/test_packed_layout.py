"""Packed rows of any values: read as written, alike one by one and by columns, in the order of their instants, never damaged."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.packed.keys import VERSION, text_keys
from features.packed.layout import STAMP, Kind, Layout
from features.packed.reader import RowReader
from registry.errors import ServiceUnavailable

KINDS: tuple[Kind, ...] = ("float", "text", "message")
TEXTS = st.text("ab路é𝄞\0 ", max_size=20)
VALUES = {
    "float": st.floats(allow_nan=False) | st.none(), "text": TEXTS | st.none(),
    "message": st.binary(max_size=20) | st.none(),
}
INSTANTS = st.integers(-(2**61), 2**61)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Layout, list[list[Any]], list[int], list[int]]:
    """A layout, rows of values in its order, and their instants."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
    layout = Layout("view", tuple((f"c{place}", kind) for place, kind in enumerate(kinds)))
    count = draw(st.integers(1, 5))
    rows = [[draw(VALUES[layout.kinds[name]]) for name in layout.names] for _ in range(count)]
    return layout, rows, [draw(INSTANTS) for _ in rows], [draw(INSTANTS) for _ in rows]


@given(tables())
def test_rows_are_read_as_they_were_written(table: tuple[Layout, list[list[Any]], list[int], list[int]]) -> None:
    layout, rows, events, created = table
    assert Layout.from_json(layout.to_json()) == layout
    for values, event, made in zip(rows, events, created, strict=True):
        packed = layout.pack(values, event, made)
        assert layout.unpack(packed) == (event, values)
        found: dict[str, Any] = {}
        RowReader(layout, layout.columns[1:]).fill(layout.opened(packed), packed, found)
        known = dict(zip(layout.names, values, strict=True))
        assert found == {name: known[name] for name, _ in layout.columns[1:] if known[name] is not None}


@given(tables())
def test_a_table_is_packed_as_its_rows_are(table: tuple[Layout, list[list[Any]], list[int], list[int]]) -> None:
    layout, rows, events, created = table
    types = {"float": pa.float64(), "text": pa.string()}
    columns = [
        list(values) if layout.kinds[name] == "message" else pa.chunked_array([pa.array(values, types[layout.kinds[name]])])
        for name, values in zip(layout.names, zip(*rows, strict=True), strict=True)
    ]
    packed = layout.pack_columns(columns, np.array(events, np.int64), np.array(created, np.int64))
    assert packed == [layout.pack(*one) for one in zip(rows, events, created, strict=True)]
    uncreated = layout.pack_columns(columns, np.array(events, np.int64), None)
    assert uncreated == [layout.pack(values, event, None) for values, event in zip(rows, events, strict=True)]


@given(st.lists(st.tuples(INSTANTS, st.none() | INSTANTS), min_size=2, max_size=2))
def test_stamps_are_in_the_order_of_instants(pair: list[tuple[int, int | None]]) -> None:
    layout = Layout("view", (("c", "float"),))
    first, second = (layout.pack([1.0], event, created)[STAMP] for event, created in pair)
    known = [(event, -math.inf if created is None else created) for event, created in pair]
    assert (first < second) == (known[0] < known[1])


@given(tables(), st.data())
def test_a_damaged_row_is_refused(table: tuple[Layout, list[list[Any]], list[int], list[int]], data: st.DataObject) -> None:
    layout, (values, *_), (event, *_), (created, *_) = table
    row = bytearray(layout.pack(values, event, created))
    place = data.draw(st.integers(0, len(row) - 1))
    row[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ServiceUnavailable, match="a row of the feature store is damaged"):
        layout.unpack(bytes(row))
    with pytest.raises(ServiceUnavailable, match="a row of the feature store is damaged"):
        layout.unpack(bytes(row[:place]))


@given(st.text("ab路é", min_size=1, max_size=10), st.lists(TEXTS, max_size=4))
def test_keys_are_those_of_feast(join_key: str, values: list[str]) -> None:
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    theirs = [
        serialize_entity_key(EntityKey(join_keys=[join_key], entity_values=[Value(string_val=value)]), VERSION) for value in values
    ]
    assert text_keys(join_key, values) == theirs

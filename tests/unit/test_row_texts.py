"""Rows as text: the bytes are those of the encoder, and a number that JSON has no form for is refused."""

from __future__ import annotations

import math

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.row_texts import RowTexts, listed, number_texts
from registry.strict_json import strict_json

LABELS = [
    ("b_km", "里程", "mileage {of}", "km", "usage"), ("fuel", "燃料", 'fuel "kind"', "1", "vehicle"),
    ("é_zero", "零", "zero", "1", "usage"), ("a_share", "占比", "share", "%", "trips"),
]
TEXTS = RowTexts(LABELS, [1])
NUMBER = st.none() | st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.tuples(NUMBER, st.none() | st.text(st.characters(exclude_categories=["Cs"])), NUMBER, NUMBER)
POINTS = st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4)


@settings(deadline=None)
@given(ROWS, POINTS, st.floats(-1e3, 1e3))
def test_rows_are_written_as_the_encoder_writes_them(row: tuple[float | str | None, ...], points: list[float], base: float) -> None:
    cells, of_points = TEXTS.cells(row), number_texts(points)
    names = [label[0] for label in LABELS]
    record = {"inputs": dict(zip(names, row, strict=True)), "points": dict(zip(names, points, strict=True))}
    assert strict_json({"inputs": TEXTS.named(cells), "points": TEXTS.named(of_points)}) == strict_json(record)
    strongest = sorted(zip(LABELS, row, points, strict=True), key=lambda one: -abs(one[2]))
    lines = [
        {"feature": name, "zh": zh, "en": en, "value": value, "unit": unit, "points": point, "group": group}
        for (name, zh, en, unit, group), value, point in strongest
    ]
    made = TEXTS.decomposition(points, of_points, cells, base=base, clamp=0.0, total=1.5)
    assert orjson.dumps(made) == orjson.dumps({"base": base, "contributions": lines, "clamp": 0.0, "total": 1.5})


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_refused(number: float) -> None:
    for write in (number_texts, listed):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write([1.0, None, number])
    assert number_texts([1e308, 1e308]) == [b"1e+308", b"1e+308"]

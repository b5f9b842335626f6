"""The geometry of the pictures: bars that meet, bands that cover the axis, shares that add up; numbers as they are written."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.console.charts import diverging, scale, waterfall
from serving.console.wording import exact, money, number, percent, signed, when

POINTS = st.floats(-80, 80, allow_nan=False).map(lambda value: round(value, 6))


def decomposition(base: float, points: list[float], clamp: float = 0.0) -> dict:
    items = [{"points": value, "zh": "甲", "en": "a", "value": 1.0} for value in sorted(points, key=abs, reverse=True)]
    return {"base": base, "contributions": items, "clamp": clamp, "total": base + math.fsum(points) + clamp}


@given(st.floats(200, 800), st.lists(POINTS, max_size=40), st.sampled_from([0.0, -12.5]))
def test_a_waterfall_leads_from_the_base_to_the_total(base, points, clamp):
    bars = waterfall(decomposition(base, points, clamp))
    assert (bars[0].kind, bars[-1].kind) == ("base", "total")
    assert bars[-2].running == pytest.approx(bars[-1].points, abs=1e-9)
    assert sum(bar.n for bar in bars if bar.kind in ("up", "down", "rest")) == len(points)
    assert all(0 <= bar.x <= 100 and bar.x + bar.width <= 100.01 for bar in bars)
    assert [bar.kind for bar in bars].count("clamp") == (1 if clamp else 0)
    for before, after in pairwise(bars[:-1]):
        assert after.running == pytest.approx(before.running + after.points, abs=1e-9)


@given(st.floats(0, 1000) | st.none(), st.lists(st.floats(300, 700), min_size=3, max_size=3))
def test_tiers_cover_the_axis_and_hold_everybody(points, cuts):
    drawn = scale(points, sorted(cuts), [350 + 3 * place for place in range(101)])
    assert drawn.bands[0].x == 0
    assert drawn.bands[-1].x + drawn.bands[-1].width == pytest.approx(100, abs=0.01)
    assert sum(band.n_reference for band in drawn.bands) == pytest.approx(1)
    if points is not None:
        inside = [band for band in drawn.bands if band.x - 0.01 <= drawn.marker <= band.x + band.width + 0.01]
        assert any(band.low <= points <= band.high for band in inside)


def test_shares_are_those_of_the_population():
    drawn = scale(500.0, (450.0, 550.0, 600.0), [400 + 2 * place for place in range(101)])
    assert [round(band.n_reference, 6) for band in drawn.bands] == [0.25, 0.5, 0.25, 0.0]


def test_bars_to_both_sides_of_the_middle():
    assert diverging([10.0, -5.0, 0.0]) == [(50, 50.0), (25.0, 25.0), (50, 0.0)]
    assert diverging([]) == []


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (number(1234.5), "1,234"), (number(0.12341), "0.1234"), (number(-3.0), "−3"), (number(None), "–"), (number("<b>"), "<b>"),
        (number(2.0, 2), "2.00"), (signed(-0.04), "0.0"), (signed(12.34), "+12.3"), (signed(-1234.5, 2), "−1,234.50"),
        (signed(None), "–"), (percent(0.1234), "12.3%"), (money(3.14159), "+3.14"), (exact(0.1), "0.1"), (exact(-1e-17), "-1e-17"),
        (when("2026-06-30T16:00:00+00:00"), "2026-07-01 00:00:00"), (when(None), "–"),
    ],
)
def test_numbers_and_instants_as_written(written, expected):
    assert written == expected

"""The declared magnitudes and their verdicts; the measuring itself is an integration test."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from experiments.calibration import VERDICTS, Measured, to_markdown
from experiments.calibration_rows import ROWS, SECTIONS, Row

POINT = next(row for row in ROWS if row.id == "truck_km")
BAND = next(row for row in ROWS if row.id == "alarm_speed")


def test_every_magnitude_is_declared_once_with_a_source() -> None:
    assert max(Counter(row.id for row in ROWS).values()) == 1
    assert {row.section for row in ROWS} == set(SECTIONS)
    assert all(row.low <= row.high and row.source and row.unit for row in ROWS)
    assert {row.tag for row in ROWS} <= {"F1", "F2", "D", "A", "G"}


@pytest.mark.parametrize(
    ("row", "value", "n", "verdict"),
    [
        (POINT, 69_000, 100, "agrees"), (POINT, 69_000 * 1.19, 100, "agrees"), (POINT, 69_000 / 1.19, 100, "agrees"),
        (POINT, 69_000 * 1.4, 100, "near"), (POINT, 69_000 / 1.6, 100, "misses"), (POINT, 0.0, 100, "misses"),
        (POINT, 69_000, 29, "few events"), (POINT, None, 0, "not measured"), (BAND, 0.5, 100, "agrees"),
        (BAND, 2.0, 100, "agrees"), (BAND, 3.5, 100, "agrees"), (BAND, 3.9, 100, "near"), (BAND, 0.1, 100, "misses"),
        (replace(POINT, context=True), 1.0, 100, "context"), (replace(POINT, low=0, high=0), 0.0, 100, "agrees"),
        (replace(POINT, low=0, high=0), 3.0, 100, "misses"),
    ],
)
def test_a_verdict_follows_the_ratio(row: Row, value: float | None, n: int, verdict: str) -> None:
    assert Measured(row, value, n).verdict == verdict


def test_the_page_says_simulated_over_every_table() -> None:
    rows = [
        {"id": row.id, "what": row.what, "section": row.section, "unit": row.unit, "low": row.low, "high": row.high,
         "tag": row.tag, "source": row.source, "simulated": row.low, "n": 100, "ratio": 1.0, "verdict": "agrees"}
        for row in ROWS
    ]
    page = to_markdown({
        "province": {"preset": "tiny", "seed": 1}, "rows": rows, "verdicts": dict.fromkeys(VERDICTS, 0), "not_measured": [],
    })
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert all("simulated" in line for line in headings[: len(SECTIONS)])
    assert page.count("\n| ") >= len(ROWS)

"""What is shown to people and to machines."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest

from registry.output import emit, progress, table, to_json


def test_json_is_one_line_with_plain_values() -> None:
    value = {
        "zh": "评分", "path": Path("a/b"), "at": dt.datetime(2026, 7, 4, tzinfo=dt.UTC), "n": np.int64(3),
        "x": np.array([1.5]), "s": {"b", "a"},
    }
    text = to_json(value)
    assert "\n" not in text
    assert json.loads(text) == {
        "zh": "评分", "path": "a/b", "at": "2026-07-04T00:00:00+00:00", "n": 3, "x": [1.5], "s": ["a", "b"],
    }


def test_json_has_no_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"x": float("nan")})


def test_values_in_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"rows": 1}, False, lambda _: table(("name", "n"), [("[red]x[/red]", 1), (None, 2)]))
    shown = capsys.readouterr().out
    assert "[red]x[/red]" in shown
    assert "-" in shown


def test_progress_in_a_log_is_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train") as tell:
        for k in range(101):
            tell("fit", k / 100)
        tell("done", 1.0)
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert 10 <= len(lines) <= 13
    assert lines[0] == "train:   0% fit"
    assert lines[-1] == "train: 100% done"

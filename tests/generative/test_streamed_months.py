"""A province too large to hold a month comes in parts, in the same bytes every time."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.simulation import fatigue, messages, moving, on_demand, trips
from features.simulation.presets import TINY
from features.simulation.province import simulate_province
from registry.resources.schema import COMPLETE_UNTIL

SMALL = replace(TINY, months=3, fatigue_vehicles=12, fatigue_days=21)


def test_parts_are_the_same_every_time_and_the_last_one_completes_the_month(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (trips, fatigue, messages, on_demand):
        monkeypatch.setattr(module, "BLOCK", 64)
    monkeypatch.setattr(moving, "BLOCKS_PER_PART", 2)
    for name in ("a", "b"):
        simulate_province(SMALL, seed=3, outbox=tmp_path / name / "outbox", truth=tmp_path / name / "truth")
    first, second = (
        {path.relative_to(tmp_path / name): hashlib.sha256(path.read_bytes()).hexdigest()
         for path in sorted((tmp_path / name).rglob("*")) if path.is_file()} for name in "ab"
    )
    assert first == second
    files = sorted((tmp_path / "a" / "outbox" / "vehicle_day").glob("vehicle_day-202408-*.parquet"))
    claims = [COMPLETE_UNTIL.encode() in (pq.read_schema(file).metadata or {}) for file in files]
    assert claims == [False] * (len(files) - 1) + [True]
    rows = pa.concat_tables([pq.read_table(file) for file in files]).to_pandas()
    assert len(files) == 5
    assert rows.plate_no.nunique() > 350
    assert np.all(rows.arrived_at.dt.tz_convert("Asia/Shanghai").dt.strftime("%Y%m") == "202408")

"""The calibration of a whole simulated province, through its command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from experiments.calibration import calibration, write_study
from experiments.calibration_rows import ROWS
from experiments.cli import experiment
from experiments.oracle import oracle
from registry.errors import NotFound
from registry.settings import Settings


def test_every_magnitude_is_measured_and_few_are_missed(tiny: Settings, tmp_path: Path) -> None:
    result = calibration(tiny)
    assert [row["id"] for row in result["rows"]] == [row.id for row in ROWS]
    assert result["simulated"] is True
    assert result["verdicts"]["not measured"] == 0
    # So small a province has few events; what misses in a large one is judged on the page.
    assert result["verdicts"]["misses"] <= len(ROWS) // 5
    for name in ("first", "second"):
        write_study(result, tmp_path / name)
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes()
    assert "<svg" in (tmp_path / "first" / "calibration.svg").read_text(encoding="utf-8")


def test_the_command_prints_one_object(tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADRISK_HOME", str(tiny.home))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(tiny.keys_dir))
    done = CliRunner().invoke(experiment, ["calibration", "--json", "--write", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["study"] == "calibration"
    assert {path.name for path in tmp_path.iterdir()} == {"calibration.json", "calibration.md", "calibration.svg"}


def test_without_a_province_or_a_live_score_the_remedy_is_named(tiny: Settings, tmp_path: Path) -> None:
    nowhere = Settings(home=tmp_path / "home", keys_dir=tmp_path / "keys")
    with pytest.raises(NotFound, match="no truth of a simulated province"):
        calibration(nowhere)
    with pytest.raises(NotFound, match="no truth of a simulated province"):
        oracle(nowhere)
    with pytest.raises(NotFound, match="no score is live"):
        oracle(tiny)

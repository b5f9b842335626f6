"""The studies on real data with code of their own: published figures reproduced or beaten, at a reduced cost, through commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from experiments.cmapss import AIM, cmapss
from experiments.cmapss_data import FILES
from experiments.cmapss_page import write_study as write_cmapss
from experiments.mot_surface import mot_surface
from experiments.mot_surface_data import FILE as MOT
from experiments.real_data_cli import mot_surface_command, sleep_restriction_command
from experiments.sleep_restriction import FILE as SLEEP
from experiments.sleep_restriction import sleep_restriction
from registry.errors import ConfigurationError
from registry.settings import Settings
from registry.signing import init_keys
from training.fit import wait_passively

DATA = Settings().real_data_dir


def needs(*names: str) -> pytest.MarkDecorator:
    missing = [name for name in names if not (DATA / name).is_file()]
    return pytest.mark.skipif(bool(missing), reason=f"{missing} not in {DATA} (ROADRISK_REAL_DATA_DIR)")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    wait_passively()
    root = tmp_path_factory.mktemp("studies")
    made = Settings(home=root / "var", keys_dir=root / "keys")
    init_keys(made.keys_dir)
    return made


@needs(*FILES.values())
def test_remaining_life_beats_the_published_error_even_cheaply(settings: Settings, tmp_path: Path) -> None:
    cheap: dict[str, Any] = {"units": 30, "every": 8, "parameters": {"n_trees": 50, "learning_rate": 0.15}}
    result = cmapss(settings, data=DATA, datasets=("FD001",), hazard=False, **cheap)
    found = result["records"]["FD001"]
    assert found["test"]["units"] == 100
    assert found["test"]["rmse"] < AIM["FD001"]
    assert 0.75 <= found["intervals"]["test"]["coverage"] <= 1.0
    assert found["explanation"]["largest_difference_points"] < 1e-9
    assert found["example_expected"]["answer"]["expected_rate"] > 0
    assert set(write_cmapss(result, tmp_path)) == {"cmapss.md", "cmapss.json", "cmapss.svg"}
    assert "NASA's C-MAPSS simulates the engines" in (tmp_path / "cmapss.md").read_text(encoding="utf-8")


@needs(SLEEP)
def test_the_published_mixed_model_is_reproduced(settings: Settings) -> None:
    result = sleep_restriction(settings, data=DATA, replicates=50)
    ours = {name: both["ours"] for name, both in result["metrics"].items()}
    assert ours == pytest.approx({"reml_criterion": 1743.6283, "intercept_ms": 251.4051, "slope_ms_per_day": 10.4673}, abs=1e-4)
    correlation = {name: found["within_subject_correlation"] for name, found in result["models"].items()}
    assert 0.5 < correlation["tpm_kss"] < correlation["safte_loss_pct"] < correlation["unified_fatigue"]
    assert result["score"] is None
    assert "physics alone" in result["verdict"]


@needs(SLEEP)
def test_the_command_prints_one_object_and_writes_the_same_bytes(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROADRISK_HOME", str(settings.home))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(settings.keys_dir))
    for name in ("first", "second"):
        arguments = ["--json", "--data", str(DATA), "--write", str(tmp_path / name)]
        done = CliRunner().invoke(sleep_restriction_command, arguments, catch_exceptions=False)
        assert json.loads(done.stdout)["study"] == "sleep-restriction"
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes()


@needs(MOT)
def test_the_surface_of_a_province_stands_beside_the_real_one(
    tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROADRISK_HOME", str(tiny.home))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(tiny.keys_dir))
    arguments = ["--json", "--data", str(DATA), "--write", str(tmp_path)]
    done = CliRunner().invoke(mot_surface_command, arguments, catch_exceptions=False)
    result = json.loads(done.stdout)
    assert result["metrics"]["fail_3y_below_30k_miles"]["ours"] == pytest.approx(0.0967, abs=1e-4)
    assert result["metrics"]["fail_12y_above_120k_miles"]["ours"] == pytest.approx(0.4918, abs=1e-4)
    assert result["simulated"] is True
    assert set(result["verdict"]) == {"age", "mileage"}
    assert {path.name for path in tmp_path.iterdir()} == {"mot-surface.json", "mot-surface.md", "mot-surface.svg"}
    assert "British and nearly all cars" in (tmp_path / "mot-surface.md").read_text(encoding="utf-8")


def test_without_the_data_each_says_where_to_get_them(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no file maintenance/cmapss.*NASA Prognostics"):
        cmapss(settings, data=tmp_path)
    with pytest.raises(ConfigurationError, match=r"no file fatigue/sleepstudy.csv.*lme4"):
        sleep_restriction(settings, data=tmp_path)
    with pytest.raises(ConfigurationError, match=r"no file maintenance/mot_uk_age_mileage.csv.*open government data"):
        mot_surface(settings, data=tmp_path)

"""`roadrisk tune` on the tiny simulated province: it plans, searches, keeps its choice and says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from registry.errors import NotFound, TrainingError
from registry.settings import Settings
from training.tune_cli import tune
from training.tuning.stored import stored_parameters


@pytest.fixture
def home(tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("features", "feast"):
        shutil.copytree(tiny.home / name, tmp_path / name)
    settings = tiny.model_copy(update={"home": tmp_path, "optuna_storage": f"journal:///{tmp_path}/studies.log"})
    monkeypatch.setenv("ROADRISK_HOME", str(tmp_path))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(tiny.keys_dir))
    monkeypatch.setenv("ROADRISK_OPTUNA_STORAGE", settings.optuna_storage)
    monkeypatch.setenv("ROADRISK_SEED", str(tiny.seed))
    return settings


def test_a_search_of_a_product(home: Settings) -> None:
    runner = CliRunner()
    planned = runner.invoke(tune, ["driver_fatigue", "--dry-run"], catch_exceptions=False)
    assert "would search driver_fatigue (studies: journal)" in planned.stdout
    assert not (home.home / "studies.log").exists()
    asked = ["driver_fatigue", "--trials", "2", "--finalists", "1", "--no-track", "--objectives", "loss,latency"]
    shown = runner.invoke(tune, asked, catch_exceptions=False)
    assert "trials that no other one dominates" in shown.stdout
    assert "2/2 trials" in shown.stderr
    again = json.loads(runner.invoke(tune, [*asked, "--json"], catch_exceptions=False).stdout)
    (component,) = again["components"]
    assert component["trials"]["finished"] == 2
    # The starting point is in the last round whatever it looked like before.
    assert {0, component["chosen"]["trial"]} <= {trial["trial"] for trial in component["finalists"]}
    assert stored_parameters(home, "driver_fatigue")["event"] == component["chosen"]["parameters"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [(["--objectives", "latency"], TrainingError, "without the loss"), (["--pick", "any"], TrainingError, "'any'"),
     (["--component", "motor"], NotFound, "no component 'motor'")],
)
def test_what_cannot_be_searched_is_refused(
    home: Settings, arguments: list[str], error: type[Exception], message: str
) -> None:
    assert home.home.is_dir()
    with pytest.raises(error, match=message):
        CliRunner().invoke(tune, ["driver_fatigue", *arguments], catch_exceptions=False)

"""`roadrisk experiment oracle` on a tiny home with a live score: page, JSON, and evidence beside the card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from experiments.detection import MEANING
from experiments.oracle_cli import oracle_command
from registry.errors import NotFound
from registry.evidence import read_evidence
from registry.settings import Settings
from tests.lib.homes import make_live
from tests.lib.real_bundles import rate_bundle


@pytest.fixture(scope="module")
def home(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, str]:
    folder = tmp_path_factory.mktemp("oracle")
    shutil.copytree(tiny.home, folder / "home", ignore=shutil.ignore_patterns("warehouse", "outbox", "intake"))
    shutil.copytree(tiny.keys_dir, folder / "keys")
    settings = Settings(home=folder / "home", keys_dir=folder / "keys", seed=tiny.seed, threads=1)
    bundle = rate_bundle(
        "enterprise_risk", ["distance_km_per_vehicle_30d", "fleet_size"], upper=[15_000.0, 100.0], weights=[1.0, 0.1]
    )
    make_live(settings, [bundle])
    return settings, bundle.digest


def test_the_command_writes_the_page_the_object_and_the_evidence(
    home: tuple[Settings, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, digest = home
    monkeypatch.setenv("ROADRISK_HOME", str(settings.home))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(settings.keys_dir))
    arguments = ["enterprise_risk", "--quick", "--json", "--write", str(tmp_path)]
    done = CliRunner().invoke(oracle_command, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    found = json.loads(done.stdout)["products"]["enterprise_risk"]
    gini = found["metrics"]["gini_expected"]
    # Two inputs tell little; what they tell is bounded by the ceiling, and the truth knows much more.
    assert gini["ceiling_low"] <= gini["ceiling_high"]
    assert gini["model"] < gini["oracle"]
    assert gini["ceiling_low"] < gini["oracle"]
    assert found["inspection"]["verdict"] in MEANING
    kept = read_evidence(settings, "enterprise_risk", digest)["oracle"]
    assert kept["simulated"] is True
    assert kept["metrics"] == found["metrics"]
    page = (tmp_path / "oracle.md").read_text(encoding="utf-8")
    assert "simulated" in page.splitlines()[0]
    assert "Quick run" in page
    assert "seconds" not in json.loads((tmp_path / "oracle.json").read_bytes())


def test_people_get_tables_and_nothing_is_kept_when_nothing_is_to_be(
    home: tuple[Settings, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _ = home
    monkeypatch.setenv("ROADRISK_HOME", str(settings.home))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(settings.keys_dir))
    shutil.rmtree(settings.home / "cards", ignore_errors=True)
    done = CliRunner().invoke(oracle_command, ["--quick", "--no-keep"], catch_exceptions=False)
    assert "risk or inspectors" in done.stdout
    assert not (settings.home / "cards").exists()
    with pytest.raises(NotFound, match="no score is live"):
        CliRunner().invoke(oracle_command, ["maintenance"], catch_exceptions=False)

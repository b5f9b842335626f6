"""The demonstration as a new user runs it, and that doing part of it again finds what stands."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from registry.decisions import DecisionLedger
from registry.products import PRODUCTS
from registry.promotion import history, live
from registry.settings import Settings
from serving.monitoring.store import read_report
from serving.panel.reader import Panel
from tests.lib.processes import environment_of
from tests.lib.provinces import SEED

TIERS = {"red", "orange", "yellow", "blue", "grey"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("demo")
    return Settings(home=folder / "home", keys_dir=folder / "keys", seed=SEED)


def roadrisk(settings: Settings, *arguments: str, cwd: Path, **environment: str) -> dict[str, Any]:
    """Run the command elsewhere than in the checkout; return the one object that it prints."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("roadrisk")), *arguments, "--json"], cwd=cwd, capture_output=True, text=True,
        env=environment_of(settings) | {"ROADRISK_SEED": str(SEED)} | environment, timeout=400, check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    (line,) = done.stdout.splitlines()
    return json.loads(line)


@pytest.fixture(scope="module")
def shown(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return roadrisk(settings, "demo", "--preset", "tiny", "--exit", cwd=tmp_path_factory.mktemp("elsewhere"))


def test_four_answers_each_with_a_score_or_grey(shown: dict[str, Any]) -> None:
    assert set(shown["answers"]) == set(PRODUCTS)
    for answer in shown["answers"].values():
        assert answer["tier"]["code"] in TIERS
        assert (answer["score"] is None) == (answer["tier"]["code"] == "grey")
        if answer["score"] is None:
            assert answer["no_score"]
        else:
            assert 0 <= answer["points"] <= 1000
            assert answer["reasons"]


def test_the_oracle_judges_every_live_score_on_the_same_rows(
    settings: Settings, shown: dict[str, Any], tmp_path: Path
) -> None:
    assert shown["simulated"] is True
    study = roadrisk(settings, "experiment", "oracle", "--quick", "--write", str(tmp_path / "studies"), cwd=tmp_path)
    assert set(study["products"]) == set(PRODUCTS)
    for found in study["products"].values():
        assert found["rows"] > 100
        # The true intensity orders expected outcomes best, and better than chance; the ceiling lies below it.
        expected = next(figures for name, figures in found["metrics"].items() if name.endswith("_expected"))
        assert expected["oracle"] > max(expected["model"], expected["ceiling_low"])
        assert found["headline"]["aim"] == 0.97
    assert "simulated" in (tmp_path / "studies" / "oracle.md").read_text(encoding="utf-8")


def test_every_decomposition_adds_up(shown: dict[str, Any]) -> None:
    for product_id, answer in shown["answers"].items():
        if answer["score"] is not None:
            parts = answer["decomposition"]
            lines = [line["points"] for line in parts["contributions"]]
            assert math.fsum([parts["base"], parts["clamp"], *lines]) == pytest.approx(answer["points"], abs=1e-9), product_id


def test_everything_says_that_it_is_simulated(shown: dict[str, Any], settings: Settings) -> None:
    assert shown["simulated"] is True
    assert all(answer["model"]["simulated"] is True for answer in shown["answers"].values())
    for product_id, model in live(settings).items():
        manifest = json.loads((model.folder / "manifest.json").read_text(encoding="utf-8"))
        assert manifest["provenance"]["simulated"] is True, product_id


def test_each_answer_is_in_the_ledger_and_no_service_is_left(shown: dict[str, Any], settings: Settings) -> None:
    ledger = DecisionLedger.open(settings)
    for answer in shown["answers"].values():
        assert ledger.get(answer["score_id"]).answer["points"] == answer["points"]
    assert ledger.verify().ok
    ledger.close()
    assert shown["service"] is None
    assert not (settings.home / "service.json").exists()


def test_portraits_and_monitoring_hold_something(shown: dict[str, Any], settings: Settings) -> None:
    panel = Panel.open(settings)
    assert set(panel.products()) == set(PRODUCTS)
    for product_id in PRODUCTS:
        assert len(panel.index(product_id).months) >= 12, product_id
        found = read_report(settings, product_id)
        assert found is not None, product_id
        assert found["simulated"] is True
        assert len(found["alerts"]) >= 8
    assert {"panel", "monitor"} <= set(shown["seconds"])


def test_each_product_was_promoted_once_by_name_and_reason(shown: dict[str, Any], settings: Settings) -> None:
    promotions = history(settings)
    assert sorted(promotion.product for promotion in promotions) == sorted(PRODUCTS)
    assert {model.product: model.digest for model in live(settings).values()} == {
        product_id: made["digest"] for product_id, made in shown["models"].items()
    }
    assert all(promotion.approver and promotion.reason for promotion in promotions)


def test_training_elsewhere_with_another_clock_and_thread_count_gives_the_same_bundle(
    shown: dict[str, Any], settings: Settings, tmp_path: Path
) -> None:
    (again,) = roadrisk(
        settings, "train", "enterprise_risk", cwd=tmp_path, ROADRISK_THREADS="1", TZ="America/New_York", LANG="C",
        PYTHONHASHSEED="7",
    )["trained"]
    assert (again["digest"], again["version"]) == (
        shown["models"]["enterprise_risk"]["digest"], shown["models"]["enterprise_risk"]["version"]
    )
    assert list(tmp_path.iterdir()) == []


def test_the_first_steps_again_find_what_stands(shown: dict[str, Any], settings: Settings, tmp_path: Path) -> None:
    counts = roadrisk(settings, "ingest", cwd=tmp_path)["resources"].values()
    assert sum(count["known"] for count in counts) > 400
    assert sum(count["new"] for count in counts) == 0
    snapshot = json.loads((settings.feature_dir / "snapshot.json").read_text())
    assert roadrisk(settings, "features", "build", cwd=tmp_path, TZ="Asia/Shanghai")["digest"] == snapshot["digest"]

"""`roadrisk evaluate` on the tiny simulated province: judges once, records the reading, keeps the document."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from registry.errors import NotFound
from registry.evidence import read_evidence
from registry.settings import Settings
from registry.test_reads import reads
from tests.lib.frames import FAST
from training.evaluate_cli import evaluate
from training.judgement.judge import KIND
from training.pipeline import train_product
from training.products import task_for, training_frame

PRODUCT = "enterprise_risk"


@pytest.fixture(scope="module")
def home(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("judged")
    for name in ("features", "feast", "warehouse"):
        shutil.copytree(tiny.home / name, folder / name)
    settings = tiny.model_copy(update={"home": folder})
    task = task_for(PRODUCT, settings)
    small = replace(task, components=tuple(replace(one, parameters=FAST) for one in task.components))
    frame, snapshot = training_frame(PRODUCT, settings)
    train_product(small, frame, settings=settings, snapshot=snapshot, replicates=0)
    return settings


def run(home: Settings, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    monkeypatch.setenv("ROADRISK_HOME", str(home.home))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(home.keys_dir))
    # A narrow terminal breaks the words that the tests look for.
    monkeypatch.setattr("registry.output.PLAIN_WIDTH", 300)
    return CliRunner().invoke(evaluate, [PRODUCT, *arguments], catch_exceptions=False)


def test_a_version_is_judged_once_and_its_reading_is_recorded(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    first = json.loads(run(home, monkeypatch, "--quick", "--replicates", "20", "--json").stdout)
    assert first["test_read"] == {"position": 1, "position_in_window": 1, "first": True}
    assert read_evidence(home, PRODUCT, first["digest"])[KIND] == first
    assert {"metrics", "comparison", "calibration", "stability", "segments", "robustness", "verdicts"} <= set(first)
    assert {"eu_2022_695", "credit_1000", "art_66", "mileage_enterprise", "constant"} <= set(first["baselines"])
    assert {"city", "owner", "fleet_size"} <= set(first["segments"]["dimensions"])
    assert first["statement"].startswith("The rows come from the simulated province")
    assert json.loads(run(home, monkeypatch, "--quick", "--json").stdout) == first
    assert len(reads(home)) == 1
    again = json.loads(run(home, monkeypatch, "--quick", "--again", "--replicates", "20", "--json").stdout)
    assert again["test_read"] == {"position": 1, "position_in_window": 1, "first": False}
    assert {**again, "test_read": 0, "evaluated_at": 0} == {**first, "test_read": 0, "evaluated_at": 0}


def test_the_table_names_rivals_segments_sources_and_verdicts(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run(home, monkeypatch, "--quick", "--replicates", "20")
    for words in ("simulated data", "eu_2022_695", "within quintiles", "企业 enterprise", "beats formulas", "sources that move"):
        assert words in shown.stdout.replace("\n", " "), words


def test_a_version_that_is_not_there(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match="no version 9"):
        run(home, monkeypatch, "--version", "9")


def test_quick_reads_no_figure_of_what_is_not_registered(home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(home.home / "features", tmp_path / "features")
    with pytest.raises(NotFound, match="has no version"):
        run(home.model_copy(update={"home": tmp_path}), monkeypatch, "--quick")
    assert reads(home.model_copy(update={"home": tmp_path})) == []

"""`roadrisk card` and `roadrisk compare` on a home with two registered versions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from registry.errors import NotFound, TrainingError
from registry.evidence import read_evidence, write_evidence
from registry.settings import Settings
from registry.signing import init_keys
from registry.test_reads import reads
from tests.lib.small_scores import SmallScore, small_score
from training import pipeline, products
from training.card import save_card
from training.card_cli import card
from training.cards.whole import Version, find_version, newest_version, snapshot_record, whole_of
from training.compare import compare_versions
from training.compare_cli import compare

PRODUCT = "insurance_pricing"
NOW = datetime(2026, 7, 4, tzinfo=UTC)


def out_of_time(score: SmallScore) -> pd.DataFrame:
    """Return the frame with test rows after everything that was fitted, as a product has them."""
    later = score.frame["cutoff"] + pd.Timedelta(days=400)
    return score.frame.assign(cutoff=later.where(score.frame["fold"] == "test", score.frame["cutoff"]))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("cards")
    settings = Settings(home=root / "var", keys_dir=root / "keys", seed=7, threads=1)
    init_keys(settings.keys_dir)
    with pytest.MonkeyPatch.context() as patch:
        # Documents of a card are another test's subject, and most of the time.
        patch.setattr(pipeline, "save_card", partial(save_card, documents=False))
        for score in (small_score(), small_score(learning_rate=0.02)):
            pipeline.train_product(score.task, out_of_time(score), settings=settings, snapshot="abc", replicates=20)
    return settings


def run(home: Settings, command: Any, *arguments: str) -> Result:
    environment = {"ROADRISK_HOME": str(home.home), "ROADRISK_KEYS_DIR": str(home.keys_dir), "ROADRISK_SEED": "7"}
    return CliRunner().invoke(command, list(arguments), env=environment)


def test_a_version_is_named_by_number_or_digest(home: Settings) -> None:
    newest = newest_version(home, PRODUCT)
    assert newest.number == 2
    assert newest == find_version(home, f"{PRODUCT}@2") == find_version(home, newest.digest[:10]) == find_version(home, PRODUCT)
    assert find_version(home, "1", product=PRODUCT).number == 1


@pytest.mark.parametrize(("text", "message"), [
    ("insurance_pricing@9", "no version 9"), ("0123456789abcdef", "0 versions have a digest"), ("maintenance", "no model of"),
])
def test_a_version_that_is_not_there_is_told(home: Settings, text: str, message: str) -> None:
    with pytest.raises(NotFound, match=message):
        find_version(home, text)


def test_a_card_is_written_where_it_is_asked_for(home: Settings, tmp_path: Path) -> None:
    version = newest_version(home, PRODUCT)
    write_evidence(
        home, PRODUCT, version.digest, "judgement", {"verdicts": [{"name": "stable", "passed": True, "reason": "PSI 0.01"}]}
    )
    result = run(home, card, PRODUCT, "--format", "md", "--lang", "en", "--out", str(tmp_path / "out"), "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["version"], [Path(path).name for path in found["files"]]) == (2, ["card.md"])
    text = (tmp_path / "out" / "card.md").read_text()
    for words in ("PSI 0.01", "`bundle_verifies`", "CycloneDX", "shap_beeswarm.en.png"):
        assert words in text
    assert "概要" not in text


def test_a_card_without_a_number_is_whole_too(home: Settings) -> None:
    version = newest_version(home, PRODUCT)
    whole = whole_of(home, Version(PRODUCT, version.digest, None))
    assert whole["digest"] == version.digest
    assert "gates" not in whole


def test_a_snapshot_that_is_gone_has_no_record(home: Settings) -> None:
    assert snapshot_record(home, "abc") == {}


def test_two_versions_are_compared_kept_and_their_reading_recorded(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The home has versions but no warehouse: rows and task are those that the versions were trained from.
    score = small_score()
    monkeypatch.setattr(products, "training_frame", lambda _product, _settings: (out_of_time(score), "abc"))
    monkeypatch.setattr(products, "task_for", lambda _product, _settings: score.task)
    out = tmp_path / "out"
    result = run(home, compare, f"{PRODUCT}@2", f"{PRODUCT}@1", "--replicates", "20", "--out", str(out), "--keep", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["a"]["version"], found["b"]["version"]) == (2, 1)
    assert json.loads((out / "comparison.json").read_text())["measures"] == found["measures"]
    assert (out / "double_lift.en.png").is_file()
    kept = read_evidence(home, PRODUCT, found["a"]["digest"])["comparison"]
    assert kept["against"] == found["b"]["digest"]
    assert {read.digest for read in reads(home, PRODUCT)} == {found["a"]["digest"], found["b"]["digest"]}
    shown = run(home, compare, f"{PRODUCT}@2", f"{PRODUCT}@1", "--replicates", "20", "--out", str(out))
    for words in ("simulated data", "migration of tiers", "frequency.learning_rate", "rank correlation"):
        assert words in shown.stdout


def test_versions_of_two_products_are_not_compared(home: Settings) -> None:
    with pytest.raises(TrainingError, match="different products"):
        compare_versions(home, Version(PRODUCT, "a", 1), Version("maintenance", "b", 1), at=NOW)

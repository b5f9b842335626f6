"""The study on the real French portfolio, at a reduced cost: the published bars still hold."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from experiments.french_mtpl import PRODUCT, STUDY, french_mtpl
from experiments.table_declaration import shipped
from experiments.table_page import to_markdown, write_study
from experiments.table_study import run_table
from registry.answers import answer_of
from registry.errors import ConfigurationError
from registry.promotion import live
from registry.scorer import load_scorer
from registry.settings import Settings
from registry.signing import init_keys
from training.fit import wait_passively

DATA = Settings().real_data_dir
FREQUENCY_FILE = shipped(STUDY).source.file
needs_data = pytest.mark.skipif(
    not (DATA / FREQUENCY_FILE).is_file(), reason=f"the real portfolio is not in {DATA} (ROADRISK_REAL_DATA_DIR)"
)
CHEAPER = {"frequency": {"learning_rate": 0.15, "n_trees": 60, "num_leaves": 63, "max_bin": 255}}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    wait_passively()
    root = tmp_path_factory.mktemp("french")
    made = Settings(home=root / "var", keys_dir=root / "keys")
    init_keys(made.keys_dir)
    return made


@pytest.fixture(scope="module")
def result(settings: Settings) -> dict[str, Any]:
    declared = shipped(STUDY)
    one_member = tuple(score.model_copy(update={"members": 1}) for score in declared.scores)
    return run_table(
        declared.model_copy(update={"scores": one_member}), settings, data=DATA, parameters=CHEAPER, peers=False, replicates=4,
        register=True, now=datetime(2026, 1, 1, tzinfo=UTC),
    )


@needs_data
def test_our_figures_reach_the_published_ones(result: dict[str, Any]) -> None:
    ours = {name: both["ours"] for name, both in result["metrics"].items()}
    published = {name: both["published"] for name, both in result["metrics"].items() if both["published"] is not None}
    assert published == {
        "poisson_deviance_test": 0.5729, "balance_train": 1.0, "balance_test": 1.0, "pure_premium_d2_test": 0.0137,
        "pure_premium_gini_test": 0.306, "frequency_d2_test": 0.0427, "severity_d2_test": 0.0044,
    }
    assert ours["poisson_deviance_test"] < 0.5729
    assert ours["balance_train"] == pytest.approx(1.0, abs=1e-9)
    assert ours["balance_test"] == pytest.approx(1.0, abs=0.03)
    assert ours["pure_premium_d2_test"] > 0.0137
    assert ours["pure_premium_gini_test"] > 0.306


@needs_data
def test_the_bundle_is_live_and_answers_the_example(settings: Settings, result: dict[str, Any]) -> None:
    model = live(settings)[PRODUCT]
    assert model.digest == result["bundle"]["digest"]
    scorer = load_scorer(model.folder, settings.keys_dir, digest=model.digest)
    matrix, unseen = scorer.encode([result["example_request"]["features"]])
    margins = scorer.component_margins(matrix)[0].tolist()
    answer = answer_of(scorer.manifest, margins)
    assert unseen == [[]]
    assert answer == result["example_expected"]["answer"]
    assert answer["relativity"] == pytest.approx(answer["pure_premium"] / scorer.manifest.reference.mean_answer)
    assert not scorer.manifest.provenance.simulated
    assert all(feature.entity == "request" for feature in scorer.manifest.features)


@needs_data
def test_the_page_shows_ours_beside_the_published(result: dict[str, Any], tmp_path: Path) -> None:
    names = write_study(result, tmp_path / "studies")
    assert names == ["french-mtpl.md", "french-mtpl.json", "french-mtpl.svg"]
    page = (tmp_path / "studies" / "french-mtpl.md").read_text()
    assert page == to_markdown(result)
    assert "| `pure_premium_gini_test` |" in page


def test_without_the_data_it_says_where_to_get_them(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no file insurance/freMTPL2freq.parquet .*OpenML 41214"):
        french_mtpl(settings, data=tmp_path)

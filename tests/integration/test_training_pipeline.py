"""The whole training stage on a small frame: search, bundle, card, MLflow run, registered version, and again."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from registry.models import ModelRegistry
from registry.scorer import load_scorer
from registry.settings import Settings
from registry.signing import init_keys
from tests.lib.frames import COMPONENTS, FAST, made_up, task
from training import pipeline
from training.card import save_card
from training.pipeline import TrainedScore, summary, train_product
from training.search import tune
from training.task import ComponentTask
from training.tuning.store import storage_address

FREQUENCY, SEVERITY = COMPONENTS["pure_premium"]


def fast(component: ComponentTask) -> ComponentTask:
    return ComponentTask(**{**{f: getattr(component, f) for f in component.__dataclass_fields__}, "parameters": FAST})


TASK = task("pure_premium", id="insurance_pricing", components=(fast(FREQUENCY), fast(SEVERITY)))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("training")
    made = Settings(home=root / "var", keys_dir=root / "keys", seed=7, threads=1)
    init_keys(made.keys_dir)
    return made


@pytest.fixture(scope="module")
def trained(settings: Settings) -> TrainedScore:
    seen: list[float] = []
    result = train_product(
        TASK, made_up(), settings=settings, snapshot="abc", replicates=20,
        progress=lambda _label, share: seen.append(share),
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    return result


@pytest.fixture
def facts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # Documents of a card take most of the time of so small a training, and the first one has made them.
    monkeypatch.setattr(pipeline, "save_card", partial(save_card, documents=False))


def test_the_bundle_is_signed_and_registered(settings: Settings, trained: TrainedScore) -> None:
    scorer = load_scorer(trained.bundle_folder, settings.keys_dir, digest=trained.digest)
    assert scorer.manifest.product == "insurance_pricing"
    (version,) = ModelRegistry(settings).versions("insurance_pricing")
    assert (version.version, version.digest, version.run_id) == (trained.version, trained.digest, trained.run_id)


def test_the_run_holds_parameters_measures_tags_and_artefacts(settings: Settings, trained: TrainedScore) -> None:
    client = ModelRegistry(settings).client
    assert trained.run_id is not None
    run = client.get_run(trained.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["digest"] == trained.digest
    assert (run.data.tags["snapshot"], run.data.tags["seed"]) == ("abc", "7")
    assert run.data.params["frequency.num_leaves"] == "7"
    assert run.data.metrics["score_test_gini"] == pytest.approx(trained.metrics["score_test_gini"])
    names = {file.path for folder in ("bundle", "card") for file in client.list_artifacts(trained.run_id, folder)}
    assert {"bundle/manifest.json", "bundle/signature.json", "card/card.md", "card/card.zh.html",
            "card/card.en.pdf", "card/calibration.en.png"} <= names


def test_the_card_says_what_a_reader_must_know(trained: TrainedScore) -> None:
    card = json.loads((trained.card_folder / "card.json").read_text())
    text = (trained.card_folder / "card.md").read_text()
    assert card["digest"] == trained.digest
    assert card["metrics"] == dict(trained.metrics)
    for words in ("Simulated", "95 % interval", "age_year", "isotonic would save", "## Limits", "## 限制"):
        assert words in text
    assert (trained.card_folder / "shap_bar.en.png").read_bytes().startswith(b"\x89PNG")


def test_training_again_changes_nothing(settings: Settings, trained: TrainedScore, facts_alone: None) -> None:
    again = train_product(TASK, made_up(), settings=settings, snapshot="abc", replicates=20)
    assert (again.digest, again.version, again.run_id) == (trained.digest, trained.version, trained.run_id)
    assert len(ModelRegistry(settings).versions("insurance_pricing")) == 1
    assert summary(again)["metrics"] == summary(trained)["metrics"]


def test_a_search_starts_from_the_defaults_resumes_and_is_used(settings: Settings, facts_alone: None) -> None:
    one = task("rate", components=(fast(COMPONENTS["rate"][0]),))
    storage = storage_address(settings)
    first = tune(one, made_up(1500), trials=3, storage=storage, seed=7, snapshot="abc")
    resumed = tune(one, made_up(1500), trials=5, storage=storage, seed=7, snapshot="abc")
    again = tune(one, made_up(1500), trials=5, storage=storage, seed=7, snapshot="abc")
    assert [found[0].n_trials for found in (first, resumed, again)] == [3, 5, 5]
    assert resumed[0].loss <= first[0].loss
    result = train_product(
        one, made_up(1500), settings=settings, snapshot="abc", trials=5, replicates=0, register=False
    )
    assert result.tuned[0].parameters == resumed[0].parameters
    assert result.version is None


def test_nothing_is_left_behind(settings: Settings, trained: TrainedScore) -> None:
    left = [path.name for folder in (settings.home, settings.bundle_dir) for path in Path(folder).glob(".*")]
    assert left == []

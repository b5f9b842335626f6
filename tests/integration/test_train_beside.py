"""Products trained beside each other give the bytes that they give one after another, and are registered by the parent alone."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from registry.bundle import ScoreBundle
from registry.errors import TrainingError
from registry.settings import Settings
from registry.signing import init_keys
from tests.lib.frames import COMPONENTS, FAST, made_up, task
from training import beside, products
from training.beside import Order, train_beside
from training.pipeline import TrainedScore, train_product

TASK = task("rate", id="enterprise_risk", components=(replace(COMPONENTS["rate"][0], parameters=FAST),))
FAILS, DIES = "driver_fatigue", "maintenance"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(home=tmp_path / "var", keys_dir=tmp_path / "keys", seed=7, threads=2)
    init_keys(made.keys_dir)
    return made


def _begin_made_up(messages: object) -> None:
    """Begin a worker that reads made-up rows; a worker is a new process, where no monkeypatch of the test reaches."""
    beside._begin(messages)

    def rows(product: str, _settings: Settings) -> object:
        if product == DIES:
            os.kill(os.getpid(), signal.SIGKILL)
        return (made_up().drop(columns=TASK.columns[0]) if product == FAILS else made_up()), "abc"

    products.training_frame = rows  # type: ignore[assignment]
    products.task_for = lambda product, _settings: replace(TASK, id=product)


def _begin_undocumented(messages: object) -> None:
    """The same without drawing, which is most of the work."""
    from training.cards import render

    _begin_made_up(messages)
    render.write_documents = lambda *_given, **_how: None  # type: ignore[assignment]


def _trained(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, *chosen: str, jobs: int = 2, drawn: bool = False
) -> tuple[dict[str, TrainedScore], list[tuple[str, str, float]], Exception | None]:
    monkeypatch.setattr(beside, "_initialiser", _begin_made_up if drawn else _begin_undocumented)
    made: dict[str, TrainedScore] = {}
    said: list[tuple[str, str, float]] = []

    def keep(score: TrainedScore, bundle: ScoreBundle) -> None:
        assert bundle.digest == score.digest
        made[bundle.manifest.product] = score

    try:
        train_beside([Order(product, settings) for product in chosen], keep, jobs=jobs, tell=lambda *what: said.append(what))
    except TrainingError as error:
        return made, said, error
    return made, said, None


def test_the_same_bundles_and_cards_as_one_after_another(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    made, said, fault = _trained(settings, monkeypatch, "enterprise_risk", "insurance_pricing", drawn=True)
    assert fault is None
    assert {*made} == {product for product, _, _ in said} == {"enterprise_risk", "insurance_pricing"}
    assert all(score.version is None for score in made.values())  # MLflow is the parent's
    alone = train_product(TASK, made_up(), settings=settings, snapshot="abc", register=False, documents=False)
    beside_it = made["enterprise_risk"]
    assert alone.digest == beside_it.digest
    assert (beside_it.card_folder / "card.en.pdf").is_file()
    for product in made:
        steps = [label.partition(" ")[0] for name, label, _ in said if name == product]
        assert list(dict.fromkeys(steps)) == ["read", "fit", "calibrate", "bundle", "evaluate", "card", "done"]


def test_a_failure_is_told_when_what_is_in_work_has_been_kept(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, fault = _trained(settings, monkeypatch, FAILS, "insurance_pricing")
    assert "the frame lacks columns" in str(fault)
    assert {*made} == {"insurance_pricing"}


def test_after_a_failure_nothing_further_begins(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    made, said, fault = _trained(settings, monkeypatch, FAILS, "insurance_pricing", "enterprise_risk", jobs=1)
    assert fault is not None
    assert "enterprise_risk" not in {*made}
    assert "enterprise_risk" not in {product for product, _, _ in said}


def test_a_worker_that_dies_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, fault = _trained(settings, monkeypatch, DIES, jobs=1)
    assert "died" in str(fault)
    assert not made

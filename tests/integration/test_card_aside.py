"""Documents written by another process are those written here, and their failure is told."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from registry.errors import TrainingError
from registry.models import ModelRegistry
from registry.settings import Settings
from registry.signing import init_keys
from tests.lib.frames import COMPONENTS, FAST, made_up, task
from training import products
from training.cards.aside import Aside
from training.cli import trained_in_turn
from training.pipeline import Begun, begin_product, train_product

TASK = task("rate", id="enterprise_risk", components=(replace(COMPONENTS["rate"][0], parameters=FAST),))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(home=tmp_path / "var", keys_dir=tmp_path / "keys", seed=7, threads=1)
    init_keys(made.keys_dir)
    return made


def begin(settings: Settings, aside: Aside) -> Begun:
    return begin_product(
        TASK, made_up(), settings=settings, snapshot="abc", replicates=20, register=False, aside=aside,
    )


def test_the_same_documents_as_written_here(settings: Settings) -> None:
    with Aside() as aside:
        apart = begin(settings, aside).conclude()
    files = {path.name: path.read_bytes() for path in apart.card_folder.iterdir()}
    here = train_product(TASK, made_up(), settings=settings, snapshot="abc", replicates=20, register=False)
    assert {"card.md", "card.json", "card.en.pdf", "shap_bar.en.png"} <= set(files)
    assert files == {path.name: path.read_bytes() for path in here.card_folder.iterdir()}


def test_a_card_that_cannot_be_written_is_told_and_nothing_is_kept(settings: Settings, tmp_path: Path) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    with Aside() as aside:
        begun = begin(settings.model_copy(update={"cjk_font": broken}), aside)
        with pytest.raises(TrainingError, match=r"documents of the card could not be written.*enterprise_risk"):
            begun.conclude()
    assert not (settings.home / "cards").exists()
    assert not list(settings.home.glob(".card-*"))


def test_a_writer_that_dies_is_told(settings: Settings) -> None:
    with Aside() as aside:
        begun = begin(settings, aside)
        for child in _workers():
            os.kill(child, signal.SIGKILL)
        with pytest.raises(TrainingError, match="died"):
            begun.conclude()
    assert not (settings.home / "cards").exists()


def test_what_was_trained_before_a_failure_is_kept_and_registered(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = {"enterprise_risk": made_up(), "driver_fatigue": made_up().drop(columns=TASK.columns[0])}
    monkeypatch.setattr(products, "training_frame", lambda product, _settings: (frames[product], "abc"))
    monkeypatch.setattr(products, "task_for", lambda product, _settings: replace(TASK, id=product))
    with pytest.raises(TrainingError, match="the frame lacks columns"):
        trained_in_turn([*frames], settings, 0, None, None, tuned=False, by="C. Name")
    registry = ModelRegistry(settings)
    (made,) = registry.versions("enterprise_risk")
    assert (settings.home / "cards" / f"enterprise_risk-{made.digest[:16]}" / "card.en.pdf").is_file()
    assert not registry.versions("driver_fatigue")


def _workers() -> list[int]:
    for _ in range(100):
        found = [one.pid for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline())]
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("no worker was started")

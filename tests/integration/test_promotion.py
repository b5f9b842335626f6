"""Promotion over the real registry: gates, the ledger's answers about any instant, rollback, two promoters at once."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.errors import IntegrityError, NotFound, PromotionRefused, RoadRiskError
from registry.model_audit import audit_models
from registry.models import ModelRegistry
from registry.promotion import Promotion, audit, history, live, promote, rollback, verdicts_on
from registry.settings import Settings
from tests.lib.processes import ROOT, environment_of
from tests.lib.registered import PRODUCT

START = datetime(2026, 7, 4, 1, tzinfo=UTC)


@pytest.fixture
def settings(registered_home: Path, tmp_path: Path) -> Settings:
    shutil.copytree(registered_home, tmp_path, dirs_exist_ok=True)
    return Settings(home=tmp_path / "home", keys_dir=tmp_path / "keys")


@pytest.fixture(scope="module")
def told(registered_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Version 1 went live, then 2, then 1 came back; the tests only read it."""
    folder = tmp_path_factory.mktemp("told")
    shutil.copytree(registered_home, folder, dirs_exist_ok=True)
    settings = Settings(home=folder / "home", keys_dir=folder / "keys")
    go_live(settings, 1, hours=0)
    go_live(settings, 2, hours=2)
    rollback(settings, PRODUCT, approver="王处", reason="drift", at=START + timedelta(hours=4))
    return settings


def go_live(settings: Settings, version: int, hours: int) -> Promotion:
    at = START + timedelta(hours=hours)
    return promote(settings, PRODUCT, version, approver="李工", reason="better in every quintile", at=at)


def live_version(settings: Settings, at: datetime | None = None) -> int | None:
    found = live(settings, at=at).get(PRODUCT)
    return found.version if found else None


def test_the_ledger_says_what_was_live_at_any_instant(told: Settings) -> None:
    asked = [START + timedelta(hours=h) for h in (-1, 0, 1, 2, 3, 4, 5)]
    assert [live_version(told, at) for at in asked] == [None, 1, 1, 2, 2, 1, 1]
    assert live_version(told) == 1
    lines = [(line.kind, line.version, line.previous, line.approver) for line in history(told, PRODUCT)]
    assert lines == [("promote", 1, None, "李工"), ("promote", 2, 1, "李工"), ("rollback", 1, 2, "王处")]
    assert live(told)[PRODUCT].digest == ModelRegistry(told).get(PRODUCT, 1).digest
    assert audit(told).ok
    assert [line.profile for line in history(told)] == ["declared", "declared", ""]
    assert set(history(told)[0].grounds) == {"card", "judgement"}


def test_mlflow_mirrors_what_is_live(told: Settings) -> None:
    alias = ModelRegistry(told).client.get_model_version_by_alias(f"roadrisk-{PRODUCT}", "live")
    assert int(alias.version) == 1


def test_a_second_rollback_does_not_bring_back_what_the_first_took(told: Settings) -> None:
    with pytest.raises(PromotionRefused, match="there is none to go back to"):
        rollback(told, PRODUCT, approver="王处", reason="again", at=START + timedelta(hours=5))


def test_every_failed_gate_is_named(settings: Settings) -> None:
    made = ModelRegistry(settings).get(PRODUCT, 4)
    (made.folder / "golden.json").write_text("{}")
    with pytest.raises(PromotionRefused, match=r"bundle_verifies: .* golden_rows_reproduce: .*without a model card"):
        go_live(settings, 4, hours=0)
    verdicts = {verdict.gate: verdict.passed for verdict in verdicts_on(settings, PRODUCT, 4)}
    failed = {gate for gate, passed in verdicts.items() if not passed}
    assert failed == {
        "bundle_verifies", "golden_rows_reproduce", "explanation_adds_up", "card_has_metrics", "card_is_complete",
        "reasons_are_complete", "determined", "discriminates", "calibrated", "explains_fast_enough",
    }
    assert live(settings) == {}


def test_a_version_that_does_not_exist_is_not_found(settings: Settings) -> None:
    with pytest.raises(NotFound, match=r"no version 9 of enterprise_risk .*1, 2, 3, 4"):
        go_live(settings, 9, hours=0)
    with pytest.raises(NotFound, match="has no live version"):
        rollback(settings, PRODUCT, approver="王处", reason="x", at=START)


@pytest.mark.parametrize(("approver", "reason"), [("", "x"), ("李工", "  ")])
def test_a_decision_needs_a_name_and_a_reason(settings: Settings, approver: str, reason: str) -> None:
    with pytest.raises(PromotionRefused, match="needs a named approver and a reason"):
        promote(settings, PRODUCT, 1, approver=approver, reason=reason, at=START)


def test_of_two_promoters_at_once_one_wins(settings: Settings) -> None:
    outcomes: list[Promotion | RoadRiskError] = []
    together = threading.Barrier(2)

    def decide(version: int) -> None:
        together.wait()
        try:
            outcomes.append(go_live(settings, version, hours=0))
        except RoadRiskError as error:
            outcomes.append(error)

    promoters = [threading.Thread(target=decide, args=(version,)) for version in (2, 3)]
    for promoter in promoters:
        promoter.start()
    for promoter in promoters:
        promoter.join()
    (won,) = [outcome for outcome in outcomes if isinstance(outcome, Promotion)]
    (lost,) = [outcome for outcome in outcomes if isinstance(outcome, RoadRiskError)]
    assert "went live meanwhile, by 李工" in str(lost)
    assert history(settings, PRODUCT) == [won]


def test_a_ledger_without_its_database_is_refused(told: Settings, tmp_path: Path) -> None:
    head = tmp_path / "home" / "ledger" / "promotions.head"
    head.parent.mkdir(parents=True)
    head.write_bytes((told.ledger_dir / head.name).read_bytes())
    with pytest.raises(IntegrityError, match="rows were cut off"):
        live(Settings(home=tmp_path / "home", keys_dir=told.keys_dir))


def test_a_promotion_that_is_killed_leaves_the_old_or_the_new(settings: Settings) -> None:
    command = [sys.executable, "-m", "tests.lib.promotion_killer", str(settings.home), str(settings.keys_dir), "12"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=environment_of(settings), check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == 12
    for one in found:
        assert one["ok"], one
        assert one["kept"], one
        grown = one["lines"][1] - one["lines"][0]
        assert (one["live"], grown) in {(one["old"], 0), (one["new"], 1)}, one
        assert one["exit"] in (0, -9), one
    assert {one["live"] == one["new"] for one in found if one["killed"]} == {True, False}
    assert audit_models(settings).ok

"""Approvals, second persons, the audit of all ledgers, bills of materials and the whole card, over the real registry."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from registry.approvals import approvals, approve
from registry.canonical_json import canonical_json
from registry.challengers import challenge, current, withdraw
from registry.commands import models
from registry.errors import DataError, IntegrityError, NotFound, PromotionRefused, RoadRiskError
from registry.evidence import card_folder, write_evidence
from registry.model_audit import anchor, audit_models, refuse_problems
from registry.models import ModelRegistry
from registry.models_cli import whole_card
from registry.promotion import examine, live, promote, rollback
from registry.settings import Settings
from registry.supplements import keep_supplement
from registry.test_reads import record_read
from serving.shadow import open_shadow
from tests.lib.registered import PRODUCT, full_judgement

START = datetime(2026, 7, 4, 1, tzinfo=UTC)


@pytest.fixture
def settings(registered_home: Path, tmp_path: Path) -> Settings:
    shutil.copytree(registered_home, tmp_path, dirs_exist_ok=True)
    (tmp_path / "rules.json").write_text(json.dumps({PRODUCT: {"requires_second_person": True}}))
    return Settings(home=tmp_path / "home", keys_dir=tmp_path / "keys", gate_rules=tmp_path / "rules.json")


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def go_live(settings: Settings, version: int, hours: float, approver: str = "李工") -> None:
    promote(settings, PRODUCT, version, approver=approver, reason="better", at=at(hours))


def test_a_second_person_approves_before_somebody_else_promotes(settings: Settings) -> None:
    with pytest.raises(PromotionRefused, match="second_person_approved: nobody else has approved it"):
        go_live(settings, 1, 1)
    made = approve(settings, PRODUCT, 1, by="王处", reason="read the card", at=at(2))
    assert (made.seq, made.by, set(made.grounds)) == (1, "王处", {"card", "judgement"})
    with pytest.raises(PromotionRefused, match="second_person_approved"):
        go_live(settings, 1, 1)  # at an instant before the approval
    with pytest.raises(PromotionRefused, match="second_person_approved"):
        go_live(settings, 1, 3, approver="王 处")
    line = promote(settings, PRODUCT, 1, approver="李工", reason="better", at=at(3))
    assert line.seconded_by == ("王处",)
    assert line.heads == {"approvals": (1, line.heads["approvals"][1])}
    with pytest.raises(PromotionRefused, match="王处 has approved version 1 of enterprise_risk already"):
        approve(settings, PRODUCT, 1, by="王处", reason="again", at=at(4))


def test_an_approval_does_not_count_after_its_grounds_have_changed(settings: Settings) -> None:
    made = approve(settings, PRODUCT, 1, by="王处", reason="read the card", at=at(1))
    write_evidence(settings, PRODUCT, made.digest, "oracle", {"gini": 0.9})
    assert not examine(settings, PRODUCT, 1, approver="李工", at=at(2)).failed
    write_evidence(settings, PRODUCT, made.digest, "judgement", full_judgement(seed=2))
    with pytest.raises(PromotionRefused, match="what was approved has changed since: judgement"):
        go_live(settings, 1, 3)
    approve(settings, PRODUCT, 1, by="王处", reason="read it again", at=at(4))
    go_live(settings, 1, 5)
    assert [one.reason for one in approvals(settings, PRODUCT)] == ["read the card", "read it again"]


def test_who_trained_a_version_neither_promotes_nor_seconds_it(settings: Settings) -> None:
    approve(settings, PRODUCT, 1, by="赵工", reason="mine", at=at(1))
    with pytest.raises(PromotionRefused, match="approver_did_not_train: 赵工 trained this version"):
        go_live(settings, 1, 2, approver="赵工")
    with pytest.raises(PromotionRefused, match="second_person_approved"):
        go_live(settings, 1, 2, approver="李工")


@pytest.fixture
def decided(settings: Settings) -> Settings:
    """Both versions went live, with a reading, approvals and a challenger."""
    digest = ModelRegistry(settings).get(PRODUCT, 1).digest
    record_read(settings, product=PRODUCT, digest=digest, snapshot="s", test_window=("a", "b"), at=at(0))
    for version in (1, 2):
        approve(settings, PRODUCT, version, by="王处", reason="read", at=at(version))
        go_live(settings, version, version + 0.5)
    challenge(settings, PRODUCT, 1, by="李工", reason="was calmer", at=at(4))
    return settings


def test_the_audit_walks_all_of_it(decided: Settings) -> None:
    found = audit_models(decided)
    assert found.ok
    assert found.lines == {"promotions": 2, "approvals": 2, "test_reads": 1, "challengers": 1}
    assert (found.anchors, found.bundles, found.notes) == (4, 2, ())


def test_a_ledger_that_was_taken_back_with_its_head_is_found_out(decided: Settings) -> None:
    kept = decided.home / "anchor.json"
    kept.write_bytes(canonical_json(anchor(decided, at(6))))
    for path in decided.ledger_dir.glob("test_reads*"):
        path.unlink()
    problems = audit_models(decided).problems
    assert any("promotion 1: ledger test_reads does not hold the line 1" in problem for problem in problems)
    for path in decided.ledger_dir.glob("promotions*"):
        path.unlink()
    assert audit_models(decided).ok
    with pytest.raises(IntegrityError, match="ledger promotions does not hold the line 2 that was anchored"):
        refuse_problems(audit_models(decided, anchor=kept))
    kept.write_text("{}")
    with pytest.raises(DataError, match="the anchor cannot be read"):
        audit_models(decided, anchor=kept)


def test_a_bundle_or_card_that_was_changed_is_a_problem_and_new_evidence_a_note(decided: Settings) -> None:
    first, second = (ModelRegistry(decided).get(PRODUCT, version) for version in (1, 2))
    write_evidence(decided, PRODUCT, first.digest, "judgement", full_judgement(seed=9))
    assert audit_models(decided).notes == (
        "promotion 1: judgement of enterprise_risk version 1 is another than it was then",
        "approval 1: judgement of enterprise_risk version 1 is another than it was then",
    )
    (second.folder / "golden.json").write_text("{}")
    card = first.source / "card.json"
    text = card.read_text()
    card.write_text(text.replace("0.31", "0.91"))
    problems = audit_models(decided).problems
    card.write_text(text)  # the artefacts of all copies of this home are the same files
    assert any("bundle of enterprise_risk version 2: bundle has digest" in problem for problem in problems)
    assert "promotion 1: card of enterprise_risk version 1 is another than it was then" in problems


def test_a_challenger_is_not_live_and_ends_by_a_decision_or_by_going_live(decided: Settings) -> None:
    assert current(decided)[PRODUCT].version == 1
    with pytest.raises(PromotionRefused, match="is_not_live: version 2 is live already"):
        challenge(decided, PRODUCT, 2, by="李工", reason="x", at=at(5))
    rollback(decided, PRODUCT, approver="李工", reason="drift", at=at(6))
    assert current(decided) == {}
    challenge(decided, PRODUCT, 2, by="李工", reason="once more", at=at(7))
    assert current(decided)[PRODUCT].version == 2
    withdraw(decided, PRODUCT, by="李工", reason="seen enough", at=at(8))
    with pytest.raises(NotFound, match="has no challenger"):
        withdraw(decided, PRODUCT, by="李工", reason="twice", at=at(9))


def test_a_tampered_version_is_refused_as_a_challenger(decided: Settings) -> None:
    made = ModelRegistry(decided).get(PRODUCT, 1)
    (made.folder / "signature.json").unlink()
    with pytest.raises(PromotionRefused, match="bundle_verifies: bundle is not signed"):
        challenge(decided, PRODUCT, 1, by="李工", reason="x", at=at(5))
    with pytest.raises(PromotionRefused, match="bundle_verifies: bundle is not signed"):
        rollback(decided, PRODUCT, approver="李工", reason="x", at=at(5))


def test_the_whole_card_has_what_was_found_out_and_decided(decided: Settings) -> None:
    digest = ModelRegistry(decided).get(PRODUCT, 1).digest
    write_evidence(decided, PRODUCT, digest, "oracle", {"events": {"gini": 0.97}})
    write_evidence(decided, PRODUCT, digest, "rebuild", {"rebuilt_digest": digest})
    found = whole_card(decided, PRODUCT, 1)
    assert found["metrics"] == {"events_test_gini": 0.31}
    assert found["baselines"] == found["judgement"]["baselines"]
    assert found["oracle"]["events"] == {"gini": 0.97}
    assert set(found["evidence"]) == {"rebuild"}
    assert [read["position"] for read in found["test_reads"]] == [1]
    assert [one["by"] for one in found["approvals"]] == ["王处"]
    assert [line["kind"] for line in found["promotions"]] == ["promote"]
    assert {gate["verdict"] for gate in found["gates"]} <= {"pass", "not evaluated"}
    assert (found["version"], found["live"]) == (1, False)


def test_what_is_measured_again_is_a_dated_supplement_that_gates_read(settings: Settings) -> None:
    registry = ModelRegistry(settings)
    made = registry.get(PRODUCT, 1)
    card = registry.card(made)
    assert card is not None
    approve(settings, PRODUCT, 1, by="王处", reason="read the card", at=at(1))
    assert not keep_supplement(settings, card, {**card, "purpose": "another"}, at=at(2))  # no measure is another
    assert whole_card(settings, PRODUCT, 1)["supplement"] is None
    newer = {**card, "metrics": {}, "purpose": "another", "code": {"version": "2"}}
    assert keep_supplement(settings, card, newer, at=at(2))
    assert not keep_supplement(settings, card, newer, at=at(3))
    found = whole_card(settings, PRODUCT, 1)
    assert (found["supplement"]["at"], found["supplement"]["parts"]) == (at(2).isoformat(timespec="seconds"), ["metrics"])
    assert found["supplement"]["made_by"]["code"] == {"version": "2"}
    assert found["metrics"] == {}
    assert found["purpose"] == card["purpose"]
    assert registry.card(made) == card
    with pytest.raises(PromotionRefused, match="the model card has no metrics"):
        go_live(settings, 1, 4)
    with pytest.raises(PromotionRefused, match="what was approved has changed since: supplement"):
        go_live(settings, 1, 4)
    better = {**card, "metrics": {"events_test_gini": 0.33}}
    assert keep_supplement(settings, card, better, at=at(5))
    approve(settings, PRODUCT, 1, by="王处", reason="read the supplement", at=at(6))
    go_live(settings, 1, 7)


def test_a_supplement_of_another_card_is_left_aside(settings: Settings) -> None:
    registry = ModelRegistry(settings)
    card = registry.card(registry.get(PRODUCT, 1))
    assert card is not None
    keep_supplement(settings, {**card, "purpose": "another"}, {**card, "metrics": {}}, at=at(1))
    found = whole_card(settings, PRODUCT, 1)
    assert found["metrics"] == card["metrics"]
    assert found["supplement"] is None


def test_the_bill_of_materials_lies_beside_the_card_and_in_mlflow(settings: Settings) -> None:
    made = ModelRegistry(settings).get(PRODUCT, 1)
    text = (card_folder(settings, PRODUCT, made.digest) / "sbom.cdx.json").read_bytes()
    assert (made.source / "sbom.cdx.json").read_bytes() == text
    document = json.loads(text)
    assert document["metadata"]["component"]["version"] == made.digest
    assert {"lightgbm", "mlflow", "roadrisk"} <= {one["name"] for one in document["components"]}


def test_the_commands_tell_it(decided: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("home", "keys_dir", "gate_rules"):
        monkeypatch.setenv(f"ROADRISK_{name.upper()}", str(getattr(decided, name)))
    invoke = CliRunner().invoke
    gates = invoke(models, ["gates", PRODUCT, "2", "--json"])
    assert gates.exit_code == 0, gates.output
    assert json.loads(gates.output)["would_pass"] is True
    refused = invoke(models, ["promote", PRODUCT, "1", "--approver", "赵工", "--reason", "x", "--dry-run", "--json"])
    assert refused.exit_code == 60
    assert not json.loads(refused.output)["would_pass"]
    assert json.loads(invoke(models, ["audit", "--json"]).output)["lines"]["approvals"] == 2
    assert json.loads(invoke(models, ["card", PRODUCT, "2", "--json"]).output)["live"] is True
    assert "events_test_gini" in invoke(models, ["card", PRODUCT]).output
    assert "candidate no." in invoke(models, ["test-reads", PRODUCT]).output
    assert json.loads(invoke(models, ["sbom", PRODUCT, "1"]).output)["bomFormat"] == "CycloneDX"
    assert invoke(models, ["anchor", "--out", str(tmp_path / "a.json")]).exit_code == 0
    assert invoke(models, ["audit", "--anchor", str(tmp_path / "a.json")]).exit_code == 0
    assert "was calmer" in invoke(models, ["challengers"]).output
    shadow = json.loads(invoke(models, ["shadow", PRODUCT, "--json"]).output)
    assert (shadow["rows"], shadow["champion"]["version"], shadow["challenger"]["version"]) == (0, 2, 1)
    assert invoke(models, ["shadow", PRODUCT]).exit_code == 0
    assert live(decided)[PRODUCT].version == 2


@pytest.mark.parametrize("tamper", ["signature", "byte", "key"])
def test_mlflow_does_not_load_what_does_not_verify(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tamper: str
) -> None:
    import mlflow.pyfunc

    made = ModelRegistry(settings).get(PRODUCT, 1)
    copy = tmp_path / "model"
    shutil.copytree(made.source, copy)
    bundle = next(copy.rglob("signature.json")).parent
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(settings.keys_dir))
    assert mlflow.pyfunc.load_model(str(copy)) is not None
    if tamper == "signature":
        (bundle / "signature.json").unlink()
    elif tamper == "byte":
        (bundle / "golden.json").write_bytes((bundle / "golden.json").read_bytes().replace(b"1", b"2", 1))
    else:
        monkeypatch.setenv("ROADRISK_KEYS_DIR", str(tmp_path / "nowhere"))
    words = {"signature": "bundle is not signed", "byte": "a file was changed", "key": "public key .* does not exist"}
    with pytest.raises(RoadRiskError, match=words[tamper]):
        mlflow.pyfunc.load_model(str(copy))


def test_a_service_takes_up_a_challenger_that_verifies_and_no_other(decided: Settings) -> None:
    assert open_shadow(decided) is not None
    (ModelRegistry(decided).get(PRODUCT, 1).folder / "signature.json").unlink()
    assert open_shadow(decided) is None
    (decided.ledger_dir / "challengers.head").write_text("{}")
    assert open_shadow(decided) is None

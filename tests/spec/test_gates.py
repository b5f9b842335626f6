"""Promotion gates as tables: what a card or a judgement says, and what its gate says about it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from registry.errors import ConfigurationError
from registry.gate_rules import RULES, UNDECLARED, Floor, GateRules, demonstration, rules_for
from registry.gates import Candidate, Finding, Judged, judge
from registry.gates_card import (
    calibrated,
    card_is_complete,
    determined,
    discriminates,
    explains_fast_enough,
    reasons_are_complete,
)
from registry.gates_evidence import beats_formulas, evidence_is_of_this_version, fair, not_worse_than_live, stable
from registry.products import PRODUCTS
from registry.promotion_gates import PROMOTION_GATES
from registry.scorer import Scorer
from registry.settings import Settings
from tests.lib.bundles import tiny_bundle
from tests.lib.full_bundles import full_bundle
from tests.lib.registered import PRODUCT, full_card, full_judgement

BUNDLE = tiny_bundle(PRODUCT)
SCORER = Scorer(BUNDLE)
RULE = RULES[PRODUCT]


def candidate(
    card: dict[str, Any] | None = None, *, rules: GateRules = RULE, live: Judged | None = None, **evidence: Any
) -> Candidate:
    judged = Judged(version=2, digest=BUNDLE.digest, card=full_card(BUNDLE) if card is None else card, evidence=evidence)
    return Candidate(product=PRODUCT, judged=judged, rules=rules, live=live, scorer=SCORER)


def with_figures(**changes: Any) -> dict[str, Any]:
    card = full_card(BUNDLE)
    card["evaluation"]["components"]["events"]["test"] |= changes
    return card


def test_a_whole_candidate_passes_every_gate() -> None:
    verdicts = judge(candidate(judgement=full_judgement()), PROMOTION_GATES)
    assert {verdict.gate: verdict.verdict for verdict in verdicts if verdict.verdict != "pass"} == {}


@pytest.mark.parametrize(("figures", "rules", "said", "why"), [
    ({}, RULE, "pass", "floor 0.15"),
    ({"intervals": {"gini": [0.12, 0.3]}}, RULE, "refuse", r"gini 0.310 \[0.120, 0.300\], floor 0.15"),
    ({"intervals": {"gini": [0.12, 0.3]}}, demonstration(RULE), "not evaluated", "floor"),
    ({"intervals": {"gini": [0.05, 0.12]}}, demonstration(RULE), "refuse", "floor"),
    ({"intervals": {"gini": [0.05, 0.12]}, "observed": 30.0}, RULE, "not evaluated", "30 events, at least 100"),
    ({"intervals": {}}, RULE, "not evaluated", "no events gini with an interval"),
    ({}, UNDECLARED, "not evaluated", "no measure is asked for"),
])
def test_discrimination(figures: dict[str, Any], rules: GateRules, said: str, why: str) -> None:
    found = discriminates(candidate(with_figures(**figures), rules=rules))
    assert found.said == said
    assert_match(why, found.reason)


@pytest.mark.parametrize(("figures", "said", "why"), [
    ({}, "pass", r"1.020 \[0.950, 1.100\], calibration error 5.0%"),
    ({"balance": 1.4, "intervals": {"balance": [1.2, 1.6]}}, "pass", "1.400"),
    ({"balance": 1.4, "intervals": {"balance": [1.3, 1.6]}}, "refuse", "lies outside 0.8 to 1.25"),
    ({"ece": 0.08}, "refuse", "calibration error 40.0% of the mean, at most 35% is allowed"),
    ({"ece": 0.08, "ece_by_chance": 0.02}, "pass", "calibration error 40.0% of the mean, of which 10.0% by chance"),
    ({"ece": 0.08, "ece_by_chance": 0.009}, "refuse", "of which 4.5% by chance, at most 35% is allowed"),
    ({"observed": 20.0, "balance": 3.0}, "not evaluated", "20 events"),
])
def test_calibration(figures: dict[str, Any], said: str, why: str) -> None:
    found = calibrated(candidate(with_figures(**figures)))
    assert found.said == said
    assert_match(why, found.reason)


def test_an_amount_counts_its_rows_as_events() -> None:
    found = calibrated(candidate(with_figures(n_rows=40, observed=1e6, weight=40.0, ece=1.0)))
    assert found.said == "not evaluated"
    assert_match("40 events", found.reason)


def test_a_line_beside_the_score_with_too_few_events_is_told_and_holds_nothing_back() -> None:
    scorer = Scorer(full_bundle("insurance_pricing"))
    main, beside = (next(c.name for c in scorer.manifest.components if (c.weight == 0.0) is zero) for zero in (False, True))
    test = full_card(BUNDLE)["evaluation"]["components"]["events"]["test"]

    def found(few: str) -> Finding:
        thin = test | {"observed": 19.0, "n_rows": 19}
        parts = {name: {"test": thin if name == few else test} for name in (main, beside)}
        judged = Judged(version=2, digest=BUNDLE.digest, card={"evaluation": {"components": parts}}, evidence={})
        return calibrated(Candidate(product="insurance_pricing", judged=judged, rules=RULE, live=None, scorer=scorer))

    assert found(main).said == "not evaluated"
    assert found(beside).said == "pass"
    assert_match(f"{beside}: 19 events, at least 100", found(beside).reason)


@pytest.mark.parametrize(("changes", "said", "why"), [
    ({}, "pass", ""),
    ({"limits": []}, "refuse", "lacks limits"),
    ({"data": {"snapshot": ""}}, "refuse", "lacks data.snapshot, data.simulated"),
    ({"digest": "f" * 64}, "refuse", "about bundle ffffffffffffffff"),
    ({"features": [{"name": "age_year"}]}, "refuse", "differ in inputs: fleet_n"),
])
def test_completeness_of_the_card(changes: dict[str, Any], said: str, why: str) -> None:
    found = card_is_complete(candidate(full_card(BUNDLE, **changes)))
    assert found.said == said
    assert_match(why, found.reason)


def test_every_input_needs_words_in_both_languages() -> None:
    assert reasons_are_complete(candidate()).said == "pass"
    features = (BUNDLE.manifest.features[0].model_copy(update={"reason_code": "R99"}), *BUNDLE.manifest.features[1:])
    odd = Scorer(BUNDLE)
    odd.manifest = BUNDLE.manifest.model_copy(update={"features": features})
    found = reasons_are_complete(replace(candidate(), scorer=odd))
    assert found.said == "refuse"
    assert_match(r"1 inputs .*age_year \(R99\)", found.reason)


@pytest.mark.parametrize(("changes", "product", "said", "why"), [
    ({"reason_code": "R00"}, "enterprise_risk", "refuse", r"age_year \(R00 says nothing\)"),
    ({"reason_code": "R00"}, "tiny_portfolio", "pass", "dictionary"),
    ({"reason_code": "R15", "actionable": True, "monotone": 1}, "enterprise_risk", "refuse", r"age_year \(R15 has no advice\)"),
    ({"reason_code": "R15", "actionable": False, "monotone": 1}, "enterprise_risk", "pass", "both directions and languages"),
])
def test_a_reason_says_something_and_helps_where_it_can(changes: dict[str, Any], product: str, said: str, why: str) -> None:
    features = (BUNDLE.manifest.features[0].model_copy(update=changes), *BUNDLE.manifest.features[1:])
    odd = Scorer(BUNDLE)
    odd.manifest = BUNDLE.manifest.model_copy(update={"features": features})
    found = reasons_are_complete(replace(candidate(), scorer=odd, product=product))
    assert found.said == said
    assert_match(why, found.reason)


@pytest.mark.parametrize(("changes", "evidence", "said"), [
    ({}, {}, "pass"),
    ({"seed": 5}, {}, "refuse"),
    ({}, {"rebuild": {"rebuilt_digest": BUNDLE.digest}}, "pass"),
    ({}, {"rebuild": {"digest": "e" * 64, "rebuilt_digest": "e" * 64}}, "refuse"),
    ({"rebuild": {"rebuilt_digest": "e" * 64}}, {}, "refuse"),
])
def test_determinism(changes: dict[str, Any], evidence: dict[str, Any], said: str) -> None:
    assert determined(candidate(full_card(BUNDLE, **changes), **evidence)).said == said


def test_an_explanation_is_timed() -> None:
    assert explains_fast_enough(candidate(rules=GateRules(max_explanation_ms=1e4))).said == "pass"
    found = explains_fast_enough(candidate(rules=GateRules(max_explanation_ms=1e-6)))
    assert found.said == "refuse"
    assert_match(r"ms per row, at most 1e-06 are allowed", found.reason)


def rivals(verdict: str, within: str = "beats") -> dict[str, Any]:
    overall = {"difference": 0.01, "interval": [-0.01, 0.03], "verdict": verdict}
    pooled = {"pooled": {**overall, "verdict": within}}
    return {"events": {"part": "events", "measure": "gini", "rivals": [
        {"id": "eu", "kind": "formula", "overall": overall, "within": {"exposure": pooled}},
    ]}}


@pytest.mark.parametrize(("verdict", "within", "rules", "said"), [
    ("beats", "loses", RULE, "pass"),
    ("beats", "loses", RULE.model_copy(update={"formulas_within_quintiles": True}), "refuse"),
    ("loses", "beats", RULE, "refuse"),
    ("equal", "beats", RULE, "refuse"),
    ("equal", "beats", demonstration(RULE), "not evaluated"),
    ("loses", "beats", demonstration(RULE), "refuse"),
    ("beats", "beats", RULE.model_copy(update={"formulas": ("sms",)}), "not evaluated"),
])
def test_formulas_must_be_beaten(verdict: str, within: str, rules: GateRules, said: str) -> None:
    found = beats_formulas(candidate(rules=rules, judgement={"main": "events", "comparison": rivals(verdict, within)}))
    assert found.said == said


@pytest.mark.parametrize(("found", "said", "why"), [
    ({"score_psi": 0.1, "input_csi": {"a": 0.5, **{f"x{k}": 0.0 for k in range(19)}}}, "pass", "0.100; 1 of 20 inputs above 0.25"),
    ({"score_psi": 0.3, "input_csi": {}}, "refuse", "0.300; .*at most 0.25 is allowed"),
    ({"score_psi": 0.1, "input_csi": {"a": 0.5, "b": 0.3, "c": 0.0}}, "refuse", "2 of 3 inputs above 0.25: a, b"),
    (
        {"score_psi": 0.1, "input_csi": {"a": 0.5, "b": 0.3, "c": 0.0}, "input_points": {"a": -4.9, "b": 0.1, "c": 9.0}},
        "pass", "2 of 3 inputs above 0.25, 0 of them moving the mean score by 5 points or more",
    ),
    (
        {"score_psi": 0.1, "input_csi": {"a": 0.5, "b": 0.3, "c": 0.0}, "input_points": {"a": -5.0, "b": 0.1, "c": 9.0}},
        "refuse", "1 of them moving the mean score by 5 points or more: a",
    ),
])
def test_stability(found: dict[str, Any], said: str, why: str) -> None:
    finding = stable(candidate(judgement={"stability": found}))
    assert finding.said == said
    assert_match(why, finding.reason)


@pytest.mark.parametrize(("ratio", "interval", "kinds", "said"), [
    (1.1, [0.9, 1.3], (), "pass"),
    (1.9, [1.4, 2.4], (), "pass"),
    (1.9, [1.6, 2.4], (), "refuse"),
    (1.9, [1.6, 2.4], ("owner_type",), "not evaluated"),
    (0.4, [0.3, 0.6], ("city",), "refuse"),
])
def test_fairness(ratio: float, interval: list[float], kinds: tuple[str, ...], said: str) -> None:
    one = {"segment": "南昌", "actual_to_expected": ratio, "actual_to_expected_interval": interval}
    segments = {"dimensions": {"city": {"segments": [one, {"segment": "九江", "withheld": "fewer than 10 enterprises"}]}}}
    rules = RULE.model_copy(update={"fairness": kinds})
    found = fair(candidate(rules=rules, judgement={"segments": segments}))
    assert found.said == said
    if said == "refuse":
        assert_match(r"city 南昌 \d.\d\d \[", found.reason)


@pytest.mark.parametrize(("n_events", "rules", "said"), [
    (3, RULE, "refuse"),
    (3, demonstration(RULE), "not evaluated"),
    (RULE.min_events - 1, demonstration(RULE), "not evaluated"),
    (RULE.min_events, demonstration(RULE), "refuse"),
    (None, demonstration(RULE), "refuse"),
])
def test_a_demonstration_holds_what_few_events_show_against_nobody(n_events: int | None, rules: GateRules, said: str) -> None:
    one = {"segment": "南昌", "actual_to_expected": 0.1, "actual_to_expected_interval": [0.0, 0.3]}
    table = rivals("loses", "beats")
    if n_events is not None:
        one["n_events"] = table["events"]["n_events"] = n_events
    judgement = {"segments": {"dimensions": {"city": {"segments": [one]}}}, "main": "events", "comparison": table}
    judged = judge(candidate(rules=rules, judgement=judgement), (fair, beats_formulas))
    assert [(verdict.verdict, verdict.passed) for verdict in judged] == [(said, said != "refuse")] * 2
    assert_match("南昌 0.10", judged[0].reason)
    assert_match("eu overall", judged[1].reason)


def test_without_a_judgement_what_it_holds_is_not_evaluated() -> None:
    gates = (evidence_is_of_this_version, beats_formulas, stable, fair)
    verdicts = judge(candidate(), gates)
    assert [verdict.verdict for verdict in verdicts] == ["not evaluated"] * 4
    assert [verdict.passed for verdict in verdicts] == [True, False, False, False]
    assert all(verdict.passed for verdict in judge(candidate(rules=demonstration(RULE)), gates))


def test_evidence_about_another_version_refuses() -> None:
    judged = replace(candidate().judged, unreadable="evidence speaks of another version")
    assert evidence_is_of_this_version(replace(candidate(), judged=judged)).said == "refuse"


def live(gini: float, digest: str = "d" * 64, window: tuple[str, str] = ("2026-01-01", "2026-06-30")) -> Judged:
    card = with_figures(gini=gini)
    card["windows"]["test"] = list(window)
    return Judged(version=1, digest=digest, card=card)


def paired(name: str, reach: float) -> dict[str, Any]:
    return {"against": "d" * 64, "differences": {name: {"difference": 0.0, "interval": [-reach, reach]}}}


@pytest.mark.parametrize(("against", "evidence", "said", "why"), [
    (None, {}, "pass", "no other version is live"),
    (live(0.32), {}, "pass", r"-0.010 \[-0.052, \+0.032\] against version 1"),
    (live(0.36), {}, "refuse", r"-0.050 .*at least -0.02 is allowed"),
    (live(0.36, window=("2026-03-01", "2026-08-30")), {}, "not evaluated", "was judged on other rows"),
    (live(0.36), {"comparison": paired("events gini", 0.01)}, "pass", r"events gini \+0.000 \[-0.010, \+0.010\]"),
    (live(0.30), {"comparison": paired("events gini", 0.03)}, "refuse", "at least -0.02"),
    (live(0.30), {"comparison": paired("severity gini", 0.01)}, "not evaluated", "events gini unknown without an interval"),
])
def test_the_live_version_is_not_lost(against: Judged | None, evidence: dict[str, Any], said: str, why: str) -> None:
    found = not_worse_than_live(candidate(live=against, **evidence))
    assert found.said == said
    assert_match(why, found.reason)


def test_rules_of_a_file_replace_those_of_all_products_and_of_one(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"*": {"max_psi": 0.2}, "maintenance": {"requires_second_person": True, "max_psi": 0.3}}))
    settings = Settings(home=tmp_path, gate_rules=path)
    assert rules_for(settings, "maintenance") == RULES["maintenance"].model_copy(
        update={"requires_second_person": True, "max_psi": 0.3}
    )
    assert rules_for(settings, PRODUCT).max_psi == 0.2
    assert rules_for(settings, "french_mtpl").max_psi == 0.2


@pytest.mark.parametrize(("text", "why"), [
    ('{"maintenance": {"max_pis": 0.3}}', r"rule max_pis of maintenance cannot be used"),
    ('{"maintenance": {"max_psi": "much"}}', r"rule max_psi of maintenance"),
    ("[]", "no object of objects"),
    ("{", "cannot be read"),
])
def test_a_file_of_rules_that_cannot_be_used_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "rules.json").write_text(text)
    with pytest.raises(ConfigurationError, match=why):
        rules_for(Settings(home=tmp_path, gate_rules=tmp_path / "rules.json"), "maintenance")


def test_every_product_declares_its_rules() -> None:
    assert set(RULES) == set(PRODUCTS)
    for rules in RULES.values():
        assert rules.floors
        assert rules.required <= {gate.__name__ for gate in PROMOTION_GATES}
        assert all(isinstance(floor, Floor) for floor in rules.floors)


def assert_match(pattern: str, text: str) -> None:
    import re

    assert re.search(pattern, text), text

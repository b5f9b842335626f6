"""Answers, row by row: what the numbers and words of an answer must be."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from features.online import OnlineInputs
from registry.products import PRODUCTS
from registry.scorer import Scorer
from serving.answer_schema import ScoreAnswer
from serving.answering import answer_score, percentile_of
from serving.factors import factor_table, logarithmic_mean_to_one
from serving.reasons import number_text
from tests.lib.bundles import PORTFOLIO, tiny_bundle, tiny_rows
from tests.lib.desks import tiny_inputs, with_age


@pytest.fixture(scope="module")
def scorers():
    return {name: Scorer(tiny_bundle(name)) for name in (*PRODUCTS, PORTFOLIO)}


def answered(scorers, name: str, inputs: OnlineInputs) -> dict:
    return answer_score(scorers[name], "1", inputs, score_id="0" * 32, product=PRODUCTS.get(name)).answer


@pytest.mark.parametrize("name", [*PRODUCTS, PORTFOLIO])
@pytest.mark.parametrize("seed", range(5))
def test_decomposition_adds_up_and_groups_agree(scorers, name, seed):
    answer = answered(scorers, name, tiny_inputs(seed))
    parts = answer["decomposition"]
    total = math.fsum([parts["base"], parts["clamp"], *(line["points"] for line in parts["contributions"])])
    assert total == pytest.approx(answer["points"], abs=1e-9)
    assert parts["total"] == answer["points"]
    assert math.fsum(g["points"] for g in answer["groups"]) == pytest.approx(total - parts["base"] - parts["clamp"])
    assert answer["score"] == round(answer["points"], 1)
    ScoreAnswer.model_validate(answer, strict=True)


@pytest.mark.parametrize("seed", range(5))
def test_factors_multiply_to_the_relativity_and_yuan_add_up(scorers, seed):
    answer = answered(scorers, PORTFOLIO, tiny_inputs(seed))
    factors, quantities = answer["factors"], answer["answer"]
    assert factors[0]["group"] == "base"
    assert math.prod(f["factor"] for f in factors) == pytest.approx(quantities["relativity"], rel=1e-9)
    assert math.prod(f["frequency_factor"] for f in factors) == pytest.approx(quantities["frequency"], rel=1e-9)
    assert math.prod(f["severity_factor"] for f in factors) == pytest.approx(quantities["severity"], rel=1e-9)
    mean = scorers[PORTFOLIO].manifest.reference.mean_answer
    assert math.fsum(f["amount"] for f in factors) == pytest.approx(quantities["pure_premium"] - mean, abs=1e-9 * mean)
    assert all((f["factor"] > 1) == (f["amount"] > 0) for f in factors)


def test_factors_speak_of_their_own_row(scorers):
    scorer = scorers[PORTFOLIO]
    explanation = scorer.explain(scorer.encode(tiny_rows(3, 2))[0])
    first, second = (factor_table(scorer.manifest, explanation, row) for row in (0, 1))
    assert first != second


@pytest.mark.parametrize(("log_ratio", "mean"), [(0.0, 1.0), (1e-12, 1.0), (math.log(2.0), 1 / math.log(2.0))])
def test_logarithmic_mean(log_ratio, mean):
    assert logarithmic_mean_to_one(log_ratio) == pytest.approx(mean, rel=1e-11)


def test_reasons_that_raise_come_first_with_words_and_remedy(scorers):
    answer = answered(scorers, "insurance_pricing", tiny_inputs(penalties_365d=4.0))
    reasons = answer["reasons"]
    directions = [reason["direction"] for reason in reasons]
    assert len(reasons) <= 4
    assert directions == sorted(directions, key=["raises", "lowers"].index)
    assert reasons[0]["code"] == "R01"
    assert reasons[0]["zh"] == "近12个月超限及其他处罚次数：处罚次数为4，中位数为0"
    assert reasons[0]["en"].endswith("penalties is 4, the median is 0")
    assert reasons[0]["remedy"] == {
        "zh": "装载前称重，按限值装载", "en": "weigh before departure and load within the limit",
    }
    assert all(reason["remedy"] is None for reason in reasons if reason["direction"] == "lowers")


@pytest.mark.parametrize(
    ("answers", "name"),
    [
        ({"expected_rate", "expected_events", "probability"}, "enterprise_risk"),
        ({"frequency", "severity", "pure_premium", "relativity"}, "insurance_pricing"),
        ({"probability_7d", "probability_30d", "probability_90d"}, "maintenance"),
        ({"probability"}, "driver_fatigue"),
    ],
)
def test_quantities_by_product(scorers, answers, name):
    assert set(answered(scorers, name, tiny_inputs())["answer"]) == answers


@pytest.mark.parametrize(
    ("changes", "kind", "identifier"),
    [
        ({"source": ("vehicle_basic", None)}, "source", "vehicle_basic"),
        ({"source": ("vehicle_transport_permit", 99.0)}, "source", "vehicle_transport_permit"),
        ({"values": dict.fromkeys(("age_year", "night_share", "mileage_90d_km", "use"))}, "coverage", "inputs"),
    ],
)
def test_grey_is_an_answer_that_names_what_is_missing(scorers, changes, kind, identifier):
    inputs = tiny_inputs()
    if "source" in changes:
        inputs = with_age(inputs, *changes["source"])
    inputs = replace(inputs, values={**inputs.values, **changes.get("values", {})})
    answer = answered(scorers, "insurance_pricing", inputs)
    assert answer["tier"] == {"code": "grey", "zh": "灰", "en": "no score"}
    assert [answer[name] for name in ("score", "points", "answer", "decomposition", "percentile")] == [None] * 5
    assert [(m["kind"], m["id"]) for m in answer["no_score"]["missing"]] == [(kind, identifier)]
    ScoreAnswer.model_validate(answer, strict=True)


def test_a_stale_source_that_is_not_mandatory_is_a_warning(scorers):
    inputs = with_age(tiny_inputs(), "vehicle_inspection", 500.0)
    answer = answered(scorers, "insurance_pricing", inputs)
    assert answer["score"] is not None
    assert [(w["code"], w["subject"]) for w in answer["warnings"]] == [("stale-source", "vehicle_inspection")]


def test_an_unseen_category_scores_as_other_and_warns(scorers):
    answer = answered(scorers, PORTFOLIO, tiny_inputs(use="submarine"))
    assert [(w["code"], w["subject"]) for w in answer["warnings"]] == [("unseen-category", "use")]


def test_nothing_on_record_counts_as_known(scorers):
    answer = answered(scorers, PORTFOLIO, tiny_inputs(penalties_365d=None, age_year=None))
    assert (answer["coverage"]["present"], answer["coverage"]["total"]) == (5, 6)


@pytest.mark.parametrize(
    ("points", "percentile"),
    [(-1, 0.0), (0, 0.0), (5, 5.0), (5.5, 5.5), (100, 100.0), (101, 100.0)],
)
def test_percentile_on_even_quantiles(points, percentile):
    assert percentile_of(points, tuple(float(q) for q in range(101))) == percentile


def test_percentile_in_the_middle_of_a_tie():
    quantiles = (*[0.0] * 41, *np.linspace(1, 60, 60).tolist())
    assert percentile_of(0.0, quantiles) == 20.0


@pytest.mark.parametrize(("value", "text"), [(12345.6, "12,346"), (0.28925, "0.289"), (3.0, "3"), (-0.5, "-0.5")])
def test_numbers_for_people(value, text):
    assert number_text(value) == text

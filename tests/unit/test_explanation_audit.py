"""The audit of explanations: on scores whose right answer is known, and on explanations that were spoilt on purpose."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd
import pytest

from registry.documents.tongue import Tongue
from registry.scorer import Scorer
from tests.lib.bundles import tiny_bundle, tiny_rows
from tests.lib.real_bundles import rate_bundle
from training.cards.explained import explanations
from training.explained.audit import audited
from training.explained.deletion import deletion
from training.explained.effects import local_effects
from training.explained.interventional import interventional
from training.explained.noise import NOISE, stability, with_noise
from training.explained.sample import Sample, draw_sample, overlap, row_correlation, top_codes

NAMES = ("case_per_vehicle_year", "fine_cny_per_vehicle_year", "fleet_size", "maintenance_overdue_share", "n_drivers")


def numbers() -> Sample:
    scorer = Scorer(rate_bundle("enterprise_risk", NAMES, upper=(3.0, 900.0, 90.0, 1.0, 40.0), weights=(2.0, 1.0, 0.5, 1.0, -0.5)))
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.random((400, 5)) * np.array([3.0, 900.0, 90.0, 1.0, 40.0]), columns=NAMES)
    frame["fold"] = np.where(np.arange(400) < 300, "train", "test")
    return draw_sample(scorer, frame, seed=1, rows=60, background=40)


def categories() -> Sample:
    frame = pd.DataFrame(tiny_rows(3, 300))
    frame["fold"] = np.where(np.arange(300) < 200, "train", "test")
    return draw_sample(Scorer(tiny_bundle("enterprise_risk")), frame, seed=1, rows=30, background=10)


class Spoilt(Sample):
    """A sample whose explanations belong to other rows."""

    @cached_property
    def contributions(self):  # type: ignore[override]
        return np.roll(self.explanation.contributions, 7, axis=0)


@pytest.mark.parametrize("make", [numbers, categories])
def test_a_good_explanation_is_found_good(make):
    found = audited(make(), seed=1)
    assert found["additivity"]["max_error"] < 1e-9
    assert found["interventional"]["correlation"]["median"] > 0.9
    assert found["interventional"]["additivity_error"] < 1e-3
    assert found["deletion"]["steps"][0]["named"] > found["deletion"]["steps"][0]["random"]
    assert found["stability"]["jaccard"] > 0.8


def test_explanations_of_other_rows_are_found_out():
    good = numbers()
    bad = Spoilt(good.scorer, good.positions, good.matrix, good.background, good.columns)
    assert deletion(bad, seed=1)["correlation"] < 0.5 < deletion(good, seed=1)["correlation"]
    assert interventional(bad, seed=1)["correlation"]["median"] < interventional(good, seed=1)["correlation"]["median"] - 0.3
    assert audited(bad, seed=1)["additivity"]["max_error"] > 1.0


def test_the_kernel_follows_what_the_trees_split_on():
    assert interventional(numbers(), seed=1)["how"] == "exact"
    assert interventional(categories(), seed=1)["how"] == "permutation"


def test_noise_leaves_counts_zeros_gaps_and_categories_alone():
    sample = categories()
    noisy = with_noise(sample, np.random.default_rng(0))
    before, after = sample.matrix, noisy
    moved = (before != after) & ~(np.isnan(before) & np.isnan(after))
    whole = before == np.round(before)
    assert moved.any()
    assert not (moved & whole).any()
    assert np.array_equal(np.isnan(before), np.isnan(after))
    assert np.abs(after[moved] / before[moved] - 1).max() < 6 * NOISE


def test_the_audit_is_the_same_twice():
    assert audited(numbers(), seed=1) == audited(numbers(), seed=1)


def test_reasons_are_those_of_the_service():
    from serving.reasons import reasons_of

    sample = categories()
    for row, codes in zip(sample.contributions.tolist(), top_codes(sample.scorer, sample.contributions), strict=True):
        assert tuple(one["code"] for one in reasons_of(sample.scorer.manifest, row, {})) == codes


def test_overlap_counts_sets_and_firsts():
    assert overlap([("R01", "R02"), ()], [("R02", "R01"), ()]) == {"jaccard": 1.0, "same_first": 0.5}


def test_rows_that_do_not_vary_have_no_correlation():
    found = row_correlation(np.array([[1.0, 2.0], [1.0, 1.0]]), np.array([[2.0, 4.0], [1.0, 2.0]]))
    assert found[0] == pytest.approx(1.0)
    assert np.isnan(found[1])


def test_what_is_typical_is_a_median_or_the_most_frequent_code():
    sample = categories()
    sample = replace(sample, background=np.array([[1.0, 0.0, np.nan, 5.0, 2.0, 3.0], [3.0, 0.0, np.nan, 7.0, 4.0, 3.0]]))
    typical = sample.typical
    assert typical[[0, 1, 3, 4, 5]].tolist() == [2.0, 0.0, 6.0, 3.0, 3.0]
    assert np.isnan(typical[2])


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_card_says_what_was_found_or_how_to_find_out(lang):
    whole = {"product": "enterprise_risk", "data": {"simulated": True}, "evidence": {}}
    assert "roadrisk explain audit enterprise_risk" in explanations(whole, Tongue(lang))[1].text
    found = audited(numbers(), seed=1) | {"truth": None}
    blocks = explanations(whole | {"evidence": {"explanation": found}}, Tongue(lang))
    assert f"{found['stability']['jaccard']:.2%}" in str(blocks)


def test_stability_looks_at_every_draw():
    assert stability(numbers(), seed=1, draws=2)["draws"] == 2


def test_local_effects_follow_what_the_score_was_made_of():
    found = {one["feature"]: one for one in local_effects(numbers())}
    rising = found["case_per_vehicle_year"]
    assert rising["y"][-1] - rising["y"][0] > 50
    assert found["n_drivers"]["y"][-1] < found["n_drivers"]["y"][0]
    weights = np.array(rising["n"])
    middles = (np.array(rising["y"][:-1]) + np.array(rising["y"][1:])) / 2
    assert abs(float(middles @ weights)) < 1e-6 * weights.sum()
    assert rising["x"] == sorted(rising["x"])

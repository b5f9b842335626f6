"""From a fitted score to a bundle: same bytes again, exact arithmetic, tiers of the declared size, golden variety."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from registry.bundle import ScoreBundle
from registry.errors import TrainingError
from registry.scorer import Scorer
from tests.lib.frames import COMPONENTS, FAST, made_up, task
from training.assemble import assemble, cut_points
from training.calibration import calibrate
from training.evaluation import binned_mean, evaluate, headline
from training.fit import fit_score
from training.fitted import FittedScore
from training.matrix import outcome


def trained(answer: str, *, threads: int = 1, seed: int = 7) -> FittedScore:
    return calibrate(fit_score(task(answer), made_up(), seed=seed, threads=threads, parameters=FAST))[0]


def bundle_of(answer: str, *, threads: int = 1, seed: int = 7) -> ScoreBundle:
    return assemble(trained(answer, threads=threads, seed=seed), snapshot="s")


def test_same_data_and_seed_give_the_same_digest_whatever_the_threads() -> None:
    first = bundle_of("pure_premium")
    assert bundle_of("pure_premium").digest == first.digest
    assert bundle_of("pure_premium", threads=2).digest == first.digest
    assert bundle_of("pure_premium", seed=8).digest != first.digest


@pytest.mark.parametrize("answer", list(COMPONENTS))
def test_the_scorer_agrees_with_training_and_contributions_add_up(answer: str) -> None:
    fitted = trained(answer)
    scorer = Scorer(assemble(fitted, snapshot="s"))
    rows = slice(0, 100)
    matrix = scorer.encode_frame(fitted.data.frame[rows])
    np.testing.assert_array_equal(scorer.component_margins(matrix), fitted.component_margins[rows])
    explanation = scorer.explain(matrix)
    total = explanation.base + explanation.contributions.sum(axis=1) + explanation.clamp
    np.testing.assert_allclose(total, scorer.points(matrix), atol=1e-9)


def test_the_reference_population_lies_at_500_and_its_tiers_have_the_declared_shares() -> None:
    fitted = trained("rate")
    scorer = Scorer(assemble(fitted, snapshot="s"))
    points = scorer.points(fitted.data.matrix[fitted.data.fitted_rows])
    tiers = [scorer.manifest.scale.tier(p) for p in points.tolist()]
    assert points.mean() == pytest.approx(500.0, abs=1e-6)
    assert tiers.count("red") / len(tiers) == pytest.approx(0.05, abs=0.02)
    assert tiers.count("orange") / len(tiers) == pytest.approx(0.15, abs=0.03)
    assert scorer.manifest.reference.point_quantiles[100] == pytest.approx(points.max())


def test_relativity_one_lies_at_the_exposure_weighted_mean() -> None:
    fitted = trained("pure_premium")
    rows = fitted.data.fitted_rows
    premium = np.exp(fitted.component_margins[rows].sum(axis=1))
    expected = np.average(premium, weights=fitted.data.frame.loc[rows, "exposure"])
    assert assemble(fitted, snapshot="s").manifest.reference.mean_answer == pytest.approx(float(expected), rel=1e-12)


def test_golden_rows_hold_a_missing_row_and_an_unseen_category() -> None:
    golden = bundle_of("rate").golden
    assert len(golden.rows) == 8
    assert (None, 0.0, None) in golden.rows
    assert any(row[2] == 0.0 for row in golden.rows)
    assert len(set(golden.raw)) > 3


def test_windows_and_snapshot_are_on_record() -> None:
    provenance = bundle_of("rate").manifest.provenance
    assert provenance.snapshot == "s"
    assert provenance.train_window[0].endswith("+00:00")
    assert provenance.train_window[0] <= provenance.train_window[1] <= provenance.data_cut
    assert provenance.libraries["lightgbm"]
    assert "num_threads" not in provenance.parameters["events"]


def test_cut_points_leave_the_declared_shares_above() -> None:
    points = np.arange(1000.0)
    assert cut_points(points, (0.05, 0.15, 0.30)) == pytest.approx((499.5, 799.2, 949.05))
    with pytest.raises(TrainingError, match="tier shares"):
        cut_points(points, (0.5, 0.3, 0.3))


def test_evaluation_beats_trivial_baselines_and_brackets_its_figures() -> None:
    fitted = trained("rate")
    figures = evaluate(fitted.data, fitted.component_margins, seed=1, replicates=30)
    test = figures["components"]["events"]["test"]
    low, high = test["intervals"]["d2"]
    assert low < test["d2"] < high
    assert test["baselines"]["constant"]["saved_by_score"] > 0.02
    assert test["baselines"]["age_year"]["saved_by_score"] > 0.0
    quintiles = test["exposure_quintiles"]
    assert len(quintiles) == 5
    assert all(a["exposure_to"] <= b["exposure_from"] for a, b in itertools.pairwise(quintiles))
    assert headline(figures)["events_test_d2"] == test["d2"]
    assert math.isclose(sum(b["share"] for b in test["bands"]), 1.0)


def test_a_premium_is_judged_as_a_product_and_a_hazard_by_interval() -> None:
    premium = trained("pure_premium")
    figures = evaluate(premium.data, premium.component_margins, seed=1, replicates=0)
    assert figures["score"]["test"]["gini"] > 0.1
    hazard = trained("hazard")
    figures = evaluate(hazard.data, hazard.component_margins, seed=1, replicates=0)
    assert {name: folds["test"]["auc"] > 0.5 for name, folds in figures["components"].items()} == {
        "hazard_7": True, "hazard_30": True, "hazard_90": True,
    }


def test_a_fold_without_a_test_period_is_left_out() -> None:
    frame = made_up().assign(fold=lambda f: f["fold"].replace("test", "none"))
    fitted = calibrate(fit_score(task("rate"), frame, seed=7, threads=1, parameters=FAST))[0]
    figures = evaluate(fitted.data, fitted.component_margins, seed=1, replicates=5)
    assert set(figures["components"]["events"]) == {"train", "valid"}
    assert assemble(fitted, snapshot="s").manifest.provenance.test_window == ("", "")


def test_the_binned_baseline_gives_missing_values_their_own_mean() -> None:
    fitted = trained("rate")
    target = outcome(fitted.task.components[0], fitted.data.frame)
    column = fitted.data.frame["age_year"].to_numpy()
    means = binned_mean(column, target, fitted.data.fitted_rows)
    assert len(np.unique(means[np.isnan(column)])) == 1
    assert means[np.nanargmax(column)] > means[np.nanargmin(column)]

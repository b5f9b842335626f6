"""The paired comparison: finds the better score, does not invent one, and keeps rows that a formula does not grade."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.formulas import FORMULAS
from tests.lib.judged import judged, part_of
from training import metrics
from training.judgement.baselines import Candidate, candidate, constant, present
from training.judgement.challenger import double_lift
from training.judgement.comparison import beaten, compare
from training.judgement.resampling import Draws, excludes_zero, interval
from training.judgement.rivals import formula_rivals
from training.judgement.subject import Subject

AGE = FORMULAS["age_vehicle"]


def rival(name: str, prediction: np.ndarray) -> Candidate:
    return Candidate(id=name, zh=name, en=name, kind="formula", ranking=prediction, prediction=prediction)


def table(subject: Subject, part: object, *rivals: Candidate) -> dict[str, object]:
    groups = subject.frame["group"].to_numpy()
    return compare(part, rivals, subject.test, groups, subject.axes, replicates=100, seed=1)  # type: ignore[arg-type]


def noisy(n: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return np.exp(scale * np.random.default_rng(seed).normal(size=n))


def test_a_truly_better_score_beats_overall_and_within() -> None:
    subject = judged("rate")
    worse = rival("worse", subject.main.prediction * noisy(len(subject.frame)))
    found = table(subject, subject.main, worse, constant(subject.main, subject))
    assert found["not_beaten"] == []
    one = found["rivals"][0]  # type: ignore[index]
    assert beaten(one)
    assert set(one["within"]) == {"exposure", "mileage"}
    assert len(one["within"]["mileage"]["quintiles"]) == 5
    assert one["deviance_saved"]["verdict"] == "beats"


def test_scores_of_equal_worth_are_not_told_apart() -> None:
    subject = judged("rate")
    n = len(subject.frame)
    # The same prediction under two independent noises of one size.
    part = part_of(subject, prediction=subject.main.prediction * noisy(n, 1, 0.3))
    part = replace(part, ranking=part.prediction)
    found = table(subject, part, rival("twin", subject.main.prediction * noisy(n, 2, 0.3)), rival("itself", part.prediction))
    verdicts = {one["id"]: one["overall"] for one in found["rivals"]}  # type: ignore[attr-defined]
    assert verdicts["twin"]["verdict"] == "equal"
    assert verdicts["itself"] == {"difference": 0.0, "interval": [0.0, 0.0], "verdict": "equal"}
    assert found["not_beaten"] == ["twin", "itself"]


def test_a_better_rival_is_said_to_be_better() -> None:
    subject = judged("probability", "maintenance")
    part = part_of(subject, ranking=noisy(len(subject.frame)))
    (one,) = table(subject, part, rival("score", subject.main.prediction))["rivals"]  # type: ignore[misc]
    assert one["overall"]["verdict"] == "loses"
    assert set(one["metrics"]) >= {"auc", "ks", "brier", "log_loss", "deviance", "d2"}


def test_figures_are_those_of_the_plain_measures() -> None:
    subject = judged("rate")
    part, rows = subject.main, subject.test
    found = table(subject, part, constant(part, subject))
    expected = metrics.gini(part.label[rows], part.prediction[rows], part.weight[rows])
    assert found["score"]["metrics"]["gini"] == pytest.approx(expected)  # type: ignore[index]
    low, high = found["score"]["intervals"]["gini"]  # type: ignore[index]
    assert low < expected < high


def test_ungraded_rows_stay_and_stand_where_their_own_outcome_puts_them() -> None:
    subject = judged("rate")
    part = subject.main
    grey = subject.frame["age_year"].isna().to_numpy()
    one = candidate(AGE, part, subject)
    assert np.isfinite(one.ranking).all()
    assert (one.prediction > 0).all()
    development = subject.development
    mean = np.average(part.label[grey & development], weights=part.weight[grey & development])
    assert one.prediction[grey][0] == pytest.approx(mean, rel=0.1)
    assert f"{grey[subject.test].mean():.1%} of the test rows without a value" in one.note


def test_the_test_period_has_no_part_in_a_baseline() -> None:
    subject = judged("rate")
    turned = part_of(subject, label=np.where(subject.test, subject.main.label[::-1], subject.main.label))
    before, after = candidate(AGE, subject.main, subject), candidate(AGE, turned, subject)
    np.testing.assert_array_equal(before.prediction, after.prediction)
    np.testing.assert_array_equal(before.ranking, after.ranking)


def test_formulas_without_a_column_are_left_out_and_said() -> None:
    kept, skipped = present(judged("rate"))
    assert {formula.id for formula in kept} == {"mileage_vehicle", "age_vehicle"}
    reasons = {one["id"]: one["reason"] for one in skipped}
    assert reasons["eu_2022_695"] == "the frame has no column eu_2022_695_rating; the features were built without it"


def test_a_rate_is_also_judged_by_whether_anything_happens() -> None:
    subject = judged("rate")
    part = subject.parts["any_event"]
    rivals, _ = formula_rivals(subject, part)
    assert ((part.prediction > 0) & (part.prediction < 1)).all()
    assert all(((one.prediction > 0) & (one.prediction < 1)).all() for one in rivals)
    assert part.measure == "auc"


def test_a_hazard_is_judged_by_what_happens_within_the_longest_horizon() -> None:
    subject = judged("hazard", "maintenance")
    part, frame = subject.main, subject.frame
    happened = frame[["event_7", "event_30", "event_90"]].to_numpy().any(axis=1)
    np.testing.assert_array_equal(part.label[part.used] > 0, happened[part.used])
    # A row censored before the end of the horizon without an event says nothing.
    censored = ~happened & ~frame["at_risk_90"].to_numpy()
    assert censored.any()
    assert not part.used[censored].any()
    survival = np.prod(1 - 1 / (1 + np.exp(-subject.component_margins)), axis=1)
    np.testing.assert_allclose(part.prediction, 1 - survival)


def test_double_lift_says_which_price_is_nearer() -> None:
    subject = judged("pure_premium")
    part, rows = subject.main, subject.test & subject.main.used
    draws = Draws.of(subject.frame["group"].to_numpy()[rows], replicates=60, seed=1)
    worse = double_lift(part, part.prediction * noisy(len(part.label)), rows, draws)
    assert worse["nearer_by"]["interval"][0] > 0
    assert len(worse["deciles"]) == 10
    assert [one["ratio"] for one in worse["deciles"]] == sorted(one["ratio"] for one in worse["deciles"])
    # Where the noise made the rival small, it expects too little.
    assert worse["deciles"][-1]["rival"] > 1.5 > worse["deciles"][-1]["score"]
    same = double_lift(part, part.prediction, rows, draws)
    assert same["nearer_by"] == {"difference": 0.0, "interval": [0.0, 0.0]}


@pytest.mark.parametrize(
    ("found", "word"),
    [([0.1, 0.2], "beats"), ([-0.1, 0.2], "equal"), ([-0.2, -0.1], "loses"), ([0.0, 0.0], "equal"), (None, "unknown")],
)
def test_words_of_an_interval(found: list[float] | None, word: str) -> None:
    assert excludes_zero(found) == word


def test_an_interval_needs_figures() -> None:
    assert interval(np.array([np.nan, np.nan, np.nan, 1.0])) is None
    assert interval(np.array([])) is None
    assert interval(np.arange(101.0)) == pytest.approx([2.5, 97.5])

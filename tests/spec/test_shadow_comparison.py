"""Champion beside challenger: dislocation and migration as tables, power against simulation, outcomes against hand counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from registry.errors import DataError
from registry.power import (
    Design,
    auc_variance,
    detectable,
    events_for_ratio,
    rows_for_auc,
    rows_for_binary_deviance,
    rows_for_error,
    rows_for_gini,
    rows_for_poisson_deviance,
)
from registry.shadow_comparison import Wanted, dislocation, poisson_deviance_of, rank_correlation, waiting
from registry.shadow_outcomes import on_outcomes, read_outcomes, with_outcomes

DESIGN = Design()


def rows(n: int, seed: int = 1, *, answer: str = "probability", noise: float = 0.3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    old = rng.normal(-2.0, 0.8, n)
    new = old + rng.normal(0.0, noise, n)
    name = {"probability": "probability", "rate": "expected_rate"}[answer]
    link = (lambda m: 1 / (1 + np.exp(-m))) if answer == "probability" else np.exp
    return pd.DataFrame({
        "score_id": [f"s{k}" for k in range(n)], "entity_id": [f"e{k // 2}" for k in range(n)],
        "at": pd.date_range("2026-07-01", periods=n, freq="1h", tz="UTC"),
        "as_of": pd.Timestamp("2026-07-01", tz="UTC"), "champion_points": 500 + 70 * old, "challenger_points": 500 + 70 * new,
        "champion_tier": np.where(old > -1.5, "red", "blue"), "challenger_tier": np.where(new > -1.5, "red", "blue"),
        "champion_answer": [{name: float(p)} for p in link(old)], "challenger_answer": [{name: float(p)} for p in link(new)],
        "exposure": np.full(n, 0.5),
    })


def test_dislocation_is_what_one_counts_by_hand() -> None:
    frame = rows(4).assign(
        champion_points=[500.0, 510.0, 520.0, None], challenger_points=[505.0, 500.0, 540.0, 480.0],
        champion_tier=["blue", "blue", "red", "grey"], challenger_tier=["blue", "yellow", "red", "blue"],
    )
    found = dislocation(frame)
    assert found["points"] == pytest.approx({
        "mean_abs": 35 / 3, "median_abs": 10.0, "p95_abs": 19.0, "max_abs": 20.0, "mean": 5.0,
    })
    assert found["rank_correlation"] == pytest.approx(0.5)
    moves = dict(zip(found["tiers"], found["migration"], strict=True))
    assert found["tiers"] == ["red", "orange", "yellow", "blue", "grey"]
    assert moves["blue"] == [0, 0, 1, 1, 0]
    assert moves["grey"] == [0, 0, 0, 1, 0]
    assert (found["same_tier_share"], found["both_scored"], found["rows"]) == (0.5, 3, 4)
    assert found["grey"] == {"champion_only": 1, "challenger_only": 0}


def test_nothing_scored_is_told_as_nothing() -> None:
    found = dislocation(rows(4).iloc[:0])
    assert (found["rows"], found["points"], found["rank_correlation"], found["same_tier_share"]) == (0, None, None, None)
    later = waiting(rows(4).iloc[:0], answer="probability", horizon_d=30, wanted=Wanted(), discrimination={})
    assert later["differences"] == {}


def test_the_factor_is_that_of_the_tables() -> None:
    assert DESIGN.factor == pytest.approx(1.959964 + 0.841621, abs=1e-5)
    with pytest.raises(ValueError, match="level and power must lie"):
        Design(alpha=0.5, power=0.3)


def test_the_variance_of_an_auc_is_what_simulation_gives() -> None:
    rng, n, share = np.random.default_rng(3), 4000, 0.2
    found = []
    for _ in range(300):
        event = rng.random(n) < share
        # Exponential scores of ratio r have AUC r / (1 + r), and Hanley and McNeil's formula holds for them.
        score = np.where(event, rng.exponential(3.0, n), rng.exponential(1.0, n))
        ranks = score.argsort().argsort() + 1
        m = event.sum()
        found.append((ranks[event].sum() - m * (m + 1) / 2) / (m * (n - m)))
    assert np.mean(found) == pytest.approx(0.75, abs=0.005)
    assert np.var(found) * n == pytest.approx(auc_variance(0.75, share), rel=0.25)


def test_rows_until_seen_follow_the_formulas() -> None:
    n = rows_for_auc(0.01, auc=0.7, event_share=0.05, correlation=0.9, design=DESIGN)
    assert n == pytest.approx(DESIGN.factor**2 * 2 * auc_variance(0.7, 0.05) * 0.1 / 0.01**2)
    assert rows_for_gini(0.02, gini=0.4, event_share=0.05, correlation=0.9, design=DESIGN) == pytest.approx(n)
    assert rows_for_error(0.01, standard_error=0.01, rows=1000, design=DESIGN) == pytest.approx(1000 * DESIGN.factor**2)
    variance = 2 * auc_variance(0.7, 0.05) * 0.1
    assert detectable(variance=variance, rows=n, design=DESIGN) == pytest.approx(0.01)
    # 10 % more events than expected: about 860 events at 5 % and 80 %.
    assert events_for_ratio(0.1, design=DESIGN) == pytest.approx(864, abs=1)
    with pytest.raises(ValueError, match="a difference of zero is never seen"):
        rows_for_error(0.0, standard_error=1.0, rows=1, design=DESIGN)
    with pytest.raises(ValueError, match="has no size"):
        events_for_ratio(0.0, design=DESIGN)
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        auc_variance(0.7, 0.0)


@pytest.mark.parametrize("kind", ["poisson", "binary"])
def test_a_test_with_so_many_rows_finds_the_difference_as_often_as_asked(kind: str) -> None:
    rng, p = np.random.default_rng(5), 2000
    old = rng.uniform(0.05, 0.3, p)
    new = old * np.exp(rng.normal(0.0, 0.4, p))
    new = np.clip(new, 0.01, 0.9)
    truth = (old + new) / 2
    if kind == "poisson":
        change = 2 * ((new - old) - truth * np.log(new / old))
    else:
        change = truth * -2 * np.log(new / old) + (1 - truth) * (-2 * np.log1p(-new) + 2 * np.log1p(-old))
    size = abs(float(change.mean())) + 0.01
    needed = (
        rows_for_poisson_deviance(size, champion=old, challenger=new, exposure=np.ones(p), design=DESIGN)
        if kind == "poisson" else rows_for_binary_deviance(size, champion=old, challenger=new, design=DESIGN)
    )
    shift, seen, n = size - float(change.mean()), 0, int(np.ceil(needed))
    for _ in range(400):
        pick = rng.integers(0, p, n)
        a, b, m = old[pick], new[pick], truth[pick]
        if kind == "poisson":
            y = rng.poisson(m)
            d = 2 * ((b - a) - y * np.log(b / a))
        else:
            y = rng.random(n) < m
            d = np.where(y, -2 * np.log(b / a), -2 * np.log1p(-b) + 2 * np.log1p(-a))
        d = d + shift
        seen += abs(d.mean()) > 1.96 * d.std(ddof=1) / np.sqrt(n)
    assert 0.72 < seen / 400 < 0.88


def test_the_mean_deviance_of_counts_is_what_simulation_gives() -> None:
    rng = np.random.default_rng(7)
    for mean in (0.05, 0.7, 6.0):
        y = rng.poisson(mean, 200_000)
        ratio = np.log(np.where(y > 0, y, mean) / mean)
        assert poisson_deviance_of(np.array([mean]))[0] == pytest.approx(2 * np.mean(y * ratio - (y - mean)), rel=0.02)


@pytest.mark.parametrize(("answer", "measure"), [("probability", "auc"), ("rate", "gini")])
def test_waiting_counts_entities_and_the_outcome_window(answer: str, measure: str) -> None:
    frame = rows(200, answer=answer)
    found = waiting(frame, answer=answer, horizon_d=180, wanted=Wanted(), discrimination={measure: 0.6})
    assert found["rows_per_day"] == pytest.approx(200 * 24 / 199)
    assert found["design_effect"] == 2.0
    assert set(found["differences"]) == {measure, "deviance", "actual_to_expected"}
    for one in found["differences"].values():
        assert one["rows"] > 0
        assert one["days"] == pytest.approx(one["rows"] / found["rows_per_day"], rel=0.05)
        assert one["days_until_known"] == one["days"] + 180
    ratio = found["differences"]["actual_to_expected"]
    assert ratio["rows"] == pytest.approx(2 * 864.1 / found["expected_events_per_row"], rel=0.01)


def outcomes(frame: pd.DataFrame, seed: int = 2) -> pd.DataFrame:
    truth = np.array([one["probability"] for one in frame["challenger_answer"]])
    target = (np.random.default_rng(seed).random(len(frame)) < truth).astype(float)
    return pd.DataFrame({"score_id": frame["score_id"], "target": target})


def test_a_better_challenger_is_seen_on_outcomes() -> None:
    frame = rows(3000, noise=0.8)
    found = on_outcomes(with_outcomes(frame, outcomes(frame)), answer="probability", wanted=Wanted(), seed=1)
    deviance, auc = found["measures"]["deviance"], found["measures"]["auc"]
    assert (found["rows"], found["enough"]) == (3000, True)
    assert deviance["interval"][1] < 0 < auc["interval"][0]
    assert auc["difference"] == pytest.approx(auc["challenger"] - auc["champion"])
    assert auc["rows_needed"] == int(np.ceil(3000 * (DESIGN.factor * auc["standard_error"] / 0.01) ** 2))
    again = on_outcomes(with_outcomes(frame, outcomes(frame)), answer="probability", wanted=Wanted(), seed=1)
    assert again == found


def test_measures_on_outcomes_are_what_one_counts_by_hand() -> None:
    frame = rows(40)
    kept = with_outcomes(frame, outcomes(frame))
    found = on_outcomes(kept, answer="probability", wanted=Wanted(), seed=1)
    p, y = np.array([one["probability"] for one in kept["champion_answer"]]), kept["target"].to_numpy()
    pairs = [(a > b) + 0.5 * (a == b) for a in p[y == 1] for b in p[y == 0]]
    assert found["measures"]["auc"]["champion"] == pytest.approx(np.mean(pairs))
    loss = -2 * np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert found["measures"]["deviance"]["champion"] == pytest.approx(loss)


def test_a_rate_is_judged_with_its_exposure() -> None:
    frame = rows(500, answer="rate")
    truth = np.array([one["expected_rate"] for one in frame["challenger_answer"]]) * 0.8
    table = pd.DataFrame({
        "entity_id": frame["entity_id"], "as_of": "2026-07-01T00:00:00+00:00", "exposure": 0.8,
        "target": np.random.default_rng(1).poisson(truth),
    }).drop_duplicates("entity_id")
    joined = with_outcomes(frame, table)
    assert len(joined) == 500
    assert set(joined["exposure"]) == {0.8}
    assert set(on_outcomes(joined, answer="rate", wanted=Wanted(), seed=1)["measures"]) == {"deviance", "gini"}


def test_few_outcomes_are_told_and_not_measured() -> None:
    frame = rows(10)
    found = on_outcomes(with_outcomes(frame, outcomes(frame)), answer="probability", wanted=Wanted(), seed=1)
    assert (found["rows"], found["enough"], found["measures"]) == (10, False, {})


@pytest.mark.parametrize(("content", "why"), [
    ({"score_id": ["a"]}, "outcomes have columns"), ({"entity_id": ["a"], "target": [1]}, "outcomes have columns"),
    ({"score_id": ["a"], "target": [-1]}, "missing, negative or no number"),
    ({"score_id": ["a"], "target": ["many"]}, "missing, negative or no number"),
])
def test_outcomes_that_cannot_be_used_are_refused(tmp_path: Path, content: dict[str, Any], why: str) -> None:
    pd.DataFrame(content).to_csv(tmp_path / "o.csv", index=False)
    with pytest.raises(DataError, match=why):
        read_outcomes(tmp_path / "o.csv")


def test_an_outcome_that_is_told_twice_is_refused() -> None:
    frame = rows(4)
    with pytest.raises(DataError, match="1 outcomes are told twice"):
        with_outcomes(frame, pd.DataFrame({"score_id": ["s1", "s1"], "target": [0, 1]}))


def test_ranks_of_what_does_not_vary_have_no_correlation() -> None:
    assert rank_correlation(np.ones(3), np.arange(3.0)) is None

"""Monitoring in small: what indices, balances, estimates and segments say of made-up populations whose truth is known."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from registry.elasticity import Grid
from registry.errors import ConfigurationError
from registry.settings import Settings
from serving.console.monitoring_routes import segment_words
from serving.console.series import series, stacked
from serving.monitoring.alerts import alerts
from serving.monitoring.estimate import LEAST_ROWS, Worth, estimate, foretold, summary, worth_at
from serving.monitoring.inspection import inspection
from serving.monitoring.joined import ACTUAL, AT, ENTITY, EXPECTED, GROUP, KNOWN_AT, MONTH, OUTCOMES, POINTS, WEIGHT
from serving.monitoring.measures import balance, gini, gini_interval, mean_interval
from serving.monitoring.report import _ahead, calibration
from serving.monitoring.rules import LIMITS, limits_for
from serving.monitoring.segments import _dimension
from serving.monitoring.stability import psi, psi_of_kinds

START = datetime(2025, 1, 1, tzinfo=UTC)
LEARNT_UNTIL = datetime(2025, 3, 15, tzinfo=UTC)


def cohort(months: int = 12, n: int = 800, *, worth: float = 1.0, since: int = 99, seed: int = 3, lag_d: int = 60) -> pd.DataFrame:
    """Rows whose outcomes are Poisson around their expectation, times `worth` from a month on."""
    random, parts = np.random.default_rng(seed), []
    for month in range(months):
        rate = random.gamma(2.0, 0.15, n)
        weight = random.uniform(0.5, 1.5, n)
        expected = rate * weight
        at = START + timedelta(days=30 * month + 2)
        parts.append(pd.DataFrame({
            ENTITY: [f"e{k}" for k in range(n)], GROUP: [f"g{k % 200}" for k in range(n)], AT: pd.Timestamp(at),
            KNOWN_AT: pd.Timestamp(at + timedelta(days=lag_d)), MONTH: f"{at:%Y-%m}", WEIGHT: weight, EXPECTED: expected,
            ACTUAL: random.poisson(expected * (worth if month >= since else 1.0)).astype(float),
            POINTS: 500.0 + 100.0 * np.log(rate + 0.1),
        }))
    return pd.concat(parts, ignore_index=True)


def test_an_index_is_nothing_for_the_same_and_large_for_another_population():
    random = np.random.default_rng(0)
    a, b = random.normal(size=20_000), random.normal(size=20_000)
    assert psi(a, a) == 0.0
    same, moved = psi(a, b), psi(a + 0.5, b)
    assert same is not None
    assert moved is not None
    assert same < 0.005 < 0.2 < moved
    assert psi(np.array([]), a) is None
    # Values that became unknown are a move of their own.
    hidden = np.where(np.arange(len(a)) % 2 == 0, np.nan, a)
    assert (psi(hidden, b) or 0.0) > 1.0
    assert psi_of_kinds(["a"] * 50 + ["b"] * 50, ["a", "b"] * 50) == 0.0
    assert (psi_of_kinds(["c"] * 100, ["a"] * 100) or 0.0) > 5.0


def test_an_index_by_hand():
    reference, now = np.repeat([1.0, 2.0], 50), np.repeat([1.0, 2.0], [80, 20])
    assert psi(now, reference, bins=2) == pytest.approx(0.3 * np.log(0.8 / 0.5) - 0.3 * np.log(0.2 / 0.5))


def test_a_gini_is_that_of_the_lorenz_curve():
    ranking, weight, outcome = np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4), np.array([0.0, 0.0, 0.0, 8.0])
    # Everything comes to the last quarter: the area under the curve is an eighth.
    assert gini(ranking, weight, outcome) == pytest.approx(0.75)
    assert gini(-ranking, weight, outcome) == pytest.approx(-0.75)
    assert gini(np.ones(4), weight, outcome) == pytest.approx(0.0)
    assert gini(ranking, weight, np.zeros(4)) is None


def test_intervals_hold_what_they_promise():
    inside, ginis = 0, 0
    rows = cohort(1, 100_000)
    whole = gini((rows[EXPECTED] / rows[WEIGHT]).to_numpy(), rows[WEIGHT].to_numpy(), rows[EXPECTED].to_numpy())
    assert whole is not None
    for seed in range(200):
        one = cohort(1, 400, seed=seed)
        actual, expected, weight = (one[name].to_numpy() for name in (ACTUAL, EXPECTED, WEIGHT))
        low, high = balance(actual, expected, one[GROUP].to_numpy())["interval"]
        inside += low <= 1.0 <= high
        found = gini_interval(expected / weight, weight, actual, one[GROUP].to_numpy())
        assert found is not None
        ginis += found[0] <= whole <= found[1]
    assert 180 <= inside <= 198
    assert 176 <= ginis <= 199


def test_few_clusters_have_no_interval():
    assert balance(np.ones(5), np.ones(5), np.arange(5))["interval"] is None
    assert mean_interval(np.ones(5), np.arange(5)) == (1.0, None)
    assert balance(np.ones(3), np.zeros(3), np.arange(3))["ratio"] is None


def test_a_month_that_has_not_matured_teaches_nothing():
    rows = cohort(worth=3.0, since=8)
    at = (START + timedelta(days=30 * 8 + 2 + 59))
    before, after = worth_at(rows, at, LEARNT_UNTIL), worth_at(rows, at + timedelta(days=2), LEARNT_UNTIL)
    assert before is not None
    assert after is not None
    assert before.ratios.max() < 1.5 < after.ratios.max()


def test_months_that_the_model_learnt_from_teach_their_dispersion_alone():
    rows = cohort(worth=2.0, since=0)
    worth = worth_at(rows, START + timedelta(days=75), LEARNT_UNTIL)
    assert worth is not None
    assert set(worth.ratios) == {1.0}
    later = worth_at(rows, START + timedelta(days=330), LEARNT_UNTIL)
    assert later is not None
    assert later.ratios.mean() == pytest.approx(2.0, abs=0.15)
    assert worth_at(rows.head(LEAST_ROWS - 1), START + timedelta(days=400), LEARNT_UNTIL) is None


def test_what_is_off_already_is_foretold_and_a_new_shock_is_not():
    steady = foretold(cohort(worth=1.5, since=0), LEARNT_UNTIL)
    told = steady[-1]
    assert told["balance"] == pytest.approx(1.5, abs=0.1)
    assert told["inside"]
    shocked = foretold(cohort(14, worth=0.6, since=10), LEARNT_UNTIL)
    by_month = {one["month"]: one for one in shocked}
    first = sorted(by_month)[-4]
    assert not by_month[first]["inside"], "the assumption fails, and the test shows it"
    figures = summary(shocked)
    assert figures["error"] > 0.1
    assert 0.0 < figures["inside"] < 1.0


def test_the_interval_of_the_estimate_holds_what_it_promises():
    hits = [one["inside"] for seed in range(12) for one in foretold(cohort(12, 600, seed=seed), LEARNT_UNTIL)]
    assert len(hits) > 80
    assert 0.90 <= np.mean(hits) <= 1.0


def test_nothing_is_foretold_of_a_month_in_which_nobody_has_a_score():
    rows = cohort()
    ids = np.array(sorted(rows[ENTITY].unique()), dtype=object)

    def month(name: str, answer: float) -> Any:
        told = SimpleNamespace(month=name, as_of_time=datetime(2026, 6, 30, tzinfo=UTC))
        return SimpleNamespace(manifest=told, ids=ids, answers=np.full(len(ids), answer))

    months = [month("2026-05", 0.1), month("2026-06", np.nan)]
    found = _ahead(rows, months, cast(Any, SimpleNamespace(product="enterprise_risk", answer="rate", horizon_d=180)), LEARNT_UNTIL)
    assert [one["month"] for one in found["ahead"]] == ["2026-05"]
    assert np.isfinite(found["ahead"][0]["balance"])


def test_a_shift_of_the_population_between_bands_is_seen():
    rows = cohort(6, 4000)
    high = (rows[EXPECTED] / rows[WEIGHT]) > 0.3
    rows.loc[high, ACTUAL] = rows.loc[high, ACTUAL] * 2
    worth = Worth(rows, neutral=False)
    expected, weight = rows[EXPECTED].to_numpy(), rows[WEIGHT].to_numpy()
    usual = estimate(worth, expected, weight)["balance"]
    shifted = estimate(worth, expected[high], weight[high])["balance"]
    assert usual < 1.75 < shifted


def test_calibration_says_which_months_the_model_has_seen():
    found = calibration(cohort(), LEARNT_UNTIL)
    assert [one["learnt"] for one in found["months"]].count(True) == 3
    assert found["newest_ratio"] == pytest.approx(1.0, abs=0.1)
    expected, actual = (sum(band[name] for band in found["bands"]) for name in ("expected", "actual"))
    assert expected == pytest.approx(actual, rel=0.1)


def test_every_limit_has_a_state_for_every_value_and_says_what_to_do():
    for limit in LIMITS:
        centre = limit.centre or 0.0
        assert [limit.state(centre + value) for value in (0.0, limit.watch, limit.act)] == ["good", "watch", "act"]
        assert limit.state(None) == "unknown"
        assert limit.todo_zh
        assert limit.todo_en
    assert LIMITS[5].state(0.75) == "act", "too few is as wrong as too many"


def test_a_file_replaces_single_limits_for_all_products_or_for_one(tmp_path):
    path = tmp_path / "limits.json"
    path.write_text('{"*": {"score_psi": {"watch": 0.05}, "balance": {"act": 0.3}}, "maintenance": {"score_psi": {"act": 0.5}}}')
    settings = Settings(home=tmp_path, monitor_limits=path)
    of = {name: {one.id: one for one in limits_for(settings, name)} for name in ("maintenance", "enterprise_risk")}
    assert [(one["score_psi"].watch, one["score_psi"].act) for one in of.values()] == [(0.05, 0.5), (0.05, 0.25)]
    assert (of["maintenance"]["balance"].watch, of["maintenance"]["balance"].act) == (0.10, 0.3)
    assert [one.id for one in of["maintenance"].values() if one.replaced] == ["score_psi", "balance"]
    assert of["maintenance"]["score_psi"].state(0.3) == "watch"
    assert limits_for(Settings(home=tmp_path), "maintenance") == LIMITS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no json", "cannot be used"), ('{"*": {"score_psi": {"watch": "soon"}}}', "score_psi.watch"),
        ('{"*": 3}', "valid dictionary"),
        ('{"*": {"score_psi": {"wach": 0.1}}}', "wach"), ('{"*": {"psi": {"watch": 0.1}}}', "measure 'psi'"),
        ('{"pricing": {}}', "product 'pricing'"), ('{"*": {"score_psi": {"watch": 0.4}}}', "watch 0.4 and act 0.25"),
        ('{"*": {"score_psi": {"watch": NaN}}}', "finite"), ('{"*": {"score_psi": {"watch": 0}}}', "watch 0 and"),
    ],
)
def test_a_file_of_limits_that_cannot_hold_is_refused_with_what_was_met(tmp_path, content, said):
    path = tmp_path / "limits.json"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=re.escape(said)) as met:
        limits_for(Settings(home=tmp_path, monitor_limits=path), "maintenance")
    assert met.value.where == str(path)
    assert met.value.remedy


def test_a_group_that_hardly_moves_scores_raises_no_alarm():
    month = {"month": "2026-06", "psi": 0.01, "grey_share": 0.0, "coverage": 0.9}
    report = {
        "months": [month], "reference": ["2026-06"], "features": [], "calibration": None, "test": None, "estimate": None,
        "explanation": [{"psi": 2.0, "share": 0.01}, {"psi": 0.02, "share": 0.9}],
    }
    found = {one["id"]: one for one in alerts(report)}
    assert found["explanation_psi"]["value"] == 0.02
    assert found["balance"]["state"] == "unknown"
    assert found["grey_rise"]["state"] == "good"


def test_small_segments_are_withheld_and_do_not_follow_from_the_rest():
    from features.judged_dimensions import DIMENSIONS

    owner = next(one for one in DIMENSIONS if one.id == "owner")
    sizes = {1.0: 40, 0.0: 4}
    now = pd.DataFrame([
        {"enterprise_id": f"{kind}{k}", "points": 500.0 + k, "tier": "blue", "is_individual": kind}
        for kind, n in sizes.items() for k in range(n)
    ])
    segments = _dimension(owner, now, None, 10)["segments"]
    assert [one["withheld"] for one in segments] == [True, True], "of two the second hides with the first"
    assert all(set(one) == {"segment", "withheld"} for one in segments)
    shown = _dimension(owner, now[now["is_individual"] == 1.0], None, 10)["segments"]
    assert [(one["n"], one["withheld"]) for one in shown] == [(40, False)]


def test_an_elasticity_is_found_again():
    random = np.random.default_rng(5)
    x, weight = random.lognormal(0.0, 0.5, 50_000), np.ones(50_000)
    grid = Grid.of(x, weight)
    assert grid.elasticity(0.2 * x**0.7, weight) == pytest.approx(0.7, abs=0.02)
    assert grid.elasticity(random.poisson(0.2 * x**0.7).astype(float), weight) == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize(("power", "verdict"), [(0.0, "no_more"), (0.8, "follows")])
def test_a_score_that_rises_with_inspection_alone_is_found(tmp_path, power, verdict):
    from registry.settings import Settings

    rows = cohort(4, 3000)
    intensity = np.random.default_rng(1).lognormal(0.0, 0.5, 3000)
    rows[EXPECTED] *= np.tile(intensity, 4) ** power
    settings = Settings(home=tmp_path)
    settings.feature_dir.mkdir(parents=True)
    pd.DataFrame({
        "enterprise_id": [f"e{k}" for k in range(3000)], "event_timestamp": pd.Timestamp(START),
        "area_case_per_vehicle_year": intensity,
    }).to_parquet(settings.feature_dir / "enterprise_area.parquet")
    found = inspection(settings, "enterprise_risk", rows, seed=1)
    assert found is not None
    assert found["verdict"] == verdict
    assert found["contaminated"]
    assert len(found["fifths"]) == 5


def test_a_fatigue_event_has_no_month_end():
    assert "driver_fatigue" not in OUTCOMES


def test_the_axis_holds_every_mark_and_its_interval():
    values = [("2026-01", 1.0, [0.7, 1.4], "seen"), ("2026-02", None, None, "seen"), ("2026-03", 0.9, None, "ahead")]
    drawn = series(values, level=1.0)
    assert [one.label for one in drawn.marks] == ["2026-01", "2026-03"]
    top, bottom = drawn.ticks[-1][0], drawn.ticks[0][0]
    for one in drawn.marks:
        assert top <= one.y <= bottom
        assert 0 <= one.x <= 100
    first = drawn.marks[0]
    assert first.low is not None
    assert first.high is not None
    assert top <= first.high < first.y < first.low <= bottom
    assert drawn.level == first.y
    assert stacked([0.25, 0.75]) == [(0.0, 25.0), (25.0, 75.0)]


@pytest.mark.parametrize(
    ("name", "zh", "en"),
    [
        ("个体 individual", "个体", "individual"), ("2 to under 10", "2–<10", "2–<10"), ("200 and more", "≥200", "≥200"),
        ("3 to under 6 years", "3–<6年", "3–<6 years"), ("unknown", "未知", "unknown"), ("360500 赣K", "新余市 赣K", "Xinyu 赣K"),
        ("outside Jiangxi", "省外", "outside Jiangxi"),
        ("H1 重型普通货车 heavy truck, and the like", "H1 重型普通货车 等", "H1 heavy truck, and the like"),
    ],
)
def test_segments_are_named_in_the_language_of_the_page(name, zh, en):
    assert (segment_words(name, "zh"), segment_words(name, "en")) == (zh, en)

"""Calibration, segments, proxies and robustness, each on something planted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.judged_dimensions import DIMENSIONS, banded
from tests.lib.judged import judged, part_of
from training.judgement.proxies import audit, column_auc
from training.judgement.resampling import Draws
from training.judgement.robustness import judge_robustness
from training.judgement.segments import judge_segments
from training.judgement.stability import calibration, over_time, population
from training.judgement.subject import Subject
from training.judgement.thresholds import THRESHOLDS


def calibrated(subject: Subject, factor: float = 1.0) -> dict[str, object]:
    part = part_of(subject, prediction=subject.main.prediction * factor)
    rows = subject.test & part.used
    return calibration(part, rows, Draws.of(subject.frame["group"].to_numpy()[rows], replicates=60, seed=1))


def test_a_score_of_half_the_truth_is_found_out_of_its_bands() -> None:
    subject = judged("rate")
    right, half = calibrated(subject), calibrated(subject, 0.5)
    assert right["bands_inside"] >= 7  # type: ignore[operator]
    assert right["interval"][0] < 1 < right["interval"][1]  # type: ignore[index]
    assert half["actual_to_expected"] == pytest.approx(2 * right["actual_to_expected"])  # type: ignore[operator]
    assert half["interval"][0] > 1.5  # type: ignore[index]
    assert half["bands_inside"] <= 2  # type: ignore[operator]


def test_a_shifted_input_is_named() -> None:
    subject = judged("rate")
    same = population(subject, THRESHOLDS)
    assert same["verdict"] == "stable"
    assert same["shifted"] == []
    frame = subject.frame.assign(age_year=subject.frame["age_year"] + np.where(subject.test, 20.0, 0.0))
    moved = population(Subject(subject.scorer, subject.task, frame), THRESHOLDS)
    assert moved["shifted"] == ["age_year"]
    assert moved["score_psi"] > same["score_psi"]
    felt = moved["input_points"]["age_year"]
    assert abs(felt) > 10 * abs(same["input_points"]["age_year"])
    mean = [float(one.points[one.test].mean()) for one in (Subject(subject.scorer, subject.task, frame), subject)]
    assert sum(moved["input_points"].values()) - sum(same["input_points"].values()) == pytest.approx(mean[0] - mean[1], abs=1e-6)


def test_months_are_measured_apart_and_a_fall_is_named() -> None:
    subject = judged("rate")
    found = over_time(subject.main, subject, replicates=20, seed=1, limits=THRESHOLDS, reference=0.3)
    assert {one["fold"] for one in found["months"]} == {"valid", "test"}
    assert sum(one["n_rows"] for one in found["months"] if one["fold"] == "test") == int(subject.test.sum())
    assert over_time(subject.main, subject, replicates=20, seed=1, limits=THRESHOLDS)["verdict"] == "unknown"
    assert over_time(subject.main, subject, replicates=20, seed=1, limits=THRESHOLDS, reference=0.9)["verdict"] == "watch"


def test_segments_have_balance_and_small_ones_only_their_size() -> None:
    subject = judged("rate")
    city = np.where(subject.frame["group"] < 3, "9901", subject.frame["city_code"])
    subject = Subject(subject.scorer, subject.task, subject.frame.assign(city_code=city))
    found = judge_segments(subject, subject.main, replicates=40, seed=1, limits=THRESHOLDS)
    cities = {one["segment"]: one for one in found["dimensions"]["city"]["segments"]}
    assert list(cities) == ["360100 赣A", "360700 赣B", "outside Jiangxi"]
    small = cities["outside Jiangxi"]
    assert small["withheld"] == "fewer than 10 enterprises"
    assert set(small) == {"segment", "n_rows", "n_groups", "withheld"}
    assert not any(name.startswith("city") for name in found["off_balance"])
    assert {one["id"] for one in found["absent"]} >= {"vehicle_class", "driver_age", "driver_experience"}
    owners, ages = found["dimensions"]["owner"]["segments"], found["dimensions"]["vehicle_age"]["segments"]
    assert [one["segment"][:2] for one in ages] == ["0 ", "3 ", "6 ", "9 ", "12", "un"]
    assert sum(one["n_rows"] for one in owners) == int(subject.test.sum())


def test_a_segment_that_is_priced_at_half_is_off_balance() -> None:
    subject = judged("rate")
    individual = subject.frame["is_individual"].to_numpy() == 1
    part = part_of(subject, prediction=np.where(individual, 0.5, 1.0) * subject.main.prediction)
    found = judge_segments(subject, part, replicates=40, seed=1, limits=THRESHOLDS)
    assert "owner: 个体 individual" in found["off_balance"]


def test_many_expected_and_none_observed_is_off_balance_and_few_expected_is_not() -> None:
    subject = judged("rate")
    individual = subject.frame["is_individual"].to_numpy() == 1
    label = np.where(individual, 0.0, subject.main.label)
    expected = float((subject.main.weight * subject.main.prediction)[individual & subject.test].sum())
    for total, off in ((20.0, True), (3.0, False)):
        prediction = np.where(individual, total / expected, 1.0) * subject.main.prediction
        found = judge_segments(subject, replace(subject.main, label=label, prediction=prediction), replicates=40, seed=1,
                               limits=THRESHOLDS)
        none = next(one for one in found["dimensions"]["owner"]["segments"] if one["segment"].startswith("个体"))
        assert (none["n_events"], none["actual_to_expected"]) == (0, 0.0)
        assert none["actual_to_expected_interval"] == pytest.approx([0.0, 3.689 / total], rel=1e-3)
        assert none[f"{subject.main.measure}_interval"] is None
        assert ("owner: 个体 individual" in found["off_balance"]) is off


def test_bands_begin_at_their_edges() -> None:
    column = pd.Series([0.0, 1.0, 2.0, 9.0, 10.0, np.nan])
    assert banded((0, 2, 10))(column).fillna("?").tolist() == [
        "0 to under 2", "0 to under 2", "2 to under 10", "2 to under 10", "10 and more", "?",
    ]
    assert len({dimension.id for dimension in DIMENSIONS}) == len(DIMENSIONS)


def test_a_planted_proxy_is_found_with_its_carrier() -> None:
    subject = judged("rate")
    # Penalties of individual owners are all even, of the others odd: the input carries the attribute.
    individual = subject.frame["is_individual"].to_numpy()
    planted = 2 * np.floor(subject.frame["penalties"].fillna(0.0) / 2) + (1 - individual)
    clean, told = (
        audit(Subject(subject.scorer, subject.task, frame), seed=1, threads=1, limits=THRESHOLDS)["attributes"]["owner"]
        for frame in (subject.frame, subject.frame.assign(penalties=planted))
    )
    assert clean["auc_inputs"] < 0.6
    assert clean["verdict"] == "none"
    assert told["auc_inputs"] > 0.95
    assert told["auc_inputs_without_carriers"] < 0.6
    (carrier,) = [one for one in told["carriers"] if one["auc_alone"] > 0.6]
    assert carrier["input"] == "penalties"
    assert told["auc_score"] > clean["auc_score"] + 0.1


def test_one_column_alone_by_hand() -> None:
    values, codes = np.array([1.0, 2.0, np.nan, 4.0]), np.array([1, 1, 0, 0])
    # Pairs (1, nan), (1, 4), (2, nan), (2, 4): the first is above in two of four.
    assert column_auc(values, codes) == 0.5
    assert column_auc(np.array([1.0, 2.0, 3.0, 4.0]), codes) == 1.0


def test_a_source_that_carries_the_risk_is_missed_and_another_is_not() -> None:
    subject = judged("rate")
    found = judge_robustness(subject, subject.main, seed=1, limits=THRESHOLDS)
    case, basic = found["sources"]["enforcement_case"], found["sources"]["vehicle_basic"]
    assert case["inputs"] == ["penalties"]
    assert basic["inputs"] == ["age_year", "use"]
    for disturbed in (case["permuted"], case["missing"], basic["permuted"]):
        assert disturbed["change"] < -0.02
        assert disturbed["mean_abs_move"] > 5
        assert 0 < disturbed["tier_changes"] < 1
    # Nothing on record means that nothing happened: penalties stay known, two of three inputs without the other source do not.
    assert case["missing"]["coverage"] > basic["missing"]["coverage"] == pytest.approx(1 / 3)
    assert (case["mandatory"], basic["mandatory"]) == (False, True)
    assert (case["missing"]["grey"], basic["missing"]["grey"]) == (found["baseline"]["grey"], 1.0)
    assert found["unseen_categories"]["inputs"] == ["use"]
    assert found["unseen_categories"]["mean_abs_move"] > 0


def test_a_stale_source_brings_back_the_previous_values() -> None:
    subject = judged("rate")
    frame = subject.frame.sort_values(["group", "cutoff"], kind="stable").reset_index(drop=True)
    constant = frame.assign(penalties=frame.groupby("group")["penalties"].transform("first"))
    still = Subject(subject.scorer, subject.task, constant)
    found = judge_robustness(still, still.main, seed=1, limits=THRESHOLDS)
    assert found["sources"]["enforcement_case"]["stale"]["mean_abs_move"] == 0
    assert found["sources"]["enforcement_case"]["stale"]["rows_with_previous"] > 0.5
    assert found["sources"]["vehicle_basic"]["stale"]["mean_abs_move"] > 0


def test_too_little_is_known_without_a_big_source() -> None:
    subject = judged("rate", "driver_fatigue")  # its mandatory source feeds no input here
    found = judge_robustness(subject, subject.main, seed=1, limits=replace(THRESHOLDS, move_points=1.0))
    assert found["sources"]["vehicle_basic"]["missing"]["grey"] == 1.0
    assert found["sources"]["vehicle_basic"]["mandatory"] is False
    assert found["fragile"] == ["enforcement_case"]

"""Two versions on the same rows: paired differences, dislocation, reasons, and what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from registry.bundle import ScoreBundle
from registry.errors import TrainingError
from registry.scorer import Scorer
from serving.reasons import reasons_of
from tests.lib.bundles import tiny_bundle, tiny_rows
from tests.lib.small_scores import SmallScore, small_score
from training.compare import as_evidence, compare_scorers, judged_rows
from training.compare_measures import better
from training.compare_pictures import draw_comparison
from training.compare_scores import reason_codes, spearman


@pytest.fixture(scope="module")
def pair() -> tuple[SmallScore, SmallScore]:
    return small_score(), small_score(seed=8, learning_rate=0.02)


def out_of_time(score: SmallScore) -> pd.DataFrame:
    """Return the frame with test rows after everything that was fitted, as a product has them."""
    later = score.frame["cutoff"] + pd.Timedelta(days=400)
    return score.frame.assign(cutoff=later.where(score.frame["fold"] == "test", score.frame["cutoff"]))


@pytest.fixture(scope="module")
def found(pair: tuple[SmallScore, SmallScore]) -> dict[str, Any]:
    a, b = pair
    named = {name: {"name": name, "version": 1, "digest": one.bundle.digest} for name, one in (("a", a), ("b", b))}
    frame = out_of_time(a)
    return named | compare_scorers(Scorer(a.bundle), Scorer(b.bundle), a.task, frame, seed=1, replicates=60)


def test_a_version_against_itself_differs_in_nothing(pair: tuple[SmallScore, SmallScore]) -> None:
    scorer = Scorer(pair[0].bundle)
    same = compare_scorers(scorer, scorer, pair[0].task, out_of_time(pair[0]), seed=1, replicates=20)
    for table in same["measures"].values():
        assert all(one["difference"] == 0 and one["interval"] in (None, [0.0, 0.0]) for one in table["measures"].values())
    assert same["scores"]["max_abs_points"] == same["scores"]["tier_changed"] == same["reasons"]["any_differs"] == 0
    assert same["scores"]["rank_correlation"] == pytest.approx(1.0)
    assert not any(same["changes"][kind] for kind in ("components", "parameters", "windows", "provenance", "libraries"))


def test_differences_are_paired_and_hold_the_point_figures(found: dict[str, Any], pair: tuple[SmallScore, SmallScore]) -> None:
    assert set(found["measures"]) == {"frequency", "severity", "score"}
    gini = found["measures"]["frequency"]["measures"]["gini"]
    assert gini["difference"] == pytest.approx(gini["a"] - gini["b"])
    assert gini["interval"][0] <= gini["difference"] <= gini["interval"][1]
    theirs = pair[0].figures["components"]["frequency"]["test"]
    assert (gini["a"], found["measures"]["frequency"]["n_rows"]) == (pytest.approx(theirs["gini"]), theirs["n_rows"])


def test_scores_tiers_and_reasons_move(found: dict[str, Any]) -> None:
    scores = found["scores"]
    assert 0 < scores["mean_abs_points"] <= scores["p95_abs_points"] <= scores["max_abs_points"]
    assert np.array(scores["tiers"]).sum() == pytest.approx(1.0)
    assert np.trace(np.array(scores["tiers"])) == pytest.approx(1 - scores["tier_changed"])
    assert 0 <= found["reasons"]["first_differs"] <= found["reasons"]["any_differs"] <= 1
    assert sum(scores["histogram"]["counts"]) == found["rows"]


def test_what_changed_is_named(found: dict[str, Any]) -> None:
    assert found["changes"]["provenance"] == {"seed": {"a": 7, "b": 8}}
    assert found["changes"]["parameters"]["frequency.learning_rate"] == {"a": 0.1, "b": 0.02}
    assert found["changes"]["inputs"] == {"n_a": 3, "n_b": 3, "added": [], "removed": [], "changed": {}, "order_differs": False}


def test_only_rows_after_both_versions_count(pair: tuple[SmallScore, SmallScore]) -> None:
    scorers = (Scorer(pair[0].bundle), Scorer(pair[1].bundle))
    assert judged_rows(pair[0].task, out_of_time(pair[0]), scorers).sum() == (pair[0].frame["fold"] == "test").sum()
    with pytest.raises(TrainingError, match="no test row lies after"):
        judged_rows(pair[0].task, pair[0].frame.assign(cutoff=pd.Timestamp("2024-01-01", tz="UTC")), scorers)


def test_a_missing_input_is_named(pair: tuple[SmallScore, SmallScore]) -> None:
    scorers = (Scorer(pair[0].bundle), Scorer(pair[1].bundle))
    with pytest.raises(TrainingError, match=r"lack 1 inputs .*penalties"):
        compare_scorers(*scorers, pair[0].task, out_of_time(pair[0]).drop(columns="penalties"), seed=1, replicates=20)


def test_a_promotion_reads_the_differences_of_the_rank_measures(found: dict[str, Any]) -> None:
    evidence = as_evidence(found)
    assert evidence["against"] == found["b"]["digest"]
    assert set(evidence["differences"]) == {"frequency gini", "severity gini", "score gini"}


def test_pictures_of_a_comparison_are_the_same_each_time(found: dict[str, Any], tmp_path: Path) -> None:
    first, second = (draw_comparison(found, tmp_path / name) for name in ("one", "two"))
    assert {path.name for path in first} >= {"double_lift.en.png", "dislocation.en.png"}
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize(("name", "interval", "winner"), [
    ("gini", [0.01, 0.02], "a"), ("gini", [-0.02, -0.01], "b"), ("deviance", [0.01, 0.02], "b"), ("deviance", [-2.0, -1.0], "a"),
    ("auc", [-0.1, 0.1], "equal"), ("balance", [0.1, 0.2], None), ("gini", None, None),
])
def test_which_version_an_interval_speaks_for(name: str, interval: list[float] | None, winner: str | None) -> None:
    assert better(name, interval) == winner


def test_ranks_do_not_see_the_scale() -> None:
    x = np.array([1.0, 2.0, 2.0, 5.0])
    assert spearman(x, np.exp(x)) == pytest.approx(1.0)
    assert spearman(x, -x) == pytest.approx(-1.0)
    assert spearman(x, np.ones(4)) is None


def test_reason_codes_are_those_that_the_service_gives() -> None:
    bundle: ScoreBundle = tiny_bundle("enterprise_risk")
    scorer, rows = Scorer(bundle), tiny_rows(1)[:40]
    matrix, _ = scorer.encode(rows)
    contributions = scorer.explain(matrix).contributions
    served = [
        tuple(reason["code"] for reason in reasons_of(bundle.manifest, parts.tolist(), row))
        for parts, row in zip(contributions, rows, strict=True)
    ]
    assert reason_codes(scorer, matrix) == served

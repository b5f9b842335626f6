"""The parts of a declared study: columns, folds, comparison and peers, each on a few rows."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from experiments.peers import SOLVER_LOGGER, SOLVER_NOTICE, Sample, import_optbinning, peer_means
from experiments.table_columns import ROW, SourceDeclaration, StepDeclaration, read_source, take_steps
from experiments.table_compare import OURS, Judge, Reading, compared, deciles, over_rounds
from experiments.table_split import SplitDeclaration, everything, rounds
from registry.errors import ConfigurationError, DataError, TrainingError
from registry.feature_spec import Feature
from tests.lib.tables import made_up_policies

STEPS: TypeAdapter[StepDeclaration] = TypeAdapter(StepDeclaration)
SPLITS: TypeAdapter[SplitDeclaration] = TypeAdapter(SplitDeclaration)
FRAME = pd.DataFrame({"claims": [0, 1, 6, 1], "amount": [0.0, 0.0, 900.0, 50.0]})


@pytest.mark.parametrize(
    ("step", "column", "values"),
    [
        ({"do": "clip", "column": "claims", "upper": 4}, "claims", [0, 1, 4, 1]),
        ({"do": "clip", "column": "amount", "lower": 10.0, "upper": 100.0}, "amount", [10.0, 10.0, 100.0, 50.0]),
        ({"do": "zero_where_zero", "column": "claims", "of": "amount"}, "claims", [0, 0, 6, 1]),
        ({"do": "average", "name": "mean", "of": "amount", "per": "claims"}, "mean", [0.0, 0.0, 150.0, 50.0]),
        ({"do": "above", "name": "paid", "of": "amount"}, "paid", [False, False, True, True]),
        ({"do": "keep_above", "column": "amount", "limit": 50.0}, "amount", [900.0]),
    ],
)
def test_a_step_does_what_it_says(step: dict[str, Any], column: str, values: list[Any]) -> None:
    taken = take_steps(FRAME, [STEPS.validate_python(step)], where="here")
    assert taken[column].tolist() == values


def test_a_step_on_a_column_that_is_not_there_names_those_there_are() -> None:
    step = STEPS.validate_python({"do": "clip", "column": "claim"})
    with pytest.raises(DataError, match=r"columns \['claim'\] are missing, there are \['amount', 'claims'\] \(here, step clip\)"):
        take_steps(FRAME, [step], where="here")


def test_totals_are_joined_and_a_row_without_any_has_none(tmp_path: Path) -> None:
    pd.DataFrame({"id": [1, 2, 3], "x": 0}).to_parquet(tmp_path / "rows.parquet")
    pd.DataFrame({"id": [1, 1, 9], "paid": [5.0, 7.0, 1.0]}).to_csv(tmp_path / "paid.csv.gz")
    join = {"file": "paid.csv.gz", "on": "id", "total": {"paid": "amount"}}
    source = SourceDeclaration.model_validate({"file": "rows.parquet", "joins": [join], "columns": {"id": "number"}})
    frame, digest = read_source(source, tmp_path, obtain="Get it.")
    assert frame.drop(columns="x").to_dict("list") == {"number": [1, 2, 3], "amount": [12.0, 0.0, 0.0], ROW: [0, 1, 2]}
    assert read_source(source, tmp_path, obtain="")[1] == digest
    with pytest.raises(ConfigurationError, match=r"no file rows.parquet .*Get it\."):
        read_source(source, tmp_path / "elsewhere", obtain="Get it.")


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_text("not a table")
    with pytest.raises(DataError, match=r"not a table: .* Files are CSV"):
        read_source(SourceDeclaration(file="rows.parquet"), tmp_path, obtain="")


@pytest.mark.parametrize(
    ("split", "names", "tests"),
    [
        ({"kind": "train_test"}, ["seed 0"], 300),
        ({"kind": "train_test", "test_size": 0.5, "random_states": [1, 2]}, ["seed 1", "seed 2"], 600),
        ({"kind": "stratified_kfold", "by": "failed", "folds": 3}, ["fold 1", "fold 2", "fold 3"], 400),
        ({"kind": "column", "column": "part", "test": ["later"]}, ["part"], 300),
        ({"kind": "out_of_time", "time": "when", "valid_from": "2024-08-01T00:00:00Z", "test_from": "2024-09-27T06:00:00Z",
          "embargo_d": 10}, ["out of time"], 119),
    ],
)
def test_each_round_divides_the_rows(split: dict[str, Any], names: list[str], tests: int) -> None:
    frame = made_up_policies(1200).assign(group=np.arange(1200) // 2)
    made = rounds(SPLITS.validate_python(split), frame, group="group", seed=1)
    assert [one.name for one in made] == names
    assert all(int((one.fold == "test").sum()) == tests for one in made)
    assert all({*one.fold} >= {"train", "valid", "test"} for one in made)


def test_an_embargo_leaves_out_what_is_not_known_in_time() -> None:
    split = SPLITS.validate_python({
        "kind": "out_of_time", "time": "when", "valid_from": "2024-01-03T00:00:00Z", "test_from": "2024-01-05T00:00:00Z",
        "embargo_d": 1,
    })
    fold = rounds(split, made_up_policies(20), group="number", seed=1)[0].fold
    assert "".join(name[0] for name in fold) == "tttttnnnvvvvvnnntttt"


def test_whole_groups_stay_together() -> None:
    frame = made_up_policies(400).assign(group=np.arange(400) // 4)
    for kind in ({"kind": "train_test"}, {"kind": "stratified_kfold", "by": "failed", "folds": 2}):
        split = SPLITS.validate_python({**kind, "whole_groups": True, "valid_share": 0.2})
        for one in (*rounds(split, frame, group="group", seed=1), everything(split, frame, group="group", seed=1)):
            assert len({*zip(frame["group"], one.fold, strict=True)}) == 100


@pytest.mark.parametrize(
    ("split", "says"),
    [
        ({"kind": "column", "column": "part", "test": ["never"]}, "round part has no test rows"),
        ({"kind": "column", "column": "share", "test": [1]}, r"columns \['share'\] are missing"),
        ({"kind": "stratified_kfold", "by": "number"}, "no 10 folds: .* Use fewer folds"),
        ({"kind": "out_of_time", "time": "body", "valid_from": "2024-01-03T00:00:00Z", "test_from": "2024-01-05T00:00:00Z"},
         "not a time: .* Write times as ISO 8601"),
    ],
)
def test_a_split_that_the_rows_do_not_allow_is_refused(split: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        rounds(SPLITS.validate_python(split), made_up_policies(40), group="number", seed=1)


def reading(name: str, mean: np.ndarray[Any, Any], peer: np.ndarray[Any, Any], observed: np.ndarray[Any, Any]) -> Reading:
    places = np.arange(len(mean))
    return Reading(name, places, places, observed, np.ones(len(mean)), {OURS: mean, "peer": peer}, 0.5)


def test_a_paired_comparison_tells_the_better_from_the_equal() -> None:
    rng = np.random.default_rng(1)
    mean = rng.uniform(0.2, 2.0, 600)
    observed, judge = rng.poisson(mean).astype(float), Judge("poisson", 1.5)
    for peer, verdict in ((np.full(600, observed.mean()), "better"), (mean * 1.0001, "not distinguishable")):
        found = compared(
            judge, [reading("one", mean, peer, observed)], {"deviance": "lower"}, (OURS, "peer"), replicates=40, seed=1
        )["deviance"]
        assert found["peers"]["peer"]["verdict"] == verdict
        assert found["interval"][0] < found["value"] < found["interval"][1]
        assert found["peers"]["peer"]["difference"] == pytest.approx(found["value"] - found["peers"]["peer"]["value"])


def test_the_interval_over_rounds_is_widened_for_shared_rows() -> None:
    one = reading("one", np.ones(2), np.ones(2), np.ones(2))
    # Three rounds with deviation 1: t(2) = 4.3027, error sqrt(1/3 + 0.5).
    assert over_rounds([1.0, 2.0, 3.0], [one] * 3) == pytest.approx([2 - 3.92778, 2 + 3.92778], abs=1e-4)
    assert over_rounds([1.0, 2.0], [one] * 2) is None


def test_deciles_of_a_right_score_lie_in_their_bands_and_shared_rows_have_none() -> None:
    rng = np.random.default_rng(2)
    mean = rng.uniform(0.2, 2.0, 4000)
    one = reading("one", mean, mean, rng.poisson(mean).astype(float))
    found = deciles(Judge("poisson", 1.5), [one], replicates=60, seed=1)
    assert len(found) == 10
    assert sum(low <= row["actual_to_expected"] <= high for row in found for low, high in [row["poisson"]]) >= 9
    assert all(row["simultaneous"][0] < row["band"][0] < 1 < row["band"][1] < row["simultaneous"][1] for row in found)
    assert all("band" not in row for row in deciles(Judge("poisson", 1.5), [one, one], replicates=20, seed=1))


def test_the_simultaneous_band_holds_all_deciles_of_a_right_score_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    mean = rng.uniform(0.2, 2.0, 2000)
    inside = {"band": 0, "simultaneous": 0}
    for _ in range(200):
        one = reading("one", mean, mean, rng.poisson(mean).astype(float))
        found = deciles(Judge("poisson", 1.5), [one], replicates=2, seed=1)
        for kind in inside:
            inside[kind] += all(row[kind][0] <= row["actual_to_expected"] <= row[kind][1] for row in found)
    assert inside["simultaneous"] >= 182  # 190 are expected, with a deviation of 3
    assert inside["band"] <= 155  # 120 are expected; counts are whole, so the band is a little wide


def sample(objective: Any, label: np.ndarray[Any, Any]) -> Sample:
    rows = made_up_policies(len(label))
    matrix = np.column_stack([rows["age"], rows["body"].map({"NO": 0.0, "on": 1.0, "van": 2.0})])
    matrix[::50, 0] = np.nan
    features = (
        Feature(name="age_year", entity="request", zh="年龄", en="age", group="people"),
        Feature(name="body", entity="request", zh="车身", en="body", group="condition", dtype="category",
                vocabulary=("NO", "on", "van")),
    )
    return Sample(features, matrix, label, np.ones(len(label)), np.arange(len(label)) % 4 > 0, objective)


@pytest.mark.parametrize(("kind", "objective"), [
    ("glm", "poisson"), ("glm", "gamma"), ("glm", "binary"), ("glm", "tweedie"), ("untuned", "gamma"), ("ebm", "poisson"),
    ("scorecard", "binary"),
])
def test_a_peer_predicts_means_that_follow_the_outcome(kind: str, objective: str) -> None:
    rows = made_up_policies(800)
    label = rows["failed" if objective == "binary" else "claims"].to_numpy(dtype=float) + (objective == "gamma")
    made = sample(objective, label)
    means = peer_means(kind, made, seed=1, threads=1)
    assert means.shape == label.shape
    assert means[made.fitted].mean() == pytest.approx(label[made.fitted].mean(), rel=0.1)
    assert np.corrcoef(means, label)[0, 1] > 0.2


def test_a_scorecard_is_for_yes_or_no() -> None:
    with pytest.raises(TrainingError, match="a scorecard is for binary outcomes, met poisson"):
        peer_means("scorecard", sample("poisson", np.ones(8)), seed=1, threads=1)


def test_the_scorecard_says_nothing_of_solvers_and_hides_nothing_else() -> None:
    import_optbinning()
    logger = logging.getLogger(SOLVER_LOGGER)
    said = [logging.makeLogRecord({"msg": text}) for text in (f"Encountered unexpected {SOLVER_NOTICE} HIGHS:", "something else")]
    assert [bool(logger.filter(record)) for record in said] == [False, True]

"""Which trials are dominated, which one is taken, and what trials are measured by."""

from __future__ import annotations

import numpy as np
import pytest

from registry.errors import TrainingError
from training.tuning.choice import Pick, eligible, front, parse_pick
from training.tuning.objectives import calibration_error, parse_objectives, tree_sizes
from training.tuning.trials import TrialRecord

# number: loss, calibration, latency; the constant has loss 1.
TABLE = {0: (0.900, 0.05, 8.0), 1: (0.880, 0.06, 9.0), 2: (0.881, 0.09, 3.0), 3: (0.882, 0.02, 3.5), 4: (0.950, 0.04, 1.0)}
COMPLETE = [
    TrialRecord(number, "complete", {}, {"loss": loss, "calibration": gap, "latency": ms, "null_loss": 1.0})
    for number, (loss, gap, ms) in TABLE.items()
]
TRIALS = (*COMPLETE, TrialRecord(5, "pruned", {}), TrialRecord(6, "failed", {}, note="no"))


@pytest.mark.parametrize(
    ("pick", "chosen"),
    [("best", 1), ("cheapest-within=0.5%", 1), ("cheapest-within=1%", 2), ("cheapest-within 60%", 4),
     ("calibrated-within=2%", 3), ("calibrated-within:1 %", 1)],
)
def test_the_trial_that_is_taken(pick: str, chosen: int) -> None:
    # A hundredth of the gain (0.12) is 0.0012: trial 2 may be taken, trial 3 only for two hundredths.
    assert eligible(TRIALS, parse_pick(pick))[0].number == chosen


def test_without_a_gain_the_best_is_taken() -> None:
    worse = [TrialRecord(n, "complete", {}, {"loss": 1.1 + n, "null_loss": 1.0, "latency": 3.0 - n}) for n in range(2)]
    assert [trial.number for trial in eligible(worse, Pick("latency", 0.5))] == [0]
    assert eligible(TRIALS[5:], Pick()) == ()


@pytest.mark.parametrize(
    ("objectives", "numbers"),
    [(("loss",), [1]), (("loss", "latency"), [1, 2, 4]), (("loss", "calibration"), [1, 3]),
     (("loss", "calibration", "latency"), [1, 2, 3, 4])],
)
def test_what_no_other_trial_dominates(objectives: tuple[str, ...], numbers: list[int]) -> None:
    assert [trial.number for trial in front(TRIALS, objectives)] == numbers  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["fastest", "cheapest-within=100%", "cheapest-within=1", "loss-within=1%"])
def test_an_unknown_pick_is_refused(text: str) -> None:
    with pytest.raises(TrainingError, match="no way to choose a trial"):
        parse_pick(text)


def test_objectives_are_named_in_one_order_and_hold_the_loss() -> None:
    assert parse_objectives("latency, loss") == ("loss", "latency")
    assert str(parse_pick("cheapest-within 0.5%")) == "cheapest-within=0.5%"
    with pytest.raises(TrainingError, match=r"unknown objectives \['speed'\]"):
        parse_objectives("loss,speed")
    with pytest.raises(TrainingError, match="without the loss"):
        parse_objectives("latency")


def test_the_calibration_error_is_the_share_by_which_bins_are_off() -> None:
    predicted = np.repeat(np.arange(1.0, 11.0), 50)
    weight = np.tile([0.5, 1.5], 250)
    assert calibration_error(predicted, predicted, weight) == pytest.approx(0)
    assert calibration_error(predicted, 1.2 * predicted, weight) == pytest.approx(0.2)
    # Errors inside a bin cancel out, those between bins do not.
    tilted = predicted + np.tile([0.3, -0.1], 250)
    assert calibration_error(tilted, predicted, weight) == pytest.approx(0, abs=1e-12)


def test_leaves_and_depths_are_those_of_the_trees() -> None:
    import lightgbm

    rng = np.random.default_rng(2)
    rows = rng.normal(size=(400, 4))
    label = rows[:, 0] * rows[:, 1] + rng.normal(size=400)
    parameters = {"num_leaves": 9, "max_depth": 5, "verbosity": -1, "min_data_in_leaf": 5}
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, label), num_boost_round=6)

    def depth(node: dict[str, object]) -> int:
        sides = [node[side] for side in ("left_child", "right_child") if side in node]
        return 1 + max(map(depth, sides)) if sides else 0  # type: ignore[arg-type]

    trees = booster.dump_model()["tree_info"]
    leaves, depths = tree_sizes(booster.model_to_string())
    assert leaves.tolist() == [tree["num_leaves"] for tree in trees]
    assert depths.tolist() == [depth(tree["tree_structure"]) for tree in trees]

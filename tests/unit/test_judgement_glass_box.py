"""Glass boxes find the truth of small problems and never look at the test rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.lib.frames import COMPONENTS, FEATURES, made_up, task
from training import metrics
from training.judgement.challenger import fit_tweedie
from training.judgement.glass_box import Fitted, Problem, fit_ebm, fit_glm
from training.matrix import encode, outcome
from training.splits import FOLD


def problem(answer: str, n: int = 2500) -> Problem:
    frame = made_up(n)
    component = COMPONENTS[answer][0]
    target = outcome(component, frame)
    fold = frame[FOLD].to_numpy()
    return Problem(
        objective=component.objective, power=1.5, matrix=encode(FEATURES, frame), features=FEATURES,  # type: ignore[arg-type]
        label=target.label, weight=target.weight, train=target.used & (fold == "train"), valid=target.used & (fold == "valid"),
        groups=frame["group"].to_numpy(), seed=1,
    )


def gain(made: Fitted, what: Problem) -> float:
    test = ~(what.train | what.valid)
    return metrics.d2(what.objective, what.label[test], made.prediction[test], what.weight[test])


@pytest.mark.parametrize("answer", ["rate", "probability"])
def test_both_glass_boxes_learn(answer: str) -> None:
    what = problem(answer)
    glm, ebm = fit_glm(what), fit_ebm(what, max_rows=1500, bags=1, rounds=200)
    assert gain(glm, what) > 0.02
    assert gain(ebm, what) > 0.02
    assert glm.facts["penalty"] in (1.0, 0.1, 0.01)
    assert (ebm.facts["rows"], ebm.facts["rows_available"]) == (1500, int((what.train | what.valid).sum()))


def test_a_gamma_model_has_the_right_level() -> None:
    frame = made_up(2500)
    component = COMPONENTS["pure_premium"][1]
    target, fold = outcome(component, frame), frame[FOLD].to_numpy()
    what = replace(
        problem("rate"), objective="gamma", label=target.label, weight=target.weight, train=target.used & (fold == "train"),
        valid=target.used & (fold == "valid"),
    )
    rows = what.train | what.valid
    made = fit_glm(what)
    assert what.weight[rows] @ made.prediction[rows] == pytest.approx(what.weight[rows] @ what.label[rows])


@pytest.mark.parametrize("kind", ["glm", "ebm"])
def test_the_test_rows_have_no_part_in_the_fit(kind: str) -> None:
    what = problem("rate", 1200)
    test = ~(what.train | what.valid)
    turned = replace(what, label=np.where(test, 9.0, what.label), weight=np.where(test, 50.0, what.weight))
    fit = fit_glm if kind == "glm" else lambda one: fit_ebm(one, max_rows=5000, bags=1, rounds=50)
    np.testing.assert_array_equal(fit(what).prediction, fit(turned).prediction)


def test_the_tweedie_challenger_orders_pure_premiums() -> None:
    frame = made_up(2500)
    predicted = fit_tweedie(task("pure_premium"), frame, seed=1, threads=1)
    test = (frame[FOLD] == "test").to_numpy()
    exposure, amount = frame["exposure"].to_numpy()[test], frame["amount"].to_numpy()[test]
    assert metrics.gini(amount / exposure, predicted[test], exposure) > 0.1
    development = ~test
    expected = frame["exposure"].to_numpy()[development] @ predicted[development]
    assert expected == pytest.approx(frame["amount"].to_numpy()[development].sum())

"""The trainer on small frames: encoding, objectives, and clear refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from registry.errors import TrainingError
from registry.scorer import Scorer
from tests.lib.frames import COMPONENTS, FAST, FEATURES, NUMBERS, made_up, task
from training.assemble import assemble
from training.fit import fit_score
from training.fitted import FittedScore
from training.matrix import encode, prepare
from training.task import ComponentTask, TrainingTask


def fit(what: TrainingTask, frame: pd.DataFrame | None = None, threads: int = 1) -> FittedScore:
    return fit_score(what, made_up() if frame is None else frame, seed=7, threads=threads, parameters=FAST)


def test_training_encodes_as_the_scorer_does() -> None:
    frame = made_up(500)
    scorer = Scorer(assemble(fit(task("rate"), frame), snapshot="s"))
    np.testing.assert_array_equal(encode(FEATURES, frame), scorer.encode_frame(frame))
    codes = encode(FEATURES, frame)[:, 2]
    assert set(np.unique(codes[~np.isnan(codes)])) == {0.0, 1.0, 2.0, 3.0}
    assert np.isnan(codes).any()


@pytest.mark.parametrize("answer", list(COMPONENTS))
def test_every_answer_can_be_trained_and_learns(answer: str) -> None:
    fitted = fit(task(answer))
    assert fitted.raw.shape == (3000, len(fitted.components))
    rising = fitted.raw[np.argsort(fitted.data.matrix[:, 1]), 0]
    assert rising[-300:].mean() > rising[:300].mean()


def test_a_tweedie_cost_and_a_task_without_categories_can_be_trained() -> None:
    component = ComponentTask(name="cost", objective="tweedie", target="amount", exposure="exposure", tweedie_power=1.7)
    fitted = fit(task("rate", components=(component,), features=NUMBERS))
    assert fitted.components[0].parameters["tweedie_variance_power"] == 1.7
    assert np.isfinite(fitted.raw).all()


def test_the_score_never_falls_where_it_promises_to_rise() -> None:
    fitted = fit(task("rate"))
    import lightgbm

    matrix = np.repeat(fitted.data.matrix[:50], 8, axis=0)
    matrix[:, 1] = np.tile(np.arange(8.0), 50)
    margins = lightgbm.Booster(model_str=fitted.components[0].text).predict(matrix, raw_score=True).reshape(50, 8)
    assert (np.diff(margins, axis=1) >= 0).all()


def test_no_patience_grows_exactly_the_trees_asked_for() -> None:
    fitted = fit_score(task("rate"), made_up(), seed=7, threads=1, parameters={**FAST, "patience": 0, "n_trees": 25})
    assert fitted.components[0].n_trees == 25


@pytest.mark.parametrize(("weight", "cuts"), [(0.0, False), (1.0, True)])
def test_inputs_of_a_group_without_weight_have_no_cuts(weight: float, cuts: bool) -> None:
    import lightgbm

    fitted = fit(replace(task("rate"), group_weights={"enforcement": weight}))
    used = lightgbm.Booster(model_str=fitted.components[0].text).feature_importance()
    groups = {feature.group: bool(n) for feature, n in zip(fitted.data.task.features, used, strict=True)}
    assert groups == {"condition": True, "enforcement": cuts, "exposure": True}


def test_exposure_as_weight_has_the_gradient_of_a_log_exposure_offset() -> None:
    claims, exposure, log_rate = np.array([0.0, 2.0]), np.array([0.5, 0.25]), np.array([-1.0, 0.3])
    weighted = exposure * (np.exp(log_rate) - claims / exposure)
    offset = np.exp(log_rate + np.log(exposure)) - claims
    np.testing.assert_allclose(weighted, offset, rtol=1e-15)


Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.mark.parametrize(
    ("answer", "change", "message"),
    [
        ("rate", lambda f: f.drop(columns="claims"), r"lacks columns \['claims'\]"),
        ("rate", lambda f: f.assign(fold=f["fold"].replace("valid", "none")), "no rows .*fold valid"),
        ("rate", lambda f: f.assign(fold="training"), "unknown folds"),
        ("rate", lambda f: f.assign(claims=0.0), "none of .* rows has an event"),
        ("probability", lambda f: f.assign(event=1.0), "nothing to learn"),
        ("probability", lambda f: f.assign(event=2.0), "0 or 1"),
        ("rate", lambda f: f.assign(claims=f["claims"].where(f.index != 5)), "null or infinite"),
        ("rate", lambda f: f.assign(claims=-1.0), "negative target"),
        ("rate", lambda f: f.assign(exposure=f["exposure"].where(f.index != 5, 0.0)), "not above 0"),
        ("pure_premium", lambda f: f.assign(has_claim=True), "null, infinite or not above 0"),
        ("rate", lambda f: f.assign(age_year=np.inf), "infinite values"),
        ("rate", lambda f: f.assign(age_year="old"), "not a number"),
        ("rate", lambda f: f.assign(use=1), "category must be text"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_with_its_place(answer: str, change: Change, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        fit(task(answer), change(made_up(600)))


def test_a_required_input_may_not_be_null() -> None:
    needed = replace(FEATURES[0], null_rule="required")
    with pytest.raises(TrainingError, match="rows have no value"):
        prepare(task("rate", features=(needed,)), made_up(100))


def test_tasks_that_contradict_themselves_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="must be unique"):
        task("rate", features=(FEATURES[0], FEATURES[0]))
    with pytest.raises(ValueError, match="null cannot mean zero"):
        task("rate", features=(replace(FEATURES[2], null_rule="zero"),))
    with pytest.raises(ValueError, match="frequency and severity"):
        task("pure_premium", components=COMPONENTS["rate"])
    with pytest.raises(ValueError, match="exposure has no meaning"):
        ComponentTask(name="x", objective="binary", target="y", exposure="z")
    with pytest.raises(ValueError, match="between 1 and 2"):
        ComponentTask(name="x", objective="tweedie", target="y", tweedie_power=2.0)

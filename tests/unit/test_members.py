"""Cross-fitting: a mean of boosters is a booster, and no row is judged by one that has seen its group."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import lightgbm  # noqa: TID253 - its subject
import numpy as np
import pytest

from registry.errors import TrainingError
from registry.scorer import Scorer
from tests.lib.frames import COMPONENTS, FAST, made_up, task
from training.assemble import assemble
from training.calibration import calibrate
from training.fit import blind_member, fit_component, fit_score
from training.members import mean_of_texts, shortened
from training.splits import TEST

EXACT: dict[str, Any] = {**FAST, "patience": 0, "n_trees": 15}


def booster(seed: int, leaves: int) -> tuple[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(800, 4))
    matrix[:, 3] = rng.integers(0, 6, 800)
    matrix[rng.random(800) < 0.2, 1] = np.nan
    counts = rng.poisson(np.exp(0.4 * matrix[:, 0] + 0.5 * (matrix[:, 3] == 2)))
    data = lightgbm.Dataset(matrix, counts, categorical_feature=[3], params={"verbose": -1})
    settings = {"objective": "poisson", "num_leaves": leaves, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
    return lightgbm.train(settings, data, 5 + leaves).model_to_string(), matrix


def test_the_mean_of_texts_predicts_and_explains_the_mean() -> None:
    texts = [booster(seed, leaves)[0] for seed, leaves in ((1, 3), (2, 7), (3, 15))]
    matrix = booster(4, 3)[1]
    merged = lightgbm.Booster(model_str=mean_of_texts(texts))
    parts = [lightgbm.Booster(model_str=text) for text in texts]
    assert merged.num_trees() == sum(part.num_trees() for part in parts)
    for asked in ({"raw_score": True}, {"pred_contrib": True}):
        mean = np.mean([part.predict(matrix, **asked) for part in parts], axis=0)
        np.testing.assert_allclose(merged.predict(matrix, **asked), mean, rtol=0, atol=1e-13)


def test_the_mean_of_one_text_is_that_text_and_of_rubbish_nothing() -> None:
    text = booster(1, 3)[0]
    assert mean_of_texts([text]) == text
    with pytest.raises(TrainingError, match="no trees"):
        mean_of_texts([text, "tree\nversion=v4\n"])


def test_a_row_out_of_fold_does_not_depend_on_the_outcomes_of_its_group() -> None:
    frame, what = made_up(), task("rate", members=3)
    before = fit_score(what, frame, seed=7, threads=1, parameters=EXACT)
    group = frame.loc[frame["fold"] != TEST, "group"].iloc[0]
    own = (frame["group"] == group).to_numpy()
    after = fit_score(what, frame.assign(claims=frame["claims"].where(~own, 25.0)), seed=7, threads=1, parameters=EXACT)
    held = own & before.data.fitted_rows
    np.testing.assert_array_equal(before.out_of_fold[held], after.out_of_fold[held])
    assert (before.raw[held] != after.raw[held]).all()


def test_nested_margins_do_not_depend_on_the_outcomes_of_the_group_and_leave_the_served_booster_as_it_was() -> None:
    frame, plain = made_up(), task("rate", members=3)
    what = replace(plain, nested=True)
    before = fit_score(what, frame, seed=7, threads=1, parameters=EXACT)
    group = frame.loc[frame["fold"] != TEST, "group"].iloc[0]
    own = (frame["group"] == group).to_numpy()
    after = fit_score(what, frame.assign(claims=frame["claims"].where(~own, 25.0)), seed=7, threads=1, parameters=EXACT)
    held = own & before.data.fitted_rows
    np.testing.assert_array_equal(before.out_of_fold[held], after.out_of_fold[held])
    single = fit_score(plain, frame, seed=7, threads=1, parameters=EXACT)
    assert single.components[0].text == before.components[0].text
    assert (single.out_of_fold[held] != before.out_of_fold[held]).all()


def test_nested_margins_find_the_slope_of_a_mean_of_members_that_differ() -> None:
    frame = made_up()
    noisy = {**EXACT, "n_trees": 40, "num_leaves": 31, "min_data_in_leaf": 5, "lambda_l2": 0.0}
    what = task("rate", members=4)
    slopes, best = [], []
    for nested in (False, True):
        fitted = fit_score(replace(what, nested=nested), frame, seed=8, threads=1, parameters=noisy)
        slopes.append(calibrate(fitted)[0].components[0].slope)
        best.append(float(np.std(fitted.out_of_fold[fitted.data.fitted_rows, 0])))
    assert best[1] < 0.97 * best[0]
    assert slopes[1] > slopes[0] + 0.02


def test_a_fit_on_a_share_of_the_quiet_rows_keeps_the_level_and_reads_fewer_rows() -> None:
    frame, what = made_up(12_000), task("probability", members=3)
    every, some = (
        fit_score(what, frame, seed=7, threads=1, parameters={**EXACT, "negative_share": share}) for share in (1.0, 0.4)
    )
    rows = every.data.fitted_rows
    seen = [float((1.0 / (1.0 + np.exp(-one.raw[rows, 0]))).mean()) for one in (every, some)]
    assert seen[1] == pytest.approx(seen[0], abs=0.01)
    assert np.corrcoef(every.raw[rows, 0], some.raw[rows, 0])[0, 1] > 0.98
    read = [int(re.findall(r"internal_count=(\d+)", one.components[0].text)[0]) for one in (every, some)]
    held = frame.loc[rows, "event"]
    assert read[1] / read[0] == pytest.approx((held.sum() + 0.4 * (1.0 - held).sum()) / len(held), abs=0.02)


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_of_quiet_rows_is_a_share(share: float) -> None:
    with pytest.raises(TrainingError, match="above 0 and up to 1"):
        fit_score(task("probability", members=3), made_up(), seed=7, threads=1, parameters={**EXACT, "negative_share": share})


def test_rows_of_the_test_are_judged_by_the_saved_mean() -> None:
    fitted = fit_score(task("rate", members=3), made_up(), seed=7, threads=1, parameters=EXACT)
    test = fitted.data.in_fold(TEST)
    np.testing.assert_array_equal(fitted.out_of_fold[test], fitted.raw[test])
    assert set(blind_member(fitted.data, 7)) == {0, 1, 2}
    assert fitted.components[0].n_trees == 45


@pytest.mark.parametrize("answer", list(COMPONENTS))
def test_a_cross_fitted_bundle_scores_as_it_was_trained_whatever_the_threads(answer: str) -> None:
    what = task(answer, members=3, unit="group")
    fitted = [
        calibrate(fit_score(what, made_up(), seed=7, threads=threads, parameters=FAST))[0] for threads in (1, 2)
    ]
    first, second = (assemble(one, snapshot="s") for one in fitted)
    assert first.digest == second.digest
    scorer = Scorer(first)
    matrix = scorer.encode_frame(fitted[0].data.frame[:200])
    np.testing.assert_array_equal(scorer.component_margins(matrix), fitted[0].component_margins[:200])


def test_members_that_stop_together_have_the_trees_of_the_least_mean_loss_and_their_share_more() -> None:
    loose = {**FAST, "n_trees": 120, "learning_rate": 0.2, "min_data_in_leaf": 5, "lambda_l2": 0.0}
    fitted = fit_score(task("rate", members=3), made_up(), seed=7, threads=1, parameters={**loose, "together": True})
    data = fitted.data
    alone = [
        fit_component(data, data.task.components[0], 7, 1, None, {**loose, "patience": 0}, member=member)[0].losses
        for member in range(3)
    ]
    least = int(np.argmin(np.mean(alone, axis=0))) + 1
    most = round(least * 3 / 2)
    assert 1 < least < most < 120
    assert [len(losses) for losses in alone] == [120] * 3
    assert fitted.components[0].n_trees == 3 * most
    assert fitted.components[0].best_score == pytest.approx(np.mean([losses[most - 1] for losses in alone]))
    bounded = {**loose, "together": True, "n_trees": least + 1}
    again = fit_score(task("rate", members=3), made_up(), seed=7, threads=1, parameters=bounded)
    assert again.components[0].n_trees == 3 * (least + 1)


def test_a_booster_keeps_its_first_trees() -> None:
    text, matrix = booster(1, 7)
    short = lightgbm.Booster(model_str=shortened(text, 4))
    whole = lightgbm.Booster(model_str=text).predict(matrix, raw_score=True, num_iteration=4)
    np.testing.assert_array_equal(short.predict(matrix, raw_score=True), whole)
    assert shortened(text, 12) == shortened(text, 99) == text


def test_averaging_and_honest_margins_pay_out_of_sample() -> None:
    frame = made_up(6000)
    single, many = (
        fit_score(task("rate", members=members), frame, seed=7, threads=1, parameters=FAST) for members in (1, 4)
    )
    truth = -1.0 + 0.06 * frame["age_year"] + 0.4 * frame["penalties"] + 0.7 * (frame["use"] == "hazmat")
    known = single.data.in_fold(TEST) & (truth.notna() & frame["use"].notna()).to_numpy()
    error = [np.std(fitted.raw[known, 0] - truth[known]) for fitted in (single, many)]
    assert error[1] < error[0]


def test_nested_margins_need_three_members() -> None:
    with pytest.raises(ValueError, match="at least three"):
        replace(task("rate", members=2), nested=True)

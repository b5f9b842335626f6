"""Neither the way that rows reach LightGBM nor the width of a float changes a booster."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.lib.frames import FAST, FEATURES, NUMBERS, made_up, task
from training import streamed
from training.fit import fit_score
from training.fitted import FittedScore
from training.matrix import encode
from training.streamed import MatrixRows, predicted, readable

NAMES = [feature.name for feature in NUMBERS]


def fit(frame: pd.DataFrame, members: int = 1) -> FittedScore:
    return fit_score(task("pure_premium", members=members), frame, seed=7, threads=2, parameters=FAST)


@pytest.mark.parametrize("members", [1, 3])
def test_rows_read_in_batches_give_the_booster_of_copied_rows(members: int, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = fit(made_up(), members)
    monkeypatch.setattr(streamed, "LEAST_ROWS", 0)
    monkeypatch.setattr(MatrixRows, "batch_size", 700)
    read = fit(made_up(), members)
    assert [c.text for c in read.components] == [c.text for c in copied.components]
    np.testing.assert_array_equal(read.out_of_fold, copied.out_of_fold)


def test_a_frame_of_float32_gives_the_booster_of_its_values_as_float64() -> None:
    single = made_up().astype(dict.fromkeys(NAMES, np.float32))
    narrow, wide = fit(single), fit(single.astype(dict.fromkeys(NAMES, np.float64)))
    assert (narrow.data.matrix.dtype, wide.data.matrix.dtype) == (np.float32, np.float64)
    assert [c.text for c in narrow.components] == [c.text for c in wide.components]
    np.testing.assert_array_equal(narrow.raw, wide.raw)


def test_one_wider_column_keeps_every_value_at_its_full_width() -> None:
    mixed = made_up(100).astype({NAMES[1]: np.float32})
    matrix = encode(FEATURES, mixed, narrow=True)
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix, encode(FEATURES, mixed))


def test_few_rows_are_copied_and_predictions_follow_the_chosen_rows() -> None:
    import lightgbm

    fitted = fit(made_up(500))
    rows = np.arange(500) % 3 == 0
    booster = lightgbm.Booster(model_str=fitted.components[0].text)
    assert isinstance(readable(fitted.data.matrix, rows), np.ndarray)
    np.testing.assert_array_equal(predicted(booster, fitted.data.matrix, rows, threads=1), fitted.raw[rows, 0])
    assert predicted(booster, fitted.data.matrix, np.zeros(500, dtype=bool), threads=1).shape == (0,)

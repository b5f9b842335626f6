"""The band of a right pure premium: claims drawn anew, as wide as single claims make it, and as often right as it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from experiments.table_compound import Compound, compound_bands, compound_of
from experiments.table_repeats import outside, told_repeats
from tests.lib.frames import FAST, made_up, task
from training.calibration import calibrate
from training.fit import fit_score
from training.splits import TEST

ROWS = 20_000


def portfolio(dispersion: float = 0.0) -> Compound:
    generator = np.random.default_rng(3)
    ratios = generator.lognormal(-0.5, 1.0, 5_000)
    share = np.full(len(ratios), 1 / len(ratios))
    return Compound(np.full(ROWS, 0.05), np.full(ROWS, 2_000.0), ratios / ratios.mean(), share, dispersion)


def test_a_right_score_lies_in_its_band_as_often_as_the_band_says() -> None:
    claims, place = portfolio(), np.arange(ROWS) % 10
    bands = compound_bands([claims], place, seed=1)
    generator = np.random.default_rng(8)
    hits = []
    for _ in range(200):
        numbers = generator.poisson(claims.number.reshape(-1, 10).sum(axis=0))
        totals = [2_000.0 * generator.choice(claims.ratios, number).sum() for number in numbers]
        ratios = np.array(totals) / (claims.number * claims.size).reshape(-1, 10).sum(axis=0)
        hits.append([band["band"][0] <= ratio <= band["band"][1] for band, ratio in zip(bands, ratios, strict=True)])
    assert 0.93 < np.mean(hits) < 0.97
    assert np.mean(np.all(hits, axis=1)) < 0.75  # ten pointwise bands do not hold together


def test_bands_are_wider_at_the_level_for_all_ten_and_with_dispersion() -> None:
    place = np.arange(ROWS) % 10
    plain, spread = (compound_bands([portfolio(k)], place, seed=1)[0] for k in (0.0, 40.0))
    assert plain["simultaneous"][0] < plain["band"][0] < 1 < plain["band"][1] < plain["simultaneous"][1]
    assert spread["band"][1] - spread["band"][0] > plain["band"][1] - plain["band"][0]


def test_ratios_of_a_fitted_score_are_out_of_fold_and_right_on_average() -> None:
    fitted, _ = calibrate(fit_score(task("pure_premium", members=3), made_up(), seed=7, threads=1, parameters=FAST))
    rows = fitted.data.in_fold(TEST)
    found = compound_of(fitted, rows)
    assert len(found.number) == len(found.size) == rows.sum()
    assert np.isclose(found.share @ found.ratios, 1.0)
    assert np.isclose(found.share.sum(), 1.0)
    single = compound_of(replace(fitted, data=replace(fitted.data, task=replace(fitted.data.task, members=1))), rows)
    assert len(single.ratios) < len(found.ratios)


def test_the_page_counts_what_left_its_band() -> None:
    deciles = [{"actual_to_expected": 1.2 if k == 9 else 1.0, "band": [0.9, 1.1]} for k in range(10)]
    assert outside(deciles) == 1
    lines = told_repeats({"again": [{"name": "seed 1", "deciles": deciles}]}, str)
    assert "| seed 1 |" in "\n".join(lines)
    assert "1 of 10 ratios" in lines[-1]
    assert told_repeats({}, str) == []

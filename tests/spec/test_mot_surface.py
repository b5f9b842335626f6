"""The failure surface: cells, fifths of mileage, and numbers that say how two surfaces differ."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.mot_surface import compare
from experiments.mot_surface_data import Inspected
from registry.errors import DataError


def inspected(age: list[float], km: list[float], failed: list[float], count: list[float]) -> Inspected:
    a, b, c, d = (np.array(values, dtype=float) for values in (age, km, failed, count))
    return Inspected(a, b, c, d, np.arange(len(age)))


@pytest.mark.parametrize(("age", "band"), [(2.9, -1), (3.0, 0), (4.9, 0), (5.0, 1), (14.9, 5), (15.0, -1)])
def test_bands_of_age(age: float, band: int) -> None:
    assert inspected([age], [1.0], [0.0], [1.0]).age_band.tolist() == [band]


def test_fifths_are_among_vehicles_of_the_same_year_and_count_inspections() -> None:
    rows = inspected([3.1] * 5 + [4.0] * 2, [50, 10, 30, 20, 40, 7, 9], [0] * 7, [1, 1, 1, 1, 1, 1, 9])
    assert rows.quintile().tolist() == [4, 0, 2, 1, 3, 0, 2]


def surface(per_year: float, per_fifth: float, n: int = 6000, seed: int = 2) -> tuple[Inspected, np.ndarray]:
    rng = np.random.default_rng(seed)
    age, km = rng.uniform(3, 15, n), rng.uniform(1e4, 5e5, n)
    rows = Inspected(age, km, np.zeros(n), np.ones(n), np.arange(n))
    probability = 1 / (1 + np.exp(2.5 - per_year * (age - 3) - per_fifth * rows.quintile()))
    return Inspected(age, km, probability * 1000, np.full(n, 1000.0), np.zeros(n, dtype=np.int64)), probability


def test_a_surface_is_like_itself_and_unlike_a_flat_one() -> None:
    real, probability = surface(0.15, 0.2)
    ours = Inspected(real.age_year, real.km, probability, np.ones(len(probability)), np.arange(len(probability)))
    same = compare(real, ours, probability, axis="mileage_fifth", replicates=20, seed=1)
    assert same["rank_correlation"] == pytest.approx(1.0)
    assert same["mean_absolute_difference"] == pytest.approx(0.0, abs=1e-9)
    assert same["real_log_odds_per_step_of_mileage"] == pytest.approx(0.2, abs=0.02)
    flat = surface(0.15, 0.0)[1]
    other = compare(real, ours, flat, axis="mileage_fifth", replicates=20, seed=1)
    assert other["simulated_log_odds_per_step_of_mileage"] == pytest.approx(0.0, abs=0.02)
    assert other["mean_absolute_difference"] > 0.1
    low, high = other["intervals"]["mean_absolute_difference"]
    assert low <= other["mean_absolute_difference"] <= high * 1.1


def test_cells_with_few_inspections_do_not_count() -> None:
    real, probability = surface(0.15, 0.2)
    few = slice(0, 1000)
    ours = Inspected(real.age_year[few], real.km[few], probability[few], np.ones(1000), np.arange(1000))
    found = compare(real, ours, probability[few], axis="kilometres", replicates=0, seed=1)
    assert found["cells"] < 48
    assert found["intervals"] == {}
    assert sum(value is None for row in found["simulated"] for value in row) == 48 - found["cells"]


def test_a_province_too_small_for_a_surface_is_refused() -> None:
    real, probability = surface(0.15, 0.2)
    ours = Inspected(real.age_year[:100], real.km[:100], probability[:100], np.ones(100), np.arange(100))
    with pytest.raises(DataError, match="Compare a larger simulated province"):
        compare(real, ours, probability[:100], axis="kilometres", replicates=0, seed=1)

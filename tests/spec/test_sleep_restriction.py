"""Sleep restriction: the schedule as a table, the models' order of the days, and the mixed model on made data."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.sleep_restriction_mixed import correlation_of, fit_mixed, within_products
from experiments.sleep_restriction_protocol import DOCUMENTED, FROM_DAY_0, Protocol, course, sleeps_of
from experiments.sleep_restriction_score import schedule_inputs
from features.fatigue.tpm import steady_state_s_at_wake, tpm_kss


@pytest.mark.parametrize(
    ("protocol", "day", "slept_h"),
    [(DOCUMENTED, 0, 8.0), (DOCUMENTED, 2, 8.0), (DOCUMENTED, 3, 3.0), (DOCUMENTED, 9, 3.0), (FROM_DAY_0, 0, 8.0),
     (FROM_DAY_0, 1, 3.0), (Protocol(asleep_share=0.5), 3, 1.5)],
)
def test_hours_slept_before_a_day(protocol: Protocol, day: int, slept_h: float) -> None:
    assert course(protocol).slept_h[day] == pytest.approx(slept_h)


def test_every_night_ends_at_seven() -> None:
    sleeps = sleeps_of(DOCUMENTED)
    assert set((sleeps.end_s % 86_400).tolist()) == {7 * 3600}
    assert len(sleeps.end_s) == DOCUMENTED.lead_nights + 9


def test_the_rested_day_is_the_steady_state_and_the_models_remember_differently() -> None:
    found = course()
    rested = tpm_kss(found.clock_h[0], found.awake_h[0], steady_state_s_at_wake(8.0))
    assert found.kss[0] == pytest.approx(rested, abs=1e-6)
    daily = {name: getattr(found, name).mean(axis=1)[2:] for name in ("kss", "effectiveness", "unified")}
    assert (np.diff(daily["kss"]) > 0).all()
    assert (np.diff(daily["effectiveness"]) < 0).all()
    assert (np.diff(daily["unified"]) > 0).all()
    late = {name: abs(values[-1] - values[3]) / abs(values[-1] - values[0]) for name, values in daily.items()}
    assert late["kss"] < late["effectiveness"] < late["unified"]


def test_inputs_of_the_score_are_those_of_a_stop_around_the_sleep() -> None:
    told = schedule_inputs(course())
    assert told["duty_longest_rest_24h_h"][3].tolist() == [4.5] * 4
    assert told["duty_hours_awake_proxy_h"][3].tolist() == [1.25, 4.25, 7.25, 13.25]
    assert told["duty_clock_hour"][0].tolist() == [9.0, 12.0, 15.0, 21.0]
    assert told["duty_kss"].max() <= 9.0


def test_the_mixed_model_finds_what_made_the_data_and_minds_no_unit() -> None:
    rng = np.random.default_rng(4)
    subject, x = np.repeat(np.arange(60), 10), np.tile(np.arange(10.0), 60)
    own = rng.multivariate_normal([0, 0], [[400, 0], [0, 9]], 60)[subject]
    y = 250 + own[:, 0] + (10 + own[:, 1]) * x + rng.normal(0, 20, 600)
    model, scaled = fit_mixed(x, y, subject), fit_mixed(100 + x * 7, y, subject)
    assert model.slope == pytest.approx(10, abs=3 * model.slope_error)
    assert model.residual_variance == pytest.approx(400, rel=0.2)
    assert model.covariance[1, 1] == pytest.approx(9, rel=0.5)
    assert scaled.slope * 7 == pytest.approx(model.slope, rel=1e-5)
    assert (scaled.marginal_r2, scaled.conditional_r2) == pytest.approx((model.marginal_r2, model.conditional_r2), rel=1e-4)


def test_the_correlation_within_subjects_does_not_see_differences_between_them() -> None:
    subject = np.repeat([1, 2], 3)
    x, y = np.array([1.0, 2, 3, 1, 2, 3]), np.array([101.0, 102, 103, 1, 2, 3])
    products = within_products(x, y, subject)
    assert products.tolist() == [[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]
    assert correlation_of(products.sum(axis=0)) == pytest.approx(1.0)

"""What a bundle answers, by hand: events, intervals, service dates, causes, lines and the band."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma, nbinom

from registry.answers import SERVICE_LIMIT_D, answer_of, due_in_d, pieces_of
from registry.bundle import Band, Component, Line, Manifest, Service
from registry.credibility import at_least_one, credibility, experience_factor, interval
from registry.errors import DataError
from tests.lib.bundles import tiny_bundle

POSITIVE = st.floats(1e-3, 50.0)


def manifest_of(product: str, **changes: Any) -> Manifest:
    return tiny_bundle(product).manifest.model_copy(update=changes)


@given(POSITIVE, st.floats(1e-3, 5.0))
def test_at_least_one_is_the_negative_binomials(expected: float, dispersion: float) -> None:
    size = 1.0 / dispersion
    assert at_least_one(expected, dispersion) == pytest.approx(1 - nbinom.pmf(0, size, size / (size + expected)), rel=1e-9)


def test_without_dispersion_it_is_poissons() -> None:
    assert at_least_one(0.3, 0.0) == pytest.approx(1 - math.exp(-0.3))
    assert at_least_one(0.3, 1e-14) == pytest.approx(1 - math.exp(-0.3))


@pytest.mark.parametrize(("claims", "expected"), [(0.0, 0.0), (3.0, 1.5), (0.0, 4.0)])
def test_the_interval_is_that_of_the_gamma_posterior(claims: float, expected: float) -> None:
    posterior = gamma(1 / 0.4 + claims, scale=1 / (1 / 0.4 + expected))
    low, high = interval(2.0, 0.4, claims=claims, expected=expected)
    assert (low, high) == pytest.approx((2.0 * posterior.ppf(0.05), 2.0 * posterior.ppf(0.95)))
    assert interval(2.0, 0.0) == (2.0, 2.0)


@pytest.mark.parametrize(("n", "dispersion", "weight"), [(0.0, 0.25, 0.0), (4.0, 0.25, 0.5), (12.0, 0.25, 0.75), (9.0, 0.0, 0.0)])
def test_credibility_is_n_over_n_plus_k(n: float, dispersion: float, weight: float) -> None:
    assert credibility(n, dispersion) == pytest.approx(weight)


def test_own_experience_moves_the_prediction_by_its_credibility() -> None:
    assert experience_factor(8.0, 4.0, 0.25) == pytest.approx(1.5)
    assert experience_factor(0.0, 0.0, 0.25) == 1.0
    with pytest.raises(DataError, match="cannot be negative, met -1"):
        credibility(-1.0, 0.3)


HAZARDS = {
    Component(name=f"hazard_{d}", objective="binary", horizon_d=d, n_trees=1): margin
    for d, margin in ((7, math.log(0.02 / 0.98)), (30, math.log(0.05 / 0.95)), (90, math.log(0.2 / 0.8)))
}


@pytest.mark.parametrize(
    ("threshold", "day"),
    [
        (0.02, 7.0),
        (0.01, 7.0 * math.log(0.99) / math.log(0.98)),
        (1 - 0.98 * 0.95, 30.0),
        (1 - 0.98 * 0.95 * 0.8, 90.0),
        (1 - 0.98 * 0.95 * 0.8 * 0.8, 150.0),
        (0.99, float(SERVICE_LIMIT_D)),
    ],
)
def test_the_service_date_is_where_the_probability_reaches_the_threshold(threshold: float, day: float) -> None:
    assert due_in_d(pieces_of(list(HAZARDS.items())), threshold) == pytest.approx(day)


def test_a_frail_vehicle_is_due_earlier_and_distance_follows_usage() -> None:
    components = tuple(component.model_copy(update={"dispersion": 0.3, "weight": 1 / 3}) for component in HAZARDS)
    manifest = manifest_of(
        "maintenance", components=components, service=Service(threshold=0.1, usage_feature="mileage_90d_km", usage_d=90)
    )
    answer = answer_of(manifest, list(HAZARDS.values()), inputs={"mileage_90d_km": 9000.0})
    assert answer["service_due_low_d"] < answer["service_due_d"] < answer["service_due_high_d"]
    assert answer["service_due_km"] == pytest.approx(answer["service_due_d"] * 100.0)
    assert "service_due_km" not in answer_of(manifest, list(HAZARDS.values()), inputs={"mileage_90d_km": None})


def test_causes_are_shares_that_add_up() -> None:
    causes = [Component(name=f"cause_{c}", objective="binary", weight=0.0, n_trees=1, cause=c) for c in ("tyre", "brake")]
    manifest = manifest_of("maintenance", components=(*HAZARDS, *causes))
    answer = answer_of(manifest, [*HAZARDS.values(), math.log(0.3 / 0.7), math.log(0.1 / 0.9)])
    assert answer["cause_tyre"] == pytest.approx(0.75)
    assert answer["cause_tyre"] + answer["cause_brake"] == pytest.approx(1.0)


def priced(dispersion: float | None = 0.2, band: Band | None = None) -> Manifest:
    frequency, severity = tiny_bundle("insurance_pricing").manifest.components
    side = tuple(
        part.model_copy(update={"name": f"{part.name}_cargo", "line": "cargo", "weight": 0.0})
        for part in (frequency, severity)
    )
    lines = tuple(
        Line(id=name, zh=name, en=name, frequency="frequency" + end, severity="severity" + end, mean_answer=mean,
             large_loss=1e5, large_loss_factor=factor, n_claims=100)
        for name, end, mean, factor in (("motor", "", 1000.0, 1.3), ("cargo", "_cargo", 50.0, 1.1))
    )
    base = manifest_of("insurance_pricing")
    return base.model_copy(update={
        "components": (frequency.model_copy(update={"dispersion": dispersion}), severity, *side), "lines": lines,
        "band": band, "reference": base.reference.model_copy(update={"mean_answer": 1000.0}),
    })


MARGINS = [math.log(0.5), math.log(4000.0), math.log(0.1), math.log(600.0)]


def test_every_line_has_its_price_and_large_losses_are_an_amount_of_their_own() -> None:
    answer = answer_of(priced(), MARGINS)
    assert answer["pure_premium"] == pytest.approx(2000.0)
    assert answer["relativity"] == pytest.approx(2.0)
    assert answer["large_losses"] == pytest.approx(600.0)
    assert answer["pure_premium_cargo"] == pytest.approx(60.0)
    assert answer["relativity_cargo"] == pytest.approx(1.2)
    assert answer["large_losses_cargo"] == pytest.approx(6.0)
    assert answer["relativity_low"] < 2.0 < answer["relativity_high"]


@pytest.mark.parametrize(("low", "high", "coefficient"), [(0.5, 1.5, 1.5), (2.5, 3.0, 2.5), (0.5, 2.5, 2.0)])
def test_the_coefficient_stays_in_its_band_and_the_clamp_is_a_factor(low: float, high: float, coefficient: float) -> None:
    answer = answer_of(priced(band=Band(low=low, high=high)), MARGINS)
    assert answer["coefficient"] == pytest.approx(coefficient)
    assert answer["relativity"] * answer["coefficient_clamp"] == pytest.approx(answer["coefficient"])


def test_a_rate_with_dispersion_has_an_interval_and_its_own_probability() -> None:
    (part,) = tiny_bundle("enterprise_risk").manifest.components
    manifest = manifest_of("enterprise_risk", components=(part.model_copy(update={"dispersion": 1.0}),))
    answer = answer_of(manifest, [math.log(0.25)], exposure=2.0)
    assert answer["probability"] == pytest.approx(1 - 1 / 1.5)
    assert answer["expected_rate_low"] < 0.25 < answer["expected_rate_high"]

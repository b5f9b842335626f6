"""The published formulas on plain values: test vectors, bands, bounds; and that every baseline is declared whole."""

from __future__ import annotations

import numpy as np
import pytest

from features.families import FAMILIES, FEATURES
from features.formulas import FORMULA_FAMILIES, FORMULAS, baselines_of
from features.formulas.art_66 import enterprise_breach, overloaded_share, person_or_vehicle_breach
from features.formulas.base import OWN_CHOICE, Formula
from features.formulas.credit_1000 import grade, score
from features.formulas.eu_2014_47 import Deficiencies, Year, annual_rating, deficiencies, risk_rating
from features.formulas.eu_2016_403 import CHINA, EU, Bounds, duty_class
from features.formulas.eu_2022_695 import Check, band, rating
from features.formulas.sms_cn import measure, percentiles, size_group, time_weight, utilisation_factor
from features.lineage import family_columns
from features.product import ProductFeatures
from features.products import PRODUCT_FEATURES
from registry.products import PRODUCTS
from registry.resources import RESOURCES
from registry.units import UNITS
from tests.lib.processes import ROOT

THREE_CHECKS = (Check(), Check(vsi=1, si=2), Check(msi=1, mi=3, vehicles=2))


@pytest.mark.parametrize(("checks", "smart", "expected", "colour"), [
    pytest.param(THREE_CHECKS, False, 32.1667, "green", id="three checks"),
    pytest.param(THREE_CHECKS, True, 28.95, "green", id="smart tachographs"),
    pytest.param((Check(msi=2, vsi=1), Check(msi=2, vsi=2)), False, 225.0, "red", id="two grave checks"),
    pytest.param((Check(),), False, 0.0, "green", id="one clean check"),
    pytest.param((), False, None, "grey", id="never checked"),
])
def test_eu_2022_695(checks: tuple[Check, ...], smart: bool, expected: float | None, colour: str) -> None:
    met = rating(checks, smart_tachographs=smart)
    assert met == (None if expected is None else pytest.approx(expected, abs=5e-5))
    assert band(met) == colour


@pytest.mark.parametrize(("rated", "colour"), [
    (100.0, "green"), (100.5, "amber"), (101.0, "amber"), (200.0, "amber"), (200.5, "red"), (201.0, "red"),
])
def test_the_bands_of_eu_2022_695_have_no_gap(rated: float, colour: str) -> None:
    assert band(rated) == colour


def test_eu_2014_47() -> None:
    years = [Year(Deficiencies(1, 2, 3), 10), Year(Deficiencies(0, 1, 2), 8), Year(Deficiencies(2, 0, 1), 6)]
    assert risk_rating(years) == 12.25
    assert risk_rating(years[:1]) == 18.9
    assert annual_rating(years[0]) == 6.3
    assert risk_rating([Year(Deficiencies(), 0)] * 3) is None
    assert annual_rating(Year(Deficiencies(), 0)) is None


@pytest.mark.parametrize(("items", "n", "failed", "expected"), [
    ("service_brake,tyre", 2, True, Deficiencies(1, 1, 0)), ("headlamp_aim, other", 2, True, Deficiencies(0, 0, 2)),
    ("tyre,tyre", 1, True, Deficiencies(0, 1, 0)), ("unheard", 1, True, Deficiencies(0, 1, 0)),
    ("steering", 3, True, Deficiencies(1, 2, 0)), (None, None, True, Deficiencies(0, 1, 0)), (None, 0, False, Deficiencies()),
])
def test_failed_items_have_a_class(items: str | None, n: int | None, failed: bool, expected: Deficiencies) -> None:
    assert deficiencies(items, n, failed=failed) == expected


@pytest.mark.parametrize(("miles", "combination", "expected"), [
    (79_999.0, True, 1.0), (80_000.0, True, 1.0), (120_000.0, True, 1.30), (160_000.0, True, 1.60), (200_000.0, True, 1.6),
    (200_001.0, True, 1.0), (None, True, 1.0), (19_999.0, False, 1.0), (40_000.0, False, 2.0), (60_000.0, False, 3.0),
    (200_000.0, False, 3.0), (200_001.0, False, 1.0), (None, False, 1.0),
])
def test_the_utilisation_factor_of_sms(miles: float | None, combination: bool, expected: float) -> None:
    assert utilisation_factor(miles, combination=combination) == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize(("age_d", "expected"), [(0.5, 3), (183, 3), (183.5, 2), (365, 2), (366, 1), (730, 1), (731, 0), (-1, 0)])
def test_the_time_weights_of_sms(age_d: float, expected: int) -> None:
    assert time_weight(age_d) == expected


def test_the_measure_of_sms_caps_a_check_at_30() -> None:
    assert measure([(10, [10, 10, 10, 7]), (200, [4]), (700, [1]), (800, [10])], vehicle_years=2.0, factor=1.5) == 33.0
    assert measure([], vehicle_years=0.5, factor=1.0) == 0.0


def test_percentiles_and_groups_of_sms() -> None:
    assert percentiles([0.0, 3.0, 0.0, 1.0, 2.0]) == [0.0, 100.0, 0.0, 50.0, 75.0]
    assert percentiles([7.0]) == [None]
    assert [size_group(n) for n in (1, 2, 9, 10, 49, 50, 199, 200, 3_000)] == [0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize(("total", "veto", "expected", "ranked"), [
    (1_000, False, "AAA", 1_000), (850, False, "AAA", 850), (849, False, "AA", 849), (700, False, "AA", 700),
    (699, False, "A", 699), (600, False, "A", 600), (599, False, "B", 599), (950, True, "B", 599), (400, True, "B", 400),
])
def test_a_veto_is_a_b(total: float, veto: bool, expected: str, ranked: float) -> None:
    assert grade(total, veto=veto) == expected
    assert score(total, veto=veto) == ranked


def test_article_66() -> None:
    assert [person_or_vehicle_breach(n) for n in (0, 3, 4)] == [False, False, True]
    assert overloaded_share(3, 30) == 0.1
    assert [enterprise_breach(*pair) for pair in ((3, 30), (4, 30), (0, 1), (1, 1), (0, 0))] == [False, True, False, True, None]


@pytest.mark.parametrize(("hours", "bounds", "expected"), [
    ({"daily_h": 9.9}, EU, "none"), ({"daily_h": 10.0}, EU, "SI"), ({"daily_h": 11.0}, EU, "VSI"), ({"daily_h": 13.5}, EU, "MSI"),
    ({"continuous_h": 5.0}, EU, "SI"), ({"continuous_h": 6.0}, EU, "VSI"), ({"weekly_h": 60.0}, EU, "SI"),
    ({"weekly_h": 65.0}, EU, "VSI"), ({"weekly_h": 70.0}, EU, "MSI"), ({"fortnightly_h": 105.0}, EU, "VSI"),
    ({"fortnightly_h": 112.5}, EU, "MSI"), ({"continuous_h": 5.5, "daily_h": 12.0}, EU, "VSI"),
    ({"daily_h": 7.9, "continuous_h": 3.9}, CHINA, "none"), ({"daily_h": 8.0}, CHINA, "SI"), ({"daily_h": 9.0}, CHINA, "VSI"),
    ({"daily_h": 11.0}, CHINA, "MSI"), ({"continuous_h": 4.0}, CHINA, "SI"), ({"continuous_h": 4.8}, CHINA, "VSI"),
    ({"weekly_h": 100.0}, CHINA, "none"),
])
def test_eu_2016_403(hours: dict[str, float], bounds: Bounds, expected: str) -> None:
    assert duty_class(**hours, bounds=bounds) == expected


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=lambda formula: formula.id)
def test_a_baseline_is_declared_whole(formula: Formula) -> None:
    family = {**FAMILIES, **FORMULA_FAMILIES}[formula.family]
    assert formula.column in family.names
    assert formula.entity == family.entity.id
    assert set(formula.products) <= set(PRODUCTS)
    assert formula.products
    assert formula.zh != formula.en
    assert formula.null_means
    # A formula that is adapted says how; an input by itself needs no source.
    assert (formula.regulation == OWN_CHOICE) == (not formula.article)
    assert bool(formula.assumed) == bool(formula.article)


def test_formulas_are_no_inputs() -> None:
    columns = [name for family in FORMULA_FAMILIES.values() for name in family.names]
    assert len(columns) == len(set(columns))
    assert not set(columns) & set(FEATURES)
    assert not set(FORMULA_FAMILIES) & set(FAMILIES)
    for product in PRODUCT_FEATURES.values():
        assert not {feature.name for feature in product.features} & set(columns)
        assert not set(product.families) & set(FORMULA_FAMILIES)
        entities = {FORMULA_FAMILIES[name].entity for name in product.formulas}
        assert entities <= set(product.joins)


@pytest.mark.parametrize("product", PRODUCT_FEATURES.values(), ids=lambda product: product.id)
def test_a_product_joins_what_its_baselines_read(product: ProductFeatures) -> None:
    there = {*product.families, *product.formulas}
    if not product.formulas:
        pytest.skip(f"{product.id} joins no formula")
    assert {formula.family for formula in FORMULAS.values() if product.id in formula.products} <= there
    assert set(product.formulas) <= {formula.family for formula in FORMULAS.values() if product.id in formula.products}
    columns = [*product.formula_columns, *(feature.name for feature in product.features)]
    met = baselines_of(product.id, columns)
    assert [formula.id for formula in met] == [formula.id for formula in FORMULAS.values() if product.id in formula.products]
    assert baselines_of(product.id, ()) == ()


@pytest.mark.parametrize("family_id", FORMULA_FAMILIES)
def test_a_formula_reads_what_it_declares(family_id: str) -> None:
    family = FORMULA_FAMILIES[family_id]
    columns = family_columns(family)
    assert {resource for pairs in columns.values() for resource, _ in pairs} == set(family.resources)
    for feature in family.features:
        assert feature.unit in UNITS
        assert set(feature.resources) <= set(RESOURCES)
        assert feature.resources == family.resources


def test_who_has_no_value_stands_in_the_middle() -> None:
    rating_of = FORMULAS["eu_2022_695"]
    np.testing.assert_array_equal(rating_of.as_risk([3.0, np.nan, 1.0, 8.0]), [3.0, 3.0, 1.0, 8.0])
    np.testing.assert_array_equal(FORMULAS["credit_1000"].as_risk([900.0, np.nan, 700.0]), [-900.0, -800.0, -700.0])
    np.testing.assert_array_equal(rating_of.as_risk([np.nan, np.nan]), [0.0, 0.0])


def test_the_page_tells_every_baseline() -> None:
    page = (ROOT / "docs" / "baselines.md").read_text(encoding="utf-8")
    lines = [
        f"| `{formula.id}` | {formula.zh} | `{formula.column}` | {'higher' if formula.direction > 0 else 'lower'} |"
        for formula in FORMULAS.values()
    ]
    assert [line for line in lines if line not in page] == []
    columns = [name for family in FORMULA_FAMILIES.values() for name in family.names]
    assert [name for name in columns if f"`{name}`" not in page] == []

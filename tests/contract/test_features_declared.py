"""What every feature declares is true of its expression, and nothing on the prohibited list takes part in any."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from experiments.reference_pages import features_page
from features.catalogue_cli import list_features
from features.families import FAMILIES, FEATURES, Family, area_context
from features.families.vehicle_profile import fleet
from features.lineage import Columns, family_columns
from features.products import PRODUCT_FEATURES
from registry.entities import ENTERPRISE, ENTITIES, VEHICLE
from registry.errors import NotFound, TrainingError
from registry.feature_spec import Feature
from registry.products import PRODUCTS
from registry.prohibited import GUARDS, PROHIBITIONS, broken_by, refuse_prohibited
from registry.reasons import REASONS
from registry.resources import RESOURCES
from registry.units import UNITS
from training.task import TrainingTask

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

FLOORS = {"enterprise_risk": 40, "insurance_pricing": 40, "maintenance": 40, "driver_fatigue": 30}
SPINE = frozenset(("vehicle_transport_permit", "vehicle_basic", "operator_basic", "vehicle_day"))
"""Resources that say which vehicles and operators there are and that rates are divided by; a feature need not name them."""
USERS = {name: [product.id for product in PRODUCT_FEATURES.values() if name in {f.name for f in product.features}]
         for name in FEATURES}


@cache
def columns_of(family_id: str) -> dict[str, Columns]:
    return family_columns(FAMILIES[family_id])


@pytest.mark.parametrize("product_id", FLOORS)
def test_a_product_has_enough_features_in_enough_groups(product_id: str) -> None:
    features = PRODUCT_FEATURES[product_id].features
    assert len(features) >= FLOORS[product_id] * 1.2
    groups = Counter(feature.group for feature in features)
    assert len(groups) >= 5
    assert groups["area"] >= 5
    assert max(groups.values()) < 0.5 * len(features)


@pytest.mark.parametrize("feature", FEATURES.values(), ids=lambda feature: feature.name)
def test_a_feature_is_declared_whole(feature: Feature) -> None:
    assert feature.unit in UNITS
    assert feature.reason_code in REASONS
    assert feature.reason_code != "R00"
    assert feature.resources
    assert set(feature.resources) <= set(RESOURCES)
    assert feature.zh
    assert feature.en
    assert feature.zh != feature.en
    assert USERS[feature.name], "no product reads it"
    if feature.actionable and feature.monotone > 0:
        assert REASONS[feature.reason_code].remedy_en, "the subject is told to change it and not how"
    if feature.window_d is not None and f"_{feature.window_d}d" not in feature.name:
        # A name that shows a number of days shows the one of its window.
        assert not [days for days in (28, 30, 90, 365, 730, 1095) if f"_{days}d" in feature.name]


def test_names_are_unique_and_belong_to_their_entity() -> None:
    names = [feature.name for family in FAMILIES.values() for feature in family.features]
    assert len(names) == len(set(names))
    for family in FAMILIES.values():
        assert {ENTITIES[feature.entity] for feature in family.features} == {family.entity}


@pytest.mark.parametrize("family_id", FAMILIES)
def test_what_a_feature_is_computed_from_is_what_it_declares(family_id: str) -> None:
    family, wrong = FAMILIES[family_id], {}
    for feature in family.features:
        read = {resource for resource, _ in columns_of(family_id)[feature.name]}
        hidden, unused = read - set(feature.resources) - SPINE, set(feature.resources) - read
        if hidden or unused:
            wrong[feature.name] = {"hidden": hidden, "unused": unused}
    assert wrong == {}
    used = {resource for columns in columns_of(family_id).values() for resource, _ in columns}
    assert used == set(family.resources)


@pytest.mark.parametrize("family_id", FAMILIES)
def test_only_what_may_enter_the_warehouse_is_read(family_id: str) -> None:
    for columns in columns_of(family_id).values():
        for resource_id, column in columns:
            resource = RESOURCES[resource_id]
            clear = {declared.id for declared in resource.warehouse_columns()}
            assert column in clear | {pseudonym.id for pseudonym in resource.pseudonyms}


@pytest.mark.parametrize("product_id", PRODUCT_FEATURES)
def test_no_feature_touches_what_is_prohibited(product_id: str) -> None:
    product = PRODUCT_FEATURES[product_id]
    names = {feature.name for feature in product.features}
    broken = {
        feature.name: why
        for family_id in product.families for feature in FAMILIES[family_id].features
        if feature.name in names and (why := broken_by(product_id, feature, columns_of(family_id)[feature.name]))
    }
    assert broken == {}
    refuse_prohibited(product_id, product.features)


def planted(name: str, resource: str, expression: object, group: str = "compliance") -> Family:
    feature = Feature(name=name, entity="enterprise", zh="埋设", en="planted", group=group, resources=(resource,))
    return Family(
        id="planted", entity=ENTERPRISE, resources=(resource, "vehicle_transport_permit"), features=(feature,),
        expression=expression,  # type: ignore[arg-type]
    )


def alarms(known: Known) -> ir.Table:
    days = known.at_cutoffs("vehicle_day", ["plate_id", "n_alarm_speed"], days=90)
    held = fleet(known).select("plate_id", "cutoff", "enterprise_id").inner_join(days, ["plate_id", "cutoff"])
    return held.group_by(["enterprise_id", "cutoff"]).aggregate(n_violations=held.n_alarm_speed.sum())


def all_cases(known: Known) -> ir.Table:
    rows = known.at_cutoffs("enforcement_case", ["enterprise_id", "not_punish"], days=90)
    rows = rows.filter(~rows.not_punish)
    return rows.group_by(["enterprise_id", "cutoff"]).aggregate(n_accused=rows.count())


def all_entries(known: Known) -> ir.Table:
    rows = known.state("credit_list", "entry_no", ["enterprise_id", "list_type"])
    return rows.group_by(["enterprise_id", "cutoff"]).aggregate(n_entries=rows.count())


def own_claims(known: Known) -> ir.Table:
    rows = known.state("claim", "claim_no", ["vehicle_id", "policy_no"])
    vehicles = fleet(known).select("vehicle_id", "enterprise_id", "cutoff")
    vehicles = vehicles.left_join(rows, ["vehicle_id", "cutoff"], rname="c_{name}")
    return vehicles.group_by(["enterprise_id", "cutoff"]).aggregate(n_clean_years=vehicles.policy_no.count())


@pytest.mark.parametrize(("family", "why"), [
    (planted("n_violations", "vehicle_day", alarms), ["alarm_as_finding: vehicle_day.n_alarm_speed"]),
    (planted("n_accused", "enforcement_case", all_cases), ["enforcement_case without state"]),
    (planted("n_entries", "credit_list", all_entries), ["credit_list without expires_at, removal_reason, removed_at"]),
    (planted("n_clean_years", "claim", own_claims), ["own_claims: claim"]),
], ids=lambda value: value.features[0].name if isinstance(value, Family) else "")
def test_a_planted_feature_is_found_by_its_lineage(family: Family, why: list[str]) -> None:
    feature = family.features[0]
    assert broken_by("insurance_pricing", feature, family_columns(family)[feature.name]) == why


def test_an_alarm_may_say_how_a_vehicle_was_driven() -> None:
    family = planted("n_alarms", "vehicle_day", lambda known: alarms(known).rename(n_alarms="n_violations"), "dynamics")
    feature = family.features[0]
    assert broken_by("insurance_pricing", feature, family_columns(family)[feature.name]) == []


@pytest.mark.parametrize("name", ["driver_sex", "share_of_native_place", "driver_age", "legal_rep_points", "health_state"])
def test_training_refuses_what_is_prohibited(name: str) -> None:
    feature = replace(FEATURES["n_drivers"], name=name)
    with pytest.raises(TrainingError, match=f"enterprise_risk has prohibited inputs: {name}"):
        TrainingTask.of_product(
            PRODUCTS["enterprise_risk"], features=(feature,), components=(), group="enterprise_id", time=None
        )


def test_claims_may_not_price_but_may_tell_of_maintenance() -> None:
    feature = FEATURES["breakdown_per_year"]
    refuse_prohibited("maintenance", [feature])
    with pytest.raises(TrainingError, match="breakdown_per_year: own claims and policies"):
        refuse_prohibited("insurance_pricing", [feature])


def test_the_list_names_what_exists() -> None:
    named = {pair for line in PROHIBITIONS for pair in line.columns}
    named |= {(guard.resource, column) for guard in GUARDS for column in guard.columns}
    assert [pair for pair in named if pair[1] not in {column.id for column in RESOURCES[pair[0]].columns}] == []
    assert {resource for line in PROHIBITIONS for resource in line.resources} <= set(RESOURCES)
    assert {product for line in PROHIBITIONS for product in line.products} <= set(PRODUCTS)
    assert VEHICLE.id_column not in {column for _, column in named}


def test_the_catalogue_lists_what_a_product_reads() -> None:
    told = CliRunner().invoke(list_features, ["--product", "maintenance", "--group", "area", "--columns", "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert found["count"] == len(found["features"]) == len(area_context.MEASURES)
    assert found["by_product"] == {name: len(product.features) for name, product in PRODUCT_FEATURES.items()}
    first = found["features"][0]
    assert {"family", "name", "unit", "window_d", "null_rule", "monotone_reason", "zh", "en", "products"} <= set(first)
    assert "enforcement_case.state" in first["columns"]
    shown = CliRunner().invoke(list_features, ["--product", "driver_fatigue"])
    assert "duty_kss" in shown.output


@pytest.mark.parametrize(("option", "value", "message"), [
    ("--product", "nothing", "no product 'nothing'"), ("--group", "weather", "no feature group 'weather'"),
])
def test_the_catalogue_names_what_there_is(option: str, value: str, message: str) -> None:
    with pytest.raises(NotFound, match=message):
        CliRunner().invoke(list_features, [option, value], catch_exceptions=False)


def test_the_page_counts_every_input_of_a_product() -> None:
    page = features_page()
    total = " | ".join(str(len(product.features)) for product in PRODUCT_FEATURES.values())
    assert f"| **all** | 合计 | all inputs | {total} |" in page
    assert [name for name in FEATURES if f"| `{name}` |" not in page] == []
    assert [line.id for line in PROHIBITIONS if f"| `{line.id}` |" not in page] == []

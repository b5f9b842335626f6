"""The declarations, forwards (each is whole) and backwards (nothing declared is left unused)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, get_args

import numpy as np
import pytest

from registry.catalogue import render_catalogue
from registry.codes import CASE_SEVERITY, CODE_LISTS
from registry.codes.assumed import SeverityClass
from registry.data_products import DATA_PRODUCTS
from registry.entities import ENTITIES
from registry.errors import DataError
from registry.formats import FORMAT_CHECKS
from registry.products import PRODUCTS
from registry.resources import ANNEX_RESOURCES, RESOURCES
from registry.resources.schema import ENVELOPE, Cycle, DType, Evidence, Format, Resource, Sensitivity
from registry.sampling import sample_rows
from registry.units import UNITS

ANNEX_1 = (
    (1, "vehicle_location", "道路运输本省车辆实时定位信息", "realtime"),
    (2, "vehicle_inspection", "道路运输车辆检测评定信息", "daily"),
    (3, "vehicle_annual_review", "道路运输车辆年审信息", "daily"),
    (4, "vehicle_basic", "道路运输车辆基本信息", "daily"),
    (5, "vehicle_transport_permit", "道路运输车辆道路运输证信息", "daily"),
    (6, "operator_basic", "道路运输业户基本信息", "daily"),
    (7, "operator_licence", "道路运输经营许可证信息", "daily"),
    (8, "oversize_permit_application", "大件运输许可申请信息", "daily"),
    (9, "passenger_route", "客运经营线路", "monthly"),
    (10, "toll_entry_flow", "收费站入口车流量", "daily"),
    (11, "toll_exit_flow", "收费站出口车流量", "daily"),
    (12, "highway_rest_stop", "公路驿站信息", "yearly"),
    (13, "parking_area", "停车区信息", "yearly"),
    (14, "toll_station", "收费站信息", "yearly"),
    (15, "service_area", "服务区信息", "yearly"),
    (16, "roadworks_event", "养护施工事件信息", "realtime"),
    (17, "toll_control", "收费站管制信息", "realtime"),
    (18, "traffic_emergency", "交通突发事件", "realtime"),
    (19, "enforcement_case", "执法案件", "daily"),
    (20, "case_vessel", "案件船舶基本信息", "daily"),
    (21, "case_vehicle", "案件车辆基本信息", "daily"),
    (22, "case_party", "案件当事人基本信息", "daily"),
    (23, "vessel_basic", "船舶基本信息", "daily"),
    (24, "vessel_operation_permit", "船舶营运证信息", "daily"),
    (25, "waterway_operator_basic", "水路运输企业基本信息", "daily"),
    (26, "waterway_licence", "国内水路运输经营许可证", "daily"),
    (27, "road_practitioner_rating", "道路运输市场从业人员评定信息", "monthly"),
    (28, "highway_construction_practitioner", "公路建设市场从业人员信息", "monthly"),
    (29, "waterway_construction_practitioner", "水路建设市场从业人员信息", "monthly"),
    (30, "road_enterprise_rating", "道路运输市场从业企业评定信息", "monthly"),
    (31, "highway_construction_enterprise", "公路建设市场从业企业信息", "monthly"),
    (32, "highway_contractor_score", "公路建设市场施工企业评价分数", "monthly"),
    (33, "waterway_construction_enterprise", "水路建设市场从业企业信息", "monthly"),
    (34, "waterway_contractor_score", "水路建设市场施工企业评价分数", "monthly"),
    (35, "credit_list", "信用红黑名单信息", "monthly"),
)
ANNEX_2 = (
    (1, "enterprise_risk", "道路运输企业风险画像"), (2, "insurance_pricing", "道路运输保险智能定价"),
    (3, "logistics_routing", "智慧物流智能调度与路径规划"), (4, "traffic_push", "实时交通信息推送服务"),
    (5, "large_vehicle_alert", "邻近大型车辆安全提示"), (6, "vehicle_supervision", "重点营运车辆安全智能监管"),
    (7, "talent_analysis", "交通运输人才发展分析"), (8, "custom_routes", "定制客运线路规划"),
    (9, "maintenance", "车辆智能维保服务"), (10, "regional_economy", "区域经济与乡村发展监测"),
    (11, "crew_service", "水上社区与船员服务平台"), (12, "nev_promotion", "新能源营运车推广分析"),
    (13, "driver_fatigue", "司机健康管理与关怀服务"),
)
OTHERS = {
    "policy": "insurer", "claim": "insurer", "roadside_assistance": "insurer", "vehicle_day": "reduction",
    "driving_hour": "reduction",
}
NAMESPACES = {
    "plate_id": "plate", "vehicle_id": "vin", "enterprise_id": "uscc", "driver_id": "person", "licence_id": "licence",
}
BRIEF = {20, 23, 24, 25, 26, 28, 29, 31, 32, 33, 34}
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 30, tzinfo=UTC)
TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, float) and np.isfinite(value),
    "bool": lambda value: isinstance(value, bool),
    "date": lambda value: isinstance(value, date) and not isinstance(value, datetime),
    "timestamp": lambda value: isinstance(value, datetime) and value.utcoffset() is not None,
}

every_resource = pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)


def test_annex_1_is_declared_exactly() -> None:
    assert [(entry.no, entry.id, entry.zh, entry.cycle) for entry in ANNEX_RESOURCES] == list(ANNEX_1)
    assert {entry.supplier for entry in ANNEX_RESOURCES} == {"annex_1"}


def test_other_suppliers_follow_the_annex_and_are_marked() -> None:
    rest = list(RESOURCES.values())[len(ANNEX_1):]
    assert {entry.id: entry.supplier for entry in rest} == OTHERS
    assert all(entry.no is None for entry in rest)


def test_only_water_and_construction_are_brief() -> None:
    assert {entry.no for entry in RESOURCES.values() if entry.brief} == BRIEF


def test_annex_2_is_declared_exactly() -> None:
    assert [(product.no, product.id, product.zh) for product in DATA_PRODUCTS.values()] == list(ANNEX_2)


@every_resource
def test_columns_are_sound(resource: Resource) -> None:
    ids = [column.id for column in (*resource.columns, *ENVELOPE)]
    assert len(resource.columns) >= 5
    assert len(ids) == len(set(ids))
    for column in resource.columns:
        assert column.id.isidentifier()
        assert column.id == column.id.lower()
        assert column.zh
        assert column.dtype in get_args(DType)
        assert column.evidence in get_args(Evidence)
        assert column.sensitivity in get_args(Sensitivity)
        assert column.unit is None or column.unit in UNITS
        assert column.codes is None or column.codes in CODE_LISTS
        assert column.format is None or column.format in get_args(Format)


@every_resource
def test_types_agree_with_units_codes_and_formats(resource: Resource) -> None:
    for column in resource.columns:
        if column.codes is not None or column.format is not None:
            assert column.dtype == "string", column.id
        if column.dtype == "float":
            assert column.unit is not None, column.id
        if column.unit is not None or column.minimum is not None or column.maximum is not None:
            assert column.dtype in ("int", "float"), column.id
        if column.minimum is not None and column.maximum is not None:
            assert column.minimum < column.maximum, column.id


@every_resource
def test_key_and_event_time_exist_and_are_never_null(resource: Resource) -> None:
    assert resource.cycle in get_args(Cycle)
    assert resource.evidence in get_args(Evidence)
    assert resource.key
    assert all(not resource.column(name).nullable for name in (*resource.key, resource.event_time))
    assert resource.column(resource.event_time).dtype in ("date", "timestamp")


@every_resource
def test_pseudonyms_consume_exactly_the_identifiers(resource: Resource) -> None:
    identifiers = {column.id for column in resource.columns if column.sensitivity == "identifier"}
    consumed = {name for entry in resource.pseudonyms for name in entry.inputs}
    assert consumed == identifiers
    assert {entry.id for entry in resource.pseudonyms}.isdisjoint(column.id for column in resource.columns)


def test_a_pseudonym_name_has_one_namespace_and_one_kind_of_input() -> None:
    met: dict[str, set[tuple[str, tuple[str, ...]]]] = {}
    for resource in RESOURCES.values():
        for entry in resource.pseudonyms:
            met.setdefault(entry.id, set()).add((entry.namespace, entry.inputs))
    assert all(len(kinds) == 1 for kinds in met.values())
    spaces = {name: next(iter(kinds))[0] for name, kinds in met.items()}
    assert spaces.items() >= NAMESPACES.items()
    assert len(set(spaces.values())) == len(spaces)
    assert all(spaces[entity.id_column] == entity.namespace for entity in ENTITIES.values())


@every_resource
def test_references_resolve_to_a_key_of_their_target(resource: Resource) -> None:
    for column_id, target in resource.references.items():
        assert resource.column(column_id)
        assert column_id in RESOURCES[target].key
        assert target != resource.id


@every_resource
def test_persons_never_enter_in_clear(resource: Resource) -> None:
    private = ("id_card_no", "name", "driver_name", "party_name", "owner_name", "legal_rep", "phone", "address")
    about_places = resource.entity in ("facility", "station", "vessel")
    clear = {column.id for column in resource.warehouse_columns()}
    assert about_places or clear.isdisjoint(private)
    assert clear.isdisjoint({"plate_no", "vin", "uscc", "qualification_no", "licence_no", "id_card_no", "ship_id"})


def test_no_code_list_and_no_format_is_left_unused() -> None:
    columns = [column for resource in RESOURCES.values() for column in resource.columns]
    assert {column.codes for column in columns if column.codes} == set(CODE_LISTS)
    assert {column.format for column in columns if column.format} == set(FORMAT_CHECKS) == set(get_args(Format))


@pytest.mark.parametrize("code_list", CODE_LISTS.values(), ids=CODE_LISTS)
def test_code_list_is_sound(code_list: Any) -> None:
    assert len(code_list.codes) >= 2
    assert code_list.evidence in get_args(Evidence)
    assert code_list.zh
    assert code_list.en
    assert code_list.source
    assert all(code and zh and en for code, (zh, en) in code_list.codes.items())


def test_every_case_reason_has_a_severity() -> None:
    assert list(CASE_SEVERITY) == list(CODE_LISTS["case_reason"].codes)
    assert set(CASE_SEVERITY.values()) == set(get_args(SeverityClass))


def test_products_and_resources_know_each_other() -> None:
    drawn = [name for product in DATA_PRODUCTS.values() for name in product.resources]
    assert set(drawn) <= set(RESOURCES)
    assert all(len(product.resources) == len(set(product.resources)) for product in DATA_PRODUCTS.values())
    assert set(RESOURCES) == set(drawn)


def test_scored_products_are_the_score_products() -> None:
    scored = {product.id: product.no for product in DATA_PRODUCTS.values() if product.scored}
    assert scored == {product.id: product.no for product in PRODUCTS.values()}
    for product in PRODUCTS.values():
        assert set(product.mandatory) <= set(DATA_PRODUCTS[product.id].resources)


@every_resource
def test_sampled_rows_satisfy_their_declaration(resource: Resource) -> None:
    rows = sample_rows(resource, 60, np.random.default_rng(7), start=START, end=END)
    assert list(rows) == [column.id for column in (*resource.columns, *ENVELOPE)]
    for column in (*resource.columns, *ENVELOPE):
        values = rows[column.id]
        present = [value for value in values if value is not None]
        assert len(values) == 60
        assert column.nullable or len(present) == 60, column.id
        assert all(map(TYPES[column.dtype], present)), column.id
        assert all(column.minimum is None or value >= column.minimum for value in present), column.id
        assert all(column.maximum is None or value <= column.maximum for value in present), column.id
        assert all(column.codes is None or value in CODE_LISTS[column.codes].codes for value in present), column.id
        assert all(column.format is None or FORMAT_CHECKS[column.format](value) for value in present), column.id
    keys = list(zip(*(rows[name] for name in resource.key), strict=True))
    assert len(set(keys)) == len(set(rows["row_id"])) == 60
    if resource.column(resource.event_time).dtype == "timestamp":
        assert all(START <= event < END for event in rows[resource.event_time])
        assert all(seen >= event for seen, event in zip(rows["arrived_at"], rows[resource.event_time], strict=True))


def test_sampling_repeats_itself_under_one_seed() -> None:
    first, second = (
        sample_rows(RESOURCES["toll_control"], 20, np.random.default_rng(3), start=START, end=END) for _ in range(2)
    )
    assert first == second


def test_pools_are_drawn_from_and_keys_stay_distinct() -> None:
    resource = RESOURCES["passenger_route"]
    pools = {"line_code": ["L1", "L2"], "uscc": ["91110000600037341L"]}
    rows = sample_rows(resource, 50, np.random.default_rng(5), start=START, end=END, pools=pools)
    assert sorted(rows["line_code"]) == ["L1", "L2"]
    assert all(len(values) == 2 for values in rows.values())


def test_a_naive_period_is_refused() -> None:
    with pytest.raises(DataError, match="no period of aware instants"):
        sample_rows(RESOURCES["policy"], 1, np.random.default_rng(0), start=START.replace(tzinfo=None), end=END)


def test_catalogue_names_everything_declared() -> None:
    page = render_catalogue()
    assert page == render_catalogue()
    for resource in RESOURCES.values():
        section = page.split(f"\n## {resource.id}\n")[1].split("\n## ")[0]
        assert resource.zh in section
        assert all(f"| `{column.id}` | {column.zh} |" in section for column in resource.columns)
    assert all(f"### Code list {name}\n" in page for name in CODE_LISTS)
    assert all(product.zh in page for product in DATA_PRODUCTS.values())


def test_declarations_import_nothing_of_third_parties() -> None:
    probe = (
        "import sys; before = set(sys.modules); import registry.resources, registry.codes, registry.data_products;"
        "new = {name.split('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(new - set(sys.stdlib_module_names) - {'registry'}))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

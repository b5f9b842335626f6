"""The 13 data products of Annex 2.

The annex names the products, not their inputs: which resources a product draws on is this project's reading of its
title and description. [A]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class DataProduct:
    """A product of Annex 2.

    Parameters
    ----------
    no, id, zh, en
        Number in the annex, identifier and wording.
    resources
        Ids of the resources it draws on [A]; sources of other suppliers are named where it cannot do without them.
    scored
        True where its answer is a score (`registry.products`).
    """

    no: int
    id: str
    zh: str
    en: str
    resources: tuple[str, ...]
    scored: bool = False


_VEHICLES: Final = ("vehicle_inspection", "vehicle_annual_review", "vehicle_basic", "vehicle_transport_permit")
_OPERATORS: Final = ("operator_basic", "operator_licence")
_CASES: Final = ("enforcement_case", "case_vehicle", "case_party")
_RATINGS: Final = ("road_practitioner_rating", "road_enterprise_rating", "credit_list")
_REST_PLACES: Final = ("highway_rest_stop", "parking_area", "service_area")
_EVENTS: Final = ("roadworks_event", "toll_control", "traffic_emergency")
_CONSTRUCTION_PEOPLE: Final = ("highway_construction_practitioner", "waterway_construction_practitioner")
_CONSTRUCTION_ENTERPRISES: Final = (
    "highway_construction_enterprise", "highway_contractor_score", "waterway_construction_enterprise",
    "waterway_contractor_score",
)

_ALL: Final = (
    DataProduct(
        no=1, id="enterprise_risk", zh="道路运输企业风险画像", en="road-transport enterprise risk portrait",
        scored=True,
        resources=("vehicle_location", *_VEHICLES, *_OPERATORS, *_CASES, *_RATINGS, "vehicle_day"),
    ),
    DataProduct(
        no=2, id="insurance_pricing", zh="道路运输保险智能定价", en="road-transport insurance pricing", scored=True,
        resources=("vehicle_location", *_VEHICLES, *_OPERATORS, *_CASES, *_RATINGS, "vehicle_day", "policy", "claim"),
    ),
    DataProduct(
        no=3, id="logistics_routing", zh="智慧物流智能调度与路径规划", en="logistics dispatch and route planning",
        resources=("vehicle_location", "vehicle_basic", "vehicle_transport_permit", "oversize_permit_application",
                   "toll_entry_flow", "toll_exit_flow", "toll_station", *_REST_PLACES, *_EVENTS),
    ),
    DataProduct(
        no=4, id="traffic_push", zh="实时交通信息推送服务", en="real-time traffic information push",
        resources=("toll_entry_flow", "toll_exit_flow", "toll_station", *_REST_PLACES, *_EVENTS),
    ),
    DataProduct(
        no=5, id="large_vehicle_alert", zh="邻近大型车辆安全提示", en="nearby large-vehicle safety alert",
        resources=("vehicle_location", "vehicle_basic", "oversize_permit_application"),
    ),
    DataProduct(
        no=6, id="vehicle_supervision", zh="重点营运车辆安全智能监管", en="key commercial-vehicle safety supervision",
        resources=("vehicle_location", *_VEHICLES, *_OPERATORS, "passenger_route", *_CASES, *_RATINGS, *_EVENTS,
                   "vehicle_day", "driving_hour"),
    ),
    DataProduct(
        no=7, id="talent_analysis", zh="交通运输人才发展分析", en="transport workforce analysis",
        resources=("road_practitioner_rating", *_CONSTRUCTION_PEOPLE, "road_enterprise_rating",
                   *_CONSTRUCTION_ENTERPRISES),
    ),
    DataProduct(
        no=8, id="custom_routes", zh="定制客运线路规划", en="customised passenger-route planning",
        resources=("vehicle_location", "vehicle_basic", "vehicle_transport_permit", *_OPERATORS, "passenger_route"),
    ),
    DataProduct(
        no=9, id="maintenance", zh="车辆智能维保服务", en="vehicle maintenance prediction", scored=True,
        resources=("vehicle_location", *_VEHICLES, *_REST_PLACES, "vehicle_day", "roadside_assistance"),
    ),
    DataProduct(
        no=10, id="regional_economy", zh="区域经济与乡村发展监测",
        en="regional economy and rural development monitoring",
        resources=("vehicle_location", *_OPERATORS, "passenger_route", "toll_entry_flow", "toll_exit_flow",
                   "vessel_basic", "waterway_operator_basic", *_CONSTRUCTION_ENTERPRISES),
    ),
    DataProduct(
        no=11, id="crew_service", zh="水上社区与船员服务平台", en="waterborne community and crew services",
        resources=("case_vessel", "vessel_basic", "vessel_operation_permit", "waterway_operator_basic",
                   "waterway_licence"),
    ),
    DataProduct(
        no=12, id="nev_promotion", zh="新能源营运车推广分析", en="new-energy commercial-vehicle promotion analysis",
        resources=("vehicle_location", "vehicle_basic", "vehicle_transport_permit", "operator_basic", *_REST_PLACES),
    ),
    DataProduct(
        no=13, id="driver_fatigue", zh="司机健康管理与关怀服务", en="driver health and fatigue care", scored=True,
        resources=("vehicle_location", "vehicle_transport_permit", "case_vehicle", "road_practitioner_rating",
                   *_REST_PLACES, "vehicle_day", "driving_hour"),
    ),
)

SUPERVISION: Final = "vehicle_supervision"
"""Product 6, which answers with alerts (`registry.supervision`)."""
DATA_PRODUCTS: Final[dict[str, DataProduct]] = {product.id: product for product in _ALL}
"""Id -> product, in the annex's order."""

"""Every baseline, declared: the published formulas first, then single inputs by themselves."""

from __future__ import annotations

from typing import Final, Literal

from features.formulas.base import OWN_CHOICE, Formula
from registry.entities import ENTERPRISE, VEHICLE
from registry.products import DRIVER_FATIGUE, ENTERPRISE_RISK, INSURANCE_PRICING, MAINTENANCE

_OF_OPERATORS: Final = (ENTERPRISE_RISK.id, INSURANCE_PRICING.id)
_OF_VEHICLES: Final = (INSURANCE_PRICING.id, MAINTENANCE.id)
_HELD: Final = "inspections, reviews and cases without a named party belong to the operator that holds the vehicle at the cut-off"
_ART_66: Final = "公路安全保护条例 (Highway Safety Protection Regulation)"
_ROLLING: Final = "a year is the 365 days before the cut-off"

PUBLISHED: Final = (
    Formula(
        id="eu_2022_695", zh="欧盟2022/695企业风险评级", en="EU 2022/695 risk rating of the undertaking",
        column="eu_2022_695_rating", family="formula_eu_2022_695", entity=ENTERPRISE.id, direction=1,
        regulation="Commission Implementing Regulation (EU) 2022/695", article="Annex", products=_OF_OPERATORS,
        null_means="grey: no check within two years",
        assumed=(
            "severity class of each case reason, of a failed inspection and of a failed annual review",
            "checks are inspections, annual reviews and cases: Annex 1 has no roadside check that found nothing",
            "no fleet has smart tachographs throughout: g = 1", _HELD,
        ),
    ),
    Formula(
        id="eu_2014_47_enterprise", zh="欧盟2014/47企业缺陷评分", en="EU 2014/47 deficiency rating of the operator",
        column="eu_2014_47_enterprise_rr", family="formula_eu_2014_47_enterprise", entity=ENTERPRISE.id, direction=1,
        regulation="Directive 2014/47/EU", article="Annex I", products=(*_OF_OPERATORS, MAINTENANCE.id),
        null_means="no inspection within three years",
        assumed=(
            "class (dangerous, major, minor) of each failed item", "checks are inspections, repeated ones too", _ROLLING, _HELD,
        ),
    ),
    Formula(
        id="eu_2014_47_vehicle", zh="欧盟2014/47车辆缺陷评分", en="EU 2014/47 deficiency rating of the vehicle",
        column="eu_2014_47_vehicle_rr", family="formula_eu_2014_47_vehicle", entity=VEHICLE.id, direction=1,
        regulation="Directive 2014/47/EU", article="Annex I", products=_OF_VEHICLES,
        null_means="no inspection within three years",
        assumed=(
            "the rating, published for undertakings, taken over one vehicle", "class (dangerous, major, minor) of each failed item",
            "checks are inspections, repeated ones too", _ROLLING,
        ),
    ),
    Formula(
        id="sms_cn", zh="改编SMS同规模百分位", en="FMCSA SMS adapted: percentile among fleets of like size",
        column="sms_cn_percentile", family="formula_sms_cn", entity=ENTERPRISE.id, direction=1,
        regulation="FMCSA Safety Measurement System, methodology before 2025", article="measure, safety event group, percentile",
        products=_OF_OPERATORS, null_means="no other operator of like size",
        assumed=(
            "severity 1 to 10 of each case reason", "one measure over all cases instead of seven categories",
            "vehicle-years of the fleet at the cut-off stand for the mean of three counts of power units",
            "annual distance from 90 days of driving; tractors are the combination units",
            "groups by fleet size 1, 2-9, 10-49, 50-199, 200 and more", "no minimum of checks: Annex 1 has no clean ones", _HELD,
        ),
    ),
    Formula(
        id="sms_cn_measure", zh="改编SMS违法强度", en="FMCSA SMS adapted: measure before ranking", column="sms_cn_measure",
        family="formula_sms_cn", entity=ENTERPRISE.id, direction=1,
        regulation="FMCSA Safety Measurement System, methodology before 2025", article="measure", products=_OF_OPERATORS,
        null_means="nothing: every operator with vehicles has one", assumed=("as the percentile, without its groups",),
    ),
    Formula(
        id="credit_1000", zh="质量信誉考核千分制（否决即B）", en="1000-point quality assessment, a veto counted as B",
        column="credit_1000_score", family="formula_credit_1000", entity=ENTERPRISE.id, direction=-1,
        regulation="道路运输企业质量信誉考核 (quality and credit assessment of transport enterprises)",
        article="base of 1000 points, 否决项", products=_OF_OPERATORS, null_means="never assessed",
        assumed=(
            "grade thresholds 850, 700, 600 [G]", "under a veto the total counts as one point below grade A at most",
            "the latest assessment known speaks on after its validity",
        ),
    ),
    Formula(
        id="credit_1000_grade", zh="质量信誉等级", en="grade of the 1000-point quality assessment", column="credit_1000_grade",
        family="formula_credit_1000", entity=ENTERPRISE.id, direction=1,
        regulation="道路运输企业质量信誉考核 (quality and credit assessment of transport enterprises)",
        article="grades AAA, AA, A, B", products=_OF_OPERATORS, null_means="never assessed",
        assumed=("grade thresholds 850, 700, 600 [G]", "conditions on accidents that a grade also has are not computed"),
    ),
    Formula(
        id="art_66", zh="条例第66条企业（超10%）", en="Article 66: more than 10 % of goods vehicles over the limit",
        column="art_66_breach", family="formula_art_66_enterprise", entity=ENTERPRISE.id, direction=1, regulation=_ART_66,
        article="Art. 66, third rule", products=_OF_OPERATORS, null_means="no goods vehicle",
        assumed=(_ROLLING, "goods vehicles by trade code 3, 4, 8", "cases without a known vehicle are not counted"),
    ),
    Formula(
        id="art_66_share", zh="一年内超限车辆占比", en="Article 66: share of goods vehicles over the limit", column="art_66_share",
        family="formula_art_66_enterprise", entity=ENTERPRISE.id, direction=1, regulation=_ART_66, article="Art. 66, third rule",
        products=_OF_OPERATORS, null_means="no goods vehicle",
        assumed=(_ROLLING, "goods vehicles by trade code 3, 4, 8", "cases without a known vehicle are not counted"),
    ),
    Formula(
        id="art_66_vehicle", zh="条例第66条车辆（超3次）", en="Article 66: more than 3 cases of the vehicle",
        column="art_66_vehicle_breach", family="formula_art_66_vehicle", entity=VEHICLE.id, direction=1, regulation=_ART_66,
        article="Art. 66, first rule", products=(INSURANCE_PRICING.id,), null_means="vehicle not in operation",
        assumed=(_ROLLING,),
    ),
    Formula(
        id="art_66_vehicle_cases", zh="一年内超限次数", en="Article 66: cases of the vehicle within one year",
        column="art_66_vehicle_case_n", family="formula_art_66_vehicle", entity=VEHICLE.id, direction=1, regulation=_ART_66,
        article="Art. 66, first rule", products=(INSURANCE_PRICING.id,), null_means="vehicle not in operation",
        assumed=(_ROLLING,),
    ),
    Formula(
        id="eu_2016_403", zh="欧盟2016/403驾驶时间违规等级", en="EU 2016/403 class of the running duty period",
        column="eu_2016_403_class", family="formula_eu_2016_403", entity=VEHICLE.id, direction=1,
        regulation="Commission Regulation (EU) 2016/403", article="Annex I, driving times", products=(DRIVER_FATIGUE.id,),
        null_means="no driving hour known in time",
        assumed=("bounds rescaled to 4 h and 8 h", "weekly and fortnightly classes are not computed"),
    ),
    Formula(
        id="kss", zh="三过程模型困倦度", en="Three-Process Model alone: predicted sleepiness (KSS)", column="duty_kss",
        family="duty", entity=VEHICLE.id, direction=1, regulation="Ingre et al., PLoS ONE, 2014, doi 10.1371/journal.pone.0108679",
        article="Three-Process Model",
        products=(DRIVER_FATIGUE.id,), null_means="no long stop observed",
        assumed=("the longest observed stop stands for sleep",),
    ),
    Formula(
        id="safte", zh="SAFTE效能", en="SAFTE alone: predicted effectiveness", column="duty_safte_effectiveness", family="duty",
        entity=VEHICLE.id, direction=-1, regulation="WO 2012/015383 A1, as implemented", article="SAFTE effectiveness",
        products=(DRIVER_FATIGUE.id,), null_means="no long stop observed",
        assumed=("the longest observed stop stands for sleep",),
    ),
)


def _alone(
    name: str, zh: str, en: str, column: str, family: str, entity: str, products: tuple[str, ...],
    direction: Literal[-1, 1] = 1,
) -> Formula:
    return Formula(
        id=name, zh=zh, en=f"{en} alone", column=column, family=family, entity=entity, direction=direction,
        regulation=OWN_CHOICE, article="", products=products, null_means="input not known",
    )


ALONE: Final = (
    _alone("mileage_enterprise", "车均里程", "distance per vehicle in 30 days", "distance_km_per_vehicle_30d",
           "enterprise_activity", ENTERPRISE.id, _OF_OPERATORS),
    _alone("mileage_vehicle", "近90日里程", "distance in 90 days", "distance_km_90d", "vehicle_activity", VEHICLE.id, _OF_VEHICLES),
    _alone("age_enterprise", "平均车龄", "mean age of the vehicles", "mean_vehicle_age_year", "enterprise_profile", ENTERPRISE.id,
           _OF_OPERATORS),
    _alone("age_vehicle", "车龄", "age of the vehicle", "vehicle_age_year", "vehicle_profile", VEHICLE.id, _OF_VEHICLES),
    _alone("fleet_size", "车辆数", "number of vehicles", "fleet_size", "enterprise_profile", ENTERPRISE.id, (ENTERPRISE_RISK.id,)),
    _alone("maintenance_age", "距二级维护天数", "days since second-level maintenance", "maintenance_age_d", "vehicle_condition",
           VEHICLE.id, (MAINTENANCE.id,)),
    _alone("continuous_driving", "连续驾驶时长", "continuous driving", "duty_cont_drive_h", "duty", VEHICLE.id,
           (DRIVER_FATIGUE.id,)),
    _alone("driving_24h", "24小时累计驾驶", "driving in 24 hours", "duty_drive_h_24h", "duty", VEHICLE.id, (DRIVER_FATIGUE.id,)),
    _alone("hours_awake", "清醒时长（估）", "estimated hours awake", "duty_hours_awake_proxy_h", "duty", VEHICLE.id,
           (DRIVER_FATIGUE.id,)),
)

DECLARED: Final = (*PUBLISHED, *ALONE)

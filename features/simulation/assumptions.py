"""Every magnitude of the simulated province, in one place and overridable.

Tags: [A] assumption of this project, [D] derived by arithmetic from published numbers, [F2] secondary source. What is not
tagged on its own line is [A]. None of these is a fact about Jiangxi; `dataclasses.replace` changes any of them.
Effects are per standard deviation of the latent trait on the log scale unless the name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, kw_only=True)
class VehicleClass:
    """What is typical of one class of vehicle.

    Parameters
    ----------
    id, zh
        Names.
    vehicle_type
        GA/T 16.4 code.
    business
        ``freight``, ``passenger`` or ``hazmat``: which operators run it.
    share
        Share among the vehicles of its business.
    annual_km
        Median kilometres per year.
    night_share
        Share of kilometres between 22:00 and 06:00.
    speed_kmh
        Mean moving speed of a day.
    active_rate
        Share of days with any driving.
    claim_rate
        Motor claims per vehicle-year.
    load_t, gross_t, seats, axles, engine_kw
        Typical dimensions.
    retire_after_years
        Compulsory retirement age.
    """

    id: str
    zh: str
    vehicle_type: str
    business: str
    share: float
    annual_km: float
    night_share: float
    speed_kmh: float
    active_rate: float
    claim_rate: float
    load_t: float
    gross_t: float
    seats: int
    axles: int
    engine_kw: float
    retire_after_years: int = 15


def _truck(
    id: str, zh: str, code: str, share: float, km: float, night: float, speed: float, active: float, claims: float,  # noqa: A002
    size: tuple[float, float, int, float],
) -> VehicleClass:
    load_t, gross_t, axles, engine_kw = size
    return VehicleClass(
        id=id, zh=zh, vehicle_type=code, business="freight", share=share, annual_km=km, night_share=night,
        speed_kmh=speed, active_rate=active, claim_rate=claims, load_t=load_t, gross_t=gross_t, seats=3, axles=axles,
        engine_kw=engine_kw,
    )


VEHICLE_CLASSES: Final = (
    _truck("tractor", "牵引车", "Q11", 0.31, 100_000, 0.30, 58.0, 0.84, 0.45, (33.0, 49.0, 6, 338.0)),
    _truck("heavy_rigid", "重型载货车", "H11", 0.23, 68_000, 0.18, 52.0, 0.80, 0.35, (16.0, 31.0, 4, 235.0)),
    _truck("dump", "自卸车", "H17", 0.10, 50_000, 0.15, 38.0, 0.76, 0.50, (15.5, 31.0, 4, 257.0)),
    _truck("box", "厢式货车", "H12", 0.16, 42_000, 0.12, 45.0, 0.80, 0.30, (9.9, 18.0, 2, 162.0)),
    _truck("container", "集装箱车", "H16", 0.05, 80_000, 0.24, 56.0, 0.82, 0.42, (31.0, 49.0, 6, 324.0)),
    _truck("cold", "冷藏车", "H12", 0.04, 75_000, 0.26, 55.0, 0.83, 0.36, (14.0, 25.0, 3, 221.0)),
    _truck("medium", "中型货车", "H21", 0.11, 40_000, 0.08, 42.0, 0.78, 0.28, (5.0, 11.0, 2, 115.0)),
    VehicleClass(
        id="coach_line", zh="班线客车", vehicle_type="K11", business="passenger", share=0.62, annual_km=90_000,
        night_share=0.08, speed_kmh=60.0, active_rate=0.88, claim_rate=0.30, load_t=0.0, gross_t=18.0, seats=49, axles=2,
        engine_kw=243.0,
    ),
    VehicleClass(
        id="coach_tour", zh="旅游包车", vehicle_type="K11", business="passenger", share=0.38, annual_km=55_000,
        night_share=0.08, speed_kmh=58.0, active_rate=0.62, claim_rate=0.22, load_t=0.0, gross_t=17.0, seats=45, axles=2,
        engine_kw=228.0,
    ),
    VehicleClass(
        id="hazmat_tanker", zh="危货罐车", vehicle_type="H14", business="hazmat", share=1.0, annual_km=75_000,
        night_share=0.12, speed_kmh=52.0, active_rate=0.80, claim_rate=0.25, load_t=18.0, gross_t=31.0, seats=3, axles=4,
        engine_kw=257.0, retire_after_years=10,
    ),
)
"""Class mix, kilometres, night shares and claim rates [A]; the truck mean of kilometres agrees with [D]."""


@dataclass(frozen=True, kw_only=True)
class FleetAssumptions:
    """Operators, their fleets and people."""

    stratum_shares: tuple[float, float, float] = (0.8887, 0.105, 0.0063)  # individual, < 50, >= 50 vehicles [D]
    individual_sizes: tuple[float, ...] = (0.80, 0.15, 0.05)  # 1, 2, 3 vehicles
    small_median: float = 6.0
    small_sigma: float = 1.0
    large_alpha: float = 1.3
    large_cap: int = 3_000
    culture_mean: tuple[float, float, float] = (-0.10, 0.10, 0.60)
    culture_sd: float = 1.0
    driver_from_culture: float = -0.40  # risk-taking per unit of safety culture
    affiliated_share: float = 0.35  # 挂靠 among company-owned trucks
    affiliated_influence: float = 0.4  # weight of the firm's culture in such a truck; the rest is its owner's
    annual_km_sigma: float = 0.35
    night_logit_scale: float = 1.3  # spread of vehicles and days pulls night shares towards one half; this takes it back
    mean_age_years: float = 5.5
    enter_share: float = 0.07  # vehicles that start service inside the window
    leave_share: float = 0.05
    fuel_shares: tuple[float, float, float] = (0.93, 0.04, 0.03)  # diesel, gas, electric
    uscc_missing_share: float = 0.12  # among parties who are individuals
    plate_reuse_share: float = 0.12  # of the plates of leaving vehicles, given out again
    plate_rest_d: tuple[int, int] = (14, 180)  # days between the two holders of a reused plate


@dataclass(frozen=True, kw_only=True)
class ActivityAssumptions:
    """Vehicle-days as positions show them."""

    day_sigma: float = 0.38
    month_sigma: float = 0.18
    sunday_factor: float = 0.90
    festival_factor: float = 0.30
    speeding_per_100km: float = 0.9
    fatigue_alarms_per_100km: float = 0.10
    adas_alarms_per_100km: float = 3.2
    adas_share: float = 0.55
    harsh_brakes_per_100km: float = 0.45
    terminal_bias_sd: float = 0.60  # lasting error of a vehicle's alarms, log scale
    firmware_day: str = "2025-09-15"  # one terminal maker changes its alarm rule
    firmware_factor: float = 1.6
    firmware_share: float = 0.35
    missing_day: str = "2025-04-17"  # no positions reached anybody on this day
    offline_base: float = 0.02
    main_run_h: float = 2.3  # median longest run without a rest
    short_stop_share: float = 0.45  # shifts with a stop of less than 20 minutes
    speed_cap_kmh: tuple[float, float] = (100.0, 80.0)  # of all heavy vehicles, of hazmat vehicles [G]
    stuck_odometer_share: float = 0.004  # vehicle-months with an odometer that stands still
    lost_message_share: float = 0.01


@dataclass(frozen=True, kw_only=True)
class AccidentAssumptions:
    """True accident intensity per vehicle-day."""

    level: float = 0.87  # takes back what spread of kilometres, nights and long drives add to a class's mean rate
    exposure_power: float = 0.85  # less than proportional in kilometres
    culture: float = -0.28
    risk_taking: float = 0.29
    skill: float = -0.18
    wear: float = 0.16
    inexperience: float = 0.35  # drivers with less than three years
    night_log_per_share: float = 1.20
    long_drive: float = 0.35  # days with more than four hours without a break
    winter_rain: float = 0.12
    frailty_shape: float = 6.0  # gamma frailty per vehicle: what no source shows
    severity_shares: tuple[float, float, float] = (0.84, 0.145, 0.015)  # property, injury, fatal
    registered: tuple[float, float, float] = (0.30, 0.95, 1.0)  # counted in the transport permit
    emergency: tuple[float, float, float] = (0.04, 0.35, 0.90)  # becomes a traffic emergency


@dataclass(frozen=True, kw_only=True)
class ConditionAssumptions:
    """Wear, maintenance, inspection, breakdown."""

    breakdowns_per_100k_km: float = 1.2
    breakdown_age_log_per_year: float = 0.07
    breakdown_wear: float = 0.45
    breakdown_overdue: float = 0.60  # second maintenance overdue by a whole interval
    maintenance_interval_d: int = 120  # GB/T 18344 [G]
    maintenance_interval_km: float = 50_000.0  # GB/T 18344 [G]
    late_share: tuple[float, float, float] = (0.30, 0.16, 0.09)  # by stratum, due maintenance put off by a month or more
    fail_base: float = 0.085
    fail_per_year_after_6: float = 0.015
    fail_wear: float = 0.55
    fail_overdue: float = 0.50
    underreport: float = 0.52  # share of true failures that lenient stations pass
    review_late_share: float = 0.09


@dataclass(frozen=True, kw_only=True)
class RuleChange:
    """One dated change of the rules; its day comes from a source, its effect on what is found is assumed.

    Parameters
    ----------
    rule_id, article
        Name, and the text that changed.
    effective_from, effective_to
        First day in force and first day no longer in force (None: still in force), ISO dates.
    business
        ``freight``, ``passenger`` or ``hazmat``: whose vehicles it concerns.
    detection
        Family of violation -> factor on how much of it is found. [A]
    reasons
        Family of violation -> (case reason, share) from that day on. [A]
    source
        Where the day is from, with its tag.
    """

    rule_id: str
    article: str
    effective_from: str
    effective_to: str | None
    business: str
    detection: tuple[tuple[str, float], ...]
    reasons: tuple[tuple[str, tuple[tuple[str, float], ...]], ...]
    source: str


FREIGHT_RULES_2026: Final = RuleChange(
    rule_id="freight-stations-2026", article="道路货物运输及站场管理规定（部令2026年第5号）", effective_from="2026-03-20",
    effective_to=None, business="freight", detection=(("maintenance", 1.5), ("permit", 0.8)),
    reasons=(("permit", (("C01", 0.25), ("C04", 0.35), ("C05", 0.10), ("C15", 0.30))),),
    source="[F2] published 2026-02-06, in force 2026-03-20",
)
"""The revision of the freight rules: maintenance files are looked at more, papers that are carried less. Effects [A]."""


@dataclass(frozen=True, kw_only=True)
class EnforcementAssumptions:
    """Transport-authority cases: rates per truck-year at average detection."""

    overload_rate: float = 0.10
    maintenance_rate: float = 0.05
    permit_rate: float = 0.03
    modification_rate: float = 0.01
    other_rate: float = 0.04
    culture: float = -0.55
    risk_taking: float = 0.30
    frailty_shape: float = 12.0  # with traits, cities and stations the counts have a dispersion near 0.8
    city_sigma: float = 0.45  # spread of inspection intensity between cities
    campaign_factor: float = 1.8  # 治超 campaign months
    campaign_months: tuple[int, ...] = (4, 9, 10)
    filing_d: tuple[float, float] = (1.0, 12.0)
    decision_d: tuple[float, float] = (7.0, 75.0)
    not_punished_share: float = 0.05
    withdrawn_share: float = 0.012
    withdrawn_after_d: tuple[float, float] = (5.0, 60.0)  # from the decision to its revocation
    misregistered_share: float = 0.01
    plate_typo_share: float = 0.008  # such a case resolves to no vehicle
    wrong_color_share: float = 0.015
    rules: tuple[RuleChange, ...] = (FREIGHT_RULES_2026,)
    wrong_case_months_before_end: int = 3  # the case registered against another's vehicle


@dataclass(frozen=True, kw_only=True)
class SideLine:
    """A line beside motor, with a frequency and a severity of its own. Not Annex 1.

    Parameters
    ----------
    insured_share
        Share of the vehicles of its businesses that are insured.
    rate
        Claims per insured vehicle-year.
    culture, risk_taking, frailty_shape
        Effects on the frequency, and the gamma frailty per vehicle.
    exposure_power
        Power of the month's kilometres over the class's.
    shares, log_mu, log_sigma
        Severity mixture: ordinary and large losses.
    limit_cny
        Sum insured.
    """

    insured_share: float
    rate: float
    culture: float
    risk_taking: float
    frailty_shape: float
    exposure_power: float
    shares: tuple[float, float]
    log_mu: tuple[float, float]
    log_sigma: tuple[float, float]
    limit_cny: float


CARGO_LINE: Final = SideLine(
    insured_share=0.45, rate=0.06, culture=-0.35, risk_taking=0.25, frailty_shape=1.5, exposure_power=0.7,
    shares=(0.91, 0.09), log_mu=(8.4, 11.0), log_sigma=(1.0, 0.8), limit_cny=500_000.0,
)
"""Cargo (货物运输保险): mostly small damage, now and then a whole load. [A]"""
CARRIER_LIABILITY_LINE: Final = SideLine(
    insured_share=1.0, rate=0.05, culture=-0.45, risk_taking=0.30, frailty_shape=1.2, exposure_power=0.85,
    shares=(0.93, 0.07), log_mu=(9.0, 12.4), log_sigma=(1.1, 0.8), limit_cny=1_500_000.0,
)
"""Carrier's liability (承运人责任险) of passenger and hazmat carriers, who must have it (道路运输条例 Art. 67). Values [A]."""


@dataclass(frozen=True, kw_only=True)
class InsuranceAssumptions:
    """Consumer-supplied policies and claims."""

    reported_share: float = 0.92
    log_mu: tuple[float, float, float] = (8.0, 10.4, 13.6)
    log_sigma: tuple[float, float, float] = (1.1, 1.2, 0.45)
    severity_scale: float = 1.0
    severity_speed: float = 0.20  # risk-taking raises severity
    limit_cny: float = 2_000_000.0
    report_lag_d: float = 2.0
    settle_lag_d: tuple[float, float, float] = (35.0, 120.0, 240.0)
    cargo: SideLine = CARGO_LINE
    carrier_liability: SideLine = CARRIER_LIABILITY_LINE
    zero_share: float = 0.03  # claims closed without payment
    loading: float = 0.25  # expense share of the premium [G]
    target_loss_ratio: float = 0.65  # what the filed base premium aims at


@dataclass(frozen=True, kw_only=True)
class PeopleAssumptions:
    """Practitioners' and enterprises' ratings, and credit lists."""

    points_rate: float = 1.6  # 诚信 points per driver-year at average behaviour
    rating_noise: float = 28.0
    blacklist_rate: float = 0.006
    redlist_rate: float = 0.004
    repaired_share: float = 0.30  # black-list entries removed early by credit repair (信用修复)
    repaired_after_months: tuple[int, int] = (3, 12)
    revoked_share: float = 0.03  # entries that should never have been made


@dataclass(frozen=True, kw_only=True)
class FatigueAssumptions:
    """Hazard of a fatigue event per driving hour; the multipliers fit published points [A]."""

    base_hazard: float = 0.0055
    hours_curve: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.15, 1.3, 1.5, 1.8, 2.1, 2.6, 3.2)
    after_break: float = 0.6
    kss_slope: float = 0.35
    kss_knee: float = 5.0
    risk_taking: float = 0.35
    night_shift_share: float = 0.30


@dataclass(frozen=True, kw_only=True)
class DeliveryAssumptions:
    """How deliveries differ from the truth."""

    duplicated_share: float = 0.003
    corrected_share: float = 0.004
    withdrawn_share: float = 0.001
    late_share: float = 0.02
    late_mean_d: float = 6.0


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """All magnitudes of one simulation."""

    fleet: FleetAssumptions = field(default_factory=FleetAssumptions)
    activity: ActivityAssumptions = field(default_factory=ActivityAssumptions)
    accidents: AccidentAssumptions = field(default_factory=AccidentAssumptions)
    condition: ConditionAssumptions = field(default_factory=ConditionAssumptions)
    enforcement: EnforcementAssumptions = field(default_factory=EnforcementAssumptions)
    insurance: InsuranceAssumptions = field(default_factory=InsuranceAssumptions)
    people: PeopleAssumptions = field(default_factory=PeopleAssumptions)
    fatigue: FatigueAssumptions = field(default_factory=FatigueAssumptions)
    delivery: DeliveryAssumptions = field(default_factory=DeliveryAssumptions)

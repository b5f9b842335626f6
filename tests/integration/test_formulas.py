"""The formulas of the warehouse are the published ones, applied to the rows known at each cut-off of the tiny province."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial

import pandas as pd
import pytest

from features.engine import connect
from features.formulas import FORMULA_FAMILIES, baselines_of
from features.formulas.art_66 import GOODS, enterprise_breach, overloaded_share, person_or_vehicle_breach
from features.formulas.credit_1000 import GRADES, grade, score
from features.formulas.eu_2014_47 import YEARS_D, Deficiencies, Year, deficiencies, risk_rating
from features.formulas.eu_2016_403 import CHINA, CLASSES, duty_class
from features.formulas.eu_2022_695 import WINDOW_D, Check, Classes, expression, rating
from features.formulas.sms_cn import (
    COMBINATION_SHARE,
    KM_PER_MILE,
    SEVERITIES,
    measure,
    percentiles,
    size_group,
    utilisation_factor,
)
from features.known import Known, open_known
from features.products import PRODUCT_FEATURES
from features.retrieval import training_rows
from features.views import open_store
from features.warehouse import Warehouse
from registry.codes import CASE_SEVERITY, SeverityClass
from registry.errors import NotFound
from registry.settings import Settings
from tests.lib.known_rows import KnownRows

BEGIN = datetime(2024, 6, 30, 16, tzinfo=UTC)
CUTOFFS = [
    datetime(2024, 12, 8, 16, tzinfo=UTC), datetime(2025, 9, 14, 16, tzinfo=UTC), datetime(2026, 6, 17, 9, 30, tzinfo=UTC),
]
"""Half a year after the first delivery, a Monday on which much is yet to come, and no midnight near the end."""
OVERLOAD = ("C11", "C12", "C13")
Values = dict[str, dict[str, float | None]]
"""Entity -> column -> value."""


@pytest.fixture(scope="module")
def known(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Known:
    resources = list(dict.fromkeys(resource for family in FORMULA_FAMILIES.values() for resource in family.resources))
    backend = connect(threads=1, memory_limit="1GB", spill_dir=tmp_path_factory.mktemp("spill"))
    return open_known(backend, Warehouse(tiny.warehouse_dir), resources, CUTOFFS, BEGIN)


@pytest.fixture(scope="module")
def slow(tiny: Settings) -> list[KnownRows]:
    return [KnownRows(Warehouse(tiny.warehouse_dir), cutoff, BEGIN) for cutoff in CUTOFFS]


def table_of(family_id: str, known: Known) -> pd.DataFrame:
    frame: pd.DataFrame = FORMULA_FAMILIES[family_id].expression(known).to_pandas()
    return frame.assign(cutoff=pd.to_datetime(frame.cutoff, utc=True))


def values_of(frame: pd.DataFrame, cutoff: pd.Timestamp, key: str) -> Values:
    rows = frame[frame.cutoff == cutoff].set_index(key).drop(columns="cutoff")
    assert rows.index.is_unique
    return {
        str(name): {column: None if pd.isna(value) else float(value) for column, value in row.items()}
        for name, row in rows.iterrows()
    }


def agree(met: Values, expected: Values) -> None:
    assert met.keys() == expected.keys()
    for name, values in expected.items():
        assert met[name] == {
            column: None if value is None else pytest.approx(value, abs=1e-6, rel=1e-9) for column, value in values.items()
        }


def ratings_slowly(rows: KnownRows, classes: Classes) -> Values:
    checks: dict[str, list[Check]] = {owner: [] for owner in rows.fleets}
    for resource_id, severity in (
        ("vehicle_inspection", classes.inspection_failed), ("vehicle_annual_review", classes.review_failed),
    ):
        for event in rows.rows(resource_id, days=WINDOW_D).itertuples():
            if event.vehicle_id in rows.fleet.index:
                found = found_of(severity) if event.result == "2" else Check()
                checks[rows.fleet.enterprise_id[event.vehicle_id]].append(found)
    for case in rows.findings(WINDOW_D):
        if case["owner"] in checks:
            checks[case["owner"]].append(found_of(classes.case.get(case["reason"], "MI"), case["n_vehicles"]))
    return {
        owner: {"eu_2022_695_rating": rating(some, smart_tachographs=classes.smart_tachographs)} for owner, some in checks.items()
    }


def found_of(severity: SeverityClass, vehicles: int = 1) -> Check:
    return Check(**{severity.lower(): 1}, vehicles=vehicles)


def inspected(rows: KnownRows) -> dict[str, list[tuple[float, Deficiencies]]]:
    """Age in days and deficiencies of the inspections of each vehicle."""
    found: dict[str, list[tuple[float, Deficiencies]]] = {}
    for one in rows.rows("vehicle_inspection").itertuples():
        n_items = None if pd.isna(one.n_fail_items) else int(one.n_fail_items)
        met = deficiencies(one.fail_items, n_items, failed=one.result == "2")
        found.setdefault(one.vehicle_id, []).append(((rows.cutoff - one.event_time) / pd.Timedelta(days=1), met))
    return found


def rr_slowly(inspections: list[tuple[float, Deficiencies]]) -> float | None:
    years = []
    for begin, end in zip((0, *YEARS_D[:-1]), YEARS_D, strict=True):
        some = [met for age_d, met in inspections if begin < age_d <= end]
        total = Deficiencies(*(sum(getattr(met, name) for met in some) for name in ("dangerous", "major", "minor")))
        years.append(Year(total, len(some)))
    return risk_rating(years)


def measures_slowly(rows: KnownRows) -> Values:
    findings: dict[str, list[tuple[float, list[int]]]] = {owner: [] for owner in rows.fleets}
    for case in rows.findings(WINDOW_D):
        if case["owner"] in findings:
            findings[case["owner"]].append((case["age_d"], [SEVERITIES.of(case["reason"])]))
    types = rows.state("vehicle_basic", "vehicle_id").vehicle_type
    measured: dict[str, float] = {}
    for owner, vehicles in rows.fleets.items():
        driven = [rows.distance_km_90d[vehicle] for vehicle in vehicles if vehicle in rows.distance_km_90d]
        miles = math.fsum(driven) / len(vehicles) / rows.observed_years(90) / KM_PER_MILE if driven else None
        tractors = sum(str(types.get(vehicle, "")).startswith("Q") for vehicle in vehicles) / len(vehicles)
        factor = utilisation_factor(miles, combination=tractors >= COMBINATION_SHARE)
        measured[owner] = measure(findings[owner], len(vehicles) * rows.observed_years(WINDOW_D), factor)
    found: Values = {}
    for group in {size_group(len(vehicles)) for vehicles in rows.fleets.values()}:
        peers = [owner for owner, vehicles in rows.fleets.items() if size_group(len(vehicles)) == group]
        for owner, percentile in zip(peers, percentiles([measured[owner] for owner in peers]), strict=True):
            found[owner] = {"sms_cn_measure": measured[owner], "sms_cn_percentile": percentile}
    return found


def breaches_slowly(rows: KnownRows) -> tuple[Values, Values]:
    cases = [case for case in rows.findings(365) if case["reason"] in OVERLOAD and case["vehicle"] is not None]
    by_vehicle = {vehicle: sum(case["vehicle"] == vehicle for case in cases) for vehicle in rows.fleet.index}
    vehicles = {
        vehicle: {"art_66_vehicle_case_n": float(n), "art_66_vehicle_breach": float(person_or_vehicle_breach(n))}
        for vehicle, n in by_vehicle.items()
    }
    enterprises: Values = {}
    for owner, held in rows.fleets.items():
        overloaded = len({case["vehicle"] for case in cases if case["owner"] == owner})
        goods = int(rows.fleet.industry_type[held].isin(GOODS).sum())
        breach = enterprise_breach(overloaded, goods)
        enterprises[owner] = {
            "art_66_share": overloaded_share(overloaded, goods), "art_66_breach": None if breach is None else float(breach),
            "art_66_breaking_vehicle_n": float(sum(person_or_vehicle_breach(by_vehicle[vehicle]) for vehicle in held)),
        }
    return vehicles, enterprises


OTHER_CLASSES = Classes(case={**CASE_SEVERITY, "C11": "MSI"}, inspection_failed="VSI", review_failed="SI", smart_tachographs=True)


@pytest.mark.parametrize("classes", [Classes(), OTHER_CLASSES], ids=["declared", "others"])
def test_eu_2022_695_is_the_published_one(known: Known, slow: list[KnownRows], classes: Classes) -> None:
    frame = expression(known, classes=classes).to_pandas()
    frame["cutoff"] = pd.to_datetime(frame.cutoff, utc=True)
    for rows in slow:
        agree(values_of(frame, rows.cutoff, "enterprise_id"), ratings_slowly(rows, classes))
    assert (frame.eu_2022_695_rating > 0).sum() > 30
    assert frame.eu_2022_695_rating.isna().any(), "an operator that was never checked is grey"


def test_eu_2014_47_is_the_published_one(known: Known, slow: list[KnownRows]) -> None:
    vehicles, operators = (table_of(f"formula_eu_2014_47_{entity}", known) for entity in ("vehicle", "enterprise"))
    for rows in slow:
        found = inspected(rows)
        slowly = {vehicle: {"eu_2014_47_vehicle_rr": rr_slowly(found.get(vehicle, []))} for vehicle in rows.fleet.index}
        agree(values_of(vehicles, rows.cutoff, "vehicle_id"), slowly)
        slowly = {
            owner: {"eu_2014_47_enterprise_rr": rr_slowly([met for vehicle in held for met in found.get(vehicle, [])])}
            for owner, held in rows.fleets.items()
        }
        agree(values_of(operators, rows.cutoff, "enterprise_id"), slowly)
    assert operators.eu_2014_47_enterprise_rr.nunique() > 10


def test_sms_cn_is_the_published_one(known: Known, slow: list[KnownRows]) -> None:
    frame = table_of("formula_sms_cn", known)
    for rows in slow:
        agree(values_of(frame, rows.cutoff, "enterprise_id"), measures_slowly(rows))
    assert frame.sms_cn_measure.nunique() > 30


def test_credit_1000_is_the_published_one(known: Known, slow: list[KnownRows]) -> None:
    frame = table_of("formula_credit_1000", known)
    for rows in slow:
        assessed = rows.state("road_enterprise_rating", "enterprise_id")
        agree(values_of(frame, rows.cutoff, "enterprise_id"), {
            str(owner): {
                "credit_1000_score": score(one.total_score, veto=one.veto_flag),
                "credit_1000_grade": float(GRADES.index(grade(one.total_score, veto=one.veto_flag))),
            }
            for owner, one in assessed.iterrows()
        })
    assert len(set(frame.credit_1000_grade)) > 1


def test_article_66_is_the_published_one(known: Known, slow: list[KnownRows]) -> None:
    vehicles, operators = (table_of(f"formula_art_66_{entity}", known) for entity in ("vehicle", "enterprise"))
    for rows in slow:
        of_vehicles, of_operators = breaches_slowly(rows)
        agree(values_of(vehicles, rows.cutoff, "vehicle_id"), of_vehicles)
        agree(values_of(operators, rows.cutoff, "enterprise_id"), of_operators)
    assert operators.art_66_breach.sum() > 0


def test_eu_2016_403_is_the_rescaled_one(known: Known) -> None:
    hours = known.versions("driving_hour").select("hour_start", "withdrawn", "cont_drive_h", "drive_h_24h").to_pandas()
    expected = Counter(
        (hour.hour_start + timedelta(hours=1), None if hour.withdrawn else CLASSES.index(duty_class(
            continuous_h=hour.cont_drive_h, daily_h=hour.drive_h_24h, bounds=CHINA
        )))
        for hour in hours.itertuples()
    )
    frame = table_of("formula_eu_2016_403", known)
    classes = [None if pd.isna(one) else int(one) for one in frame.eu_2016_403_class]
    assert Counter(zip(frame.cutoff, classes, strict=True)) == expected
    assert set(classes) == {None, 0, 1, 2, 3}
    assert (pd.to_datetime(frame.created, utc=True) >= frame.cutoff).all(), "an hour is known after it has ended"


@pytest.mark.parametrize("product_id", [name for name, product in PRODUCT_FEATURES.items() if product.formulas])
def test_formulas_reach_training_rows_and_no_matrix(product_id: str, tiny: Settings) -> None:
    product = PRODUCT_FEATURES[product_id]
    rows, snapshot = training_rows(product_id, tiny, max_rows=400)
    assert set(product.formulas) <= set(snapshot.tables)
    assert list(rows.columns)[-len(product.formula_columns):] == list(product.formula_columns)
    assert not {feature.name for feature in product.features} & set(product.formula_columns)
    assert rows[list(product.formula_columns)].notna().any().all()
    baselines = baselines_of(product_id, rows.columns)
    assert {baseline.column for baseline in baselines} >= set(product.formula_columns) - {"art_66_breaking_vehicle_n"}
    for baseline in baselines:
        assert not pd.isna(baseline.as_risk(rows[baseline.column])).any()


def test_formulas_are_not_online(tiny: Settings) -> None:
    views = {view.name: view for view in open_store(tiny).list_feature_views()}
    assert set(FORMULA_FAMILIES) <= set(views)
    assert not any(views[name].online for name in FORMULA_FAMILIES)
    assert not any(views[name].materialization_intervals for name in FORMULA_FAMILIES)
    assert views["formula_sms_cn"].ttl == timedelta(days=45)


def test_a_store_from_before_the_formulas_says_what_to_run(tiny: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import features.retrieval as retrieval

    store = open_store(tiny)
    older = [view for view in store.list_feature_views() if view.name != "formula_sms_cn"]
    monkeypatch.setattr(store, "list_feature_views", lambda: older)
    monkeypatch.setattr(retrieval, "open_store", partial(lambda store, settings: store, store))
    with pytest.raises(NotFound, match=r"no view 'formula_sms_cn' in Feast.*roadrisk features apply"):
        training_rows("enterprise_risk", tiny, max_rows=10)

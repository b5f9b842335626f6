"""The structure of the simulated society: identities that slip, rules that change, cases that are corrected, three lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.simulation.assumptions import FREIGHT_RULES_2026, Assumptions, EnforcementAssumptions, PeopleAssumptions
from features.simulation.clock import months_from
from features.simulation.enforcement import OVERLOAD, violation_model
from features.simulation.events import KINDS
from features.simulation.identities import Identities, make_identities
from features.simulation.insurance import LINES, limits_cny
from features.simulation.presets import TINY
from features.simulation.province import simulate_province
from features.simulation.records_enforcement import mistyped
from features.simulation.rule_changes import FAMILIES, changed_reasons, detection_factors
from features.simulation.world import BUSINESSES, World, build_world

WORKING_DAYS = 10
OFTEN = Assumptions(
    enforcement=EnforcementAssumptions(withdrawn_share=0.15, misregistered_share=0.1),
    people=PeopleAssumptions(blacklist_rate=0.1, revoked_share=0.2),
)
"""What is rare, made frequent enough for a small province."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("society")
    simulate_province(TINY, seed=20260704, outbox=made / "outbox", truth=made / "truth", assumptions=OFTEN)
    return made


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(TINY, 20260704, Assumptions())


@pytest.fixture(scope="module")
def identities(world: World) -> Identities:
    return make_identities(world)


def versions(folder: Path, resource_id: str) -> pd.DataFrame:
    files = sorted((folder / "outbox" / resource_id).glob("*.parquet"))
    rows = pd.concat([pq.read_table(file).to_pandas() for file in files], ignore_index=True)
    return rows.sort_values("arrived_at", kind="stable").drop_duplicates(
        [column for column in rows.columns if column != "arrived_at"]
    )


def truth(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "truth" / f"{name}.parquet")


def test_every_planted_event_is_in_the_truth(folder: Path) -> None:
    events = truth(folder, "events")
    assert set(events.kind) == set(KINDS)
    assert (events.kind == "wrong_case").sum() == 1
    days = {kind: str(rows.day.iloc[0]) for kind, rows in events.groupby("kind")}
    assert days["rule_change"] == FREIGHT_RULES_2026.effective_from
    assert days["missing_day"] == Assumptions().activity.missing_day


def test_a_plate_passes_to_another_vehicle_weeks_after_the_first_left(
    folder: Path, world: World, identities: Identities
) -> None:
    vehicles = truth(folder, "vehicle").set_index("vin")
    for event in truth(folder, "events").query("kind == 'plate_reuse'").itertuples():
        old, new = vehicles.loc[event.vin], vehicles.loc[event.other_vin]
        assert old.plate_no == new.plate_no == event.plate_no
        assert 14 <= (new.enters - old.leaves).days <= 180
        permits = versions(folder, "vehicle_transport_permit").query("plate_no == @event.plate_no")
        assert set(permits.vin) == {event.vin, event.other_vin}
        before, after = np.datetime64(old.leaves - pd.Timedelta(days=1), "D"), np.datetime64(new.enters, "D")
        assert identities.vin[identities.holder_on(world.vehicles, event.plate_no, before)] == event.vin
        assert identities.vin[identities.holder_on(world.vehicles, event.plate_no, after)] == event.other_vin
        assert identities.holder_on(world.vehicles, event.plate_no, np.datetime64(old.leaves, "D")) is None


def test_the_wrong_case_names_another_vehicle_until_its_correction(folder: Path) -> None:
    event = truth(folder, "events").query("kind == 'wrong_case'").iloc[0]
    holders = truth(folder, "vehicle").set_index("vin")
    named = versions(folder, "case_vehicle").query("case_id == @event.row_id")
    assert named.plate_no.tolist() == [holders.plate_no[event.vin], holders.plate_no[event.other_vin]]
    assert set(named.row_id) == {f"{event.row_id}-V1"}
    parties = versions(folder, "case_party").query("case_id == @event.row_id")
    assert parties.uscc.tolist() == [event.uscc, event.other_uscc]
    case = versions(folder, "enforcement_case").query("case_id == @event.row_id")
    assert case.uscc.tolist()[0] == event.uscc
    assert set(case.uscc.tolist()[1:]) == {event.other_uscc}
    assert case.state.tolist() == sorted(case.state)
    # Calendar days are the harder bound, whatever holidays lie between.
    assert 0 < np.busday_count(event.requested, event.until) <= (event.until - event.requested).days <= WORKING_DAYS


def test_withdrawn_cases_are_decided_first_and_taken_back_later(folder: Path) -> None:
    cases = versions(folder, "enforcement_case")
    gone = cases[cases.withdrawn]
    assert len(gone)
    decided = cases[cases.row_id.isin(gone.row_id) & (cases.state == "3")].groupby("row_id").arrived_at.max()
    assert (gone.groupby("row_id").arrived_at.min()[decided.index] > decided).all()
    assert set(decided.index) == set(gone.row_id)


def test_a_correction_never_takes_a_decided_case_back_to_filed(folder: Path) -> None:
    states = versions(folder, "enforcement_case").groupby("row_id").state
    assert states.size().max() > 1
    assert states.apply(lambda values: values.tolist() == sorted(values)).all()


def test_black_list_entries_are_repaired_and_taken_back_in_versions(folder: Path) -> None:
    entries = versions(folder, "credit_list")
    first, later = entries[entries.removed_at.isna()], entries[entries.removed_at.notna()]
    assert set(later.row_id) <= set(first.row_id)
    assert set(later.removal_reason) <= {"1", "2", "3"}
    assert (later.withdrawn == (later.removal_reason == "3")).all()
    assert (later.repair_doc_no.notna() == (later.removal_reason == "2")).all()


def test_a_mistyped_plate_is_nobodys_and_still_a_plate(identities: Identities) -> None:
    wrong = mistyped(identities.plate_no[:50].astype(object), identities)
    assert not set(wrong) & set(identities.plate_no)
    assert {plate[:2] for plate in wrong} <= {plate[:2] for plate in identities.plate_no}


def test_a_person_is_party_where_an_affiliated_truck_is_caught(folder: Path) -> None:
    permits = versions(folder, "vehicle_transport_permit").drop_duplicates("plate_no", keep="last")
    affiliated = permits[permits.affiliated]
    assert affiliated.affiliate_name.notna().all()
    caught = versions(folder, "case_vehicle").merge(affiliated[["plate_no", "uscc"]], on="plate_no")
    parties = versions(folder, "case_party").merge(caught[["case_id", "uscc"]], on="case_id", suffixes=("", "_holder"))
    assert len(parties)
    assert (parties.party_type == "1").all()
    assert parties.uscc.isna().all()
    assert parties.uscc_holder.notna().all()


def test_a_weigh_station_nearby_raises_the_finding_of_overload_alone(world: World) -> None:
    model = violation_model(world)
    assert model.station_exposure.mean() == pytest.approx(1.0, abs=0.05)
    assert model.station_exposure.std() > 0.2
    assert np.ptp(model.base[:, OVERLOAD + 1]) == 0


def test_rules_change_detection_and_reasons_from_their_day_on() -> None:
    assumed = EnforcementAssumptions()
    march = months_from(pd.Timestamp(FREIGHT_RULES_2026.effective_from).date().replace(day=1), 1)[0]
    factors = detection_factors(assumed, march.days)
    assert factors.shape == (len(FAMILIES), len(BUSINESSES), 31)
    assert factors[FAMILIES.index("maintenance"), 0].tolist() == [1.0] * 19 + [1.5] * 12
    assert (factors[:, 1:] == 1.0).all()
    permit, day = np.full(4, FAMILIES.index("permit")), np.array(["2026-03-19", "2026-03-20"] * 2, dtype="datetime64[D]")
    ((rows, codes, shares),) = changed_reasons(assumed, permit, np.array([0, 0, 1, 1]), day)
    assert rows.tolist() == [1]
    assert codes[0] == "C01"
    assert sum(shares) == pytest.approx(1.0)


def test_three_lines_each_with_a_frequency_and_a_severity_of_its_own(folder: Path) -> None:
    claims, months, policies = versions(folder, "claim"), truth(folder, "vehicle_month"), versions(folder, "policy")
    closed = claims[claims.status == "closed"].groupby("line").paid_amount_cny
    assert set(policies.line) == set(LINES) == set(closed.groups)
    assert (closed.max().reindex(LINES) <= limits_cny(Assumptions().insurance)).all()
    for line in LINES:
        insured = set(policies.vin[policies.line == line])
        expected = months.groupby("vin")[f"claim_rate_{line}"].sum()
        assert set(expected.index[expected > 0]) <= insured
        assert expected.sum() == pytest.approx(claims[claims.line == line].claim_no.nunique(), rel=0.2, abs=12)


def test_individuals_are_told_from_companies(folder: Path) -> None:
    operators = versions(folder, "operator_basic")
    is_company = operators.name.str.endswith(tuple("0123456789"))
    assert (operators.is_individual == ~is_company).all()

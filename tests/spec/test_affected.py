"""Which decisions used a row that was superseded since, as a table: versions and a decision in, what changed out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from features.affected import Affected, affected_decisions
from features.warehouse import Warehouse
from registry.decisions import Decision
from registry.settings import Settings
from tests.lib.resource_rows import deliver_rows, local

AS_OF, LATER = local("2026-05-01"), local("2026-05-09T03:00")
SEEN = local("2026-03-03T03:00")
CASE = {
    "row_id": "c", "arrived_at": SEEN, "case_id": "c", "enterprise_id": "e", "case_reason": "C13",
    "illegal_time": local("2026-02-01T10:00"), "state": "3", "not_punish": False, "fine_cny": 500.0,
}
UNNAMED = CASE | {"enterprise_id": None}
RATING = {
    "row_id": "r", "arrived_at": SEEN, "driver_id": "d", "enterprise_id": "e", "grade": "AA", "score_points": 3.0,
    "assess_year": 2025, "assessed_at": date(2026, 2, 20),
}
PERMIT = {
    "row_id": "p", "arrived_at": SEEN, "vehicle_id": "v", "plate_id": "pl", "enterprise_id": "e", "op_status": "10",
    "modify_time": local("2026-01-15"), "accident_count": 1,
}
MET = {
    "row_id": "m", "arrived_at": SEEN, "case_id": "c", "plate_id": "pl", "driver_id": "d", "recorded_at": CASE["illegal_time"],
}
IDS = ("row_id", "case_id", "enterprise_id", "vehicle_id", "plate_id", "driver_id")
ENTERPRISE = ("enterprise_risk", "e")
VEHICLE = ("maintenance", "v")
PRICED = ("insurance_pricing", "v")


def later(row: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    return {**row, "arrived_at": LATER, **changes}


Row = Mapping[str, Any]
Case = tuple[str, Sequence[Row], tuple[str, str], str | None]
# resource, versions, product and entity, what became of the version that the decision used
CASES: dict[str, Case] = {
    "withdrawn": ("enforcement_case", [CASE, later(CASE, withdrawn=True)], ENTERPRISE, "withdrawn"),
    "revoked": ("enforcement_case", [CASE, later(CASE, state="5")], ENTERPRISE, "withdrawn"),
    "without punishment after all": ("enforcement_case", [CASE, later(CASE, not_punish=True)], ENTERPRISE, "withdrawn"),
    "punished after all": ("enforcement_case", [CASE | {"not_punish": True}, later(CASE)], ENTERPRISE, "restored"),
    "corrected": ("enforcement_case", [CASE, later(CASE, fine_cny=50.0)], ENTERPRISE, "corrected"),
    "of somebody else after all": ("enforcement_case", [CASE, later(CASE, enterprise_id="x")], ENTERPRISE, "corrected"),
    "the other one": ("enforcement_case", [CASE | {"enterprise_id": "x"}, later(CASE)], ENTERPRISE, "corrected"),
    "closed": ("enforcement_case", [CASE, later(CASE, state="4", close_time=LATER)], ENTERPRISE, None),
    "decided": ("enforcement_case", [CASE | {"state": "2"}, later(CASE)], ENTERPRISE, None),
    "corrected before it was decided": (
        "enforcement_case", [CASE | {"state": "2"}, later(CASE, state="2", case_reason="C11")], ENTERPRISE, None,
    ),
    "the same again": ("enforcement_case", [CASE, later(CASE)], ENTERPRISE, None),
    "more than two years before": (
        "enforcement_case", [CASE | {"illegal_time": local("2024-01-01")}, later(CASE, illegal_time=local("2024-01-01"),
                                                                              withdrawn=True)], ENTERPRISE, None,
    ),
    "not known at the cut-off": (
        "enforcement_case", [CASE | {"arrived_at": AS_OF + timedelta(days=1)}, later(CASE, withdrawn=True)], ENTERPRISE, None,
    ),
    "superseded before the cut-off": (
        "enforcement_case", [CASE, later(CASE, withdrawn=True, arrived_at=AS_OF)], ENTERPRISE, None,
    ),
    "of the holder of the vehicle": ("enforcement_case", [UNNAMED, later(UNNAMED, withdrawn=True)], ENTERPRISE, "withdrawn"),
    "of the vehicle": ("enforcement_case", [CASE, later(CASE, withdrawn=True)], VEHICLE, "withdrawn"),
    "the driver's, for the operator": ("road_practitioner_rating", [RATING, later(RATING, grade="B")], ENTERPRISE, "corrected"),
    "the driver's, for the vehicle": ("road_practitioner_rating", [RATING, later(RATING, grade="B")], PRICED, "corrected"),
    "the driver's, where nobody asks": ("road_practitioner_rating", [RATING, later(RATING, grade="B")], VEHICLE, None),
    "the permit": ("vehicle_transport_permit", [PERMIT, later(PERMIT, accident_count=0)], VEHICLE, "corrected"),
    "another plate": ("case_vehicle", [MET, later(MET, plate_id="other")], VEHICLE, "corrected"),
    "somebody else's": ("enforcement_case", [CASE, later(CASE, withdrawn=True)], ("enterprise_risk", "x"), None),
}


def decision(product: str, entity: str, **changes: Any) -> Decision:
    made = Decision(
        score_id="a" * 32, request_id="r", at=AS_OF, product=product, entity_id=entity, as_of=AS_OF, model_version="1",
        digest="d", inputs={}, encoded=(), exposure=None, answer={}, base=None, clamp=None, contributions={}, latency_ms=1.0,
        related={"enterprise": "e"} if entity == "v" else {},
    )
    return replace(made, **changes)


def found(folder: Path, resource: str, versions: Sequence[Row], *decisions: Decision) -> list[Affected]:
    return all_found(folder, [(resource, versions)], decisions)


def all_found(
    folder: Path, histories: Sequence[tuple[str, Sequence[Row]]], decisions: Sequence[Decision]
) -> list[Affected]:
    """Return the affected decisions where every history has entities of its own; the first keeps the plain names."""
    settings = Settings(home=folder / "home", keys_dir=folder / "keys")
    warehouse = Warehouse(settings.warehouse_dir)
    rounds: dict[tuple[str, int], list[Row]] = {}
    for place, (resource, versions) in enumerate(histories):
        base = {"vehicle_transport_permit": [PERMIT], "case_vehicle": [MET], "enforcement_case": [CASE]} | {resource: versions}
        for name, rows in base.items():
            for number, row in enumerate(rows):
                rounds.setdefault((name, number), []).append(of_its_own(row, place))
    for (name, number), rows in rounds.items():
        deliver_rows(warehouse, name, rows, f"{name}-{number}")
    return list(affected_decisions(settings, decisions))


def of_its_own(row: Row, place: int) -> Row:
    own = {name: row[name] and f"{row[name]}-{place}" for name in IDS if name in row}
    return {**row, **own} if place else row


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return what became of the versions that each case's decision used."""
    histories = [(resource, versions) for resource, versions, _, _ in CASES.values()]
    decisions = [
        decision(product, f"{entity}-{place}" if place else entity, score_id=name,
                 related={"enterprise": f"e-{place}" if place else "e"} if entity == "v" else {})
        for place, (name, (_, _, (product, entity), _)) in enumerate(CASES.items())
    ]
    affected = all_found(tmp_path_factory.mktemp("affected"), histories, decisions)
    return {one.score_id: [change.kind for change in one.changes] for one in affected}


@pytest.mark.parametrize("case", CASES)
def test_what_became_of_what_a_decision_used(case: str, kinds: dict[str, list[str]]) -> None:
    expected = CASES[case][3]
    assert kinds.get(case, []) == ([] if expected is None else [expected])


WITHDRAWAL = ("enforcement_case", [UNNAMED, later(UNNAMED, withdrawn=True)])


def test_a_decision_that_has_a_successor_is_left_alone(tmp_path: Path) -> None:
    old = decision(*ENTERPRISE)
    new = decision(*ENTERPRISE, score_id="b" * 32, supersedes=old.score_id, as_of=LATER)
    assert found(tmp_path, *WITHDRAWAL, old, new) == []


def test_an_early_record_that_names_no_operator_is_found_by_its_permit(tmp_path: Path) -> None:
    (one,) = found(tmp_path, "road_practitioner_rating", [RATING | {"driver_id": "z"}, later(RATING, driver_id="z", grade="B")],
                   decision(*PRICED, related={}))
    assert (one.n_changes, one.known_at) == (1, LATER)


def test_of_several_versions_each_decision_is_compared_with_the_newest(tmp_path: Path) -> None:
    between = later(CASE, fine_cny=600.0, arrived_at=local("2026-04-01"))
    (one,) = found(tmp_path, "enforcement_case", [CASE, between, later(CASE, fine_cny=50.0)], decision(*ENTERPRISE))
    assert [(change.old_arrived_at, change.new_arrived_at) for change in one.changes] == [(local("2026-04-01"), LATER)]


def test_what_came_back_to_what_it_was_changed_nothing(tmp_path: Path) -> None:
    between = later(CASE, fine_cny=600.0, arrived_at=AS_OF + timedelta(days=1))
    assert found(tmp_path, "enforcement_case", [CASE, between, later(CASE)], decision(*ENTERPRISE)) == []


def test_a_portfolio_row_has_no_rows_of_ours(tmp_path: Path) -> None:
    assert found(tmp_path, *WITHDRAWAL, decision("french_mtpl", "")) == []

"""What may still be held against an operator at a cut-off: list entries in force, and findings that stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from features.engine import connect
from features.families.enforcement import ENTERPRISE_FAMILY
from features.families.enterprise_standing import CREDIT_FAMILY
from features.known import Known, open_known
from features.outcomes import serious_cases
from features.warehouse import Warehouse
from tests.lib.resource_rows import deliver_rows, local

if TYPE_CHECKING:
    import ibis.expr.types as ir

BEGIN = local("2025-01-01")
"""More than a year before every cut-off: a rate per year is a count."""
CUTOFF = "2026-06-01"
PERMIT = {
    "arrived_at": local("2025-02-01"), "op_status": "10", "modify_time": local("2025-01-15"),
}
RATING = {"arrived_at": local("2025-06-01"), "assess_year": 2024, "publish_date": date(2025, 5, 20)}
ENTRY = {
    "arrived_at": local("2026-02-05T03:00"), "enterprise_id": "e", "list_type": "2",
    "reason": "B3", "listed_at": date(2026, 1, 20), "expires_at": date(2028, 1, 20),
}
CASE = {
    "arrived_at": local("2026-03-03T03:00"), "enterprise_id": "e", "case_reason": "C13",
    "illegal_time": local("2026-02-01T10:00"), "state": "3", "not_punish": False, "fine_cny": 500.0,
}
Versions = Sequence[Mapping[str, Any]]


def removed(**changes: Any) -> dict[str, Any]:
    return ENTRY | {"arrived_at": local("2026-04-05T03:00")} | changes


# versions of one black-list entry, cut-off, entries in force
ENTRIES: dict[str, tuple[Versions, str, float]] = {
    "listed and known": ([ENTRY], CUTOFF, 1),
    "listed and not known yet": ([ENTRY], "2026-02-05", 0),
    "the last day before it expires": ([ENTRY | {"expires_at": date(2026, 6, 2)}], CUTOFF, 1),
    "on the day it expires": ([ENTRY | {"expires_at": date(2026, 6, 1)}], CUTOFF, 0),
    "expired": ([ENTRY | {"expires_at": date(2026, 5, 1)}], CUTOFF, 0),
    "without an end": ([ENTRY | {"expires_at": None}], CUTOFF, 1),
    "repaired": ([ENTRY, removed(removed_at=date(2026, 3, 20), removal_reason="2", repair_doc_no="XF9")], CUTOFF, 0),
    "repaired and not known yet": ([ENTRY, removed(removed_at=date(2026, 3, 20), removal_reason="2")], "2026-04-05", 1),
    "to be removed later": ([ENTRY, removed(removed_at=date(2026, 7, 1), removal_reason="1")], CUTOFF, 1),
    "removed without a day": ([ENTRY, removed(removal_reason="2")], CUTOFF, 0),
    "repaired by a document, without a day": ([ENTRY, removed(repair_doc_no="XF9")], CUTOFF, 0),
    "revoked": ([ENTRY, removed(removed_at=date(2026, 1, 20), removal_reason="3")], CUTOFF, 0),
    "withdrawn": ([ENTRY, removed(withdrawn=True)], CUTOFF, 0),
    "withdrawn and not known yet": ([ENTRY, removed(withdrawn=True)], "2026-04-05", 1),
    "of a driver": ([ENTRY | {"enterprise_id": None, "driver_id": "d"}], CUTOFF, 0),
    "a commendation": ([ENTRY | {"list_type": "1"}], CUTOFF, 0),
}


def later(**changes: Any) -> dict[str, Any]:
    return CASE | {"arrived_at": local("2026-05-04T03:00")} | changes


FILED = CASE | {"state": "2", "fine_cny": None, "arrived_at": local("2026-02-10T03:00")}
# versions of one case, cut-off, findings of the last year
CASES: dict[str, tuple[Versions, str, float]] = {
    "decided": ([CASE], CUTOFF, 1),
    "decided and not known yet": ([CASE], "2026-03-03", 0),
    "filed only": ([FILED], CUTOFF, 0),
    "filed, then decided": ([FILED, CASE], CUTOFF, 1),
    "decided, then closed": ([CASE, later(state="4")], CUTOFF, 1),
    "ended without punishment": ([FILED, CASE | {"not_punish": True}], CUTOFF, 0),
    "revoked": ([CASE, later(state="5")], CUTOFF, 0),
    "revoked and not known yet": ([CASE, later(state="5")], "2026-05-04", 1),
    "withdrawn": ([CASE, later(withdrawn=True)], CUTOFF, 0),
    "withdrawn, then delivered again": (
        [CASE, later(withdrawn=True), later(arrived_at=local("2026-05-20"))], CUTOFF, 1,
    ),
    "of nobody after correction": ([CASE, later(enterprise_id=None)], CUTOFF, 0),
    "more than a year ago": ([CASE | {"illegal_time": local("2025-05-31")}], CUTOFF, 0),
}


FINES = {"a corrected value": ([CASE, later(fine_cny=5000.0)], ("2026-05-04", CUTOFF), (500.0, 5000.0))}
CUTOFFS = sorted({cutoff for cases in (ENTRIES, CASES) for _, cutoff, _ in cases.values()} | {"2026-05-04"})
SUBJECTS = {name: f"e{number}" for number, name in enumerate([*ENTRIES, *CASES, *FINES])}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    """Open a warehouse in which every case is an operator of its own with one permitted vehicle."""
    folder = tmp_path_factory.mktemp("standing")
    warehouse = Warehouse(folder / "warehouse")
    ids = list(SUBJECTS.values())
    permits = [PERMIT | {"row_id": f"p-{e}", "vehicle_id": f"v-{e}", "plate_id": f"pl-{e}", "enterprise_id": e} for e in ids]
    deliver_rows(warehouse, "vehicle_transport_permit", permits, "permits")
    ratings = [RATING | {"row_id": f"r-{e}", "enterprise_id": e} for e in ids]
    deliver_rows(warehouse, "road_enterprise_rating", ratings, "ratings")
    unnamed = {"row_id": "cv", "arrived_at": CASE["arrived_at"], "case_id": "none", "recorded_at": CASE["illegal_time"]}
    deliver_rows(warehouse, "case_vehicle", [unnamed], "vehicles")
    _deliver(warehouse, "credit_list", "entry_no", {name: ENTRIES[name][0] for name in ENTRIES})
    _deliver(warehouse, "enforcement_case", "case_id", {name: case[0] for name, case in (CASES | FINES).items()})
    backend = connect(threads=1, memory_limit="512MB", spill_dir=folder / "spill")
    resources = ("vehicle_transport_permit", "road_enterprise_rating", "case_vehicle", "credit_list", "enforcement_case")
    return open_known(backend, warehouse, resources, [local(cutoff) for cutoff in CUTOFFS], BEGIN)


def _deliver(warehouse: Warehouse, resource: str, key: str, histories: Mapping[str, Versions]) -> None:
    """Deliver all first versions together, then all second ones, and so on."""
    for number in range(max(map(len, histories.values()))):
        rows = [
            row | {"row_id": name, key: name, "enterprise_id": SUBJECTS[name] if row["enterprise_id"] == "e" else None}
            for name, versions in histories.items() for row in versions[number:number + 1]
        ]
        deliver_rows(warehouse, resource, rows, f"{resource}-{number}")


@pytest.fixture(scope="module")
def credit(known: Known) -> dict[tuple[str, str], dict[str, Any]]:
    return by_cutoff(CREDIT_FAMILY.expression(known))


@pytest.fixture(scope="module")
def enforcement(known: Known) -> dict[tuple[str, str], dict[str, Any]]:
    return by_cutoff(ENTERPRISE_FAMILY.expression(known))


def by_cutoff(table: ir.Table) -> dict[tuple[str, str], dict[str, Any]]:
    days = {local(cutoff): cutoff for cutoff in CUTOFFS}
    return {(row["enterprise_id"], days[row["cutoff"]]): row for row in table.to_pyarrow().to_pylist()}


@pytest.mark.parametrize("case", ENTRIES)
def test_entries_in_force(case: str, credit: dict[tuple[str, str], dict[str, Any]]) -> None:
    _, cutoff, expected = ENTRIES[case]
    assert credit[SUBJECTS[case], cutoff]["n_black_list"] == expected


@pytest.mark.parametrize("case", CASES)
def test_findings_that_stand(case: str, enforcement: dict[tuple[str, str], dict[str, Any]]) -> None:
    _, cutoff, expected = CASES[case]
    assert enforcement[SUBJECTS[case], cutoff]["case_per_vehicle_year"] == pytest.approx(expected)


@pytest.mark.parametrize("case", FINES)
def test_a_value_is_seen_from_its_own_arrival_on(case: str, enforcement: dict[tuple[str, str], dict[str, Any]]) -> None:
    _, cutoffs, expected = FINES[case]
    for cutoff, fine in zip(cutoffs, expected, strict=True):
        assert enforcement[SUBJECTS[case], cutoff]["fine_cny_per_vehicle_year"] == pytest.approx(fine)


def test_labels_hold_findings_only(known: Known) -> None:
    found = {row["case_id"] for row in serious_cases(known).to_pyarrow().to_pylist()}
    standing = {"decided", "decided and not known yet", "filed, then decided", "decided, then closed",
                "withdrawn, then delivered again", "of nobody after correction", "more than a year ago", "a corrected value"}
    assert found == standing

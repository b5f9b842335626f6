"""A request against the row it is about, and the version of the row that carries an accepted one."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import pytest

from features.correction_delivery import deliver, held_row, is_delivered, request_about
from features.pseudonyms import pseudonym
from features.warehouse import Warehouse
from registry.corrections import WITHHELD_TEXT, Correction, decide, open_request
from registry.errors import InvalidRequest, NotFound
from registry.settings import Settings
from registry.signing import PSEUDONYM_KEY, init_keys, read_secret
from tests.lib.resource_rows import deliver_rows, local

SEEN, NOW = local("2026-03-03T03:00"), local("2026-03-10T03:00")
USCC = "913601000000001664"
CASE = {
    "row_id": "c" * 24, "arrived_at": SEEN, "case_id": "AJ1", "enterprise_id": "e" * 24, "case_reason": "C13",
    "illegal_time": local("2026-02-01T10:00"), "state": "3", "not_punish": False, "fine_cny": 5000.0,
}
MET = {
    "row_id": "m" * 24, "arrived_at": SEEN, "case_id": "AJ1", "plate_id": "a" * 24, "recorded_at": CASE["illegal_time"],
}


@pytest.fixture
def settings(tmp_path):
    made = Settings(home=tmp_path / "home", keys_dir=tmp_path / "keys")
    init_keys(made.keys_dir)
    warehouse = Warehouse(made.warehouse_dir)
    deliver_rows(warehouse, "enforcement_case", [CASE], "d1")
    deliver_rows(warehouse, "case_vehicle", [MET], "d2")
    return made


def about(settings: Settings, field: str, claimed: str | None, resource: str = "enforcement_case"):
    row = CASE if resource == "enforcement_case" else MET
    return request_about(
        settings, resource_id=resource, row_id=row["row_id"], field=field, claimed=claimed, evidence="12号"
    )


def accepted(settings: Settings, field: str, claimed: str | None, resource: str = "enforcement_case") -> Correction:
    made = open_request(settings, about(settings, field, claimed, resource), received_at=SEEN, at=SEEN)
    return decide(settings, made.id, accept=True, decided_by="李工", result="一致", at=NOW)


def own(settings: Settings, namespace: str, *parts: str) -> str:
    return pseudonym(read_secret(settings.keys_dir, PSEUDONYM_KEY), namespace, *parts)


def changed(settings: Settings, correction: Correction, row: dict[str, Any]) -> dict[str, Any]:
    """Return what differs in the newest version."""
    deliver(settings, correction, arrived_at=NOW)
    newest = held_row(settings, correction.request.resource, row["row_id"])
    return {name: value for name, value in newest.items() if value != row.get(name) and name != "delivery_id"}


def test_one_value_changes_and_the_row_keeps_its_name(settings):
    correction = accepted(settings, "fine_cny", "500")
    assert (correction.request.old, correction.request.claimed) == ("5000.0", "500.0")
    assert not is_delivered(settings, correction)
    met = changed(settings, correction, CASE | {"event_time": CASE["illegal_time"], "withdrawn": False})
    assert met == {"fine_cny": 500.0, "arrived_at": NOW}
    assert is_delivered(settings, correction)


def test_the_old_version_stays_where_it_is(settings):
    before = [path.read_bytes() for path in Warehouse(settings.warehouse_dir).files("enforcement_case")]
    deliver(settings, accepted(settings, "fine_cny", "500"), arrived_at=NOW)
    after = [path.read_bytes() for path in Warehouse(settings.warehouse_dir).files("enforcement_case")]
    assert len(after) == 2
    assert before[0] in after


def test_delivering_again_changes_nothing(settings):
    correction = accepted(settings, "fine_cny", "500")
    first = deliver(settings, correction, arrived_at=NOW)
    assert deliver(settings, correction, arrived_at=NOW + timedelta(days=1)) == first
    assert len(Warehouse(settings.warehouse_dir).files("enforcement_case")) == 2


def test_a_moved_event_moves_the_event_time(settings):
    met = changed(settings, accepted(settings, "illegal_time", "2026-01-05T08:00:00+08:00"), CASE | {"withdrawn": False})
    assert met["event_time"].astimezone(UTC) == local("2026-01-05T08:00")


@pytest.mark.parametrize(("field", "claimed", "resource", "column", "namespace", "parts"), [
    ("uscc", USCC, "enforcement_case", "enterprise_id", "uscc", (USCC,)),
    ("plate_id", "赣A12345|2", "case_vehicle", "plate_id", "plate", ("赣A12345", "2")),
])
def test_an_identifier_is_corrected_by_its_pseudonym(settings, field, claimed, resource, column, namespace, parts):
    correction = accepted(settings, field, claimed, resource)
    assert claimed not in str(correction)
    deliver(settings, correction, arrived_at=NOW)
    row = held_row(settings, resource, correction.request.row_id)
    assert row[column] == correction.request.claimed == own(settings, namespace, *parts)


def test_a_row_is_withdrawn(settings):
    deliver(settings, accepted(settings, "withdrawn", "true"), arrived_at=NOW)
    assert held_row(settings, "enforcement_case", CASE["row_id"])["withdrawn"] is True


def test_a_value_is_emptied(settings):
    deliver(settings, accepted(settings, "fine_cny", None), arrived_at=NOW)
    assert held_row(settings, "enforcement_case", CASE["row_id"])["fine_cny"] is None


def test_a_personal_value_is_neither_kept_nor_delivered(settings):
    correction = accepted(settings, "party_name", "张三")
    assert (correction.request.old, correction.request.claimed) == (WITHHELD_TEXT, WITHHELD_TEXT)
    with pytest.raises(InvalidRequest, match="field party_name"):
        deliver(settings, correction, arrived_at=NOW)


def test_the_subject_is_a_pseudonym(settings):
    assert about(settings, "fine_cny", "1").subject == CASE["enterprise_id"]


REFUSED = {
    "a code that does not exist": ("case_reason", "X", "breaks the contract of its field"),
    "more than the field allows": ("fine_cny", "9e9", "breaks the contract of its field"),
    "nothing where something must be": ("case_reason", None, "breaks the contract of its field"),
    "no number": ("fine_cny", "much", "the claimed value is no float"),
    "a time without zone": ("illegal_time", "2026-01-05T08:00:00", "the claimed value is no timestamp"),
    "a credit code with a wrong check sign": ("uscc", "913601000000001665", "breaks the contract of its field"),
    "what is held": ("fine_cny", "5000", "the claimed value is the one that is held"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_claim_is_held_against_the_contract(settings, case):
    field, claimed, match = REFUSED[case]
    with pytest.raises(InvalidRequest, match=match):
        open_request(settings, about(settings, field, claimed), received_at=SEEN, at=SEEN)


def test_half_a_plate_is_refused(settings):
    with pytest.raises(InvalidRequest, match="plate_id is made of 2 values, 1 were given"):
        about(settings, "plate_id", "赣A12345", "case_vehicle")


def test_an_unknown_row_is_not_found(settings):
    with pytest.raises(NotFound, match="enforcement_case holds no such row"):
        held_row(settings, "enforcement_case", "nothing")


def test_a_correction_arrives_after_what_it_corrects(settings):
    with pytest.raises(InvalidRequest, match="its correction at"):
        deliver(settings, accepted(settings, "fine_cny", "500"), arrived_at=SEEN)


def test_an_open_request_is_not_delivered(settings):
    made = open_request(settings, about(settings, "fine_cny", "500"), received_at=SEEN, at=SEEN)
    with pytest.raises(InvalidRequest, match="is open"):
        deliver(settings, made, arrived_at=NOW)

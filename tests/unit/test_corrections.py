from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from registry.corrections import (
    WITHHELD_TEXT,
    CorrectionRequest,
    audit,
    correction,
    corrections,
    decide,
    field_kind,
    open_request,
    record_delivery,
    service_level,
)
from registry.errors import InvalidRequest, NotFound
from registry.resources import RESOURCES
from registry.settings import Settings
from registry.signing import init_keys

RECEIVED = datetime(2026, 3, 2, 1, tzinfo=UTC)
IN_TIME, LATE = datetime(2026, 3, 16, 15, 59, tzinfo=UTC), datetime(2026, 3, 16, 16, tzinfo=UTC)
ABOUT = CorrectionRequest(
    subject="a" * 24, resource="enforcement_case", row_id="b" * 24, field="fine_cny", old="5000.0", claimed="500.0",
    evidence="赣交更〔2026〕12号",
)


@pytest.fixture
def settings(tmp_path):
    made = Settings(home=tmp_path / "home", keys_dir=tmp_path / "keys")
    init_keys(made.keys_dir)
    return made


def opened(settings, at=RECEIVED, **changes):
    return open_request(settings, replace(ABOUT, **changes), received_at=at, at=at)


def decided(settings, at, *, accept=True, **changes):
    made = opened(settings, **changes)
    return decide(settings, made.id, accept=accept, decided_by="李工", result="案卷核对一致", at=at)


def test_a_request_goes_from_open_to_delivered(settings):
    made = opened(settings)
    assert (made.status, made.due_at, made.provisional) == ("open", LATE, False)
    decide(settings, made.id, accept=True, decided_by="李工", result="案卷核对一致", at=IN_TIME)
    record_delivery(settings, made.id, delivery_id="d1", at=IN_TIME)
    found = correction(settings, made.id)
    assert (found.status, found.decided_at, found.decided_by, found.delivery_id) == ("accepted", IN_TIME, "李工", "d1")
    assert found.request == ABOUT
    assert record_delivery(settings, made.id, delivery_id="d1", at=LATE) == found
    assert audit(settings).rows == 3


def test_a_refusal_keeps_its_reason(settings):
    assert decided(settings, IN_TIME, accept=False).result == "案卷核对一致"


@pytest.mark.parametrize(("at", "late"), [(IN_TIME, False), (LATE, True)])
def test_the_tenth_working_day_ends_at_midnight_in_shanghai(settings, at, late):
    assert decided(settings, at).overdue(at + timedelta(days=99)) is late
    assert opened(settings).overdue(at) is late


def test_the_share_in_time_counts_what_is_still_open_too_late(settings):
    decided(settings, IN_TIME)
    decided(settings, LATE)
    opened(settings)
    opened(settings, at=IN_TIME)
    level = service_level(corrections(settings), LATE)
    assert (level.received, level.decided, level.waiting, level.in_time, level.late) == (4, 2, 1, 1, 2)
    assert level.share_in_time == pytest.approx(1 / 3)
    assert service_level([], LATE).share_in_time is None


def test_a_request_is_decided_once(settings):
    made = decided(settings, IN_TIME)
    with pytest.raises(InvalidRequest, match="was accepted by 李工"):
        decide(settings, made.id, accept=False, decided_by="王工", result="再议", at=LATE)


def test_only_an_accepted_correction_is_delivered(settings):
    refused = decided(settings, IN_TIME, accept=False)
    with pytest.raises(InvalidRequest, match="is refused, its delivery none"):
        record_delivery(settings, refused.id, delivery_id="d", at=LATE)


def test_an_unknown_request_is_not_found(settings):
    with pytest.raises(NotFound, match="no correction 'zz'"):
        correction(settings, "zz")


BAD = {
    "no such resource": ({"resource": "nothing"}, "no resource 'nothing'"),
    "no such field": ({"field": "nothing"}, "has no field 'nothing'"),
    "nothing claimed": ({"claimed": "5000.0"}, "the claimed value is the one that is held"),
    "a name in clear": ({"field": "party_name", "old": "张三", "claimed": "李四"}, "party_name is personal"),
    "a credit code in clear": ({"field": "uscc", "old": None, "claimed": "913601000000001664"}, "only its pseudonym is kept"),
    "half a plate": ({"resource": "case_vehicle", "field": "plate_no"}, "plate_no alone names nothing"),
    "a credit code as evidence": ({"evidence": "见913601000000001664"}, "evidence holds what looks like a uscc"),
    "a plate as evidence": ({"evidence": "车牌赣A12345的材料"}, "evidence holds what looks like a plate"),
    "a phone number as evidence": ({"evidence": "电话13800138000"}, "evidence holds what looks like a phone number"),
    "no evidence": ({"evidence": " "}, "evidence has 0 characters"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_a_ledger_may_not_keep_is_refused(settings, case):
    changes, match = BAD[case]
    with pytest.raises(InvalidRequest, match=match):
        opened(settings, **changes)
    assert corrections(settings) == []


def test_no_message_repeats_a_natural_key(settings):
    with pytest.raises(InvalidRequest, match="uscc") as caught:
        opened(settings, evidence="见913601000000001664")
    assert "913601" not in json.dumps([str(caught.value), caught.value.details])


def test_a_personal_value_is_withheld(settings):
    made = opened(settings, field="party_name", old=WITHHELD_TEXT, claimed=WITHHELD_TEXT)
    assert made.request.claimed == WITHHELD_TEXT


@pytest.mark.parametrize(("field", "kind"), [
    ("fine_cny", "clear"), ("withdrawn", "clear"), ("uscc", "pseudonym"), ("enterprise_id", "pseudonym"),
    ("party_name", "personal"), ("id_card_no", "personal"),
])
def test_how_values_of_a_field_are_kept(field, kind):
    assert field_kind(RESOURCES["enforcement_case"], field) == kind


def test_a_provisional_term_is_counted_again_once_the_year_is_announced(settings, monkeypatch):
    monkeypatch.setattr("registry.working_days.announced", lambda _: False)
    assert opened(settings).provisional
    monkeypatch.undo()
    found = corrections(settings)[0]
    assert (found.provisional, found.due_at) == (False, LATE)

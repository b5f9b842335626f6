from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from registry.access.duties import (
    Duty,
    HumanReview,
    NoticeGiven,
    Objection,
    Recorded,
    ReviewResult,
    check_follows,
    due,
    identifies,
    payload_of,
    read_duty,
    unanswered,
)
from registry.access.notices import TRACKS, notice_of
from registry.access.rules import AccessRules, access_rules
from registry.data_products import DATA_PRODUCTS
from registry.errors import Conflict, InvalidRequest, NotFound
from registry.formats import make_plate, make_uscc, make_vin
from registry.settings import Settings

AT = datetime(2026, 7, 10, 4, tzinfo=UTC)
USCC = str(make_uscc(np.array([1234567]), np.array(["360100"]))[0])
VIN = str(make_vin(np.array([7]), np.array([2020]))[0])
PLATE = str(make_plate(np.array([99]), np.array(["360100"]))[0])
DUTIES: list[Duty] = [
    NoticeGiven(version="1fd35680449e", channel="app", consent=True),
    Objection(ground="data_wrong", reference="case 17"),
    HumanReview(reference="case 18"),
    ReviewResult(reviewer="王工", outcome="corrected", reason="罚单已撤销", answers=3, successor="s-2"),
]


def recorded(n: int, duty: Duty) -> Recorded:
    return Recorded(n=n, at=AT, by="c", duty=duty)


@pytest.mark.parametrize("duty", DUTIES)
def test_a_duty_comes_back_from_its_payload(duty: Duty) -> None:
    payload = payload_of(duty)
    assert payload["duty"] == duty.kind
    assert read_duty(payload) == duty


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"duty": "praise"}, "there is no duty 'praise'"),
        ({}, "there is no duty None"),
        ({"duty": "objection", "ground": "data_wrong"}, "the fields of a duty objection are wrong"),
        ({"duty": "objection", "ground": "mood", "reference": ""}, "there is no ground 'mood'"),
        ({"duty": "human_review", "reference": "x" * 501}, "reference has 501 signs"),
        ({"duty": "notice_given", "version": " ", "channel": "app"}, "version is empty"),
        ({"duty": "review_result", "reviewer": "w", "outcome": "so so", "reason": "r", "answers": 1}, "there is no outcome"),
        ({"duty": "review_result", "reviewer": "", "outcome": "upheld", "reason": "r", "answers": 1}, "reviewer is empty"),
        ({"duty": "review_result", "reviewer": "w", "outcome": "corrected", "reason": "r", "answers": 1}, "has a successor"),
        (
            {"duty": "review_result", "reviewer": "w", "outcome": "upheld", "reason": "r", "answers": 1, "successor": "赣A12345"},
            "the successor is no score id",
        ),
    ],
)
def test_a_payload_that_is_wrong_is_refused(payload: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        read_duty(payload)


@pytest.mark.parametrize(
    "text",
    [f"车辆{PLATE}的罚单", f"{PLATE[:2]}·{PLATE[2:]}", VIN, VIN.lower(), f"企业{USCC}。", "11010519491231002X", "电话13800138000"],
)
def test_what_identifies_somebody_is_not_recorded(text: str) -> None:
    assert identifies(text)
    with pytest.raises(InvalidRequest, match="reference identifies a person, vehicle or enterprise") as refused:
        payload_of(HumanReview(reference=text))
    assert text not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "case 2026-17", "罚单已撤销", "赣A", "order 20260704123456789", "0f9ce38a2b1d44c0a10f9ce38a2b1d44", "1" * 17]
)
def test_references_and_words_are_recorded(text: str) -> None:
    assert not identifies(text)


def test_a_request_is_open_until_a_result_answers_it() -> None:
    objection, review = recorded(3, DUTIES[1]), recorded(5, DUTIES[2])
    result = recorded(8, DUTIES[3])
    assert unanswered([recorded(1, DUTIES[0]), objection, review]) == [objection, review]
    assert unanswered([objection, review, result]) == [review]


def test_a_result_answers_what_is_open_once() -> None:
    past = [recorded(3, DUTIES[1])]
    check_follows(DUTIES[3], past)
    with pytest.raises(Conflict, match="number 3 is no open objection or request"):
        check_follows(DUTIES[3], [*past, recorded(4, DUTIES[3])])
    with pytest.raises(Conflict, match="the same request is open already"):
        check_follows(DUTIES[1], past)
    check_follows(DUTIES[2], past)
    check_follows(DUTIES[0], past)


def test_a_person_answers_within_the_working_days_of_the_rules() -> None:
    # Friday 10 July 2026; ten working days later is Friday the 24th.
    assert due(recorded(3, DUTIES[1]), working_days=10).last_day.isoformat() == "2026-07-24"


@pytest.mark.parametrize("product", DATA_PRODUCTS)
def test_a_notice_names_what_its_product_draws_on(product: str) -> None:
    found = notice_of(product, AccessRules())
    assert DATA_PRODUCTS[product].zh in found.zh
    assert DATA_PRODUCTS[product].en in found.en
    assert found.separate_consent == bool(TRACKS & set(DATA_PRODUCTS[product].resources))
    assert ("单独同意" in found.zh, "separate consent" in found.en) == (found.separate_consent,) * 2
    assert "仅通过自动化决策" in found.zh
    assert "[A]" not in found.zh + found.en


def test_a_notice_has_a_version_of_its_text(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_text('{"handler_zh": "某运营公司", "handler_en": "Some Operator", "contact": "dpo@example.org"}')
    usual, filled = notice_of("maintenance", AccessRules()), notice_of("maintenance", access_rules(Settings(access_rules=path)))
    assert usual.version == notice_of("maintenance", AccessRules()).version != filled.version
    assert "处理者：某运营公司。联系方式：dpo@example.org。" in filled.zh
    with pytest.raises(NotFound, match="no product 'horoscope'"):
        notice_of("horoscope", AccessRules())

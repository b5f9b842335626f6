"""A driver's own page: his link opens it once, it shows and takes his own things only, and nobody else gets in."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from registry.access import duty_book
from registry.care.book import CareBook
from registry.decisions import Look
from serving.console.driver_guard import DRIVER_COOKIE, ME, OPEN
from serving.console.driver_session import DriverSession
from tests.lib.consoles import TOKEN, Installed, Visitor, tiny_console

DRIVER, OTHER = "d" * 24, "e" * 24
ENTERPRISE = "enterprise_risk"


@pytest.fixture
def console(tmp_path: Path) -> Installed:
    return tiny_console(tmp_path)


@pytest.fixture
def with_health(tmp_path: Path) -> Installed:
    return tiny_console(tmp_path, health_data=True)


def book_of(console: Installed) -> CareBook:
    return CareBook(console.settings)


def link_for(console: Installed, driver: str = DRIVER, days: float = 7.0) -> str:
    with closing(book_of(console)) as book:
        return book.issue_link(driver, days=days, by="周敏", at=console.clock.now)[0]


def inside(console: Installed, driver: str = DRIVER) -> Visitor:
    visitor = Visitor(console.app)
    secret = link_for(console, driver)
    answer = visitor.send(f"{OPEN}?link={secret}", OPEN, link=secret)
    assert (answer.status_code, answer.headers["location"]) == (303, ME)
    return visitor


def test_a_look_at_the_link_opens_nothing_and_the_button_opens_it_once(console):
    secret, visitor = link_for(console), Visitor(console.app)
    for _ in range(3):
        page = visitor.get(f"{OPEN}?link={secret}")
        assert page.status_code == 200
        assert secret in page.text
    assert visitor.get(ME).headers["location"] == OPEN
    assert visitor.send(f"{OPEN}?link={secret}", OPEN, link=secret).status_code == 303
    page = visitor.get(ME)
    assert page.status_code == 200
    assert DRIVER in page.text
    again = Visitor(console.app).send(f"{OPEN}?link={secret}", OPEN, link=secret)
    assert again.status_code == 401
    assert "无效" in again.text


def test_the_page_speaks_both_languages_and_has_no_navigation(console):
    visitor = inside(console)
    assert "我的信息" in visitor.get(ME).text
    page = visitor.get(f"{ME}?lang=en").text
    assert "What the platform knows of you" in page
    assert "/console/search" not in page


def test_forged_over_revoked_and_foreign_links_and_cookies_open_nothing(console):
    secret = link_for(console, days=0.1)
    for text in ("", "rl_", secret[:-1] + "!", secret.replace("rl_", "rr_"), "x" * 100):
        assert Visitor(console.app).send(OPEN, OPEN, link=text).status_code == 401
    console.clock.now += timedelta(days=1)
    assert Visitor(console.app).send(OPEN, OPEN, link=secret).status_code == 401
    for cookie in ("x", "e30=.00", "e30=." + "0" * 64, "."):
        visitor = Visitor(console.app)
        visitor.cookies.set(DRIVER_COOKIE, cookie, path=ME)
        assert visitor.get(ME).headers["location"] == OPEN


def test_a_cookie_for_another_link_is_no_cookie(console):
    """Whoever changes the link that his cookie names has changed the signature away."""
    import base64

    mine = inside(console)
    inside(console, OTHER)
    with closing(book_of(console)) as book:
        other = next(one for one in book.links() if book.driver_of(one.id) == OTHER)
    body, mac = mine.cookies.get(DRIVER_COOKIE).strip('"').split(".")
    session = DriverSession(**json.loads(base64.urlsafe_b64decode(body)))
    forged = base64.urlsafe_b64encode(json.dumps(vars(replace(session, link_id=other.id)), sort_keys=True).encode()).decode()
    visitor = Visitor(console.app)
    visitor.cookies.set(DRIVER_COOKIE, f"{forged}.{mac}", path=ME)
    assert visitor.get(ME).headers["location"] == OPEN


def test_a_session_ends_when_idle_when_old_when_left_and_when_its_link_is_revoked(console):
    idle, left, gone = inside(console), inside(console), inside(console)
    assert left.send(ME, f"{ME}/leave").headers["location"] == OPEN
    assert left.get(ME).status_code == 303
    with closing(book_of(console)) as book:
        for link in book.links():
            if link.opened_at is not None:
                book.revoke_link(link.id, reason="手机遗失", by="周敏", at=console.clock.now)
    assert gone.get(ME).status_code == 303
    lasting = inside(console)
    console.clock.now += timedelta(minutes=29)
    assert lasting.get(ME).status_code == 200
    console.clock.now += timedelta(minutes=31)
    assert lasting.get(ME).status_code == 303
    assert idle.get(ME).status_code == 303


@pytest.mark.parametrize("path", ["/console/search", "/console/overview", "/console/governance", "/console/live", f"{ME}/../search",
                                  f"{ME}/../../v1/models", "/console//me"])
def test_no_other_page_opens_with_a_drivers_session(console, path):
    answer = inside(console).get(path)
    assert answer.status_code in (303, 404, 401)
    assert answer.headers.get("location", "/console/login") == "/console/login"


def test_who_is_logged_in_with_a_key_is_nobody_on_a_drivers_page(console):
    assert console.visitor(console.key).get(ME).headers["location"] == OPEN


def test_a_form_without_its_token_or_of_another_session_is_refused(console):
    mine, other = inside(console), inside(console, OTHER)
    token = TOKEN.search(other.get(ME).text)
    assert token
    for sent in ({}, {"form_token": token[1]}):
        assert mine.request("POST", f"{ME}/ask", data={"ask": "review", "about": "", **sent}).status_code == 403
    foreign = mine.request(
        "POST", f"{ME}/ask", data={"form_token": TOKEN.search(mine.get(ME).text)[1], "ask": "review", "about": ""},
        headers={"Origin": "https://evil.example"},
    )
    assert foreign.status_code == 403
    with closing(book_of(console)) as book:
        assert book.requests() == []


def test_guessing_links_is_slowed(console):
    visitor = Visitor(console.app)
    codes = [visitor.send(OPEN, OPEN, link="rl_nothing").status_code for _ in range(11)]
    assert codes == [401] * 10 + [429]
    # Even a right link waits then.
    assert visitor.send(OPEN, OPEN, link=link_for(console)).status_code == 429


def test_an_objection_beyond_single_decisions_is_recorded_shown_and_answered(console):
    mine, other = inside(console), inside(console, OTHER)
    assert mine.send(ME, f"{ME}/ask", ask="data_wrong", about="").headers["location"] == f"{ME}#asked"
    page = mine.get(ME).text
    assert "数据有误" in page.split('id="asked"')[1].split("</ul>")[0]
    assert "应于" in page
    assert "<ul" not in other.get(ME).text.split('id="asked"')[1].split("</section>")[0]
    assert mine.send(ME, f"{ME}/ask", ask="data_wrong", about="").status_code == 409
    assert mine.send(ME, f"{ME}/ask", ask="nonsense", about="").status_code == 404
    with closing(book_of(console)) as book:
        (asked,) = book.requests()
        book.answer(asked.n, "corrected", reason="记录已更正<b>", by="王工", at=console.clock.now)
    assert "记录已更正&lt;b&gt;" in mine.get(ME).text


def decided(console: Installed, related: dict[str, str]) -> str:
    """Record a decision that names somebody as related; return its score id."""
    client = console.visitor()
    answer = client.request(
        "POST", f"/v1/{ENTERPRISE}/scores", json={"entity": {"uscc": "913601000000001664"}},
        headers={"Authorization": f"Bearer {console.key}"},
    )
    assert answer.status_code == 200, answer.text
    ledger = console.desk.decisions
    made = ledger.get(answer.json()["score_id"])
    named = replace(made, score_id="a" * 32 if "driver" in related and related["driver"] == DRIVER else "b" * 32, related=related)
    ledger.record(named)
    return named.score_id


def test_a_driver_objects_to_a_decision_that_names_him_and_to_no_other(console):
    own, foreign = decided(console, {"driver": DRIVER}), decided(console, {"driver": OTHER})
    mine = inside(console)
    page = mine.get(ME).text
    assert own in page
    assert foreign not in page
    assert mine.send(ME, f"{ME}/ask", ask="automated_only", about=own).status_code == 303
    (recorded,) = duty_book.recorded(console.desk.decisions, own)
    assert recorded.duty.kind == "objection"
    assert "driver" in recorded.by
    assert mine.send(ME, f"{ME}/ask", ask="review", about=own).status_code == 303
    for about in (foreign, "c" * 32, "'--"):
        assert mine.send(ME, f"{ME}/ask", ask="review", about=about).status_code == 404
    assert duty_book.recorded(console.desk.decisions, foreign) == []


def test_he_sees_who_looked_at_him(console):
    mine = inside(console)
    console.desk.decisions.record_subject_look(DRIVER, Look(
        score_id="", at=console.clock.now, who="jx-transport", what="portrait", role="regulator", purpose="road safety <i>",
    ))
    console.desk.decisions.record_subject_look(OTHER, Look(score_id="", at=console.clock.now, who="somebody", what="portrait"))
    looks = mine.get(ME).text.split('id="looks"')[1]
    assert "jx-transport" in looks
    assert "&lt;i&gt;" in looks
    assert "somebody" not in looks


def test_health_data_are_off_by_default_and_nothing_is_kept(console):
    mine = inside(console)
    page = mine.get(ME).text
    assert "健康信息功能未启用" in page
    assert 'action="/console/me/health"' not in page
    sent = mine.send(ME, f"{ME}/consent", purpose="fatigue_care", given="1", agree="1")
    assert sent.status_code == 503
    assert "ROADRISK_HEALTH_DATA" in sent.text
    assert mine.send(ME, f"{ME}/health", code="sleep_apnoea_treated", until="").status_code == 503
    with closing(book_of(console)) as book:
        assert book.person(DRIVER).consents == []
        assert book.person(DRIVER).health == []


def test_consent_declare_withdraw(with_health):
    mine = inside(with_health)
    assert mine.send(ME, f"{ME}/health", code="sleep_apnoea_treated", until="").status_code == 409
    assert mine.send(ME, f"{ME}/consent", purpose="fatigue_care", given="1").status_code == 422
    assert mine.send(ME, f"{ME}/consent", purpose="insurance", given="1", agree="1").status_code == 404
    assert mine.send(ME, f"{ME}/consent", purpose="fatigue_care", given="1", agree="1").status_code == 303
    assert mine.send(ME, f"{ME}/health", code="sedating_medication", until="").status_code == 422
    assert mine.send(ME, f"{ME}/health", code="sedating_medication", until="not-a-day").status_code == 422
    assert mine.send(ME, f"{ME}/health", code="sleep_apnoea_untreated", until="").status_code == 303
    page = mine.get(ME).text
    assert "睡眠呼吸暂停（未治疗）" in page.split('id="health"')[1].split("</ul>")[0]
    assert "建议连续驾驶120分钟即休息" in page.split('id="health-notice"')[1][:300]
    assert "health-notice" not in inside(with_health, OTHER).get(ME).text
    assert mine.send(ME, f"{ME}/consent", purpose="fatigue_care", given="0").status_code == 303
    page = mine.get(ME).text
    assert "health-notice" not in page
    assert "<ul" not in page.split('id="health"')[1].split("</section>")[0]
    assert len(re.findall("撤回 · ", page)) == 1


def test_a_consent_that_stands_is_taken_back_even_when_health_data_are_off(console):
    with closing(book_of(console)) as book:
        book.consent(DRIVER, "fatigue_care", given=True, version="v", channel="letter", by="周敏", at=console.clock.now)
    mine = inside(console)
    assert mine.send(ME, f"{ME}/consent", purpose="fatigue_care", given="0").status_code == 303
    with closing(book_of(console)) as book:
        assert book.person(DRIVER).standing == {}

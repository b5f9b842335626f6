"""The console without a browser: who gets in, what a form needs, what a page may hold, and what the ledger keeps of a look."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from registry.access.changes import Writer
from registry.evidence import write_evidence
from tests.lib.access import APPLICANT
from tests.lib.client import AppClient
from tests.lib.consoles import Installed, name_enterprise, tiny_console
from tests.lib.desks import PLATE, USCC, VIN, DictSource

HOSTILE = '<script>alert(1)</script>"\'{{7*7}}江西&运输'
PRODUCTS = ("enterprise_risk", "insurance_pricing")


@pytest.fixture
def installed(tmp_path) -> Installed:
    return tiny_console(tmp_path)


def scored(installed: Installed, product: str = "enterprise_risk", key: str | None = None) -> str:
    entity = USCC if product == "enterprise_risk" else PLATE
    answer = AppClient(installed.app, key=key or installed.key).post(f"/v1/{product}/scores", json={"entity": entity})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["score_id"])


@pytest.fixture
def regulator(installed: Installed) -> str:
    return installed.consumer("regulator-a", "regulator", PRODUCTS)


# Getting in


@pytest.mark.parametrize("path", ["", "/", "/search", "/decisions/" + "0" * 32, "/nowhere", "/models", "/static"])
def test_without_a_session_every_page_leads_to_the_login(installed, path):
    answer = installed.visitor().get("/console" + path)
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/console/login")


def test_a_key_of_the_api_does_not_open_the_console_nor_a_session_the_api(installed):
    visitor = installed.visitor(installed.key)
    assert visitor.get("/v1/products").status_code == 401
    answer = AppClient(installed.app, key=installed.key).get("/console/search")
    assert answer.status_code == 303


@pytest.mark.parametrize("key", ["", "rr_000000000000_" + "x" * 43, "nonsense"])
def test_a_wrong_key_is_told_so_and_no_more(installed, key):
    answer = installed.visitor().login(key)
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert "roadrisk_session" not in answer.cookies


def test_logins_are_limited(installed):
    visitor = installed.visitor()
    assert [visitor.login("wrong").status_code for _ in range(11)] == [401] * 10 + [429]
    assert visitor.login(installed.key).status_code == 429


def test_the_cookie_is_for_this_site_and_no_script_and_holds_no_secret(installed):
    answer = installed.visitor().login(installed.key)
    cookie = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("roadrisk_session="))
    assert {"HttpOnly", "SameSite=Strict", "Path=/console"} <= set(cookie.split("; "))
    assert installed.key.split("_", 2)[2] not in cookie


def test_over_https_cookies_are_secure(tmp_path):
    answer = tiny_console(tmp_path, console_https=True).visitor().get("/console/login")
    assert all("Secure" in one.split("; ") for one in answer.headers.get_list("set-cookie"))


def test_login_comes_back_to_the_decision_and_nowhere_else(installed):
    visitor, score_id = installed.visitor(), scored(installed)
    sent_to = visitor.get(f"/console/decisions/{score_id}").headers["location"]
    assert sent_to == f"/console/login?next=/decisions/{score_id}"
    for after, expected in ((f"/decisions/{score_id}", f"/console/decisions/{score_id}"), ("//evil.test/", "/console/search")):
        answer = installed.visitor().send("/console/login", "/console/login", key=installed.key, next=after)
        assert answer.headers["location"] == expected


# Staying in


@pytest.mark.parametrize(("idle_min", "inside"), [(29, True), (31, False)])
def test_an_idle_session_ends(installed, idle_min, inside):
    visitor = installed.visitor(installed.key)
    installed.clock.now += timedelta(minutes=idle_min)
    assert visitor.get("/console/search").status_code == (200 if inside else 303)


def test_a_session_that_is_used_lives_on_but_not_for_ever(installed):
    visitor = installed.visitor(installed.key)
    seen = []
    for _ in range(31):
        installed.clock.now += timedelta(minutes=20)
        seen.append(visitor.get("/console/search").status_code)
    assert seen == [200] * 30 + [303]


def test_a_cookie_that_was_changed_or_of_another_installation_opens_nothing(installed, tmp_path):
    visitor = installed.visitor(installed.key)
    value = visitor.cookies["roadrisk_session"]
    other = tiny_console(tmp_path / "other")
    changed = value[:-1] + ("0" if value[-1] != "0" else "1")
    for app, cookie in ((installed.app, changed), (other.app, value), (installed.app, "x.y")):
        answer = replace(visitor, app=app).request("GET", "/console/search", headers={"Cookie": f"roadrisk_session={cookie}"})
        assert answer.status_code == 303


def test_logout_ends_the_session_also_for_a_copy_of_its_cookie(installed):
    visitor = installed.visitor(installed.key)
    copied = visitor.cookies["roadrisk_session"]
    assert visitor.send("/console/search", "/console/logout").status_code == 303
    assert visitor.get("/console/search").status_code == 303
    copy = installed.visitor().request("GET", "/console/search", headers={"Cookie": f"roadrisk_session={copied}"})
    assert copy.status_code == 303


def test_a_revoked_key_ends_its_sessions_with_the_next_click(installed, regulator):
    visitor = installed.visitor(regulator)
    assert visitor.get("/console/search").status_code == 200
    Writer(installed.settings, APPLICANT, installed.clock.now).revoke_key(regulator.split("_")[1], reason="遗失")
    assert visitor.get("/console/search").status_code == 303


# Forms


@pytest.mark.parametrize("path", ["/search", "/logout", "/decisions/" + "0" * 32 + "/replay", "/login"])
def test_a_form_needs_the_token_of_its_own_session(installed, regulator, path):
    visitor, other = installed.visitor(installed.key), installed.visitor(regulator)
    foreign = re.search(r'form_token" value="(\w+)"', other.get("/console/search").text)
    assert foreign
    for fields in ({}, {"form_token": ""}, {"form_token": foreign[1]}, {"form_token": "é"}):
        assert visitor.request("POST", f"/console{path}", data={"number": "x", **fields}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
)
def test_a_form_from_another_site_is_refused_even_with_the_token(installed, headers):
    visitor = installed.visitor(installed.key)
    token = re.search(r'form_token" value="(\w+)"', visitor.get("/console/search").text)
    assert token
    answer = visitor.request("POST", "/console/logout", data={"form_token": token[1]}, headers=headers)
    assert answer.status_code == 403
    assert visitor.get("/console/search").status_code == 200


@pytest.mark.parametrize(
    ("content", "media", "status"),
    [
        (b"a=" + b"x" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"a=1&a=2", "application/x-www-form-urlencoded", 400),
        (b"a=%ff", "application/x-www-form-urlencoded", 400),
        ("é=1".encode("latin-1"), "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=1" % n for n in range(300)), "application/x-www-form-urlencoded", 400),
        (b'{"number": 1}', "application/json", 415),
        (b"", "multipart/form-data; boundary=x", 415),
    ],
)
def test_what_is_no_short_form_is_refused(installed, content, media, status):
    answer = installed.visitor(installed.key).request("POST", "/console/search", content=content, headers={"Content-Type": media})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")


# Pages


def test_pages_run_nothing_that_we_did_not_ship(installed, regulator):
    score_id = scored(installed)
    visitor = installed.visitor(regulator)
    for path in ("/console/search", f"/console/decisions/{score_id}", "/console/nowhere"):
        answer = visitor.get(path)
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert policy["frame-ancestors"] == "'none'"
        assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-store")
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|https?://", answer.text)


def test_a_hostile_name_stays_text(installed, regulator):
    name_enterprise(installed.settings, "e1", HOSTILE)
    text = installed.visitor(regulator).get(f"/console/decisions/{scored(installed)}").text
    assert "<script>alert" not in text
    assert "49" not in re.findall(r'class="named">(.*?)</p>', text)[0]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;{{7*7}}江西&amp;运输" in text


def test_names_are_for_those_who_see_every_decision(installed, regulator):
    name_enterprise(installed.settings, "e1", "江西某某运输有限公司")
    key = installed.consumer("insurer-b", "insurer", ("enterprise_risk",))
    score_id = scored(installed, key=key)
    assert "江西某某运输有限公司" in installed.visitor(regulator).get(f"/console/decisions/{score_id}").text
    theirs = installed.visitor(key).get(f"/console/decisions/{score_id}")
    assert theirs.status_code == 200
    assert "江西某某运输有限公司" not in theirs.text


def test_both_languages_and_the_choice_is_kept(installed):
    visitor = installed.visitor(installed.key)
    assert '<html lang="zh-CN">' in visitor.get("/console/search").text
    assert '<html lang="en">' in visitor.get("/console/search?lang=en").text
    assert '<html lang="en">' in visitor.get("/console/search").text
    assert '<html lang="en">' in visitor.get("/console/search?lang=xx").text


def test_files_are_kept_for_long_and_unknown_ones_are_a_problem(installed):
    visitor = installed.visitor()
    path = re.findall(r'href="(/console/static/[^"]+css)"', visitor.get("/console/login").text)[0]
    answer = visitor.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in answer.headers["cache-control"]
    assert "set-cookie" not in answer.headers
    for wrong in (path.replace("console.css", "../session.py"), "/console/static/000000000000/console.css", path + "x"):
        assert visitor.get(wrong).status_code in (303, 404)


def test_a_scenario_that_was_chosen_holds_for_search_pages_and_forms_of_the_session(installed):
    key = installed.consumer("regulator-b", "regulator", ("enterprise_risk", "enterprise_risk"))
    score_id, visitor = scored(installed), installed.visitor(key)
    first, second = (f"regulator-b-enterprise_risk-{n}" for n in (1, 2))
    found = visitor.send("/console/search", "/console/search", number=USCC["uscc"], kind="uscc")
    assert score_id not in found.text, "of two scenarios neither is guessed"
    assert first in found.text
    assert visitor.send("/console/search", "/console/scenario", scenario=second).status_code == 303
    assert score_id in visitor.send("/console/search", "/console/search", number=USCC["uscc"], kind="uscc").text
    address = f"/console/decisions/{score_id}"
    assert visitor.send(address, f"{address}/replay").status_code == 200
    looks = [look.scenario for look in installed.desk.decisions.looks(score_id) if look.who == "regulator-b"]
    assert set(looks) == {second}
    # The link of a page that asks chooses too, and another session has chosen nothing.
    assert visitor.get(f"{address}?scenario={first}").status_code == 200
    assert visitor.send(address, f"{address}/replay").status_code == 200
    assert installed.desk.decisions.looks(score_id)[-1].scenario == first
    assert installed.visitor(key).get(address).status_code in (403, 404)


def test_a_scenario_of_somebody_else_cannot_be_chosen(installed, regulator):
    key = installed.consumer("regulator-b", "regulator", ("enterprise_risk", "enterprise_risk"))
    visitor = installed.visitor(key)
    assert visitor.send("/console/search", "/console/scenario", scenario="regulator-a-enterprise_risk-1").status_code == 403
    assert 'name="scenario"' not in installed.visitor(regulator).get("/console/search").text


# Search


@pytest.mark.parametrize(
    ("number", "product"),
    [(USCC["uscc"], "enterprise_risk"), (VIN["vin"], "insurance_pricing"), (PLATE["plate_no"], "insurance_pricing"),
     ("赣Ａ·１２３４５ ", "insurance_pricing"), (USCC["uscc"].lower(), "enterprise_risk")],
)
def test_a_number_finds_the_decisions_about_it_and_every_look_is_recorded(installed, regulator, number, product):
    score_id = scored(installed, product)
    visitor = installed.visitor(regulator)
    answer = visitor.send("/console/search", "/console/search", number=number, kind="auto", plate_color="2")
    assert answer.status_code == 200
    assert f"/console/decisions/{score_id}" in answer.text
    assert number.strip() not in re.sub(r'<input[^>]*>', "", answer.text)
    (look,) = installed.desk.decisions.looks(score_id)
    assert (look.who, look.what, look.role, look.key_id) == ("regulator-a", "console", "regulator", regulator.split("_")[1])
    assert (look.scenario, look.purpose, look.request_id) == (
        f"regulator-a-{product}-1", "supervision", answer.headers["x-request-id"]
    )


def test_a_score_id_leads_to_its_page(installed):
    score_id = scored(installed)
    answer = installed.visitor(installed.key).send("/console/search", "/console/search", number=score_id.upper(), kind="auto")
    assert answer.headers["location"] == f"/console/decisions/{score_id}"


@pytest.mark.parametrize(
    ("number", "kind"),
    [("", "auto"), ("江", "auto"), ("江", "name"), ("1' OR 1=1", "driver"), ("赣A1", "plate"), ("zz", "score_id"), ("x", "none"),
     (USCC["uscc"], "vin")],
)
def test_what_is_no_number_is_told_without_being_repeated(installed, number, kind):
    answer = installed.visitor(installed.key).send("/console/search", "/console/search", number=number, kind=kind)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert not number or number not in answer.text or number in ("x",)


def test_nobody_known_is_an_empty_state(installed):
    visitor = installed.visitor(installed.key)
    for number, kind in (("91360500387758405" + "1", "uscc"), ("369634454036", "driver")):
        answer = visitor.send("/console/search", "/console/search", number=number, kind=kind)
        assert answer.status_code == 200
        assert "没有您可以查看的决定" in answer.text


def test_an_insurer_finds_its_own_decisions_only_and_nobody_elses_are_looked_at(installed):
    foreign = scored(installed)
    key = installed.consumer("insurer-b", "insurer", ("enterprise_risk",))
    own = scored(installed, key=key)
    answer = installed.visitor(key).send("/console/search", "/console/search", number=USCC["uscc"], kind="uscc")
    assert own in answer.text
    assert foreign not in answer.text
    assert installed.desk.decisions.looks(foreign) == []


def test_without_a_scenario_a_regulator_is_told_that_something_is_left_out(installed):
    scored(installed)
    key = installed.consumer("regulator-b", "regulator")
    answer = installed.visitor(key).send("/console/search", "/console/search", number=USCC["uscc"], kind="uscc")
    assert "没有覆盖该产品的有效场景" in answer.text


# A decision


def test_the_page_of_a_decision_shows_what_the_interface_answers(installed, regulator):
    score_id = scored(installed)
    answer = AppClient(installed.app, key=installed.key).get(f"/v1/scores/{score_id}/explanation").json()
    text = installed.visitor(regulator).get(f"/console/decisions/{score_id}").text
    recorded = installed.desk.decisions.get(score_id)
    for shown in (score_id, recorded.digest, recorded.request_id, recorded.consumer, repr(answer["points"]), "核对一致"):
        assert shown in text, shown
    for one in answer["inputs"]:
        assert one["feature"] in text
    for reason in answer["reasons"]:
        assert reason["code"] in text
    kinds = [look.what for look in installed.desk.decisions.looks(score_id) if look.who == "regulator-a"]
    assert kinds == ["answer", "explanation"]


def test_the_page_of_a_decision_says_how_its_model_was_judged(installed, regulator):
    score_id = scored(installed)
    digest = installed.desk.decisions.get(score_id).digest
    visitor = installed.visitor(regulator)
    assert "roadrisk evaluate enterprise_risk" in visitor.get(f"/console/decisions/{score_id}").text
    write_evidence(installed.settings, "enterprise_risk", digest, "judgement", {"verdicts": [
        {"name": "no_proxy", "passed": False, "reason": HOSTILE}, {"name": "stable", "passed": None, "reason": "-"},
        {"name": "a_question_of_tomorrow", "passed": True, "reason": "-"},
    ]})
    text = visitor.get(f"/console/decisions/{score_id}").text
    section = text[text.index('id="conduct"'):text.index('id="replay"')]
    assert HOSTILE not in section
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in section.split("<tr>")[2:]]
    assert [row[:2] for row in rows] == [["评分不是敏感属性的代理", "否"], ["稳定", "未检查"]]


def test_the_factor_table_of_a_price_adds_up_on_the_page(installed, regulator):
    text = installed.visitor(regulator).get(f"/console/decisions/{scored(installed, 'insurance_pricing')}").text
    table = re.sub(r"<[^>]+>", " ", text[text.index('id="price"'):text.index('id="inputs"')])
    assert "组合平均纯保费" in table


def test_an_insurer_sees_no_single_contribution_no_input_and_no_access_log(installed):
    key = installed.consumer("insurer-b", "insurer", ("enterprise_risk",))
    score_id = scored(installed, key=key)
    text = installed.visitor(key).get(f"/console/decisions/{score_id}").text
    assert "核对一致" not in text
    assert "原始数据不出域" in text
    assert "查看记录" not in text
    assert all(repr(points) not in text for points in installed.desk.decisions.get(score_id).contributions.values())


@pytest.mark.parametrize("score_id", ["0" * 32, None])
def test_a_decision_of_somebody_else_looks_like_none(installed, score_id):
    foreign = score_id or scored(installed)
    key = installed.consumer("insurer-b", "insurer", ("enterprise_risk",))
    answer = installed.visitor(key).get(f"/console/decisions/{foreign}")
    assert answer.status_code == 404
    assert "no score has this id" in answer.text


def test_a_role_that_may_not_replay_or_object_is_refused_also_without_the_button(installed):
    insurer = installed.consumer("insurer-b", "insurer", ("enterprise_risk",))
    engineer = installed.consumer("engineer-a", "engineer", ("enterprise_risk",))
    for key, part in ((insurer, "replay"), (engineer, "objection")):
        score_id, visitor = scored(installed, key=key), installed.visitor(key)
        page = visitor.get(f"/console/decisions/{score_id}").text
        assert f"{score_id}/{part}" not in page
        answer = visitor.send("/console/search", f"/console/decisions/{score_id}/{part}", ask="review", reference="A1")
        assert answer.status_code == 403


def test_replay_says_that_every_byte_is_the_same_and_is_a_look(installed, regulator):
    score_id = scored(installed)
    visitor = installed.visitor(regulator)
    answer = visitor.send(f"/console/decisions/{score_id}", f"/console/decisions/{score_id}/replay")
    assert "逐字节一致" in answer.text
    assert "replay" in [look.what for look in installed.desk.decisions.looks(score_id)]


def test_a_way_to_a_lower_tier_is_the_one_of_the_interface_and_a_look(installed, regulator):
    score_id = scored(installed)
    answer = AppClient(installed.app, key=installed.key).get(f"/v1/scores/{score_id}/recourse").json()
    visitor = installed.visitor(regulator)
    shown = visitor.send(f"/console/decisions/{score_id}", f"/console/decisions/{score_id}/recourse")
    assert shown.status_code == 200
    for way in answer["ways"]:
        assert all(change["feature"] in shown.text for change in way["changes"])
    assert shown.text.count('id="way-') == len(answer["ways"])
    assert answer["ways"] or "没有可行的改变" in shown.text
    assert [look.what for look in installed.desk.decisions.looks(score_id) if look.who == "regulator-a"][-1] == "recourse"
    page = visitor.get(f"/console/decisions/{score_id}").text
    assert "改进方案" in page


def test_an_objection_is_recorded_with_its_deadline_and_not_twice(installed, regulator):
    score_id = scored(installed)
    visitor, page = installed.visitor(regulator), f"/console/decisions/{score_id}"
    sent = visitor.send(page, f"{page}/objection", ask="data_wrong", reference="AJ-17")
    assert (sent.status_code, sent.headers["location"]) == (303, f"{page}#contest")
    text = visitor.get(page).text
    assert "AJ-17" in text
    assert "应于 2026-07-17 前答复" in text
    assert visitor.send(page, f"{page}/objection", ask="data_wrong", reference="AJ-17").status_code == 409


@pytest.mark.parametrize(("ask", "reference"), [("data_wrong", "赣A12345"), ("data_wrong", ""), ("nonsense", "AJ-1"), ("", "AJ-1")])
def test_an_objection_without_a_ground_or_with_a_plate_is_refused(installed, regulator, ask, reference):
    score_id = scored(installed)
    page = f"/console/decisions/{score_id}"
    answer = installed.visitor(regulator).send(page, f"{page}/objection", ask=ask, reference=reference)
    assert answer.status_code in (404, 422)
    assert installed.desk.decisions.duties(score_id) == []


def test_a_decision_without_a_score_says_why(installed, regulator):
    source = installed.desk.source
    assert isinstance(source, DictSource)
    inputs = source.inputs["e1"]
    source.inputs["e1"] = replace(inputs, values=dict.fromkeys(inputs.values))
    text = installed.visitor(regulator).get(f"/console/decisions/{scored(installed)}").text
    assert "灰 · 不予评分" in text
    assert "为何不予评分" in text


def test_a_decision_whose_bundle_is_gone_is_shown_as_recorded(installed, regulator):
    score_id = scored(installed)
    models = installed.desk.live.current
    del models.live["enterprise_risk"]
    answer = installed.visitor(regulator).get(f"/console/decisions/{score_id}")
    assert answer.status_code == 200
    assert "无法重新计算本决定的解释" in answer.text
    assert score_id in answer.text


def test_no_address_or_log_holds_what_was_searched_for(installed, caplog):
    visitor = installed.visitor(installed.key)
    with caplog.at_level("INFO", logger="roadrisk.requests"):
        answer = visitor.send("/console/search", "/console/search", number=PLATE["plate_no"], kind="plate", plate_color="2")
    assert PLATE["plate_no"] not in str(answer.url)
    assert urlencode({"number": PLATE["plate_no"]}) not in caplog.text
    assert PLATE["plate_no"] not in caplog.text
    assert '"route":"/console/search"' in caplog.text.replace(" ", "")

"""The console in a real Chromium: the regulator's way through a past decision, by mouse and keyboard, wide and narrow."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from registry.decisions import DecisionLedger
from tests.lib.browser import HOSTILE, Site, login, violations

PATHS = (
    "/search", "/overview", "/models", "/models?at=2020-01-01T00:00", "/decisions/{score_id}", "/decisions/{score_id}?rows=1",
    "/decisions/{score_id}/what-if",
    "/nowhere", "/login", "/governance/catalogue", "/governance/products/insurance_pricing", "/governance/scenarios",
    "/governance/scenarios/regulator-a-enterprise_risk-1", "/governance/corrections", "/governance/corrections/{correction}",
    "/governance/usage", "/governance/ledgers",
    "/disclosure", "/monitoring", "/monitoring?product=driver_fatigue", "/fairness",
)


def test_a_regulator_opens_a_past_decision_understands_it_and_replays_it(page: Page, site: Site, wide: bool) -> None:
    login(page, site, site.regulator)
    page.fill("#number", site.uscc)
    page.click("main button[type=submit]")
    assert site.uscc not in page.url
    page.locator(f"a[href$='{site.score_id}']").first.click()
    assert page.url.endswith(f"/console/decisions/{site.score_id}")
    expect(page.locator(".named")).to_have_text(HOSTILE)
    # The sum on the page is the recorded one, to the last digit.
    ledger = DecisionLedger.open(site.settings)
    decision = ledger.get(site.score_id)
    sums = page.locator(".sum td").all_inner_texts()
    assert float(sums[4]) == decision.answer["points"]
    assert abs(float(sums[0]) + float(sums[1]) + float(sums[2]) - decision.answer["points"]) < 1e-9
    expect(page.locator(".check.good")).to_contain_text("核对一致")
    # The scale is as wide as its card, and the marker lies on it.
    card, marker = (page.locator(one).bounding_box() for one in (".scale svg", ".scale .marker"))
    assert card
    assert marker
    assert card["x"] <= marker["x"] <= card["x"] + card["width"]
    page.click("text=列出来源数据行")
    expect(page.locator(".source-rows").first).to_be_visible()
    page.click("#recourse button")
    expect(page.locator("h1")).to_have_text("如何降低等级")
    assert violations(page) == []
    page.go_back()
    page.click("text=重放本决定")
    expect(page.locator("[role=status]")).to_have_text("逐字节一致")
    assert violations(page) == []
    looks = [look.what for look in ledger.looks(site.score_id) if look.who == "regulator-a"]
    ledger.close()
    assert looks.count("replay") == 1 or not wide
    assert {"console", "answer", "explanation", "recourse", "replay"} <= set(looks)


def test_an_objection_is_made_and_shown_with_its_deadline(page: Page, site: Site, wide: bool) -> None:
    login(page, site, site.regulator)
    page.goto(f"{site.url}/console/decisions/{site.score_id}")
    page.select_option("#ask", "outdated")
    page.fill("#reference", f"AJ-{'w' if wide else 'n'}")
    page.click("#contest button")
    expect(page.locator("#contest table")).to_contain_text("应于")
    page.fill("#reference", "赣A12345")
    page.click("#contest button")
    assert page.locator("#reference:invalid").count() == 1


def test_a_correction_is_checked_before_it_is_decided(page: Page, site: Site) -> None:
    login(page, site, site.regulator)
    page.goto(f"{site.url}/console/governance/corrections")
    page.click(f"text={site.correction}")
    if page.locator("#choice").count() == 0:
        expect(page.locator("[aria-labelledby=verdict]")).to_contain_text("案卷所载与现有值一致")
        return
    page.select_option("#choice", "refuse")
    page.fill("#by", "王工")
    page.fill("#result", "案卷所载与现有值一致")
    page.click("text=下一步：核对")
    expect(page.locator("[role=status]")).to_contain_text("不采纳本申请")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.click("text=确认并写入台账")
    expect(page.locator("h1")).to_contain_text("未采纳")
    assert violations(page) == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_page_has_a_serious_barrier_or_runs_over_its_side(page: Page, site: Site, language: str) -> None:
    page.goto(f"{site.url}/console/login?lang={language}")
    assert violations(page) == []
    login(page, site, site.regulator)
    for path in PATHS:
        page.goto(f"{site.url}/console{path.format(score_id=site.score_id, correction=site.correction)}")
        assert violations(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
    page.goto(f"{site.url}/console/search")
    page.fill("#number", site.uscc)
    page.click("main button[type=submit]")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_everything_can_be_reached_and_done_by_keyboard(page: Page, site: Site, wide: bool) -> None:
    page.goto(f"{site.url}/console/login")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    page.keyboard.type(site.regulator)
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/search")
    if not wide:
        page.locator(".narrow summary").focus()
        page.keyboard.press("Enter")
        expect(page.locator(".narrow nav")).to_be_visible()
    page.locator("#number").focus()
    page.keyboard.type(site.uscc)
    page.keyboard.press("Enter")
    page.wait_for_selector("#results")
    seen = walk(page, 60)
    assert f"/console/decisions/{site.score_id}" in {one["href"] for one in seen}
    assert [one for one in seen if not one["ring"]] == []
    page.goto(f"{site.url}/console/decisions/{site.score_id}")
    names = {one["text"] for one in walk(page, 80)}
    assert {"重放本决定", "提交"} <= names


def walk(page: Page, most: int) -> list[dict]:
    """Press Tab until the document is through; return what had the focus, and whether one could see it."""
    script = (
        "() => { const e = document.activeElement, s = getComputedStyle(e); return {tag: e.tagName, "
        "href: e.getAttribute('href'), text: e.innerText, ring: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2} }"
    )
    page.evaluate("document.activeElement.blur()")
    seen: list[dict] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        found = page.evaluate(script)
        if found["tag"] == "BODY":
            break
        seen.append(found)
    return seen


def test_on_paper_there_is_the_decision_and_no_navigation(page: Page, site: Site) -> None:
    login(page, site, site.regulator)
    page.goto(f"{site.url}/console/decisions/{site.score_id}")
    page.emulate_media(media="print")
    expect(page.locator(".side")).to_be_hidden()
    expect(page.locator("#replay button")).to_be_hidden()
    expect(page.locator(".sum")).to_be_visible()


def test_logging_out_closes_every_page(page: Page, site: Site, wide: bool) -> None:
    login(page, site, site.regulator)
    if not wide:
        page.click(".narrow summary")
    page.locator(f"{'.wide' if wide else '.narrow'} >> text=退出").click()
    page.wait_for_url(re.compile("/console/login$"))
    page.goto(f"{site.url}/console/decisions/{site.score_id}")
    assert "/console/login?next=" in page.url


def test_tiers_are_told_by_words_and_shapes_not_by_colour_alone(page: Page, site: Site) -> None:
    login(page, site, site.regulator)
    page.goto(f"{site.url}/console/decisions/{site.score_id}")
    labels = page.locator("#output tbody .tier").all_inner_texts()
    assert [label[0] for label in labels] == ["蓝", "黄", "橙", "红"]


def test_the_score_follows_a_lever_at_once_and_goes_back(page: Page, site: Site) -> None:
    login(page, site, site.regulator)
    page.goto(f"{site.url}/console/decisions/{site.score_id}/what-if")
    recorded = page.locator(".big").first.inner_text()
    slider = page.locator("input[type=range]").first
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator("#result .evidence")).to_be_visible()
    page.keyboard.press("End")
    tried = page.locator(".big").nth(1)
    expect(tried).not_to_have_text(recorded)
    assert violations(page) == []
    assert "to." not in page.url
    page.click("#reset")
    expect(tried).to_have_text(recorded)
    assert page.locator(".big").first.inner_text() == recorded
    expect(page.locator("#failed")).to_be_hidden()

"""Three stories from end to end, in a real Chromium over a served province (simulated).

The province is a tiny one; `make stories` walks them over a copy of the demonstration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.lib.browser import NARROW, WIDE, violations
from tests.lib.story_home import ENTERPRISE, PRICING, StoryHome, given_home, story_home


@pytest.fixture(scope="module")
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoryHome]:
    # A given home needs no tiny province, which takes a minute to make.
    with story_home(given_home() or request.getfixturevalue("tiny"), tmp_path_factory.mktemp("stories")) as made:
        yield made


@pytest.fixture
def desk(browser: Browser, home: StoryHome) -> Iterator[Page]:
    width, height = WIDE
    with browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True) as context:
        yield context.new_page()


def come_in(page: Page, home: StoryHome, who: str) -> None:
    page.goto(f"{home.url}/console/login?lang=zh")
    page.fill("#key", home.keys[who])
    page.press("#key", "Enter")
    page.wait_for_url("**/console/search")


def barriers(page: Page) -> list[str]:
    """Return what is wrong with a page on a desk and on a telephone: barriers, what runs over the side, missing pictures."""
    found = []
    for width, height in (NARROW, WIDE):
        page.set_viewport_size({"width": width, "height": height})
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        found += [*violations(page), *(["runs over its side"] if over > 0 else [])]
    page.wait_for_load_state("networkidle")
    return found + page.evaluate("[...document.images].filter(one => one.complete && !one.naturalWidth).map(one => one.src)")


def test_a_regulator_traces_a_contested_score_to_a_withdrawn_case(desk: Page, home: StoryHome, tmp_path: Path) -> None:
    first = home.score(ENTERPRISE, {"uscc": home.uscc}, "regulator")
    come_in(desk, home, "regulator")
    desk.fill("#number", home.uscc)
    desk.click("main button[type=submit]")
    desk.locator(f"a[href$='{first['score_id']}']").first.click()
    # The case stands among the rows behind the score; the subject contests it.
    desk.click("text=列出来源数据行")
    case = desk.locator(".source-rows", has_text=re.compile("执法|案件|处罚"))
    expect(case.first).to_be_visible()
    desk.select_option("#ask", "outdated")
    desk.fill("#reference", "AJ-2026-0117")
    desk.click("#contest button")
    expect(desk.locator("#contest table")).to_contain_text("应于")
    # The supplier withdraws the case; everything that rests on it is scored again.
    home.withdraw(home.cases[0])
    done = home.command("rescore", "--json")
    moved = [one for one in done["decisions"] if one["score_id"] == first["score_id"]]
    assert [one["outcome"] for one in moved] == ["rescored"]
    desk.goto(f"{home.url}/console/decisions/{first['score_id']}")
    revision = desk.locator("[id^=revision-]").first
    expect(revision).to_contain_text("已撤回")
    expect(desk.locator(".notice", has_text=moved[0]["new_score_id"])).to_be_visible()
    assert barriers(desk) == []
    # The new decision replays byte by byte, its report holds for anybody, and the ledger is intact.
    desk.click(f".notice a[href$='{moved[0]['new_score_id']}']")
    expect(desk.locator(".check.good")).to_contain_text("核对一致")
    desk.click("text=重放本决定")
    expect(desk.locator("[role=status]")).to_have_text("逐字节一致")
    desk.go_back()
    with desk.expect_download() as download:
        desk.click("#report button[value=pdf]")
    report = tmp_path / "report.pdf"
    download.value.save_as(report)
    public = home.settings.keys_dir / "ledger-verify.pem"
    assert home.command("decision", "verify-report", str(report), "--public-key", str(public), "--json")["ok"]
    assert home.command("ledger", "verify", "--ledger", "decisions", "--json")["ok"]


def test_an_underwriter_explains_a_premium(desk: Page, home: StoryHome) -> None:
    answer = home.score(PRICING, home.vehicle, "insurer")
    come_in(desk, home, "insurer")
    desk.goto(f"{home.url}/console/decisions/{answer['score_id']}")
    # Every factor in relativity and yuan, and they come to the premium.
    table = desk.locator("#price table").first
    shown = [row for row in table.locator("tbody tr").all_inner_texts() if "×" in row and "纯" not in row]
    assert len(shown) >= len(answer["factors"])
    amounts = [float(row.split("\t")[-1].replace(",", "").replace("−", "-")) for row in shown[: len(answer["factors"])]]
    mean = answer["answer"]["pure_premium"] / answer["answer"]["relativity"]
    assert mean + sum(amounts) == pytest.approx(answer["answer"]["pure_premium"], abs=0.01 * len(amounts) + 0.01)
    expect(desk.locator("#price")).to_contain_text("核对")
    # What the customer could do, within what he can change; nothing of single contributions leaves.
    expect(desk.locator(".check.good")).to_have_count(0)
    desk.click("text=打开假设分析")
    slider = desk.locator("input[type=range]").first
    slider.focus()
    desk.keyboard.press("Home")
    desk.keyboard.press("End")
    expect(desk.locator("#result .big")).to_have_count(2)
    assert barriers(desk) == []


def test_an_engineer_compares_a_challenger_promotes_it_and_rolls_it_back(desk: Page, home: StoryHome) -> None:
    number = home.challenger()
    found = home.command("compare", f"{ENTERPRISE}@{number}", f"{ENTERPRISE}@1", "--replicates", "20", "--keep", "--json")
    come_in(desk, home, "engineer")
    desk.goto(f"{home.url}/console/models/{ENTERPRISE}-{found['a']['digest'][:16]}")
    expect(desk.locator("#facts")).to_contain_text("该版本从未在用")
    assert barriers(desk) == []
    desk.click("#compare a >> nth=0")
    expect(desk.locator("h1")).to_have_text("两个版本的比较")
    expect(desk.locator(".tiles")).to_contain_text("等级改变")
    assert barriers(desk) == []
    desk.go_back()
    # The page shows the command; a person runs it.
    line = desk.locator("#gates pre").inner_text()
    assert f"roadrisk models promote {ENTERPRISE} {number}" in line
    home.command("models", "promote", ENTERPRISE, str(number), "--approver", "李工", "--reason", "挑战者更好", "--json")
    desk.reload()
    expect(desk.locator("h1")).to_contain_text("在用")
    assert home.served_version(str(number))
    home.command("models", "rollback", ENTERPRISE, "--approver", "李工", "--reason", "投诉增多，先退回", "--json")
    desk.goto(f"{home.url}/console/models")
    expect(desk.locator("[aria-labelledby=history] tbody tr").first).to_contain_text("回退")
    assert home.served_version("1")
    assert barriers(desk) == []

"""A driver's own page in a real Chromium: open the link, see, object, consent, declare, withdraw, close."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Page, expect

from features.dossier import DRIVERS
from registry.care.book import CareBook
from registry.settings import Settings
from serving.panel.dossier import dossier_folder
from tests.lib.browser import Site, served_province, violations


@pytest.fixture(scope="module")
def site(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served_province(tiny, tmp_path_factory.mktemp("driver"), ROADRISK_HEALTH_DATA="true") as made:
        yield made


def a_driver(site: Site) -> str:
    found: str = pq.read_table(dossier_folder(site.settings) / f"{DRIVERS}.parquet", columns=["driver_id"])["driver_id"][0].as_py()
    return found


def barriers(page: Page) -> list[str]:
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*violations(page), *(["runs over its side"] if over > 0 else [])]


def shown(page: Page, name: str) -> None:
    """Keep a picture where somebody wants to look at it."""
    folder = os.environ.get("ROADRISK_TEST_PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / name, full_page=True)


def test_open_see_object_consent_declare_withdraw_and_close(page: Page, site: Site, wide: bool) -> None:
    driver = a_driver(site)
    with closing(CareBook(site.settings)) as book:
        secret, _ = book.issue_link(driver, days=7, by="周敏", at=datetime.now(UTC))
    page.goto(f"{site.url}/console/me/open?link={secret}&lang=en")
    assert barriers(page) == []
    shown(page, f"open-{wide}.png")
    page.click("main button[type=submit]")
    page.wait_for_selector("#rating")
    assert secret not in page.url
    expect(page.locator("#rating dl")).to_be_visible()
    assert barriers(page) == []
    shown(page, f"me-en-{wide}.png")

    if not page.locator("#asked ul").count():
        page.select_option("#ask-all", "data_wrong")
        page.click("#asked button[type=submit]")
    expect(page.locator("#asked ul")).to_contain_text("the data are wrong")

    page.goto(f"{site.url}/console/me?lang=en")
    page.locator("#consents summary").first.click()
    page.check("#consents input[name=agree]")
    page.locator("#consents button[type=submit]").first.click()
    expect(page.locator("#consents .tag").first).to_have_text("consented")
    page.select_option("#code", "sleep_apnoea_untreated")
    page.click("#health button[type=submit]")
    expect(page.locator("#health-notice")).to_contain_text("after 120 min")
    page.goto(f"{site.url}/console/me?lang=zh")
    expect(page.locator("#health-notice")).to_contain_text("连续驾驶120分钟")
    assert barriers(page) == []
    shown(page, f"me-zh-{wide}.png")

    page.locator("#consents button", has_text="撤回同意").first.click()
    expect(page.locator("#health-notice")).to_have_count(0)
    expect(page.locator("#health")).to_contain_text("未保存任何健康信息")
    with closing(CareBook(site.settings)) as book:
        assert book.declared(driver) == []
        assert [one.given for one in book.person(driver).consents][-2:] == [True, False]

    page.goto(f"{site.url}/console/overview")
    page.wait_for_url("**/console/login*")
    page.goto(f"{site.url}/console/me")
    page.click(".own-actions button")
    page.wait_for_url("**/console/me/open")
    page.goto(f"{site.url}/console/me/open?link={secret}&lang=zh")
    page.click("main button[type=submit]")
    expect(page.locator("[role=alert]")).to_contain_text("此链接无效")

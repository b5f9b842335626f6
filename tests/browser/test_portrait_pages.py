"""The pages of an enterprise, a vehicle and a driver in a real Chromium, wide and narrow, in both languages."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from registry.access.local import local_token
from tests.lib.browser import HOSTILE, Site, login, violations


def barriers(page: Page) -> list[str]:
    over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*violations(page), *(["runs over its side"] if over > 0 else [])]


def found(page: Page, site: Site, number: str, kind: str, color: str = "2") -> None:
    page.goto(f"{site.url}/console/search")
    page.fill("#number", number)
    page.select_option("#kind", kind)
    page.select_option("#plate_color", color)
    page.click("main button[type=submit]")
    page.locator(".subjects a").first.click()
    page.wait_for_selector("#decisions")
    assert number not in page.url


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_page_of_a_subject_has_a_serious_barrier(page: Page, site: Site, language: str) -> None:
    page.goto(f"{site.url}/console/login?lang={language}")
    key = local_token(site.settings)
    assert key is not None
    login(page, site, key)
    found(page, site, site.uscc, "uscc")
    expect(page.locator("h1")).to_have_text(HOSTILE)
    assert page.locator(".trend-mark").count() >= 3
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert barriers(page) == []
    driver = page.locator("#drivers a").first
    expect(driver).to_be_visible()
    driver.click()
    page.wait_for_selector("#rating")
    assert barriers(page) == []
    vehicle = json.loads((site.settings.home / "examples.json").read_text(encoding="utf-8"))["vehicle"][0]
    found(page, site, vehicle["plate_no"], "plate", vehicle["plate_color"])
    expect(page.locator(".map svg")).to_be_visible()
    assert barriers(page) == []


def test_a_regulator_goes_from_the_search_to_the_portrait_and_on_to_a_decision_and_back(page: Page, site: Site) -> None:
    login(page, site, site.regulator)
    found(page, site, "运输有限公司", "name")
    portrait = page.url
    page.locator("#decisions table a").first.click()
    page.wait_for_selector("#scope")
    expect(page.locator("#others")).to_be_visible()
    page.locator(".subjects a").first.click()
    page.wait_for_selector("#vehicles")
    # The same subject has the same address all session long.
    assert page.url == portrait

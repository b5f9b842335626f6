"""One browser and one served province for a module of tests; Playwright's event loop must be gone before the next one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from registry.settings import Settings
from tests.lib.browser import NARROW, WIDE, Site, chromium, served_province


@pytest.fixture(scope="module")
def site(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served_province(tiny, tmp_path_factory.mktemp("console")) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page that fails its test where anything on it fails: a script, a file, a refused load, a request to somebody else."""
    width, height = request.param
    with browser.new_context(viewport={"width": width, "height": height}) as context:
        made, met, hosts = context.new_page(), [], set()
        made.on("console", lambda message: met.append(message.text) if message.type in ("error", "warning") else None)
        made.on("pageerror", lambda error: met.append(str(error)))
        made.on("dialog", lambda dialog: (met.append(f"dialog {dialog.message}"), dialog.dismiss()))
        made.on("request", lambda asked: hosts.add(asked.url.split("/")[2]))
        yield made
        assert [one for one in met if "status of 4" not in one] == []
        assert len(hosts) <= 1, hosts


@pytest.fixture
def wide(page: Page) -> bool:
    size = page.viewport_size
    assert size is not None
    return size["width"] == WIDE[0]

"""Pictures of every page of the console over a home with live models: `make screenshots`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright

from registry.access.local import local_token
from registry.settings import Settings
from tests.lib.browser import ARGUMENTS, NARROW, WIDE
from tests.lib.console_pages import console_paths
from tests.lib.processes import ROOT, command_line, environment_of, free_port, running

DECISION_DEPTH = 2


def main(target: Path) -> None:
    """Serve the home of the settings and write `PAGE.WIDTH.LANGUAGE.png` for each page into a folder."""
    settings, port = Settings(), free_port()
    target.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("Debian's chromium is needed")
    with TemporaryDirectory() as folder, running(
        command_line("serve", "--port", str(port)), environment_of(settings), port, Path(folder) / "log", ROOT
    ) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        paths = dict(console_paths(settings, url))
        for (width, height), language in ((size, language) for size in (WIDE, NARROW) for language in ("zh", "en")):
            with browser.new_context(viewport={"width": width, "height": height}) as context:
                page = context.new_page()
                _login(page, url, settings, language)
                for name, path in paths.items():
                    page.goto(f"{url}/console{path}")
                    _taken(page, target / f"{name}.{width}.{language}.png")
                    if path.count("/") == DECISION_DEPTH and path.startswith("/decisions/"):
                        _portraits(page, target, name, f"{width}.{language}.png")
        browser.close()


def _taken(page: Page, path: Path) -> None:
    page.screenshot(path=path, full_page=True)
    print(path.name)


def _portraits(page: Page, target: Path, name: str, ending: str) -> None:
    """Take the portraits that a decision's page leads to; their addresses hold for one session."""
    found = page.locator("a[href*='/console/subjects/']")
    for index, href in enumerate(dict.fromkeys(str(found.nth(k).get_attribute("href")) for k in range(found.count()))):
        page.goto(page.url.split("/console/")[0] + href)
        _taken(page, target / f"{name.removesuffix('-decision')}-portrait-{index + 1}.{ending}")


def _login(page: Page, url: str, settings: Settings, language: str) -> None:
    token = local_token(settings)
    assert token is not None, "run `roadrisk access init-local` first"
    page.goto(f"{url}/console/login?lang={language}")
    page.fill("#key", token)
    page.press("#key", "Enter")
    page.wait_for_url("**/console/search")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

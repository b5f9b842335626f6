"""Debian's Chromium under Playwright, and a service of a tiny province that it visits."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from features.online import OnlineStore
from registry.access.changes import Writer
from registry.access.local import init_local, local_token
from registry.access.scenarios import Request
from registry.access.terms import Term
from registry.corrections import CorrectionRequest, open_request
from registry.entities import ENTERPRISE
from registry.settings import Settings
from serving.monitoring.report import report
from serving.monitoring.store import write_report
from serving.panel.build import build_panel
from serving.panel.reader import Panel
from tests.lib.access import activate, token_of
from tests.lib.consoles import name_enterprise
from tests.lib.homes import make_live
from tests.lib.processes import ROOT, command_line, environment_of, free_port, running
from tests.lib.real_bundles import rate_bundle

ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)
PRODUCT = "enterprise_risk"
INPUTS = ("case_per_vehicle_year", "fine_cny_per_vehicle_year", "fleet_size", "maintenance_overdue_share", "n_drivers")
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>运输有限公司'
WIDE, NARROW = (1440, 900), (390, 844)
AXE = ROOT / "tests" / "browser" / "axe" / "axe.min.js"


@dataclass(frozen=True)
class Site:
    """A running service, who may enter it, and one decision of it.

    `score_id` is of the enterprise with the credit code `uscc`; `correction` is a request that waits for its decision.
    """

    url: str
    settings: Settings
    regulator: str
    engineer: str
    uscc: str
    score_id: str
    correction: str


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the system's Chromium; where there is none the test is skipped, or fails where it is required."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        if os.environ.get("ROADRISK_TEST_BROWSER") == "required":
            pytest.fail("Debian's chromium is not installed")
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served_province(
    tiny: Settings, folder: Path, *, products: Sequence[str] = (PRODUCT,), **environment: str
) -> Iterator[Site]:
    """Serve a copy of the tiny province with a live model, a regulator, an engineer and a few decisions.

    The regulator has a scenario for each of the products; `environment` is added to that of the service.
    """
    shutil.copytree(tiny.home, folder / "home", copy_function=shutil.copy)
    shutil.copytree(tiny.keys_dir, folder / "keys")
    settings = tiny.model_copy(update={"home": folder / "home", "keys_dir": folder / "keys"})
    codes = [key["uscc"] for key in json.loads((settings.home / "examples.json").read_text())["enterprise"]]
    store = OnlineStore(settings)
    pseudonym = store.resolve(ENTERPRISE, {"uscc": codes[0]})
    values = store.read(PRODUCT, pseudonym).values
    store.close()
    upper = [2.0 * max(float(values[name] or 1.0), 0.5) for name in INPUTS]
    make_live(settings, [rate_bundle(PRODUCT, INPUTS, upper=upper, weights=(2.0, 1.0, 0.5, 1.0, -0.5))])
    _monitor(settings)
    now = datetime.now(UTC)
    init_local(settings, now=now)
    name_enterprise(settings, pseudonym, HOSTILE)
    wrong = CorrectionRequest(
        subject="", resource="enforcement_case", row_id="AJ202603000002", field="fine_cny", old="500", claimed="200", evidence="17",
    )
    correction = open_request(settings, wrong, received_at=now, at=now).id
    keys = {role: _consumer(settings, f"{role}-a", role, now, products) for role in ("regulator", "engineer")}
    port, variables = free_port(), {**environment_of(settings), **environment}
    with running(command_line("serve", "--port", str(port)), variables, port, folder / "serve.log", ROOT) as url:
        headers = {"Authorization": f"Bearer {local_token(settings)}"}
        with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30) as client:
            answers = [client.post(f"/v1/{PRODUCT}/scores", json={"entity": {"uscc": code}}) for code in codes]
        yield Site(url, settings, keys["regulator"], keys["engineer"], codes[0], answers[0].json()["score_id"], correction)


def _monitor(settings: Settings) -> None:
    build_panel(settings)
    write_report(settings, PRODUCT, report(settings, Panel.open(settings), PRODUCT, min_cell=10))


def _consumer(settings: Settings, name: str, role: Any, now: datetime, products: Sequence[str]) -> str:
    zh = "省交通运输厅" if role == "regulator" else "算法组"
    Writer(settings, "李工", now).add_consumer(name, role=role, zh=zh, en=name, subject=None)
    for product in products if role == "regulator" else (PRODUCT,):
        activate(settings, Request(
            consumer=name, product=product, purpose_zh="行业监管", purpose_en="supervision", resources=None, detail="exact",
            term=Term(date(2026, 7, 4), date(2029, 7, 3)), basis="规范第20条", charge="public",
        ), at=now)
    return token_of(settings, name, at=now)


def login(page: Page, site: Site, key: str) -> None:
    """Come in through the login page."""
    page.goto(f"{site.url}/console/login")
    page.fill("#key", key)
    page.press("#key", "Enter")
    page.wait_for_url("**/console/search")


def violations(page: Page) -> list[str]:
    """Return what axe-core finds on a page that is serious or critical."""
    if not page.evaluate("typeof window.axe !== 'undefined'"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['target']} {node.get('failureSummary', '')}"
        for one in found["violations"] if one["impact"] in ("serious", "critical") for node in one["nodes"]
    ]


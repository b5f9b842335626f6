"""A console over a tiny desk, and a visitor who keeps cookies and fills in forms as a browser does."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from features.directory import COLUMNS, Directory
from registry.access.changes import Writer
from registry.access.local import local_token
from registry.access.roles import Role
from registry.access.scenarios import Request
from registry.access.terms import Term
from registry.settings import Settings
from serving.app import create_app
from serving.desk import ScoringDesk
from serving.supervision.desk import AlertDesk, open_alerts
from tests.lib.access import activate, token_of
from tests.lib.desks import NOW, tiny_access, tiny_desk

TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')
DETAILS = {"regulator": "exact", "engineer": "exact", "insurer": "groups", "operator": "groups"}


@dataclass
class Clock:
    """An instant that a test moves."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Installed:
    """A console, what stands behind it, and the key of whoever may do everything."""

    app: ASGIApp
    desk: ScoringDesk
    settings: Settings
    clock: Clock
    key: str
    alerts: AlertDesk | None = None

    def consumer(self, name: str, role: Role, products: tuple[str, ...] = ()) -> str:
        """Add a consumer with a scenario for each product; return its key."""
        writer = Writer(self.settings, "李工", self.clock.now)
        writer.add_consumer(name, role=role, zh=f"{name}机构", en=name, subject="e1" if role == "operator" else None)
        for product in products:
            activate(self.settings, Request(
                consumer=name, product=product, purpose_zh="监管", purpose_en="supervision", resources=None, detail=DETAILS[role],
                term=Term(date(2026, 7, 4), date(2029, 7, 3)), basis="规范第20条", charge="public",
            ), at=self.clock.now)
        return token_of(self.settings, name, at=self.clock.now)

    def visitor(self, key: str | None = None) -> Visitor:
        """Return somebody at the door, logged in where there is a key."""
        made = Visitor(self.app)
        if key is not None:
            assert made.login(key).status_code == 303
        return made


@dataclass
class Visitor:
    """A browser without scripts."""

    app: ASGIApp
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://console.test", cookies=self.cookies) as client:
                answer = await client.request(method, path, **options)
                self.cookies = client.cookies
                return answer

        return asyncio.run(send())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def send(self, page: str, path: str, **fields: str) -> httpx.Response:
        """Open a page and send one of its forms."""
        found = TOKEN.search(self.get(page).text)
        assert found, f"{page} has no form"
        return self.request("POST", path, data={"form_token": found[1], **fields})

    def login(self, key: str) -> httpx.Response:
        return self.send("/console/login", "/console/login", key=key)


def tiny_console(folder: Path, *, with_alerts: bool = False, **settings: Any) -> Installed:
    """Return a console over a tiny desk; with alerts it has a book of its own, which whoever asked for it closes."""
    clock = Clock()
    desk = replace(tiny_desk(folder), clock=clock)
    gate, _ = tiny_access(folder, desk)
    installed = Settings(home=folder / "access", keys_dir=folder / "access-keys", **settings)
    key = local_token(installed)
    assert key is not None
    alerts = open_alerts(installed, clock) if with_alerts else None
    return Installed(create_app(desk, gate, console_of=installed, alerts=alerts), desk, installed, clock, key, alerts)


def name_enterprise(settings: Settings, entity_id: str, name: str) -> None:
    """Let the directory know a name."""
    import pyarrow as pa

    row = dict.fromkeys(COLUMNS, "x") | {
        "enterprise_id": entity_id, "name": name, "event_time": 2**51, "arrived_at": 0, "withdrawn": 0,
    }
    Directory(settings.directory_dir).fill(pa.table({column: [row[column]] for column in COLUMNS}))

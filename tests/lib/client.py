"""A blocking client of an ASGI application in this process."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from starlette.types import ASGIApp


class AppClient:
    """Sends one request at a time; every call runs an event loop of its own.

    Parameters
    ----------
    key
        API key that every call carries; None for none.
    """

    def __init__(self, app: ASGIApp, *, key: str | None = None) -> None:
        self._app, self._headers = app, {"Authorization": f"Bearer {key}"} if key else {}

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://roadrisk.test", headers=self._headers
            ) as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

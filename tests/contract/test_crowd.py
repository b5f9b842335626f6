"""More requests at a time than a worker takes: the rest is told at once to come back, and nothing is lost afterwards."""

from __future__ import annotations

import asyncio

import httpx

from serving.crowd import Crowd
from serving.envelope import Envelope
from serving.metrics import Metrics

MOST = 4


def test_a_flood_is_refused_at_once_and_the_worker_goes_on():
    begun: list[str] = []

    async def flood() -> tuple[list[httpx.Response], httpx.Response, httpx.Response]:
        release, full = asyncio.Event(), asyncio.Event()

        async def slow(scope, receive, send):
            begun.append(scope["path"])
            if len(begun) == MOST:
                full.set()
            if scope["path"] == "/slow":
                await release.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        app = Envelope(Crowd(slow, most=MOST), metrics=Metrics())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://roadrisk.test") as client:
            waiting = [asyncio.create_task(client.get("/slow")) for _ in range(MOST)]
            await asyncio.wait_for(full.wait(), 60)
            refused = list(await asyncio.gather(*(client.get("/slow") for _ in range(50))))
            probe = await client.get("/livez")
            release.set()
            served = await asyncio.gather(*waiting)
            assert {answer.status_code for answer in served} == {200}
            return refused, probe, await client.get("/slow")

    refused, probe, after = asyncio.run(flood())
    assert {answer.status_code for answer in refused} == {503}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert refused[0].headers["content-type"] == "application/problem+json"
    assert "too many requests in hand" in refused[0].json()["detail"]
    assert (probe.status_code, after.status_code) == (200, 200)
    assert begun.count("/slow") == MOST + 1, "what was refused never reached the application"


def test_a_request_that_fails_gives_its_place_back():
    async def broken(scope, receive, send):
        raise ValueError("a defect")

    app = Envelope(Crowd(broken, most=1), metrics=Metrics())

    async def twice() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://roadrisk.test") as client:
            return [(await client.get("/x")).status_code for _ in range(2)]

    assert asyncio.run(twice()) == [500, 500]

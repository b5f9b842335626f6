"""The OpenAPI document of the live service: valid, of exactly the paths that it answers, and kept by what it really answers."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import schemathesis
from pydantic import BaseModel, SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from features.live.http_door import routes
from features.live.replay import lines_of
from features.live.roster import roster_of
from features.live.service import LiveService, open_service
from features.pseudonyms import pseudonym
from features.supervision.fleet_door import fleet_routes
from registry.settings import Settings
from registry.signing import init_keys, pseudonym_keys
from serving.fatigue.readers import reader_routes
from serving.live_contract import OPERATIONS, live_contract
from serving.live_schemas import LiveProblemOut
from tests.lib.client import AppClient
from tests.lib.generated_requests import try_operation
from tests.lib.positions import Leg, drive, table

KEY = "providers"
HEADERS = {"X-API-Key": KEY}
PLATE = ("赣A12345", "2")
LINES = {"Content-Type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    folder: Path = tmp_path_factory.mktemp("live")
    settings = Settings(home=folder / "home", keys_dir=folder / "keys", push_key=SecretStr(KEY))
    init_keys(settings.keys_dir)
    keys = pseudonym_keys(settings.keys_dir, 1)
    roster = roster_of([("v1", pseudonym(keys, "plate", *PLATE), "e1", "1")], keys)
    made = open_service(settings, replay=True, roster=roster)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def answered(service: LiveService) -> AppClient:
    app = Starlette(routes=[*routes(service), *fleet_routes(service, KEY)])
    return AppClient(app)


def operation(name: str) -> Any:
    return next(one for one in OPERATIONS if one.id == name)


def test_the_document_is_valid_and_resolves():
    document = live_contract()
    schemathesis.openapi.from_dict(document).validate()
    text = json.dumps(document)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"]
    ids = [one.id for one in OPERATIONS]
    assert len(ids) == len(set(ids))


def test_it_has_exactly_the_paths_of_the_service(service: LiveService):
    nobody: Any = SimpleNamespace(seen=None)
    made = [*routes(service), *fleet_routes(service, KEY), *reader_routes(service, nobody, nobody, nobody, nobody)]
    served = {
        (route.path, method.lower())
        for route in made if isinstance(route, Route) for method in route.methods or () if method != "HEAD"
    }
    assert served == {(one.path, one.method) for one in OPERATIONS}


def test_what_is_answered_keeps_the_declared_models(service: LiveService, answered: AppClient):
    rows = table(drive([Leg("06:00", "09:45", 60.0)]))
    body = gzip.compress(lines_of(rows))
    pushed = answered.post(
        "/v1/live/positions", content=body, headers=HEADERS | LINES | {"Content-Encoding": "gzip"},
    )
    assert pushed.status_code == 202, pushed.text
    assert pushed.json()["accepted"] == len(rows)
    _folded(service)
    card = {
        "plate_no": PLATE[0], "plate_color": PLATE[1], "qualification_no": "3601", "event": "in",
        "card_time": rows["gps_time"][0].as_py().isoformat(),
    }
    cards = answered.post("/v1/live/cards", content=json.dumps(card).encode(), headers=HEADERS)
    assert cards.json()["accepted"] == 1, cards.text
    driver = service.drivers.of_vehicle("v1", int(service.now.timestamp()))
    assert driver is not None
    met: dict[str, Any] = {"push_positions": pushed, "push_cards": cards}
    places = {"vehicle_id": "v1", "driver_id": driver["driver_id"]}
    for one in OPERATIONS:
        if one.method == "get" and one.who in ("provider", "reader", ""):
            met[one.id] = answered.get(one.path.format(**places), headers=HEADERS)
    for name, answer in met.items():
        declared = operation(name).answers[answer.status_code]
        if isinstance(declared, str):
            assert answer.headers["content-type"] == declared
        else:
            assert issubclass(declared, BaseModel)
            declared.model_validate(answer.json())
    assert set(met) == {one.id for one in OPERATIONS if one.who != "consumer"}


def test_problems_keep_their_model_and_their_status_is_declared(answered: AppClient):
    asked = {
        "live_vehicle": answered.get("/v1/live/vehicles/nobody", headers=HEADERS), "live_status": answered.get("/v1/live/status"),
        "fleet_frame": answered.get("/v1/live/fleet?run=x", headers=HEADERS),
        "push_positions": answered.post("/v1/live/positions", content=b"{", headers=HEADERS | LINES),
        "push_cards": answered.post("/v1/live/cards", content=b"{", headers=HEADERS),
    }
    for name, answer in asked.items():
        assert answer.status_code in operation(name).problems, name
        assert answer.headers["content-type"] == "application/problem+json"
        LiveProblemOut.model_validate(answer.json())


@schemathesis.serializer("application/x-ndjson")
def one_line(_: Any, value: Any) -> bytes:
    """Return a generated object as the one line of a body."""
    return json.dumps(value).encode() + b"\n"


@pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`:DeprecationWarning")
def test_generated_requests_get_what_the_document_says(service: LiveService):
    async def document(_: Request) -> JSONResponse:
        return JSONResponse(live_contract())

    app = Starlette(routes=[*routes(service), *fleet_routes(service, KEY), Route("/openapi.json", document)])
    api = schemathesis.openapi.from_asgi("/openapi.json", app, headers=HEADERS)
    asked = {(one.method, one.path) for one in OPERATIONS if one.who != "consumer"}
    declared = [found.ok() for found in api.get_all_operations()]
    tried = [try_operation(one, HEADERS, examples=25) for one in declared if (one.method, one.path) in asked]
    assert len(tried) == len(asked)


def _folded(service: LiveService) -> None:
    deadline = time.monotonic() + 60
    while int(service.engine.fold.state.newest_s.max()) == 0 or service.intake.waiting[1]:
        assert time.monotonic() < deadline
        time.sleep(0.05)

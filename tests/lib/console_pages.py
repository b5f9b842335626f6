"""The addresses of the console's pages over a home with live models, and a visitor of a running service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from registry.access.local import local_token
from registry.products import PRODUCTS
from registry.promotion import live
from registry.settings import Settings

PAGES = (
    "search", "live", "overview", "models", "monitoring", "fairness", "governance", "governance/catalogue", "governance/scenarios",
    "governance/corrections", "governance/usage", "governance/ledgers", "disclosure",
)
DEEP = ("", "/what-if")
_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


def console_paths(settings: Settings, url: str) -> Iterator[tuple[str, str]]:
    """Yield name and path of each page: those without an entity, then a new decision of each product, then each live model."""
    yield from ((name.replace("/", "-"), f"/{name}") for name in PAGES)
    examples = json.loads((settings.home / "examples.json").read_text(encoding="utf-8"))
    headers = {"Authorization": f"Bearer {local_token(settings)}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        for product in PRODUCTS.values():
            entity: dict[str, Any] = examples[product.entity][0]
            key = {"uscc": entity["uscc"]} if "uscc" in entity else {"vin": entity["vin"]}
            answer = client.post(f"/v1/{product.id}/scores", json={"entity": key})
            if answer.status_code == 200:
                for ending in DEEP:
                    name = f"{product.id}{ending.replace('/', '-') or '-decision'}"
                    yield name, f"/decisions/{answer.json()['score_id']}{ending}"
    for model in live(settings).values():
        yield f"model-{model.product}", f"/models/{model.product}-{model.digest[:16]}"


@contextmanager
def logged_in(settings: Settings, url: str) -> Iterator[httpx.Client]:
    """Lend a client with a session of the local key."""
    token = local_token(settings)
    assert token is not None, "run `roadrisk access init-local` first"
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        found = _TOKEN.search(client.get("/console/login").text)
        assert found is not None
        assert client.post("/console/login", data={"form_token": found[1], "key": token}).status_code == 303
        yield client

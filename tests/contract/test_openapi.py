"""The OpenAPI document is the contract: valid 3.1, and what is sent back keeps it under generated requests."""

from __future__ import annotations

import pytest
import schemathesis
from schemathesis.checks import unsupported_method

from registry.products import PRODUCTS
from serving.app import create_app
from serving.batches.desk import BatchDesk
from serving.batches.folder import BatchFolders
from serving.supervision.desk import open_alerts
from tests.lib.access import NOW
from tests.lib.alerts import alerting_home
from tests.lib.desks import tiny_access, tiny_desk
from tests.lib.generated_requests import CHECKS, try_operation

# Starlette's test client, which schemathesis uses, warns that it would rather have another HTTP library.
pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`:DeprecationWarning")


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    desk = tiny_desk(tmp_path_factory.mktemp("openapi"))
    gate, key = tiny_access(tmp_path_factory.mktemp("access"), desk)
    batches = BatchDesk(desk, BatchFolders(tmp_path_factory.mktemp("batches")), lambda: None)
    alerts = open_alerts(alerting_home(tmp_path_factory.mktemp("alerts")), lambda: NOW, stream_s=0.05)
    made = create_app(desk, gate, batches=batches, alerts=alerts)
    made.state.key = key
    yield made
    alerts.book.close()
    desk.decisions.close()


@pytest.fixture(scope="module")
def headers(app):
    return {"Authorization": f"Bearer {app.state.key}"}


@pytest.fixture(scope="module")
def api(app, headers):
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers=headers)


def test_generated_requests_get_what_the_document_says(api, headers):
    checks = (*CHECKS, unsupported_method)
    tried = [try_operation(found.ok(), headers, checks=checks, examples=5) for found in api.get_all_operations()]
    assert len(tried) >= 2 * len(PRODUCTS) + 20


def test_every_route_documents_its_problems(app):
    document = app.openapi()
    assert document["openapi"] == "3.1.0"
    for product in PRODUCTS:
        responses = document["paths"][f"/v1/{product}/scores"]["post"]["responses"]
        assert set(responses) == {"200", "400", "401", "403", "404", "405", "408", "413", "415", "422", "429", "500", "503"}
    operations = [op for methods in document["paths"].values() for op in methods.values()]
    for operation in operations:
        for status, response in operation["responses"].items():
            assert status[0] == "2" or list(response["content"]) == ["application/problem+json"], operation["operationId"]
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_references_resolve(app):
    document = app.openapi()
    schemas = document["components"]["schemas"]
    references = {part.split('"')[0] for part in str(document).replace("'", '"').split('#/components/schemas/')[1:]}
    assert references <= set(schemas)
    assert "HTTPValidationError" not in schemas

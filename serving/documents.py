"""What the OpenAPI document says beside the schemas: problems of each route, examples, and a page without any script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

from serving.answer_schema import ProblemOut
from serving.gate import OPEN_PATHS
from serving.problems import MEDIA_TYPE, TYPE_PREFIX

DESCRIPTION: Final = (
    "Explained risk scores for road transport (道路运输风险评分). Points run from 0 to 1000, higher is riskier; every score "
    "comes with an exact additive decomposition. Every answer that is not 2xx is `application/problem+json`."
)
PROBLEMS: Final[dict[int, tuple[str, str]]] = {
    400: ("malformed-json", "The body is no strict JSON: malformed, invalid UTF-8, a name twice, NaN"),
    401: ("unauthenticated", "No key, or none that is live"),
    403: ("forbidden", "No active scenario of the caller covers this call"),
    404: ("not-found", "Nothing here: unknown entity, product, portfolio, score or path"),
    405: ("method-not-allowed", "The path does not have this method"),
    408: ("body-too-slow", "The body did not arrive in time"),
    409: ("conflict", "Another request is changing the same thing"),
    410: ("erased", "The personal part of the record was erased"),
    413: ("body-too-long", "The body is too long"),
    415: ("unsupported-media-type", "The body is not declared as application/json"),
    422: ("invalid-request", "The request is understood but does not hold; `errors` names the fields"),
    429: ("quota-exceeded", "Too many calls; `Retry-After` says when to come back"),
    500: ("internal", "A defect of ours"),
    503: ("unavailable", "A store, ledger or model is not available"),
}
POST_PROBLEMS: Final = (400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 500, 503)
GET_PROBLEMS: Final = (401, 403, 404, 405, 413, 429, 500, 503)
OPEN_PROBLEMS: Final = (405, 413, 500, 503)
"""Of what answers without a key."""
SECURITY: Final = {
    "key": {"type": "http", "scheme": "bearer", "description": "API key of a consumer: `Authorization: Bearer rr_…`"},
    "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "the same key"},
}


def problem_responses(statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` entry of a route for problem statuses."""
    return {status: _response(status, *PROBLEMS[status]) for status in statuses}


def _response(status: int, slug: str, text: str) -> dict[str, Any]:
    example = {
        "type": TYPE_PREFIX + slug, "title": slug.replace("-", " ").capitalize(), "status": status, "detail": text,
        "remedy": "", "instance": "6f1d9f0c5f0f4c0f8c6b6c1d2e3f4a5b",
    }
    schema = {"$ref": f"#/components/schemas/{ProblemOut.__name__}"}
    return {"description": text, "content": {MEDIA_TYPE: {"schema": schema, "example": example}}}


def finish(document: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI document with the problem schema, without the framework's own error schemas."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"]["securitySchemes"] = SECURITY
    for path, methods in document["paths"].items():
        for operation in methods.values():
            operation["security"] = [] if path in OPEN_PATHS else [{"key": []}, {"header": []}]
    definition = ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(definition.pop("$defs", {}))
    schemas[ProblemOut.__name__] = definition
    return document


def page(document: Mapping[str, Any]) -> str:
    """Return a page of all paths; it loads nothing from anywhere."""
    rows = "".join(
        f"<tr><td>{method.upper()}</td><td><code>{escape(path)}</code></td><td>{escape(entry.get('summary', ''))}</td></tr>"
        for path, methods in document["paths"].items()
        for method, entry in methods.items()
    )
    title = escape(document["info"]["title"])
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{title}</title><style>"
        "body{font-family:sans-serif;margin:2rem}td{padding:.3rem 1rem .3rem 0;vertical-align:top}</style></head><body>"
        f"<h1>{title}</h1><p>{escape(document['info']['description'])}</p><table>{rows}</table>"
        "<p>The whole contract: <a href='/openapi.json'>/openapi.json</a></p></body></html>"
    )

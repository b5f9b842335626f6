"""Problem documents: every answer that is not 2xx is `application/problem+json` (RFC 9457).

Beside the standard members a document has `remedy` (what to do) and, for a request that was understood but not
accepted, `errors`: one entry per field with its path. No value of a request is repeated, because it may identify a
person.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from registry.errors import RoadRiskError

RETRY_AFTER_S: Final = {429: 60, 503: 5}
"""Status -> seconds after which to come back, where the error does not say."""
MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:roadrisk:problem:"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One problem document.

    Parameters
    ----------
    slug, title, status
        Kind of the problem and its HTTP status; the type is `urn:roadrisk:problem:<slug>`.
    detail
        What was met.
    remedy
        What to do.
    errors
        Per field: `field` (path), `problem`, `met` (JSON type, or the form of the value).
    details
        Further facts for machines.
    headers
        Response headers that belong to the problem.
    """

    slug: str
    title: str
    status: int
    detail: str
    remedy: str = ""
    errors: Sequence[Mapping[str, str]] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self, instance: str) -> dict[str, Any]:
        """Return the document; `instance` is the request id."""
        document: dict[str, Any] = {
            "type": TYPE_PREFIX + self.slug, "title": self.title, "status": self.status, "detail": self.detail,
            "remedy": self.remedy, "instance": instance,
        }
        if self.errors:
            document["errors"] = [dict(error) for error in self.errors]
        if self.details:
            document["details"] = dict(self.details)
        return document

    def body(self, instance: str) -> bytes:
        """Return the document as UTF-8 JSON."""
        return json.dumps(self.document(instance), ensure_ascii=False, allow_nan=False, default=str).encode()


def problem_of(error: RoadRiskError) -> Problem:
    """Return the problem of one of our errors. `where` stays inside: it may be a path of this machine."""
    errors = error.details.get("errors", ())
    details = {name: value for name, value in error.details.items() if name != "errors"}
    return Problem(
        slug=error.slug, title=error.title, status=error.http_status, detail=error.message, remedy=error.remedy,
        errors=errors, details=details, headers=_retry_after(error),
    )


def _retry_after(error: RoadRiskError) -> dict[str, str]:
    usual = RETRY_AFTER_S.get(error.http_status)
    if usual is None:
        return {}
    said = error.details.get("retry_after_s", usual)
    return {"Retry-After": str(max(1, math.ceil(said)))}


def internal() -> Problem:
    """Return the problem of a defect of ours; what went wrong is in the log under the request id."""
    return Problem(
        slug="internal", title="Internal error", status=500, detail="the service met a defect of its own",
        remedy="Report the request id in `instance`.",
    )


def not_found() -> Problem:
    """Return the problem of a path that does not exist."""
    return Problem(
        slug="no-such-path", title="No such path", status=404, detail="there is nothing at this path",
        remedy="The paths are listed in /openapi.json.",
    )


def method_not_allowed(method: str, allowed: str) -> Problem:
    """Return the problem of a method that a path does not have; `allowed` is the Allow header."""
    named = method if method.isascii() and method.isalpha() and len(method) <= 10 else "this method"
    return Problem(
        slug="method-not-allowed", title="Method not allowed", status=405, headers={"Allow": allowed},
        detail=f"{named} is not possible here", remedy=f"Use {allowed}.",
    )


def of_status(status: int, detail: str) -> Problem:
    """Return the problem of a plain HTTP status that a framework raised."""
    title = HTTPStatus(status).phrase
    return Problem(slug=title.lower().replace(" ", "-"), title=title, status=status, detail=detail)


def invalid_fields(errors: Sequence[Mapping[str, str]]) -> Problem:
    """Return the problem of a request whose fields do not hold."""
    shown = "; ".join(f"{error['field']}: {error['problem']}" for error in errors[:5])
    more = f"; and {len(errors) - 5} more" if len(errors) > 5 else ""
    return Problem(
        slug="invalid-request", title="Invalid request", status=422, detail=shown + more, errors=errors,
        remedy="Correct the fields named in `errors`; /openapi.json has the schema.",
    )

"""Requests that schemathesis makes of an OpenAPI document, held against what the document says is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import hypothesis
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS: Final = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


def try_operation(operation: Any, headers: dict[str, str], *, checks: Sequence[Any] = CHECKS, examples: int) -> str:
    """Send generated requests for one operation, the same in every run; return its name."""
    @hypothesis.given(case=operation.as_strategy())
    @hypothesis.settings(max_examples=examples, deadline=None, derandomize=True, database=None,
                         suppress_health_check=list(hypothesis.HealthCheck))
    def generated(case: Any) -> None:
        case.call_and_validate(checks=list(checks), headers=headers)

    generated()
    return str(operation.label)

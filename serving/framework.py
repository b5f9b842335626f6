"""FastAPI as we use it: routes and validation, without its own pages, redirects and telemetry."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

NO_TELEMETRY: Final[TelemetryConfig] = {
    "auto_configure": False, "logs": False, "metrics": False, "operation_spans": False, "tracing": False,
}
"""The framework's telemetry keeps request bodies and exception texts, and an environment variable would export them."""


def bare_app(**options: Any) -> FastAPI:
    """Return an application that answers what its routes answer, and nothing else."""
    return FastAPI(
        openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, telemetry=NO_TELEMETRY, **options
    )

"""One line of JSON per request on standard error: what was asked of whom and how it went, and nothing about anybody.

A path is logged as its route's template, a key as its id; bodies, headers and addresses are not.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from serving.encode import encoded

LOGGER: Final = "roadrisk.requests"
QUIET: Final = frozenset(("/livez", "/readyz", "/healthz", "/metrics", "/v2/health/live", "/v2/health/ready"))
"""Probes are logged where they fail only."""

_log = logging.getLogger(LOGGER)


def log_request(scope: Mapping[str, Any], status: int, seconds: float) -> None:
    """Write the line of one request."""
    if not _log.isEnabledFor(logging.INFO):
        return
    route = getattr(scope.get("route"), "path", "unmatched")
    if route in QUIET and status < 400:
        return
    state = scope.get("state", {})
    caller = state.get("caller")
    line = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"), "request_id": state.get("request_id"),
        "traceparent": state.get("traceparent") or None, "method": scope["method"] if scope["method"].isalpha() else "other",
        "route": route, "status": status, "ms": round(seconds * 1000, 3),
        "consumer": caller.consumer if caller else None, "key": caller.key_id if caller else None,
        "problem": state.get("problem"),
    }
    # Made by hand: `info` would look through the stack for the place that logs, which is this one.
    _log.handle(_log.makeRecord(LOGGER, logging.INFO, __file__, 0, encoded(line).decode(), (), None))


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send the lines to standard error, as they are."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    _log.handlers[:] = [handler]
    _log.setLevel(level)
    _log.propagate = False

"""Requests as OpenTelemetry spans, where a collector is named (`Settings.otlp_endpoint`): one per request, one per stage of it.

Spans are made once the request is over, from the same marks as the figures, so a request that nobody traces pays nothing. They
carry route template, method, status, problem and ids of consumer and key: nothing about whoever was scored. The collector gets
them in the background; one that does not answer loses spans, never requests.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from registry.errors import ConfigurationError
from serving.app_version import API_VERSION

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

    from registry.settings import Settings
    from serving.stages import Marks

SERVICE: Final = "roadrisk"
TRACES_PATH: Final = "/v1/traces"
"""OTLP over HTTP, section "OTLP/HTTP Request": the default path of traces."""


class Tracer:
    """Makes spans of requests.

    Parameters
    ----------
    processor
        Receives the spans.
    """

    def __init__(self, processor: SpanProcessor) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = TracerProvider(resource=Resource.create({"service.name": SERVICE, "service.version": API_VERSION}))
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(SERVICE)
        self._extract = TraceContextTextMapPropagator().extract

    def record(self, scope: Mapping[str, Any], status: int, started: float, marks: Marks) -> None:
        """Make the spans of a request that ended now; they continue the trace of the caller.

        Parameters
        ----------
        scope
            Of the request, with its state.
        status
            Of its answer; 0 where none was sent.
        started
            When it came in, by `time.perf_counter`.
        marks
            Its stages.
        """
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        # Stages are timed by a clock that only grows; spans want the time of day.
        ended, now_ns = time.perf_counter(), time.time_ns()

        def at_ns(moment: float) -> int:
            return now_ns - int((ended - moment) * 1e9)

        parent = self._extract({"traceparent": scope["state"].get("traceparent", "")})
        attributes = _attributes(scope, status)
        span = self._tracer.start_span(
            f"{attributes['http.request.method']} {attributes['http.route']}", context=parent, kind=SpanKind.SERVER,
            start_time=at_ns(started), attributes=attributes,
        )
        inside = set_span_in_context(span)
        for name, begun, over in marks:
            self._tracer.start_span(name, context=inside, start_time=at_ns(begun)).end(at_ns(over))
        if status >= 500 or not status:
            span.set_status(Status(StatusCode.ERROR))
        span.end(now_ns)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def open_tracer(settings: Settings) -> Tracer | None:
    """Return a tracer that sends to the collector of the settings; None where there is none.

    Raises
    ------
    ConfigurationError
        If the exporter is not installed.
    """
    if not settings.otlp_endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigurationError(
            "a collector of spans is named, and the exporter is not installed", where="ROADRISK_OTLP_ENDPOINT",
            remedy="Install the extra: pip install 'roadrisk[tracing]'.",
        ) from error
    address = settings.otlp_endpoint.rstrip("/").removesuffix(TRACES_PATH) + TRACES_PATH
    return Tracer(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))


def _attributes(scope: Mapping[str, Any], status: int) -> dict[str, str | int]:
    state, method = scope["state"], scope["method"]
    caller = state.get("caller")
    found: dict[str, str | int | None] = {
        "http.request.method": method if method.isalpha() else "_OTHER",
        "http.route": getattr(scope.get("route"), "path", "unmatched"),
        "http.response.status_code": status or None,
        "roadrisk.request_id": state["request_id"],
        "roadrisk.consumer": caller.consumer if caller else None,
        "roadrisk.key": caller.key_id if caller else None,
        "error.type": state.get("problem"),
    }
    return {name: value for name, value in found.items() if value is not None}

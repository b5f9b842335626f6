"""Stages as figures and as spans: they add up, continue the caller's trace, reach a collector, and speak of nobody."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from registry.settings import Settings
from serving.app import create_app
from serving.stages import begin, end, stage
from serving.tracing import Tracer, open_tracer
from tests.lib.client import AppClient
from tests.lib.desks import PLATE, tiny_access, tiny_desk

STAGES = ["key", "auth", "resolve", "read", "score", "encode", "record"]
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PATH = "/v1/insurance_pricing/scores"


@pytest.fixture
def desk(tmp_path):
    desk = tiny_desk(tmp_path)
    yield desk
    desk.decisions.close()


def client_of(folder, desk, tracer):
    gate, token = tiny_access(folder, desk)
    return AppClient(create_app(desk, gate, tracer=tracer), key=token)


def test_a_request_is_a_span_with_its_stages_in_the_trace_of_the_caller(tmp_path, desk):
    kept = InMemorySpanExporter()
    client = client_of(tmp_path, desk, Tracer(SimpleSpanProcessor(kept)))
    answer = client.post(PATH, json={"entity": PLATE}, headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
    assert answer.status_code == 200, answer.text
    *inner, whole = kept.get_finished_spans()
    assert [span.name for span in inner] == STAGES
    assert whole.name == f"POST {PATH}"
    assert {f"{span.context.trace_id:032x}" for span in (*inner, whole)} == {TRACE}
    assert f"{whole.parent.span_id:016x}" == SPAN
    assert {span.parent.span_id for span in inner} == {whole.context.span_id}
    moments = [whole.start_time, *(at for span in inner for at in (span.start_time, span.end_time)), whole.end_time]
    assert moments == sorted(moments)
    assert PLATE["plate_no"][1:] not in " ".join(span.to_json() for span in (*inner, whole))
    assert whole.attributes["http.response.status_code"] == 200


def test_a_refused_request_is_a_span_that_names_the_problem_and_no_path(tmp_path, desk):
    kept = InMemorySpanExporter()
    client = client_of(tmp_path, desk, Tracer(SimpleSpanProcessor(kept)))
    assert client.get("/v1/L99000248R0000017").status_code == 404
    key, span = kept.get_finished_spans()
    assert key.name == "key"
    assert span.name == "GET unmatched"
    assert span.attributes["error.type"] == "no-such-path"
    assert "L99000248R0000017" not in span.to_json()


def test_stages_are_figures(tmp_path, desk):
    client = client_of(tmp_path, desk, None)
    assert client.post(PATH, json={"entity": PLATE}).status_code == 200
    text = client.get("/metrics").text
    assert [name for name in STAGES if f'roadrisk_stage_seconds_count{{stage="{name}"}} 1.0' not in text] == []


def test_a_stage_that_fails_is_timed_and_one_outside_a_request_is_told_to_nobody():
    marks, token = begin()
    with pytest.raises(ValueError, match="met"), stage("read"):
        raise ValueError("met")
    end(token)
    with stage("score"):
        pass
    assert [name for name, _, _ in marks] == ["read"]


def test_a_collector_receives_the_spans(tmp_path, desk):
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            return None

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    tracer = open_tracer(Settings(home=tmp_path, otlp_endpoint=f"http://127.0.0.1:{server.server_port}"))
    client = client_of(tmp_path, desk, tracer)
    assert client.post(PATH, json={"entity": PLATE}).status_code == 200
    tracer.close()
    server.shutdown()
    thread.join()
    server.server_close()
    path, body = received[0]
    assert path == "/v1/traces"
    (resource,) = ExportTraceServiceRequest.FromString(_plain(body)).resource_spans
    assert sorted(span.name for span in resource.scope_spans[0].spans) == sorted([*STAGES, f"POST {PATH}"])


def _plain(body: bytes) -> bytes:
    import gzip

    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def test_no_collector_is_no_tracer(tmp_path):
    assert open_tracer(Settings(home=tmp_path)) is None

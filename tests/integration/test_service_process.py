"""The BentoML service as a real process: what is on the wire is ours, decisions survive, a bad bundle stops the start."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import httpx
import pytest

from registry.decisions import DecisionLedger
from tests.lib.bundles import PORTFOLIO, tiny_bundle, tiny_rows
from tests.lib.homes import key_header, make_home, make_live
from tests.lib.processes import ROOT, command_line, environment_of, free_port, running

ROW = tiny_rows(7, 1)[0]
SCORES = f"/v1/portfolios/{PORTFOLIO}/scores"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return make_home(tmp_path_factory.mktemp("service"), [tiny_bundle(PORTFOLIO)])


@pytest.fixture(scope="module")
def address(home, tmp_path_factory):
    port, folder = free_port(), tmp_path_factory.mktemp("process")
    command = command_line("serve", "--port", str(port))
    # The child that proves a bundle is the subject of another test; here it only takes time.
    environment = {**environment_of(home), "ROADRISK_PROVED_DIGESTS": tiny_bundle(PORTFOLIO).digest}
    with running(command, environment, port, folder / "serve.log", ROOT) as url:
        yield url


@pytest.fixture(scope="module")
def client(address, home):
    with httpx.Client(base_url=address, trust_env=False, headers=key_header(home)) as made:
        yield made


def test_an_answer_is_in_the_ledger_when_it_arrives(client, home):
    body = client.post(SCORES, json={"features": ROW}).json()
    ledger = DecisionLedger.open(home)
    decision = ledger.get(body["score_id"])
    assert decision.answer["points"] == body["points"]
    assert ledger.verify().ok
    ledger.close()


@pytest.mark.parametrize(
    "path", ["/docs.json", "/schema.json", "/static_content/index.css", "/assets/x", "/nothing", "/v1/products/"]
)
def test_what_bentoml_exposes_by_default_is_not_there(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_ten_megabytes_are_refused_and_the_service_goes_on(client):
    answer = client.post(SCORES, content=b"x" * 10_000_000, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:roadrisk:problem:body-too-long")
    assert client.get("/livez").status_code == 200


def test_clients_that_never_finish_their_headers_or_bodies_hold_nobody_up(client, address, home):
    (name, token), = key_header(home).items()
    half_body = f"POST {SCORES} HTTP/1.1\r\nHost: x\r\n{name}: {token}\r\nContent-Length: 100\r\n"
    half_body += 'Content-Type: application/json\r\n\r\n{"features"'
    host, port = address.removeprefix("http://").split(":")
    with ExitStack() as slow:
        for sent in ["POST / HTTP/1.1\r\nHost: x\r\nX-Slow: "] * 100 + [half_body] * 100:
            slow.enter_context(socket.create_connection((host, int(port)), timeout=60)).sendall(sent.encode())
        assert client.get("/readyz").status_code == 200
        assert client.post(SCORES, json={"features": ROW}).status_code == 200


def test_many_callers_at_once_are_answered_or_told_to_come_back(client, address, home):
    def call(_: int) -> tuple[int, str | None]:
        with httpx.Client(base_url=address, trust_env=False, headers=key_header(home), timeout=60) as one:
            answer = one.post(SCORES, json={"features": ROW})
            return answer.status_code, answer.headers.get("retry-after")

    with ThreadPoolExecutor(32) as pool:
        met = list(pool.map(call, range(128)))
    assert (200, None) in met
    assert all(status == 200 or (status in (429, 503) and after) for status, after in met)
    assert client.get("/readyz").status_code == 200


def test_a_connection_that_idled_is_still_open(address):
    host, port = address.removeprefix("http://").split(":")
    one = http.client.HTTPConnection(host, int(port), timeout=20)
    with closing(one):
        for pause_s in (0, 6):
            # Uvicorn itself closes after five seconds.
            time.sleep(pause_s)
            one.request("GET", "/livez")
            one.auto_open = 0  # from now on a closed connection is an error and not opened again
            answer = one.getresponse()
            assert (answer.status, answer.read()) == (200, b"ok\n")


def test_metrics_are_ours(client):
    client.get("/v1/scores/" + "b" * 32)
    figures = client.get("/metrics").text
    assert 'route="/v1/scores/{score_id}"' in figures
    assert "bentoml" not in figures
    assert "b" * 32 not in figures


def test_the_command_line_scores_and_explains(address, home, tmp_path):
    row = tmp_path / "row.json"
    row.write_text(json.dumps(ROW))
    environment = environment_of(home)
    scored = subprocess.run(
        command_line("score", PORTFOLIO, "--features", str(row), "--url", address, "--json"),
        env=environment, capture_output=True, text=True, check=True,
    )
    answer = json.loads(scored.stdout)
    shown = subprocess.run(
        command_line("explain", answer["score_id"], "--url", address),
        env=environment, capture_output=True, text=True, check=True,
    ).stdout
    assert "base + contributions + clamp = total holds" in shown
    assert f"{answer['points']:.6f}" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("score", "maintenance", "--plate", "x", "--color", "2"), 20, "is no number plate"),
        (("score", "nothing", "--vin", "x"), 30, "no product 'nothing'"),
        (("score", "maintenance", "--vin", "L99000248R0000017"), 70, "has no live model"),
        (("explain", "f" * 32), 30, "no score has this id"),
    ],
)
def test_problems_become_exit_codes(address, home, arguments, code, says):
    done = subprocess.run(
        command_line(*arguments, "--url", address), env=environment_of(home), capture_output=True, text=True, check=False
    )
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr


def test_a_service_that_is_not_there_is_exit_code_70(home):
    command = command_line("explain", "f" * 32, "--url", f"http://127.0.0.1:{free_port()}")
    done = subprocess.run(command, env=environment_of(home), capture_output=True, text=True, check=False)
    assert (done.returncode, "roadrisk serve" in done.stderr) == (70, True)


def test_serve_refuses_an_unsigned_bundle_at_once_and_names_it(tmp_path):
    settings = make_home(tmp_path, [tiny_bundle(PORTFOLIO)], sign=False)
    done = subprocess.run(
        command_line("serve", "--port", str(free_port())), env=environment_of(settings), capture_output=True, text=True,
        check=False, timeout=60,
    )
    assert done.returncode == 40
    assert f"the live model of {PORTFOLIO}, version 1, is refused: bundle is not signed" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_promotion_reaches_the_running_service_and_no_request_fails(client, home):
    second = tiny_bundle(PORTFOLIO, seed=2)
    before = client.post(SCORES, json={"features": ROW}).json()["model"]["digest"]
    make_live(home, [second])
    deadline, digest = time.monotonic() + 90, before
    while digest != second.digest and time.monotonic() < deadline:
        answer = client.post(SCORES, json={"features": ROW})
        assert answer.status_code == 200
        digest = answer.json()["model"]["digest"]
    assert digest == second.digest, "the promotion was not taken"
    figures = client.get("/metrics").text
    assert 'roadrisk_model_reloads{outcome="taken"} 1.0' in figures

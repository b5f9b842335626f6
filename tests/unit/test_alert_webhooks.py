"""Webhooks: where they may go, signature, retries, dead letters, and the scenario that stands behind each delivery."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest

from registry.access.book import AccessBook
from registry.access.changes import Writer
from registry.errors import InvalidRequest
from registry.model_ledgers import verify as verified
from registry.supervision.subscriptions import WEBHOOKS, check_target, secret_of
from serving.supervision.desk import open_alerts
from serving.supervision.sender import ATTEMPTS, Sender, plain_client
from serving.supervision.signature import HEADER, signed, verify
from tests.lib.access import NOW, REQUEST, activate, add_consumer
from tests.lib.alerts import AT, alerting_home, event, id_of

URL = "https://hooks.example.org/alerts"
ALLOWED = ("hooks.example.org", "inside.example.org:8443")


class Receiver:
    """A consumer's side: answers as it is told, and keeps what came."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.met: list[httpx.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.met.append(request)
        status = self.answers.pop(0) if self.answers else 200
        if status == 0:
            raise httpx.ConnectError("refused")
        return httpx.Response(status, headers={"Location": "https://127.0.0.1/"} if status == 302 else {})

    @property
    def lines(self) -> list[tuple[str, str]]:
        return [
            (line["alert"]["alert_id"], line["what"]) for request in self.met for line in json.loads(request.content)["lines"]
        ]


@pytest.fixture
def home(tmp_path):
    settings = alerting_home(tmp_path)
    add_consumer(settings, "authority", "regulator")
    activate(settings, replace(REQUEST, consumer="authority", product="vehicle_supervision", charge="public"))
    return settings


@pytest.fixture
def desk(home):
    opened = open_alerts(home, lambda: NOW)
    yield opened
    opened.book.close()


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def sender(home, desk, receiver):
    client = httpx.Client(transport=httpx.MockTransport(receiver), follow_redirects=False)
    access = AccessBook.open(home)
    yield Sender(desk, access, client, receiver.pauses.append, lambda host: ["203.0.113.7"] if "example" in host else [])
    access.close()


def subscribe(desk, **changes):
    fields = {"consumer": "authority", "scenario": "authority-vehicle_supervision-1", "url": URL, "severity": "yellow", "cursor": 0}
    return desk.hooks.subscribe(**{**fields, **changes}, at=AT)


@pytest.mark.parametrize("url", [
    "http://hooks.example.org/", "https://hooks.example.org:8443/", "https://other.example.org/", "https://hooks.example.org@evil.org/",
    "https://evil.org#hooks.example.org", "https://127.0.0.1/", "https://[::1]/", "https://2130706433/", "https://0x7f.1/",
    "https://hooks.example.org.evil.org/", "file:///etc/passwd", "https://", "https://hooks.example.org:99999/",
    "https://hooks.example.org\\@evil.org/", "https://hooks.example.org/ x", "https://用户:pw@hooks.example.org/",
])
def test_other_targets_are_refused(url):
    with pytest.raises(InvalidRequest):
        check_target(url, ALLOWED)


@pytest.mark.parametrize("number", ["127.0.0.1", "2130706433", "0x7f000001", "127.1"])
def test_a_number_is_no_host_even_where_the_list_names_it(number):
    with pytest.raises(InvalidRequest):
        check_target(f"https://{number}/", (number,))


@pytest.mark.parametrize("url", [URL, "https://HOOKS.example.org:443/", "https://inside.example.org:8443/x?y=1"])
def test_allowed_targets_pass(url):
    assert check_target(url, ALLOWED) == url


def test_a_delivery_is_signed_and_served_once(home, desk, sender, receiver):
    hook = subscribe(desk)
    (sent,) = sender.serve_all()
    assert (sent.arrived, sent.n, receiver.lines) == (True, 2, [(id_of("a1"), "raised"), (id_of("a2"), "raised")])
    (request,) = receiver.met
    secret, now_s = secret_of(home, hook.id), int(NOW.timestamp())
    assert verify(secret, request.headers[HEADER], request.content, now_s=now_s)
    assert not verify(secret, request.headers[HEADER], request.content + b" ", now_s=now_s)
    assert not verify(secret, request.headers[HEADER], request.content, now_s=now_s + 301)
    assert not verify("00" * 32, request.headers[HEADER], request.content, now_s=now_s)
    assert sender.serve_all() == []
    desk.book.record([event(kind="cleared", after_s=60)], at=AT)
    sender.serve_all()
    assert receiver.lines[2:] == [(id_of("a1"), "cleared")]
    assert verified(home, WEBHOOKS).ok


def test_a_header_that_is_none_is_refused():
    assert verify("00" * 32, signed("00" * 32, 5, b"x"), b"x", now_s=5)
    for wrong in ("", "t=5", "t=5,v1=" + "0" * 64, "t=-5,v1=" + "0" * 64):
        assert not verify("00" * 32, wrong, b"x", now_s=5)


def test_it_is_tried_again_with_growing_pauses(desk, sender, receiver):
    subscribe(desk)
    receiver.answers = [0, 503, 429, 200]
    assert [sent.arrived for sent in sender.serve_all()] == [True]
    assert receiver.pauses == [1.0, 2.0, 4.0]
    assert len({request.headers["X-RoadRisk-Delivery"] for request in receiver.met}) == 1


def test_what_does_not_arrive_is_kept_and_can_be_sent_again(desk, sender, receiver):
    hook = subscribe(desk)
    receiver.answers = [503] * ATTEMPTS
    (sent,) = sender.serve_all()
    assert (sent.arrived, sent.why) == (False, f"answered 503 after {ATTEMPTS} attempts")
    held = desk.hooks.get(hook.id)
    assert [(one.after, one.through) for one in held.dead] == [(0, 2)]
    # What comes later goes its way meanwhile.
    desk.book.record([event(kind="cleared", after_s=60)], at=AT)
    receiver.met.clear()
    sender.serve_all()
    assert receiver.lines == [(id_of("a1"), "cleared")]
    (again,) = sender.resend(desk.hooks.get(hook.id))
    assert (again.arrived, again.delivery_id) == (True, sent.delivery_id)
    assert receiver.lines[1:] == [(id_of("a1"), "raised"), (id_of("a2"), "raised")]
    assert desk.hooks.get(hook.id).dead == ()
    assert sender.serve_all() == []


@pytest.mark.parametrize("status", [302, 400, 401, 410])
def test_a_refusal_is_not_tried_again_and_a_redirect_not_followed(desk, sender, receiver, status):
    subscribe(desk)
    receiver.answers = [status]
    (sent,) = sender.serve_all()
    assert (sent.arrived, sent.why, len(receiver.met)) == (False, f"answered {status}", 1)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1%eth0"])
def test_a_host_that_leads_back_to_this_machine_gets_nothing(desk, sender, receiver, address):
    subscribe(desk)
    (sent,) = replace(sender, resolve=lambda _: ["203.0.113.7", address]).serve_all()
    assert (sent.arrived, receiver.met) == (False, [])


def test_a_host_taken_off_the_list_gets_nothing_more(home, desk, sender, receiver):
    subscribe(desk)
    other = replace(desk, settings=home.model_copy(update={"webhook_hosts": ()}))
    (sent,) = replace(sender, desk=other).serve_all()
    assert (sent.arrived, receiver.met) == (False, [])


def test_nothing_leaves_while_no_scenario_covers_it_and_nothing_is_lost(home, desk, sender, receiver):
    subscribe(desk)
    Writer(home, "张局", NOW).take_step("authority-vehicle_supervision-1", "suspend", reason="复核")
    assert (sender.serve_all(), receiver.met) == ([], [])
    Writer(home, "张局", NOW).take_step("authority-vehicle_supervision-1", "resume", reason="复核通过")
    assert [sent.n for sent in sender.serve_all()] == [2]


def test_an_ended_subscription_and_lesser_alerts_are_not_sent(desk, sender, receiver):
    hook = subscribe(desk, severity="red")
    assert [sent.n for sent in sender.serve_all()] == [1]
    desk.hooks.unsubscribe(hook.id, by="authority", at=AT)
    desk.book.record([event("a3", severity="red")], at=AT)
    assert sender.serve_all() == []


def test_the_client_takes_no_proxy_and_follows_nothing(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with plain_client() as client:
        assert not client.follow_redirects
        assert not client.trust_env
        assert client._mounts == {}

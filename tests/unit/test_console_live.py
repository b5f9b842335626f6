"""The live page without a browser: who sees what, over a live service that really runs, is away, or comes back."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
import uvicorn
from pydantic import SecretStr

from features.live.cards import CardEvent
from features.live.engine import EngineTimes
from features.live.roster import Roster, roster_of
from features.live.service import open_service
from features.pseudonyms import pseudonym
from features.supervision.fleet_door import fleet_routes
from registry.care.book import CareBook
from registry.care.health import Declared
from registry.data_products import SUPERVISION
from registry.settings import Settings
from registry.signing import init_keys, pseudonym_keys
from registry.supervision.book import AlertBook
from serving.live_relay import LiveRelay
from tests.lib.alerts import AT, event, id_of
from tests.lib.consoles import TOKEN, Installed, tiny_console
from tests.lib.live import records
from tests.lib.positions import Leg, drive
from tests.lib.processes import free_port

KEY, READER = "providers", "readers"
DRIVER = "d" * 24
PLATES = [("赣A12345", "2"), ("赣B54321", "2")]


def a_roster(settings: Settings) -> Roster:
    keys = pseudonym_keys(settings.keys_dir, 1)
    owners = ("e1", "e2")
    return roster_of([(f"v{n}", pseudonym(keys, "plate", *plate), owners[n], "1") for n, plate in enumerate(PLATES)], keys)


@contextmanager
def live_service(folder: Path, port: int) -> Iterator[None]:
    """Serve two vehicles, of e1 and e2, that have driven for three and a half hours."""
    settings = Settings(home=folder / "home", keys_dir=folder / "keys", push_key=SecretStr(KEY), store_timeout_s=10.0)
    init_keys(settings.keys_dir)
    roster = a_roster(settings)
    service = open_service(settings, replay=True, roster=roster, times=EngineTimes(checkpoint_s=3600.0))
    found = records(drive([Leg("06:00", "09:45", 60.0)]))
    for slot in range(2):
        service.engine.fold.apply(slot + 0 * found["time_s"].astype("int64"), found)
    service.drivers._log.add([CardEvent(int(found["time_s"][0]), "v0", DRIVER, "in")])
    app = service.app(fleet_routes(service, READER))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[None]:
    with live_service(tmp_path_factory.mktemp("live"), port):
        yield


@contextmanager
def console(folder: Path, port: int) -> Iterator[Installed]:
    made = tiny_console(folder, with_alerts=True, live_url=f"http://127.0.0.1:{port}", live_key=SecretStr(READER))
    assert made.alerts is not None
    try:
        yield made
    finally:
        made.alerts.book.close()


@pytest.fixture
def installed(tmp_path: Path, port: int) -> Iterator[Installed]:
    with console(tmp_path, port) as made:
        yield made


@pytest.fixture
def lonely(tmp_path: Path) -> Iterator[Installed]:
    """A console without a live service."""
    with console(tmp_path, free_port()) as made:
        yield made


def test_without_a_service_the_page_says_what_to_run_and_alerts_can_be_handled(lonely: Installed) -> None:
    with AlertBook.open(lonely.settings) as book:
        book.record([event(enterprise_id="e1")], at=AT)
    visitor = lonely.visitor(lonely.consumer("regulator-a", "regulator", (SUPERVISION,)))
    page = visitor.get("/console/live").text
    assert "实时服务未运行" in page
    assert "roadrisk live serve --replay" in page
    assert f"alert-{id_of('a1')}" in page
    path = f"/console/live/alerts/{id_of('a1')}"
    assert visitor.request("POST", path, data={"step": "acknowledge", "by": "周敏"}).status_code == 403
    assert visitor.send("/console/live", path, step="handle:no_such", by="周敏").status_code == 422
    assert visitor.send("/console/live", path, step="acknowledge", by="").status_code == 422
    assert visitor.send("/console/live", path, step="dismiss:drift", by="周敏").status_code == 303
    with AlertBook.open(lonely.settings) as book:
        assert book.get(id_of("a1")).status == "dismissed"
        assert book.get(id_of("a1")).lived[-1].what.by == "regulator-a: 周敏"  # type: ignore[union-attr]
    assert f"alert-{id_of('a1')}" not in visitor.get("/console/live?group=waiting").text
    assert f"alert-{id_of('a1')}" in visitor.get("/console/live?group=done").text
    assert f"alert-{id_of('a1')}" not in visitor.get("/console/live?group=done&severity=red").text
    assert visitor.send("/console/live?group=done", path, step="acknowledge", by="周敏").status_code == 409


@pytest.mark.parametrize("role", ["insurer", "engineer"])
def test_roles_without_alerts_find_no_link_and_are_refused(installed: Installed, role: str) -> None:
    visitor = installed.visitor(installed.consumer("other-a", role, ()))  # type: ignore[arg-type]
    assert "/console/live" not in visitor.get("/console/search").text
    for path in ("live", "live/map", "live/table", "live/alerts", "live/stream"):
        assert visitor.get(f"/console/{path}").status_code == 403, path


def test_a_regulator_sees_every_vehicle_and_an_operator_its_own(installed: Installed, served: None) -> None:
    regulator = installed.visitor(installed.consumer("regulator-a", "regulator", (SUPERVISION,)))
    operator = installed.visitor(installed.consumer("operator-a", "operator", (SUPERVISION,)))
    told = {}
    for name, visitor in (("regulator", regulator), ("operator", operator)):
        visitor.get("/console/live")
        table = visitor.get("/console/live/table").text
        told[name] = sorted(re.findall(r'class="id">(v\d)<', table))
        token = TOKEN.search(visitor.get("/console/live").text)
        assert token is not None
        form = {"form_token": token[1], "run": str(run_of(visitor))}
        told[name + " picks"] = [
            visitor.request("POST", "/console/live/pick", data={**form, "slot": str(slot)}).status_code for slot in range(3)
        ]
    assert told["regulator"] == ["v0", "v1"]
    assert told["regulator picks"] == [200, 200, 404]
    assert told["operator"] == ["v0"]
    assert sorted(told["operator picks"][:2]) == [200, 404]


def test_the_scenario_that_was_chosen_holds_for_what_the_page_asks(lonely: Installed) -> None:
    visitor = lonely.visitor(lonely.consumer("regulator-d", "regulator", (SUPERVISION, SUPERVISION)))
    assert visitor.get("/console/live").status_code == 403, "of two scenarios neither is guessed"
    assert visitor.get(f"/console/live?scenario=regulator-d-{SUPERVISION}-2").status_code == 200
    for path in ("/console/live/alerts", "/console/live/table", "/console/live/map"):
        assert visitor.get(path, headers={"X-Fragment": "live"}).status_code == 200, path


def run_of(visitor: object) -> int:
    from serving.console.live_stream import Seen

    answer = visitor.get("/console/live/stream")  # type: ignore[attr-defined]
    found = re.search(r"id: (\S+)\nevent: whole", answer.text)
    assert found is not None
    return Seen.of(found[1]).run


@pytest.fixture(autouse=True)
def short_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    from serving.console import live_stream

    monkeypatch.setattr(live_stream, "LOOK_S", 0.05)
    monkeypatch.setattr(live_stream.live_events, "__kwdefaults__", {"stream_s": 0.2})


def test_one_vehicle_is_shown_with_its_limits_and_each_look_of_ten_minutes_is_recorded_once(
    installed: Installed, served: None
) -> None:
    visitor = installed.visitor(installed.consumer("regulator-a", "regulator", (SUPERVISION,)))
    visitor.get("/console/live")
    address = re.search(r'href="(/console/live/vehicles/[^"]+)"', visitor.get("/console/live/table").text)
    assert address is not None
    for _ in range(3):
        page = visitor.get(address[1])
        assert page.status_code == 200
    assert "剩 0:" in page.text
    assert "连续驾驶不超过4小时" in page.text
    assert "did-drive" in page.text
    looks = [look for name in ("v0", "v1") for look in installed.desk.decisions.subject_looks(name)]
    assert [(look.what, look.who) for look in looks] == [("live", "regulator-a")]
    installed.clock.now += timedelta(minutes=11)
    visitor.get(address[1], headers={"X-Fragment": "live"})
    assert len([look for name in ("v0", "v1") for look in installed.desk.decisions.subject_looks(name)]) == 2
    # An address of somebody else's session is none.
    other = installed.visitor(installed.consumer("regulator-b", "regulator", (SUPERVISION,)))
    other.get("/console/live")
    assert other.get(address[1]).status_code == 404


def test_what_the_page_asks_by_itself_keeps_no_session_alive(installed: Installed) -> None:
    visitor = installed.visitor(installed.consumer("regulator-a", "regulator", (SUPERVISION,)))
    assert "set-cookie" in visitor.get("/console/live").headers
    for path in ("live/stream", "live/alerts", "live/table"):
        assert "set-cookie" not in visitor.get(f"/console/{path}", headers={"X-Fragment": "live"}).headers, path
    installed.clock.now += timedelta(minutes=31)
    assert visitor.get("/console/live/stream").status_code == 303


def test_the_relay_tells_what_is_wrong_and_recovers_with_another_run(tmp_path: Path, port: int) -> None:
    now, nowhere = [0.0], free_port()
    relay = LiveRelay(f"http://127.0.0.1:{nowhere}", READER, clock=lambda: now[0])
    relay.refresh()
    assert (relay.state, relay.rows()) == ("absent", None)
    runs = []
    for name in ("a", "b"):
        with live_service(tmp_path / name, nowhere):
            wrong = LiveRelay(f"http://127.0.0.1:{nowhere}", KEY, clock=lambda: now[0])
            wrong.refresh()
            assert wrong.state == "refused"
            now[0] += 10.0
            relay.refresh()
            assert relay.state == "here"
            rows = relay.rows()
            assert rows is not None
            runs.append(rows[0].run)
            assert rows[1]["known"].sum() == 2
        now[0] += 10.0
        relay.refresh()
        # What was seen last is kept.
        assert relay.state == "absent"
        assert relay.rows() is not None
    assert runs[0] != runs[1]
    assert relay.since(runs[0], 0, None) is None


def own_page(installed: Installed, driver: str) -> str:
    """Return the page of a driver who opens the link that he was sent."""
    with closing(CareBook(installed.settings)) as book:
        secret, _ = book.issue_link(driver, days=7, by="周敏", at=installed.clock.now)
    visitor = installed.visitor()
    assert visitor.send("/console/me/open", "/console/me/open", link=secret).status_code == 303
    return visitor.get("/console/me").text


def test_a_driver_sees_the_duty_of_his_card_and_the_advice_that_follows_from_it(
    served: None, tmp_path: Path, port: int
) -> None:
    made = tiny_console(tmp_path, live_url=f"http://127.0.0.1:{port}", live_key=SecretStr(READER), health_data=True)
    with closing(CareBook(made.settings)) as book:
        said = {"version": "v", "channel": "page", "by": "本人", "at": made.clock.now}
        book.consent(DRIVER, "fatigue_care", given=True, **said)
        book.declare(DRIVER, Declared(code="sleep_apnoea_untreated", until=date(2027, 6, 1)), by="本人", at=made.clock.now)
    duty = own_page(made, DRIVER).split('id="duty"')[1].split("</section>")[0]
    assert re.search("您的卡自 [0-9-]{10} 06:00", duty), "local time"
    # Three and three quarter hours of four, and of the two that are advised nothing is left.
    assert re.search(r'<td class="num">3\.8</td><td class="num">0\.2</td>', duty), duty
    assert "现在请休息" in duty
    assert "没有您的插卡记录" in own_page(made, "e" * 24)


def test_without_a_live_service_a_driver_still_opens_his_page(lonely: Installed) -> None:
    assert "实时服务目前没有应答" in own_page(lonely, DRIVER)

"""The live score of fatigue: the batch's to the last byte, forecast as each minute gives, grey when stale, and a rule."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from starlette.applications import Starlette

from features.live.cards import CardEvent
from features.live.documents import iso
from features.live.fatigue import TIER_RANKS, Why
from features.online import OnlineInputs, OnlineStore
from features.supervision.live_watch import LiveWatch
from features.supervision.supervisor import Supervisor
from registry.access.changes import Writer
from registry.access.terms import Term
from registry.care.book import CareBook
from registry.care.health import Declared
from registry.decisions import DecisionLedger
from registry.errors import ServiceUnavailable
from registry.products import DRIVER_FATIGUE
from registry.settings import Settings
from registry.supervision.book import AlertBook
from registry.supervision.events import AlertEvent
from serving.desk import complete
from serving.live_schemas import DutyOut, LiveScoreOut, MinuteScoreOut
from serving.replay import replay_of
from serving.rows import score_many
from tests.lib.access import REQUEST, activate, token_of
from tests.lib.client import AppClient
from tests.lib.fatigue import Fleet, fatigue_bundle
from tests.lib.homes import make_live
from tests.lib.positions import Leg, at
from tests.lib.processes import free_port

SAME = ("score", "points", "percentile", "tier", "answer", "reasons", "groups", "decomposition", "no_score", "coverage")


@pytest.fixture
def fleet(tiny: Settings, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tiny, tmp_path)
    yield made
    made.close()


def stored_answer(fleet: Fleet, slot: int):
    """Return what the scoring service says of a vehicle whose live row has been pushed to the online store."""
    cutoff, values = fleet.service.engine.fold.duty_rows(np.array([slot]))
    fleet.service.engine.push.write(np.array([slot]), cutoff, values, fleet.service.clock())
    store = OnlineStore(fleet.settings, lambda: datetime.now(UTC))
    (inputs,) = store.read_many(DRIVER_FATIGUE.id, [fleet.vehicles[slot][0]])
    store.close()
    assert isinstance(inputs, OnlineInputs)
    model = fleet.fatigue._model.scorer
    return inputs, score_many(model, [complete(model, inputs)], product=DRIVER_FATIGUE)[0]


def test_the_live_score_is_that_of_the_stored_row_to_the_last_byte(fleet: Fleet) -> None:
    fleet.drives(0, [Leg("07:00", "10:40", 70.0)])
    fleet.drives(1, [Leg("07:30", "08:10", 60.0), Leg("08:10", "08:20", 0.0), Leg("08:20", "10:40", 60.0)])
    fleet.look(at("10:35"))
    for slot in (0, 1):
        inputs, stored = stored_answer(fleet, slot)
        live_inputs, live = fleet.fatigue.scored(slot, fleet.start_s + at("10:35"))
        assert live.encoded == stored.encoded
        assert live.answer["points"] is not None
        for name in SAME:
            assert json.dumps(live.answer[name]) == json.dumps(stored.answer[name]), name
        board = fleet.fatigue.board
        assert board.points[slot] == pytest.approx(live.answer["points"], abs=1e-9)
        assert board.tier[slot] == TIER_RANKS[live.answer["tier"]["code"]]
        assert board.signals(fleet.start_s + at("10:35"))["fatigue_tier"][slot] == board.tier[slot]
        # The age of the hour is that of the row, and not of the last delivery.
        for one in (inputs, live_inputs):
            (hour,) = [age for age in one.sources if age.resource == "driving_hour"]
            assert hour.complete_until == datetime.fromtimestamp(int(board.row_s[slot]), UTC)


def test_the_forecast_is_what_each_minute_gives(fleet: Fleet) -> None:
    fleet.drives(0, [Leg("07:00", "12:00", 70.0)])
    fleet.drives(1, [Leg("08:55", "12:00", 70.0)])
    fleet.look(at("09:50"))
    fleet.fatigue.look_ahead(fleet.start_s + at("09:50"))
    board, model = fleet.fatigue.board, fleet.fatigue._model.scorer
    assert board.why.tolist() == [Why.SCORED, Why.SHORT]
    minutes = np.arange(241)
    _, orange, red = model.manifest.cut_points
    for slot in (0, 1):
        begin = int(board.ahead_s[slot])
        cutoff, values = fleet.service.engine.fold.rows_ahead(np.array([slot]), begin + 60 * minutes[None, :])
        there = cutoff[0] > 0
        matrix, known = fleet.fatigue._inputs.matrix(model, np.full(there.sum(), slot), values[0, there])
        assert known.all()
        points = np.full(len(minutes), np.nan)
        points[there] = model.scorer.points(matrix)
        for cut, told in ((orange, board.orange_min[slot]), (red, board.red_min[slot])):
            over = minutes[np.nan_to_num(points, nan=-1.0) >= cut]
            assert told == (over[0] if len(over) else math.inf)
    assert 0 < board.orange_min[0] < math.inf
    # Nothing is said of now in the first hour after a rest, and of later all the same.
    assert 30 < board.orange_min[1] < math.inf
    document = fleet.service.duty(fleet.vehicles[1][0])["fatigue"]
    assert (document["tier"]["code"], document["why"]["code"]) == ("grey", "short")
    # The clock of a replay goes on while this test runs.
    assert document["forecast"]["minutes_to_orange"] == pytest.approx(board.orange_min[1], abs=2)


def test_a_vehicle_that_is_not_heard_of_has_no_score(fleet: Fleet) -> None:
    fleet.drives(0, [Leg("07:00", "10:00", 70.0)])
    tiers = fleet.look(at("09:59:30"))
    assert tiers[0] >= 1.0
    vehicle = fleet.vehicles[0][0]
    assert fleet.service.duty(vehicle)["fatigue"]["tier"]["code"] != "grey"
    fleet.service.saw((fleet.start_s + at("10:09")) * 1_000_000)
    assert fleet.service.duty(vehicle)["fatigue"]["why"]["code"] == "scored"
    # Nobody has looked since: whoever asks is told that it is stale all the same.
    fleet.service.saw((fleet.start_s + at("10:11")) * 1_000_000)
    document = fleet.service.duty(vehicle)["fatigue"]
    assert (document["tier"]["code"], document["why"]["code"], document["points"]) == ("grey", "stale", None)
    assert fleet.fatigue.board.seen_at(fleet.start_s + at("10:11")).tier.tolist() == [0, 0]
    assert np.isnan(fleet.look(at("10:02"))[0])
    assert fleet.look(at("10:30"))[0] != 0.0
    assert fleet.fatigue.board.why.tolist() == [Why.STALE, Why.UNHEARD]


def test_one_score_a_minute_and_vehicle_and_none_where_nothing_came(fleet: Fleet) -> None:
    fleet.drives(0, [Leg("07:00", "10:00", 70.0)])
    for clock in ("09:00", "09:01", "09:02"):
        fleet.look(at(clock))
    assert fleet.fatigue.status()["scored"] == 3
    fleet.fatigue.tiers(_again(fleet, at("09:02:20")))
    assert fleet.fatigue.status()["scored"] == 3


def _again(fleet: Fleet, at_s: int):
    from features.live.fatigue import FatigueRows

    return FatigueRows.take(fleet.service.engine.fold, fleet.start_s + at_s)


def test_a_promotion_is_taken_up_without_a_restart(fleet: Fleet) -> None:
    fleet.drives(0, [Leg("07:00", "10:00", 70.0)])
    fleet.look(at("09:30"))
    before, points = fleet.fatigue.board.digest, fleet.fatigue.board.points[0]
    other = fatigue_bundle(driving=0.5)
    make_live(fleet.settings, [other])
    fleet.fatigue.tiers(_again(fleet, at("09:30:10")))
    board = fleet.fatigue.board
    assert before != board.digest == other.digest
    assert board.points[0] != points
    assert fleet.service.duty(fleet.vehicles[0][0])["fatigue"]["model"]["digest"] == other.digest


def test_a_model_that_does_not_verify_changes_nothing(fleet: Fleet) -> None:
    fleet.drives(0, [Leg("07:00", "10:00", 70.0)])
    fleet.look(at("09:30"))
    before = fleet.fatigue.board.digest
    make_live(fleet.settings, [fatigue_bundle(driving=0.5)], sign=False)
    fleet.look(at("09:31"))
    assert fleet.fatigue.board.digest == before
    assert "sign" in fleet.fatigue.status()["problem"]


def test_without_a_model_nothing_is_scored(tiny: Settings, tmp_path: Path) -> None:
    fleet = Fleet(tiny, tmp_path, bundles=[])
    fleet.drives(0, [Leg("07:00", "10:00", 70.0)])
    assert np.isnan(fleet.look(at("09:30"))[0])
    assert fleet.service.duty(fleet.vehicles[0][0])["fatigue"]["why"]["code"] == "no_model"
    make_live(fleet.settings, [fatigue_bundle()])
    assert fleet.look(at("09:31"))[0] >= 1.0
    fleet.close()


def watched(fleet: Fleet, clocks: Iterator[str]) -> list[AlertEvent]:
    book = AlertBook.open(fleet.settings)
    supervisor = Supervisor(fleet.service.engine.fold, fleet.service.roster)
    watch = LiveWatch(fleet.service, supervisor, book, lambda: fleet.service.now)
    for clock in clocks:
        fleet.until(at(clock))
        watch.look(fleet.start_s + at(clock))
        look = watch._waiting.get()
        with suppress(ServiceUnavailable):
            watch._take(look)
    alerts = book.alerts(lambda alert: alert.rule_id == "fatigue_score")
    told = [line.what for alert in reversed(alerts) for line in alert.lived if isinstance(line.what, AlertEvent)]
    book.close()
    return told


def minutes(start: str, end: str) -> Iterator[str]:
    return (f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(at(start) // 60, at(end) // 60))


def test_an_alert_rises_with_the_score_and_goes_with_the_rest_and_its_decision_replays(fleet: Fleet) -> None:
    fleet.drives(0, [Leg("06:00", "11:00", 70.0), Leg("11:00", "12:00", 0.0)])
    told = watched(fleet, minutes("08:00", "12:00"))
    kinds = [event.kind for event in told]
    assert kinds[0] == "raised"
    assert kinds[-1] == "cleared"
    assert told[0].severity == "orange"
    # A rest is one after 20 minutes, and the alert goes five minutes later.
    assert told[-1].at_s == fleet.start_s + at("11:25")
    ledger = DecisionLedger.open(fleet.settings)
    for event in told:
        assert bool(event.score_id) == (event.kind in {"raised", "worsened", "reopened"})
        if event.score_id:
            decision = ledger.get(event.score_id)
            assert decision.request_id == f"alert:{event.alert_id}"
            assert decision.answer["tier"]["code"] == event.severity
            assert decision.entity_id == event.vehicle_id
            scorer = fleet.fatigue._model.current.with_digest(decision.product, decision.digest)
            assert replay_of(decision, scorer, at=datetime.now(UTC))["equal"] is True
    ledger.close()


def test_an_alert_waits_until_its_decision_can_be_recorded(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.drives(0, [Leg("06:00", "11:00", 70.0)])
    record = fleet.fatigue._decisions.record_many
    refused = []

    def refuses(decisions, **beside):
        if len(refused) < 3:
            refused.append(len(decisions))
            raise ServiceUnavailable("the ledger is locked")
        return record(decisions, **beside)

    monkeypatch.setattr(fleet.fatigue._decisions, "record_many", refuses)
    told = watched(fleet, minutes("08:00", "11:00"))
    assert refused == [1, 1, 1]
    assert [event.kind for event in told][:1] == ["raised"]
    ledger = DecisionLedger.open(fleet.settings)
    assert ledger.get(told[0].score_id).entity_id == fleet.vehicles[0][0]
    ledger.close()


def test_the_document_has_at_most_four_reasons_and_the_model(fleet: Fleet) -> None:
    fleet.drives(0, [Leg("05:00", "10:00", 70.0)])
    fleet.look(at("09:55"))
    fleet.fatigue.look_ahead(fleet.start_s + at("09:55"))
    document = fleet.service.duty(fleet.vehicles[0][0])["fatigue"]
    assert 1 <= len(document["reasons"]) <= 4
    assert document["model"]["version"] == "1"
    assert document["age_s"] >= 0
    assert document["forecast"]["minutes_to_orange"] == 0
    assert "已达到橙色" in document["forecast"]["zh"]


ROOT = "/v1/vehicle_supervision/live/vehicles"
SCORE = "/v1/driver_fatigue/live/vehicles"


@pytest.fixture
def ask(fleet: Fleet) -> dict[str, AppClient]:
    """Return clients of an authority, of the carrier of the first vehicle, of another one, of an insurer, and of one without."""
    fleet.drives(0, [Leg("05:00", "10:00", 70.0)])
    fleet.look(at("09:55"))
    fleet.fatigue.look_ahead(fleet.start_s + at("09:55"))
    now = datetime.now(UTC)
    settings, writer = fleet.settings, Writer(fleet.settings, "李工", now)
    roles = {"authority": "regulator", "carrier": "operator", "stranger": "operator", "insurer-a": "insurer", "late": "operator"}
    subjects = {"carrier": fleet.vehicles[0][1], "stranger": "0" * 24, "late": fleet.vehicles[0][1]}
    for consumer, role in roles.items():
        writer.add_consumer(consumer, role=role, zh="消费方", en="consumer", subject=subjects.get(consumer))
        for product in () if consumer == "late" else ("vehicle_supervision", "driver_fatigue"):
            term = Term(now.date() - timedelta(days=1), now.date() + timedelta(days=900))
            activate(settings, replace(REQUEST, consumer=consumer, product=product, charge="public", term=term), now)
    app = fleet.service.app(fleet.fatigue.routes())
    clients = {consumer: AppClient(app, key=token_of(settings, consumer, now)) for consumer in roles}
    return clients | {"nobody": AppClient(app)}


def test_live_duty_and_score_are_read_by_whose_vehicle_it_is(fleet: Fleet, ask: dict[str, AppClient]) -> None:
    vehicle = fleet.vehicles[0][0]
    for consumer in ("authority", "carrier"):
        answer = ask[consumer].get(f"{ROOT}/{vehicle}")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        DutyOut.model_validate(found)
        assert found["limits"]
        assert found["fatigue"]["tier"]["code"] in {"orange", "red"}
        # A scenario that lets groups out lets no single input's points out.
        assert found["fatigue"]["decomposition"] is None
        assert found["fatigue"]["groups"]
    statuses = {consumer: ask[consumer].get(f"{ROOT}/{vehicle}").status_code for consumer in ask}
    assert statuses == {"authority": 200, "carrier": 200, "stranger": 404, "insurer-a": 403, "late": 403, "nobody": 401}
    unknown = ask["carrier"].get(f"{ROOT}/{'0' * 24}").json()
    hidden = ask["stranger"].get(f"{ROOT}/{vehicle}").json()
    assert {**unknown, "instance": ""} == {**hidden, "instance": ""}


def test_a_live_score_that_a_consumer_reads_is_a_recorded_decision(fleet: Fleet, ask: dict[str, AppClient]) -> None:
    vehicle = fleet.vehicles[0][0]
    found = ask["carrier"].get(f"{SCORE}/{vehicle}").json()
    LiveScoreOut.model_validate(found)
    assert found["answer"]["tier"]["code"] in {"orange", "red"}
    assert found["forecast"]["minutes_to_orange"] == 0
    ledger = DecisionLedger.open(fleet.settings)
    decision = ledger.get(found["answer"]["score_id"])
    assert (decision.consumer, decision.entity_id, decision.detail) == ("carrier", vehicle, "groups")
    assert [one.n for one in ledger.usage(consumer="carrier") if one.kind == "score"] == [1]
    scorer = fleet.fatigue._model.current.with_digest(decision.product, decision.digest)
    assert replay_of(decision, scorer, at=datetime.now(UTC))["equal"] is True
    # A vehicle that was never heard of has no score, and nothing is recorded.
    other = ask["authority"].get(f"{SCORE}/{fleet.vehicles[1][0]}").json()
    LiveScoreOut.model_validate(other)
    assert (other["answer"], other["why"]["code"]) == (None, "unheard")
    statuses = {consumer: ask[consumer].get(f"{SCORE}/{vehicle}").status_code for consumer in ("stranger", "insurer-a", "late")}
    assert statuses == {"stranger": 404, "insurer-a": 403, "late": 403}
    ledger.close()


DRIVER = "d" * 24


def test_an_operator_sees_the_advice_that_its_driver_lets_it_see_and_nobody_else_does(
    fleet: Fleet, ask: dict[str, AppClient]
) -> None:
    vehicle, now = fleet.vehicles[0][0], datetime.now(UTC)
    fleet.service.drivers._log.add([CardEvent(fleet.start_s + at("05:00"), vehicle, DRIVER, "in")])
    before = ask["carrier"].get(f"{SCORE}/{vehicle}").json()
    assert before["health_notice"] is None
    with closing(CareBook(fleet.settings)) as book:
        said = {"version": "v", "channel": "page", "by": "本人", "at": now}
        book.consent(DRIVER, "fatigue_care", given=True, **said)
        book.declare(DRIVER, Declared(code="sleep_apnoea_untreated", until=date(2027, 6, 1)), by="本人", at=now)
        on = fleet.settings.model_copy(update={"health_data": True})

        def notices(settings: Settings = on) -> dict[str, Any]:
            fleet.fatigue._settings = settings
            app = fleet.service.app(fleet.fatigue.routes())
            return {
                consumer: AppClient(app, key=token_of(fleet.settings, consumer, now)).get(f"{SCORE}/{vehicle}").json()
                for consumer in ("authority", "carrier")
            }

        # The consent is for the driver himself only.
        assert [one["health_notice"] for one in notices().values()] == [None, None]
        book.consent(DRIVER, "fatigue_care_employer", given=True, **said)
        told = notices()
        assert told["authority"]["health_notice"] is None
        assert told["carrier"]["health_notice"]["advised_rest_in_min"] == 0
        LiveScoreOut.model_validate(told["carrier"])
        assert "apnoea" not in json.dumps(told["carrier"])
        assert told["carrier"]["answer"]["points"] == before["answer"]["points"]
        assert told["carrier"]["answer"]["tier"] == before["answer"]["tier"]
        assert notices(fleet.settings)["carrier"]["health_notice"] is None
        book.consent(DRIVER, "fatigue_care_employer", given=False, **said)
        assert notices()["carrier"]["health_notice"] is None


def served(fleet: Fleet) -> Iterator[tuple[str, uvicorn.Server]]:
    """Serve the readers of a fleet over a real line."""
    monkey = pytest.MonkeyPatch()
    monkey.setattr("serving.fatigue.readers.STREAM_S", 2.5)
    port = free_port()
    app = Starlette(routes=fleet.fatigue.routes())
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}", server
    finally:
        monkey.undo()
        server.should_exit = True
        thread.join()


STREAM = "/v1/driver_fatigue/live/stream"


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Return (id, value) of the scores of a stream."""
    blocks = [dict(line.split(": ", 1) for line in block.splitlines() if ": " in line) for block in text.split("\n\n")]
    return [(block["id"], json.loads(block["data"])) for block in blocks if block.get("event") == "score"]


def test_minute_scores_stream_to_whose_vehicles_they_are_and_resume(fleet: Fleet, ask: dict[str, AppClient]) -> None:
    vehicle, now = fleet.vehicles[0][0], datetime.now(UTC)
    keys = {name: token_of(fleet.settings, name, now) for name in ("authority", "carrier", "stranger", "insurer-a", "late")}
    with contextmanager(served)(fleet) as (url, _), httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        def streamed(name: str, **headers: str) -> list[tuple[str, dict[str, Any]]]:
            with client.stream("GET", STREAM, headers={"Authorization": f"Bearer {keys[name]}", **headers}) as answer:
                assert answer.status_code == 200, answer.read()
                assert answer.headers["content-type"].startswith("text/event-stream")
                return events_of("".join(answer.iter_text()))

        first = streamed("carrier")
        assert [one["vehicle_id"] for _, one in first] == [vehicle]
        mark, value = first[0]
        MinuteScoreOut.model_validate(value)
        board = fleet.fatigue.board
        assert value["points"] == round(float(board.points[0]), 1)
        assert value["tier"]["code"] in {"orange", "red"}
        assert value["forecast"]["minutes_to_orange"] == 0
        assert value["score_id"] is None
        # Nothing is repeated to who has seen it; the next minute's value comes, and the newest alone.
        assert streamed("carrier", **{"Last-Event-ID": mark}) == []
        for clock in ("09:56", "09:57", "09:58"):
            fleet.look(at(clock))
        again = streamed("carrier", **{"Last-Event-ID": mark})
        assert [one["as_of"] for _, one in again] == [iso(int(board.row_s[0]))]
        assert streamed("stranger") == []
        assert {one["vehicle_id"] for _, one in streamed("authority")} == {vehicle}
        refused = {
            name: client.get(STREAM, headers={"Authorization": f"Bearer {keys[name]}"}).status_code
            for name in ("insurer-a", "late")
        }
        assert refused == {"insurer-a": 403, "late": 403}
        assert client.get(STREAM).status_code == 401
        wrong = client.get(STREAM, headers={"Authorization": f"Bearer {keys['carrier']}", "Last-Event-ID": "abc"})
        assert wrong.status_code == 422
        ledger = DecisionLedger.open(fleet.settings)
        counted = {one.consumer: one.n for one in ledger.usage() if one.kind == "minute_scores"}
        assert counted == {"carrier": 2, "authority": 1}
        ledger.close()


def test_a_streamed_score_behind_an_alert_names_its_decision_and_a_narrow_scenario_is_refused(
    fleet: Fleet, ask: dict[str, AppClient]
) -> None:
    now = datetime.now(UTC)
    event = AlertEvent(
        alert_id="a" * 24, kind="raised", rule_id="fatigue_score", vehicle_id=fleet.vehicles[0][0],
        enterprise_id=fleet.vehicles[0][1], at_s=fleet.start_s + at("09:55"), severity="orange", value=3.0, lapsed=False,
    )
    (backed,) = fleet.fatigue.backed([event])
    assert fleet.fatigue.seen()[1][0] == ""
    fleet.fatigue.keep()
    assert fleet.fatigue.seen()[1][0] == backed.score_id != ""
    fleet.look(at("09:57"))
    assert fleet.fatigue.seen()[1][0] == ""
    Writer(fleet.settings, "李工", now).add_consumer("narrow", role="regulator", zh="消费方", en="consumer")
    term = Term(now.date() - timedelta(days=1), now.date() + timedelta(days=900))
    activate(fleet.settings, replace(
        REQUEST, consumer="narrow", product="driver_fatigue", charge="public", term=term,
        resources=frozenset({"vehicle_location", "driving_hour"}),
    ), now)
    client = AppClient(Starlette(routes=fleet.fatigue.routes()), key=token_of(fleet.settings, "narrow", now))
    answer = client.get(STREAM)
    assert answer.status_code == 403
    assert "minute scores" in answer.json()["detail"]

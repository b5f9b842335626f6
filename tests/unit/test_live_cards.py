"""Cards in terminals: whose time is whose, the duty of a driver over several vehicles, a swap that ends a score, and no health."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from pydantic import SecretStr

from features.door.source import KEY_HEADER
from features.live.cards import CARDS_FILE, CardEvent, CardLog, driver_duty
from features.live.duty_now import rules_of
from features.live.fatigue import FatigueRows, Why
from features.live.fold import LiveFold
from features.live.roster import roster_of
from features.live.service import open_service
from features.products import PRODUCT_FEATURES
from features.pseudonyms import pseudonym
from registry.duty_rules import DUTY_RULES
from registry.errors import TrainingError
from registry.prohibited import refuse_prohibited
from registry.settings import Settings
from registry.signing import init_keys, pseudonym_keys
from tests.lib.client import AppClient
from tests.lib.live import fed, records
from tests.lib.positions import MIDNIGHT, Leg, at, drive

START_S = int(MIDNIGHT.timestamp())
SLOTS = {"v1": 0, "v2": 1}
RULES = rules_of("freight", START_S)


def card(clock, vehicle, driver, kind="in"):
    return CardEvent(START_S + at(clock), vehicle, driver, kind)


def folded(first, second=()):
    fold = LiveFold.empty(2)
    for slot, legs in enumerate((first, second)):
        if legs:
            fed(fold, records(drive(legs)), slot=slot, at_once=500)
    return fold


def duty(fold, log, driver, clock):
    entries = driver_duty(fold, log.sessions_of(driver), SLOTS, RULES, START_S + at(clock))
    return {entry.rule.rule_id: entry for entry in entries}


def test_another_card_begins_another_drivers_duty(tmp_path):
    log = CardLog(tmp_path)
    log.add([card("08:00", "v1", "a"), card("10:00", "v1", "b"), card("10:40", "v2", "a")])
    fold = folded([Leg("08:00", "12:30", 70.0)], [Leg("10:40", "12:30", 60.0)])
    assert fold.limits(START_S + at("12:30"), RULES, np.array([0]))["used_s"][0][0] == at("04:30")
    ours = {driver: duty(fold, log, driver, "12:30")["continuous_4h"] for driver in "ab"}
    assert ours["b"].used_s == at("02:30")
    # He had rested for 40 minutes between the two vehicles.
    assert ours["a"].used_s == at("01:50")
    assert ours["a"].reached_s == START_S + at("12:30") + 4 * 3600 - at("01:50")


def test_a_card_that_is_out_is_a_rest_until_now(tmp_path):
    log = CardLog(tmp_path)
    log.add([card("08:00", "v1", "a"), card("10:00", "v1", "a", "out")])
    fold = folded([Leg("08:00", "12:00", 70.0)])
    assert duty(fold, log, "a", "10:10")["continuous_4h"].used_s == at("02:00")
    assert duty(fold, log, "a", "10:30")["continuous_4h"].used_s == 0


def test_who_drives_alone_has_the_duty_of_his_vehicle(tmp_path):
    log = CardLog(tmp_path)
    log.add([card("00:00", "v1", "a")])
    legs = [Leg("06:00", "09:00", 70.0), Leg("09:00", "09:30", 0.0), Leg("09:30", "13:10", 80.0)]
    fold = folded(legs)
    for clock in ("12:00", "13:09:30"):
        now = START_S + at(clock)
        other = LiveFold.empty(2)
        found = records(drive(legs))
        fed(other, found[:int(np.searchsorted(found["time_s"], now, side="right"))], at_once=500)
        limits = other.limits(now, RULES, np.array([0]))[0]
        mine = duty(other, log, "a", clock)
        for rule, entry in zip(RULES, limits, strict=True):
            ours = mine[rule.rule_id]
            assert (ours.used_s, ours.remaining_s, ours.reached_s) == (entry["used_s"], entry["remaining_s"], entry["reached_s"])
    assert len(fold.stretches(0)) > 0


def test_sessions_follow_from_the_events_in_whatever_order_they_come(tmp_path):
    events = [
        card("08:00", "v1", "a"), card("09:00", "v1", "b"), card("10:00", "v1", "b", "out"), card("11:00", "v2", "b"),
        card("12:00", "v1", "b"), card("13:00", "v2", "a", "out"),
    ]
    straight, mixed = CardLog(tmp_path / "one"), CardLog(tmp_path / "two")
    assert straight.add(events) == len(events)
    for event in reversed(events):
        mixed.add([event])
    assert straight.add(events) == 0
    for log in (straight, mixed, CardLog(tmp_path / "two")):
        told = [(one.vehicle_id, (one.begin_s - START_S) // 3600, (one.end_s - START_S) // 3600) for one in log.sessions_of("b")]
        assert told[:2] == [("v1", 9, 10), ("v2", 11, 12)]
        assert told[2][:2] == ("v1", 12)
        assert log.driver_at("v1", START_S + at("08:30")).driver_id == "a"
        assert log.driver_at("v1", START_S + at("10:30")) is None
        assert log.swapped_s("v1", START_S + at("09:30")) == START_S + at("09:00")
        assert log.swapped_s("v2", START_S + at("11:30")) == 0


def test_a_torn_line_is_dropped_and_the_next_one_stands(tmp_path):
    log = CardLog(tmp_path)
    log.add([card("08:00", "v1", "a")])
    path = tmp_path / CARDS_FILE
    assert path.stat().st_mode & 0o077 == 0
    with path.open("ab") as file:
        file.write(b'{"at_s": 17')
    again = CardLog(tmp_path)
    assert again.add([card("09:00", "v1", "b")]) == 1
    assert len(CardLog(tmp_path).sessions_of("a")) == len(CardLog(tmp_path).sessions_of("b")) == 1


def test_nobody_is_scored_on_the_driving_of_another():
    fold = folded([Leg("06:00", "09:00", 70.0)], [Leg("06:00", "09:00", 70.0)])
    now = START_S + at("09:00")
    rows = FatigueRows.take(fold, now, np.array([START_S + at("08:30"), 0]))
    assert rows.why.tolist() == [Why.SWAPPED, Why.SCORED]
    assert rows.slots.tolist() == [1]
    # A swap before the rest that began this run changes nothing.
    assert FatigueRows.take(fold, now, np.array([START_S - 60, 0])).why.tolist() == [Why.SCORED, Why.SCORED]


@pytest.fixture
def service(tmp_path):
    settings = Settings(home=tmp_path / "home", keys_dir=tmp_path / "keys", push_key=SecretStr("secret"))
    init_keys(settings.keys_dir)
    keys = pseudonym_keys(settings.keys_dir, 1)
    roster = roster_of([("v1", pseudonym(keys, "plate", "赣A12345", "2"), "e", "1")], keys)
    made = open_service(settings, replay=True, roster=roster)
    fed(made.engine.fold, records(drive([Leg("08:00", "10:00", 70.0)])), at_once=500)
    made.saw((START_S + at("10:00")) * 1_000_000)
    yield made
    made.engine.corrections.close()
    made.intake.journal.close()
    made.engine.push.close()


def test_card_events_come_in_by_the_door_and_the_drivers_duty_goes_out(service):
    client = AppClient(service.app())
    row = {"plate_no": "赣A12345", "plate_color": "2", "qualification_no": "360102000123", "event": "in"}
    rows = [
        row | {"card_time": "2026-03-02T09:00:00+08:00"}, row | {"card_time": "2026-03-02T09:00:00"},
        row | {"plate_no": "赣Z99999", "card_time": "2026-03-02T09:00:00+08:00"}, row | {"card_time": "2026-03-03T09:00:00+08:00"},
    ]
    body = "\n".join(json.dumps(one) for one in rows).encode()
    assert client.post("/v1/live/cards", content=body).status_code == 401
    headers = {KEY_HEADER: "secret"}
    answer = client.post("/v1/live/cards", content=body, headers=headers).json()
    assert (answer["accepted"], answer["new"], [one["reason"] for one in answer["errors"]]) == (
        1, 1, ["no_time", "wrong_plate", "future"],
    )
    assert client.post("/v1/live/cards", content=b"{}", headers=headers).status_code == 422
    vehicle = client.get("/v1/live/vehicles/v1", headers=headers).json()
    assert vehicle["driver"]["limits"]
    driver = client.get(f"/v1/live/drivers/{vehicle['driver']['driver_id']}", headers=headers).json()
    assert driver == vehicle["driver"]
    used = {limit["rule"]: limit["used_s"] for limit in driver["limits"]}
    assert used["continuous_4h"] == 3600
    assert driver["vehicle_id"] == "v1"
    assert client.get("/v1/live/drivers/nobody", headers=headers).status_code == 404
    # The number on the card is kept nowhere.
    assert "360102000123" not in (service.engine.corrections.folder / CARDS_FILE).read_text()
    assert len(DUTY_RULES) >= len(driver["limits"])


@pytest.mark.parametrize("name", ["driver_health_state", "health_certificate_valid", "duty_health"])
def test_no_input_about_health_gets_into_a_model_of_fatigue(name):
    feature = replace(PRODUCT_FEATURES["driver_fatigue"].features[0], name=name)
    with pytest.raises(TrainingError, match="health"):
        refuse_prohibited("driver_fatigue", [feature])

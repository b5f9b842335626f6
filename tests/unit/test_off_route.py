"""Hazmat vehicles off their declared route: the corridor, its grade, one alert with the terminal's own, and what is declared."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from click.testing import CliRunner

from features.live.fold import LiveFold
from features.live.road_map import road_map
from features.live.roster import roster_of
from features.pseudonyms import pseudonym
from features.simulation.assumptions import Assumptions
from features.simulation.declared_routes import DEVIATING_SHARE, declared_days, declared_lines, hazmat_vehicles
from features.simulation.identities import make_identities
from features.simulation.presets import preset_named
from features.simulation.world import build_world
from features.supervision.corridors import Corridors, Declaration, DeclaredRoutes, write_declarations
from features.supervision.engine import AlertBoard
from features.supervision.route_lines import declarations_of
from features.supervision.signals import OFF_ROUTE_BIT, off_route_grade
from features.supervision.supervisor import Supervisor
from registry.errors import InvalidRequest
from registry.supervision.rule_table import OFF_ROUTE_FOR_S, RULES_BY_ID
from tests.lib.live import fed, records
from tests.lib.positions import MIDNIGHT, Leg, at, drive

PLATE = "00000000000000aa"
RULE = RULES_BY_ID["hazmat_off_route"]
START_S = int(MIDNIGHT.timestamp())
ALWAYS = {"from_s": 0, "until_s": 2**40}
KEY = b"k" * 32


def roster(code="3"):
    return roster_of([("v1", PLATE, "e1", code)], None)


def eastward(lat=28.0, **more):
    return Declaration(plate_id=PLATE, line=((115.0, lat), (116.0, lat)), **(ALWAYS | more))


def beyond(declarations, lon, lat, at_s=START_S):
    return Corridors(road_map(), roster(), declarations).beyond_km(at_s, np.array([lon]), np.array([lat]))[0]


# One degree of latitude is 111.2 km; the corridor is half a kilometre to each side.
@pytest.mark.parametrize(("north_km", "expected_km"), [(0.0, 0.0), (0.4, 0.0), (0.5, 0.0), (1.5, 1.0), (5.5, 5.0), (-2.5, 2.0)])
def test_how_far_beyond_the_corridor(north_km, expected_km):
    assert beyond([eastward()], 115.5, 28.0 + north_km / 111.2) == pytest.approx(expected_km, abs=1e-6)


def test_beyond_its_ends_it_is_beyond_too():
    assert beyond([eastward()], 116.0 + 10.0 / (111.2 * np.cos(np.deg2rad(28.0))), 28.0) == pytest.approx(9.5, abs=1e-6)


def test_what_does_not_hold_or_is_nowhere_says_nothing():
    assert np.isnan(beyond([], 115.5, 29.0))
    assert np.isnan(beyond([eastward(from_s=START_S + 1)], 115.5, 29.0))
    assert np.isnan(beyond([eastward(until_s=START_S)], 115.5, 29.0))
    assert np.isnan(beyond([eastward()], np.nan, np.nan))
    assert np.isnan(beyond([replace(eastward(), plate_id="00000000000000bb")], 115.5, 29.0))


def test_of_several_that_hold_the_nearest_counts():
    assert beyond([eastward(28.0), eastward(28.1)], 115.5, 28.1) == 0.0


def test_a_declared_road_is_its_whole_way():
    road = road_map().roads[0]
    declared = [Declaration(plate_id=PLATE, roads=(road.code,), **ALWAYS)]
    assert beyond(declared, *road.at(road.length_km / 2)) == 0.0
    assert beyond(declared, road.at(0.0)[0] + 1.0, road.at(0.0)[1] + 1.0) > 10.0


GRADES = [
    (np.nan, False, 0.0), (0.0, False, 0.0), (0.5, False, 0.5), (1.0, False, 1.0), (3.0, False, 1.5), (5.0, False, 2.0),
    (80.0, False, 2.0), (np.nan, True, 2.0), (0.0, True, 2.0), (1.0, True, 2.0),
]


@pytest.mark.parametrize(("km", "alarm", "grade"), GRADES)
def test_the_grade(km, alarm, grade):
    assert off_route_grade(np.array([km]), np.array([alarm])) == pytest.approx([grade])


def looked(values, step_s=30):
    board = AlertBoard(["v1"], ["e1"], ["hazmat"], (RULE,))
    events = []
    for number, (km, alarm) in enumerate(values):
        events += board.look(number * step_s, {RULE.signal: off_route_grade(np.array([km]), np.array([alarm]))})
    return [(event.at_s, event.kind, event.severity) for event in events]


def test_it_waits_and_what_flickers_about_the_edge_changes_nothing():
    n = OFF_ROUTE_FOR_S // 30
    assert looked([(1.2, False)] * n) == []
    assert looked([(1.2, False), (0.9, False)] * 20) == []
    # Once raised, a distance between both thresholds keeps it; the end waits as well.
    course = [(1.2, False)] * (n + 1) + [(0.5, False)] * 20 + [(0.0, False)] * n
    assert looked(course) == [(OFF_ROUTE_FOR_S, "raised", "orange")]
    assert looked([*course, (0.0, False)])[-1][1:] == ("cleared", "orange")


def test_terminal_and_corridor_are_one_alert():
    found = looked([(1.2, False)] * 10 + [(1.2, True)] * 10 + [(1.2, False)] * 10 + [(0.0, False)] * 10)
    assert [(kind, severity) for _, kind, severity in found] == [
        ("raised", "orange"), ("worsened", "red"), ("eased", "orange"), ("cleared", "orange"),
    ]


def test_the_terminal_alone_raises_red_after_a_minute_as_ever():
    assert looked([(np.nan, True)] * 4) == [(60, "raised", "red")]


def driven(routes, code="3", alarm=0):
    """Return the events of a vehicle that drives 40 minutes by the supervisor's own looks."""
    legs = [Leg("08:00", "08:40", 60.0)]
    rows = [row | {"alarm_bits": alarm} for row in drive(legs)]
    fold = LiveFold.empty(1, cap_kmh=roster(code).cap_kmh)
    supervisor = Supervisor(fold, roster(code), routes=routes)
    found, events, done = records(rows), [], 0
    for now in range(START_S + at("08:00"), START_S + at("08:41"), 60):
        upto = int(np.searchsorted(found["time_s"], now, side="right"))
        fed(fold, found[done:upto])
        done = upto
        events += supervisor.look(now)
    return [(event.kind, event.severity) for event in events if event.rule_id == RULE.rule_id]


def test_a_hazmat_vehicle_that_drives_elsewhere_is_told_once():
    elsewhere = Corridors(road_map(), roster(), [eastward(20.0)])
    assert driven(lambda: elsewhere) == [("raised", "red")]
    assert driven(lambda: elsewhere, alarm=OFF_ROUTE_BIT) == [("raised", "red")]


def test_who_drives_where_he_declared_or_declares_nothing_or_carries_nothing_dangerous_is_left_alone():
    here = drive([Leg("08:00", "08:40", 60.0)])
    line = tuple((row["lon_deg"], row["lat_deg"]) for row in here[::10])
    declared = Corridors(road_map(), roster(), [Declaration(plate_id=PLATE, line=line, **ALWAYS)])
    assert driven(lambda: declared) == []
    assert driven(None) == []
    freight = Corridors(road_map(), roster("8"), [eastward(20.0)])
    assert driven(lambda: freight, code="8") == []


LINE = {
    "plate_no": "赣A12345", "plate_color": "2", "from": "2026-06-30T00:00:00+08:00", "until": "2026-07-01T00:00:00+08:00",
    "line": [[115.0, 28.0], [116.0, 28.0]],
}


def test_a_line_becomes_a_declaration_by_pseudonym():
    (found,) = declarations_of([json.dumps(LINE).encode(), b"\n"], KEY, road_map())
    assert found.plate_id == pseudonym(KEY, "plate", "赣A12345", "2")
    assert found.until_s - found.from_s == 86_400


WRONG = [
    ({"until": LINE["from"]}, "until"), ({"from": "2026-06-30T00:00:00"}, "from"), ({"line": [[115.0, 28.0]]}, "two points"),
    ({"line": []}, "roads"), ({"roads": ["G60"]}, "no road"), ({"width_km": -1}, "width_km"), ({"driver": "x"}, "driver"),
    ({"line": [[115.0, 128.0], [116.0, 28.0]]}, "line"), ({"until": "2028-07-01T00:00:00+08:00"}, "366"),
]


@pytest.mark.parametrize(("change", "said"), WRONG)
def test_a_wrong_line_is_refused_and_its_plate_is_not_repeated(change, said):
    with pytest.raises(InvalidRequest, match=said) as met:
        declarations_of([json.dumps(LINE).encode(), json.dumps(LINE | change).encode()], KEY, road_map())
    assert "line 2" in str(met.value)
    assert "12345" not in str(met.value)


def test_a_file_that_changed_is_read_again_and_one_that_is_broken_keeps_the_last(tmp_path):
    path = tmp_path / "declared" / "routes.json"
    routes = DeclaredRoutes(path, 1, road_map(), roster())
    assert len(routes.corridors()) == 0
    write_declarations(path, [eastward()], epoch=1)
    assert len(routes.corridors()) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("{")
    assert len(routes.corridors()) == 1
    write_declarations(path, [eastward()], epoch=2)
    assert len(routes.corridors()) == 0


@pytest.fixture(scope="module")
def world():
    return build_world(preset_named("tiny"), 7, Assumptions())


def test_simulated_declarations_deviate_as_often_as_assumed_and_are_readable(world):
    found = declared_days(world, date(2026, 6, 1), 30)
    assert len(found) == 30 * len(hazmat_vehicles(world))
    share = np.mean([one.deviates for one in found])
    assert share == pytest.approx(DEVIATING_SHARE, abs=4 * np.sqrt(0.09 / len(found)))
    lines = [json.dumps(line).encode() for line in declared_lines(make_identities(world), found[:40])]
    assert len(declarations_of(lines, KEY, road_map())) == 40
    assert found == declared_days(world, date(2026, 6, 1), 30)


def test_the_commands_declare_and_say_how_many(tmp_path, monkeypatch):
    from registry.cli import roadrisk
    from registry.signing import init_keys

    monkeypatch.setenv("ROADRISK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(tmp_path / "keys"))
    init_keys(tmp_path / "keys")
    lasting = LINE | {"until": "2027-06-29T00:00:00+08:00"}
    runner, held = CliRunner(), tmp_path / "home/declared/hazmat_routes.json"

    def declare(lines, *options):
        text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
        return runner.invoke(roadrisk, ["live", "routes", "declare", "-", "--json", *options], input=text)

    one = declare([lasting])
    assert json.loads(one.output) == {"declared": 1, "holding": 1, "vehicles": 1}, one.output
    assert "12345" not in held.read_text()
    before = held.read_text()
    assert json.loads(declare([lasting | {"plate_no": "赣A54321"}]).output)["holding"] == 1
    assert held.read_text() != before
    assert declare([LINE | {"plate_no": ""}]).exit_code != 0
    assert json.loads(declare([LINE, lasting], "--add").output) == {"declared": 2, "holding": 3, "vehicles": 2}

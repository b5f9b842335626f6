"""Quality of the tiny province: measured at the door, judged by the command, and what is stale turns scores grey."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from features.online import OnlineStore
from features.quality.cli import quality
from features.quality.consistency import AGREEMENTS, CHECKS, references, run_checks
from features.quality.overview import look
from features.warehouse import Warehouse
from registry.entities import ENTERPRISE
from registry.products import ENTERPRISE_RISK
from registry.resources import RESOURCES
from registry.settings import Settings
from serving.no_score import missing_sources, no_score_of, unknown_inputs
from tests.lib.bundles import tiny_bundle, tiny_rows
from tests.lib.online import republish

YEARS_LATER = datetime(2031, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def home(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("quality") / "home"
    for name in ("warehouse", "feast"):
        shutil.copytree(tiny.home / name, folder / name)
    (folder / "province.json").write_text('{"preset": "tiny", "seed": 1}')
    (folder / "examples.json").write_bytes((tiny.home / "examples.json").read_bytes())
    return tiny.model_copy(update={"home": folder})


@pytest.fixture
def command(home: Settings, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("ROADRISK_HOME", str(home.home))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(home.keys_dir))
    return CliRunner()


def test_one_line_per_resource_for_people(command: CliRunner) -> None:
    shown = command.invoke(quality)
    assert shown.exit_code == 0, shown.output
    lines = shown.output.splitlines()
    assert all(any(line.startswith(f" {name} ") for line in lines) for name in RESOURCES)
    assert max(map(len, lines)) <= 120
    assert "snapshot clock" in lines[0]
    assert "█" in shown.output


def test_figures_for_machines(command: CliRunner) -> None:
    found = json.loads(command.invoke(quality, ["--json"]).output)
    assert [one["resource"] for one in found["resources"]] == list(RESOURCES)
    by_name = {one["resource"]: one for one in found["resources"]}
    day = by_name["vehicle_day"]
    assert day["verdict"] in ("ok", "warn")
    assert 0.98 < day["uniqueness"] <= 1.0
    assert day["age_d"] == 0.0
    assert day["consistency"] > 0.9
    assert sum(found["verdicts"].values()) == len(RESOURCES)
    assert {one["check"] for one in found["checks"]} == {check.id for check in CHECKS}


def test_history_names_every_delivery_of_one_resource(command: CliRunner, home: Settings) -> None:
    found = json.loads(command.invoke(quality, ["--resource", "claim", "--history", "--json"]).output)
    deliveries = Warehouse(home.warehouse_dir).deliveries("claim")
    assert [one["delivery_id"] for one in found["deliveries"]["claim"]] == [one.delivery_id for one in deliveries]
    assert sum(one["accepted"] for one in found["deliveries"]["claim"]) == sum(one.rows for one in deliveries)
    assert "complete until" in command.invoke(quality, ["--resource", "claim", "--history"]).output


def test_an_earlier_instant_sees_earlier_deliveries_only(home: Settings) -> None:
    at = datetime(2026, 1, 15, tzinfo=UTC)
    found = look(home, resource_id="claim", at=at, now=lambda: at)
    assert found.clock == "given"
    assert max(one.complete_until for one in found.deliveries["claim"]) <= at.isoformat()


def test_an_unknown_resource_is_refused(command: CliRunner) -> None:
    assert "no resource 'toll'" in str(command.invoke(quality, ["--resource", "toll"]).exception)


def test_checks_are_run_once_for_a_state_of_the_warehouse(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime(2026, 6, 1, tzinfo=UTC)
    first = look(home, at=at, now=lambda: at)
    monkeypatch.setattr("features.quality.overview.run_checks", lambda *_, **__: pytest.fail("was run again"))
    assert look(home, at=at, now=lambda: at).checks == first.checks


def test_every_declared_reference_is_checked() -> None:
    declared = sum(len(resource.references) for resource in RESOURCES.values())
    assert len(references()) == declared
    assert len({check.id for check in CHECKS}) == declared + len(AGREEMENTS)


def test_a_key_that_nobody_registered_is_counted(home: Settings, tmp_path: Path) -> None:
    shutil.copytree(home.warehouse_dir, tmp_path / "warehouse")
    warehouse = Warehouse(tmp_path / "warehouse")
    check = next(one for one in references() if (one.resource, one.target) == ("vehicle_day", "vehicle_transport_permit"))
    options = {"threads": 2, "memory_limit": "1GB", "spill_dir": tmp_path / "spill", "checks": (check,)}
    at = datetime(2026, 7, 1, tzinfo=UTC)
    (before,) = run_checks(warehouse, at, **options)
    assert before.held == before.compared > 100
    for path in warehouse.files(check.target)[:-1]:
        path.with_suffix(".json").unlink()
    (after,) = run_checks(warehouse, at, **options)
    assert (after.compared, after.held < before.held) == (before.compared, True)


@pytest.mark.parametrize(("clock", "simulated", "stale"), [
    ("auto", True, False), ("auto", False, True), ("snapshot", False, False), ("wall", True, True),
])
def test_the_clock_decides_what_is_stale(home: Settings, clock: str, simulated: bool, stale: bool) -> None:
    settings = home.model_copy(update={"clock": clock})
    republish(settings, simulated=simulated)
    store = OnlineStore(settings, lambda: YEARS_LATER)
    uscc = json.loads((home.home / "examples.json").read_text(encoding="utf-8"))["enterprise"][0]["uscc"]
    inputs = store.read("enterprise_risk", store.resolve(ENTERPRISE, {"uscc": uscc}))
    assert {age.stale for age in inputs.sources} == {stale}
    assert all((age.age_d > 1000) == stale for age in inputs.freshness.values() if age.age_d is not None)
    manifest = tiny_bundle("enterprise_risk").manifest
    values = tiny_rows(7, 1)[0]
    missing = missing_sources(ENTERPRISE_RISK, inputs.sources)
    reasons = no_score_of(manifest, values, unknown_inputs(manifest, values), missing, ENTERPRISE_RISK)
    named = {one["id"] for one in reasons["missing"] if one["kind"] == "source"} if reasons else set()
    assert named == (set(ENTERPRISE_RISK.mandatory) if stale else set())


def test_every_feature_has_its_freshness(tiny: Settings) -> None:
    store = OnlineStore(tiny)
    uscc = json.loads((tiny.home / "examples.json").read_text(encoding="utf-8"))["enterprise"][0]["uscc"]
    inputs = store.read("enterprise_risk", store.resolve(ENTERPRISE, {"uscc": uscc}))
    assert list(inputs.freshness) == list(inputs.values)
    for age in inputs.freshness.values():
        assert age.age_d is not None
        assert 0 <= age.age_d < 62
        assert age.event_timestamp is not None
        assert timedelta() <= store.as_of - age.event_timestamp < timedelta(days=62)

"""The monitor over the tiny province: figures that can be computed again, kept the same twice, and shown by the console."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from registry.settings import Settings
from serving.monitoring.cli import monitor
from serving.monitoring.report import report
from serving.monitoring.store import read_report, report_path, write_report
from serving.panel.build import build_panel
from serving.panel.reader import Panel
from tests.lib.consoles import tiny_console
from tests.lib.panels import copied, enterprise_bundle, promote_at

PRODUCT = "enterprise_risk"


@pytest.fixture(scope="module")
def home(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    from datetime import datetime

    from features.snapshot import read_snapshot

    settings = copied(tiny, tmp_path_factory.mktemp("monitor"))
    first = datetime.fromisoformat(read_snapshot(settings.feature_dir).cutoffs[0])
    promote_at(settings, enterprise_bundle(), 1, first)
    build_panel(settings)
    return settings


@pytest.fixture(scope="module")
def found(home: Settings) -> dict:
    return report(home, Panel.open(home), PRODUCT, min_cell=10)


def test_actual_over_expected_is_that_of_labels_and_panel(home: Settings, found: dict) -> None:
    panel = Panel.open(home)
    labels = pd.read_parquet(home.feature_dir / f"labels_{PRODUCT}.parquet")
    one = next(month for month in found["calibration"]["months"] if month["n"] > 100)
    month = panel.month(PRODUCT, one["month"])
    mine = labels[pd.to_datetime(labels["event_timestamp"], utc=True) == month.manifest.as_of_time]
    rate = dict(zip(month.ids, month.answers, strict=True))
    kept = mine[mine["enterprise_id"].isin(rate) & (mine["exposure_vehicle_year"] > 0)]
    expected = sum(rate[name] * weight for name, weight in zip(kept["enterprise_id"], kept["exposure_vehicle_year"], strict=True))
    if len(kept) == one["n"]:
        assert one["ratio"] == pytest.approx(kept["n_events"].sum() / expected)
    else:
        # Another cut-off of the same month is judged by this month's scores too.
        assert one["n"] > len(kept)
        assert one["expected"] > expected


def test_a_report_holds_every_part_and_no_entity(home: Settings, found: dict) -> None:
    assert {one["id"] for one in found["fairness"]} >= {"city", "owner", "fleet_size"}
    assert len(found["features"]) == 5
    assert np.isclose(sum(found["months"][-1]["tiers"].values()), 1.0)
    text = json.dumps(found, allow_nan=False)
    panel = Panel.open(home)
    assert not [name for name in panel.month(PRODUCT, found["months"][-1]["month"]).ids if name in text]


def test_the_same_report_twice_has_the_same_bytes(home: Settings, found: dict, tmp_path: Path) -> None:
    again = report(home, Panel.open(home), PRODUCT, min_cell=10)
    kept = home.model_copy(update={"home": tmp_path})
    assert write_report(kept, PRODUCT, found).read_bytes() == write_report(kept, PRODUCT, again).read_bytes()
    assert not list(report_path(kept, PRODUCT).parent.glob(".staging*"))


def test_the_command_keeps_what_it_shows(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADRISK_HOME", str(home.home))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(home.keys_dir))
    answer = CliRunner().invoke(monitor, ["--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["products"][PRODUCT] == read_report(home, PRODUCT)
    assert "what to do" in CliRunner().invoke(monitor, ["--product", PRODUCT]).stdout
    checked = CliRunner().invoke(monitor, ["--check"])
    acts = [one for one in (read_report(home, PRODUCT) or {})["alerts"] if one["state"] == "act"]
    assert checked.exit_code == (3 if acts else 0)
    nothing = CliRunner().invoke(monitor, ["--product", "maintenance"])
    assert "roadrisk panel build" in str(nothing.exception)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_pages_draw_the_report_and_say_what_to_do_without_one(found: dict, tmp_path: Path, language: str) -> None:
    installed = tiny_console(tmp_path)
    visitor = installed.visitor(installed.key)
    empty = visitor.get(f"/console/monitoring?product={PRODUCT}&lang={language}")
    assert "roadrisk monitor" in empty.text
    write_report(installed.settings, PRODUCT, {**found, "test": {"auc": 0.7, "window": None}})
    assert visitor.get(f"/console/monitoring?product={PRODUCT}").status_code == 200
    write_report(installed.settings, PRODUCT, found)
    text = visitor.get(f"/console/monitoring?product={PRODUCT}").text
    assert text.count('class="pill pill-') >= len(found["alerts"])
    assert "<circle" in text
    acts = [one["state"] for one in found["alerts"]].count("act")
    assert f"<strong>{acts}</strong>" in visitor.get("/console/overview").text
    fair = visitor.get(f"/console/fairness?product={PRODUCT}")
    assert fair.status_code == 200
    assert fair.text.count('aria-labelledby="d-') >= 3
    assert visitor.get("/console/monitoring?product=<script>").status_code == 200


def test_an_insurer_does_not_see_how_models_do(tmp_path: Path) -> None:
    installed = tiny_console(tmp_path)
    visitor = installed.visitor(installed.consumer("insurer-a", "insurer", ("insurance_pricing",)))
    assert visitor.get("/console/monitoring").status_code == 403
    assert visitor.get("/console/fairness").status_code == 403
    assert "/console/monitoring" not in visitor.get("/console/search").text
    engineer = installed.visitor(installed.consumer("engineer-a", "engineer", (PRODUCT,)))
    assert engineer.get("/console/monitoring").status_code == 200

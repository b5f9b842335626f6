"""A console over a copy of the tiny province with two live models, a panel and a few decisions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from features.snapshot import read_snapshot
from registry.access.local import init_local, local_token
from registry.entities import ENTERPRISE, VEHICLE
from registry.settings import Settings
from serving.app import create_app
from serving.gate import open_gate
from serving.panel.build import build_panel
from serving.start import make_desk
from tests.lib.consoles import Clock, Installed, name_enterprise
from tests.lib.desks import OPENED
from tests.lib.panels import copied, enterprise_bundle, promote_at
from tests.lib.real_bundles import rate_bundle

NAME = '<img src=x onerror="alert(1)">运输有限公司'
VEHICLE_INPUTS = ("distance_km_30d", "drive_h_30d", "active_days_30d")


@dataclass
class Portrayed:
    """What is installed, the keys of one enterprise and one vehicle of the province, and their pseudonyms."""

    installed: Installed
    settings: Settings
    uscc: str
    enterprise_id: str
    vehicle_key: dict[str, str]
    vehicle_id: str


def vehicle_bundle():
    """Return a model of `driver_fatigue` on inputs that every vehicle has."""
    return rate_bundle("driver_fatigue", VEHICLE_INPUTS, upper=(12000.0, 300.0, 30.0), weights=(1.0, 1.0, 0.5))


def portrayed(tiny: Settings, folder: Path, *, panel: bool = True) -> Portrayed:
    """Return a console whose enterprise and vehicle have a year of scores."""
    settings = copied(tiny, folder)
    cutoffs = [datetime.fromisoformat(text) for text in read_snapshot(settings.feature_dir).cutoffs]
    promote_at(settings, enterprise_bundle(), 1, cutoffs[0] - timedelta(hours=1))
    promote_at(settings, vehicle_bundle(), 1, cutoffs[0] - timedelta(hours=1))
    clock = Clock(datetime.now(UTC))
    init_local(settings, now=clock.now)
    if panel:
        build_panel(settings)
    desk = make_desk(settings)
    OPENED.append(desk.decisions)
    gate = open_gate(settings, desk.decisions, clock)
    examples = json.loads((settings.home / "examples.json").read_text(encoding="utf-8"))
    uscc, vehicle = examples["enterprise"][0]["uscc"], examples["vehicle"][0]
    plate = {name: vehicle[name] for name in ("plate_no", "plate_color")}
    key = local_token(settings)
    assert key is not None
    enterprise_id = desk.source.resolve(ENTERPRISE, {"uscc": uscc})
    name_enterprise(settings, enterprise_id, NAME)
    return Portrayed(
        Installed(create_app(desk, gate, console_of=settings), desk, settings, clock, key), settings, uscc, enterprise_id, plate,
        desk.source.resolve(VEHICLE, plate),
    )

"""A copy of the tiny province with live models of real features and a panel of it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from registry.bundle import ScoreBundle, write_bundle
from registry.chain import ChainLedger
from registry.promotion import LEDGER_FILE, TABLE
from registry.settings import Settings
from registry.signing import LEDGER_KEY, read_secret, sign_bundle
from tests.lib.real_bundles import rate_bundle

ENTERPRISE_INPUTS = ("case_per_vehicle_year", "fine_cny_per_vehicle_year", "fleet_size", "maintenance_overdue_share", "n_drivers")


def enterprise_bundle(weights: Sequence[float] = (2.0, 1.0, 0.5, 1.0, -0.5)) -> ScoreBundle:
    """Return a bundle of `enterprise_risk` over real features; other weights make another model."""
    return rate_bundle("enterprise_risk", ENTERPRISE_INPUTS, upper=(4.0, 4000.0, 40.0, 1.0, 60.0), weights=weights)


def copied(tiny: Settings, folder: Path) -> Settings:
    """Return settings of a copy of a home with its keys."""
    shutil.copytree(tiny.home, folder / "home", copy_function=shutil.copy)
    shutil.copytree(tiny.keys_dir, folder / "keys")
    return tiny.model_copy(update={"home": folder / "home", "keys_dir": folder / "keys"})


def promote_at(settings: Settings, bundle: ScoreBundle, version: int, at: datetime) -> None:
    """Let a bundle go live from an instant on; the gates of a promotion are another test's subject."""
    sign_bundle(write_bundle(bundle, settings.bundle_dir), settings.keys_dir)
    with ChainLedger(settings.ledger_dir / LEDGER_FILE, read_secret(settings.keys_dir, LEDGER_KEY), TABLE) as ledger:
        ledger.append(
            {"kind": "promote", "product": bundle.manifest.product, "version": version, "digest": bundle.digest,
             "previous": version - 1 or None, "approver": "test", "reason": "test"},
            at=at,
        )

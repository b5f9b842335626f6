"""A home folder with keys, signed tiny bundles and a promotion ledger that makes them live."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from registry.access.local import init_local, local_token
from registry.bundle import ScoreBundle, write_bundle
from registry.ledger_open import open_ledger
from registry.promotion import TABLE
from registry.settings import Settings
from registry.signing import init_keys, sign_bundle


def make_home(folder: Path, bundles: Sequence[ScoreBundle], *, sign: bool = True, ledger_url: str = "") -> Settings:
    """Return settings of a home where `bundles` are live, each as version 1; ledgers and access lie where the address says."""
    settings = Settings(home=folder / "home", keys_dir=folder / "keys", ledger_url=ledger_url)
    init_keys(settings.keys_dir)
    make_live(settings, bundles, sign=sign)
    init_local(settings, now=datetime.now(UTC))
    return settings


def home_over(tiny: Settings, folder: Path, bundles: Sequence[ScoreBundle]) -> tuple[Settings, list[dict[str, str]]]:
    """Return such a home with the features of a tiny province, still to be materialised, and the keys of its enterprises."""
    shutil.copytree(tiny.keys_dir, folder / "keys")
    settings = make_home(folder, bundles)
    shutil.copytree(tiny.feature_dir, settings.feature_dir)
    examples = json.loads((tiny.home / "examples.json").read_text(encoding="utf-8"))["enterprise"]
    return settings, [{"uscc": one["uscc"]} for one in examples]


def key_header(settings: Settings) -> dict[str, str]:
    """Return the header with the key of this machine."""
    return {"Authorization": f"Bearer {local_token(settings)}"}


def make_live(settings: Settings, bundles: Sequence[ScoreBundle], *, sign: bool = True) -> None:
    """Let bundles go live in a home that has keys.

    The ledger is written directly: the gates of a promotion want a registered model, which is another test's subject.
    """
    with open_ledger(settings, TABLE) as ledger:
        for bundle in bundles:
            target = write_bundle(bundle, settings.bundle_dir)
            if sign:
                sign_bundle(target, settings.keys_dir)
            ledger.append(
                {"kind": "promote", "product": bundle.manifest.product, "version": 1, "digest": bundle.digest,
                 "previous": None, "approver": "test", "reason": "test"},
                at=datetime(2026, 7, 4, tzinfo=UTC),
            )


def bundle_folder(settings: Settings, bundle: ScoreBundle) -> Path:
    """Return where a bundle lies in the home."""
    return settings.bundle_dir / f"{bundle.manifest.product}-{bundle.digest[:16]}"

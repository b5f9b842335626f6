"""Checks of an installation: each looks at one thing and says what to do about it. Nothing is changed."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from typing import Final, Literal

from registry.bundle import MANIFEST, read_files
from registry.errors import RoadRiskError
from registry.ledger_open import anchor_folder
from registry.promotion import live
from registry.settings import Settings
from registry.signing import (
    ANCHOR_KEY,
    ANCHOR_VERIFY_KEY,
    API_PEPPER,
    LEDGER_KEY,
    PSEUDONYM_KEY,
    SIGNING_KEY,
    VERIFY_KEY,
    WRAP_KEY,
    pseudonym_key_name,
    verify_files,
)

Status = Literal["ok", "warn", "fail"]
DISTRIBUTION: Final = "roadrisk"
SECRETS: Final = (PSEUDONYM_KEY, LEDGER_KEY, WRAP_KEY, API_PEPPER, SIGNING_KEY)
STACK: Final = ("feast", "lightgbm", "mlflow", "optuna", "shap", "bentoml", "pandas")
PRIVATE_MODE: Final = 0o600


@dataclass(frozen=True)
class Check:
    """What a check found. warn: works, but not everything; fail: something will not work."""

    name: str
    status: Status
    found: str
    remedy: str = ""


def examine(settings: Settings) -> list[Check]:
    """Run every check, in the order in which things are needed."""
    return [check(settings) for check in CHECKS]


def _stack(_settings: Settings) -> Check:
    from packaging.requirements import Requirement

    try:
        declared = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or ()]
    except metadata.PackageNotFoundError:
        return Check("stack", "fail", f"{DISTRIBUTION} is not installed", "Run `make setup`.")
    needed = [requirement for requirement in declared if not requirement.marker or requirement.marker.evaluate()]
    wrong = [f"{need.name} {_version(need.name)} is not {need.specifier}" for need in needed
             if not need.specifier.contains(_version(need.name), prereleases=True)]
    if wrong:
        return Check("stack", "fail", "; ".join(wrong), "Install again from constraints.txt with `make setup`.")
    return Check("stack", "ok", ", ".join(f"{name} {_version(name)}" for name in STACK))


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "0"


def _keys(settings: Settings) -> Check:
    folder, make = settings.keys_dir, "Make them with `roadrisk doctor --init-keys`."
    # The door needs the pseudonym keys of every epoch, the first as much as the newest.
    chain = [pseudonym_key_name(number) for number in range(2, settings.pseudonym_epoch + 1)]
    # The key of the anchors may be kept elsewhere; where it is here, nobody else may read it.
    private = [*SECRETS, *chain, *(name for name in (ANCHOR_KEY,) if (folder / name).is_file())]
    absent = [name for name in (*private, VERIFY_KEY) if not (folder / name).is_file()]
    if absent:
        return Check("keys", "fail", f"missing in {folder}: {', '.join(absent)}", make)
    loose = [name for name in private if stat.S_IMODE((folder / name).stat().st_mode) != PRIVATE_MODE]
    if loose:
        return Check("keys", "fail", f"others may read {', '.join(loose)}", f"Run chmod 600 on them in {folder}.")
    return Check("keys", "ok", f"{len(private) + 1} in {folder}, secrets with mode 0600")


def _keys_apart(settings: Settings) -> Check:
    keys, home = settings.keys_dir.resolve(), settings.home.resolve()
    if keys.is_relative_to(home):
        return Check("keys apart", "fail", f"{settings.keys_dir} lies inside {settings.home}",
                     "Set ROADRISK_KEYS_DIR to a folder outside ROADRISK_HOME: a key beside its data protects nothing.")
    return Check("keys apart", "ok", f"{settings.keys_dir} is outside {settings.home}")


def _anchors(settings: Settings) -> Check:
    folder, keys = anchor_folder(settings), settings.keys_dir
    if not (keys / ANCHOR_VERIFY_KEY).is_file():
        return Check("anchors", "fail", f"missing in {keys}: {ANCHOR_VERIFY_KEY}", "Make it with `roadrisk doctor --init-keys`.")
    if not (keys / ANCHOR_KEY).is_file():
        return Check("anchors", "warn", "the ledgers are not anchored from here: the signing key is elsewhere",
                     "Call `roadrisk ledger anchor` regularly where the key is.")
    if folder.resolve().is_relative_to(settings.home.resolve()):
        return Check("anchors", "warn", f"{folder} lies beside the ledgers",
                     "Set ROADRISK_ANCHOR_DIR to a folder on another machine: who rewrites a ledger must not reach its anchors.")
    return Check("anchors", "ok", f"{folder} is outside {settings.home}")


def _home(settings: Settings) -> Check:
    folder = settings.home.absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return Check("home", "fail", f"{folder} cannot be written", "Set ROADRISK_HOME to a folder you may write.")
    free_gb = shutil.disk_usage(folder).free / 1e9
    return Check("home", "ok", f"{settings.home} is writable, {free_gb:.0f} GB free")


def _port(settings: Settings) -> Check:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            return Check("port", "warn", f"{settings.host}:{settings.port}: {error.strerror}",
                         "Unless it is our own service: set ROADRISK_PORT to another port.")
    return Check("port", "ok", f"{settings.host}:{settings.port} is free")


def _java(_settings: Settings) -> Check:
    found = shutil.which("java")
    if found is None:
        return Check("java", "warn", "not found", "Only Spark needs it; the embedded platform does not.")
    return Check("java", "ok", found)


def _mlflow(settings: Settings) -> Check:
    path = settings.mlflow_dir / "mlflow.db"
    if not path.is_file():
        return Check("mlflow", "warn", "no database yet", "Train a model: `roadrisk train`.")
    try:
        # Asked directly and read-only: MLflow itself takes seconds to import and would migrate the database.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            (count,) = database.execute("SELECT count(*) FROM model_versions").fetchone()
    except sqlite3.Error as error:
        return Check("mlflow", "fail", f"{path}: {error}", "Restore the database from a backup.")
    return Check("mlflow", "ok", f"{count} model versions")


def _bundles(settings: Settings) -> Check:
    folders = sorted(path.parent for path in settings.bundle_dir.glob(f"*/{MANIFEST}"))
    refused = []
    for folder in folders:
        try:
            verify_files(read_files(folder), settings.keys_dir, where=folder.name)
        except RoadRiskError as error:
            refused.append(str(error))
    if refused:
        return Check("bundles", "fail", "; ".join(refused), "Restore them from the registry, or train again.")
    return Check("bundles", "ok", f"{len(folders)} verified")


def _live(settings: Settings) -> Check:
    try:
        models = live(settings)
    except RoadRiskError as error:
        return Check("live models", "fail", error.message, error.remedy)
    gone = [model.product for model in models.values() if not (model.folder / MANIFEST).is_file()]
    if gone:
        return Check("live models", "fail", f"bundle missing: {', '.join(gone)}", "Restore it, or roll back.")
    if not models:
        return Check("live models", "warn", "none", "Promote one: `roadrisk models promote`.")
    return Check("live models", "ok", ", ".join(f"{model.product} v{model.version}" for model in models.values()))


CHECKS: Final[tuple[Callable[[Settings], Check], ...]] = (
    _stack, _keys, _keys_apart, _anchors, _home, _port, _java, _mlflow, _bundles, _live,
)

"""Everything that is known about a version: its card with evidence, gates, approvals and what else lies beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.errors import IntegrityError, NotFound
from registry.evidence import card_folder, read_evidence

if TYPE_CHECKING:
    from registry.settings import Settings

CARD = "card.json"


@dataclass(frozen=True)
class Version:
    """A trained version, registered or not.

    Parameters
    ----------
    product, digest
        Together they name its bundle and its card.
    number
        Version in the model registry; None when it is not registered.
    """

    product: str
    digest: str
    number: int | None

    @property
    def name(self) -> str:
        """``product@number``, or the beginning of its digest where it has no number."""
        return f"{self.product}@{self.number}" if self.number is not None else f"{self.product} {self.digest[:12]}"


def find_version(settings: Settings, text: str, *, product: str | None = None) -> Version:
    """Return the version that somebody names.

    Parameters
    ----------
    text
        ``product@number``, a product (its live version, else its newest), a number where `product` is given, or the first
        characters (six or more) of a digest.

    Raises
    ------
    NotFound
        If there is no such version, or several digests begin like this.
    """
    named, _, number = text.partition("@")
    if number.isdecimal():
        return _registered(settings, named, int(number))
    if product is not None and text.isdecimal() and len(text) < 6:
        return _registered(settings, product, int(text))
    if len(text) >= 6 and all(letter in "0123456789abcdef" for letter in text):
        return _by_digest(settings, text, product)
    if product is None:
        return _registered(settings, text, None)
    raise NotFound(
        f"{text!r} names no version of {product}", where="model registry",
        remedy="Write a version's number or the first six or more characters of its digest; see `roadrisk models list`.",
    )


def newest_version(settings: Settings, product: str) -> Version:
    """Return the live version of a product, or else its newest.

    Raises
    ------
    NotFound
        If it has none.
    """
    return _registered(settings, product, None)


def whole_of(settings: Settings, version: Version) -> dict[str, Any]:
    """Return the card merged with everything found out since.

    The facts are those of the card of training; `judgement`, `oracle`, `gates`, `approvals` and `test_reads` stand beside them
    where there are any.

    Raises
    ------
    NotFound
        If the version has no card.
    IntegrityError
        If a card, evidence or a ledger does not verify.
    """
    from registry.models_cli import whole_card

    if version.number is not None:
        whole = whole_card(settings, version.product, version.number)
    else:
        evidence = read_evidence(settings, version.product, version.digest)
        whole = {**_card(settings, version), "judgement": evidence.get("judgement"), "oracle": evidence.get("oracle")}
    return {**whole, "sbom": whole.get("sbom") or _sbom(settings, version)}


def snapshot_record(settings: Settings, snapshot: str) -> dict[str, Any]:
    """Return hashes of the warehouse and of the feature tables behind a snapshot; empty when a newer one has replaced it."""
    from features.snapshot import read_snapshot

    try:
        found = read_snapshot(settings.feature_dir)
    except NotFound:
        return {}
    if found.digest != snapshot:
        return {}
    tables = {name: [rows, digest] for name, (rows, digest) in sorted(found.tables.items())}
    return {"warehouse": found.warehouse, "as_of": found.as_of, "tables": tables, "pseudonym_epoch": found.pseudonym_epoch}


def _registered(settings: Settings, product: str, number: int | None) -> Version:
    from registry.cli_options import chosen

    made = chosen(settings, product, number)
    return Version(made.product, made.digest, made.version)


def _by_digest(settings: Settings, text: str, product: str | None) -> Version:
    from registry.models import ModelRegistry

    registry = ModelRegistry(settings)
    found = {
        (made.product, made.digest): made.version
        for name in registry.products() if product in (None, name) for made in registry.versions(name)
        if made.digest.startswith(text)
    }
    for path in sorted((settings.home / "cards").glob(f"*-{text[:16]}*/{CARD}")):
        card = _read(path)
        if product in (None, card["product"]) and str(card["digest"]).startswith(text):
            found.setdefault((card["product"], card["digest"]), None)  # type: ignore[arg-type]
    if len(found) != 1:
        met = ", ".join(f"{name} {digest[:12]}" for name, digest in sorted(found)) or "none"
        raise NotFound(
            f"{len(found)} versions have a digest that begins with {text}", where="model registry",
            remedy=f"Met: {met}. See `roadrisk models list`.",
        )
    ((name, digest), number), = found.items()
    return Version(name, digest, number)


def _card(settings: Settings, version: Version) -> dict[str, Any]:
    path = card_folder(settings, version.product, version.digest) / CARD
    if not path.is_file():
        raise NotFound(f"{version.name} has no card", where=str(path), remedy="Train it again.")
    return _read(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_bytes())
    except ValueError as error:
        raise IntegrityError(f"the model card is no JSON: {error}", where=str(path), remedy="Train the version again.") from error
    if not isinstance(card, dict) or not {"product", "digest"} <= set(card):
        raise IntegrityError("the model card names no product and digest", where=str(path), remedy="Train the version again.")
    return card


def _sbom(settings: Settings, version: Version) -> Mapping[str, Any] | None:
    from registry.sbom import SBOM

    path = card_folder(settings, version.product, version.digest) / SBOM
    if not path.is_file():
        return None
    import hashlib

    content = path.read_bytes()
    components = json.loads(content).get("components") or []
    return {"file": SBOM, "standard": "CycloneDX", "components": len(components), "sha256": hashlib.sha256(content).hexdigest()}

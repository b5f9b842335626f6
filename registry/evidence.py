"""Evidence about a trained score: what was found out about it after training, kept as JSON beside its card.

A bundle and its card are finished at training. Comparison with baselines, fairness, robustness and, on a simulated province,
nearness to the truth are found out later and by other means; each is one document of a kind, and a newer one replaces the
older. Promotion reads them, and a card is shown together with them.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from registry.canonical_json import canonical_json
from registry.errors import DataError, IntegrityError
from registry.settings import Settings

FOLDER: Final = "evidence"
JUDGEMENT: Final = "judgement"
"""Kind of what `roadrisk evaluate` keeps."""
KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


def card_folder(settings: Settings, product: str, digest: str) -> Path:
    """Return where the card of a version and the evidence about it lie."""
    return settings.home / "cards" / f"{product}-{digest[:16]}"


def write_evidence(settings: Settings, product: str, digest: str, kind: str, document: Mapping[str, Any]) -> Path:
    """Keep a document about a version, whole or not at all; return its file.

    Parameters
    ----------
    kind
        Lower-case name such as ``judgement`` or ``oracle``.
    document
        Plain JSON values without NaN. Product and digest are written into it.

    Raises
    ------
    DataError
        If the kind is no plain name.
    """
    if not KIND.fullmatch(kind):
        raise DataError(f"a kind of evidence is a lower-case name, met {kind!r}", where=product)
    folder = card_folder(settings, product, digest) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{kind}.json"
    content = canonical_json({**document, "product": product, "digest": digest})
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".staging-", delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(target)
    return target


def read_evidence(settings: Settings, product: str, digest: str) -> dict[str, dict[str, Any]]:
    """Return the documents about a version by kind; empty when nothing has been found out yet.

    Raises
    ------
    IntegrityError
        If a document is no JSON object or speaks of another version.
    """
    paths = sorted((card_folder(settings, product, digest) / FOLDER).glob("*.json"))
    return {path.stem: _read(path, product, digest) for path in paths}


def evidence_of(settings: Settings, product: str, digest: str, kind: str) -> dict[str, Any] | None:
    """Return the document of one kind about a version, None where there is none; raises as `read_evidence` does."""
    path = card_folder(settings, product, digest) / FOLDER / f"{kind}.json"
    return _read(path, product, digest) if path.is_file() else None


def _read(path: Path, product: str, digest: str) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:
        raise IntegrityError(f"evidence is no JSON: {error}", where=str(path), remedy="Evaluate the version again.") from error
    if not isinstance(document, dict) or (document.get("product"), document.get("digest")) != (product, digest):
        raise IntegrityError(
            f"evidence speaks of another version than {product} {digest[:16]}", where=str(path),
            remedy="Evaluate the version again.",
        )
    return document

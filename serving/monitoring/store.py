"""Where the reports lie: one JSON per product, whole or not at all; pages read them, the command makes them."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.canonical_json import canonical_json
from registry.errors import IntegrityError

if TYPE_CHECKING:
    from registry.settings import Settings

FOLDER: Final = "monitoring"


def report_path(settings: Settings, product: str) -> Path:
    """Return the file of a product's report."""
    return settings.home / FOLDER / f"{product}.json"


def write_report(settings: Settings, product: str, found: dict[str, Any]) -> Path:
    """Keep a report; the same report gives the same bytes."""
    target = report_path(settings, product)
    target.parent.mkdir(parents=True, exist_ok=True)
    content = canonical_json(found)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".staging-", delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(target)
    return target


def read_report(settings: Settings, product: str) -> dict[str, Any] | None:
    """Return a report; None where none was made.

    Raises
    ------
    IntegrityError
        If the file is no report of this product.
    """
    path = report_path(settings, product)
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise IntegrityError(f"the report is no JSON: {error}", where=str(path), remedy="Run `roadrisk monitor`.") from error
    if not isinstance(found, dict) or found.get("product") != product:
        raise IntegrityError("the report is about another product", where=str(path), remedy="Run `roadrisk monitor`.")
    return found

"""Which province a home holds, so that two of them never mix in one warehouse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from registry.errors import ConfigurationError

MARKER: Final = "province.json"


def holds_province(home: Path, *, preset: str, seed: int) -> bool:
    """Return whether a home holds this very province already.

    Raises
    ------
    ConfigurationError
        If it holds another one: their deliveries would mix in the warehouse.
    """
    path = home / MARKER
    if not path.is_file():
        return False
    met, wanted = json.loads(path.read_text()), {"preset": preset, "seed": seed}
    if met != wanted:
        raise ConfigurationError(
            f"this home holds the simulated province {met['preset']!r} with seed {met['seed']}, not {preset!r} with {seed}",
            where=str(home),
            remedy="Set ROADRISK_HOME to another folder, or remove this one (`make clean` removes ./var).",
        )
    return True


def province_of(home: Path) -> dict[str, Any] | None:
    """Return preset and seed of the province that a home holds, None where it holds none."""
    path = home / MARKER
    return dict(json.loads(path.read_text())) if path.is_file() else None


def is_simulated(home: Path) -> bool:
    """Return whether a home holds a simulated province."""
    return (home / MARKER).is_file()


def mark(home: Path, *, preset: str, seed: int) -> None:
    """Note which province a home holds from now on."""
    (home / MARKER).write_text(json.dumps({"preset": preset, "seed": seed}))

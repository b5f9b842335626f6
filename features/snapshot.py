"""The record of one feature build: what it read, what it wrote, and how old every source was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from registry.errors import NotFound

SNAPSHOT: Final = "snapshot.json"


@dataclass(frozen=True, kw_only=True)
class FeatureSnapshot:
    """One feature build.

    Parameters
    ----------
    warehouse
        Hash over the deliveries that it read.
    digest
        Hash over the tables that it wrote: the identity of the training data.
    as_of
        Newest cut-off; nothing that arrived later is in any feature.
    cutoffs
        All cut-offs, ISO in UTC.
    tables
        Table name -> (rows, SHA-256 of its Parquet file).
    complete_until
        Resource id -> instant until which its deliveries were complete at the newest cut-off, ISO in UTC; null where
        nothing had been delivered.
    simulated
        Whether the data come from the simulated province.
    pseudonym_epoch
        Epoch of the keys under which the pseudonyms in the tables were made.
    """

    warehouse: str
    digest: str
    as_of: str
    cutoffs: tuple[str, ...]
    tables: dict[str, tuple[int, str]]
    complete_until: dict[str, str | None]
    simulated: bool
    pseudonym_epoch: int = 1

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> FeatureSnapshot:
        """Return the record that a JSON object tells."""
        tables = {name: (rows, digest) for name, (rows, digest) in content["tables"].items()}
        return cls(**{**content, "cutoffs": tuple(content["cutoffs"]), "tables": tables})

    @property
    def as_of_time(self) -> datetime:
        """The newest cut-off as a time."""
        return datetime.fromisoformat(self.as_of)


def write_snapshot(snapshot: FeatureSnapshot, folder: Path) -> None:
    """Write the record into the folder of the tables; what lies there counts from then on."""
    draft = folder / f".{SNAPSHOT}"
    draft.write_text(json.dumps(asdict(snapshot), ensure_ascii=False, sort_keys=True, indent=1))
    draft.replace(folder / SNAPSHOT)


def read_snapshot(folder: Path) -> FeatureSnapshot:
    """Return the record of the newest build in a feature folder; that of the online store lies in the store.

    Raises
    ------
    NotFound
        If no build has been finished.
    """
    path = folder / SNAPSHOT
    if not path.is_file():
        raise NotFound(
            "no feature snapshot", where=str(path),
            remedy="Run `roadrisk features build`.",
        )
    return FeatureSnapshot.from_content(json.loads(path.read_text()))


def counts_by_wall(clock: str, *, simulated: bool) -> bool:
    """Return whether the age of a source is counted to the wall clock's now, by the setting `ROADRISK_CLOCK`.

    A simulated province ends in the past, so by default its sources are as old as they were at the snapshot.
    """
    return clock == "wall" or (clock == "auto" and not simulated)

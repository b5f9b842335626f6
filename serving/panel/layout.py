"""Where a panel lies and what a month of it says of itself.

Layout::

    <home>/panel/<product>/<first 16 of the bundle's digest>/<YYYY-MM>.parquet    scores, sorted by entity
    <home>/panel/<product>/<first 16 of the bundle's digest>/<YYYY-MM>.json       manifest; the month counts once this exists
    <home>/panel/<product>/index.json                                             which bundle spoke for which month

The manifest is renamed into place last and names the hash of the rows, so a process killed at any point leaves either no month
or all of it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from registry.errors import IntegrityError, NotFound

if TYPE_CHECKING:
    from registry.settings import Settings

FORMAT: Final = "roadrisk-panel/1"
INDEX: Final = "index.json"
AS_OF, POINTS, TIER, ANSWER, COVERAGE, CLAMP, CONTRIBUTIONS = (
    "as_of", "points", "tier", "answer", "coverage", "clamp", "contributions",
)
GROUP_PREFIX: Final = "group_"
ROW_GROUP: Final = 512
"""Rows of one part of a file: one entity is found by reading one part."""


@dataclass(frozen=True, kw_only=True)
class MonthManifest:
    """What a month of one bundle says of itself.

    Parameters
    ----------
    product, version, digest
        Whose scores they are; the version is the one that was promoted.
    month, as_of
        ``YYYY-MM`` in Shanghai, and the cut-off that ends it, ISO in UTC.
    snapshot, pseudonym_epoch, simulated
        The feature build that was scored, the epoch of its pseudonyms, and whether its data are simulated.
    rows, scored
        Entities, and how many of them have a score.
    answer
        What the column `ANSWER` holds: expected_rate, probability, probability_<d>d or relativity.
    base
        Points of the empty coalition: base + contributions + clamp = points.
    features, groups
        Names of the columns of `CONTRIBUTIONS`, and of the groups, whose sums are columns of their own.
    engine
        What computed the contributions.
    sha256
        Hash of the Parquet file.
    """

    product: str
    version: int
    digest: str
    month: str
    as_of: str
    snapshot: str
    pseudonym_epoch: int
    simulated: bool
    rows: int
    scored: int
    answer: str
    base: float
    features: tuple[str, ...]
    groups: tuple[str, ...]
    engine: str
    sha256: str
    format: str = FORMAT

    @property
    def as_of_time(self) -> datetime:
        """The cut-off as a time."""
        return datetime.fromisoformat(self.as_of)

    @classmethod
    def read(cls, path: Path) -> MonthManifest:
        """Read a manifest.

        Raises
        ------
        NotFound
            If there is none.
        IntegrityError
            If it is not one of this format.
        """
        try:
            content = json.loads(path.read_bytes())
            read = cls(**{**content, "features": tuple(content["features"]), "groups": tuple(content["groups"])})
        except FileNotFoundError:
            raise NotFound("no such month in the panel", where=str(path), remedy="Run `roadrisk panel build`.") from None
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"no manifest of {FORMAT}: {error}", where=str(path), remedy=_AGAIN) from error
        if read.format != FORMAT:
            raise IntegrityError(f"a manifest of {read.format}, not {FORMAT}", where=str(path), remedy=_AGAIN)
        return read


_AGAIN: Final = "Remove it and run `roadrisk panel build`."


@dataclass(frozen=True, kw_only=True)
class Spoke:
    """Which bundle spoke for a month.

    Parameters
    ----------
    month, as_of
        The month and its cut-off, ISO in UTC.
    digest, version
        The bundle that was live at the cut-off, or, before the first promotion, the first promoted one.
    reconstructed
        Whether it was not live yet.
    """

    month: str
    as_of: str
    digest: str
    version: int
    reconstructed: bool


@dataclass(frozen=True, kw_only=True)
class PanelIndex:
    """The months of one product, oldest first, and the bundle that is live now."""

    product: str
    snapshot: str
    pseudonym_epoch: int
    live_digest: str
    live_version: int
    months: tuple[Spoke, ...]


def panel_folder(settings: Settings) -> Path:
    """Return the folder of the panel of a home."""
    return settings.home / "panel"


def month_file(folder: Path, product: str, digest: str, month: str) -> Path:
    """Return the Parquet file of a month; its manifest lies beside it."""
    return folder / product / digest[:16] / f"{month}.parquet"


def write_month(path: Path, table: pa.Table, about: Mapping[str, Any]) -> MonthManifest:
    """Write a month and its manifest, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    # Contributions are noise to a dictionary; split into bytes, their exponents compress.
    split = [f"{CONTRIBUTIONS}.list.element", *(name for name in table.column_names if name.startswith(GROUP_PREFIX))]
    pq.write_table(
        table, draft, compression="zstd", compression_level=1, row_group_size=ROW_GROUP, write_page_checksum=True,
        use_dictionary=texts, use_byte_stream_split=split, coerce_timestamps="us",
    )
    manifest = MonthManifest(**about, rows=table.num_rows, sha256=_sha256(draft))
    _publish(draft, path)
    write_json(path.with_suffix(".json"), asdict(manifest))
    return manifest


def read_index(folder: Path, product: str) -> PanelIndex:
    """Return the months of a product.

    Raises
    ------
    NotFound
        If its panel has never been built.
    IntegrityError
        If the index is none.
    """
    path = folder / product / INDEX
    try:
        content = json.loads(path.read_bytes())
        return PanelIndex(**{**content, "months": tuple(Spoke(**one) for one in content["months"])})
    except FileNotFoundError:
        raise NotFound(f"no panel of {product}", where=str(path), remedy="Run `roadrisk panel build`.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"no index of a panel: {error}", where=str(path), remedy=_AGAIN) from error


def write_index(folder: Path, index: PanelIndex) -> None:
    """Write which bundle spoke for which month; the panel is read by it from then on."""
    write_json(folder / index.product / INDEX, asdict(index))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    draft.write_text(json.dumps(content, ensure_ascii=False, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    _publish(draft, path)


def check_month(path: Path, manifest: MonthManifest) -> None:
    """Compare the rows of a month with its manifest.

    Raises
    ------
    IntegrityError
        If the file is gone or its bytes changed.
    """
    met = _sha256(path) if path.is_file() else "nothing"
    if met != manifest.sha256:
        raise IntegrityError(
            f"month {manifest.month} of {manifest.product} has hash {met[:16]}, its manifest says {manifest.sha256[:16]}",
            where=str(path), remedy=_AGAIN,
        )


def _publish(draft: Path, target: Path) -> None:
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(target)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

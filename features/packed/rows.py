"""What a place for packed rows can do, and which place an address means.

A place holds rows, the layouts that they were written under, and one publication: the snapshot that the rows are of. A load
changes what nobody reads until it is published, all views at once; readers get the number of the publication in the same
look as the rows, so an answer never mixes two.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Protocol

from features.packed.layout import Layout
from features.snapshot import FeatureSnapshot
from registry.errors import ConfigurationError, NotFound, ServiceUnavailable
from registry.settings import Settings

ONLINE_FILE: Final = "packed.db"
UNPUBLISHED: Final = 0
"""Number of the publication of a place in which nothing has been published."""
_MOST_FIRST: Final = 1 << 30
"""Redis keeps the number of a row in 32 bits."""


@dataclass(frozen=True)
class Publication:
    """What the rows of a place are of.

    Parameters
    ----------
    number
        Counts publications of this place, from a number of chance: a place that was emptied or put in another's place and
        loaded anew is not taken for what it was.
    snapshot
        The build that was loaded.
    definitions
        Digest of the feature definitions under which it was loaded.
    """

    number: int
    snapshot: FeatureSnapshot
    definitions: str

    def to_json(self) -> str:
        """Return the publication as text."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def after(cls, held: Publication | None, snapshot: FeatureSnapshot, definitions: str) -> Publication:
        """Return the publication that follows one, or the first."""
        number = held.number if held else UNPUBLISHED + secrets.randbelow(_MOST_FIRST)
        return cls(number + 1, snapshot, definitions)

    @classmethod
    def from_json(cls, text: str) -> Publication:
        """Return the publication that a text of `to_json` tells."""
        content = json.loads(text)
        return cls(content["number"], FeatureSnapshot.from_content(content["snapshot"]), content["definitions"])


class PackedRows(Protocol):
    """A place for packed rows; any number of threads may read at once, one writes.

    Each method raises ServiceUnavailable if the place does not answer within its bounded time.
    """

    def fetch(self, views: Sequence[str], keys: Sequence[bytes]) -> tuple[int, list[list[bytes | None]]]:
        """Return the number of the publication, and for each view the row of each of the entity keys, None where there is none.

        There is at least one key. All rows are of one publication.
        """
        ...

    def layouts(self) -> Mapping[bytes, Layout]:
        """Return digest -> layout of all layouts that rows were ever written under."""
        ...

    def published(self) -> Publication | None:
        """Return the publication; None before the first."""
        ...

    def prepare(self, layout: Layout) -> None:
        """Make room for a view, where there is none, and note its layout."""
        ...

    def held(self, view: str, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return entity key -> the `STAMP` of the row that a load would find, for those of the keys that have one."""
        ...

    def write(self, view: str, keys: Sequence[bytes], rows: Sequence[bytes]) -> None:
        """Write rows, each only where no row with a later instant lies: inside a load for the next publication, else at once."""
        ...

    def begin(self) -> None:
        """Begin a load; what an earlier one left behind that was not published is forgotten."""
        ...

    def publish(self, snapshot: FeatureSnapshot, definitions: str) -> None:
        """End a load: from now on readers see its rows and this snapshot, all at once."""
        ...

    def abandon(self) -> None:
        """End a load as if it had not begun."""
        ...

    def drop(self, view: str) -> None:
        """Forget a view and its rows."""
        ...

    def teardown(self) -> None:
        """Forget everything."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


def open_rows(url: str, path: Path, *, timeout_s: float, project: str) -> PackedRows:
    """Return the place for rows of an address.

    Parameters
    ----------
    url
        redis://HOST:PORT/DB or rediss://...; empty for the file.
    path
        SQLite file.
    timeout_s
        How long a look may wait for the place.
    project
        Feast's name of the project; places may be shared by several.

    Raises
    ------
    ConfigurationError
        If the address is of no kind that is known, or its driver is not installed.
    """
    if not url:
        from features.packed.sqlite_rows import SqliteRows

        return SqliteRows(path, timeout_s=timeout_s, project=project)
    if url.startswith(("redis://", "rediss://", "unix://")):
        from features.packed.redis_rows import RedisRows

        return RedisRows(url, timeout_s=timeout_s, project=project)
    raise ConfigurationError(
        f"the online store's address begins with {url.partition(':')[0]!r}", where="ROADRISK_ONLINE_URL",
        remedy="Give redis://HOST:PORT/DB, or nothing for an SQLite file in the home.",
    )


def settled_rows(settings: Settings, project: str) -> PackedRows:
    """Return the place that the settings name."""
    path = settings.feast_dir.absolute() / ONLINE_FILE
    return open_rows(settings.online_url, path, timeout_s=settings.store_timeout_s, project=project)


def publication_of(rows: PackedRows) -> Publication:
    """Return what the rows are of.

    Raises
    ------
    NotFound
        If nothing has been published.
    """
    found = rows.published()
    if found is None:
        raise NotFound(
            "no feature snapshot in the online store",
            remedy="Run `roadrisk features build`, `apply` and `materialise`.",
        )
    return found


def unavailable(error: BaseException, where: str = "") -> ServiceUnavailable:
    """Return the error of a place that does not answer; its own words may hold an address and stay behind."""
    return ServiceUnavailable(
        f"the feature store does not answer ({type(error).__name__})", where=where, remedy="Try again shortly."
    )



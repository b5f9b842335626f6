"""Pull: page by page from the watermark to the newest row, in deliveries of bounded size that enter whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from features.door.source import Page, Source
from features.door.strict_json import json_line
from features.door.watermarks import Segment, Spool, Watermark
from features.landing import enter, instant_of, prepare
from features.pseudonyms import Pseudonymiser
from features.readers import Delivered
from features.warehouse import Warehouse
from registry.errors import DeliveryRefused, NotFound
from registry.locks import exclusive
from registry.resources import RESOURCES
from registry.resources.schema import COMPLETE_UNTIL

DELIVERY_ROWS: Final = 200_000
"""A delivery closes with the page that reaches this many rows: about 100 MB of JSON in memory."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """What one pull of a resource brought.

    Parameters
    ----------
    resource
        Resource id.
    deliveries, rows, quarantined
        Committed by this pull; rows are those accepted.
    complete_until
        Instant that the source vouches for now, ISO in UTC; empty where it vouches for none.
    more
        True where the source has more rows than were asked for (a dry run reads one page).
    refused
        Why a delivery was refused; empty otherwise. Its rows will be asked for again.
    """

    resource: str
    deliveries: int = 0
    rows: int = 0
    quarantined: int = 0
    complete_until: str = ""
    more: bool = False
    refused: str = ""


@dataclass(frozen=True, kw_only=True)
class PullTarget:
    """Where a pull keeps its state and puts its deliveries.

    Parameters
    ----------
    folder
        State, one folder per resource.
    warehouse, pseudonyms
        Of the platform.
    delivery_rows
        Rows that close a delivery.
    """

    folder: Path
    warehouse: Warehouse
    pseudonyms: Pseudonymiser
    delivery_rows: int = DELIVERY_ROWS


def pull_all(
    source: Source, target: PullTarget, resources: Sequence[str] = (), *, until: str = "", dry_run: bool = False,
    progress: Progress | None = None,
) -> Iterator[Pulled]:
    """Pull several resources, all of them where none is named; one refused by its contract does not hold up the others.

    Raises
    ------
    NotFound
        If a name is no resource.
    ServiceUnavailable, ConfigurationError
        If the source does not answer or refuses the key; what was committed before stays.
    """
    names = list(resources) or list(RESOURCES)
    for name in names:
        if name not in RESOURCES:
            raise NotFound(f"no resource {name!r}", remedy="Resources are listed in docs/reference/resources.md.")
    for position, name in enumerate(names):
        report = _within(progress, position, len(names))
        try:
            yield look(source, target, name, until=until) if dry_run else pull(source, target, name, until=until, progress=report)
        except DeliveryRefused as error:
            yield Pulled(resource=name, complete_until=Spool(target.folder / name).watermark().complete_until, refused=str(error))
        report(name, 1.0)


def pull(source: Source, target: PullTarget, resource_id: str, *, until: str = "", progress: Progress | None = None) -> Pulled:
    """Pull one resource up to its newest row, or to an instant.

    A killed or failed pull goes on where it stopped when it is called again. Two pulls of one resource wait for each other.

    Raises
    ------
    DeliveryRefused
        If a page or a delivery breaks its contract: the watermark stays before it, so it is asked for again.
    ServiceUnavailable
        If the source does not answer.
    """
    spool, found = Spool(target.folder / resource_id), Pulled(resource=resource_id)
    with exclusive(target.folder / f".{resource_id}.lock"):
        more = True
        while more:
            segment, more = _collect(source, target, spool, resource_id, until)
            found = _take_in(target, spool, segment, found)
            if progress is not None:
                progress(f"{resource_id} {found.rows:,} rows", 0.0)
    return found


def look(source: Source, target: PullTarget, resource_id: str, *, until: str = "") -> Pulled:
    """Return what a pull would begin with: the rows of the first page; nothing is written."""
    mark = Spool(target.folder / resource_id).watermark()
    page = source.page(resource_id, mark.cursor, until)
    told = instant_of(page.complete_until, where=source.base_url)
    return Pulled(resource=resource_id, rows=len(page.rows), more=page.more, complete_until=max(told, mark.complete_until))


def _collect(source: Source, target: PullTarget, spool: Spool, resource_id: str, until: str) -> tuple[Segment, bool]:
    """Return a sealed segment, and whether there may be more behind it."""
    segment = spool.segment()
    if segment.sealed:
        return segment, True
    more = True
    while more and segment.rows < target.delivery_rows:
        page = source.page(resource_id, segment.cursor, until)
        if page.more and page.next == segment.cursor:
            raise DeliveryRefused(
                f"the source has more rows of {resource_id} and does not move its cursor", where=source.base_url,
                remedy="Have the operator of the source look at it; what was committed stays.",
            )
        told = instant_of(page.complete_until, where=f"{source.base_url}, {resource_id}")
        segment = spool.add(segment, _lines(page), rows=len(page.rows), cursor=page.next, complete_until=told)
        more = page.more
    return spool.seal(segment), more


def _take_in(target: PullTarget, spool: Spool, segment: Segment, found: Pulled) -> Pulled:
    mark = spool.watermark()
    if not segment.rows and segment.complete_until <= mark.complete_until:
        return _with(found, spool.advance(segment, committed=False))
    delivered = _delivered(spool, segment, mark, found.resource)
    try:
        prepared = prepare(delivered, found.resource, target.warehouse, target.pseudonyms)
    except DeliveryRefused:
        spool.drop()
        raise
    manifest = enter(prepared, target.warehouse) if prepared is not None else None
    return _with(
        found, spool.advance(segment, committed=True), deliveries=1,
        rows=manifest.rows if manifest else segment.rows, quarantined=manifest.quarantined if manifest else 0,
    )


def _with(found: Pulled, mark: Watermark, deliveries: int = 0, rows: int = 0, quarantined: int = 0) -> Pulled:
    return Pulled(
        resource=found.resource, deliveries=found.deliveries + deliveries, rows=found.rows + rows,
        quarantined=found.quarantined + quarantined, complete_until=mark.complete_until,
    )


def _delivered(spool: Spool, segment: Segment, mark: Watermark, resource_id: str) -> Delivered:
    note = json.dumps({COMPLETE_UNTIL: segment.complete_until}).encode() if segment.complete_until else b""
    name = f"pull-{mark.deliveries + 1:06d}.ndjson"
    return Delivered(
        name=name, where=f"{resource_id}, {name}", suffix=".ndjson", content=spool.content(segment), note=note
    )


def _lines(page: Page) -> bytes:
    return b"".join(json_line(row) for row in page.rows)


def _within(progress: Progress | None, position: int, total: int) -> Progress:
    def report(label: str, fraction: float) -> None:
        if progress is not None:
            progress(label, (position + fraction) / total)

    return report

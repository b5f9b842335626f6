"""Readings of the test period: which candidates were judged on it, in which order.

The test period answers one question once: how good is this candidate? Every further candidate that is judged on the same rows makes
the best of them look better than it is. A reading cannot be prevented on one's own data, so it is recorded, and the card says the
how manieth candidate of its test period it is.

References
----------
Dwork et al., "The reusable holdout: Preserving validity in adaptive data analysis", Science 349(6248), 2015.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from registry.chain import Entry
from registry.errors import DataError
from registry.model_ledgers import TEST_READS, lines, writing

if TYPE_CHECKING:
    from registry.settings import Settings

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class TestRead:
    """One reading of a test period.

    Parameters
    ----------
    seq
        Line of the ledger.
    at
        When, aware UTC.
    product, digest
        Candidate: digest of the bundle that was judged.
    snapshot
        Hash of the data that it was judged on.
    test_window
        First and last cut-off of the test period, as in the bundle's provenance.
    position
        How manieth candidate of this product, snapshot and window it is, from 1; the same when it reads again.
    position_in_window
        The same over all snapshots: rows of a period that were built again are mostly the rows of before.
    first
        Whether this is the candidate's first reading of this snapshot and window.
    """

    __test__ = False  # its name looks like a test class to pytest

    seq: int
    at: datetime
    product: str
    digest: str
    snapshot: str
    test_window: tuple[str, str]
    position: int
    position_in_window: int
    first: bool


def record_read(
    settings: Settings, *, product: str, digest: str, snapshot: str, test_window: Sequence[str], at: datetime
) -> TestRead:
    """Record that a candidate is judged on its test period; call it before or with the first look at the figures.

    Reading again adds a line with the same position: it is the same candidate.

    Raises
    ------
    DataError
        If the digest is none or the window does not have two ends.
    ConfigurationError
        If the ledger key does not exist.
    IntegrityError
        If the ledger does not verify.
    """
    if not _DIGEST.fullmatch(digest):
        raise DataError(f"a candidate is named by its digest, met {digest!r}", where=product)
    if len(test_window) != 2:
        raise DataError(f"a test window has two ends, met {tuple(test_window)}", where=product)
    payload = {"product": product, "digest": digest, "snapshot": snapshot, "test_window": list(test_window)}
    with writing(settings, TEST_READS) as ledger:
        ledger.append(payload, at=at)
    return _numbered(lines(settings, TEST_READS), product)[-1]


def reads(settings: Settings, product: str | None = None) -> list[TestRead]:
    """Return every reading about a product, or about all of them, oldest first.

    Raises
    ------
    IntegrityError
        If the ledger does not verify.
    """
    return _numbered(lines(settings, TEST_READS), product)


def reads_of(settings: Settings, product: str, digest: str) -> list[TestRead]:
    """Return the readings of one candidate, one per snapshot and window: its first each."""
    return [read for read in reads(settings, product) if read.digest == digest and read.first]


def _numbered(entries: Sequence[Entry], product: str | None) -> list[TestRead]:
    judged: dict[tuple[str, ...], list[str]] = {}
    numbered = []
    for entry in entries:
        fields = entry.payload
        if product not in (None, fields["product"]):
            continue
        digest, window = fields["digest"], tuple(fields["test_window"])
        of_snapshot = judged.setdefault((fields["product"], *window, fields["snapshot"]), [])
        of_window = judged.setdefault((fields["product"], *window), [])
        first = digest not in of_snapshot
        for candidates in (of_snapshot, of_window):
            if digest not in candidates:
                candidates.append(digest)
        numbered.append(TestRead(
            seq=entry.seq, at=entry.at.astimezone(UTC), product=fields["product"], digest=digest,
            snapshot=fields["snapshot"], test_window=(window[0], window[1]), position=of_snapshot.index(digest) + 1,
            position_in_window=of_window.index(digest) + 1, first=first,
        ))
    return numbered

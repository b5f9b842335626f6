"""The chained ledgers about models: promotions, approvals, readings of the test period, challengers.

Each is a chain (`registry.chain`) that lies where the settings say (`registry.ledger_open`). What a ledger says is read only
after its whole chain has verified; a ledger that nobody has written yet is empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from registry.chain import ChainLedger, Entry, VerifyReport
from registry.errors import IntegrityError
from registry.ledger_open import alone, ledger_exists, open_ledger

if TYPE_CHECKING:
    from registry.settings import Settings

PROMOTIONS: Final = "promotions"
APPROVALS: Final = "approvals"
TEST_READS: Final = "test_reads"
CHALLENGERS: Final = "challengers"
ACCESS: Final = "access"
"""The ledger of consumers, keys and scenarios (`registry.access`)."""
DECISIONS: Final = "decisions"
"""The ledger of scores (`registry.decisions`); here only its head is looked at."""
LEDGERS: Final = (PROMOTIONS, APPROVALS, TEST_READS, CHALLENGERS)

Heads = dict[str, tuple[int, str]]
"""Ledger -> position and hash of its newest line; a ledger without a line is left out."""


def lines(settings: Settings, name: str) -> list[Entry]:
    """Return every line of a ledger, oldest first, after its whole chain has verified.

    Raises
    ------
    IntegrityError
        If the ledger does not verify.
    """
    if not ledger_exists(settings, name):
        return []
    with closing(open_ledger(settings, name, indexed=None)) as ledger:
        report = ledger.verify()
        if not report.ok:
            raise IntegrityError(
                f"ledger {name} does not verify: {'; '.join(report.problems)}",
                where=str(settings.ledger_dir), remedy="Restore ledger and head from the same backup.",
            )
        return list(ledger.entries())


@contextmanager
def writing(settings: Settings, name: str) -> Iterator[ChainLedger]:
    """Hold a ledger for reading and then appending, so that what was read still holds when the line is added."""
    with alone(settings, name), closing(open_ledger(settings, name, indexed=None)) as ledger:
        yield ledger


def verify(settings: Settings, name: str) -> VerifyReport:
    """Walk one ledger and say whether anything was changed, removed, reordered or cut off."""
    if not ledger_exists(settings, name):
        return VerifyReport(0, ())
    try:
        with closing(open_ledger(settings, name, indexed=None)) as ledger:
            return ledger.verify()
    except IntegrityError as error:
        return VerifyReport(0, (error.message,))


def heads(settings: Settings, *, names: Sequence[str] = LEDGERS) -> Heads:
    """Return the newest line of ledgers, to be named in a record elsewhere.

    A ledger and its head that were both taken back to an older state agree with each other; a head that is named in another
    ledger, or outside this machine, shows it.
    """
    found: Heads = {}
    for name in names:
        if ledger_exists(settings, name):
            with closing(open_ledger(settings, name, indexed=None)) as ledger:
                last = ledger.last()
            if last is not None:
                found[name] = (last.seq, last.hash)
    return found


def missing_heads(settings: Settings, named: Heads) -> list[str]:
    """Return one sentence per head that its ledger does not hold any more."""
    problems = []
    for name, (seq, digest) in named.items():
        found: list[Entry] = []
        if ledger_exists(settings, name):
            with closing(open_ledger(settings, name, indexed=None)) as ledger:
                found = list(ledger.entries(after=seq - 1, limit=1))
        if not found or found[0].hash != digest:
            problems.append(f"ledger {name} does not hold the line {seq} that was anchored: it was taken back or replaced")
    return problems

"""Verify ledgers against themselves and against their anchors, and anchor them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from registry.chain import VerifyReport
from registry.errors import IntegrityError
from registry.ledger_anchors import Anchor, Anchors, newest_anchor, public_key, read_anchors, sign_anchor
from registry.ledger_open import anchor_folder, ledger_names, open_ledger
from registry.signing import ANCHOR_VERIFY_KEY, key_path

if TYPE_CHECKING:
    from registry.settings import Settings

DECISIONS: Final = "decisions"


@dataclass(frozen=True, kw_only=True)
class LedgerAudit:
    """What was found out about one ledger.

    Parameters
    ----------
    ledger
        Its name.
    rows
        Rows walked.
    anchors, anchored
        Anchors that verified, and the position of the newest row that one names; 0 for none.
    problems
        What is wrong, one sentence each.
    """

    ledger: str
    rows: int
    anchors: int
    anchored: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.problems


def audit_ledgers(settings: Settings, *, anchors: Path | None = None, names: Sequence[str] = ()) -> list[LedgerAudit]:
    """Verify ledgers, all of them by default, and every anchor of them in a folder.

    Parameters
    ----------
    anchors
        Folder of the anchors; that of the settings by default.

    Raises
    ------
    ConfigurationError
        If a key does not exist.
    """
    folder = anchors or anchor_folder(settings)
    key = public_key(verify_key(settings), ANCHOR_VERIFY_KEY)
    # A ledger that was removed whole is still named by its anchors.
    known = sorted({*ledger_names(settings), *(path.stem for path in folder.glob("*.anchors"))})
    found = []
    for name in names or known:
        kept, problems = read_anchors(folder, name, key)
        report = _verified(settings, name, kept)
        newest = max((one.seq for one in kept), default=0)
        found.append(LedgerAudit(
            ledger=name, rows=report.rows, anchors=len(kept), anchored=newest, problems=(*problems, *report.problems)
        ))
    return found


def anchor_ledgers(settings: Settings, *, names: Sequence[str] = ()) -> list[Anchor]:
    """Anchor the newest row of ledgers, all of them by default.

    Raises
    ------
    ConfigurationError
        If the signing key does not exist.
    """
    made = []
    for name in names or ledger_names(settings):
        with closing(open_ledger(settings, name, indexed=None)) as ledger:
            last = ledger.last()
        if last is None:
            continue
        wanted, folder = sign_anchor(name, last, settings.keys_dir), anchor_folder(settings)
        # Ed25519 signs the same text the same way, so an anchor that is there already says nothing new.
        if newest_anchor(folder / f"{name}.anchors") != wanted:
            Anchors(folder, name, settings.keys_dir).write(last)
        made.append(wanted)
    return made


def verify_key(settings: Settings) -> bytes:
    """Return the public key of the anchors as PEM.

    Raises
    ------
    ConfigurationError
        If it does not exist.
    """
    return key_path(settings.keys_dir, ANCHOR_VERIFY_KEY).read_bytes()


def _verified(settings: Settings, name: str, anchors: Sequence[Anchor]) -> VerifyReport:
    from registry.decisions import DecisionLedger

    try:
        if name == DECISIONS:
            with closing(DecisionLedger.open(settings)) as decisions:
                return decisions.verify(anchors)
        with closing(open_ledger(settings, name, indexed=None)) as ledger:
            return ledger.verify(anchors)
    except IntegrityError as error:
        return VerifyReport(0, (error.message,))

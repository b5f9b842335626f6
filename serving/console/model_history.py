"""Which models are or were live, who decided it, and how each fared in tests: promotion ledger, card and evidence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from registry.errors import InvalidRequest
from registry.evidence import card_folder, read_evidence
from registry.local_time import SHANGHAI
from registry.promotion import history

if TYPE_CHECKING:
    from registry.promotion import Promotion
    from registry.settings import Settings

MEASURES: Final = ("gini", "auc", "d2", "balance", "ece")
_CARD: Final = "card.json"
_JUDGEMENT: Final = "judgement"


@dataclass(frozen=True, kw_only=True)
class Rival:
    """What a score was held against in the test period, the difference, its interval, and the verdict."""

    zh: str
    en: str
    difference: float
    low: float | None
    high: float | None
    verdict: str


@dataclass(frozen=True, kw_only=True)
class LiveVersion:
    """A version that was live at the instant asked for.

    Parameters
    ----------
    promotion
        The line of the ledger that made it live.
    measures
        Measure -> value in the test period, of its main component; empty without a judgement.
    level, measure, rivals
        Confidence of the intervals, the measure that rivals are compared by, and each of them.
    card_holds
        Whether the card is the one that the promotion was decided on; None where there is no card or the ledger names none.
    """

    promotion: Promotion
    measures: Mapping[str, float]
    level: float | None
    measure: str
    rivals: tuple[Rival, ...]
    card_holds: bool | None


def instant_of(text: str) -> datetime | None:
    """Return the instant that a form gives in the time of Shanghai; None where it is empty.

    Raises
    ------
    InvalidRequest
        If it is none.
    """
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest("this is no instant", where="at", remedy="Give day and time.") from error
    return at if at.tzinfo else at.replace(tzinfo=SHANGHAI)


def live_versions(settings: Settings, past: Sequence[Promotion], at: datetime | None) -> list[LiveVersion]:
    """Return what was live at an instant, or is now."""
    last = {line.product: line for line in past if at is None or line.at <= at}
    return [_version(settings, line) for _, line in sorted(last.items())]


def promotions(settings: Settings) -> list[Promotion]:
    """Return the whole promotion ledger, oldest first; it is verified first."""
    return history(settings)


def _version(settings: Settings, line: Promotion) -> LiveVersion:
    judged = read_evidence(settings, line.product, line.digest).get(_JUDGEMENT, {})
    main = judged.get("main", "")
    measures = judged.get("metrics", {}).get(main, {})
    compared = judged.get("comparison", {}).get(main, {})
    return LiveVersion(
        promotion=line, measures={name: measures[name] for name in MEASURES if name in measures}, level=judged.get("level"),
        measure=str(compared.get("measure", "")), rivals=tuple(map(_rival, compared.get("rivals", ()))),
        card_holds=_card_holds(settings, line),
    )


def _rival(found: Mapping[str, Any]) -> Rival:
    overall = found["overall"]
    low, high = overall["interval"] or (None, None)
    return Rival(
        zh=str(found.get("zh") or found["en"]), en=str(found["en"]), difference=overall["difference"], low=low, high=high,
        verdict=str(overall["verdict"]),
    )


def _card_holds(settings: Settings, line: Promotion) -> bool | None:
    path, promised = card_folder(settings, line.product, line.digest) / _CARD, line.grounds.get("card")
    if promised is None or not path.is_file():
        return None
    content = path.read_bytes()
    return hashlib.sha256(content).hexdigest() == promised and json.loads(content).get("digest") == line.digest

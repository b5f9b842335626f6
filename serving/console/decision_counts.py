"""How many decisions were made, by product, tier and month: counted once per worker, a stretch of the ledger at a time.

Reading a record opens its sealed part, so a long ledger takes longer than a page may; what was counted is kept and the next look
goes on from there. A cell about fewer entities than `min_cell` shows no figure, and neither does a total from which it
would follow.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from registry.errors import RoadRiskError
from registry.local_time import SHANGHAI
from registry.scale import TIERS

if TYPE_CHECKING:
    from registry.decisions import Decision, DecisionLedger

BUDGET_S: Final = 0.12
_STRETCH: Final = 100
_PAUSE_S: Final = 0.02
"""Between two stretches in the background, so that requests do not wait."""
_log = logging.getLogger(__name__)


@dataclass
class Cell:
    """Decisions and the entities they are about; entities are kept as short prefixes of their pseudonyms."""

    n: int = 0
    entities: set[str] = field(default_factory=set)
    covered: float = 0.0

    def add(self, decision: Decision) -> None:
        """Count a decision."""
        self.n += 1
        self.entities.add(decision.entity_id[:12] or decision.score_id)
        self.covered += float(decision.answer["coverage"]["share"])


@dataclass(frozen=True, kw_only=True)
class ProductCounts:
    """What is shown of one product; None stands for a figure that is suppressed.

    Parameters
    ----------
    n, entities
        Decisions, and whom they are about.
    tiers
        Tier -> decisions.
    months
        (month, decisions), oldest first.
    grey_share, coverage
        Share of decisions without a score, and mean share of known inputs.
    """

    n: int | None
    entities: int | None
    tiers: Mapping[str, int | None]
    months: tuple[tuple[str, int | None], ...]
    grey_share: float | None
    coverage: float | None


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Counts by product up to a position of the ledger, and whether that is its end."""

    products: Mapping[str, ProductCounts]
    until: int
    whole: bool


class DecisionCounts:
    """Counts the decisions of a ledger.

    Parameters
    ----------
    ledger
        The decision ledger.
    min_cell
        Entities below which a cell shows nothing.
    """

    def __init__(self, ledger: DecisionLedger, *, min_cell: int) -> None:
        self._ledger, self._min_cell = ledger, min_cell
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._until = 0
        self._whole: dict[str, Cell] = defaultdict(Cell)
        self._tiers: dict[tuple[str, str], Cell] = defaultdict(Cell)
        self._months: dict[tuple[str, str], Cell] = defaultdict(Cell)

    def counts(self, *, budget_s: float = BUDGET_S) -> Counts:
        """Count on for a while at most, and return what there is; the rest is counted in the background."""
        deadline = time.monotonic() + budget_s
        while self._count_on() and time.monotonic() < deadline:
            pass
        with self._lock:
            end = self._end()
            if self._until < end and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._count_all, name="decision-counts", daemon=True)
                self._thread.start()
            products = {name: self._product(name) for name in sorted(self._whole)}
            return Counts(products=products, until=self._until, whole=self._until >= end)

    def _end(self) -> int:
        last = self._ledger.chain.last()
        return 0 if last is None else last.seq

    def _count_all(self) -> None:
        try:
            while self._count_on():
                time.sleep(_PAUSE_S)
        except RoadRiskError as error:
            # The next look tries again, and says what is wrong.
            _log.warning("decisions were not counted to the end: %s", error.message)

    def _count_on(self) -> bool:
        """Count one stretch; return whether there is more."""
        with self._lock:
            end = self._end()
            if self._until < end:
                self._count(min(self._until + _STRETCH, end))
            return self._until < end

    def _count(self, end: int) -> None:
        for decision in self._ledger.between(self._until, end):
            month = f"{decision.at.astimezone(SHANGHAI):%Y-%m}"
            for cell in (
                self._whole[decision.product], self._tiers[decision.product, decision.answer["tier"]["code"]],
                self._months[decision.product, month],
            ):
                cell.add(decision)
        self._until = end

    def _product(self, name: str) -> ProductCounts:
        whole = self._whole[name]
        tiers: dict[str, Cell] = {tier: self._tiers[name, tier] for tier in TIERS}
        months = {month: cell for (product, month), cell in sorted(self._months.items()) if product == name}
        enough = self._enough(whole)
        grey = tiers["grey"]
        shown_tiers = self._shown(tiers)
        return ProductCounts(
            n=whole.n if enough else None, entities=len(whole.entities) if enough else None, tiers=shown_tiers,
            months=tuple(self._shown(months).items()), coverage=whole.covered / whole.n if enough else None,
            grey_share=grey.n / whole.n if enough and shown_tiers["grey"] is not None else None,
        )

    def _enough(self, cell: Cell) -> bool:
        return len(cell.entities) >= self._min_cell

    def _shown(self, cells: Mapping[str, Cell]) -> dict[str, int | None]:
        """Return the figures of cells that add up to a total: one hidden alone would follow from it, so a second hides too."""
        hidden = {name for name, cell in cells.items() if cell.n and not self._enough(cell)}
        if len(hidden) == 1 and (rest := [name for name, cell in cells.items() if cell.n and name not in hidden]):
            hidden.add(min(rest, key=lambda name: cells[name].n))
        return {name: None if name in hidden else cell.n for name, cell in cells.items()}


def largest(months: Iterable[tuple[str, int | None]]) -> int:
    """Return the largest figure of a series, 1 where there is none."""
    return max((n for _, n in months if n), default=1)

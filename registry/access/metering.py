"""Usage as the decision ledger counted it, in the transactions of the decisions themselves."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from registry.access.usage import Usage
from registry.decisions import DecisionLedger

if TYPE_CHECKING:
    from registry.settings import Settings


def counted(settings: Settings, *, consumer: str | None = None, month: str) -> list[Usage]:
    """Return what was counted in a month of Shanghai, of one consumer or of all."""
    with closing(DecisionLedger.open(settings)) as ledger:
        rows = ledger.usage(consumer=consumer, period=month)
    return [
        Usage(consumer=row.consumer, product=row.product, scenario=row.scenario, period=row.period, kind=row.kind, n=row.n)
        for row in rows
    ]

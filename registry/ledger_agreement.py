"""Whether what lies beside the chain of decisions agrees with it: counts are what was counted, data keys go by an erasure only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from registry.chain import ChainLedger, Entry
from registry.ledger_erasure import Eraser
from registry.ledger_records import COUNT
from registry.ledger_store import PAGE_ROWS, Transaction

SHOWN: Final = 5
_Use = tuple[str, str, str, str, str]


def disagreements(chain: ChainLedger, eraser: Eraser) -> list[str]:
    """Return one sentence per way in which the rows beside the chain contradict it."""
    end, kept = _at_once(chain)
    counted: Counter[_Use] = Counter()
    without_key: list[int] = []
    with_key: set[int] = set()
    for page in _pages(chain, end):
        keys = eraser.wrapped(page[0].seq, page[-1].seq)
        with_key |= keys.keys()
        for entry in page:
            kind = entry.payload.get("kind")
            if kind is None and entry.seq not in keys:
                without_key.append(entry.seq)
            if kind in (None, COUNT):
                for one in entry.payload.get("counted", ()):
                    counted[_use(one)] += one[-1]
    erased = {seq for one in eraser.erasures() for seq in one.rows}
    lost, left = [seq for seq in without_key if seq not in erased], sorted(with_key & erased)
    problems = [f"decisions lost their data keys without an erasure: rows {_some(lost)}"] if lost else []
    problems += [f"decisions that were erased still have their data keys: rows {_some(left)}"] if left else []
    differing = sorted(use for use in kept.keys() | counted.keys() if kept.get(use, 0) != counted[use])
    return problems + [f"{_named(use)} is kept as {kept.get(use, 0)}, the chain says {counted[use]}" for use in differing[:SHOWN]]


def _named(use: _Use) -> str:
    consumer, product, period, kind, scenario = use
    return f"use of {product} by {consumer} in {period} ({kind}, scenario {scenario})"


def _at_once(chain: ChainLedger) -> tuple[int, dict[_Use, int]]:
    """Return the last position and the counts of the same moment."""
    found: list[tuple[int, dict[_Use, int]]] = []

    def look(tx: Transaction) -> None:
        ((end,),) = tx.execute(f"SELECT coalesce(max(seq), 0) FROM {chain.table}")  # noqa: S608 - checked name
        rows = tx.execute(f"SELECT consumer, product, period, kind, scenario, n FROM {chain.table}_usage")  # noqa: S608 - checked name
        found.append((int(end), {_use(row): int(row[-1]) for row in rows}))

    chain.store.change(look)
    return found[0]


def _pages(chain: ChainLedger, end: int) -> Iterator[list[Entry]]:
    after = 0
    while after < end:
        page = list(chain.entries(after=after, limit=min(PAGE_ROWS, end - after)))
        if not page:
            return
        yield page
        after = page[-1].seq


def _use(row: Sequence[Any]) -> _Use:
    consumer, product, period, kind, scenario, _ = row
    return str(consumer), str(product), str(period), str(kind), str(scenario)


def _some(rows: list[int]) -> str:
    return ", ".join(map(str, rows[:SHOWN])) + (f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else "")

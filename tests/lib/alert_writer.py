"""A writer of the book of alerts that can be killed: `python -m tests.lib.alert_writer HOME KEYS ACKS`.

It writes minute after minute what happened to alerts, from some minutes before the last that it acknowledged, as a live service
does that replays its journal; a minute is acknowledged, by a line of ACKS, once the book has it.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from registry.settings import Settings
from registry.supervision.book import AlertBook
from registry.supervision.events import AlertEvent
from registry.supervision.rule_table import RULES_BY_ID

BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
PER_MINUTE = 30
AGAIN = 5
_RULES = sorted(RULES_BY_ID)


def events_of(minute: int) -> list[AlertEvent]:
    """Return what happened in a minute: some alerts are raised, those of the minute before are cleared."""
    at_s = int((BEGIN + timedelta(minutes=minute)).timestamp())
    return [
        AlertEvent(
            alert_id=f"{began:012x}{place:012x}", kind=kind, rule_id=_RULES[place % len(_RULES)], vehicle_id=f"{place:024x}",
            enterprise_id="e" * 24, at_s=at_s, severity="yellow", value=float(place),
        )
        for began, kind in ((minute - 1, "cleared"), (minute, "raised")) if began >= 0
        for place in range(PER_MINUTE)
    ]


def main(home: Path, keys: Path, acks: Path) -> None:
    """Write until the process is ended."""
    with AlertBook.open(Settings(home=home, keys_dir=keys)) as book, acks.open("a") as told:
        minute = max(len(acks.read_text().split()) - AGAIN, 0)
        while True:
            at = BEGIN + timedelta(minutes=minute)
            book.record(events_of(minute), at=at)
            book.escalate(at)
            if minute >= len(acks.read_text().split()):
                told.write(f"{minute}\n")
                told.flush()
            minute += 1


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

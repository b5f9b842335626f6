"""Changes in an online store behind everybody's back: another snapshot, other values."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from features.packed.layout import CREATED, DIGEST, STAMP, Layout, micros
from features.packed.rows import ONLINE_FILE, publication_of, settled_rows
from features.views import PROJECT
from registry.settings import Settings


def republish(settings: Settings, *, definitions: str | None = None, **changes: Any) -> None:
    """Publish the rows that the store holds as those of another snapshot, or of other definitions."""
    rows = settled_rows(settings, PROJECT)
    held = publication_of(rows)
    rows.begin()
    rows.publish(replace(held.snapshot, **changes), definitions or held.definitions)
    rows.close()


def change_rows(settings: Settings, view: str, change: Callable[[dict[str, Any]], object]) -> int:
    """Change values in the rows of a view, which keep their instants; return in how many."""
    rows = settled_rows(settings, PROJECT)
    layouts = rows.layouts()
    rows.close()
    changed = 0
    table = f'"{PROJECT}_{view}"'
    with sqlite3.connect(settings.feast_dir / ONLINE_FILE) as connection:
        for key, row in connection.execute(f"SELECT entity_key, row FROM {table} ORDER BY entity_key").fetchall():
            made = _changed(layouts[row[DIGEST]], row, change)
            if made != row:
                connection.execute(f"UPDATE {table} SET row = ? WHERE entity_key = ?", (made, key))
                changed += 1
    connection.close()
    return changed


def _changed(layout: Layout, row: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    event, values = layout.unpack(row)
    named = dict(zip(layout.names, values, strict=True))
    change(named)
    made = layout.pack([named[name] for name in layout.names], event, micros(row[CREATED]))
    assert made[STAMP] == row[STAMP]
    return made

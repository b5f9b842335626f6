"""The embedded engine: one DuckDB connection behind ibis, in UTC, within a memory limit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis


def connect(*, threads: int, memory_limit: str, spill_dir: Path) -> ibis.BaseBackend:
    """Return an in-memory DuckDB backend that spills to a folder instead of growing past its limit."""
    import ibis

    spill_dir.mkdir(parents=True, exist_ok=True)
    backend = ibis.duckdb.connect(
        threads=threads, memory_limit=memory_limit, temp_directory=str(spill_dir), preserve_insertion_order=False
    )
    backend.raw_sql("SET TimeZone = 'UTC'")
    return backend

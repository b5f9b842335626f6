"""What a long command cost: seconds, processor seconds, and the most memory that its process held."""

from __future__ import annotations

import resource
import sys
import time
from typing import Final

_RSS_PER_GB: Final = 1e9 if sys.platform == "darwin" else 1e6
"""`ru_maxrss` is in bytes on macOS and in kibibytes elsewhere."""


class Measured:
    """Measures from its making on."""

    def __init__(self) -> None:
        self._began, self._used = time.perf_counter(), time.process_time()

    def cost(self, *, rows: int | None = None) -> dict[str, float]:
        """Return seconds, processor seconds and peak memory in GB so far, and rows per second where rows are counted."""
        seconds = time.perf_counter() - self._began
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _RSS_PER_GB
        found = {
            "seconds": round(seconds, 1), "cpu_seconds": round(time.process_time() - self._used, 1),
            "peak_memory_gb": round(peak_gb, 2),
        }
        return found if rows is None else found | {"rows_per_s": round(rows / seconds)}

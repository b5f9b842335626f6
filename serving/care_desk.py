"""The ledger of care as a service holds it, opened when the first driver comes: none needs such a ledger before."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry.care.book import CareBook
    from registry.settings import Settings


class CareDesk:
    """Opens the book once.

    Parameters
    ----------
    settings
        Where ledger and keys lie.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, threading.Lock()
        self._book: CareBook | None = None

    def book(self) -> CareBook:
        """Return the book; it raises what `CareBook` raises."""
        from registry.care.book import CareBook

        with self._lock:
            if self._book is None:
                self._book = CareBook(self._settings)
                # A worker keeps it for good; a console that is dropped before leaves nothing open.
                self._closing = weakref.finalize(self, self._book.close)
            return self._book

    def close(self) -> None:
        """Let go of the ledger; the next question opens it again."""
        with self._lock:
            if self._book is not None:
                self._closing()
                self._book = None

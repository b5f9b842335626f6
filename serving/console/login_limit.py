"""How often somebody may try to log in: a few times a minute from one address, in the memory of a worker.

A key has 256 random bits and cannot be guessed; the limit keeps a script from filling the log and the processor.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

TRIES: Final = 10
WITHIN_S: Final = 60.0
_MOST_ADDRESSES: Final = 10_000


class LoginLimit:
    """Counts attempts by address.

    Parameters
    ----------
    tries, within_s
        So many attempts within so many seconds.
    """

    def __init__(self, *, tries: int = TRIES, within_s: float = WITHIN_S) -> None:
        self._tries, self._within_s = tries, within_s
        self._lock = threading.Lock()
        self._at: OrderedDict[str, list[float]] = OrderedDict()

    def take(self, address: str, now_s: float) -> bool:
        """Count an attempt; return whether it may be made."""
        with self._lock:
            recent = [at for at in self._at.pop(address, []) if now_s - at < self._within_s]
            allowed = len(recent) < self._tries
            self._at[address] = [*recent, now_s] if allowed else recent
            while len(self._at) > _MOST_ADDRESSES:
                self._at.popitem(last=False)
            return allowed

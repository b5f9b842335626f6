"""How often somebody may fail to log in: a few times a minute from one address, in the memory of a worker.

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
    """Counts failures by address.

    Parameters
    ----------
    tries, within_s
        So many failures within so many seconds.
    """

    def __init__(self, *, tries: int = TRIES, within_s: float = WITHIN_S) -> None:
        self._tries, self._within_s = tries, within_s
        self._lock = threading.Lock()
        self._at: OrderedDict[str, list[float]] = OrderedDict()

    def may_try(self, address: str, now_s: float) -> bool:
        """Return whether an address has not failed too often."""
        with self._lock:
            return len(self._recent(address, now_s)) < self._tries

    def failed(self, address: str, now_s: float) -> None:
        """Count a failure."""
        with self._lock:
            self._at[address] = [*self._recent(address, now_s), now_s]
            self._at.move_to_end(address)
            while len(self._at) > _MOST_ADDRESSES:
                self._at.popitem(last=False)

    def _recent(self, address: str, now_s: float) -> list[float]:
        return [at for at in self._at.get(address, []) if now_s - at < self._within_s]

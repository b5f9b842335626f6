"""The one door to Feast.

Feast decorates its classes with typeguard's `typechecked`, which parses and compiles their source again while they are
imported, and checks arguments at each call. That is most of Feast's import time and much of an online read (`make bench
NAME=feast_import` measures it). What we hand to Feast is checked before it runs, by mypy and by the contract suite, so
Feast is imported with that one decorator switched off.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def import_feast() -> Any:
    """Return the module `feast`, imported without run-time type checks."""
    if "feast" not in sys.modules:
        import typeguard

        checked = typeguard.typechecked
        typeguard.typechecked = _unchecked
        try:
            import feast  # noqa: F401 - the import is the point
        finally:
            typeguard.typechecked = checked
    return sys.modules["feast"]


def _unchecked(target: Any = None, **_: object) -> Any:
    """Stand in for `typeguard.typechecked`, with and without arguments."""
    return _same if target is None else target


def _same(target: Callable[..., Any]) -> Callable[..., Any]:
    return target

"""The quantities of an answer in words: label, value as people read it, interval where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from serving.console.messages import catalogue
from serving.console.wording import number, percent

_SHARES: Final = ("probability", "cause_")
_MONEY: Final = ("pure_premium", "severity", "large_losses")
_BOUNDS: Final = ("_low", "_high", "_low_d", "_high_d", "_low_km", "_high_km")


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One quantity, written out."""

    name: str
    label: str
    value: str
    interval: str


def quantities(answer: Mapping[str, Any], language: str) -> list[Quantity]:
    """Return the quantities of an answer, without those of further insurance lines, which have tables of their own."""
    found: Mapping[str, float] = answer["answer"] or {}
    left_out = (*_BOUNDS, *(f"_{line['line']}" for line in answer.get("lines", ())))
    return [
        Quantity(name=name, label=catalogue(language).get(f"quantity.{name}", name), value=_written(name, value),
                 interval=_interval(found, name))
        for name, value in found.items() if not name.endswith(left_out)
    ]


def _interval(answer: Mapping[str, float], name: str) -> str:
    for ending in ("", "_d", "_km"):
        stem = name.removesuffix(ending) if ending else name
        low, high = answer.get(f"{stem}_low{ending}"), answer.get(f"{stem}_high{ending}")
        # What follows from a rule, such as the next service by its cycle, has no interval to tell.
        if low is not None and high is not None and low < high and name.endswith(ending):
            return f"{_written(name, low)} – {_written(name, high)}"
    return ""


def _written(name: str, value: float) -> str:
    if name.startswith(_SHARES):
        return percent(value, 2)
    if name.startswith(_MONEY):
        return number(value, 2)
    return number(value)

"""How numbers and instants are written on a page."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from registry.local_time import SHANGHAI

MINUS: Final = "\N{MINUS SIGN}"
ABSENT: Final = "\N{EN DASH}"


def number(value: object, digits: int | None = None) -> str:
    """Return a number with thousands separated, with so many decimals or else four significant figures; texts stay."""
    if value is None:
        return ABSENT
    if not isinstance(value, int | float):
        return str(value)
    if digits is not None:
        return f"{value:,.{digits}f}".replace("-", MINUS)
    written = f"{value:,.0f}" if abs(value) >= 1000 or float(value).is_integer() else f"{value:.4g}"
    return written.replace("-", MINUS)


def signed(value: float | None, digits: int = 1) -> str:
    """Return a number with its sign; what rounds to nothing has none."""
    if value is None:
        return ABSENT
    written = f"{value:+,.{digits}f}"
    return f"{0:.{digits}f}" if not float(written.replace(",", "")) else written.replace("-", MINUS)


def exact(value: float | None) -> str:
    """Return a number so that reading it gives the same number."""
    return ABSENT if value is None else repr(float(value))


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share of one as per cent."""
    return ABSENT if share is None else f"{100 * share:.{digits}f}%"


def money(value: float | None) -> str:
    """Return an amount with its sign and two decimals."""
    return signed(value, 2)


def when(instant: str | datetime | None) -> str:
    """Return an instant in the time of Shanghai."""
    return _shown(instant, "%Y-%m-%d %H:%M:%S")


def day(instant: str | datetime | None) -> str:
    """Return the day of an instant in Shanghai."""
    return _shown(instant, "%Y-%m-%d")


def _shown(instant: str | datetime | None, form: str) -> str:
    if not instant:
        return ABSENT
    at = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return at.astimezone(SHANGHAI).strftime(form) if at.tzinfo else at.strftime(form)

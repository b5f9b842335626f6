"""Sums over windows for families that only count: each row is read once, however many cut-offs there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from features.rolling import cohorts, rolling

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known


def window_sums(
    known: Known, spans: ir.Table, key: str, sums: Mapping[int, Mapping[str, ir.NumericValue | ir.BooleanValue]]
) -> ir.Table:
    """Return sums over windows by key and cut-off, in whole millionths.

    Parameters
    ----------
    known
        What the spans were read from.
    spans
        Rows as `Known.spans` gives them for the windows of `sums`, with the column `key`.
    key
        Column to sum by.
    sums
        Window in days, the longest first -> name -> column; a name means the same column in every window, a flag counts
        as one and a null adds nothing.

    Returns
    -------
    ir.Table
        The key, `cutoff`, ``<name>_<days>d`` and ``n_rows_<days>d``, for the cut-offs with a row in the longest window.
    """
    columns = {name: column for named in sums.values() for name, column in named.items()}
    added = cohorts(spans, [key], tuple(sums), columns)
    return rolling(known, added, key, {days: tuple(named) for days, named in sums.items()})

"""Sums over windows that end at every cut-off, at the price of reading each row once.

A row enters a window at the first cut-off that sees it and leaves it at the first that no longer does. Adding it at the one and
taking it away at the other gives the sum at every cut-off as a running total; because everything is added as whole millionths
(`features.exact`), nothing is left over when a row has left. The work grows with the rows and with the cut-offs, not with
their product.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from features.cutoffs import CUTOFF, POSITION
from features.exact import to_parts
from features.known import FIRST, window_column

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

N_ROWS = "n_rows"
ENDS = "ends"


def cohorts(
    spans: ir.Table, keys: Sequence[str], windows_d: Sequence[int], sums: Mapping[str, ir.NumericValue],
    largest: Mapping[str, ir.NumericValue] | None = None,
) -> ir.Table:
    """Return the rows that the same cut-offs see, added up: what a week brings is one row from here on.

    Parameters
    ----------
    spans
        Rows as `Known.spans` gives them.
    keys
        Columns to group by.
    windows_d
        Windows in days as given to `Known.spans`.
    sums
        Name -> column to be summed in whole millionths; nulls add nothing.
    largest
        Name -> column of which the largest value is kept.

    Returns
    -------
    ir.Table
        The keys, `first`, ``until_<days>d`` per window, the sums (int64), `n_rows`, and the largest values (float64).
    """
    inside = [window_column(days) for days in windows_d]
    grouped = spans.group_by([*keys, FIRST, *inside])
    return grouped.aggregate(
        **{name: to_parts(column).sum().fill_null(0).cast("int64") for name, column in sums.items()},
        **{N_ROWS: spans.count().cast("int64")},
        **{name: column.max().cast("float64") for name, column in (largest or {}).items()},
    )


def rolling(known: Known, rows: ir.Table, key: str, names: Mapping[int, Sequence[str]]) -> ir.Table:
    """Return, for each key and cut-off with a row in the longest window, sums over every window in whole millionths.

    Parameters
    ----------
    known
        What the rows were read from.
    rows
        As `cohorts` gives them, with the column `key`.
    key
        Column to sum by.
    names
        Window in days, the longest first -> columns to sum over it.

    Returns
    -------
    ir.Table
        The key, `cutoff`, and for every window ``<name>_<days>d`` (int64) and ``n_rows_<days>d``.
    """
    wanted = {days: [*chosen, N_ROWS] for days, chosen in names.items()}
    moves = _moved(rows, key, FIRST, 1, wanted, wanted)
    for days in wanted:
        moves = moves.union(_moved(rows, key, window_column(days), -1, wanted, (days,)))
    columns = [f"{name}_{days}d" for days, chosen in wanted.items() for name in chosen]
    moved = moves.group_by([key, POSITION]).aggregate(**{name: moves[name].sum().cast("int64") for name in columns})
    return _running(known, moved, key, columns, f"{N_ROWS}_{next(iter(wanted))}d")


def _moved(
    rows: ir.Table, key: str, at: str, sign: int, wanted: Mapping[int, Sequence[str]], moving: Collection[int]
) -> ir.Table:
    """Return what enters (sign 1) or leaves (-1) some windows at each position, with zeros for the others."""
    import ibis

    values: dict[str, ir.Value] = {}
    for days, names in wanted.items():
        # A row that arrived after it had left a shorter window never enters that one.
        inside = rows[FIRST] < rows[window_column(days)]
        none = ibis.literal(0, "int64")
        for name in names:
            values[f"{name}_{days}d"] = inside.ifelse(rows[name] * sign, none) if days in moving else none
    return rows.select(key, rows[at].name(POSITION), **values)


def _running(known: Known, moved: ir.Table, key: str, columns: list[str], n_rows: str) -> ir.Table:
    """Return the running totals at every cut-off with a row in the longest window."""
    import ibis

    order = ibis.window(group_by=moved[key], order_by=moved[POSITION])
    so_far = ibis.window(group_by=moved[key], order_by=moved[POSITION], preceding=None, following=0)
    totals = moved.select(
        key, **{column: moved[column].sum().over(so_far).cast("int64") for column in columns},
        **{FIRST: moved[POSITION], ENDS: moved[POSITION].lead().over(order).fill_null(len(known.cutoffs))},
    )
    return known.unfold(totals.filter(totals[n_rows] > 0), until=ENDS).select(key, CUTOFF, *columns)

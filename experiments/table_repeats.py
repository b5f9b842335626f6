"""Whether a calibration holds on other divisions of the same rows: the same declaration, other test rows, other seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.table_compare import DECILES


def told_repeats(found: Mapping[str, Any], shown: Callable[[Sequence[float] | None], str]) -> list[str]:
    """Return the page's lines about repeats: one per division, then how often a decile left its band.

    Parameters
    ----------
    found
        `calibration` of a result; its `again` are results of further divisions, each with `name`, `deciles` and `deviance`.
    shown
        How the page writes an interval.
    """
    again = found.get("again") or []
    if not again:
        return []
    ratios = np.array([[one["actual_to_expected"] for one in part["deciles"]] for part in again])
    said = (
        "Other divisions of the same rows, with seeds of their own and the same parameters. Their test rows overlap, so they are "
        "no independent proof:"
    )
    lines = [
        "", said, "",
        "| division | actual / expected, deciles 1 to 10 | outside their 95 % band | band of decile 10 |",
        "| --- | --- | --- | --- |",
    ]
    for part in again:
        row = " ".join(f"{one['actual_to_expected']:.3f}" for one in part["deciles"])
        lines.append(f"| {part['name']} | {row} | {outside(part['deciles'])} | {shown(part['deciles'][-1].get('band'))} |")
    total = sum(outside(part["deciles"]) for part in again)
    counted = (
        f"Over these {len(again)} divisions {total} of {ratios.size} ratios lie outside their pointwise band, where a right score "
        f"has {0.05 * ratios.size:.1f} on average; mean of decile {DECILES}: {ratios[:, -1].mean():.3f}."
    )
    return [*lines, "", counted]


def outside(deciles: Sequence[Mapping[str, Any]]) -> int:
    """Return how many deciles lie outside their 95 % band."""
    return sum(not one["band"][0] <= one["actual_to_expected"] <= one["band"][1] for one in deciles if "band" in one)

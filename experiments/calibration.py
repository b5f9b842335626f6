"""`roadrisk experiment calibration`: every magnitude of the simulated province beside the one that it should have."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from experiments.calibration_rows import NOT_MEASURED, ROWS, SECTIONS, Row
from experiments.calibration_tables import open_tables, province_of
from registry.canonical_json import canonical_json
from registry.output import ProgressCallback, table
from registry.settings import Settings

if TYPE_CHECKING:
    import duckdb
    from matplotlib.figure import Figure
    from rich.console import RenderableType

PAGE_NAME: Final = "calibration"
FEW: Final = 30
"""Below this number of events a value says too little to be judged."""
NEAR: Final = 1.5
"""Factor within which a value that does not agree is still near. [A]"""
VERDICTS: Final = ("agrees", "near", "misses", "few events", "context", "not measured")


@dataclass(frozen=True)
class Measured:
    """One magnitude as simulated.

    Parameters
    ----------
    row
        Its declaration.
    value
        Simulated value; None where nothing answers.
    n
        Events or units that it rests on.
    """

    row: Row
    value: float | None
    n: int

    @property
    def ratio(self) -> float | None:
        """Simulated over the nearest bound of the magnitude, 1 inside its range; None where there is nothing to divide."""
        if self.value is None or (self.row.low <= 0 and self.value != self.row.low):
            return None
        if self.row.low <= self.value <= self.row.high:
            return 1.0
        return self.value / (self.row.low if self.value < self.row.low else self.row.high)

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        if self.value is None:
            return "not measured"
        if self.row.context:
            return "context"
        if self.n < FEW:
            return "few events"
        ratio = self.ratio
        if ratio is None:
            return "misses"
        distance = max(ratio, 1.0 / ratio) if ratio > 0 else math.inf
        if distance <= 1.0 + self.row.tolerance:
            return "agrees"
        return "near" if distance <= max(NEAR, 1.0 + 1.5 * self.row.tolerance) else "misses"


def calibration(settings: Settings, *, progress: ProgressCallback | None = None) -> dict[str, Any]:
    """Measure every magnitude in the province of a home.

    Returns
    -------
    dict
        ``simulated`` True, ``province``, ``rows`` with value, n, ratio and verdict, ``verdicts`` counted, ``seconds``.

    Raises
    ------
    NotFound
        If the home holds no simulated province with its truth.
    """
    began = time.monotonic()
    tell = progress or (lambda _label, _share: None)
    tell("tables", 0.0)
    with open_tables(settings) as connection:
        measured = []
        for index, row in enumerate(ROWS):
            tell(row.id, 0.5 + 0.5 * index / len(ROWS))
            measured.append(_measure(connection, row))
    rows = [_as_dict(item) for item in measured]
    return {
        "study": PAGE_NAME, "simulated": True, "province": province_of(settings), "rows": rows,
        "verdicts": {name: sum(row["verdict"] == name for row in rows) for name in VERDICTS},
        "not_measured": list(NOT_MEASURED), "seconds": round(time.monotonic() - began, 1),
    }


def _measure(connection: duckdb.DuckDBPyConnection, row: Row) -> Measured:
    found = connection.execute(row.sql).fetchone()
    if found is None or found[0] is None or math.isnan(float(found[0])):
        return Measured(row, None, 0)
    return Measured(row, float(found[0]), int(found[1] or 0))


def _as_dict(item: Measured) -> dict[str, Any]:
    row = item.row
    return {
        "id": row.id, "what": row.what, "section": row.section, "unit": row.unit, "low": row.low, "high": row.high,
        "tag": row.tag, "source": row.source, "simulated": item.value, "n": item.n, "ratio": item.ratio,
        "verdict": item.verdict,
    }


def render(result: Mapping[str, Any]) -> RenderableType:
    """Return the table for people."""
    cells = [
        (row["what"], _expected(row), _number(row["simulated"]), row["unit"], row["tag"], _number(row["ratio"]), row["verdict"])
        for row in result["rows"]
    ]
    return table(
        ("magnitude", "expected", "simulated", "unit", "tag", "ratio", "verdict"), cells,
        title=f"calibration of the simulated province {result['province']['preset']}",
    )


def write_study(result: Mapping[str, Any], folder: Path) -> list[str]:
    """Write the page, the result and the picture into a folder; return the file names.

    The page says nothing of run time, so that the same province gives the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{PAGE_NAME}.md", f"{PAGE_NAME}.json", f"{PAGE_NAME}.svg"]
    (folder / names[0]).write_text(to_markdown(result), encoding="utf-8")
    (folder / names[1]).write_bytes(canonical_json({key: value for key, value in result.items() if key != "seconds"}))
    draw(result, folder / names[2])
    return names


def to_markdown(result: Mapping[str, Any]) -> str:
    """Return the page."""
    province, counts = result["province"], result["verdicts"]
    lines = [
        "# Calibration of the simulated province", "",
        f"Simulated province `{province['preset']}`, seed {province['seed']}: nothing here was measured in Jiangxi.",
        "Each magnitude that the simulation should have stands beside the one that its deliveries and its truth show.", "",
        "Tags: F1 and F2 found in sources, D derived from them by arithmetic, A assumed by this project, G general knowledge.",
        "A magnitude tagged A is no fact about any road, vehicle or driver.", "",
        ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name]) + ".", "",
        "![Simulated over expected, by section](calibration.svg)", "",
    ]
    for section in SECTIONS:
        rows = [row for row in result["rows"] if row["section"] == section]
        lines += [f"## {section.capitalize()}, simulated", "",
                  "| magnitude | expected | simulated | unit | n | ratio | verdict | tag | source |",
                  "| --- | ---: | ---: | --- | ---: | ---: | --- | --- | --- |"]
        lines += [
            f"| {row['what']} | {_expected(row)} | {_number(row['simulated'])} | {row['unit']} | {row['n']:,} "
            f"| {_number(row['ratio'])} | {row['verdict']} | {row['tag']} | {row['source']} |"
            for row in rows
        ]
        lines.append("")
    lines += ["## Not comparable", "", *(f"- {text}" for text in result["not_measured"]), ""]
    lines += ["Ratio is the simulated value over the nearest bound of what is expected, 1 inside a range.",
              "Written by `roadrisk experiment calibration --write docs/studies`.", ""]
    return "\n".join(lines)


def draw(result: Mapping[str, Any], path: Path) -> None:
    """Draw small multiples, one panel per section: the ratio of every magnitude on a log axis."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    # A fixed salt and no date: the same figures give the same bytes.
    with mpl.rc_context({"svg.hashsalt": "roadrisk", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = _figure(result)
        FigureCanvasSVG(figure)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


COLOURS: Final = {
    "agrees": "#2b6cb0", "near": "#b7791f", "misses": "#c53030", "few events": "#a0aec0", "context": "#718096",
}
MARKS: Final = {"agrees": "o", "near": "D", "misses": "X", "few events": ".", "context": "s"}


def _figure(result: Mapping[str, Any]) -> Figure:
    from matplotlib.figure import Figure

    panels = [
        (section, [row for row in result["rows"] if row["section"] == section and row["ratio"]]) for section in SECTIONS
    ]
    panels = [(section, rows) for section, rows in panels if rows]
    figure = Figure(figsize=(15.0, 11.0), layout="constrained")
    grid = figure.subplots(2, math.ceil(len(panels) / 2), squeeze=False).ravel()
    for axes, (section, rows) in zip(grid, panels, strict=False):
        axes.axvspan(0.8, 1.25, color="#e2e8f0", zorder=0)
        axes.axvline(1.0, color="#4a5568", linewidth=0.8)
        for place, row in enumerate(reversed(rows)):
            axes.plot(row["ratio"], place, MARKS[row["verdict"]], color=COLOURS[row["verdict"]], markersize=6)
        axes.set_yticks(range(len(rows)), [row["id"].replace("_", " ") for row in reversed(rows)], fontsize=7)
        axes.set_xscale("log")
        axes.set_xlim(0.2, 8.0)
        axes.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
        axes.minorticks_off()
        axes.set_title(f"{section} (simulated)", fontsize=10)
    for axes in grid[len(panels):]:
        axes.set_axis_off()
    for name, mark in MARKS.items():
        grid[0].plot([], [], mark, color=COLOURS[name], label=name)
    figure.legend(loc="outside upper center", ncols=len(MARKS), fontsize=8, frameon=False)
    figure.supxlabel("simulated over expected; shaded: within a fifth", fontsize=9)
    return figure


def _expected(row: Mapping[str, Any]) -> str:
    low, high = _number(row["low"]), _number(row["high"])
    return low if row["low"] == row["high"] else f"{low} to {high}"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"

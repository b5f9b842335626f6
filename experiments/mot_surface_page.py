"""Page and picture of the study `mot-surface`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from experiments.mot_surface_data import KM_EDGES, QUINTILES
from experiments.results import render as render_figures
from experiments.study_files import figures_section, save_svg
from registry.canonical_json import canonical_json
from registry.output import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

PAGE_NAME: Final = "mot-surface"
AXES: Final = {"mileage_fifth": "fifth of mileage among vehicles of the same age", "kilometres": "thousand kilometres"}
NUMBERS: Final = {
    "rank_correlation": "rank correlation over cells", "mean_absolute_difference": "mean absolute difference, each over its mean",
    "simulated_log_odds_per_year": "simulated: log odds per year of age",
    "real_log_odds_per_year": "real: log odds per year of age",
    "simulated_log_odds_per_step_of_mileage": "simulated: log odds per step of mileage",
    "real_log_odds_per_step_of_mileage": "real: log odds per step of mileage",
}


def render(result: Mapping[str, Any]) -> RenderableType:
    """Return the tables for people."""
    from rich.console import Group

    numbers = table(
        ("number", *AXES), [(text, *(_told(result["surfaces"][axis], name) for axis in AXES)) for name, text in NUMBERS.items()],
        title=f"simulated province {result['province']['preset']} beside real British tests",
    )
    said = "; ".join(f"by {what} the simulated surface is {text}" for what, text in result["verdict"].items())
    return Group(render_figures(result), numbers, said)


def _told(surface: Mapping[str, Any], name: str) -> str:
    ends = surface["intervals"].get(name)
    return f"{surface[name]:+.3f}" + (f" ({ends[0]:+.3f} to {ends[1]:+.3f})" if ends else "")


def write_study(result: Mapping[str, Any], folder: Path) -> list[str]:
    """Write page, result and picture into a folder; return the file names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{PAGE_NAME}.{end}" for end in ("md", "json", "svg")]
    (folder / names[0]).write_text(to_markdown(result), encoding="utf-8")
    (folder / names[1]).write_bytes(canonical_json({key: value for key, value in result.items() if key != "seconds"}))
    save_svg(lambda: _figure(result), folder / names[2])
    return names


def to_markdown(result: Mapping[str, Any]) -> str:
    """Return the page."""
    province, seen, proposal = result["province"], result["inspections"], result["proposal"]
    lines = [
        "# Failed inspections, simulated beside real", "",
        f"Simulated province `{province['preset']}`, seed {province['seed']}, beside real MOT tests of the United Kingdom.",
        "No inspection of a Chinese truck is here: the real surface is British and nearly all cars. Levels and kilometres differ",
        "for good reasons; compared is how failure rises with age, and with mileage among vehicles of the same age.", "",
        f"![Simulated and real failure surfaces and their difference]({PAGE_NAME}.svg)", "",
        f"{seen['real'] / 1e6:.1f} million real tests fail at {seen['real_fail_rate']:.1%}.",
        f"{seen['simulated']:,} simulated inspections truly fail at {seen['simulated_true_fail_rate']:.1%} and are reported",
        f"failed at {seen['simulated_reported_fail_rate']:.1%}, because lenient stations pass part of them.", "",
        "| number | by fifth of mileage | by kilometres |", "| --- | --- | --- |",
        *(f"| {text} | {' | '.join(_told(result['surfaces'][axis], name) for axis in AXES)} |" for name, text in NUMBERS.items()),
        "", f"Cells: {' and '.join(str(result['surfaces'][axis]['cells']) for axis in AXES)}; in brackets 95 % intervals.", "",
        "## Verdict", "",
        *(f"- By {what} the simulated surface is {text}." for what, text in result["verdict"].items()),
        "", "## What would bring the simulation nearer", "",
        f"- {proposal['log_odds_per_year_to_add']:+.3f} on the log odds of failing per year of age, from the third year on.",
        f"- {proposal['log_odds_per_fifth_of_mileage_to_add']:+.3f} per fifth of mileage among vehicles of the same age.",
        f"- {proposal['about']}.",
        f"- {proposal['why']}.", "",
    ]
    lines += figures_section(result, "Real corners")
    return "\n".join(lines) + "\n\nWritten by `roadrisk experiment mot-surface --write docs/studies`.\n"


def _figure(result: Mapping[str, Any]) -> Figure:
    from matplotlib.figure import Figure as Drawn

    figure = Drawn(figsize=(13.0, 7.2), layout="constrained")
    grid = figure.subplots(2, 3)
    for row, axis in zip(grid, AXES, strict=True):
        surface = result["surfaces"][axis]
        real, ours = (np.array(surface[name], dtype=np.float64) for name in ("real", "simulated"))
        weight = np.where(np.isfinite(real), np.array(surface["simulated_n"], dtype=np.float64), 0.0)
        scaled = [values / np.average(np.nan_to_num(values), weights=weight) for values in (ours, real)]
        panels = (
            ("simulated", scaled[0], "viridis", (0.3, 1.8)), ("real, British cars", scaled[1], "viridis", (0.3, 1.8)),
            ("simulated minus real", scaled[0] - scaled[1], "RdBu_r", (-0.8, 0.8)),
        )
        for axes, (title, values, colours, limits) in zip(row, panels, strict=True):
            _panel(axes, title, values, colours, limits, axis, surface["age_edges"])
    figure.suptitle("rate of failed inspections over its mean, by age and mileage", fontsize=11)
    return figure


def _panel(axes: Any, title: str, values: Any, colours: str, limits: tuple[float, float], axis: str, ages: list[int]) -> None:
    shown = axes.imshow(values, origin="lower", aspect="auto", cmap=colours, vmin=limits[0], vmax=limits[1])
    for i, j in np.argwhere(np.isfinite(values)):
        dark = colours == "viridis" and values[i, j] < np.mean(limits)
        axes.text(j, i, f"{values[i, j]:.2f}", ha="center", va="center", fontsize=7, color="white" if dark else "black")
    axes.set_yticks(range(len(ages) - 1), [f"{a}–{b}" for a, b in pairwise(ages)])
    names = [str(k + 1) for k in range(QUINTILES)] if axis == "mileage_fifth" else [f"{edge / 1e3:.0f}" for edge in KM_EDGES[:-1]]
    axes.set_xticks(range(len(names)), names)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(AXES[axis] if axis == "mileage_fifth" else "from thousand kilometres", fontsize=8)
    axes.set_ylabel("age in years", fontsize=8)
    axes.figure.colorbar(shown, ax=axes, shrink=0.8)

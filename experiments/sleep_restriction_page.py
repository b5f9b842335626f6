"""Page and picture of the study `sleep-restriction`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from experiments.results import render as render_figures
from experiments.study_files import figures_section, save_svg
from registry.canonical_json import canonical_json
from registry.output import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

PAGE_NAME: Final = "sleep-restriction"
WORDS: Final = {
    "restricted_nights": "restricted nights, counted", "tpm_kss": "Three-Process Model, KSS",
    "safte_loss_pct": "SAFTE, loss of effectiveness", "unified_fatigue": "Unified Model, fatigue",
    "fatigue_score_points": "live fatigue score (simulated training)",
}
COLOURS: Final = {
    "restricted_nights": "#a0aec0", "tpm_kss": "#b7791f", "safte_loss_pct": "#2b6cb0", "unified_fatigue": "#2f855a",
    "fatigue_score_points": "#c53030",
}
HEAD: Final = ("predictor", "correlation within subject", "95 %", "marginal R2", "conditional R2", "residual, ms")


def render(result: Mapping[str, Any]) -> RenderableType:
    """Return the tables for people."""
    from rich.console import Group

    return Group(render_figures(result), table(HEAD, _lines(result["models"]), title="days 2 to 9"), result["verdict"])


def _lines(models: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (WORDS[name], "does not move", "", "", "", "") if "constant" in found else
        (WORDS[name], f"{found['within_subject_correlation']:.3f}", _range(found.get("within_subject_interval")),
         f"{found['marginal_r2']:.3f}", f"{found['conditional_r2']:.3f}", f"{found['residual_sd_ms']:.1f}")
        for name, found in models.items()
    ]


def _range(ends: list[float] | None) -> str:
    return f"{ends[0]:.3f} to {ends[1]:.3f}" if ends else ""


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
    head = [f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"]
    lines = [
        "# Models of fatigue against measured reaction times", "",
        "Real measurements of 18 volunteers in a laboratory (Belenky et al. 2003). None of them drove; no",
        "driver-labelled positions and no accidents of carriers are here. The clock times of sleep and tests are assumed [A].", "",
        f"![Measured reaction times and models by day]({PAGE_NAME}.svg)", "",
        "## Days 2 to 9: baseline and seven restricted nights", "", *head,
        *(f"| {' | '.join(line)} |" for line in _lines(result["models"])), "",
        *(
            f"- {name.replace('_', ' ')}: correlation higher by {one['gain']:.3f} ({_range(one['interval'])})."
            for name, one in result["gains"].items()
        ),
        "", "## All ten days, read as restricted from day 0 on", "",
        "The older reading of the same data, which published fits use: day 0 is the baseline and every later night has 3 h.", "",
        *head, *(f"| {' | '.join(line)} |" for line in _lines(result["all_days_from_day_0"])), "", *_score(result["score"]),
        "## Verdict", "", f"{result['verdict']}.", "",
    ]
    lines += figures_section(result, "The published mixed model")
    return "\n".join(lines) + "\n\nWritten by `roadrisk experiment sleep-restriction --write docs/studies`.\n"


def _score(score: Mapping[str, Any] | None) -> list[str]:
    if score is None:
        return ["## The fatigue score", "", "No fatigue score is live in this home: the physics alone was tried.", ""]
    moved = ", ".join(f"{value:+.1f}" for value in score["points_above_rested"])
    trained = "a simulated province" if score["simulated"] else "the home's data"
    together = "it does not move" if score["correlation_with_group_mean"] is None else f"{score['correlation_with_group_mean']:.2f}"
    return [
        "## The fatigue score", "",
        f"Version {score['version']} of `driver_fatigue`, digest `{score['digest'][:16]}`, trained on {trained}.",
        "Set from the schedule:",
        f"{', '.join(f'`{name}`' for name in score['set_inputs'])};",
        f"the other {score['median_inputs']} inputs stand at the median of the reference population. Points above day 0, by day:",
        f"{moved}. Correlation with the group's mean reaction time, days 2 to 9: {together}.", "",
    ]


def _figure(result: Mapping[str, Any]) -> Figure:
    from matplotlib.figure import Figure as Drawn

    by_day = result["by_day"]
    measured = np.array(by_day["reaction_ms"])
    days = np.arange(len(measured))
    figure = Drawn(figsize=(9.0, 4.6), layout="constrained")
    axes = figure.add_subplot(1, 1, 1)
    axes.plot(days, measured, "o-", color="black", label="measured, mean of 18 volunteers")
    for name in WORDS:
        values = np.array(by_day.get(name, np.zeros(len(days))))
        if np.ptp(values[2:]) == 0:
            continue
        # Each model on the scale of milliseconds by least squares over the days that are judged.
        slope, start = np.polyfit(values[2:], measured[2:], 1)
        axes.plot(days, start + slope * values, "--", color=COLOURS[name], label=WORDS[name])
    axes.axvspan(-0.4, 1.5, color="#edf2f7", zorder=0)
    axes.text(0.5, measured.max(), "training", ha="center", fontsize=8)
    axes.set(xlabel="day (3 h in bed before days 3 to 9)", ylabel="reaction time, ms", xticks=days)
    axes.set_title("reaction times and models of fatigue, each fitted by a line to days 2 to 9", fontsize=10)
    axes.legend(fontsize=8)
    return figure

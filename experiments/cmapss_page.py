"""Page and picture of the study `cmapss`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from experiments.cmapss_data import CAP
from experiments.results import render as render_figures
from experiments.study_files import figures_section, save_svg
from registry.canonical_json import canonical_json
from registry.output import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

PAGE_NAME: Final = "cmapss"
BAND_HEAD: Final = ("predicted from", "to", "half width", "calibrating units", "test units", "covered")


def render(result: Mapping[str, Any]) -> RenderableType:
    """Return the tables for people."""
    from rich.console import Group

    told = table(
        ("record", "model", "RMSE, test"),
        [(name, model, value) for name, one in result["records"].items() for model, value in models(one)],
        title="last cycle of each test unit, remaining life capped at 125",
    )
    return Group(render_figures(result), told, result["verdict"])


def models(one: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return every model of a record with its error on the test, ours first."""
    low, high = one["test"]["interval"]
    rows = [(f"ours, {one['chosen']} objective", f"{one['test']['rmse']:.2f} ({low:.2f} to {high:.2f})")]
    if "hazard" in one:
        rows.append(("ours, discrete-time hazard", f"{one['hazard']['test_rmse']:.2f}"))
    return rows + [(f"{name}, published", f"{value:.2f}") for name, value in one["published_rmse"].items()]


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
    lines = [
        "# Remaining useful life of turbofan engines", "",
        "NASA's C-MAPSS simulates the engines; nobody in this project wrote the rows. It stands for the product `maintenance`, of",
        "which no real failures of trucks are here.", "",
        f"![Predicted and true remaining life with intervals]({PAGE_NAME}.svg)", "", f"{result['verdict']}.", "",
    ]
    for name, one in result["records"].items():
        lines += [f"## {name}", "", "| model | RMSE, test |", "| --- | ---: |"]
        lines += [*(f"| {model} | {value} |" for model, value in models(one)), ""]
        lines += _chosen(one) + _intervals(one["intervals"]) + _bundle(one)
    lines += figures_section(result, "Ours beside the aim")
    return "\n".join(lines) + "\n\nWritten by `roadrisk experiment cmapss --write docs/studies`.\n"


def _chosen(one: Mapping[str, Any]) -> list[str]:
    crossed = ", ".join(f"{name} {value:.2f}" for name, value in one["cross_validation_rmse"].items())
    hazard = f", discrete-time hazard {one['hazard']['cross_validation_rmse']:.2f}" if "hazard" in one else ""
    return [f"Cross-validation by unit on training units: {crossed}{hazard}. Chosen among objectives: {one['chosen']}.", ""]


def _intervals(found: Mapping[str, Any]) -> list[str]:
    test, single = found["test"], found["one_width"]
    low, high = test["coverage_range"]
    rows = [
        (f"{band['from']:.0f}", f"{band['to']:.0f}", "unbounded" if band["half_width"] is None else f"{band['half_width']:.1f}",
         str(band["calibrating_units"]), str(band["test_units"]), str(band["test_covered"]))
        for band in found["bands"]
    ]
    crossed = found["training_out_of_fold"]
    return [
        f"Intervals: stated rate {found['stated']:.0%}. On the test {test['coverage']:.0%} of {test['units']} units are covered",
        f"(95 % range {low:.0%} to {high:.0%}), mean width {test['mean_width']:.1f} cycles; out of fold on training units",
        f"{crossed['coverage']:.1%}, mean width {crossed['mean_width']:.1f}. With one width for all, on the test:",
        f"{single['coverage']:.0%} and {single['mean_width']:.1f}.", "",
        f"| {' | '.join(BAND_HEAD)} |", f"|{' ---: |' * len(BAND_HEAD)}", *(f"| {' | '.join(row)} |" for row in rows), "",
    ]


def _bundle(one: Mapping[str, Any]) -> list[str]:
    explained = one["explanation"]
    moved = ", ".join(f"`{key}` {value:.3g}" for key, value in explained["mean_absolute_points"].items())
    return [
        f"Bundle `{one['bundle']['digest'][:16]}`, {sum(one['trees'].values())} trees. Contributions add up to the points of",
        f"{explained['rows']} rows to {explained['largest_difference_points']:.1e}. Mean absolute contribution in points:",
        f"{moved}.", "",
    ]


def _figure(result: Mapping[str, Any]) -> Figure:
    from matplotlib.figure import Figure as Drawn

    records = result["records"]
    figure = Drawn(figsize=(6.2 * len(records), 4.4), layout="constrained")
    for place, (name, one) in enumerate(records.items(), start=1):
        axes = figure.add_subplot(1, len(records), place)
        truth, predicted = np.array(one["test"]["observed"]), np.array(one["test"]["predicted"])
        low, high = np.array(one["intervals"]["low"]), np.array(one["intervals"]["high"])
        order = np.argsort(truth, kind="stable")
        stated = f"interval, {one['intervals']['stated']:.0%}"
        axes.vlines(np.arange(len(order)), low[order], high[order], color="#a0aec0", linewidth=2.0, label=stated)
        axes.plot(predicted[order], ".", color="#2b6cb0", label="predicted")
        axes.plot(truth[order], "-", color="black", linewidth=1.0, label="true, capped at 125")
        axes.set(xlabel="test units by true remaining life", ylabel="cycles", ylim=(-3, CAP + 5))
        axes.set_title(f"{name}: RMSE {one['test']['rmse']:.2f}", fontsize=10)
        axes.legend(fontsize=8, loc="upper left")
    return figure

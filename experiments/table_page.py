"""The page of a declared study: figures beside the published ones, peers, deciles, search, bundle; and its pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from experiments.results import figures_of, shown
from experiments.table_repeats import told_repeats
from registry.canonical_json import canonical_json
from registry.output import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

WORDS: Final = {
    "glm": "GLM (glum), binned inputs", "ebm": "EBM (interpret)", "scorecard": "scorecard (optbinning)",
    "untuned": "LightGBM, untuned",
}
BESIDE: Final = (
    "Same inputs, same training and test rows. The interval is of the paired bootstrap over the groups of rows, which are drawn "
    "once for all rounds and models."
)
BANDS: Final = {
    "band": "95 % band of a right score", "poisson": "95 % Poisson band",
    "simultaneous": "simultaneous 95 % band (Sidak) of a right score",
}
COLOURS: Final = {"ours": "#2b6cb0", "band": "#cbd5e0", "outside": "#c53030"}


def render(result: Mapping[str, Any]) -> RenderableType:
    """Return what people see on a terminal: the figures, then every peer."""
    from rich.console import Group

    by = {name: who for score in result["scores"].values() for name, who in score["by"].items()}
    figures = [
        (name, f"{figure.ours:.5g}", shown(figure.published), figure.better, figure.verdict, by.get(name, "-"))
        for name, figure in figures_of(result).items()
    ]
    peers = list(_peer_rows(result))
    drawn = [table(("figure", "ours", "published", "better is", "verdict", "published by"), figures, title=result["study"])]
    if peers:
        drawn.append(table(
            ("score", "measure", "ours", "peer", "its figure", "ours - peer", "95 % interval, paired", "ours is"), peers
        ))
    drawn += [_decile_line(name, score) for name, score in result["scores"].items() if "calibration" in score]
    return Group(*drawn)


def write_study(result: Mapping[str, Any], folder: Path) -> list[str]:
    """Write page, result and picture into a folder; return the file names.

    The page says nothing of run time, so that the same rows and seed give the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{result['study']}.{end}" for end in ("md", "json", "svg")]
    (folder / names[0]).write_text(to_markdown(result), encoding="utf-8")
    (folder / names[1]).write_bytes(canonical_json(_timeless(result)))
    draw(result, folder / names[2])
    return names


def _timeless(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _timeless(inner) for key, inner in value.items() if key not in ("seconds", "version")}
    return [_timeless(inner) for inner in value] if isinstance(value, list | tuple) else value


def to_markdown(result: Mapping[str, Any]) -> str:
    """Return the page."""
    study = result["study"]
    lines = [
        f"# Study {study}", "",
        f"{result['rows']:,} real rows, seed {result['seed']}; numbers are in [{study}.json]({study}.json).", "",
        f"![Actual over expected by decile, and the search, of study {study}]({study}.svg)",
        *_table(("figure", "ours", "published", "better is", "verdict", "published by"), list(_figure_rows(result))),
    ]
    if peers := list(_peer_rows(result)):
        lines += [
            "", "## Beside models that can be read off", "",
            BESIDE,
            *_table(("score", "measure", "ours", "peer", "its figure", "ours - peer", "95 % interval", "ours is"), peers),
        ]
    for name, score in result["scores"].items():
        lines += [*_rounds(name, score), *_deciles(name, score), *_searches(name, score), *_bundle(name, score)]
    lines += ["", "## Protocol", "", *(f"- **{name}**: {text}" for name, text in result["protocol"].items())]
    if result["notes"]:
        lines += ["", "## Notes", "", *(f"- {note}" for note in result["notes"])]
    return "\n".join([*lines, ""])


def _figure_rows(result: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    by = {name: who for score in result["scores"].values() for name, who in score["by"].items()}
    for name, figure in figures_of(result).items():
        yield (
            f"`{name}`", f"{figure.ours:.5g}", shown(figure.published), figure.better, figure.verdict, by.get(name, "-")
        )


def _peer_rows(result: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for score in result["scores"].values():
        for part, measures in score["test"].items():
            for measure, found in measures.items():
                for peer, one in found["peers"].items():
                    yield (
                        part, measure, shown(found["value"]), WORDS.get(peer, peer), shown(one["value"]),
                        f"{one['difference']:+.3g}", _interval(one["interval"]), one["verdict"],
                    )


def _interval(found: Sequence[float] | None) -> str:
    return "-" if found is None else f"{found[0]:.4g} to {found[1]:.4g}"


def _rounds(name: str, score: Mapping[str, Any]) -> list[str]:
    rows = [
        (part, measure, shown(found["value"]), _interval(found["interval"]), _interval(found["over_rounds"]),
         " ".join(f"{value:.4g}" for value in found["per_round"]))
        for part, measures in score["test"].items() for measure, found in measures.items()
    ]
    head = ("part", "measure", "mean", "95 % bootstrap", "95 % over rounds", "rounds")
    return ["", f"## {name}, test rows", *_table(head, rows)]


def _deciles(name: str, score: Mapping[str, Any]) -> list[str]:
    if "calibration" not in score:
        return []
    kinds = {kind: head for kind, head in BANDS.items() if any(kind in one for one in score["calibration"]["deciles"])}
    head = ("decile", "expected", "actual", "actual / expected", *kinds.values(), "bootstrap")
    rows = [
        (str(one["decile"]), shown(one["expected"]), shown(one["actual"]), f"{one['actual_to_expected']:.3f}",
         *(_interval(one[kind]) for kind in kinds), _interval(one["bootstrap"]))
        for one in score["calibration"]["deciles"]
    ]
    again = told_repeats(score["calibration"], _interval)
    return ["", f"## {name}, deciles of {score['calibration']['of']}", "", _decile_line(name, score), *_table(head, rows), *again]


def _decile_line(name: str, score: Mapping[str, Any]) -> str:
    found = score["calibration"]["deciles"]
    told = [f"1 lies in the bootstrap interval in {sum(_holds_one(one) for one in found)} of {len(found)} deciles"]
    for kind, words in BANDS.items():
        inside = sum(one[kind][0] <= one["actual_to_expected"] <= one[kind][1] for one in found if kind in one)
        told += [f"actual over expected lies in the {words} in {inside}"] if any(kind in one for one in found) else []
    chance = score["calibration"].get("right_score_all_pointwise")
    if chance is None:
        return f"{name}: {', '.join(told)}."
    return f"{name}: {', '.join(told)}. A right score has all of them in the pointwise band with {chance:.0%} only."


def _holds_one(one: Mapping[str, Any]) -> bool:
    found = one["bootstrap"]
    return found is not None and found[0] <= 1.0 <= found[1]


def _searches(name: str, score: Mapping[str, Any]) -> list[str]:
    rows = [
        (component, one["round"], str(len(one["loss"])), shown(one["best"][0]), shown(one["best"][-1]),
         str(one["chosen_trial"] + 1),
         ", ".join(f"{key} {value:.4g}" for key, value in one["chosen"].items()))
        for component, told in score["search"].items() for one in told
    ]
    head = ("component", "round", "trials", "first loss", "best loss", "best trial", "chosen")
    return ["", f"## {name}, search on validation rows", *_table(head, rows)] if rows else []


def _bundle(name: str, score: Mapping[str, Any]) -> list[str]:
    found, explained = score["bundle"], score["explanation"]
    moved = ", ".join(f"`{key}` {value:.3g}" for key, value in explained["mean_absolute_points"].items())
    trees = ", ".join(f"{component} {count}" for component, count in score["trees"].items())
    told = (
        f"Digest `{found['digest'][:16]}`; trees: {trees}. Contributions add up to the points of {explained['rows']} rows to "
        f"{explained['largest_difference_points']:.1e}. Mean absolute contribution in points: {moved}."
    )
    return ["", f"## {name}, bundle", "", told]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    return ["", f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]


def draw(result: Mapping[str, Any], path: Path) -> None:
    """Write the picture: actual over expected by decile, and the search where there was one."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    # A fixed salt and no date: the same figures give the same bytes.
    with mpl.rc_context({"svg.hashsalt": "roadrisk", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = _figure(result)
        FigureCanvasSVG(figure)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _figure(result: Mapping[str, Any]) -> Figure:
    from matplotlib.figure import Figure as Drawn

    panels: list[tuple[Any, Any]] = []
    for name, score in result["scores"].items():
        if "calibration" in score:
            panels.append((_draw_deciles, (name, score["calibration"])))
        panels += [(_draw_search, (f"{name}, {part}", told)) for part, told in score["search"].items()]
    figure = Drawn(figsize=(5.2 * max(len(panels), 1), 3.8), layout="constrained")
    for position, (drawing, given) in enumerate(panels, start=1):
        drawing(figure.add_subplot(1, len(panels), position), *given)
    return figure


def _draw_deciles(axes: Any, name: str, found: Mapping[str, Any]) -> None:
    places = [one["decile"] for one in found["deciles"]]
    ratios = np.array([one["actual_to_expected"] for one in found["deciles"]])
    ends = np.array([one["bootstrap"] or (np.nan, np.nan) for one in found["deciles"]]).T
    if any("band" in one for one in found["deciles"]):
        band = np.array([one["band"] for one in found["deciles"]]).T
        axes.fill_between(places, band[0], band[1], color=COLOURS["band"], label="95 % band of a right score", step="mid")
    lengths = np.maximum(np.abs(np.vstack([ratios - ends[0], ends[1] - ratios])), 0)
    axes.errorbar(places, ratios, yerr=lengths, fmt="o", color=COLOURS["ours"], label="actual / expected, 95 % bootstrap")
    axes.axhline(1.0, color="grey", linewidth=0.8)
    axes.set(title=f"{name}: {found['of']} by decile", xlabel="decile of the prediction", ylabel="actual / expected", xticks=places)
    axes.legend(fontsize="small")


def _draw_search(axes: Any, name: str, told: Sequence[Mapping[str, Any]]) -> None:
    for one in told:
        trials = range(1, len(one["loss"]) + 1)
        axes.plot(trials, one["best"], drawstyle="steps-post", color=COLOURS["ours"], alpha=1.0 if len(told) == 1 else 0.5)
        axes.plot(trials, one["loss"], ".", color="grey", markersize=4)
    axes.set(title=f"search of {name}", xlabel="trials", ylabel="validation loss: each trial, best so far")

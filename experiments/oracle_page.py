"""What `roadrisk experiment oracle` shows: a table for people, and a page with the result beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from experiments.ceiling import HOW
from experiments.detection import MEANING
from registry.canonical_json import canonical_json
from registry.output import table

PAGE_NAME: Final = "oracle"
_SERIES: Final = ("model", "ceiling", "truth", "safety")


def render(result: Mapping[str, Any]) -> Any:
    """Return the tables for people."""
    from rich.console import Group

    title = f"live scores, ceiling and truth of the simulated province {result['province']['preset']}"
    nearness = table(
        ("product", "metric", "model", "ceiling", "oracle", "of ceiling", "95 %", "of oracle"),
        [
            (product, name, f"{one['model']:.4f}", _both(one), f"{one['oracle']:.4f}", _share(one["ratio_to_ceiling"]),
             _span(one["interval"]), _share(one["ratio_to_oracle"]))
            for product, found in result["products"].items() for name, one in found["metrics"].items()
        ], title=title,
    )
    inspection = table(
        ("product", "verdict", "elasticity of score", "of truth", "excess", "95 %"),
        [(product, *_dependence(found["inspection"])) for product, found in result["products"].items()],
        title="risk or inspectors, simulated",
    )
    return Group(nearness, inspection)


def write_study(result: Mapping[str, Any], folder: Path) -> list[str]:
    """Write the page and the result into a folder; return the file names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{PAGE_NAME}.md").write_text(to_markdown(result), encoding="utf-8")
    kept = {key: value for key, value in result.items() if key != "seconds"}
    (folder / f"{PAGE_NAME}.json").write_bytes(canonical_json(kept))
    return [f"{PAGE_NAME}.md", f"{PAGE_NAME}.json"]


def to_markdown(result: Mapping[str, Any]) -> str:
    """Return the page."""
    lines = [*_head(result), *_nearness(result), *_inspection(result)]
    return "\n".join([*lines, "Written by `roadrisk experiment oracle --write docs/studies`.", ""])


def _head(result: Mapping[str, Any]) -> Iterator[str]:
    province = result["province"]
    yield from ("# Live scores beside ceiling and oracle, simulated", "")
    yield f"Simulated province `{province['preset']}`, seed {province['seed']}. All figures are of the same out-of-time rows."
    if result["quick"]:
        yield from ("", "**Quick run: the ceiling is smaller than what can be reached, so the ratios flatter the scores.**")
    yield from ("", *(f"- **{name}**: {text}" for name, text in HOW.items()), "")


def _nearness(result: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## How near", "", "Ratios are of the Gini, of AUC above one half, or of the deviance explained (d2).", "")
    yield "| product | metric | model | ceiling, lower to upper | oracle | of lower ceiling | 95 % | of upper | of oracle |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for product, found in result["products"].items():
        for name, one in found["metrics"].items():
            mark = "**" if name == found["headline"]["metric"] else ""
            yield (
                f"| `{product}` | {mark}{name}{mark} | {one['model']:.4f} | {_both(one)} | {one['oracle']:.4f} "
                f"| {mark}{_share(one['ratio_to_ceiling'])}{mark} | {_span(one['interval'])} "
                f"| {_share(one['ratio_to_ceiling_high'])} | {_share(one['ratio_to_oracle'])} |"
            )
    yield ""
    for product, found in result["products"].items():
        made, headline = found["ceiling"], found["headline"]
        verdict = "reached" if headline["met"] else "not reached"
        yield (
            f"- `{product}`: {found['rows']:,} rows of {found['enterprises']:,} enterprises, {found['events']:,.0f} events where "
            f"{found['expected_events']:,.0f} were to be expected. Aim of {headline['aim']:.0%} of the lower ceiling: {verdict}. "
            f"Ceiling: {made['enterprises']:,} enterprises and {made['trees']} trees per booster, {made['inputs']} inputs, "
            f"{made['folds']} folds."
        )
    yield ""


def _inspection(result: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Risk or inspectors", "")
    yield "Elasticity: by how many per cent the mean rate rises per per cent of inspection intensity. Safety is the part of the"
    yield "truth that inspectors cannot add to: accidents without cases. A score *follows inspectors* when its elasticity exceeds"
    yield from ("that of the truth by an interval above zero.", "")
    yield "| product | verdict | score | ceiling | truth | safety alone | score less truth | 95 % |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for product, found in result["products"].items():
        one = found["inspection"]
        cells = [_signed(_value(one.get("elasticity", {}).get(name))) for name in _SERIES]
        excess = one.get("excess", {})
        yield (
            f"| `{product}` | {one['verdict']} | {' | '.join(cells)} | {_signed(_value(excess))} "
            f"| {_span(excess.get('interval'), signed=True)} |"
        )
    yield from ("", "True over predicted rate by fifth of inspection, 1 overall. Falling: the score rises more than the truth.", "")
    yield "| product | outcome | least inspected | 2 | 3 | 4 | most inspected |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
    for product, found in result["products"].items():
        for key, told in (("truth_to_model", "all"), ("safety_to_model", "safety alone")):
            fifths = found["inspection"].get("fifths", [])
            if fifths:
                yield f"| `{product}` | {told} | " + " | ".join(f"{fifth[key]:.3f}" for fifth in fifths) + " |"
    yield from ("", "Rank correlation with inspection, for description: a truth with unexplained spread is flattened in it.", "")
    yield "| product | score | ceiling | truth |"
    yield "| --- | ---: | ---: | ---: |"
    for product, found in result["products"].items():
        ranks = found["inspection"]["rank_correlation"]
        yield f"| `{product}` | " + " | ".join(_signed(ranks.get(name)) for name in _SERIES[:3]) + " |"
    yield from ("", *(f"- *{verdict}*: {meaning}." for verdict, meaning in MEANING.items()), "")


def _dependence(one: Mapping[str, Any]) -> tuple[str, ...]:
    slopes, excess = one.get("elasticity", {}), one.get("excess", {})
    return (
        one["verdict"], _signed(_value(slopes.get("model"))), _signed(_value(slopes.get("truth"))), _signed(_value(excess)),
        _span(excess.get("interval"), signed=True),
    )


def _both(one: Mapping[str, Any]) -> str:
    low, high = one["ceiling_low"], one["ceiling_high"]
    return f"{low:.4f}" if high is None else f"{low:.4f} to {high:.4f}"


def _value(told: Mapping[str, Any] | None) -> float | None:
    return told.get("value") if told else None


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"


def _span(interval: Any, *, signed: bool = False) -> str:
    if not interval or any(end is None for end in interval):
        return "–"
    low, high = interval
    return f"{low:+.3f} to {high:+.3f}" if signed else f"{low:.1%} to {high:.1%}"

"""The common form of a study: ours beside the published figure, as an object, a table and a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from registry.canonical_json import canonical_json
from registry.output import table

if TYPE_CHECKING:
    from rich.console import RenderableType

Better = Literal["lower", "higher", "nearer"]


@dataclass(frozen=True)
class Figure:
    """One figure of a study: ours, the published one (None where none is known), and which direction is better."""

    ours: float
    published: float | None
    better: Better

    @property
    def verdict(self) -> str:
        """How ours compares, in one word or number."""
        if self.published is None:
            return "nothing published"
        if self.better == "nearer":
            return f"{self.ours / self.published - 1.0:+.2%}"
        gain = self.ours - self.published if self.better == "higher" else self.published - self.ours
        return "better" if gain > 0 else "not better"


def study_result(
    study: str, figures: Mapping[str, Figure], *, protocol: Mapping[str, str], seconds: float, **more: Any
) -> dict[str, Any]:
    """Return the object that every study prints with `--json`; `more` adds further keys."""
    return {
        "study": study,
        "metrics": {name: {"ours": figure.ours, "published": figure.published} for name, figure in figures.items()},
        "better": {name: figure.better for name, figure in figures.items()},
        "protocol": dict(protocol),
        "seconds": round(seconds, 1),
        **more,
    }


def figures_of(result: Mapping[str, Any]) -> dict[str, Figure]:
    """Return the figures of a result."""
    return {
        name: Figure(both["ours"], both["published"], result["better"][name])
        for name, both in result["metrics"].items()
    }


def render(result: Mapping[str, Any]) -> RenderableType:
    """Return the table for people."""
    rows = [
        (name, f"{figure.ours:.5g}", shown(figure.published), figure.better, figure.verdict)
        for name, figure in figures_of(result).items()
    ]
    return table(("figure", "ours", "published", "better is", "verdict"), rows, title=result["study"])


def write_page(result: Mapping[str, Any], page: Path) -> None:
    """Write the Markdown page, and the result beside it as JSON."""
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(to_markdown(result), encoding="utf-8")
    page.with_suffix(".json").write_bytes(canonical_json(result))


def to_markdown(result: Mapping[str, Any]) -> str:
    """Return the page of a study."""
    lines = [f"# Study {result['study']}", "", "| figure | ours | published | better is |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{name}` | {figure.ours:.5g} | {shown(figure.published)} | {figure.better} |"
        for name, figure in figures_of(result).items()
    ]
    lines += ["", "## Protocol", "", *(f"- **{name}**: {text}" for name, text in result["protocol"].items())]
    lines += ["", f"Run time {result['seconds']:.0f} s.", ""]
    return "\n".join(lines)


def shown(value: float | None) -> str:
    """Return a figure to five digits, a dash where there is none."""
    return "-" if value is None else f"{value:.5g}"

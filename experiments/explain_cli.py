"""`roadrisk explain`: a past decision, or how good the explanations of a version are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import click

from registry.cli_options import json_option
from serving.cli import explain as explain_decision

if TYPE_CHECKING:
    from rich.console import RenderableType

SCORE_ID: Final = re.compile(r"[0-9a-f]{32}")


class DecisionOrCommand(click.Group):
    """A group whose first argument may be a score id, which is then explained."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is meant."""
        if args and (SCORE_ID.fullmatch(args[0]) or args[0] not in self.commands):
            return "decision", self.commands["decision"], args
        return super().resolve_command(ctx, args)


@click.group(cls=DecisionOrCommand, subcommand_metavar="SCORE_ID | COMMAND [ARGS]...")
def explain() -> None:
    """Explain the past decision SCORE_ID exactly, or audit the explanations of a model."""


explain.add_command(explain_decision, "decision")


@explain.command()
@click.argument("product")
@click.option("--version", "number", type=click.IntRange(1), default=None, help="Which version.  [default: live, else newest]")
@click.option("--rows", type=click.IntRange(20), default=300, show_default=True, help="Rows of the test period.")
@click.option("--seed", type=int, default=None, help="Instead of ROADRISK_SEED.")
@json_option
def audit(product: str, number: int | None, rows: int, seed: int | None, as_json: bool) -> None:
    """Measure the explanations of a version of PRODUCT and keep the figures beside its card.

    Additivity, agreement with interventional SHAP and with the simulation's true effects, stability under noise, faithfulness by
    deletion; and how often similar entities made changes that recourse and what-if speak of.
    """
    from experiments.explanation_audit import audit_explanations
    from registry.output import emit, progress
    from registry.settings import Settings
    from training.evaluate_cli import refresh_documents
    from training.fit import wait_passively

    wait_passively()
    settings = Settings()
    with progress(f"explain audit {product}") as tell:
        found = audit_explanations(settings, product, number, rows=rows, seed=seed, progress=tell)
    if found["version"] is not None:
        refresh_documents(settings, found["product"], found["version"])
    emit(found, as_json, _render)


def _render(found: dict[str, Any]) -> RenderableType:
    from registry.output import table

    rows: list[tuple[object, ...]] = [
        ("sum differs from points by at most", f"{found['additivity']['max_error']:.1e}", f"{found['n_rows']} rows")
    ]
    for name, words in (("interventional", "interventional SHAP"), ("truth", "true effects (simulated)")):
        one = found.get(name)
        if one:
            median, low = (one["correlation"][end] for end in ("median", "p05"))
            rows += [
                (f"{words}: correlation per row, median", _round(median), f"5th pct {low:.3f}"),
                (f"{words}: same reasons (Jaccard)", _round(one["jaccard"]), f"same first {one['same_first']:.1%}"),
            ]
    noise, deleted = found["stability"], found["deletion"]
    size, moved = f"noise of {noise['noise']:.0%}", noise["points"]
    rows += [
        (f"{size}: same reasons (Jaccard)", _round(noise["jaccard"]), f"same first {noise['same_first']:.1%}"),
        (f"{size}: move of points, median", _round(moved["median"]), f"95th pct {moved['p95']:.2f}"),
        ("deletion: contribution against fall", _round(deleted["correlation"]), "correlation"),
    ]
    rows += [
        (f"deletion of {step['depth']}: fall in points", _round(step["named"]), f"at random {step['random']:.2f}")
        for step in deleted["steps"]
    ]
    title = f"{found['product']} version {found['version']}: explanations" + (" (simulated data)" if found["simulated"] else "")
    return table(("measure", "value", ""), rows, title=title)


def _round(value: float) -> float:
    return round(value, 3)

"""`roadrisk tune`: search LightGBM parameters of a product and keep the chosen ones for `roadrisk train --tuned`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from registry.output import emit, progress, table
from registry.products import PRODUCTS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.settings import Settings
    from training.tuning.plan import Plan


@click.command()
@click.argument("product", type=click.Choice([*PRODUCTS]))
@click.option("--component", "components", multiple=True,
              help="Only this component; may be repeated. By default all but the causes of a ranking.")
@click.option("--trials", type=click.IntRange(min=1), default=40, show_default=True,
              help="Trials of each component that shall be finished in the end, earlier calls included.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=1), default=None,
              help="Seconds after which no further trial begins, shared among the components.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True,
              help="Worker processes on the same studies; ROADRISK_THREADS is shared among them.")
@click.option("--objectives", default="loss", show_default=True,
              help="What is minimised: loss, or loss with calibration, latency or both, separated by commas.")
@click.option("--pick", default="best", show_default=True,
              help="How a trial is chosen: best, cheapest-within=1% or calibrated-within=1% (of the best gain).")
@click.option("--finalists", type=click.IntRange(min=0), default=3, show_default=True,
              help="Trials that are fitted once more with every member, where a score has several.")
@click.option("--seed", type=int, default=None, help="Seed; by default ROADRISK_SEED.")
@click.option("--track/--no-track", default=True, show_default=True, help="Write runs into MLflow.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--dry-run", is_flag=True, help="Say what would be searched and how far the studies are.")
def tune(
    product: str, components: tuple[str, ...], trials: int, timeout_s: float | None, jobs: int, objectives: str, pick: str,
    finalists: int, seed: int | None, track: bool, as_json: bool, dry_run: bool,
) -> None:
    """Search the LightGBM parameters of PRODUCT and keep the chosen ones for training.

    Studies are kept (ROADRISK_OPTUNA_STORAGE): the same command goes on where an earlier one ended, was interrupted or was killed.
    Only the validation fold decides. The choice goes to <home>/tuned/PRODUCT.json, pictures into the folder beside it.
    """
    from registry.settings import Settings
    from training.fit import wait_passively
    from training.tuning.choice import parse_pick
    from training.tuning.objectives import parse_objectives
    from training.tuning.plan import Plan
    from training.tuning.store import storage_address

    wait_passively()
    settings, rule = Settings(), parse_pick(pick)
    plan = Plan(
        address=storage_address(settings), trials=trials, seed=settings.seed if seed is None else seed,
        objectives=parse_objectives(objectives), components=components, threads=settings.threads, timeout_s=timeout_s,
        finalists=finalists,
    )
    if dry_run:
        emit(_dry(product, settings, plan), as_json, _render_plan)
        return
    emit(_tune(product, settings, plan, jobs=jobs, pick=rule, tracked=track), as_json, _render)


def _tune(product: str, settings: Settings, plan: Plan, **how: Any) -> dict[str, Any]:
    from dataclasses import replace

    from training.products import task_for, training_frame
    from training.thin import without_thin
    from training.tuning.command import tune_product

    with progress(f"tune {product}") as tell:
        frame, snapshot = training_frame(product, settings)
        try:
            task = without_thin(task_for(product, settings), frame)
            return tune_product(task, frame, replace(plan, snapshot=snapshot), settings, progress=tell, **how)
        except KeyboardInterrupt:
            click.echo("finished trials are kept; the same command goes on with them", err=True)
            raise


def _dry(product: str, settings: Settings, plan: Plan) -> dict[str, Any]:
    from dataclasses import replace

    from training.products import task_for, training_frame
    from training.thin import without_thin
    from training.tuning.command import planned

    frame, snapshot = training_frame(product, settings)
    return planned(without_thin(task_for(product, settings), frame), frame, replace(plan, snapshot=snapshot))


def _render_plan(result: dict[str, Any]) -> RenderableType:
    rows = [
        (one["component"], one["trials"]["finished"], p["name"], f"{p['low']:g} .. {p['high']:g}",
         "log" if p["log"] else "", one["starting_point"][p["name"]])
        for one in result["components"] for p in one["space"]
    ]
    title = f"would search {result['product']} (studies: {result['storage']})"
    return table(("component", "trials so far", "parameter", "range", "scale", "first trial"), rows, title=title)


def _render(result: dict[str, Any]) -> RenderableType:
    from rich.console import Group

    drawn = [_summary(result)]
    for one in result["components"]:
        if one["front"]:
            drawn.append(_front(one))
        drawn.append(_parameters(one))
    pictures = [file for one in result["components"] for file in one["pictures"]]
    drawn.append(f"parameters: {result['document']}")
    drawn.extend(f"picture: {file}" for file in pictures)
    return Group(*drawn)


def _summary(result: dict[str, Any]) -> RenderableType:
    rows = [
        (one["component"], what.replace("_", " "), *_figures(one[what]))
        for one in result["components"] for what in ("starting_point", "chosen") if one[what] is not None
    ]
    ended = "; ".join(
        f"{one['component']} {one['trials']['finished']} trials, {one['trials']['pruned']} pruned, "
        f"{one['trials']['failed']} failed" for one in result["components"]
    )
    return table(("component", "", *FIGURES), rows, title=f"{result['product']}, pick {result['pick']}: {ended}")


def _front(one: dict[str, Any]) -> RenderableType:
    rows = [
        ("*" if trial["trial"] == one["chosen"]["trial"] else "", *_figures(trial)) for trial in one["front"]
    ]
    return table(("", *FIGURES), rows, title=f"{one['component']}: trials that no other one dominates")


def _parameters(one: dict[str, Any]) -> RenderableType:
    chosen = one["chosen"]["parameters"]
    shares = one["importances"]
    rows = [(name, _short(value), _short(shares.get(name))) for name, value in chosen.items()]
    return table(("parameter", "chosen", "importance"), rows, title=f"{one['component']}, trial {one['chosen']['trial']}")


FIGURES = ("trial", "deviance", "gain", "calibration error", "explanation ms", "trees", "leaves")


def _figures(trial: dict[str, Any]) -> tuple[object, ...]:
    found = trial["measures"]
    return (
        trial["trial"], _short(found["loss"]), _short(trial["gain"]), _short(found["calibration"]), _short(found["latency"]),
        round(found["n_trees"]), round(found["n_leaves"]),
    )


def _short(value: float | None) -> float | None:
    return value if value is None or isinstance(value, int) else float(f"{value:.5g}")

"""`roadrisk train`: train one product or all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from registry.output import emit, progress, progress_each, table
from registry.products import PRODUCTS

if TYPE_CHECKING:
    from registry.bundle import ScoreBundle
    from registry.settings import Settings
    from training.pipeline import TrainedScore


@click.command()
@click.argument("product", type=click.Choice([*PRODUCTS, "all"]), default="all")
@click.option("--trials", type=click.IntRange(min=0), default=0, show_default=True,
              help="Trials of the parameter search per component; 0 takes the declared parameters.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=1), default=None,
              help="Seconds after which the search begins no further trial.")
@click.option("--jobs", type=click.IntRange(min=1), default=None,
              help="Products trained at the same time, each in a process of its own; ROADRISK_THREADS is shared among them. By "
              "default as many as there are threads; 1 trains one after another and needs the memory of one.")
@click.option("--tuned", is_flag=True, help="Take the parameters that `roadrisk tune` kept.")
@click.option("--seed", type=int, default=None, help="Seed; by default ROADRISK_SEED.")
@click.option("--by", default="", help="Who trains: nobody approves alone what they have trained.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--dry-run", is_flag=True, help="Say what would be trained on which rows, and write nothing.")
def train(
    product: str, trials: int, timeout_s: float | None, jobs: int | None, tuned: bool, seed: int | None, by: str,
    as_json: bool, dry_run: bool,
) -> None:
    """Train PRODUCT, or all products: fit, calibrate, sign a bundle, write a card, track and register it.

    The new version is not live until it is promoted (`roadrisk models promote`). Running it again on the same
    features with the same seed gives the same bundle.
    """
    from registry.settings import Settings
    from training.fit import wait_passively

    wait_passively()
    settings = Settings()
    chosen = list(PRODUCTS) if product == "all" else [product]
    at_once = min(jobs or settings.threads, len(chosen))
    if dry_run:
        results = [_dry(name, settings) for name in chosen]
    elif at_once > 1:
        results = trained_beside(chosen, settings, trials, timeout_s, seed, jobs=at_once, tuned=tuned, by=by)
    else:
        results = trained_in_turn(chosen, settings, trials, timeout_s, seed, tuned=tuned, by=by)
    emit({"trained": [] if dry_run else results, "planned": results if dry_run else []}, as_json, _render)


def trained_in_turn(
    products: list[str], settings: Settings, trials: int, timeout_s: float | None, seed: int | None, *, tuned: bool, by: str,
) -> list[dict[str, Any]]:
    """Train products in turn; the documents of one are written while the next is fitted."""
    from features.changes import keep_changes
    from registry.cli_options import now
    from training.cards.aside import Aside
    from training.pipeline import Begun, begin_product, summary, with_parameters
    from training.products import task_for, training_frame
    from training.tuning.stored import stored_parameters

    results: list[dict[str, Any]] = []
    waiting: list[Begun] = []

    def conclude() -> None:
        while waiting:
            begun = waiting.pop(0)
            results.append(summary(begun.conclude()))
            keep_changes(settings, begun.bundle.manifest.product, begun.bundle.digest, begun.bundle.manifest.features)

    with Aside() as aside:
        try:
            for product in products:
                task = task_for(product, settings)
                if tuned:
                    task = with_parameters(task, stored_parameters(settings, product))
                with progress(f"train {product}") as tell:
                    frame, snapshot = training_frame(product, settings)
                    begun = begin_product(
                        task, frame, settings=settings, snapshot=snapshot, progress=tell, trials=trials, timeout_s=timeout_s,
                        seed=seed, by=by, aside=aside if len(products) > 1 else None, at=now(),
                    )
                conclude()
                waiting.append(begun)
        except Exception:
            conclude()  # what was trained before is kept and registered, as if it had been trained alone
            raise
        conclude()
    return results


def trained_beside(
    products: list[str], settings: Settings, trials: int, timeout_s: float | None, seed: int | None, *, jobs: int, tuned: bool,
    by: str,
) -> list[dict[str, Any]]:
    """Train products beside each other; each is registered as soon as it is trained. Results come in the order asked for."""
    from features.changes import keep_changes
    from registry.cli_options import now
    from training.beside import Order, train_beside
    from training.pipeline import registered, summary

    results: dict[str, dict[str, Any]] = {}
    orders = [Order(product, settings, trials, timeout_s, seed, tuned=tuned, by=by) for product in products]
    with progress_each([f"train {product}" for product in products]) as tell:

        def register(made: TrainedScore, bundle: ScoreBundle) -> None:
            product = bundle.manifest.product
            results[product] = summary(registered(made, bundle, settings, at=now()))
            keep_changes(settings, product, bundle.digest, bundle.manifest.features)

        train_beside(orders, register, jobs=jobs, tell=lambda product, *said: tell(f"train {product}", *said))
    return [results[product] for product in products]


def _dry(product: str, settings: Settings) -> dict[str, Any]:
    from training.products import task_for, training_frame
    from training.splits import FOLD

    task = task_for(product, settings)
    frame, snapshot = training_frame(product, settings)
    return {
        "product": product, "snapshot": snapshot, "features": len(task.features),
        "components": [component.name for component in task.components],
        "rows": {str(fold): int(count) for fold, count in frame[FOLD].value_counts().sort_index().items()},
    }


def _render(result: dict[str, Any]) -> Any:
    if result["planned"]:
        planned = [
            (p["product"], p["features"], ", ".join(p["components"]),
             ", ".join(f"{fold} {n}" for fold, n in p["rows"].items()), p["snapshot"][:12])
            for p in result["planned"]
        ]
        return table(("product", "features", "components", "rows", "snapshot"), planned, title="would train")
    rows = []
    for trained in result["trained"]:
        for name, value in sorted(trained["metrics"].items()):
            if name.endswith(("_d2", "_auc", "_gini", "_balance")):
                rows.append((trained["product"], trained["version"], trained["digest"][:12], name, round(value, 4)))
    return table(("product", "version", "digest", "measure", "value"), rows)

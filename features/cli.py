"""The commands of this floor: simulate the province, take deliveries in, build and load features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would be done and write nothing.")


@click.command()
@click.option("--preset", type=click.Choice(["tiny", "demo", "quarter", "province"]), default="demo", show_default=True)
@click.option("--seed", type=int, help="Seed of everything random; the setting ROADRISK_SEED by default.")
@DRY_RUN
@JSON_OPTION
def simulate(preset: str, seed: int | None, dry_run: bool, as_json: bool) -> None:
    """Simulate the province and write its deliveries (simulated data with known truth)."""
    from features.simulation.marker import holds_province, mark
    from features.simulation.presets import PRESETS
    from features.simulation.province import simulate_province
    from registry.measured import Measured
    from registry.output import emit, progress, record
    from registry.settings import Settings

    settings, measured = Settings(), Measured()
    chosen, seed = PRESETS[preset], settings.seed if seed is None else seed
    holds_province(settings.home, preset=preset, seed=seed)
    if dry_run:
        emit({"preset": preset, "seed": seed, "outbox": str(settings.outbox_dir), "written": False}, as_json, record)
        return
    with progress("simulate") as report:
        summary = simulate_province(
            chosen, seed=seed, outbox=settings.outbox_dir, truth=settings.truth_dir, progress=report
        )
    mark(settings.home, preset=preset, seed=seed)
    emit(
        {
            "preset": preset, "simulated": True, "outbox": str(settings.outbox_dir), "rows": summary.rows,
            "cost": measured.cost(rows=sum(summary.rows.values())),
        },
        as_json, lambda found: record(found["rows"] | found["cost"], title=f"simulated rows by resource ({preset})"),
    )


@click.command()
@click.option("--from", "inbox", type=click.Path(path_type=Path), help="Inbox; the simulated outbox by default.")
@DRY_RUN
@JSON_OPTION
def ingest(inbox: Path | None, dry_run: bool, as_json: bool) -> None:
    """Take deliveries in: validate, pseudonymise, commit. Each enters whole or not at all; again changes nothing."""
    from features.landing import ingest_inbox
    from features.warehouse import Warehouse
    from registry.generation import epoch_of
    from registry.measured import Measured
    from registry.output import emit, progress
    from registry.settings import Settings
    from registry.signing import pseudonym_keys

    settings = Settings()
    warehouse = Warehouse(settings.warehouse_dir)
    keys = pseudonym_keys(settings.keys_dir, epoch_of(warehouse.root))
    counts: dict[str, dict[str, int]] = {}
    measured = Measured()
    with progress("ingest") as report:
        for outcome in ingest_inbox(inbox or settings.outbox_dir, warehouse, keys, progress=report, dry_run=dry_run):
            entry = counts.setdefault(outcome.path.parent.name, {"new": 0, "known": 0, "rows": 0, "quarantined": 0})
            if outcome.manifest is None:
                entry["known"] += 1
            else:
                entry["new"] += 1
                entry["rows"] += outcome.manifest.rows
                entry["quarantined"] += outcome.manifest.quarantined
    cost = measured.cost(rows=sum(entry["rows"] for entry in counts.values()))
    emit(
        {"dry_run": dry_run, "resources": counts, "cost": cost}, as_json,
        lambda found: _delivery_table(found["resources"], found["cost"]),
    )


def _delivery_table(resources: dict[str, dict[str, int]], cost: dict[str, float]) -> RenderableType:
    from rich.console import Group

    from registry.output import record, table

    columns = ("new", "known", "rows", "quarantined")
    rows = [[name, *(counts[column] for column in columns)] for name, counts in resources.items()]
    return Group(table(("resource", *columns), rows, title="deliveries by resource"), record(cost, title="cost"))


@click.group()
def features() -> None:
    """Build point-in-time features, register them with Feast, load the online store."""


@features.command()
@click.option(
    "--every-d", "step_d", type=click.Choice(["7", "14", "28"]), default="28", show_default=True,
    help="Days between the cut-offs at which features are computed.",
)
@DRY_RUN
@JSON_OPTION
def build(step_d: str, dry_run: bool, as_json: bool) -> None:
    """Compute feature and label tables at regular cut-offs, and at the newest instant of which anything is known."""
    from features.build import build_features, planned_build
    from features.simulation.marker import is_simulated
    from registry.measured import Measured
    from registry.output import emit, progress, record
    from registry.settings import Settings

    settings, measured = Settings(), Measured()
    if dry_run:
        emit(planned_build(settings, step_d=int(step_d)), as_json, record)
        return
    with progress("features") as report:
        snapshot = build_features(
            settings, simulated=is_simulated(settings.home), step_d=int(step_d), progress=report
        )
    emit(
        {
            "digest": snapshot.digest, "as_of": snapshot.as_of, "cutoffs": len(snapshot.cutoffs),
            "rows": {name: rows for name, (rows, _) in snapshot.tables.items()},
            "cost": measured.cost(rows=sum(rows for rows, _ in snapshot.tables.values())),
        },
        as_json, lambda found: record(found["rows"] | found["cost"], title=f"feature tables as of {found['as_of']}"),
    )


@features.command()
@DRY_RUN
@JSON_OPTION
def apply(dry_run: bool, as_json: bool) -> None:
    """Register entities, views and services with Feast."""
    from features.retrieval import apply_store
    from registry.output import emit, record
    from registry.settings import Settings

    if dry_run:
        emit(_feast_names(), as_json, record)
        return
    store = apply_store(Settings())
    views = sorted(view.name for view in store.list_feature_views())
    services = sorted(service.name for service in store.list_feature_services())
    emit({"views": views, "services": services}, as_json, record)


def _feast_names() -> dict[str, list[str]]:
    from features.families import FAMILIES
    from features.formulas import FORMULA_FAMILIES
    from features.products import PRODUCT_FEATURES
    from features.views import IDENTITY_VIEW

    return {"views": sorted([*FAMILIES, *FORMULA_FAMILIES, IDENTITY_VIEW]), "services": sorted(PRODUCT_FEATURES)}


@features.command()
@click.option("--full", is_flag=True, help="Load every row again, not only what is new since the last time.")
@DRY_RUN
@JSON_OPTION
def materialise(full: bool, dry_run: bool, as_json: bool) -> None:
    """Load the newest feature rows into the online store; what it holds already is passed over."""
    from features.retrieval import materialise as load
    from features.snapshot import read_snapshot
    from registry.output import emit, progress, record
    from registry.settings import Settings

    if dry_run:
        emit({"as_of": read_snapshot(Settings().feature_dir).as_of, **_feast_names()}, as_json, record)
        return
    with progress("materialise") as report:
        snapshot = load(Settings(), full=full, progress=report)
    emit({"as_of": snapshot.as_of, "digest": snapshot.digest}, as_json, record)

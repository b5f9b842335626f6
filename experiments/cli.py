"""`roadrisk experiment`, `roadrisk demo` and `roadrisk docs`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from experiments.oracle_cli import oracle_command
from experiments.real_data_cli import REAL_DATA_COMMANDS
from experiments.table_cli import TABLE_COMMANDS
from registry.errors import IntegrityError
from registry.output import emit, progress

STUDIES: Final = "docs/studies"


@click.group()
def experiment() -> None:
    """Run a study on real public data beside published figures, or on the simulated province beside its truth."""


for _command in TABLE_COMMANDS:
    experiment.add_command(_command)

WRITE: Final = click.option(
    "--write", "folder", type=click.Path(path_type=Path, file_okay=False), default=None, is_flag=False, flag_value=STUDIES,
    help=f"Write the page and the result into a folder; without a value {STUDIES}.",
)


@experiment.command("calibration")
@WRITE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def calibration_command(folder: Path | None, as_json: bool) -> None:
    """Show every magnitude of the simulated province of the home beside the one that it should have."""
    from experiments.calibration import calibration, render, write_study
    from registry.settings import Settings

    with progress("calibration") as tell:
        result = calibration(Settings(), progress=tell)
    if folder is not None:
        write_study(result, folder)
    emit(result, as_json, render)


@experiment.command("supervision")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def supervision_command(as_json: bool) -> None:
    """Hold the fatigue alarms of supervision against the truth of the simulated province of the home (simulated)."""
    from experiments.supervision import render, supervision_study
    from registry.settings import Settings

    emit(supervision_study(Settings()), as_json, render)


@experiment.command("off-route")
@click.option("--preset", type=click.Choice(["tiny", "demo", "quarter", "province"]), default="demo", show_default=True,
              help="Size of the simulated province.")
@click.option("--days", type=click.IntRange(1, 14), default=2, show_default=True, help="How many of its newest days.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def off_route_command(preset: str, days: int, as_json: bool) -> None:
    """Hold the alerts about hazmat vehicles off their declared route against the truth of a simulated province."""
    from experiments.off_route import off_route_study, render
    from registry.settings import Settings

    with progress("off-route") as report:
        found = off_route_study(preset, Settings().seed, None, days, report)
    emit(found, as_json, render)


experiment.add_command(oracle_command)
for _study in REAL_DATA_COMMANDS:
    experiment.add_command(_study)


@click.command()
@click.option("--preset", type=click.Choice(["tiny", "demo", "quarter", "province"]), default="demo", show_default=True,
              help="Size of the simulated province.")
@click.option("--exit", "exit_after", is_flag=True, help="End after the calls instead of leaving the service up.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def demo(preset: str, exit_after: bool, as_json: bool) -> None:
    """Simulate, ingest, train, promote, serve and score: the whole house in one walk."""
    from experiments.demo import run_demo
    from registry.settings import Settings

    run_demo(Settings(), preset=preset, exit_after=exit_after, as_json=as_json)


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; end with exit code 40 where a page is not current.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=Path("docs/reference"),
              show_default=True, help="Folder of the generated pages.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def docs(check: bool, folder: Path, as_json: bool) -> None:
    """Write the reference pages and the Python client that are generated from the code, or check that they are current."""
    from experiments.reference import CLIENT, PAGES, stale_pages, write_client, write_pages

    ours = Path(__file__).parents[1] / CLIENT
    stale = [*stale_pages(folder), *([str(CLIENT)] if write_client(ours, check=True) else [])] if check else []
    if stale:
        raise IntegrityError(
            f"{len(stale)} generated pages are not current: {', '.join(stale)}", where=str(folder),
            remedy="Run `roadrisk docs` and commit the result; remove pages that nothing generates.",
            details={"stale": stale},
        )
    changed = [] if check else write_pages(folder) + ([str(CLIENT)] if write_client(ours) else [])
    told = f"{len(PAGES)} pages in {folder} are current" + (f"; written: {', '.join(changed)}" if changed else "")
    emit({"folder": folder, "pages": list(PAGES), "changed": changed}, as_json, lambda _: told)

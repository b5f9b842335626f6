"""`roadrisk experiment`, `roadrisk demo` and `roadrisk docs`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from registry.errors import IntegrityError
from registry.output import emit, progress

STUDIES: Final = "docs/studies"
FRENCH_PAGE: Final = f"{STUDIES}/french-mtpl.md"


@click.group()
def experiment() -> None:
    """Run a study on real public data beside published figures, or on the simulated province beside its truth."""


@experiment.command("french-mtpl")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=None,
              help="Folder of the real data; by default ROADRISK_REAL_DATA_DIR.")
@click.option("--register/--no-register", default=True, show_default=True,
              help="Register and promote the bundle, so that the service serves it.")
@click.option("--page", type=click.Path(path_type=Path, dir_okay=False), default=None, is_flag=False,
              flag_value=FRENCH_PAGE, help=f"Write the page and the result beside it; without a value {FRENCH_PAGE}.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def french_mtpl_command(data: Path | None, register: bool, page: Path | None, as_json: bool) -> None:
    """French motor third-party liability: claim frequency and pure premium under the published protocols."""
    from experiments.french_mtpl import french_mtpl
    from experiments.results import render, write_page
    from registry.settings import Settings
    from training.fit import wait_passively

    wait_passively()
    with progress("french-mtpl") as tell:
        result = french_mtpl(Settings(), data=data, register=register, progress=tell)
    if page is not None:
        write_page(result, page)
    emit(result, as_json, render)


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


@experiment.command("oracle")
@WRITE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def oracle_command(folder: Path | None, as_json: bool) -> None:
    """Compare the live scores of the home with the truth of its simulated province, on the same out-of-time rows."""
    from experiments.oracle import oracle, render, write_study
    from registry.settings import Settings
    from training.fit import wait_passively

    wait_passively()
    with progress("oracle") as tell:
        result = oracle(Settings(), progress=tell)
    if folder is not None:
        write_study(result, folder)
    emit(result, as_json, render)


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
    """Write the reference pages that are generated from the code, or check that they are current."""
    from experiments.reference import PAGES, stale_pages, write_pages

    if check and (stale := stale_pages(folder)):
        raise IntegrityError(
            f"{len(stale)} generated pages are not current: {', '.join(stale)}", where=str(folder),
            remedy="Run `roadrisk docs` and commit the result; remove pages that nothing generates.",
            details={"stale": stale},
        )
    changed = [] if check else write_pages(folder)
    told = f"{len(PAGES)} pages in {folder} are current" + (f"; written: {', '.join(changed)}" if changed else "")
    emit({"folder": folder, "pages": list(PAGES), "changed": changed}, as_json, lambda _: told)

"""`roadrisk experiment table` and the studies that are declarations: `french-mtpl`, `datacar`, `polish-bankruptcy`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from registry.output import emit, progress

STUDIES: Final = "docs/studies"
Command = Callable[..., None]


def _options(command: Command) -> Command:
    """Add the options that every study on a table has."""
    for option in reversed((
        click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=None,
                     help="Folder of the files; by default ROADRISK_REAL_DATA_DIR."),
        click.option("--seed", type=int, default=None,
                     help="Seed of folds, trees, search and bootstrap; by default ROADRISK_SEED."),
        click.option("--trials", type=click.IntRange(min=0), default=None,
                     help="Trials of the parameter search in every round, instead of the declared number; 0 for none."),
        click.option("--peers/--no-peers", default=True, show_default=True,
                     help="Fit the declared peers (GLM, EBM, scorecard) on the same rows."),
        click.option("--write", "folder", type=click.Path(path_type=Path, file_okay=False), default=None, is_flag=False,
                     flag_value=STUDIES, help=f"Write page, result and picture into a folder; without a value {STUDIES}."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    )):
        command = option(command)
    return command


def _register(*, default: bool) -> Callable[[Command], Command]:
    return click.option(
        "--register/--no-register", default=default, show_default=True,
        help="Register and promote the bundle of the score that is declared as served, so that the service serves it.",
    )


@click.command("table")
@click.argument("declaration", type=click.Path(path_type=Path, dir_okay=False))
@_options
@_register(default=False)
def table_command(declaration: Path, folder: Path | None, as_json: bool, **options: Any) -> None:
    """Train, explain and judge a score on any table by its DECLARATION: a YAML file, no code."""
    from experiments.table_declaration import read_declaration

    _run(read_declaration(declaration), folder, as_json, **options)


@click.command("french-mtpl")
@_options
@_register(default=True)
def french_mtpl_command(folder: Path | None, as_json: bool, **options: Any) -> None:
    """French motor third-party liability: claim frequency and pure premium under the published protocols."""
    _run_shipped("french-mtpl", folder, as_json, **options)


@click.command("datacar")
@_options
def datacar_command(folder: Path | None, as_json: bool, **options: Any) -> None:
    """Australian vehicle policies: frequency and pure premium beside a GLM and an EBM, five rounds."""
    _run_shipped("datacar", folder, as_json, **options)


@click.command("polish-bankruptcy")
@_options
def polish_bankruptcy_command(folder: Path | None, as_json: bool, **options: Any) -> None:
    """Polish companies: who fails within a year, ten folds, beside a scorecard and an EBM."""
    _run_shipped("polish-bankruptcy", folder, as_json, **options)


TABLE_COMMANDS: Final = (table_command, french_mtpl_command, datacar_command, polish_bankruptcy_command)
"""What `roadrisk experiment` takes in."""


def _run_shipped(study: str, folder: Path | None, as_json: bool, **options: Any) -> None:
    from experiments.table_declaration import shipped

    _run(shipped(study), folder, as_json, **options)


def _run(declaration: Any, folder: Path | None, as_json: bool, **options: Any) -> None:
    from experiments.table_page import render, write_study
    from experiments.table_study import run_table
    from registry.settings import Settings
    from training.fit import wait_passively

    wait_passively()
    with progress(declaration.study) as tell:
        result = run_table(declaration, Settings(), progress=tell, **options)
    if folder is not None:
        write_study(result, folder)
    emit(result, as_json, render)

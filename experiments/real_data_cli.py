"""Studies on real public data with code of their own: `cmapss`, `mot-surface` and `sleep-restriction`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from registry.output import emit, progress

STUDIES: Final = "docs/studies"
Command = Callable[..., None]


def _options(command: Command) -> Command:
    """Add the options that each of these studies has."""
    for option in reversed((
        click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=None,
                     help="Folder of the real data; by default ROADRISK_REAL_DATA_DIR."),
        click.option("--write", "folder", type=click.Path(path_type=Path, file_okay=False), default=None, is_flag=False,
                     flag_value=STUDIES, help=f"Write page, result and picture into a folder; without a value {STUDIES}."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    )):
        command = option(command)
    return command


@click.command("cmapss")
@click.option("--record", "datasets", type=click.Choice(["FD001", "FD003"]), multiple=True, default=("FD001", "FD003"),
              show_default=True, help="Which records.")
@click.option("--hazard/--no-hazard", default=True, show_default=True,
              help="Fit the discrete-time hazard beside the remaining life.")
@click.option("--register/--no-register", default=False, show_default=True, help="Register the bundles in the model registry.")
@_options
def cmapss_command(
    data: Path | None, datasets: tuple[str, ...], hazard: bool, register: bool, folder: Path | None, as_json: bool
) -> None:
    """Remaining life of NASA's simulated turbofan engines beside published figures, with intervals that cover."""
    from experiments.cmapss import cmapss
    from experiments.cmapss_page import render, write_study
    from registry.settings import Settings
    from training.fit import wait_passively

    wait_passively()
    with progress("cmapss") as tell:
        result = cmapss(Settings(), data=data, progress=tell, datasets=datasets, hazard=hazard, register=register)
    if folder is not None:
        write_study(result, folder)
    emit(result, as_json, render)


@click.command("mot-surface")
@_options
def mot_surface_command(data: Path | None, folder: Path | None, as_json: bool) -> None:
    """Failed inspections of the home's simulated province beside real British ones, by age and mileage.

    Without a province in the home a tiny one is simulated for the study and thrown away.
    """
    from experiments.mot_surface import mot_surface
    from experiments.mot_surface_page import render, write_study
    from registry.settings import Settings

    with progress("mot-surface") as tell:
        result = mot_surface(Settings(), data=data, progress=tell)
    if folder is not None:
        write_study(result, folder)
    emit(result, as_json, render)


@click.command("sleep-restriction")
@_options
def sleep_restriction_command(data: Path | None, folder: Path | None, as_json: bool) -> None:
    """Models of fatigue, and the home's live fatigue score, against reaction times measured under 3 h of sleep."""
    from experiments.sleep_restriction import sleep_restriction
    from experiments.sleep_restriction_page import render, write_study
    from registry.settings import Settings
    from training.fit import wait_passively

    wait_passively()
    with progress("sleep-restriction") as tell:
        result = sleep_restriction(Settings(), data=data, progress=tell)
    if folder is not None:
        write_study(result, folder)
    emit(result, as_json, render)


REAL_DATA_COMMANDS: Final = (cmapss_command, mot_surface_command, sleep_restriction_command)
"""What `roadrisk experiment` takes in."""

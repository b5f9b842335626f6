"""What the command line shows: tables and progress for people, one JSON object for machines.

Results go to standard output, progress to standard error, so that `--json` output and redirected results stay clean.
rich is imported when something is drawn, never before.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json as jsonlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress

ProgressCallback = Callable[[str, float], None]
"""Called with what is being done and the fraction done, 0..1."""

PLAIN_WIDTH: Final = 120
PLAIN_STEP: Final = 0.1
PLAIN_INTERVAL_S: Final = 10.0


def emit(obj: object, json: bool, render: Callable[[Any], RenderableType | None]) -> None:
    """Write a result to standard output: as one JSON line, or as what `render` makes of it.

    Parameters
    ----------
    obj
        JSON-like value; dataclasses, paths, times and numpy scalars inside are converted.
    json
        Whether a machine reads.
    render
        Returns text or a rich renderable for `obj`; None where it has shown everything itself.
    """
    if json:
        click.echo(to_json(obj))
        return
    shown = render(obj)
    if shown is not None:
        show(shown)


def to_json(obj: object) -> str:
    """Return one line of JSON; NaN is refused because JSON has none."""
    return jsonlib.dumps(obj, ensure_ascii=False, allow_nan=False, default=_plain)


def show(*renderables: RenderableType) -> None:
    """Draw on standard output."""
    console(stderr=False).print(*renderables, sep="\n")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> RenderableType:
    """Return a table; None shows as a dash and numbers stand right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for index, name in enumerate(columns):
        cells = [row[index] for row in rows if row[index] is not None]
        numeric = bool(cells) and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells)
        drawn.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        # Text, not str: a value in square brackets must not be read as markup.
        drawn.add_row(*(Text("-" if cell is None else str(cell)) for cell in row))
    return drawn


def record(fields: Mapping[str, object], *, title: str | None = None) -> RenderableType:
    """Return a two-column table of named values."""
    return table(("field", "value"), [(name, value) for name, value in fields.items()], title=title)


def console(*, stderr: bool) -> Console:
    """Return a console; one that is no terminal gets a fixed width, so that logs do not wrap at 80 columns."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else PLAIN_WIDTH, highlight=False)


@contextmanager
def progress(title: str) -> Iterator[ProgressCallback]:
    """Show progress on standard error: a bar on a terminal, plain lines in a log.

    Yields
    ------
    callback
        ``callback(label, fraction)``; stages take it as `Callable[[str, float], None]`.
    """
    with progress_each((title,)) as tell:
        yield lambda label, fraction: tell(title, label, fraction)


@contextmanager
def progress_each(titles: Sequence[str]) -> Iterator[Callable[[str, str, float], None]]:
    """Show the progress of works that go on at the same time, as `progress` shows that of one.

    Parameters
    ----------
    titles
        Of the works, in the order in which they are shown.

    Yields
    ------
    callback
        ``callback(title, label, fraction)``, for one thread at a time.
    """
    with ExitStack() as stack:
        if sys.stderr.isatty():
            bar = stack.enter_context(_bars())
            tasks = {title: bar.add_task("", total=1.0, title=title) for title in titles}
            yield lambda title, label, fraction: bar.update(tasks[title], description=label, completed=fraction)
        else:
            lines = {title: _plain_lines(title) for title in titles}
            yield lambda title, label, fraction: lines[title](label, fraction)


def _bars() -> Progress:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    return Progress(
        SpinnerColumn(), TextColumn("{task.fields[title]}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
        TextColumn("{task.description}"), console=console(stderr=True),
    )


def _plain_lines(title: str) -> ProgressCallback:
    # A log gets a line when the label changes, at each tenth, and at least every few seconds: enough to see it lives.
    last_label, last_fraction, last_time = "", -1.0, 0.0

    def line(label: str, fraction: float) -> None:
        nonlocal last_label, last_fraction, last_time
        now = time.monotonic()
        quiet = now - last_time < PLAIN_INTERVAL_S and fraction - last_fraction < PLAIN_STEP
        if quiet and label == last_label and fraction < 1.0:
            return
        last_label, last_fraction, last_time = label, fraction, now
        click.echo(f"{title}: {fraction:4.0%} {label}", err=True)

    return line


def _plain(value: object) -> object:
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")

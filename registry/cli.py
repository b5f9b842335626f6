"""The `roadrisk` command: finds its sub-commands by name in the entry points of this distribution and loads them late.

The ground floor imports nothing of the floors above; `[project.entry-points."roadrisk.commands"]` in `pyproject.toml`
names where each command lives. A command whose module cannot be imported is shown as unavailable and takes nothing
else down.

Shell completion: ``roadrisk completion bash|zsh|fish`` prints the script; it is click's own, which calls back with
``_ROADRISK_COMPLETE`` set. For bash: ``eval "$(roadrisk completion bash)"``.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from functools import cached_property
from importlib import metadata
from typing import Any, Final

import click

from registry.errors import ConfigurationError, RoadRiskError, exit_code_for

PROGRAM: Final = "roadrisk"
COMMAND_GROUP: Final = "roadrisk.commands"
COMPLETE_VARIABLE: Final = "_ROADRISK_COMPLETE"
DEBUG_VARIABLE: Final = "ROADRISK_DEBUG"
CONTEXT_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 120}
USAGE_EXIT: Final = 2
INTERRUPTED_EXIT: Final = 130


class EntryPointGroup(click.Group):
    """A group whose commands are the entry points of `COMMAND_GROUP`, beside those added in the ordinary way."""

    @cached_property
    def entry_points(self) -> dict[str, metadata.EntryPoint]:
        """Command name -> entry point. Only our own distribution is read: scanning all of them costs 0.1 s."""
        try:
            declared = metadata.distribution(PROGRAM).entry_points
        except metadata.PackageNotFoundError:
            return {}
        return {entry.name: entry for entry in declared if entry.group == COMMAND_GROUP}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted({*self.entry_points, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, loading its module; a stand-in that explains itself where that fails."""
        if cmd_name not in self.entry_points:
            return super().get_command(ctx, cmd_name)
        try:
            command = self.entry_points[cmd_name].load()
        except Exception as error:  # noqa: BLE001 - one broken module must not take the other commands down
            return _unavailable(cmd_name, self.entry_points[cmd_name].value, error)
        if not isinstance(command, click.Command):
            return _unavailable(cmd_name, self.entry_points[cmd_name].value, TypeError("it is no click command"))
        return command


def _unavailable(name: str, target: str, error: Exception) -> click.Command:
    def refuse(_args: tuple[str, ...]) -> None:
        raise ConfigurationError(
            f"command {name} cannot be loaded: {type(error).__name__}: {error}",
            where=target,
            remedy="Install the platform again with all its dependencies.",
        ) from error

    return click.Command(
        name,
        callback=refuse,
        params=[click.Argument(["_args"], nargs=-1, type=click.UNPROCESSED)],
        context_settings={"ignore_unknown_options": True},
        short_help=f"(unavailable: {type(error).__name__}: {error})",
        add_help_option=False,
    )


@click.group(name=PROGRAM, cls=EntryPointGroup, context_settings=CONTEXT_SETTINGS)
@click.version_option(None, "-V", "--version", package_name=PROGRAM, message="%(prog)s %(version)s")
def roadrisk() -> None:
    """Explained risk scores for road transport: 道路运输风险评分.

    Every command has --help. Settings come from ROADRISK_* environment variables. Exit codes: 0 done, 1 our defect,
    2 wrong usage, 10 configuration, 20 data refused, 30 not found, 40 integrity, 50 training, 60 promotion refused,
    70 service not available. ROADRISK_DEBUG=1 shows tracebacks.
    """


@roadrisk.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell; eval it in the shell's start-up file."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None, shell
    click.echo(found(roadrisk, {}, PROGRAM, COMPLETE_VARIABLE).source())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the documented exit code; nothing is raised."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments
    try:
        result = roadrisk.main(arguments, prog_name=PROGRAM, complete_var=COMPLETE_VARIABLE, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE_EXIT
    except click.ClickException as error:
        _report_usage(error, as_json)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED_EXIT
    except Exception as error:  # noqa: BLE001 - the edge: whatever is left is a defect of ours and becomes exit code 1
        return _report(error, as_json)
    # A click Exit (as --help and --version use) comes back as its code; commands themselves return nothing.
    return result if isinstance(result, int) else 0


def _report_usage(error: click.ClickException, as_json: bool) -> None:
    if as_json:
        _echo_json({"slug": "usage", "title": "Wrong usage", "message": error.format_message(), "where": "command line",
                    "remedy": "See --help of the command.", "details": {}})
    else:
        error.show()


def _report(error: Exception, as_json: bool) -> int:
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    known = error if isinstance(error, RoadRiskError) else _bad_setting(error) or _as_defect(error)
    if as_json:
        _echo_json({"slug": known.slug, "title": known.title, "message": known.message, "where": known.where,
                    "remedy": known.remedy, "details": known.details})
    else:
        click.echo(f"error: {known}", err=True)
    return exit_code_for(known)


def _bad_setting(error: Exception) -> ConfigurationError | None:
    # pydantic's error about our settings, known by its title: importing pydantic here would cost every command 0.1 s.
    if getattr(error, "title", None) != "Settings" or not hasattr(error, "errors"):
        return None
    wrong = [(f"ROADRISK_{'_'.join(map(str, e['loc']))}".upper(), e["msg"], e["input"]) for e in error.errors()]
    return ConfigurationError(
        "; ".join(f"{name}={value!r}: {message}" for name, message, value in wrong), where="environment",
        remedy="Correct these environment variables.",
    )


def _as_defect(error: Exception) -> RoadRiskError:
    return RoadRiskError(
        f"{type(error).__name__}: {error}",
        remedy=f"This is a defect of ours: run again with {DEBUG_VARIABLE}=1 and report the traceback.",
    )


def _echo_json(problem: dict[str, Any]) -> None:
    from registry.output import to_json

    click.echo(to_json({"error": problem}))


if __name__ == "__main__":
    sys.exit(main())

"""Start the command line and show its help, beside a Python that does nothing.

Both are processes of their own, run in turns with the same interpreter; the ratio says what our imports cost.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Final

from tests.lib.timing import medians

TITLE: Final = "Command line"
FIGURES: Final = {
    "help_time_ratio": "`roadrisk --help` / `python -c pass`",
    "help_s": "`roadrisk --help` in seconds",
    "command_help_time_ratio": "`roadrisk doctor --help` / `python -c pass`",
}


def run() -> dict[str, float]:
    """Return the figures."""
    spent = medians({
        "help": _process("-m", "registry.cli", "--help"),
        "command": _process("-m", "registry.cli", "doctor", "--help"),
        "nothing": _process("-c", "pass"),
    }, rounds=15)
    return {
        "help_time_ratio": spent["help"] / spent["nothing"],
        "help_s": spent["help"],
        "command_help_time_ratio": spent["command"] / spent["nothing"],
    }


def _process(*arguments: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)

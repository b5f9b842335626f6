"""The commands of this floor, gathered into the groups that people type."""

from __future__ import annotations

import click

from features.catalogue_cli import list_features
from features.cli import features
from features.door.cli import pull, receive, serve_reference
from features.leak_cli import leak_check
from features.quality.cli import quality
from features.verify_command import verify

__all__ = ["data", "features"]


@click.group()
def data() -> None:
    """Bring data in through a source's interface or a push, and see how good it is."""


for command in (pull, receive, serve_reference, quality):
    data.add_command(command)
for command in (verify, leak_check, list_features):
    features.add_command(command)

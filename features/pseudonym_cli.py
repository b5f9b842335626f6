"""`roadrisk keys pseudonym`: the pseudonym of one enterprise or vehicle, for whoever holds the keys."""

from __future__ import annotations

import sys
from typing import Final, Literal

import click

Kind = Literal["uscc", "vin"]
KINDS: Final[tuple[Kind, ...]] = ("uscc", "vin")


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def pseudonym(kind: Kind, as_json: bool) -> None:
    """Print the pseudonym of a credit code or VIN, which is read from standard input.

    An operator is bound to its enterprise by it (roadrisk access consumers add --subject). It is read and not an argument, because
    arguments lie in the shell's history and in the list of processes.
    """
    from features.pseudonyms import pseudonym as made_of
    from registry.errors import InvalidRequest
    from registry.formats import valid_uscc, valid_vin
    from registry.output import emit
    from registry.settings import Settings
    from registry.signing import pseudonym_keys

    value = sys.stdin.readline().strip().upper()
    valid = valid_uscc(value) if kind == "uscc" else valid_vin(value)
    if not valid:
        raise InvalidRequest(f"what was read is no valid {kind}", where="standard input", remedy="Check each of its signs.")
    settings = Settings()
    made = made_of(pseudonym_keys(settings.keys_dir, settings.pseudonym_epoch), kind, value)
    emit({"kind": kind, "pseudonym": made, "epoch": settings.pseudonym_epoch}, as_json, lambda _: made)

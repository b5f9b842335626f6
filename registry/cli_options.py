"""What commands of the ground floor share: options, instants, and the way to a model version."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import click

from registry.errors import NotFound
from registry.local_time import SHANGHAI

if TYPE_CHECKING:
    from registry.models import ModelVersion
    from registry.settings import Settings

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
version_option = click.option("--version", type=int, help="Version; the live one, or else the newest, by default.")
approver_option = click.option("--approver", required=True, help="Who decides this.")
by_option = click.option("--by", required=True, help="Who decides this.")
reason_option = click.option("--reason", required=True, help="Why; kept in the ledger.")


class Instant(click.ParamType[dt.datetime]):
    """An ISO 8601 instant with its offset; a naive one is refused, because it names no instant."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dt.datetime:
        """Return an aware instant."""
        if isinstance(value, dt.datetime):
            return value
        try:
            instant = dt.datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no ISO 8601 instant such as 2026-07-04T09:00:00+08:00", param, ctx)
        if instant.tzinfo is None:
            self.fail(f"{value!r} has no offset; write for example {value}+08:00", param, ctx)
        return instant


def local_time(instant: dt.datetime) -> str:
    """Return an instant as people in Jiangxi read it."""
    return instant.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def settings_now() -> Settings:
    """Return the settings of this call."""
    from registry.settings import Settings

    return Settings()


def now() -> dt.datetime:
    """Return the wall clock's instant; only commands ask for it."""
    return dt.datetime.now(dt.UTC)


def chosen(settings: Settings, product: str, version: int | None) -> ModelVersion:
    """Return a version of a product: the one named, else the live one, else the newest.

    Raises
    ------
    NotFound
        If there is no such version, or none at all.
    """
    from registry.models import ModelRegistry
    from registry.promotion import live

    registry = ModelRegistry(settings)
    if version is None and product in (now_live := live(settings)):
        version = now_live[product].version
    if version is not None:
        return registry.get(product, version)
    made = registry.versions(product)
    if not made:
        known = ", ".join(registry.products()) or "none"
        raise NotFound(f"no model of {product!r} is registered", where="model registry", remedy=f"Known: {known}.")
    return made[-1]

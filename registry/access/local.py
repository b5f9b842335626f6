"""Access for this machine: one consumer that may do everything, and its key in the folder of keys.

It is for the commands on the same machine and for a demonstration. Whoever may read the key file may read the data and the other
keys too, so it lets nobody do more than they could before. A service for others runs without it: revoke its key.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from registry.access.changes import Writer
from registry.access.scenarios import Request
from registry.access.terms import MAX_YEARS, Term, last_day_of, shanghai_day
from registry.access.tokens import Token, matches, read_token
from registry.data_products import SUPERVISION
from registry.errors import Conflict
from registry.products import PRODUCTS
from registry.promotion import live
from registry.signing import API_PEPPER, init_pepper, read_secret

if TYPE_CHECKING:
    from registry.access.state import AccessState
    from registry.settings import Settings

LOCAL: Final = "local"
LOCAL_KEY: Final = "local-api.key"
BY: Final = "init-local"
_REASON: Final = "for the commands on this machine"


@dataclass(frozen=True)
class LocalAccess:
    """What `init_local` did: where the key lies, whether it is new, and the scenarios that were opened now."""

    key_file: Path
    key_id: str
    key_made: bool
    opened: tuple[str, ...]
    in_force: tuple[str, ...]


def init_local(settings: Settings, *, now: datetime, products: Iterable[str] = ()) -> LocalAccess:
    """Give the commands on this machine access to every product and live portfolio; what is there already stays.

    Parameters
    ----------
    products
        Further portfolios, that will be live.

    Raises
    ------
    IntegrityError
        If the access ledger or the promotion ledger does not verify.
    """
    init_pepper(settings.keys_dir)
    writer = Writer(settings, BY, now)
    if LOCAL not in writer.state().consumers:
        writer.add_consumer(LOCAL, role="local", zh="本机", en="this machine")
    path = settings.keys_dir / LOCAL_KEY
    key_id = _valid_key(writer.state(), settings, now)
    made = key_id is None
    if key_id is None:
        key_id = _issue(writer, path)
    opened = _open(writer, wanted_products(settings, products), now)
    in_force = [one.id for one in writer.state().scenarios.values() if one.request.consumer == LOCAL and one.in_force(now)]
    return LocalAccess(path, key_id, made, tuple(opened), tuple(in_force))


def local_token(settings: Settings) -> str | None:
    """Return the token of this machine; None where there is none, or where it may not be read."""
    try:
        return (settings.keys_dir / LOCAL_KEY).read_text().strip() or None
    except OSError:
        return None


def wanted_products(settings: Settings, further: Iterable[str] = ()) -> list[str]:
    """Return every scored product, supervision, live portfolio and further portfolio."""
    return list(dict.fromkeys([*PRODUCTS, SUPERVISION, *sorted(live(settings)), *further]))


def write_token(path: Path, token: Token) -> None:
    """Write a token to a new file that only its owner may read.

    Raises
    ------
    Conflict
        If there is such a file already.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Conflict(f"{path} exists already", where="key file", remedy="Name a new file.") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(token.text)


def _valid_key(state: AccessState, settings: Settings, now: datetime) -> str | None:
    token = read_token(local_token(settings))
    key = state.keys.get(token.key_id) if token else None
    if token is None or key is None or not key.valid(now):
        return None
    return key.id if matches(token, key.mac, read_secret(settings.keys_dir, API_PEPPER)) else None


def _issue(writer: Writer, path: Path) -> str:
    issued = writer.issue_key(LOCAL)
    draft = path.with_name(f".{path.name}.{issued.key_id}")
    write_token(draft, issued.token)
    draft.replace(path)
    return issued.key_id


def _open(writer: Writer, products: Sequence[str], now: datetime) -> list[str]:
    before = writer.state().scenarios
    held = {one.request.product for one in before.values() if one.request.consumer == LOCAL and one.in_force(now)}
    today = shanghai_day(now)
    term = Term(today, last_day_of(today, MAX_YEARS))
    missing = [
        Request(
            consumer=LOCAL, product=product, purpose_zh="本机命令与演示", purpose_en="commands and demonstration on this machine",
            resources=None, detail="exact", term=term, basis="none: no data leave this machine", charge="public",
        )
        for product in products if product not in held
    ]
    if not missing:
        return []
    after = writer.open_locally(missing, reason=_REASON).scenarios
    return [name for name in after if name not in before]

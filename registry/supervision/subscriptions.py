"""Subscriptions of webhooks, and what was delivered under them: a chained ledger, because data leave by it.

Records of data that were provided are kept for three years (网络数据安全管理条例 Art. 12): every delivery is a line, and the place
up to which a subscription was served follows from them. What could not be delivered stays as a dead letter, names
the lines of the alert ledger that it held, and can be sent again.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from registry.errors import InvalidRequest, NotFound
from registry.ledger_open import alone, ledger_exists, open_ledger
from registry.signing import API_PEPPER, read_secret
from registry.supervision.rules import Severity

if TYPE_CHECKING:
    from registry.chain import Entry
    from registry.settings import Settings

WEBHOOKS: Final = "alert_webhooks"
"""Name of the ledger."""
MAX_URL: Final = 500
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """Lines `after` < seq <= `through` of the alert ledger that could not be delivered, and why."""

    delivery_id: str
    after: int
    through: int
    at: datetime
    why: str


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """Where alerts are sent.

    Parameters
    ----------
    id, consumer, scenario, url
        Which, whose, under which scenario, and where to.
    severity
        Least severity of an alert that is sent.
    since
        When it was made.
    live
        Whether it goes on.
    cursor
        Line of the alert ledger up to which it was served.
    n_delivered
        Deliveries that arrived.
    dead
        What did not arrive, oldest first.
    """

    id: str
    consumer: str
    scenario: str
    url: str
    severity: Severity
    since: datetime
    live: bool
    cursor: int
    n_delivered: int = 0
    dead: tuple[DeadLetter, ...] = ()


def check_target(url: str, allowed: Iterable[str]) -> str:
    """Return an address that alerts may be sent to.

    Raises
    ------
    InvalidRequest
        If it is no plain https address of a host on the list, whatever that host may be.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidRequest("the address cannot be read", where="url", remedy="Give https://HOST/PATH.") from None
    host = (parts.hostname or "").lower()
    plain = parts.scheme == "https" and not (parts.username or parts.password or parts.fragment) and len(url) <= MAX_URL
    if not plain or not _HOST.fullmatch(host) or any(sign <= " " or sign == "\\" for sign in url) or _is_address(host):
        raise InvalidRequest(
            "alerts are sent to https addresses only, by the name of a host, without user or fragment", where="url",
            remedy="Give https://HOST/PATH.",
        )
    named = host if port in (None, 443) else f"{host}:{port}"
    if named not in {one.lower() for one in allowed}:
        raise InvalidRequest(
            "the host is not on the list of hosts that alerts may be sent to", where="url",
            remedy="Ask the operator of the platform to add it to ROADRISK_WEBHOOK_HOSTS.",
        )
    return url


def secret_of(settings: Settings, subscription: str) -> str:
    """Return the secret that signs the deliveries of a subscription: derived, so that it is kept nowhere."""
    pepper = read_secret(settings.keys_dir, API_PEPPER)
    return hmac.new(pepper, f"alert-webhook|{subscription}".encode(), hashlib.sha256).hexdigest()


class Subscriptions:
    """The ledger of webhooks.

    Parameters
    ----------
    settings
        Where it lies, and which hosts are allowed.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def all(self) -> dict[str, Subscription]:
        """Return the subscriptions by id, ended ones as well."""
        if not ledger_exists(self._settings, WEBHOOKS):
            return {}
        with open_ledger(self._settings, WEBHOOKS) as ledger:
            return folded(ledger.entries())

    def get(self, name: str, consumer: str | None = None) -> Subscription:
        """Return a subscription; one of another consumer looks like none.

        Raises
        ------
        NotFound
            If there is none.
        """
        found = self.all().get(name)
        if found is None or (consumer is not None and found.consumer != consumer):
            raise NotFound("no webhook with this id", where="webhooks", remedy="List them with `roadrisk supervision webhooks`.")
        return found

    def subscribe(self, *, consumer: str, scenario: str, url: str, severity: Severity, cursor: int, at: datetime) -> Subscription:
        """Begin to send alerts behind a line of the alert ledger.

        Raises
        ------
        InvalidRequest
            If the address is not allowed.
        """
        check_target(url, self._settings.webhook_hosts)
        name = hashlib.sha256(f"{consumer}|{scenario}|{url}|{at.isoformat()}".encode()).hexdigest()[:16]
        self.write({
            "kind": "subscribed", "subscription": name, "consumer": consumer, "scenario": scenario, "url": url,
            "severity": severity, "cursor": cursor,
        }, at)
        return self.get(name)

    def unsubscribe(self, name: str, *, by: str, at: datetime) -> None:
        """End a subscription."""
        self.write({"kind": "unsubscribed", "subscription": name, "by": by}, at)

    def write(self, line: Mapping[str, Any], at: datetime) -> None:
        """Add a line."""
        with alone(self._settings, WEBHOOKS), open_ledger(self._settings, WEBHOOKS) as ledger:
            ledger.append(line, at=at)


def folded(entries: Iterable[Entry]) -> dict[str, Subscription]:
    """Return what follows from lines."""
    found: dict[str, Subscription] = {}
    for entry in entries:
        line, name = entry.payload, entry.payload["subscription"]
        if line["kind"] == "subscribed":
            found[name] = Subscription(
                id=name, consumer=line["consumer"], scenario=line["scenario"], url=line["url"], severity=line["severity"],
                since=entry.at, live=True, cursor=line["cursor"],
            )
        else:
            found[name] = _after(found[name], line, entry.at)
    return found


def _after(held: Subscription, line: Mapping[str, Any], at: datetime) -> Subscription:
    if line["kind"] == "unsubscribed":
        return replace(held, live=False)
    kept = tuple(one for one in held.dead if one.delivery_id != line["delivery_id"])
    cursor = max(held.cursor, line["through"])
    if line["kind"] == "delivered":
        return replace(held, cursor=cursor, n_delivered=held.n_delivered + 1, dead=kept)
    letter = DeadLetter(delivery_id=line["delivery_id"], after=line["after"], through=line["through"], at=at, why=line["why"])
    return replace(held, cursor=cursor, dead=(*kept, letter))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        # Numbers that some resolvers take for addresses: 2130706433, 0x7f.1, 127.1.
        return host.rpartition(".")[2].isdigit() or host.rpartition(".")[2].startswith("0x")
    return True

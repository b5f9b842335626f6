"""Sends alerts to webhooks: signed, retried with growing pauses, and kept as a dead letter where that did not help.

At least once, in the order of the ledger: a consumer knows a delivery that comes twice by its id. Before each delivery it is asked
anew whether the consumer's scenario still covers it; one that does not is passed over and goes on where it was once it does.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from registry.access.grants import grant_for
from registry.access.parties import Caller
from registry.data_products import SUPERVISION
from registry.errors import AccessRefused, RoadRiskError
from registry.supervision.rules import SEVERITIES
from registry.supervision.sight import sees
from registry.supervision.subscriptions import Subscription, check_target, secret_of
from serving.encode import encoded
from serving.supervision.shapes import written_out
from serving.supervision.signature import HEADER, signed

if TYPE_CHECKING:
    import httpx

    from registry.access.book import AccessBook
    from registry.access.grants import Grant
    from registry.supervision.book import Written
    from registry.supervision.life_cycle import Alert
    from serving.supervision.desk import AlertDesk

LINES: Final = 100
"""Lines of the ledger in one delivery."""
ATTEMPTS: Final = 6
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
TIMEOUT_S: Final = 10.0
AT_ONCE: Final = 4
"""Subscriptions that are served side by side. [A]"""


class _Again(Exception):
    """A delivery that may succeed later."""


@dataclass(frozen=True)
class Sent:
    """What became of one delivery: the lines it held, whether it arrived, and why not."""

    subscription: str
    delivery_id: str
    after: int
    through: int
    n: int
    arrived: bool
    why: str = ""


@dataclass(frozen=True)
class Sender:
    """Serves subscriptions.

    Parameters
    ----------
    desk, access
        Alerts and webhooks; consumers and scenarios.
    client
        HTTP client that follows no redirect and takes no proxy from the environment (`plain_client`).
    sleep
        Waits between attempts.
    resolve
        Returns the addresses of a host.
    """

    desk: AlertDesk
    access: AccessBook
    client: httpx.Client
    sleep: Callable[[float], None]
    resolve: Callable[[str], list[str]]

    def serve_all(self) -> list[Sent]:
        """Send what is new to every subscription, until none has anything left."""
        live = [one for one in self.desk.hooks.all().values() if one.live]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return [sent for batch in pool.map(self.serve, live) for sent in batch]

    def serve(self, subscription: Subscription) -> list[Sent]:
        """Send what is new to one subscription; nothing while no scenario covers it."""
        done, cursor = [], subscription.cursor
        while (grant := self._grant(subscription)) is not None:
            found, seen = self.desk.book.lines(after=cursor, limit=LINES, wanted=self._wanted(grant, subscription))
            if seen == cursor:
                break
            if found:
                done.append(self._deliver(subscription, grant, cursor, seen, found))
            cursor = seen
        return done

    def resend(self, subscription: Subscription) -> list[Sent]:
        """Send every dead letter again."""
        done = []
        for letter in subscription.dead:
            grant = self._grant(subscription)
            if grant is None:
                break
            found, _ = self.desk.book.lines(
                after=letter.after, limit=letter.through - letter.after, wanted=self._wanted(grant, subscription),
            )
            done.append(self._deliver(subscription, grant, letter.after, letter.through, found))
        return done

    def _grant(self, subscription: Subscription) -> Grant | None:
        state = self.access.state()
        consumer = state.consumers.get(subscription.consumer)
        if consumer is None or consumer.closed_at is not None:
            return None
        caller = Caller(
            consumer=consumer.id, role=consumer.role, key_id="", zh=consumer.zh, en=consumer.en, subject=consumer.subject,
            epoch=consumer.epoch,
        )
        try:
            return grant_for(
                state, self.access.rules, caller, product=SUPERVISION, action="alerts", now=self.desk.clock(),
                scenario=subscription.scenario,
            )
        except AccessRefused:
            return None

    def _wanted(self, grant: Grant, subscription: Subscription) -> Callable[[Alert], bool]:
        may, least = sees(grant), SEVERITIES.index(subscription.severity)
        return lambda alert: SEVERITIES.index(alert.severity) >= least and may(alert)

    def _deliver(self, subscription: Subscription, grant: Grant, after: int, through: int, found: list[Written]) -> Sent:
        name = hashlib.sha256(f"{subscription.id}|{after}|{through}".encode()).hexdigest()[:32]
        body = encoded({
            "delivery_id": name, "subscription": subscription.id, "scenario": grant.scenario, "purpose": grant.purpose_zh,
            "lines": [written_out(line) for line in found],
        })
        why = self._try(subscription, name, body)
        line = {
            "kind": "dead" if why else "delivered", "subscription": subscription.id, "delivery_id": name, "after": after,
            "through": through, "n": len(found),
        }
        self.desk.hooks.write(line | ({"why": why} if why else {}), self.desk.clock())
        return Sent(subscription.id, name, after, through, len(found), not why, why)

    def _try(self, subscription: Subscription, name: str, body: bytes) -> str:
        """Return why a delivery did not arrive; empty where it did."""
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS), wait=wait_exponential(multiplier=FIRST_PAUSE_S, max=LONGEST_PAUSE_S),
            retry=retry_if_exception_type(_Again), sleep=self.sleep, reraise=True,
        )
        try:
            retrying(self._post, subscription, name, body)
        except _Again as error:
            return f"{error} after {ATTEMPTS} attempts"
        except RoadRiskError as error:
            return error.message
        return ""

    def _post(self, subscription: Subscription, name: str, body: bytes) -> None:
        import httpx

        # The list may have changed since the subscription was made.
        check_target(subscription.url, self.desk.settings.webhook_hosts)
        self._check_address(urlsplit(subscription.url).hostname or "")
        at_s = int(self.desk.clock().timestamp())
        headers = {
            "Content-Type": "application/json", "X-RoadRisk-Delivery": name,
            HEADER: signed(secret_of(self.desk.settings, subscription.id), at_s, body),
        }
        try:
            status = self.client.post(subscription.url, content=body, headers=headers).status_code
        except httpx.TransportError as error:
            raise _Again(f"{type(error).__name__}") from error
        if status == 429 or status >= 500:
            raise _Again(f"answered {status}")
        if not 200 <= status < 300:
            raise RoadRiskError(f"answered {status}", where="webhook")

    def _check_address(self, host: str) -> None:
        try:
            found = [ip_address(text.partition("%")[0]) for text in self.resolve(host)]
        except OSError as error:
            raise _Again("the host has no address") from error
        wrong = ("is_loopback", "is_link_local", "is_multicast", "is_unspecified", "is_reserved")
        if not found or any(getattr(one, name) for one in found for name in wrong):
            # A host of the list may lie in the province's own network, but never on this machine or at a cloud's metadata.
            raise RoadRiskError("the host resolves to an address that nothing is sent to", where="webhook")


def plain_client() -> httpx.Client:
    """Return a client that goes where it is sent and nowhere else: no redirects, no proxies, no cookies of others."""
    import httpx

    return httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)


def resolved(host: str) -> list[str]:
    """Return the addresses of a host."""
    return sorted({str(found[4][0]) for found in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)})

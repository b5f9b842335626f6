"""One upstream source over HTTP: asks for pages, waits and asks again where that helps, trusts nothing that it is sent.

The interface (docs/data-door.md)::

    GET <base>/v1/resources/<resource>/rows?after=<cursor>&limit=<rows>&until=<instant>
    {"rows": [{...}], "next": "<cursor>", "more": true, "complete_until": "2026-07-01T00:00:00Z"}
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from features.door.strict_json import strict_json
from registry.errors import ConfigurationError, DeliveryRefused, NotFound, RoadRiskError, ServiceUnavailable

KEY_HEADER: Final = "X-API-Key"
RETRIED: Final = frozenset((408, 425, 429, 500, 502, 503, 504))
MAX_CURSOR: Final = 1024

_PAGE_FIELDS: Final = {"rows", "next", "more", "complete_until"}


@dataclass(frozen=True, kw_only=True)
class PullLimits:
    """How a source is asked.

    Parameters
    ----------
    page_rows
        Rows asked for per page.
    max_page_bytes
        Longest answer, after decompression.
    connect_s, read_s
        Waiting for a connection, and for the next bytes of an answer.
    attempts
        How often one page is asked for before the pull gives up.
    first_wait_s, max_wait_s
        Exponential back-off with full jitter; a longer `Retry-After` is cut to the maximum.
    """

    page_rows: int = 5_000
    max_page_bytes: int = 64 * 1024 * 1024
    connect_s: float = 10.0
    read_s: float = 60.0
    attempts: int = 8
    first_wait_s: float = 0.5
    max_wait_s: float = 60.0


@dataclass(frozen=True, kw_only=True)
class Page:
    """One answer of a source.

    Parameters
    ----------
    rows
        Rows as sent, in the order of arrival.
    next
        Cursor behind the last row, to ask from later; never empty.
    more
        Whether another page can be asked for now.
    complete_until
        Instant before which everything that arrived is in this page or an earlier one, ISO; empty where not told.
    """

    rows: list[dict[str, Any]]
    next: str
    more: bool
    complete_until: str


class _AskAgain(Exception):
    def __init__(self, reason: str, after_s: float | None = None) -> None:
        self.after_s = after_s
        super().__init__(reason)


class Source:
    """A client of one source; use it as a context.

    Parameters
    ----------
    base_url
        http or https, without user, query or fragment.
    key
        Sent in `X-API-Key`; it stands in no message and no log. Empty: no header.

    Raises
    ------
    ConfigurationError
        If the address cannot be used.
    """

    def __init__(self, base_url: str, key: str = "", limits: PullLimits | None = None) -> None:
        self.base_url = _checked_url(base_url)
        self.limits = limits or PullLimits()
        self._client = httpx.Client(
            headers={KEY_HEADER: key} if key else {}, follow_redirects=False, trust_env=False,
            timeout=httpx.Timeout(self.limits.read_s, connect=self.limits.connect_s),
        )

    def page(self, resource_id: str, after: str, until: str = "") -> Page:
        """Return the page behind a cursor; an empty cursor asks from the beginning.

        Raises
        ------
        ServiceUnavailable
            If the source does not answer, after all attempts.
        ConfigurationError, NotFound
            If it refuses the key, or does not have the resource.
        DeliveryRefused
            If what it sends is no page.
        """
        asked = {"after": after, "until": until, "limit": str(self.limits.page_rows)}
        url = f"{self.base_url}/v1/resources/{resource_id}/rows"
        retrying = Retrying(
            retry=retry_if_exception_type((_AskAgain, httpx.TransportError, httpx.DecodingError)),
            stop=stop_after_attempt(self.limits.attempts), wait=self._wait, reraise=True,
        )
        try:
            body: bytes = retrying(self._get, url, {name: value for name, value in asked.items() if value})
        except (_AskAgain, httpx.HTTPError) as error:
            reason = str(error) if isinstance(error, _AskAgain) else type(error).__name__
            raise ServiceUnavailable(
                f"the source did not answer in {self.limits.attempts} attempts; last: {reason}", where=url,
                remedy="Pull again later: it goes on where it stopped.",
            ) from None
        return _page(body, where=url)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, _AskAgain) and error.after_s is not None:
            return min(error.after_s, self.limits.max_wait_s)
        return wait_random_exponential(multiplier=self.limits.first_wait_s, max=self.limits.max_wait_s)(state)

    def _get(self, url: str, asked: dict[str, str]) -> bytes:
        with self._client.stream("GET", url, params=asked) as answer:
            if answer.status_code in RETRIED:
                raise _AskAgain(f"status {answer.status_code}", _retry_after(answer))
            if answer.status_code != 200:
                raise _refusal(answer.status_code, url)
            return self._body(answer, url)

    def _body(self, answer: httpx.Response, url: str) -> bytes:
        parts, total = [], 0
        for part in answer.iter_bytes():
            total += len(part)
            if total > self.limits.max_page_bytes:
                raise DeliveryRefused(
                    f"the source sends a page of more than {self.limits.max_page_bytes} bytes", where=url,
                    remedy="Ask for fewer rows per page.",
                )
            parts.append(part)
        return b"".join(parts)


def _checked_url(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            "the address of the source is no http or https address" if base_url else "no source is named",
            remedy="Set ROADRISK_PULL_URL, for example https://data.example/transport.",
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError(
            "the address of the source carries a user, a query or a fragment", where=parts.hostname,
            remedy="Name the plain address and set the key as ROADRISK_PULL_KEY.",
        )
    return base_url.rstrip("/")


def _retry_after(answer: httpx.Response) -> float | None:
    # Of the two forms of the header (RFC 9110, 10.2.3) only seconds: a date would need the source's clock.
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _refusal(status: int, url: str) -> RoadRiskError:
    if status in (401, 403):
        return ConfigurationError(f"the source refuses the key: status {status}", where=url, remedy="Set ROADRISK_PULL_KEY.")
    if status == 404:
        return NotFound("the source does not have this resource", where=url, remedy="Name resources with --resource.")
    if 300 <= status < 400:
        return ConfigurationError(
            f"the source redirects: status {status}", where=url, remedy="Set ROADRISK_PULL_URL to the final address.",
        )
    return ServiceUnavailable(
        f"the source refuses the request: status {status}", where=url,
        remedy="Asking again would not help; have the operator of the source look at it.",
    )


def _page(body: bytes, *, where: str) -> Page:
    try:
        found = strict_json(body)
    except (ValueError, RecursionError):
        raise _no_page("it is no strict JSON in UTF-8", where) from None
    if not isinstance(found, dict) or not set(found) <= _PAGE_FIELDS or not {"rows", "next"} <= set(found):
        raise _no_page(f"its fields are not {', '.join(sorted(_PAGE_FIELDS))}", where)
    rows, cursor, more = found["rows"], found["next"], found.get("more", False)
    told = found.get("complete_until") or ""
    if not isinstance(rows, list) or not all(type(row) is dict for row in rows):
        raise _no_page("its rows are no list of objects", where)
    if not isinstance(cursor, str) or not 0 < len(cursor) <= MAX_CURSOR or not isinstance(more, bool):
        raise _no_page("it names no cursor to go on from", where)
    if not isinstance(told, str):
        raise _no_page("its complete_until is no text", where)
    return Page(rows=rows, next=cursor, more=more, complete_until=told)


def _no_page(reason: str, where: str) -> DeliveryRefused:
    return DeliveryRefused(f"the source sends no page: {reason}", where=where, remedy="See docs/data-door.md for its form.")


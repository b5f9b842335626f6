"""Calls to a running service: key, scenario, retries, and problem documents as our errors."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx
import tenacity

from registry.errors import (
    AccessRefused,
    Conflict,
    IntegrityError,
    InvalidRequest,
    KeyReused,
    NotFound,
    QuotaExceeded,
    RoadRiskError,
    ServiceUnavailable,
    Unauthenticated,
)
from serving.problems import TYPE_PREFIX

ATTEMPTS: Final = 4
LONGEST_PAUSE_S: Final = 10.0
_BY_STATUS: Final[dict[int, type[RoadRiskError]]] = {
    401: Unauthenticated, 403: AccessRefused, 404: NotFound, 409: Conflict, 410: NotFound, 429: QuotaExceeded,
    503: ServiceUnavailable, 504: ServiceUnavailable,
}
_BY_SLUG: Final[dict[str, type[RoadRiskError]]] = {
    IntegrityError.slug: IntegrityError, "bundle-refused": IntegrityError, KeyReused.slug: KeyReused,
}
_AGAIN: Final = frozenset((429, 503))


class Transport:
    """Calls one service.

    A call that failed on the way, or that the service asks to repeat, is sent again with growing pauses; one that changes
    something carries an idempotency key, so that sending it twice does it once.

    Parameters
    ----------
    url
        Address, for example http://127.0.0.1:8350.
    timeout_s
        How long to wait for an answer.
    key
        API key; without one only health can be asked.
    scenario
        场景 under which calls are made, where the consumer has several.
    attempts
        How often a call is sent at most.
    """

    def __init__(
        self, url: str, *, timeout_s: float, key: str | None = None, scenario: str | None = None, attempts: int = ATTEMPTS
    ) -> None:
        self._url, self._attempts = url.rstrip("/"), attempts
        self._http = http_client(self._url, timeout_s=timeout_s, key=key, scenario=scenario)

    def call(
        self, method: str, path: str, *, body: Any = None, query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str | None] | None = None, once: bool = False,
    ) -> dict[str, Any]:
        """Return the JSON answer of a call.

        Parameters
        ----------
        once
            Whether the path takes an idempotency key; one is made up where the headers have none.

        Raises
        ------
        RoadRiskError
            Of the family that the problem document speaks of; ServiceUnavailable where nothing answers.
        """
        sent = {name: value for name, value in (headers or {}).items() if value is not None}
        if once:
            sent.setdefault("Idempotency-Key", uuid.uuid4().hex)
        repeatable = method in ("GET", "DELETE") or once
        answer = self._sent(self._attempts if repeatable else 1, method, path, json=body, params=query, headers=sent)
        try:
            document = answer.json() if answer.content else {}
        except ValueError as error:
            raise ServiceUnavailable("the answer is no JSON: another service listens there", where=self._url) from error
        if not answer.is_success:
            raise error_of(document, answer.status_code)
        return dict(document)

    def fetch(self, path: str, *, query: Mapping[str, Any] | None = None) -> bytes:
        """Return the bytes of a file; raises as `call` does."""
        answer = self._sent(self._attempts, "GET", path, params=query)
        if not answer.is_success:
            try:
                document = answer.json()
            except ValueError:
                document = {}
            raise error_of(document, answer.status_code)
        return answer.content

    def ready(self) -> bool:
        """Return whether the service answers and is ready."""
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self.close()

    def _sent(self, attempts: int, method: str, path: str, **parts: Any) -> httpx.Response:
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(attempts), wait=_pause, retry=tenacity.retry_if_exception_type(_Again), reraise=True
        )
        try:
            return retrying(self._once, method, path, **parts)
        except _Again as again:
            if again.answer is None:
                raise no_answer(again.__cause__, self._url) from again.__cause__
            return again.answer

    def _once(self, method: str, path: str, **parts: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **parts)
        except httpx.HTTPError as error:
            raise _Again(None) from error
        if answer.status_code in _AGAIN:
            raise _Again(answer)
        return answer


class _Again(Exception):
    """A call that may be sent again; `answer` is what came, None where nothing did."""

    def __init__(self, answer: httpx.Response | None) -> None:
        self.answer = answer
        super().__init__()


def _pause(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.answer.headers.get("retry-after", "") if isinstance(error, _Again) and error.answer is not None else ""
    if asked.isdigit():
        return min(float(asked), LONGEST_PAUSE_S)
    return tenacity.wait_random_exponential(multiplier=0.1, max=LONGEST_PAUSE_S)(state)


def http_client(url: str, *, timeout_s: float, key: str | None = None, scenario: str | None = None) -> httpx.Client:
    """Return an HTTP client that names key and scenario with every call."""
    named = {"Authorization": f"Bearer {key}"} if key else {}
    if scenario:
        named["X-Scenario"] = scenario
    # An address on this machine must not go through a proxy that the environment names.
    return httpx.Client(base_url=url, timeout=timeout_s, trust_env=False, headers=named)


def no_answer(met: BaseException | None, url: str) -> ServiceUnavailable:
    """Return the error of a service that does not answer."""
    return ServiceUnavailable(
        f"no answer from the service ({type(met).__name__})", where=url,
        remedy="Start it with `roadrisk serve`, or name another address with --url.",
    )


def error_of(document: Mapping[str, Any], status: int) -> RoadRiskError:
    """Return the error that a problem document speaks of, of the family whose exit code fits."""
    slug = str(document.get("type", "")).removeprefix(TYPE_PREFIX)
    known = _BY_SLUG.get(slug) or _BY_STATUS.get(status)
    kind = known or (InvalidRequest if 400 <= status < 500 else RoadRiskError)
    details = {name: document[name] for name in ("status", "instance", "errors") if name in document}
    return kind(
        str(document.get("detail", f"status {status}")), where=f"service, {slug}",
        remedy=str(document.get("remedy", "")), details=details,
    )

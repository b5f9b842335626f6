"""A client of a running service: JSON in and out, problem documents become our errors."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx

from registry.errors import IntegrityError, InvalidRequest, NotFound, RoadRiskError, ServiceUnavailable
from serving.problems import TYPE_PREFIX

_BY_STATUS: Final[dict[int, type[RoadRiskError]]] = {404: NotFound, 503: ServiceUnavailable, 504: ServiceUnavailable}
_INTEGRITY: Final = frozenset((IntegrityError.slug, "bundle-refused"))


class ScoringClient:
    """Calls one service.

    Parameters
    ----------
    url
        Address, for example http://127.0.0.1:8350.
    timeout_s
        How long to wait for an answer.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._url = url.rstrip("/")
        # An address on this machine must not go through a proxy that the environment names.
        self._http = httpx.Client(base_url=self._url, timeout=timeout_s, trust_env=False)

    def score(self, product: str, entity: Mapping[str, str]) -> dict[str, Any]:
        """Return the answer for one entity."""
        return self._call("POST", f"/v1/{product}/scores", {"entity": dict(entity)})

    def score_portfolio(self, name: str, features: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer for one row of a portfolio."""
        return self._call("POST", f"/v1/portfolios/{name}/scores", {"features": dict(features)})

    def explain(self, score_id: str) -> dict[str, Any]:
        """Return the exact explanation of a past decision."""
        return self._call("GET", f"/v1/scores/{score_id}/explanation")

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

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, json=body)
            document = answer.json()
        except httpx.HTTPError as error:
            raise ServiceUnavailable(
                f"no answer from the service ({type(error).__name__})", where=self._url,
                remedy="Start it with `roadrisk serve`, or name another address with --url.",
            ) from error
        except ValueError as error:
            raise ServiceUnavailable("the answer is no JSON: another service listens there", where=self._url) from error
        if not answer.is_success:
            raise error_of(document, answer.status_code)
        return dict(document)


def error_of(document: Mapping[str, Any], status: int) -> RoadRiskError:
    """Return the error that a problem document speaks of, of the family whose exit code fits."""
    slug = str(document.get("type", "")).removeprefix(TYPE_PREFIX)
    if slug in _INTEGRITY:
        kind: type[RoadRiskError] = IntegrityError
    else:
        kind = _BY_STATUS.get(status, InvalidRequest if 400 <= status < 500 else RoadRiskError)
    details = {name: document[name] for name in ("status", "instance", "errors") if name in document}
    return kind(
        str(document.get("detail", f"status {status}")), where=f"service, {slug}",
        remedy=str(document.get("remedy", "")), details=details,
    )

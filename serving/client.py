"""A client of a running service, for people and programs: `Api` with the calls that are made most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from registry.access.local import local_token
from serving.api_client import Api

if TYPE_CHECKING:
    from registry.settings import Settings


class ScoringClient(Api):
    """Calls one service; the parameters are those of `serving.transport.Transport`."""

    @classmethod
    def local(cls, settings: Settings, url: str | None = None, *, timeout_s: float | None = None) -> Self:
        """Return a client of the service on this machine, with the key that the settings name or that lies among the keys."""
        return cls(
            url or url_of(settings), timeout_s=timeout_s or settings.retrieval_timeout_s,
            key=key_of(settings), scenario=settings.scenario or None,
        )

    def score(self, product: str, entity: Mapping[str, str]) -> dict[str, Any]:
        """Return the answer for one entity."""
        return self.call("POST", f"/v1/{product}/scores", body={"entity": dict(entity)}, once=True)

    def score_row(self, portfolio: str, features: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer for one row of a portfolio."""
        return self.score_portfolio(portfolio, {"features": dict(features)})

    def explain(self, score_id: str, *, rows: bool = False) -> dict[str, Any]:
        """Return the exact explanation of a past decision."""
        return self.explain_score(score_id, rows=rows)


def url_of(settings: Settings) -> str:
    """Return the address of the service on this machine."""
    return f"http://{settings.host}:{settings.port}"


def key_of(settings: Settings) -> str | None:
    """Return the API key: that of the settings, else the local one that `roadrisk access init-local` made, else none."""
    return settings.api_key.get_secret_value() or local_token(settings)

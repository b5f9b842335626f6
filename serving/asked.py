"""Who asks, under which authorisation, and when the request came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from registry.access.grants import Grant
    from registry.access.roles import Detail
    from serving.idempotency import RequestKey


@dataclass(frozen=True)
class Asked:
    """One request for a score, as far as its answer and record depend on it.

    Parameters
    ----------
    request_id
        Id of the request.
    started
        When it came in, by `time.perf_counter`.
    grant
        What the caller may be told; None for the platform itself (a re-scoring), which is told everything.
    key
        Its idempotency key.
    traceparent
        Trace that it belongs to.
    batch
        Batch whose row it is.
    """

    request_id: str
    started: float
    grant: Grant | None = None
    key: RequestKey | None = None
    traceparent: str = ""
    batch: str | None = None

    @property
    def detail(self) -> Detail:
        """How much of the explanation may leave."""
        return self.grant.detail if self.grant else "exact"

    @property
    def resources(self) -> frozenset[str] | None:
        """Resources that may be read; None for all."""
        return self.grant.resources if self.grant else None

    def may_ask_about(self, entities: Collection[str]) -> bool:
        """Return whether the caller may ask about an entity: its own pseudonym and those that it belongs to."""
        return self.grant is None or self.grant.may_ask_about(entities)

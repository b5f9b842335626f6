"""Who calls: consumers and their keys, as the ledger says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from registry.access.roles import Role


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """An organisation that calls the service.

    Parameters
    ----------
    id, role, zh, en
        Identifier, role (`registry.access.roles`) and name.
    subject, epoch
        Pseudonym of the enterprise that an operator is, and epoch of the key that made it; None for every other role.
    added_at, added_by
        When and by whom it was added.
    closed_at
        When it left; its keys are refused from then on.
    """

    id: str
    role: Role
    zh: str
    en: str
    subject: str | None
    epoch: int
    added_at: datetime
    added_by: str
    closed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key of a consumer. The secret is not in it.

    Parameters
    ----------
    id, consumer
        Identifier, which is part of the token, and whose key it is.
    mac, tail
        HMAC of the secret (`registry.access.tokens`), and the signs of it that may be shown.
    not_before, not_after
        First instant at which it is valid, and the first at which it is not any more; None for no such limit.
    issued_at, issued_by
        When and by whom it was issued.
    replaced_by
        Id of the key that a rotation issued in its place.
    revoked_at, reason
        When it was revoked, and why; it is refused from then on, whatever a clock says.
    """

    id: str
    consumer: str
    mac: str
    tail: str
    not_before: datetime | None
    not_after: datetime | None
    issued_at: datetime
    issued_by: str
    replaced_by: str | None = None
    revoked_at: datetime | None = None
    reason: str = ""

    def valid(self, now: datetime) -> bool:
        """Return whether it lets anybody in at an instant."""
        return self.status(now) == "valid"

    def status(self, now: datetime) -> str:
        """Return ``valid``, ``revoked``, ``waiting`` or ``over``."""
        if self.revoked_at is not None:
            return "revoked"
        if self.not_before is not None and now < self.not_before:
            return "waiting"
        return "over" if self.not_after is not None and now >= self.not_after else "valid"


@dataclass(frozen=True, kw_only=True)
class Quota:
    """What was agreed with one consumer for one product instead of the limits of its role; None for no limit.

    Parameters
    ----------
    per_month, per_day
        Calls in a calendar month and day of Shanghai.
    rate_per_s, burst
        Refill and size of its token bucket; None for those of the role.
    """

    per_month: int | None = None
    per_day: int | None = None
    rate_per_s: float | None = None
    burst: int | None = None


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who a valid key belongs to."""

    consumer: str
    role: Role
    key_id: str
    zh: str
    en: str
    subject: str | None = None
    epoch: int = 1

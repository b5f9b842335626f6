"""The error tree. A message says what was met, where, and what to do; a family maps to an exit code and a status.

Exit codes of the command line (documented in `docs/operations.md`; 2 is the shell's "wrong usage"):

====  ==========================================================================
0     done
1     a defect of ours: please report it with the traceback
2     wrong usage: unknown command, option or value
10    configuration: a setting or a key is missing or cannot be used
20    data refused: a delivery, table or request breaks its contract
30    not found: no such entity, product, model, score or study
40    integrity: bytes, digest, signature or ledger do not verify
50    training could not make a score
60    promotion refused
70    a service is not available
80    refused: who asks is not known, or may not ask this, or has asked too often
====  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class RoadRiskError(Exception):
    """Base of everything that a user can cause or mend.

    Parameters
    ----------
    message
        What was met, with the value.
    where
        The file, row, field or service where it was met.
    remedy
        What to do about it.
    details
        Further facts for machines; they go into problem documents and `--json` output. Never personal data.
    """

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(
        self, message: str, *, where: str = "", remedy: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        self.message, self.where, self.remedy = message, where, remedy
        self.details: dict[str, Any] = dict(details or {})
        super().__init__(message)

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        advice = f" {self.remedy}" if self.remedy else ""
        return f"{self.message}{place}.{advice}"


class ConfigurationError(RoadRiskError):
    """A setting or key is missing, or its value cannot be used."""

    exit_code, http_status, slug, title = 10, 503, "configuration", "Configuration error"


class DataError(RoadRiskError):
    """Data that break their contract."""

    exit_code, http_status, slug, title = 20, 422, "invalid-data", "Data break their contract"


class DeliveryRefused(DataError):
    """A delivery of a resource that may not enter the warehouse."""

    slug, title = "delivery-refused", "Delivery refused"


class InvalidRequest(DataError):
    """A request that cannot be understood or is not allowed to be made this way."""

    slug, title = "invalid-request", "Invalid request"


class NotFound(RoadRiskError):
    """Something named does not exist."""

    exit_code, http_status, slug, title = 30, 404, "not-found", "Not found"


class Erased(NotFound):
    """A record whose personal part was erased; that it existed stays known."""

    http_status, slug, title = 410, "erased", "Erased"


class UnknownEntity(NotFound):
    """No such vehicle, enterprise or driver in the feature store."""

    slug, title = "unknown-entity", "Unknown entity"


class Conflict(RoadRiskError):
    """Something else is being done, or was done, in the same place."""

    exit_code, http_status, slug, title = 60, 409, "conflict", "Conflict"


class KeyReused(InvalidRequest):
    """An idempotency key that came with another request before."""

    slug, title = "idempotency-key-reused", "Idempotency key reused"


class AccessRefused(RoadRiskError):
    """A call that is outside what its caller is authorised for."""

    exit_code, http_status, slug, title = 80, 403, "forbidden", "Not authorised"


class Unauthenticated(AccessRefused):
    """A call without a key that is known and live."""

    http_status, slug, title = 401, "unauthenticated", "Not authenticated"


class QuotaExceeded(AccessRefused):
    """A caller who has asked too often; `details` may hold `retry_after_s`."""

    http_status, slug, title = 429, "quota-exceeded", "Too many requests"


class IntegrityError(RoadRiskError):
    """Bytes, a digest, a signature or a ledger that do not verify."""

    exit_code, http_status, slug, title = 40, 503, "integrity", "Integrity check failed"


class BundleRefused(IntegrityError):
    """A score bundle that may not be used."""

    slug, title = "bundle-refused", "Bundle refused"


class TrainingError(RoadRiskError):
    """Training could not make a score from what it was given."""

    exit_code, http_status, slug, title = 50, 500, "training", "Training failed"


class PromotionRefused(RoadRiskError):
    """A model that may not go live."""

    exit_code, http_status, slug, title = 60, 409, "promotion-refused", "Promotion refused"


class ServiceUnavailable(RoadRiskError):
    """A store or service that does not answer."""

    exit_code, http_status, slug, title = 70, 503, "unavailable", "Service unavailable"


def exit_code_for(error: BaseException) -> int:
    """Return the documented exit code of an error; 1 for what is no family of ours."""
    return error.exit_code if isinstance(error, RoadRiskError) else 1

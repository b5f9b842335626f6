"""What a signed report holds, as declared in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from serving.answer_schema import Closed


class ReportAnchor(Closed):
    """A signed head of the decision ledger."""

    ledger: str
    seq: int
    digest: str
    at: str
    signature: str
    key: str = Field(description="fingerprint of the public key")


class ReportRow(Closed):
    """The row of the ledger, so that its digest can be computed again."""

    ledger: str
    seq: int
    at: str
    prev: str = Field(description="digest of the row before")
    payload: str = Field(description="the text that was chained; the personal part is sealed")
    digest: str
    anchor: ReportAnchor = Field(description="signed head of this very row")


class ReportAnchored(Closed):
    """The head outside the database that the service walked to from the row."""

    anchor: ReportAnchor
    rows_walked: int


class ReportSignature(Closed):
    """Ed25519 over the canonical JSON of everything else."""

    algorithm: Literal["Ed25519"]
    key: str
    signature: str


class ReportOut(Closed):
    """A signed report of one decision."""

    format: Literal["roadrisk-decision-report/1"]
    made_at: str
    made_for: str
    content: dict[str, Any] = Field(description="the answer and its explanation, at the detail of the scenario")
    row: ReportRow
    anchored: ReportAnchored | None = Field(description="null while no later head lies outside the database")
    signature: ReportSignature

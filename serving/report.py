"""The signed report of one decision: its content at the detail of the scenario, its row of the ledger, and the PDF of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.canonical_json import canonical_json
from registry.chain_format import instant_text, row_digest
from registry.decision_report import ATTACHMENT, FORMAT, as_row, sign_pdf, sign_report
from registry.documents.fonts import find_cjk_font
from registry.documents.tongue import Language
from registry.errors import IntegrityError, ServiceUnavailable
from registry.ledger_anchors import Anchor, public_key, read_anchors, sign_anchor
from registry.ledger_audit import verify_key
from registry.ledger_open import anchor_folder
from registry.output import to_json
from serving.report_document import report_document

if TYPE_CHECKING:
    from registry.access.grants import Grant
    from registry.chain import ChainLedger
    from registry.decisions import Decision
    from registry.settings import Settings
    from serving.past import PastScores

LONGEST_WALK: Final = 4096
"""Rows between a decision and the head outside the database that it is walked to."""
KEPT: Final = (
    "score", "points", "tier", "percentile", "no_score", "answer", "exposure", "reasons", "groups", "factors", "factor_rule",
    "currency", "lines", "warnings", "sources", "coverage", "model", "product_name", "outcome", "superseded_by", "revisions",
)


@dataclass(frozen=True)
class Reports:
    """Makes reports of decisions.

    Parameters
    ----------
    past
        Answers about past decisions.
    settings
        Where keys and anchors lie; None where there are none, and then there are no reports.
    """

    past: PastScores
    settings: Settings | None

    def report(self, decision: Decision, grant: Grant, *, request_id: str) -> dict[str, Any]:
        """Return the signed report of a decision, and record the look.

        Raises
        ------
        ServiceUnavailable
            If this installation has no keys.
        IntegrityError
            If the row does not lead to the newest head outside the database, or the bundle is gone.
        """
        settings = self._settings()
        row, anchored = self._place(settings, decision.score_id)
        return sign_report({
            "format": FORMAT, "made_at": instant_text(self.past.clock()), "made_for": grant.consumer,
            "content": self._content(decision, grant, request_id), "row": row, "anchored": anchored,
        }, settings.keys_dir)

    def pdf(self, report: Mapping[str, Any], language: Language) -> bytes:
        """Return a signed report as PDF, signed once more as a whole and with the report attached."""
        from registry.documents.pdf import render_pdf

        settings = self._settings()
        font = find_cjk_font(settings.cjk_font)
        shown: Language = language if font is not None else "en"
        content = render_pdf(report_document(report, shown), {}, font=font, attachments={ATTACHMENT: canonical_json(report)})
        return sign_pdf(content, settings.keys_dir)

    def _settings(self) -> Settings:
        if self.settings is None:
            remedy = "Start it with `roadrisk serve`."
            raise ServiceUnavailable("this service has no keys to sign with", where="reports", remedy=remedy)
        return self.settings

    def _content(self, decision: Decision, grant: Grant, request_id: str) -> dict[str, Any]:
        answer = self.past.recorded(decision, grant, request_id=request_id)
        explained = self.past.explanation(decision, grant, request_id=request_id)
        self.past.exported(decision, grant, request_id=request_id)
        return _plain({
            "score_id": decision.score_id, "product": decision.product, "model_version": decision.model_version,
            "digest": decision.digest, "consumer": decision.consumer, "scenario": decision.scenario, "role": decision.role,
            "as_of": decision.as_of.isoformat(), "decided_at": instant_text(decision.at), "supersedes": decision.supersedes,
            "entity": decision.entity_id, "related": decision.related, "detail": grant.detail, "engine": decision.engine,
            **{name: answer.get(name) for name in KEPT},
            "decomposition": explained["decomposition"], "verification": explained["verification"], "inputs": explained["inputs"],
        })

    def _place(self, settings: Settings, score_id: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return the row of a decision with its signed head, and the head outside the database that it was walked to."""
        chain = self.past.decisions.chain
        entry = chain.find("score_id", score_id)[0]
        (seq, at, prev, payload, digest), *_ = chain.raw(after=entry.seq - 1, limit=1)
        row = as_row(seq, at, prev, payload, digest, sign_anchor(chain.table, entry, settings.keys_dir))
        anchor = _next_anchor(settings, seq)
        if anchor is None or anchor.seq - seq > LONGEST_WALK:
            return row, None
        _walk(chain, seq, anchor)
        return row, {"anchor": asdict(anchor), "rows_walked": anchor.seq - seq}


def _next_anchor(settings: Settings, seq: int) -> Anchor | None:
    folder = anchor_folder(settings)
    found, _ = read_anchors(folder, "decisions", public_key(verify_key(settings), str(settings.keys_dir)))
    later = [one for one in found if one.seq >= seq]
    return min(later, key=lambda one: one.seq, default=None)


def _walk(chain: ChainLedger, seq: int, anchor: Anchor) -> None:
    previous = None
    for number, at, prev, payload, digest in chain.raw(after=seq - 1, limit=anchor.seq - seq + 1):
        if row_digest(chain.table, number, at, prev, payload) != digest or previous not in (None, prev):
            raise IntegrityError(
                f"row {number} of the decision ledger was changed or does not follow the row before it", where="decision ledger",
                remedy="Verify the ledger with `roadrisk ledger verify`.",
            )
        previous = digest
    if previous != anchor.digest:
        raise IntegrityError(
            f"row {anchor.seq} is not the one that was anchored at {anchor.at}: history was written anew", where="decision ledger",
            remedy="Verify the ledger with `roadrisk ledger verify`.",
        )


def _plain(content: dict[str, Any]) -> dict[str, Any]:
    """Return content as JSON reads it back, so that what is signed is what is read."""
    import json

    read: dict[str, Any] = json.loads(to_json(content))
    return read


def file_name(score_id: str, made_at: str, ending: str) -> str:
    """Return the name under which a report is handed out; it names no entity."""
    day = datetime.fromisoformat(made_at).date().isoformat()
    return str(Path(f"decision-{score_id[:12]}-{day}.{ending}"))

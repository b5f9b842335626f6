r"""A decision report: what one decision was and why, signed, with its place in the ledger; anybody can check it off line.

    signed text = "roadrisk-decision-report" "\n" SHA-256 over the canonical JSON of the report without its signature
    signed text = "roadrisk-decision-pdf" "\n" SHA-256 over the bytes of the PDF before its last line

The key is the one that anchors of ledgers are signed with, so one published public key checks both. A report names its row of the
ledger with the exact text that was chained, so that its digest can be computed again, and a signed head of that very row, which the
service makes after it has walked from the row to the newest head that is kept outside the database. The personal part of the row is
sealed: that the content is what lies in it rests on the signature, the rest of the row is compared with the content.

A PDF holds its report as an attachment and ends with one more line, a comment to its readers, that signs all bytes before it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.canonical_json import canonical_json, content_digest
from registry.chain_format import row_digest
from registry.errors import ConfigurationError, DataError
from registry.ledger_anchors import Anchor, anchor_of, fingerprint, holds, public_key
from registry.signing import ANCHOR_KEY, key_path

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FORMAT: Final = "roadrisk-decision-report/1"
ATTACHMENT: Final = "decision-report.json"
LEDGER: Final = "decisions"
COMPARED: Final = ("score_id", "product", "model_version", "digest", "consumer", "scenario", "as_of", "supersedes")
"""What a row holds in the clear and a report's content repeats."""
_PDF: Final = b"%PDF-"
_LAST: Final = re.compile(rb"\n%roadrisk ([0-9a-f]{128})\n\Z")
_HELD: Final = re.compile(rb"stream\r?\n(\{\s*\"anchored\":.*?\})\s*endstream", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class ReportCheck:
    """What the check of a report found.

    Parameters
    ----------
    score_id, made_at
        Whose report it is, and when it was made.
    kind
        ``json`` or ``pdf``.
    key
        Fingerprint of the public key that it was checked with.
    row, anchored
        Its row of the ledger; the row of the head outside the database that the service walked to, None before there was one.
    holds
        What was checked and holds, one sentence each.
    problems
        What does not hold.
    """

    score_id: str
    made_at: str
    kind: str
    key: str
    row: int
    anchored: int | None
    holds: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.problems


def sign_report(report: Mapping[str, Any], keys_dir: Path) -> dict[str, Any]:
    """Return a report with its signature.

    Raises
    ------
    ConfigurationError
        If the signing key does not exist or is of another kind.
    """
    key = _private(keys_dir)
    signature = key.sign(_report_text(report)).hex()
    return {**report, "signature": {"algorithm": "Ed25519", "key": fingerprint(key.public_key()), "signature": signature}}


def sign_pdf(content: bytes, keys_dir: Path) -> bytes:
    """Return a PDF with the line that signs it; raises as `sign_report` does."""
    return content + b"\n%roadrisk " + _private(keys_dir).sign(_pdf_text(content)).hex().encode() + b"\n"


def report_bytes(report: Mapping[str, Any]) -> bytes:
    """Return a report as it is written to a file."""
    return canonical_json(report)


def check_report(content: bytes, *, key: bytes, where: str) -> ReportCheck:
    """Check a report, JSON or PDF, with nothing but the public key.

    Parameters
    ----------
    content
        Bytes of the file.
    key
        Public key (PEM) of the installation, got on another way than the file.
    where
        Words for messages.

    Raises
    ------
    DataError
        If the file is no report, or the key is none.
    """
    trusted = public_key(key, where)
    found, good, bad = _opened(content, trusted, where)
    try:
        signature, row = found["signature"], found["row"]
        anchor = anchor_of(row["anchor"])
        _verify(found, signature, trusted, good, bad)
        _check_row(found["content"], row, anchor, trusted, good, bad)
        outside = _outside(found.get("anchored"), int(row["seq"]), trusted, good, bad)
        return ReportCheck(
            score_id=str(found["content"]["score_id"]), made_at=str(found["made_at"]),
            kind="pdf" if content.startswith(_PDF) else "json", key=fingerprint(trusted), row=int(row["seq"]), anchored=outside,
            holds=tuple(good), problems=tuple(bad),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"this report lacks a part: {error}", where=where, remedy="Get the file again.") from error


def _opened(content: bytes, key: Ed25519PublicKey, where: str) -> tuple[dict[str, Any], list[str], list[str]]:
    """Return the report in a file, what holds about the file and what does not."""
    good: list[str] = []
    bad: list[str] = []
    text = content
    if content.startswith(_PDF):
        last, held = _LAST.search(content), _HELD.search(content)
        if held is None:
            remedy = "Take the file as it was sent, not a print of it."
            raise DataError("this PDF holds no decision report", where=where, remedy=remedy)
        text = held[1]
        said = "the PDF is byte by byte the one that was signed"
        ok = last is not None and _signed(key, bytes.fromhex(last[1].decode()), _pdf_text(content[: last.start()]))
        (good if ok else bad).append(said if ok else "the PDF was changed after it was signed, or by another key")
    try:
        found = json.loads(text)
    except ValueError as error:
        raise DataError(f"this is no JSON: {error}", where=where, remedy="Get the file again.") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise DataError(f"this is no {FORMAT}", where=where, remedy="Make one with `roadrisk decision report`.")
    return found, good, bad


def _verify(
    found: Mapping[str, Any], signature: Mapping[str, Any], key: Ed25519PublicKey, good: list[str], bad: list[str]
) -> None:
    if signature["key"] != fingerprint(key):
        bad.append(f"the report names another key ({signature['key']}) than the one given")
    unsigned = {name: value for name, value in found.items() if name != "signature"}
    if _signed(key, bytes.fromhex(signature["signature"]), _report_text(unsigned)):
        good.append("the signature over the whole content verifies")
    else:
        bad.append("the signature does not verify: the content was changed, or another key signed it")


def _check_row(
    content: Mapping[str, Any], row: Mapping[str, Any], anchor: Anchor, key: Ed25519PublicKey, good: list[str], bad: list[str]
) -> None:
    digest = row_digest(LEDGER, int(row["seq"]), str(row["at"]), str(row["prev"]), str(row["payload"]))
    if digest == row["digest"]:
        good.append(f"row {row['seq']} of the ledger has the digest that its text gives")
    else:
        bad.append(f"row {row['seq']} is not what its digest is of")
    if (anchor.ledger, anchor.seq, anchor.digest) == (LEDGER, row["seq"], row["digest"]) and holds(anchor, key):
        good.append(f"the signed head of row {anchor.seq} verifies")
    else:
        bad.append(f"the signed head of row {row['seq']} does not verify or names another row")
    payload = json.loads(row["payload"])
    differing = [name for name in COMPARED if payload[name] != content[name]]
    if differing or str(row["at"]) != content["decided_at"]:
        bad.append(f"content and row differ in {', '.join(differing or ['decided_at'])}")
    else:
        good.append("decision, model, consumer and scenario of the content are those of the row")


def _outside(
    anchored: Mapping[str, Any] | None, seq: int, key: Ed25519PublicKey, good: list[str], bad: list[str]
) -> int | None:
    """Check the head outside the database that the service walked to; return its row."""
    if anchored is None:
        return None
    anchor = anchor_of(anchored["anchor"])
    if anchor.ledger == LEDGER and anchor.seq >= seq and holds(anchor, key):
        good.append(f"row {anchor.seq}, to which the service walked from row {seq}, is anchored outside the database ({anchor.at})")
    else:
        bad.append(f"the anchor of row {anchor.seq} does not verify or does not come after row {seq}")
    return anchor.seq


def as_row(seq: int, at: str, prev: str, payload: str, digest: str, anchor: Anchor) -> dict[str, Any]:
    """Return the part of a report about its row."""
    return {"ledger": LEDGER, "seq": seq, "at": at, "prev": prev, "payload": payload, "digest": digest, "anchor": asdict(anchor)}


def _report_text(report: Mapping[str, Any]) -> bytes:
    return f"roadrisk-decision-report\n{content_digest(report)}".encode()


def _pdf_text(content: bytes) -> bytes:
    return f"roadrisk-decision-pdf\n{hashlib.sha256(content).hexdigest()}".encode()


def _signed(key: Ed25519PublicKey, signature: bytes, text: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, text)
    except InvalidSignature:
        return False
    return True


def _private(keys_dir: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = key_path(keys_dir, ANCHOR_KEY)
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{ANCHOR_KEY} is no Ed25519 key", where=str(path))
    return key

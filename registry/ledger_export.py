"""A ledger as a file that anybody can check: its rows, its anchors and the public key. No secret is needed, and none is in it.

Lines of JSON: first what the file is, then one line per row, then one per anchor. A row has the payload as the text that
was chained, so its digest can be computed again with any SHA-256 (`registry.chain_format` has the formula). The personal
parts of decisions are in it as ciphertext.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.chain import ChainLedger
from registry.chain_format import GENESIS, row_digest
from registry.errors import DataError
from registry.ledger_anchors import Anchor, anchor_of, fingerprint, holds, public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT: Final = "roadrisk-ledger-export/1"


@dataclass(frozen=True, kw_only=True)
class ExportCheck:
    """What the check of an export found.

    Parameters
    ----------
    ledger, rows
        Name of the ledger, and rows that were read.
    anchors, anchored
        Anchors that verified; position of the newest row that one names. Rows behind it rest on the word of who made the file.
    key
        Fingerprint of the public key, to be compared with what the operator of the platform has published.
    problems
        What is wrong, one sentence each.
    """

    ledger: str
    rows: int
    anchors: int
    anchored: int
    key: str
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.problems


def write_export(ledger: ChainLedger, anchors: list[Anchor], pem: bytes, path: Path) -> int:
    """Write a ledger with its anchors to a file, whole or not at all; return how many rows it has.

    Parameters
    ----------
    anchors
        Anchors of this ledger.
    pem
        Public key of the anchors.
    """
    draft, rows = path.with_name(f".{path.name}.draft"), 0
    with draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps({"format": FORMAT, "ledger": ledger.table, "public_key": pem.decode()}) + "\n")
        for seq, at, payload, digest in ledger.texts():
            file.write(json.dumps({"seq": seq, "at": at, "payload": payload, "digest": digest}, ensure_ascii=False) + "\n")
            rows += 1
        for anchor in anchors:
            file.write(json.dumps({"anchor": asdict(anchor)}) + "\n")
    draft.replace(path)
    return rows


def check_export(path: Path, *, key: bytes | None = None) -> ExportCheck:
    """Check an export: every digest, the chain, every anchor.

    Parameters
    ----------
    key
        Public key (PEM) that the anchors must be signed with; that of the file by default, which then says only that the
        file agrees with itself.

    Raises
    ------
    DataError
        If the file is no export.
    """
    lines = _lines(path)
    head = next(lines, {})
    if head.get("format") != FORMAT:
        raise DataError(f"this is no {FORMAT}", where=str(path), remedy="Make one with `roadrisk ledger export`.")
    table, trusted = str(head["ledger"]), public_key(key or str(head["public_key"]).encode(), str(path))
    problems: list[str] = []
    if key is not None and fingerprint(public_key(str(head["public_key"]).encode(), str(path))) != fingerprint(trusted):
        problems.append("the file names another public key than the one given")
    digests, anchors = [GENESIS], []
    for line in lines:
        if "anchor" in line:
            anchors.append(anchor_of(line["anchor"]))
        else:
            problems += _row_problems(table, line, digests)
    problems += [problem for anchor in anchors for problem in _anchor_problems(table, anchor, trusted, digests)]
    if len(digests) > 1 and not anchors:
        problems.append("the file has no anchor: who made it could have written all of it anew")
    return ExportCheck(
        ledger=table, rows=len(digests) - 1, anchors=len(anchors), anchored=max((one.seq for one in anchors), default=0),
        key=fingerprint(trusted), problems=tuple(problems),
    )


def _row_problems(table: str, line: dict[str, Any], digests: list[str]) -> Iterator[str]:
    try:
        seq, at, payload, digest = int(line["seq"]), str(line["at"]), str(line["payload"]), str(line["digest"])
    except (KeyError, ValueError, TypeError):
        yield f"line {len(digests) + 1} is no row"
        return
    if seq != len(digests):
        yield f"row {len(digests)} is missing: row {seq} follows row {len(digests) - 1}"
    if row_digest(table, seq, at, digests[-1], payload) != digest:
        yield f"row {seq} was changed, or does not follow the row before it"
    digests.append(digest)


def _anchor_problems(table: str, anchor: Anchor, key: Ed25519PublicKey, digests: list[str]) -> Iterator[str]:
    if anchor.ledger != table or not holds(anchor, key):
        yield f"the anchor of row {anchor.seq} does not verify"
    elif anchor.seq >= len(digests):
        yield f"row {anchor.seq}, anchored at {anchor.at}, is not in the file: rows were cut off"
    elif digests[anchor.seq] != anchor.digest:
        yield f"row {anchor.seq} is not the one that was anchored at {anchor.at}: history was written anew"


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                found = json.loads(line)
            except ValueError:
                found = None
            if not isinstance(found, dict):
                raise DataError(f"line {number} is no JSON object", where=str(path), remedy="The file is damaged; get it again.")
            yield found

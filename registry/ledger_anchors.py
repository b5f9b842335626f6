r"""Anchors: signed heads of a ledger that are kept outside it, best on another machine.

Whoever can write the ledger's database and has stolen its HMAC key can write the whole history anew, head and all. An
anchor says which digest a row had, signed with an Ed25519 key that the ledger itself does not need; one anchor that lies
out of reach gives such a history away. Nothing but the public key is needed to check it.

    signed text = "roadrisk-anchor" "\\n" ledger "\\n" seq "\\n" digest "\\n" at

Anchors of a ledger are lines of JSON in `<ledger>.anchors`. They are written every `EVERY_ROWS` rows, when `EVERY` has
passed between two rows, when a ledger is closed, and by `roadrisk ledger anchor`. An answer does not wait for a folder that
cannot be written: that is logged, shown by `roadrisk ledger verify`, and made up for later.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.chain_format import instant_text
from registry.errors import ConfigurationError, DataError
from registry.signing import ANCHOR_KEY, ANCHOR_VERIFY_KEY, key_path

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from registry.chain import Entry

EVERY_ROWS: Final = 1000
EVERY: Final = timedelta(minutes=1)
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Anchor:
    """A signed head: the ledger, position, digest and instant of a row, the signature as hex, and the fingerprint of its key."""

    ledger: str
    seq: int
    digest: str
    at: str
    signature: str
    key: str

    @property
    def signed(self) -> bytes:
        """Return the bytes that are signed."""
        return _signed(self.ledger, self.seq, self.digest, self.at)


class Anchors:
    """Where the anchors of one ledger go.

    Parameters
    ----------
    folder
        Folder outside the ledger's database; made when missing.
    ledger
        Name of the ledger.
    keys_dir
        Folder with `ledger-signing.pem`.
    """

    def __init__(self, folder: Path, ledger: str, keys_dir: Path) -> None:
        self._path, self._ledger, self._keys_dir = folder / f"{ledger}.anchors", ledger, keys_dir
        self._lock = threading.Lock()
        self._newest: Entry | None = None
        self._seq = 0
        self._at: datetime | None = None
        self._known = False
        self.failing = ""

    def after(self, entries: Sequence[Entry]) -> None:
        """Take note of rows that are durable, and anchor the newest where it is time."""
        with self._lock:
            newest = entries[-1]
            if self._newest is None or newest.seq > self._newest.seq:
                self._newest = newest
            if self._due(newest):
                self._write(self._newest)

    def at_close(self) -> None:
        """Anchor the newest row that was appended, unless it is anchored."""
        with self._lock:
            if self._newest is not None and self._newest.seq > self._seq:
                self._write(self._newest)

    def write(self, entry: Entry) -> Anchor:
        """Anchor a row durably.

        Raises
        ------
        ConfigurationError
            If the signing key does not exist.
        OSError
            If the folder cannot be written.
        """
        made = sign_anchor(self._ledger, entry, self._keys_dir)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab+") as file:
            end = file.seek(0, os.SEEK_END)
            torn = end > 0 and os.pread(file.fileno(), 1, end - 1) != b"\n"
            # Half a line that a crash left is closed off, so that it spoils no other.
            file.write((b"\n" if torn else b"") + json.dumps(asdict(made)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return made

    def _due(self, newest: Entry) -> bool:
        if not self._known:
            self._known = True
            kept = newest_anchor(self._path)
            if kept is not None:
                self._seq, self._at = kept.seq, datetime.fromisoformat(kept.at)
        if self._at is None:
            return True
        return newest.seq - self._seq >= EVERY_ROWS or abs(newest.at - self._at) >= EVERY

    def _write(self, entry: Entry) -> None:
        # Even where it fails, the next try comes with the next interval: a folder that is away must not slow every answer.
        self._seq, self._at = entry.seq, entry.at
        try:
            self.write(entry)
        except (OSError, ConfigurationError) as error:
            if not self.failing:
                _log.warning("anchors of ledger %s cannot be written: %s", self._ledger, type(error).__name__)
            self.failing = type(error).__name__
        else:
            self.failing = ""


def sign_anchor(ledger: str, entry: Entry, keys_dir: Path) -> Anchor:
    """Return a signed anchor of a row.

    Raises
    ------
    ConfigurationError
        If the signing key does not exist or is of another kind.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = key_path(keys_dir, ANCHOR_KEY)
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{ANCHOR_KEY} is no Ed25519 key", where=str(path))
    at = instant_text(entry.at)
    signature = key.sign(_signed(ledger, entry.seq, entry.digest, at)).hex()
    return Anchor(ledger, entry.seq, entry.digest, at, signature, fingerprint(key.public_key()))


def newest_anchor(path: Path) -> Anchor | None:
    """Return the last anchor of a file, as it claims to be; None where there is none."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            return anchor_of(json.loads(line))
        except ValueError:
            continue
    return None


def read_anchors(folder: Path, ledger: str, key: Ed25519PublicKey) -> tuple[list[Anchor], list[str]]:
    """Return the anchors of a ledger whose signatures verify, and one sentence for each line that does not."""
    path = folder / f"{ledger}.anchors"
    if not path.is_file():
        return [], []
    found, problems = [], []
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip() or (number == len(lines) and not line.endswith(b"}")):
            continue
        try:
            anchor = anchor_of(json.loads(line))
        except ValueError:
            problems.append(f"line {number} of {path.name} is no anchor")
            continue
        if anchor.ledger != ledger or not holds(anchor, key):
            problems.append(f"the anchor of row {anchor.seq} in {path.name} does not verify")
        else:
            found.append(anchor)
    return found, problems


def holds(anchor: Anchor, key: Ed25519PublicKey) -> bool:
    """Whether the signature of an anchor verifies."""
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(bytes.fromhex(anchor.signature), anchor.signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def anchor_of(claim: Any) -> Anchor:
    """Return the anchor that JSON claims to be.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        texts = {name: str(claim[name]) for name in ("ledger", "digest", "at", "signature", "key")}
        return Anchor(seq=int(claim["seq"]), **texts)
    except (KeyError, TypeError) as error:
        raise ValueError("no anchor") from error


def public_key(content: bytes, where: str) -> Ed25519PublicKey:
    """Return the public key in a PEM text.

    Raises
    ------
    DataError
        If it holds none of Ed25519.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(content)
    except ValueError as error:
        raise DataError("this is no public key", where=where, remedy=f"Take {ANCHOR_VERIFY_KEY} of the installation.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise DataError("this is no Ed25519 key", where=where, remedy=f"Take {ANCHOR_VERIFY_KEY} of the installation.")
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return what tells public keys apart: the first half of the SHA-256 of the raw key, as hex."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32]


def _signed(ledger: str, seq: int, digest: str, at: str) -> bytes:
    return f"roadrisk-anchor\n{ledger}\n{seq}\n{digest}\n{at}".encode()

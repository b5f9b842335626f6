"""Keys and signatures: Ed25519 for bundles, HMAC keys for pseudonyms and ledgers.

Keys live in `Settings.keys_dir`, one file each with mode 0600, apart from the data they protect. A missing key is made
by `roadrisk doctor --init-keys` (and by the demonstration); nothing else makes one silently.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.bundle import SIGNATURE, digest_of, read_files
from registry.canonical_json import canonical_json
from registry.errors import BundleRefused, ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PSEUDONYM_KEY: Final = "pseudonym.key"
LEDGER_KEY: Final = "ledger.key"
API_PEPPER: Final = "api-pepper.key"
"""Key of the HMACs that are kept in place of the secrets of API keys."""
SIGNING_KEY: Final = "bundle-signing.pem"
VERIFY_KEY: Final = "bundle-verify.pem"
WRAP_KEY: Final = "ledger-wrap.key"
"""Key that wraps the data keys of decisions: whoever holds it and the ledger reads the personal parts that were not erased."""
ANCHOR_KEY: Final = "ledger-signing.pem"
ANCHOR_VERIFY_KEY: Final = "ledger-verify.pem"


def init_keys(keys_dir: Path) -> list[str]:
    """Make every key that does not exist yet; return the names of those made."""
    keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = []
    for name in (PSEUDONYM_KEY, LEDGER_KEY, API_PEPPER, WRAP_KEY):
        if not (keys_dir / name).exists():
            _write_secret(keys_dir / name, secrets.token_hex(32).encode())
            made.append(name)
    for private, public in ((SIGNING_KEY, VERIFY_KEY), (ANCHOR_KEY, ANCHOR_VERIFY_KEY)):
        if not (keys_dir / private).exists():
            _init_signing_key(keys_dir, private, public)
            made.extend([private, public])
    return made


def init_pepper(keys_dir: Path) -> bool:
    """Make the pepper of API keys where it does not exist; return whether one was made."""
    keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _init_secret(keys_dir / API_PEPPER)


def read_secret(keys_dir: Path, name: str) -> bytes:
    """Return the bytes of a symmetric key.

    Raises
    ------
    ConfigurationError
        If the key does not exist, is not hexadecimal, or is shorter than 32 bytes.
    """
    path = key_path(keys_dir, name)
    try:
        key = bytes.fromhex(path.read_text().strip())
    except ValueError:
        raise ConfigurationError(f"key {name} is not hexadecimal", where=str(path)) from None
    if len(key) < 32:
        raise ConfigurationError(f"key {name} has {len(key)} bytes, at least 32 are needed", where=str(path))
    return key


def key_path(keys_dir: Path, name: str) -> Path:
    """Return where a key lies.

    Raises
    ------
    ConfigurationError
        If it does not exist.
    """
    path = keys_dir / name
    if not path.is_file():
        raise ConfigurationError(
            f"key {name} does not exist", where=str(path), remedy="Make the keys with `roadrisk doctor --init-keys`."
        )
    return path


def pseudonym_key_name(epoch: int) -> str:
    """Return the file name of the pseudonym key of an epoch: `pseudonym.key` is that of the first."""
    return PSEUDONYM_KEY if epoch == 1 else f"pseudonym-{epoch:04d}.key"


def pseudonym_keys(keys_dir: Path, epoch: int = 1) -> tuple[bytes, ...]:
    """Return the pseudonym keys of all epochs up to one, oldest first: the door needs the whole chain.

    Raises
    ------
    ConfigurationError
        If one of them is missing or cannot be used.
    """
    return tuple(read_secret(keys_dir, pseudonym_key_name(number)) for number in range(1, epoch + 1))


def init_pseudonym_key(keys_dir: Path, epoch: int) -> bool:
    """Make the pseudonym key of an epoch where it does not exist; return whether one was made."""
    return _init_secret(keys_dir / pseudonym_key_name(epoch))


def listed_pseudonym_keys(keys_dir: Path, epoch: int) -> list[dict[str, Any]]:
    """Return what may be shown about the pseudonym keys: epoch, file, state, time, fingerprint.

    The fingerprint tells two keys apart, as when a backup is compared, and says nothing about either: it is a hash of 256
    random bits.

    Parameters
    ----------
    keys_dir
        Where the keys are.
    epoch
        Current epoch: later keys wait for a rotation that has not been finished.
    """
    waiting = {int(path.stem.rpartition("-")[2]) for path in keys_dir.glob("pseudonym-[0-9][0-9][0-9][0-9].key")}
    return [_described(keys_dir, number, epoch) for number in sorted({*range(1, epoch + 1), *waiting})]


def _described(keys_dir: Path, number: int, epoch: int) -> dict[str, Any]:
    path = keys_dir / pseudonym_key_name(number)
    state = "current" if number == epoch else "earlier" if number < epoch else "waiting"
    described: dict[str, Any] = {"epoch": number, "file": path.name, "state": state, "made": None, "fingerprint": None}
    if not path.is_file():
        return described | {"state": "missing"}
    made = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC).isoformat(timespec="seconds")
    print_of = hashlib.sha256(b"fingerprint|" + read_secret(keys_dir, path.name)).hexdigest()[:12]
    return described | {"made": made, "fingerprint": print_of}


def sign_bundle(folder: Path, keys_dir: Path) -> str:
    """Sign the bundle in a folder and return its digest. Signing again with the same key changes nothing."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = keys_dir / SIGNING_KEY
    if not path.is_file():
        raise ConfigurationError(
            f"signing key {SIGNING_KEY} does not exist",
            where=str(path),
            remedy="Make the keys with `roadrisk doctor --init-keys`.",
        )
    key = load_pem_private_key(path.read_bytes(), password=None)
    digest = digest_of(read_files(folder))
    signature: bytes = _as_private(key).sign(digest.encode())
    content = canonical_json({"algorithm": "Ed25519", "digest": digest, "signature": signature.hex()})
    staging = folder.parent / f".{folder.name}.{SIGNATURE}"
    staging.write_bytes(content)
    staging.replace(folder / SIGNATURE)
    return digest


def verify_files(files: dict[str, bytes], keys_dir: Path, *, where: str, digest: str | None = None) -> str:
    """Verify digest and signature over exact bytes, before anything parses them; return the digest.

    Parameters
    ----------
    files
        File name -> bytes of one bundle folder.
    keys_dir
        Folder with the public key.
    where
        Words for messages.
    digest
        Digest that another record (promotion ledger) says the bundle must have.

    Raises
    ------
    BundleRefused
        If the bundle is unsigned, or its digest or signature does not verify.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    met = digest_of(files)
    if digest is not None and met != digest:
        raise BundleRefused(
            f"bundle has digest {met[:16]}, the promotion ledger names {digest[:16]}",
            where=where,
            remedy="Restore the bundle from the registry or roll back to another version.",
        )
    if SIGNATURE not in files:
        raise BundleRefused("bundle is not signed", where=where, remedy="Train and register the model again.")
    key_path = keys_dir / VERIFY_KEY
    if not key_path.is_file():
        raise ConfigurationError(f"public key {VERIFY_KEY} does not exist", where=str(key_path))
    try:
        claim = json.loads(files[SIGNATURE])
        claimed, signature = claim["digest"], bytes.fromhex(claim["signature"])
    except (ValueError, KeyError, TypeError) as error:
        raise BundleRefused(f"signature.json cannot be read: {error}", where=where) from error
    if claimed != met:
        raise BundleRefused(
            f"bundle has digest {met[:16]}, its signature is for {str(claimed)[:16]}: a file was changed",
            where=where,
            remedy="Restore the bundle from the registry or roll back to another version.",
        )
    try:
        _as_public(load_pem_public_key(key_path.read_bytes())).verify(signature, met.encode())
    except InvalidSignature:
        raise BundleRefused(f"signature of bundle {met[:16]} does not verify", where=where) from None
    return met


def _init_signing_key(keys_dir: Path, private: str, public: str) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.generate()
    _write_secret(keys_dir / private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (keys_dir / public).write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _init_secret(path: Path) -> bool:
    if path.exists():
        return False
    # A key of half a file would be lost data: it appears whole or not at all.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    _write_secret(draft, secrets.token_hex(32).encode())
    draft.replace(path)
    return True


def _write_secret(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _as_private(key: object) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"the signing key is a {type(key).__name__}, an Ed25519 key is needed")
    return key


def _as_public(key: object) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"the public key is a {type(key).__name__}, an Ed25519 key is needed")
    return key

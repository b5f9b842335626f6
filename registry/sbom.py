"""Software bill of materials (SBOM) of a model: what was installed when it was trained, as CycloneDX JSON.

The same model in the same environment gives the same bytes: there is no serial number and no time in it, both are optional.

References
----------
CycloneDX 1.6 (ECMA-424); package URLs (purl) for Python packages.
"""

from __future__ import annotations

import json
import platform
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.canonical_json import canonical_json
from registry.errors import ConfigurationError, IntegrityError
from registry.evidence import card_folder

if TYPE_CHECKING:
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License

    from registry.settings import Settings

DISTRIBUTION: Final = "roadrisk"
SBOM: Final = "sbom.cdx.json"
CONSTRAINTS: Final = "constraints.txt"
MODEL: Final = "model"
MAX_LICENSE: Final = 80
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")

Document = dict[str, Any]
Pinned = Mapping[tuple[str, str], Sequence[str]]
"""(name, version) -> SHA-256 of the files of that version."""


@dataclass(frozen=True)
class Installed:
    """One installed distribution: its normal name, version, what it needs that is installed, and its licence in its own words."""

    name: str
    version: str
    needs: tuple[str, ...]
    expression: str
    classified: tuple[str, ...]
    words: str


def make_sbom(product: str, digest: str, *, constraints: Path | None = None) -> Document:
    """Return the bill of materials of a model in this environment.

    Parameters
    ----------
    product, digest
        The model.
    constraints
        File of pinned versions with hashes; by default that of the source tree, where there is one. Each component carries
        the hashes of all files of its pinned version, because what was installed does not say which of them it came from.

    Returns
    -------
    dict
        CycloneDX 1.6. Components are the distributions that ours needs, directly or not, as they are installed.

    Raises
    ------
    ConfigurationError
        If our own distribution is not installed.
    """
    document: Document = json.loads(_environment(constraints or Path(__file__).resolve().parents[1] / CONSTRAINTS))
    reference = f"model:{product}:{digest[:16]}"
    document["metadata"]["component"] |= {"name": product, "version": digest, "bom-ref": reference}
    for line in document["dependencies"]:
        line["ref"] = reference if line["ref"] == MODEL else line["ref"]
    return document


def write_sbom(settings: Settings, product: str, digest: str) -> Path:
    """Write the bill of materials of a model beside its card and return the file; one that is there stays as it is."""
    path = card_folder(settings, product, digest) / SBOM
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = path.with_name(f".{SBOM}.new")
        staging.write_bytes(canonical_json(make_sbom(product, digest)))
        staging.replace(path)
    return path


def read_sbom(settings: Settings, product: str, digest: str) -> Document | None:
    """Return the bill of materials that was written when a model was registered; None where none was.

    Raises
    ------
    IntegrityError
        If the file is no JSON.
    """
    path = card_folder(settings, product, digest) / SBOM
    if not path.is_file():
        return None
    try:
        document: Document = json.loads(path.read_bytes())
    except ValueError as error:
        raise IntegrityError(f"the bill of materials is no JSON: {error}", where=str(path)) from error
    return document


@cache
def installed() -> Mapping[str, Installed]:
    """Return our distribution and all that it needs and that is installed, by normal name, sorted.

    Raises
    ------
    ConfigurationError
        If our own distribution is not installed.
    """
    ours = _read(DISTRIBUTION)
    if ours is None:
        raise ConfigurationError(f"{DISTRIBUTION} is not installed", remedy="Run `make setup`.")
    found, waiting = {DISTRIBUTION: ours}, [ours]
    while waiting:
        for name in waiting.pop().needs:
            if name not in found and (one := _read(name)) is not None:
                found[name] = one
                waiting.append(one)
    return dict(sorted(found.items()))


def _read(name: str) -> Installed | None:
    try:
        # Parsed once: each look at the distribution's own properties parses its whole text again.
        told = metadata.distribution(name).metadata
    except metadata.PackageNotFoundError:
        return None
    words = _one(told, "License").strip().splitlines()
    classified = {line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or () if line.startswith("License :: ")}
    return Installed(
        name=_normal(told["Name"]), version=told["Version"], needs=tuple(_needs(told.get_all("Requires-Dist") or ())),
        expression=_one(told, "License-Expression"), classified=tuple(sorted(classified - {"OSI Approved"})),
        words=words[0] if words and len(words[0]) <= MAX_LICENSE else "",
    )


def _one(told: metadata.PackageMetadata, field: str) -> str:
    return next(iter(told.get_all(field) or ()), "")


def _needs(requirements: Sequence[str]) -> Iterator[str]:
    """Yield the normal names of what is required here; what only an extra requires is left out."""
    from packaging.requirements import Requirement

    for text in requirements:
        need = Requirement(text)
        if need.marker is None or need.marker.evaluate({"extra": ""}):
            yield _normal(need.name)


@cache
def _environment(constraints: Path) -> str:
    """Return the bill of materials of a model without a name."""
    found, pinned = installed(), _pinned(constraints)
    with warnings.catch_warnings():
        # The library warns about its own modules while they are imported.
        warnings.simplefilter("ignore", DeprecationWarning)
        from cyclonedx.model import Property
        from cyclonedx.model.bom import Bom
        from cyclonedx.model.component import Component, ComponentType
        from cyclonedx.output.json import JsonV1Dot6

    model = Component(
        name=MODEL, version=MODEL, type=ComponentType.MACHINE_LEARNING_MODEL, bom_ref=MODEL,
        properties=[
            Property(name="roadrisk:python", value=f"{platform.python_implementation()} {platform.python_version()}"),
            Property(name="roadrisk:platform", value=f"{platform.system()} {platform.machine()}"),
        ],
    )
    bom = Bom()
    bom.metadata.component = model
    components = {name: _component(one, pinned) for name, one in found.items()}
    bom.components.update(components.values())
    bom.register_dependency(model, [components[DISTRIBUTION]])
    for name, one in found.items():
        bom.register_dependency(components[name], [components[need] for need in one.needs if need in components])
    document: Document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["serialNumber"], document["metadata"]["timestamp"]
    return json.dumps(document)


def _component(one: Installed, pinned: Pinned) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    ours = one.name == DISTRIBUTION
    return Component(
        name=one.name, version=one.version, bom_ref=f"{one.name}@{one.version}", licenses=_licenses(one),
        type=ComponentType.APPLICATION if ours else ComponentType.LIBRARY,
        purl=None if ours else PackageURL("pypi", None, one.name, one.version),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in pinned.get((one.name, one.version), ())],
    )


def _licenses(one: Installed) -> list[License]:
    """Return an expression, else the classifiers, else the distribution's own words."""
    from cyclonedx.contrib.license.factories import LicenseFactory

    factory = LicenseFactory()
    if one.expression:
        return [factory.make_from_string(one.expression)]
    if one.classified:
        return [factory.make_with_name(name) for name in one.classified]
    return [factory.make_from_string(one.words)] if one.words else []


def _pinned(constraints: Path) -> Pinned:
    """Return what a constraints file pins; a name can be pinned to one version per Python. Empty without a file."""
    found: dict[tuple[str, str], list[str]] = {}
    digests: list[str] = []
    for line in constraints.read_text(encoding="utf-8").splitlines() if constraints.is_file() else ():
        if pin := _PIN.match(line):
            digests = found.setdefault((_normal(pin[1]), pin[2]), [])
        elif digest := _HASH.search(line):
            digests.append(digest[1])
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

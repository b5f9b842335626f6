"""What the page of one version shows: card, evidence, pictures, promotions and kept comparisons, as they lie beside each other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.errors import IntegrityError, NotFound
from registry.evidence import card_folder, read_evidence

if TYPE_CHECKING:
    from registry.promotion import Promotion
    from registry.settings import Settings

CARD: Final = "card.json"
PICTURES: Final = (
    "calibration", "actual_to_expected", "lorenz", "lift", "double_lift", "rivals", "periods", "segments", "points", "shap_bar",
    "shap_beeswarm", "shap_dependence",
)
"""Pictures of a card, in the order of the page; the last three explain."""
EXPLAINING: Final = ("shap_bar", "shap_beeswarm", "shap_dependence")
COMPARED: Final = ("double_lift", "dislocation")
MEASURES: Final = ("gini", "auc", "d2", "balance", "ece", "ks", "brier")
COMPARISONS: Final = "comparisons"
_NAME: Final = re.compile(r"[a-z0-9_-]{1,64}-[0-9a-f]{12,16}(-[0-9a-f]{12})?")


@dataclass(frozen=True, kw_only=True)
class Life:
    """A time in which a version was live; `until` is None while it is."""

    promotion: Promotion
    until: datetime | None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One measure of one part in the test period, with its interval and its values in training and validation."""

    part: str
    measure: str
    test: float
    interval: tuple[float, float] | None
    valid: float | None
    train: float | None


@dataclass(frozen=True, kw_only=True)
class ModelView:
    """A version, laid out.

    Parameters
    ----------
    card, evidence
        Facts of training, and what was found out since, by kind.
    number
        Version in the model registry, as far as ledger or evidence know it.
    lives
        When it was live, the newest first.
    measures
        Rank measures, balance and calibration error of every part.
    pictures
        Kinds that have been drawn in the language asked for.
    comparisons
        Kept comparisons with another version: name, own version and side, the other's version and digest.
    others
        Names of the other versions of the product.
    """

    name: str
    card: Mapping[str, Any]
    evidence: Mapping[str, Mapping[str, Any]]
    number: int | None
    lives: list[Life]
    measures: list[Measured]
    pictures: tuple[str, ...]
    comparisons: list[Mapping[str, Any]]
    others: list[str]

    @property
    def live(self) -> bool:
        """Whether it is live now."""
        return any(life.until is None for life in self.lives)

    @property
    def rivals(self) -> Mapping[str, Any] | None:
        """The table of rivals of the outcome that the score is judged by."""
        judged = self.evidence.get("judgement") or {}
        found: Mapping[str, Any] | None = (judged.get("comparison") or {}).get(judged.get("main"))
        return found if found and found.get("rivals") else None


def versions_of(settings: Settings, product: str | None = None) -> list[str]:
    """Return the names of all versions that have a card, of one product or of all."""
    folder = settings.home / "cards"
    return sorted(
        path.parent.name for path in folder.glob(f"*/{CARD}")
        if _NAME.fullmatch(path.parent.name) and product in (None, path.parent.name.rpartition("-")[0])
    )


def model_view(settings: Settings, name: str, past: Sequence[Promotion], language: str) -> ModelView:
    """Return the page of a version.

    Parameters
    ----------
    name
        Product and the first sixteen characters of the digest, as its folder of the card is named.
    past
        The promotion ledger, oldest first.

    Raises
    ------
    NotFound
        If there is no such version, or it has no card.
    IntegrityError
        If card or evidence cannot be read.
    """
    folder = _folder(settings, name)
    card = _read(folder / CARD)
    product, digest = str(card["product"]), str(card["digest"])
    if card_folder(settings, product, digest) != folder:
        raise IntegrityError("the card speaks of another version", where=name, remedy="Train the version again.")
    evidence = read_evidence(settings, product, digest)
    lives = [life for life in _lives(past, product) if life.promotion.digest == digest]
    compared = list(_comparisons(settings, product, digest))
    return ModelView(
        name=name, card=card, evidence=evidence, number=_number(lives, [*evidence.values(), *compared]), lives=lives[::-1],
        measures=list(_measured(card["evaluation"])), comparisons=compared,
        pictures=tuple(kind for kind in PICTURES if (folder / f"{kind}.{language}.png").is_file()),
        others=[other for other in versions_of(settings, product) if other != name],
    )


def picture(settings: Settings, name: str, kind: str, language: str) -> bytes:
    """Return a picture of a card, or of a kept comparison; raises `NotFound` where there is none."""
    compared = settings.home / COMPARISONS / name / f"{kind}.{language}.png"
    # A card and a comparison both have a double lift, and their names are not of one form.
    if kind in COMPARED and _NAME.fullmatch(name) and compared.is_file():
        return compared.read_bytes()
    path = _folder(settings, name) / f"{kind}.{language}.png" if kind in PICTURES else Path()
    if not path.is_file():
        raise NotFound("there is no such picture", where=name[:80], remedy="Write the card's documents again: roadrisk card.")
    return path.read_bytes()


def comparison(settings: Settings, name: str) -> Mapping[str, Any]:
    """Return a kept comparison; raises `NotFound` where there is none."""
    path = settings.home / COMPARISONS / name / "comparison.json"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise NotFound("there is no such comparison", where=name[:80], remedy="Make it with `roadrisk compare`.")
    return _read(path)


def card_name(product: str, digest: str) -> str:
    """Return the name of a version on the pages."""
    return f"{product}-{digest[:16]}"


def _folder(settings: Settings, name: str) -> Path:
    path = settings.home / "cards" / name
    if not _NAME.fullmatch(name) or not (path / CARD).is_file():
        raise NotFound("there is no such version, or it has no card", where=name[:80], remedy="Choose one of the page of models.")
    return path


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise IntegrityError(f"this is no JSON: {error}", where=path.name, remedy="Train or compare the version again.") from error
    if not isinstance(found, dict):
        raise IntegrityError("this is no JSON object", where=path.name, remedy="Train or compare the version again.")
    return found


def _lives(past: Sequence[Promotion], product: str) -> list[Life]:
    own = [line for line in past if line.product == product]
    ends = [*(line.at for line in own[1:]), None]
    return [Life(promotion=line, until=end) for line, end in zip(own, ends, strict=True)] if own else []


def _number(lives: Sequence[Life], documents: Sequence[Mapping[str, Any]]) -> int | None:
    known = [life.promotion.version for life in lives]
    known += [int(one["version"]) for one in documents if isinstance(one.get("version"), int)]
    return known[0] if known else None


def _measured(evaluation: Mapping[str, Any]) -> Iterator[Measured]:
    parts = {**({"score": evaluation["score"]} if evaluation.get("score") else {}), **evaluation.get("components", {})}
    for part, folds in parts.items():
        test = folds.get("test") or {}
        for measure in MEASURES:
            value = test.get(measure)
            if isinstance(value, int | float):
                low_high = (test.get("intervals") or {}).get(measure)
                yield Measured(
                    part=part, measure=measure, test=float(value), interval=tuple(low_high) if low_high else None,
                    valid=(folds.get("valid") or {}).get(measure), train=(folds.get("train") or {}).get(measure),
                )


def _comparisons(settings: Settings, product: str, digest: str) -> Iterator[Mapping[str, Any]]:
    for path in sorted((settings.home / COMPARISONS).glob(f"{product}-*/comparison.json")):
        found = _read(path)
        sides = {side: found[side] for side in ("a", "b")}
        if digest in {one["digest"] for one in sides.values()}:
            mine = "a" if sides["a"]["digest"] == digest else "b"
            own = sides[mine]["version"]
            other = sides["b" if mine == "a" else "a"]
            yield {"name": path.parent.name, "version": own, "mine": mine, "other": other["version"], "digest": other["digest"]}

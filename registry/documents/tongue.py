"""In which of the two languages something is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
"""Chinese first."""


@dataclass(frozen=True)
class Tongue:
    """Chooses one of two wordings that stand beside each other where they are declared."""

    lang: Language

    def __call__(self, zh: str, en: str) -> str:
        """Return the wording in this language."""
        return zh if self.lang == "zh" else en

    def of(self, pair: tuple[str, str] | None, missing: str = "") -> str:
        """Return the wording of a declared pair (Chinese, English); `missing` where nothing is declared."""
        return self(*pair) if pair else missing


CHINESE: Final = Tongue("zh")
ENGLISH: Final = Tongue("en")

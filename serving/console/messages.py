"""The words of the console: one file per language, read once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

LANGUAGES: Final = ("zh", "en")
"""The first is shown where nobody chose."""
HTML_LANGUAGE: Final = {"zh": "zh-CN", "en": "en"}
_FOLDER: Final = Path(__file__).with_name("messages")


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Return key -> text of a language."""
    read: dict[str, str] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return read


def text(language: str, key: str, **values: Any) -> str:
    """Return a text with its values put in. A key that does not exist is a defect and raises `KeyError`."""
    return catalogue(language)[key].format(**values)


def worded(language: str, said: Any) -> str:
    """Return the text of something that has both: a mapping or an object with `zh` and `en`."""
    return str(said[language] if isinstance(said, Mapping) else getattr(said, language))

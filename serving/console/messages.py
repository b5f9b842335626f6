"""The words of the console: in each language one file for what all pages share and one per further subject, read once."""

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
    parts = [json.loads(path.read_text(encoding="utf-8")) for path in files_of(language)]
    merged: dict[str, str] = {key: words for part in parts for key, words in part.items()}
    if len(merged) != sum(map(len, parts)):
        raise ValueError(f"a message of {language} is given twice")
    return merged


def files_of(language: str) -> list[Path]:
    """Return the files of a language: ``zh.json``, and ``SUBJECT.zh.json`` for every further subject."""
    return sorted(_FOLDER.glob(f"*{language}.json"))


def text(language: str, key: str, **values: Any) -> str:
    """Return a text with its values put in. A key that does not exist is a defect and raises `KeyError`."""
    return catalogue(language)[key].format(**values)


def text_or(language: str, key: str, fallback: str) -> str:
    """Return a text without values; the fallback where the key does not exist, such as the identifier of what has no words."""
    return catalogue(language).get(key, fallback)


def worded(language: str, said: Any) -> str:
    """Return the text of something that has both: a mapping or an object with `zh` and `en`."""
    return str(said[language] if isinstance(said, Mapping) else getattr(said, language))

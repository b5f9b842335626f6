"""Names of persons who decide: when two of them are the same."""

from __future__ import annotations

import unicodedata


def same_person(one: str, other: str) -> bool:
    """Return whether two names are the same but for width, case and spaces: 李工 and 李 工, Wang and ｗａｎｇ."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())
